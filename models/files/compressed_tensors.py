"""The compressed-tensors form of integer weights (``pack-quantized``), in both directions.

Layout for K inputs, N outputs, group size g and ``per_word = 32 / bits`` codes in one int32:

tensor            | dtype, shape              | layout
------------------|---------------------------|-----------------------------------------------
weight_packed     | int32 (N, ⌈K/per_word⌉)   | bits b*j.. of column c hold the code of
                  |                           | k = per_word*c+j
weight_scale      | floating (N, K/g)         |
weight_zero_point | int32 (⌈N/per_word⌉, K/g) | bits b*j.. of row r hold the zero-point of
                  |                           | n = per_word*r+j; absent if symmetric
weight_shape      | int64 (2,)                | N, K

The package thinks of codes and zero-points as signed, -2**(b-1) .. 2**(b-1)-1, and adds 2**(b-1)
to both before it packs them. What lies in the file is therefore our unsigned code and our
zero-point itself (not zero-1 as in GPTQ v1); symmetric means 2**(b-1) everywhere.
Its readers refuse a short last group: "tensor column shape must be divisible by the given
group_size". So does this file.
Source: https://github.com/vllm-project/compressed-tensors
(compressors/pack_quantized, quantization/lifecycle/forward_helpers.py; read at 0.20.0)
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.files.checkpoint import QuantizationConfig
from models.int4.packing import (
    check_scale,
    check_storable,
    pack_last,
    unpack_last,
)
from models.int4.weight import QuantizedWeight, group_count
from models.plain_text import beginning

METHOD = "compressed-tensors"
FORMAT = "pack-quantized"
TENSOR_NAMES = ("weight_packed", "weight_scale", "weight_zero_point", "weight_shape")

BITS = (4, 8)
"""Widths that vLLM reads in this form, which packs 10 codes of 3 bits into a word."""

_OPTIONAL = "weight_zero_point"


def pack_compressed(weight: QuantizedWeight, *, sym: bool = False) -> dict[str, Tensor]:
    """Return the tensors of a weight, three if ``sym`` and four otherwise.

    Raises:
        CheckpointError: the weight cannot be stored (see `models.int4.pack`), its last group is
            short, or it is said to be symmetric and is not.
    """
    require_bits(weight.bits)
    check_storable(weight)
    out_features, in_features = weight.codes.shape
    require_whole_groups(in_features, weight.group_size)
    tensors = {
        "weight_packed": pack_last(weight.codes, weight.bits),
        "weight_scale": weight.scale.to(torch.float16).contiguous(),
        "weight_shape": torch.tensor([out_features, in_features]),
    }
    if not sym:
        tensors[_OPTIONAL] = pack_last(weight.zero.t(), weight.bits).t().contiguous()
    elif not bool((weight.zero == 2 ** (weight.bits - 1)).all()):
        raise CheckpointError(
            f"a zero-point is not {2 ** (weight.bits - 1)}, so the weight is not symmetric: "
            "store it with its zero-points"
        )
    return tensors


def unpack_compressed(
    tensors: Mapping[str, Tensor], *, bits: int, group_size: int
) -> QuantizedWeight:
    """Read the tensors back, those of other tools too.

    group_size: inputs that share a scale; -1 for one scale a row.

    Raises:
        CheckpointError: a tensor is missing or of the wrong shape or dtype, or a scale is unsound.
    """
    out_features, in_features = check_compressed(tensors, bits=bits, group_size=group_size)
    packed, scale = tensors["weight_packed"], tensors["weight_scale"]
    stored = tensors.get(_OPTIONAL)
    if stored is None:
        zero = torch.full(scale.shape, 2 ** (bits - 1), dtype=torch.int32, device=scale.device)
    else:
        zero = unpack_last(stored.t(), bits)[:, :out_features].t().to(torch.int32).contiguous()
    return QuantizedWeight(
        codes=unpack_last(packed, bits)[:, :in_features].contiguous(),
        scale=scale.to(torch.float32).contiguous(),
        zero=zero,
        group_size=in_features if group_size == -1 else group_size,
        bits=bits,
    )


def check_compressed(
    tensors: Mapping[str, Tensor], *, bits: int, group_size: int
) -> tuple[int, int]:
    """Check everything but codes and zero-points, which can take any value.

    Returns the shape of the weight, (out, in).

    Raises:
        CheckpointError: as for `unpack_compressed`.
    """
    require_bits(bits)
    missing = [name for name in TENSOR_NAMES if name not in tensors and name != _OPTIONAL]
    if missing:
        raise CheckpointError(
            f"quantized layer lacks {', '.join(missing)}: copy the whole checkpoint again"
        )
    packed, scale = tensors["weight_packed"], tensors["weight_scale"]
    stored = tensors.get(_OPTIONAL)
    if packed.dtype != torch.int32 or (stored is not None and stored.dtype != torch.int32):
        raise CheckpointError(
            f"weight_packed is {packed.dtype}, not int32 as in {FORMAT}: convert the checkpoint"
        )
    shape = out_features, in_features = read_shape(tensors["weight_shape"])
    size = in_features if group_size == -1 else group_size
    require_whole_groups(in_features, size)
    per_word = 32 // bits
    groups = in_features // size
    expected = {
        "weight_packed": (out_features, group_count(in_features, per_word)),
        "weight_scale": (out_features, groups),
        _OPTIONAL: (group_count(out_features, per_word), groups),
    }
    for name, wanted in expected.items():
        if name in tensors and tuple(tensors[name].shape) != wanted:
            raise CheckpointError(
                f"{name} is {tuple(tensors[name].shape)} and not {wanted} as weight_shape "
                f"{shape} asks at {bits} bits and group size {size}: check config.json"
            )
    check_scale(scale)
    return out_features, in_features


def require_bits(bits: int) -> None:
    """Refuse a width that readers of this form do not take.

    Raises:
        CheckpointError: bits is none of `BITS`.
    """
    if bits not in BITS:
        raise CheckpointError(
            f"{bits}-bit weights cannot be stored as compressed-tensors, of which loaders read 4 "
            "and 8 bits: choose one of these, or the GPTQ format"
        )


def read_shape(weight_shape: Tensor) -> tuple[int, int]:
    """Return out and in features.

    Raises:
        CheckpointError: the tensor does not hold two positive whole numbers.
    """
    values = weight_shape.flatten().tolist()
    if weight_shape.is_floating_point() or len(values) != 2 or min(values) < 1:
        raise CheckpointError(f"weight_shape {values} is no shape of a matrix: copy the file again")
    return int(values[0]), int(values[1])


def require_whole_groups(in_features: int, group_size: int) -> None:
    """Refuse a short last group, which no reader of this format accepts.

    Raises:
        CheckpointError: group_size does not divide in_features.
    """
    if in_features % group_size:
        raise CheckpointError(
            f"{in_features} inputs are not whole groups of {group_size}, and readers of "
            "compressed-tensors accept no short last group: choose a group size that divides "
            "them, or the GPTQ format"
        )


def compressed_config(
    *, bits: int, group_size: int, sym: bool, ignore: Iterable[str] = ()
) -> dict[str, Any]:
    """Return ``quantization_config`` of config.json.

    ignore: every linear layer of the model that is not quantized, by its full name.
    """
    weights = {
        "num_bits": bits,
        "type": "int",
        "symmetric": sym,
        "strategy": "group",
        "group_size": group_size,
        "dynamic": False,
    }
    group = {
        "targets": ["Linear"],
        "weights": weights,
        "input_activations": None,
        "output_activations": None,
    }
    return {
        "quant_method": METHOD,
        "format": FORMAT,
        "quantization_status": "compressed",
        "config_groups": {"group_0": group},
        "ignore": sorted(ignore),
        "kv_cache_scheme": None,
        "global_compression_ratio": None,
    }


def read_compressed_config(values: Mapping[str, Any]) -> QuantizationConfig:
    """Read such a dictionary, ours or another tool's.

    Several config groups are accepted if they agree on bits, group size and symmetry.

    Raises:
        CheckpointError: a field is missing or says what `Int4Linear` cannot read.
    """
    form = values.get("format")
    groups = values.get("config_groups")
    if form != FORMAT:
        raise CheckpointError(
            f"compressed-tensors format {beginning(repr(form))} cannot be read: "
            f"use one in {FORMAT} (W4A16, W8A16)"
        )
    if not isinstance(groups, dict) or not groups:
        raise CheckpointError(
            "quantization_config names no config_groups: restore config.json of the checkpoint"
        )
    found = {_scheme(name, group) for name, group in groups.items()}
    if len(found) > 1:
        raise CheckpointError(
            "config_groups mix several widths or group sizes: "
            "use a checkpoint that is quantized the same way throughout"
        )
    bits, group_size, sym = found.pop()
    return QuantizationConfig(
        bits=bits, group_size=group_size, sym=sym, method=METHOD, checkpoint_format=FORMAT
    )


def _scheme(name: str, group: object) -> tuple[int, int, bool]:
    """Bits, group size (-1 for one scale a row) and symmetry of one config group."""
    weights = group.get("weights") if isinstance(group, dict) else None
    if not isinstance(group, dict) or not isinstance(weights, dict):
        raise CheckpointError(
            f"config group {name} does not say how weights are quantized: restore config.json"
        )
    if group.get("input_activations") or group.get("output_activations"):
        raise CheckpointError(
            f"config group {name} quantizes activations too, which is not supported: "
            "use a weight-only checkpoint (W4A16, W8A16)"
        )
    bits, kind, strategy = weights.get("num_bits"), weights.get("type"), weights.get("strategy")
    if bits not in BITS or kind != "int" or strategy not in ("group", "channel"):
        raise CheckpointError(
            f"config group {name} holds {bits}-bit {kind} weights scaled per {strategy}, which "
            "cannot be read: use 4- or 8-bit integers scaled per group or channel"
        )
    if weights.get("actorder") in ("group", "dynamic"):
        raise CheckpointError(
            f"config group {name} orders groups by activation, which the format has given up: "
            "quantize the model again with actorder weight"
        )
    size = weights.get("group_size") if strategy == "group" else -1
    if not isinstance(size, int) or not (size > 0 or size == -1 and strategy == "channel"):
        raise CheckpointError(f"config group {name} has group_size {size}: restore config.json")
    return int(bits), size, bool(weights.get("symmetric", True))
