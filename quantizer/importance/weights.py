"""From squared gradients to the weights that tokens have in a Hessian.

    ω_t = (1 − ρ) + ρ·c_t / mean(c),   c_t = clip(‖∂L/∂y_t‖² / mean, 0.1, 10)

y_t is a block's output at token t and L the model's loss on its sequence. Means are those of all
sequences, of each kind of token apart, so that neither pictures nor text gain at the cost of the
other. The weights of a kind have mean 1, so that H keeps its size and its damping.

Source: TLQ, arXiv 2602.07899.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from quantizer.run.ranks import Ranks

_LEAST, _MOST = 0.1, 10.0


@dataclass(frozen=True, slots=True)
class Scales:
    """Means over the tokens of a block by their kind.

    gradient: of ‖∂L/∂y_t‖². clipped: of c_t.
    """

    gradient: dict[int, float]
    clipped: dict[int, float]

    @classmethod
    def of(cls, sequences: Iterable[tuple[int, Tensor, Tensor]], ranks: Ranks) -> "Scales":
        """Take the means over the sequences of all ranks.

        sequences: those that this rank holds, each with its number among those of all ranks,
            ‖∂L/∂y_t‖² (tokens,), and the kinds (tokens,) int64 of its tokens.
        """
        held = list(sequences)
        gradient = _means(held, ranks)
        relative = [(n, _clipped(norms, kinds, gradient), kinds) for n, norms, kinds in held]
        return cls(gradient, _means(relative, ranks))

    def weights(self, norms: Tensor, kinds: Tensor, rho: float) -> Tensor:
        """The weights ω (tokens,) float32 of one sequence, see ``of``.

        rho: ρ, from 0 for equal weights to 1 for those of the gradients alone.
        """
        shares = _clipped(norms, kinds, self.gradient) / _of_kinds(self.clipped, kinds)
        return ((1.0 - rho) + rho * shares).float()


def _clipped(norms: Tensor, kinds: Tensor, means: dict[int, float]) -> Tensor:
    mean = _of_kinds(means, kinds)
    # Where no token of a kind has a gradient, all of them count alike.
    relative = torch.where(mean > 0, norms.double() / mean, torch.ones_like(mean))
    return relative.clamp(_LEAST, _MOST)


def _of_kinds(means: dict[int, float], kinds: Tensor) -> Tensor:
    values = torch.zeros(len(kinds), dtype=torch.float64)
    for kind, mean in means.items():
        values[kinds == kind] = mean
    return values


def _means(sequences: list[tuple[int, Tensor, Tensor]], ranks: Ranks) -> dict[int, float]:
    """Means by kind, added up in the order of the sequences, whichever rank holds them."""
    own = [
        (number, kind, float(values[kinds == kind].double().sum()), int((kinds == kind).sum()))
        for number, values, kinds in sequences
        for kind in sorted(set(kinds.tolist()))
    ]
    totals: dict[int, float] = {}
    counts: dict[int, int] = {}
    for _, kind, total, count in sorted(one for rank in ranks.gather(own) for one in rank):
        totals[kind] = totals.get(kind, 0.0) + total
        counts[kind] = counts.get(kind, 0) + count
    return {kind: total / counts[kind] for kind, total in totals.items()}
