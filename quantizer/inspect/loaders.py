"""Which programs load a folder: the rules of ``loaders.toml``, applied to what was found in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.errors import ModelsError
from models.families import family_of
from models.files.auto_round import is_auto_round
from models.files.bounded import read_toml
from models.files.gguf import SUFFIX
from models.files.gguf_model import ARCHITECTURES
from quantizer.errors import ExportError
from quantizer.exporting.blocks import check_groups
from quantizer.inspect.checks import LayerFacts
from quantizer.inspect.folder import Inspection

RULES_FILE = Path(__file__).parent / "loaders.toml"
VERDICTS = ("yes", "no", "unknown")

_MARLIN_GROUPS = (32, 64, 128)
_OUTPUTS = 16
_PICTURE_PARTS = ("vision_config",)
_FORMS = {
    None: "plain", "GPTQ v1": "gptq", "GPTQ v2": "gptq_v2",
    "compressed-tensors": "compressed-tensors",
}  # fmt: skip
CONDITIONS = (
    "form", "symmetric", "act_order", "four_bits", "three_bits", "mixed", "ragged",
    "outputs_by_16", "marlin_groups", "family", "head_quantized", "text_only", "own_code",
    "indexed", "wrapped", "auto_round", "has_gguf", "exportable",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoaderVerdict:
    """Whether one program loads a folder.

    verdict: yes, no or unknown.
    text:    under which condition, or why not.
    mend:    what makes it load, empty where nothing does or nothing need.
    tried:   the version that was tried; empty where the sources' word is all there is.
    sources: where the rule comes from.
    """

    loader: str
    verdict: str
    text: str
    mend: str
    tried: str
    sources: tuple[str, ...]

    def __str__(self) -> str:
        how = f": {self.text}" if self.text else ""
        mend = f"; mended by {self.mend}" if self.mend else ""
        words = {"yes": "loads it", "no": "does not load it", "unknown": "is not known to load it"}
        return f"{self.loader} {words[self.verdict]}{how}{mend}"

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def loader_verdicts(found: Inspection, config: Mapping[str, Any]) -> list[LoaderVerdict]:
    """Say of every loader that the rules know whether it loads a folder.

    found:  what `inspect_folder` found; a folder with anything damaged is loaded by none.
    config: its config.json.
    """
    facts = folder_facts(found, config)
    return [_verdict(loader, facts) for loader in read_toml(RULES_FILE)["loader"]]


def folder_facts(found: Inspection, config: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions of the rules, for one folder; see ``loaders.toml``."""
    layers = found.layers
    try:
        family = family_of(config).name
    except ModelsError:
        family = ""
    said = config.get("quantization_config")
    widths = {layer.bits for layer in layers}
    sizes = {layer.group_size for layer in layers}
    shapes = [layer.shape for layer in layers if layer.shape is not None]
    rows = {layer.group_size for layer in layers if _is_row(layer.shape, layer.group_size)}
    middle = {layer.zeros for layer in layers} <= {
        (2 ** (bits - 1),) * 2 for bits in widths if bits
    }
    return {
        "form": _FORMS.get(found.form, found.form),
        "symmetric": bool(found.config.get("sym", True)) and middle,
        "act_order": any(layer.groups == "act-order" for layer in layers),
        "four_bits": widths <= {4},
        "three_bits": 3 in widths,
        "mixed": len(widths) > 1 or len(sizes - rows) > 1,
        "ragged": any(
            layer.shape is not None and layer.group_size and layer.shape[1] % layer.group_size
            for layer in layers
        ),
        "outputs_by_16": all(outputs % _OUTPUTS == 0 for outputs, _ in shapes),
        "marlin_groups": sizes - rows <= set(_MARLIN_GROUPS),
        "family": family,
        "head_quantized": any(layer.name == "lm_head" for layer in layers),
        "text_only": not any(config.get(part) for part in _PICTURE_PARTS),
        "own_code": bool(config.get("auto_map")) and any(Path(found.folder).glob("*.py")),
        "indexed": found.indexed,
        "wrapped": found.wrapped,
        "auto_round": isinstance(said, Mapping) and is_auto_round(said.get("quant_method")),
        "has_gguf": any(Path(found.folder).glob(f"*{SUFFIX}")),
        "exportable": family in ARCHITECTURES and all(map(_has_blocks, layers)),
    }


def _has_blocks(layer: LayerFacts) -> bool:
    """Whether a layer's codes and scales are those of blocks that a GGUF file can hold."""
    if layer.shape is None or layer.group_size is None or layer.groups == "act-order":
        return False
    if layer.bits == 8 and layer.zeros != (128, 128):
        return False
    try:
        check_groups(layer.shape[1], layer.group_size)
    except ExportError:
        return False
    return True


def _is_row(shape: tuple[int, int] | None, size: int | None) -> bool:
    return shape is not None and size == shape[1]


def _verdict(loader: Mapping[str, Any], facts: Mapping[str, Any]) -> LoaderVerdict:
    rule = next(_holding(loader["rules"], facts))
    return LoaderVerdict(
        loader["name"],
        rule["verdict"],
        rule["text"],
        rule.get("mend", ""),
        rule.get("tried", ""),
        tuple(loader["sources"]),
    )


def _holding(
    rules: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    for rule in rules:
        conditions = rule.get("when", {})
        if all(_holds(facts[name], wanted) for name, wanted in conditions.items()):
            yield rule
    yield {"verdict": "unknown", "text": "no rule speaks of such a folder"}


def _holds(value: object, wanted: object) -> bool:
    return value in wanted if isinstance(wanted, list) else value == wanted
