"""The weights of all calibration tokens at every block, as a walk asks for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.sequences import SequenceLayout
from quantizer.calibration.streams import CalibrationSet
from quantizer.errors import SettingsError
from quantizer.importance.gradients import Gradients, Norms
from quantizer.importance.loss import kinds_of
from quantizer.importance.weights import Scales
from quantizer.run.ranks import Ranks

Weighing = Callable[[Tensor, int, bool], Tensor]
"""Weights a layer's inputs (tokens, in) of the sequence at a place, held out or not."""


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
        gradients: Gradients,
        calibration: CalibrationSet,
        numbers: tuple[Sequence[int], Sequence[int]],
        ranks: Ranks,
    ) -> "Importance":
        """Pass the loss back through every sequence that this rank holds.

        calibration: those sequences.
        numbers: of the fitting and of the held-out ones, their places among those of all ranks.

        Raises:
            CalibrationError: see ``Gradients.of``.
        """
        layout, samples = gradients.opened.layout, [*calibration.fitting, *calibration.held_out]
        # So that no held-out sequence has the number of a fitting one.
        places = [2 * n for n in numbers[0]] + [2 * n + 1 for n in numbers[1]]
        kinds, norms = [kinds_of(layout, sample) for sample in samples], gradients.of(samples)
        found = cls(layout, norms, kinds, len(calibration.fitting), {})
        for block in gradients.opened.blockwise.blocks():
            reaching = [index for index, one in enumerate(norms) if block.name in one]
            found.scales[block.name] = Scales.of(
                (
                    (places[index], norms[index][block.name], found._kinds(block.name, index))
                    for index in reaching
                ),
                ranks,
            )
        return found

    def weighing(self, block: str, layer: str, rho: float) -> Weighing | None:
        """How much each token counts for a layer of a block, by their names; None for all alike.

        A layer's inputs (tokens, in) are given back with each token's times √ω: products of two
        of them are then sums over tokens of ω times the products. It raises SettingsError where a
        layer computes some of the tokens and the family does not say which.
        """
        if not rho:
            return None
        kind = self.layout.parts.of(f"{block}.{layer}").kind

        def weighted(inputs: Tensor, place: int, held_out: bool) -> Tensor:
            index = place + (self.fitting if held_out else 0)
            kinds = self._kinds(block, index)
            weights = self.scales[block].weights(self.norms[index][block], kinds, rho)
            if kind is not None:  # the others go to another expert
                weights = weights[kinds == kind]
            if len(weights) != len(inputs):
                raise SettingsError(
                    lambda name: (
                        f"{block}.{layer} computes {len(inputs)} of {len(kinds)} tokens and the "
                        f"family does not say which: leave out {name('token_importance')}"
                    )
                )
            return inputs * weights.sqrt().to(inputs.device)[:, None]

        return weighted

    def _kinds(self, block: str, index: int) -> Tensor:
        """The kinds of the tokens that pass a block; those of a tower are all of one."""
        if self.layout.parts.of(f"{block}.").own_blocks:
            return torch.zeros(len(self.norms[index][block]), dtype=torch.int64)
        return self.kinds[index]
