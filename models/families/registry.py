"""Which families there are, and which one a config.json belongs to."""

from collections.abc import Mapping
from typing import Any

from models.errors import ModelFolderError
from models.families.cogvlm2 import CogVLM2Family
from models.families.family import Family
from models.families.idefics3 import Idefics3Family
from models.families.llama import LlamaFamily
from models.families.opt import OptFamily
from models.families.qwen2 import Qwen2Family
from models.families.qwen3 import Qwen3Family
from models.families.qwen3_vl import Qwen3VLFamily
from models.families.relatives import refuse_relative

SHIPPED: tuple[Family, ...] = (
    LlamaFamily(),
    OptFamily(),
    Qwen2Family(),
    Qwen3Family(),
    CogVLM2Family(),
    Idefics3Family(),
    Qwen3VLFamily(),
)

# Filled by calls of `register` alone, never by importing a module.
_added: list[Family] = []


def register(family: Family) -> None:
    """Make a family known to everything that opens model folders in this process.

    Raises:
        ValueError: there is a family of this name.
    """
    if family.name in {known.name for known in known_families()}:
        raise ValueError(f"there is a model family {family.name} already: give yours another name")
    _added.append(family)


def known_families() -> tuple[Family, ...]:
    """Return the shipped families and then the added ones, in the order they are asked."""
    return (*SHIPPED, *_added)


def family_of(config: Mapping[str, Any]) -> Family:
    """Choose the family by a config.json.

    Raises:
        ModelFolderError: the architecture is unknown.
    """
    for family in known_families():
        if family.describes(config):
            return family
    refuse_relative(config)
    found = config.get("architectures") or config.get("model_type") or "nothing"
    names = ", ".join(family.name for family in known_families())
    raise ModelFolderError(
        f"config.json names the architecture {found}, which is not supported: "
        f"use a model of one of the families {names}"
    )
