"""The head of a language model, quantized behind all blocks from what the final norm gives.

Its inputs are those that the quantized network computes, as for every other layer; its target is
its own weight, without the asymmetric correction. It has one output a word, so it is solved some
of them at a time: J is separable over outputs, and each part is gated by itself.

A head that is the embedding becomes a layer of its own; the embedding stays as it is.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.blocks import BlockwiseModel, HasHead
from models.errors import CheckpointError
from models.families import OpenedModel
from models.files.checkpoint import CheckpointReader
from models.files.formats import OutputFormat
from models.int4.weight import QuantizedWeight
from models.sequences import WHOLE
from quantizer.calibration.streams import uncalibrated
from quantizer.errors import QuantizerError, SettingsError
from quantizer.plan.workload import LinearShape, packed_size
from quantizer.report.report import ModuleReport, StageReport, report_module
from quantizer.run.gathering import collected
from quantizer.run.passes import Passes, Paths
from quantizer.run.ranks import WRITER, Ranks
from quantizer.run.shares import Node, Share, SlotTree, slots_of
from quantizer.run.walked import FinishedBlock, WeightSource
from quantizer.solvers.hessian import HessianAccumulator, RunningSum
from quantizer.solvers.methods import Settings
from quantizer.solvers.solver import Solution, solve
from quantizer.solvers.target import LayerStatistics

LM_HEAD = "lm_head"
"""What the layer is called, and the block that it is written as."""

HEAD_BITS = (8, 4)

_PART_WEIGHTS = 1 << 21  # that are solved together, where that is more outputs than inputs
_OUTPUTS = 32  # of which a part is a multiple, as packed words are


@dataclass(frozen=True, slots=True)
class Head:
    """A head that is to be quantized.

    source: the tensor that holds it, which is the embedding's where both are one.
    """

    source: str
    shape: LinearShape
    settings: Settings

    @property
    def part(self) -> int:
        """Outputs that are solved together."""
        columns = self.shape.in_features
        return min(
            self.shape.out_features,
            max(_PART_WEIGHTS // columns, columns, _OUTPUTS) // _OUTPUTS * _OUTPUTS,
        )

    @property
    def packed_bytes(self) -> int:
        """In its file."""
        return packed_size(self.shape, self.settings)


def head_settings(base: Settings, bits: int) -> Settings:
    """How a head is quantized where the other layers are as ``base`` says.

    At 8 bits it is rounded to nearest on a symmetric grid: errors are then small beside those of
    the layers, and kernels that take 8 bits take no zero-points. RPIQ as published reads one
    sequence's inputs, which one of several ranks holds; it gives its place to GPTQ.
    """
    if bits == 8:
        return Settings("rtn", bits=8, group_size=base.group_size, sym=True)
    if base.method == "rpiq-paper":
        return replace(base, bits=bits, method="gptq")
    return replace(base, bits=bits, asymmetric_target="0", residual_target=False)


def head_of(
    opened: OpenedModel,
    reader: CheckpointReader,
    base: Settings,
    bits: int,
    form: OutputFormat,
) -> Head:
    """Find the head of a model and check that it can be quantized and stored.

    Raises:
        SettingsError: it cannot.
    """
    if bits not in HEAD_BITS:
        raise SettingsError(lambda name: f"{name('head_bits')} {bits} is not possible; give 8 or 4")
    if not form.stores_head:
        raise SettingsError(
            lambda name: (
                f"{name('head_bits')}: a quantized head is written in the GPTQ format, and no "
                f"loader documents to read one as {form.name}; leave it out"
            )
        )
    if not isinstance(opened.blockwise, HasHead) or opened.layout.pictures is not None:
        raise SettingsError(
            lambda name: (
                f"{name('head_bits')}: the head of a model of the family {opened.family.name} "
                "stays as it is; leave it out"
            )
        )
    source = opened.blockwise.head_source()
    out_features, in_features = reader.shape(source)
    head = Head(source, LinearShape(LM_HEAD, out_features, in_features), head_settings(base, bits))
    try:
        form.check_shape(in_features, out_features, bits, base.group_size)
    except CheckpointError as error:
        raise SettingsError(f"{LM_HEAD}: {error}") from error
    return head


def quantize_head(
    head: Head,
    model: BlockwiseModel,
    reader: WeightSource,
    passes: Passes,
    paths: Paths,
    ranks: Ranks,
    *,
    allow_uncalibrated: bool,
) -> FinishedBlock:
    """Quantize the head from the states behind the last block; every rank calls this.

    Raises:
        CalibrationError: it saw no token, or its Hessian cannot be factorized.
        WeightError: the weight cannot be represented.
    """
    started = time.monotonic()
    try:
        statistics = _gathered(head, model, passes, paths, ranks)
        own = None
        if ranks.rank == WRITER:
            if not statistics.tokens and head.settings.method != "rtn" and not allow_uncalibrated:
                raise uncalibrated(LM_HEAD)
            own = _solved(head, reader, statistics, passes.device, started)
    except QuantizerError as error:
        raise error.at(LM_HEAD) from error
    weight, report = ranks.share(own, WRITER)
    passes.settle()
    return FinishedBlock(LM_HEAD, {LM_HEAD: weight}, {}, (report,), paths.checksum(ranks))


def _gathered(
    head: Head, model: BlockwiseModel, passes: Passes, paths: Paths, ranks: Ranks
) -> LayerStatistics:
    """Second moments of what the head multiplies."""
    columns = head.shape.in_features
    slots = slots_of(ranks.rank, ranks.size)
    sums = []
    for states, share in (
        (paths.fitting, paths.fitting_share),
        (paths.held_out, paths.held_out_share),
    ):
        tree = SlotTree()
        for slot in slots:
            moments = HessianAccumulator(columns, passes.device)
            for place in _places(share, slot):
                moments.add(_inputs(model, passes, states[place]))
            tree.push(Node(0, slot, moments.sum))
        sums.append(_of_all(tree, columns, passes, ranks))
    fitting, held_out = sums
    return LayerStatistics(
        hessian=fitting.mean(),
        tokens=fitting.tokens,
        held_out=held_out.mean() if held_out.tokens else None,
        held_out_tokens=held_out.tokens,
        judged_tokens=0,
        shift=None,
        paired=None,
        damp_percent=head.settings.damp_percent,
    )


def _places(share: Share, slot: int) -> Iterator[int]:
    for first in (True, False):
        yield from share.places(slot, first=first)


def _inputs(model: BlockwiseModel, passes: Passes, state: dict[str, Tensor]) -> Tensor:
    assert isinstance(model, HasHead), "asked for by `head_of`"
    return model.head_inputs(passes.loaded(state))


def _of_all(tree: SlotTree, columns: int, passes: Passes, ranks: Ranks) -> RunningSum:
    outlines = ranks.gather(tree.outline())
    return collected(ranks, tree, outlines, (WRITER,), (columns, columns), passes)


def _solved(
    head: Head,
    reader: WeightSource,
    statistics: LayerStatistics,
    device: torch.device,
    started: float,
) -> tuple[QuantizedWeight, ModuleReport]:
    stored = reader.read(head.source)
    found: list[Solution] = []
    weights: list[QuantizedWeight] = []
    for start in range(0, len(stored), head.part):
        part = stored[start : start + head.part].to(device, torch.float32)
        solution = solve(
            statistics.problem(part, 0.0),
            statistics.held_out,
            head.settings,
        )
        weights.append(solution.weight.to("cpu"))
        found.append(solution)
        del part
    first = weights[0]
    weight = QuantizedWeight(
        torch.cat([one.codes for one in weights]),
        torch.cat([one.scale for one in weights]),
        torch.cat([one.zero for one in weights]),
        first.group_size,
        first.bits,
    )
    report = report_module(
        LM_HEAD,
        found[0],
        part=WHOLE.title,
        tokens=(statistics.tokens, statistics.held_out_tokens),
        grid=head.settings.grid,
        gamma=None,
        dead_columns=statistics.dead_columns,
        seconds=time.monotonic() - started,
        size_bytes=(reader.size(head.source), head.packed_bytes),
    )
    return weight, _of_parts(report, found)


def _of_parts(report: ModuleReport, found: Sequence[Solution]) -> ModuleReport:
    """The report of all parts, made of that of the first: errors add up over outputs."""
    rows = sum(len(one.weight.codes) for one in found)
    kept = Counter(one.chosen.name for one in found)
    return replace(
        report,
        shape=(rows, report.shape[1]),
        method=kept.most_common(1)[0][0],
        damp_percent=max((one.chosen.damp_percent or 0.0 for one in found), default=0.0) or None,
        j_rtn=_sum([one.stages[0].error for one in found]),
        j=_sum([one.chosen.error for one in found]),
        j_val=_sum([one.chosen.held_out_error for one in found]),
        stages=tuple(
            _stages([StageReport.of(one.stages[index]) for one in found])
            for index in range(len(found[0].stages))
        ),
        warnings=tuple(dict.fromkeys(text for one in found for text in one.warnings)),
        paper=None,
    )


def _stages(parts: Sequence[StageReport]) -> StageReport:
    """One stage of all parts."""
    return replace(
        parts[0],
        j=_sum([part.j for part in parts]),
        j_val=_sum([part.j_val for part in parts]),
        codes_changed=sum(part.codes_changed for part in parts),
        rounds=max((part.rounds for part in parts if part.rounds is not None), default=None),
    )


def _sum(errors: Sequence[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return sum(known) if known else None
