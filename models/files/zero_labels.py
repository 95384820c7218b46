"""Whether GPTQ zero-points are labelled with the version that they are stored in.

GPTQ v1 stores zero - 1, v2 stores zero. The tensors look alike, and a wrong label moves every
weight by one step of its grid: the model still talks, and worse. The codes tell: the weights of a
layer lie around nought, so codes and zero-points have the same mean. By the wrong label they are
one step apart, in every layer and in the same direction.
"""

from collections.abc import Sequence

import torch

from models.files.quantized_source import QuantizedSource
from models.int4.packing import stored_zeros, unpack_last, whole_words

LABELS = {1: "gptq", 0: "gptq_v2"}
"""What ``checkpoint_format`` says, by what the file subtracts from zero-points."""

FEWEST_LAYERS = 4
"""Fewer tell nothing: one layer may lie beside nought."""

_SAMPLED = 8
_SAMPLED_CODES = 1 << 20  # of each
_TOLERANCE = 0.35  # of one step; a layer of a trained model lies within 0.1 of nought


def right_label(offsets: Sequence[float], zero_offset: int) -> str | None:
    """The label that the codes ask for, where it is the other one; None where nothing is wrong.

    offsets:     mean of code - zero in each layer, in steps of the grid.
    zero_offset: what the label says that the file subtracts.
    """
    if len(offsets) < FEWEST_LAYERS:
        return None
    # Stored as v1 but labelled v2, zero-points are read one too small, and the other way round.
    expected = -1 if zero_offset else 1
    if all(abs(offset - expected) < _TOLERANCE for offset in offsets):
        return LABELS[1 - zero_offset]
    return None


def wrong_label(found: str) -> str:
    """Say what is wrong, without the way out. found: what `right_label` returns."""
    other = next(label for label in LABELS.values() if label != found)
    return (
        f"zero-points are stored as checkpoint_format {found} has them but labelled {other}: by "
        "the label every weight is one step of its grid beside nought"
    )


def sampled_offsets(source: QuantizedSource) -> list[float]:
    """Mean of code - zero in some layers of a folder, evenly spread over it.

    Raises:
        CheckpointError: a tensor cannot be read.
    """
    if any(layer.compressed for layer in source.layers.values()):
        return []
    names = list(source.layers)
    step = max(1, len(names) // _SAMPLED)
    return [_offset(source, name) for name in names[::step][:_SAMPLED] if _is_whole(source, name)]


def _is_whole(source: QuantizedSource, name: str) -> bool:
    """Whether a layer's tensors have the shapes that its configuration asks for, and hold words."""
    layer = source.layers[name]
    groups = -(-layer.in_features // layer.group_size)
    wanted = {
        f"{name}.qweight": (layer.in_features * layer.bits // 32, layer.out_features),
        f"{name}.qzeros": (groups, layer.out_features * layer.bits // 32),
    }
    return all(
        part in source and source.shape(part) == shape and source.dtype(part) is torch.int32
        for part, shape in wanted.items()
    )


def _offset(source: QuantizedSource, name: str) -> float:
    """Of the first inputs of a layer, as many as tell: a layer has millions of codes."""
    layer = source.layers[name]
    many = whole_words(layer.bits)
    words = max(1, _SAMPLED_CODES // layer.out_features // many) * many * layer.bits // 32
    codes = unpack_last(source.read(f"{name}.qweight")[:words].t(), layer.bits)
    zero = stored_zeros(source.read(f"{name}.qzeros"), layer.bits, layer.zero_offset)
    group = torch.arange(codes.shape[1]) // layer.group_size
    inputs = torch.bincount(group, minlength=len(zero)).double()
    zeros = float(inputs @ zero.sum(1, dtype=torch.float64))
    return (float(codes.sum(dtype=torch.float64)) - zeros) / codes.numel()
