"""The configuration of AutoRound's folders whose tensors are GPTQ's, said in GPTQ's words.

``packing_format`` (``backend`` in older versions) names how layers are packed;
``auto_round:auto_gptq`` is GPTQ v1. ``extra_config`` names the layers that differ, with what does.
Source: auto_round/export/export_to_autoround/export.py of https://github.com/intel/auto-round.
"""

import re
from collections.abc import Mapping
from typing import Any

from models.errors import CheckpointError
from models.plain_text import beginning

_METHODS = ("auto-round", "intel/auto-round", "auto_round")
_PACKINGS = ("auto_round:auto_gptq", "auto_gptq", "auto_round:gptq", "auto-round:auto_gptq")
_FLOAT_BITS = 16  # what says that a layer is not quantized


def is_auto_round(method: object) -> bool:
    """Tell by ``quant_method``."""
    return method in _METHODS


def as_gptq(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same configuration as GPTQModel would write it.

    Raises:
        CheckpointError: the tensors are not GPTQ's, or what differs in a layer cannot be read.
    """
    packing = values.get("packing_format", values.get("backend"))
    if packing not in _PACKINGS:
        raise CheckpointError(
            f"AutoRound's packing_format {beginning(repr(packing))} cannot be read: "
            "export the model again with --format auto_gptq"
        )
    act_bits = values.get("act_bits")
    if isinstance(act_bits, int) and act_bits < _FLOAT_BITS:
        raise CheckpointError(
            f"AutoRound's act_bits {act_bits} round activations too, which is not supported: "
            "use a weight-only checkpoint (W4A16, W8A16)"
        )
    if values.get("data_type", "int") != "int":
        raise CheckpointError(
            f"AutoRound's data_type {beginning(repr(values['data_type']))} cannot be read: "
            "use a checkpoint of whole-number weights (W4A16, W8A16)"
        )
    extra = values.get("extra_config") or {}
    if not isinstance(extra, Mapping) or not all(isinstance(v, Mapping) for v in extra.values()):
        raise CheckpointError("AutoRound's extra_config is no table of layers: restore config.json")
    return {
        **values,
        "quant_method": "gptq",
        "checkpoint_format": "gptq",
        "dynamic": dict(_exception(str(name), changes) for name, changes in extra.items()),
    }


def _exception(name: str, changes: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """One layer's entry in GPTQModel's ``dynamic``."""
    bits = changes.get("bits")
    floating = isinstance(bits, int) and bits >= _FLOAT_BITS
    return f"{'-:' if floating else '+:'}{re.escape(name)}$", changes
