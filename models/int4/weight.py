"""The one type of a quantized weight: solvers return it, files store it, `Int4Linear` runs it."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class QuantizedWeight:
    """A linear layer's weight on an integer grid: ``(codes - zero) * scale``.

    codes:       (out, in) uint8, each in 0 .. 2**bits - 1.
    scale:       (out, groups) float32, every value representable in float16 if it is ours.
    zero:        (out, groups) int32, each in 1 .. 2**bits - 1; 0 only where another tool wrote it.
    group_size:  inputs that share a scale; the last group may be shorter.
    bits:        2 to 8; only 3, 4 and 8 can be stored and run.
    input_order: (in,) int64, the input that each column of ``codes`` belongs to; None where
        columns stand in the order of the inputs. Only files of other tools, whose groups follow
        the activations, need it: our act-order keeps the groups static.
    """

    codes: Tensor
    scale: Tensor
    zero: Tensor
    group_size: int
    bits: int = 4
    input_order: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in)."""
        out_features, in_features = self.codes.shape
        return out_features, in_features

    def dequantize(self) -> Tensor:
        """Return the weight as (out, in) float32, its columns in the order of the inputs."""
        group = group_index(self.codes.shape[1], self.group_size, device=self.codes.device)
        zero = self.zero.to(torch.float32)[:, group]
        dense = (self.codes.to(torch.float32) - zero) * self.scale.to(torch.float32)[:, group]
        return dense if self.input_order is None else dense[:, self.input_order.argsort()]

    def to(self, device: torch.device | str) -> "QuantizedWeight":
        """Return the same weight on a device."""
        order = self.input_order
        return replace(
            self,
            codes=self.codes.to(device),
            scale=self.scale.to(device),
            zero=self.zero.to(device),
            input_order=None if order is None else order.to(device),
        )


def group_count(in_features: int, group_size: int) -> int:
    """Return ceil(in_features / group_size)."""
    return -(-in_features // group_size)


def group_index(
    in_features: int, group_size: int, *, device: torch.device | str | None = None
) -> Tensor:
    """Return the group of every input, (in_features,) int64."""
    return torch.arange(in_features, device=device) // group_size
