"""The weights of all calibration tokens at every block, as a walk asks for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.blocks import Sample
from models.sequences import Part, SequenceLayout
from quantizer.importance.gradients import Norms
from quantizer.importance.loss import kinds_of
from quantizer.importance.weights import Scales
from quantizer.run.ranks import Ranks


@dataclass(frozen=True, slots=True)
class Importance:
    """Squared gradients of the sequences that a rank holds, and their means over all ranks.

    norms, kinds: of the fitting sequences, then of the held-out ones.
    fitting:      how many of them fit.
    scales:       by block.
    """

    layout: SequenceLayout
    norms: Sequence[Norms]
    kinds: Sequence[Tensor]
    fitting: int
    scales: dict[str, Scales]

    @classmethod
    def of(
        cls,
        layout: SequenceLayout,
        fitting: Sequence[tuple[int, Sample]],
        held_out: Sequence[tuple[int, Sample]],
        gradients: Callable[[Sequence[Sample]], list[Norms]],
        blocks: Sequence[str],
        ranks: Ranks,
    ) -> "Importance":
        """Pass the loss back through every sequence that this rank holds.

        fitting, held_out: each with its number among the sequences of all ranks.
        gradients: see ``quantizer.importance.gradients.Gradients.of``.

        Raises:
            CalibrationError: see there.
        """
        samples = [sample for _, sample in (*fitting, *held_out)]
        # By two numbers, so that no held-out sequence has that of a fitting one.
        numbers = [2 * n for n, _ in fitting] + [2 * n + 1 for n, _ in held_out]
        kinds = [kinds_of(layout, sample) for sample in samples]
        norms = gradients(samples)
        found = cls(layout, norms, kinds, len(fitting), {})
        for block in blocks:
            found.scales[block] = Scales.of(
                (
                    (number, one[block], found._kinds(block, place))
                    for place, (number, one) in enumerate(zip(numbers, norms, strict=True))
                    if block in one
                ),
                ranks,
            )
        return found

    def weighted(
        self, inputs: Tensor, block: str, layer: str, place: int, rho: float, *, held_out: bool
    ) -> Tensor:
        """A layer's inputs (tokens, in) of one sequence, each token's times √ω.

        Products of two of them are then sums over tokens of ω times the products.

        layer: full name. place: among the fitting or the held-out sequences of this rank.
        """
        place += self.fitting if held_out else 0
        norms, kinds = self.norms[place][block], self._kinds(block, place)
        weights = self.scales[block].weights(norms, kinds, rho)
        part = self.layout.parts.of(layer)
        if part.kind is not None:  # the others go to another expert
            weights = weights[kinds == part.kind]
        return inputs * weights.sqrt().to(inputs.device)[:, None]

    def _kinds(self, block: str, place: int) -> Tensor:
        """The kinds of the tokens that pass a block; those of a tower are all of one."""
        if _part(self.layout, block).own_blocks:
            return torch.zeros(len(self.norms[place][block]), dtype=torch.int64)
        return self.kinds[place]


def _part(layout: SequenceLayout, block: str) -> Part:
    return layout.parts.of(f"{block}.")
