"""What a comparison is asked to do and what it found; reports and plots are made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from quantizer.compare.costs import Cost
from quantizer.compare.methods import (
    GPTQ,
    MEANINGS,
    RTN,
    ComparedMethod,
    LayerRow,
    Variant,
    settings_of,
)
from quantizer.evaluate.paired import paired_perplexity
from quantizer.solvers.methods import DEFAULTS, Method, Settings

DRIVING: Method = "rpiq"
"""The method whose codes a walk goes on with."""


@dataclass(frozen=True, slots=True)
class CompareJob:
    """One run of ``quantizer compare``.

    calibration: a text file, or pictures with questions for a model that reads them.
    data:        a text file to measure perplexity on, by its first ``limit`` windows or all.
    dtype:       in which models are measured.
    seq_len:     tokens of a calibration sequence; eval_seq_len: of a window that is measured. None
                 for the model's context, at most 2048.
    bos, documents: how text is read, see ``quantizer.calibration.marking``.
    paper_rounds: counts of rounds that ``rpiq-paper`` is run for.
    token_importance: ρ of the Hessians from which all methods solve, see `Settings`.
    walk_per_width: walk the model once for every width, quantizing the prefix to that width.
    keep:        keep the dequantized models in the output folder.
    """

    model: Path
    out: Path
    calibration: Path
    data: Path
    methods: Sequence[str] = tuple(MEANINGS)
    bits: Sequence[int] = field(default_factory=lambda: (DEFAULTS[DRIVING].bits,))
    group_size: int = field(default_factory=lambda: DEFAULTS[DRIVING].group_size)
    samples: int = 128
    seq_len: int | None = None
    seed: int = 0
    limit: int | None = None
    eval_seq_len: int | None = None
    bos: str = "auto"
    documents: str = "auto"
    paper_rounds: Sequence[int] = field(default_factory=lambda: (DEFAULTS["rpiq-paper"].rounds,))
    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32
    allow_uncalibrated: bool = False
    token_importance: float | None = None
    walk_per_width: bool = False
    keep: bool = False

    def walks(self) -> list[tuple[int, ...]]:
        """The widths that each walk serves; it quantizes the prefix to the first of them."""
        return [(bits,) for bits in self.bits] if self.walk_per_width else [tuple(self.bits)]

    def driving(self, bits: int) -> Settings:
        """How a walk quantizes the prefix: by the default method."""
        settings = settings_of(DRIVING, bits, self.group_size)
        if self.token_importance is None:
            return settings
        return replace(settings, token_importance=self.token_importance)


@dataclass(frozen=True, slots=True)
class Measured:
    """Perplexity of a whole model.

    result:         what ``quantizer.evaluate.perplexity`` returns.
    same_as:        name of the variant with the very same weights, measured in its place.
    """

    result: Mapping[str, Any]
    same_as: str | None = None

    @property
    def value(self) -> float:
        """The perplexity."""
        return float(self.result["value"])


@dataclass(slots=True)
class Comparison:
    """Everything that was found; reports and plots are made from it.

    layers:   rows of every variant, in the order of the walk.
    measured: by variant; ``exact`` is the full-precision model's.
    costs:    by the part's name, see ``ComparedMethod.name``.
    gammas:   share of the asymmetric correction that a walk chose, by its width and the layer.
    """

    job: CompareJob
    facts: Mapping[str, Any]
    notes: list[str]
    layers: dict[Variant, list[LayerRow]]
    exact: Measured
    measured: dict[Variant, Measured] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    gammas: dict[int, dict[str, float | None]] = field(default_factory=dict)

    def variants(self) -> list[Variant]:
        """All variants: widths as they were asked for, methods in the order of reports."""

        def order(variant: Variant) -> tuple[int, int, int, bool]:
            place = self.job.bits.index(variant.bits)
            return place, variant.place, variant.rounds, not variant.on_grid

        return sorted(self.layers, key=order)

    def at(self, bits: int) -> list[Variant]:
        """The variants of one width."""
        return [variant for variant in self.variants() if variant.bits == bits]

    def reference(self, bits: int, method: str = GPTQ) -> Variant | None:
        """Plain GPTQ at a width, or GPTQ at its best; None where it was not asked for."""
        return next((variant for variant in self.at(bits) if variant.method == method), None)

    def against_reference(self, variant: Variant, method: str = GPTQ) -> dict[str, Any] | None:
        """Perplexity against a reference's at the same width, paired; None where there is none."""
        reference = self.reference(variant.bits, method)
        if reference is None or reference == variant:
            return None
        return paired_perplexity(self.measured[variant].result, self.measured[reference].result)

    def gap_share(self, variant: Variant, method: str = GPTQ) -> float | None:
        """Perplexity lost to full precision as a share of what a reference loses."""
        reference = self.reference(variant.bits, method)
        if reference is None:
            return None
        lost = self.measured[reference].value - self.exact.value
        return (self.measured[variant].value - self.exact.value) / lost if lost > 0 else None

    def statistics_of(self, variant: Variant) -> str:
        """Whose walk the Hessians behind a figure come from: its own, or another method's."""
        (widths,) = (one for one in self.job.walks() if variant.bits in one)
        if variant.method == RTN:
            return "none needed"
        if variant.method == DRIVING and variant.bits == widths[0]:
            return "its own walk"
        return f"shared, from the walk of {DRIVING} at {widths[0]} bits"

    def cost_of(self, variant: Variant) -> Cost:
        """What the solver of a variant's method cost."""
        job = self.job
        settings = settings_of(variant.method, variant.bits, job.group_size)
        return self.costs[ComparedMethod(variant.method, settings, variant.rounds).name]
