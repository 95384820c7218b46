"""What the solver of one layer holds, counted tensor by tensor from ``quantizer.solvers``.

The arguments (weight, Hessians and a corrected target) belong to the caller and are not counted.
A name in backquotes is that of the variable in the code. Nothing depends on the values: a layer
counts as if no column were dead. While more than half of the columns are dead, rounding them anew
at the end of ``rpiq`` could take up to two float32 copies of the weight more than its start.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from quantizer.plan.buffers import FLOAT, SOLVER, Buffer, Moment
from quantizer.plan.workload import LinearShape
from quantizer.solvers.gptq import SPAN_COLUMNS
from quantizer.solvers.grid import SEARCHED_COLUMNS
from quantizer.solvers.hessian import ERROR_COLUMNS
from quantizer.solvers.methods import Settings
from quantizer.solvers.rpiq import column_blocks, group_slabs

_WALKED, _SLAB = 128, 512  # columns that GPTQ and R work on at a time
_TRIED = 4  # scales that rpiq tries at once
_STORED_INDEX = 8  # bytes of an int64


@dataclass(frozen=True, slots=True)
class LayerBytes:
    """Sizes of one layer's tensors in bytes.

    weight: (out, in) float32; codes: (out, in) uint8; grid: scales and zero-points of one grid.
    hessian: (in, in) float32.
    """

    weight: float
    codes: float
    grid: float
    hessian: float

    @classmethod
    def of(cls, layer: LinearShape, settings: Settings) -> "LayerBytes":
        """Sizes at the group size of the settings."""
        groups = -(-layer.in_features // settings.group_size)
        return cls(
            layer.count * FLOAT,
            layer.count,
            2 * layer.out_features * groups * FLOAT,
            layer.in_features**2 * FLOAT,
        )

    @property
    def stored(self) -> float:
        """Codes and grid of one candidate."""
        return self.codes + self.grid

    @property
    def given(self) -> float:
        """Codes, and zero-points as integers, beside a grid that is held anyway."""
        return self.codes + self.grid / 2


def solver_moments(
    layer: LinearShape,
    settings: Settings,
    *,
    scarce: bool = False,
    factored: int = 0,
    proposed: bool = False,
    last_inputs: float = 0.0,
    double: bool = False,
    on_gpu: bool = False,
) -> Iterator[Moment]:
    """Moments of ``solvers.solver.solve`` that may be its peak.

    scarce:   whether the layer has fewer tokens than columns, so that two dampings are tried.
    factored: for how many dampings the Hessian's factor is known, and counted elsewhere.
    proposed: whether GPTQ's codes and grid for the first damping are too.
    last_inputs: bytes of the inputs that ``rpiq-paper`` reads, which the caller holds.
    double: whether the Hessian can be factorized in float64 only.
    on_gpu: whether a card searches the scales of many groups together.
    """
    dampings = 2 if scarce else 1
    solver = _Solver(layer, settings, dampings, factored, proposed, last_inputs, double, on_gpu)
    yield from solver.solve()


def proposal_moments(
    layer: LinearShape,
    settings: Settings,
    *,
    factored: int = 0,
    double: bool = False,
    on_gpu: bool = False,
) -> Iterator[Moment]:
    """Moments of ``solvers.solver.propose``, which measures nothing."""
    yield from _Solver(layer, settings, 1, factored, double=double, on_gpu=on_gpu).propose()


def solution_bytes(layer: LinearShape, settings: Settings, *, scarce: bool = False) -> float:
    """What stays of a solved layer until its group is done: codes and grid of every candidate."""
    stages = 1 + (settings.grid == "hessian") + (settings.method != "rtn") * (2 if scarce else 1)
    stages += settings.method in ("rpiq", "rpiq-paper")
    return stages * LayerBytes.of(layer, settings).stored


def factorizing(hessian: float, double: bool) -> dict[str, float]:
    """What ``inverse_factor`` holds at its peak, by name; the factor that it returns is counted.

    hessian: bytes of the Hessian in float32.
    double:  whether it can be factorized in float64 only.
    """
    wide = 2 * hessian if double else hessian
    held = {"`hessian` in its order": hessian, "`factor`, reversed": wide}
    held |= {"`identity`": wide, "`upper`": wide}
    return held | {"`upper` in float32": hessian} if double else held


class _Solver:
    """Follows ``solve`` and notes what it holds; ``held`` grows as results pile up."""

    def __init__(
        self,
        layer: LinearShape,
        settings: Settings,
        dampings: int,
        factored: int,
        proposed: bool = False,
        last_inputs: float = 0.0,
        double: bool = False,
        on_gpu: bool = False,
    ) -> None:
        self.layer, self.settings, self.size = layer, settings, LayerBytes.of(layer, settings)
        self.dampings, self.factored, self.proposed = dampings, factored, proposed
        self.last_inputs, self.double = last_inputs, double
        self.group = min(settings.group_size, layer.in_features)
        self.searched = max(self.group, SEARCHED_COLUMNS) if on_gpu else self.group
        small = 4 * _STORED_INDEX * (layer.in_features + layer.out_features)
        self.held = [Buffer(SOLVER, "indices of columns, sums of rows", small)]

    def solve(self) -> Iterator[Moment]:
        """All of a layer."""
        yield from self._grids()
        yield from self._candidate("rtn", self._rounding())
        if self.settings.grid == "hessian":
            yield from self._candidate("grid", self._rounding())
        if self.settings.method == "rtn":
            return
        for number in range(self.dampings):
            if number or not self.proposed:
                yield from self._gptq(number)
                self._hold(f"codes of `solved` {number + 1}", self.size.given)
            yield self._measuring(given=0.0)
            self._hold("candidate gptq", self.size.stored)
        if self.settings.method == "rpiq":
            yield from self._rpiq()
            self._hold("`refined` codes and scales", self.size.stored)
            yield self._measuring(given=0.0)
        elif self.settings.method == "rpiq-paper":
            yield from self._paper()
            self._hold("`result` codes", self.size.given)
            self._hold("`result.off_grid`", self.size.weight)
            yield self._measuring(given=0.0)

    def propose(self) -> Iterator[Moment]:
        """The grid and GPTQ on it."""
        yield from self._grids()
        yield from self._gptq(0)

    def _moment(self, name: str, buffers: dict[str, float]) -> Moment:
        now = (Buffer(SOLVER, what, size) for what, size in buffers.items())
        return Moment(name, (*self.held, *now))

    def _hold(self, name: str, size: float) -> None:
        self.held.append(Buffer(SOLVER, name, size))

    def _columns(self, count: int) -> float:
        """Bytes of so many columns of the weight in float32."""
        return self.layer.out_features * min(count, self.layer.in_features) * FLOAT

    def _walk(self, walked: int, copies: int = 1) -> float:
        """Bytes of what `feed_back` holds of a span's values, of single columns, and of its factor.

        walked: columns; copies: of every row, one below the other.
        """
        values = self._columns(2 + (SPAN_COLUMNS if walked > SPAN_COLUMNS else 0))
        return copies * values + FLOAT * walked * (walked + SPAN_COLUMNS)

    def _copies(self, *names: str) -> dict[str, float]:
        """One float32 copy of the weight for every name."""
        return dict.fromkeys(names, self.size.weight)

    def _grids(self) -> Iterator[Moment]:
        """``minmax_grid``, and the search of ``hessian_grid`` over scales."""
        # Its minima, maxima and what `_span` makes of them are ten tensors of half a grid each.
        spanning = {"`padded`": self.size.weight, "spans of the groups": 5 * self.size.grid}
        finite = {"magnitudes": self.size.weight, "which are finite": 3 * self.size.codes}
        yield self._moment("looking for NaN in the weight", finite)
        yield self._moment("spanning the groups", spanning)
        self._hold("`plain` grid", self.size.grid)
        if self.settings.grid == "hessian":
            # Values, quotient, rounded, codes, `error`, two products and a spare, of one group.
            trying = {"`best` grid": self.size.grid, "`scale` and `zero`": self.size.grid}
            trying |= {"groups on one scale": 8 * self._columns(self.searched)}
            if self.searched > self.group:
                trying |= {"their blocks of the Hessian": self.size.hessian}
            yield self._moment("spanning the groups again", spanning)
            yield self._moment("trying scales by the Hessian", trying)
            self._hold("`grid`", self.size.grid)

    def _rounding(self) -> Moment:
        wide = self._copies("`wide_scale`", "`wide_zero`", "quotient", "rounded")
        return self._moment("rounding to nearest", wide)

    def _candidate(self, name: str, made: Moment) -> Iterator[Moment]:
        yield made
        yield self._measuring(given=self.size.given)
        self._hold(f"candidate {name}", self.size.stored)

    def _measuring(self, given: float) -> Moment:
        """``_Trail.add``: a candidate is packed, read back and compared with the target."""
        buffers = {"codes as given": given, "codes and grid as stored": self.size.stored}
        buffers |= self._copies("`zero` of every column", "difference", "scale of every column")
        buffers |= self._copies("dequantized weight")
        buffers |= {"zero-points as floats": self.size.grid / 2}
        buffers |= {"group of every column": 2 * _STORED_INDEX * self.layer.in_features}
        return self._moment("measuring a candidate", buffers)

    def _gptq(self, number: int) -> Iterator[Moment]:
        hessian, codes = self.size.hessian, self.size.codes
        nearest = {"`nearest` codes": self.size.given}
        yield self._rounding()
        if number >= self.factored:
            yield self._moment(
                "factorizing the Hessian", nearest | factorizing(hessian, self.double)
            )
            self._hold(f"factor {number + 1} of the Hessian", hessian)
        ordering = self._copies("`wide_scale`", "`wide_zero`", "`scale`", "`zero`")
        yield self._moment("putting columns in order", nearest | ordering)
        walked = min(_WALKED, self.layer.in_features)
        walking = self._copies("`scale`", "`zero`", "`work`", "`codes`")
        walking |= {"`errors` of a slab": self._columns(_SLAB)}
        # Bounds of steps, steps, misses and the errors of the block before.
        block = {"the block that is walked": 5 * self._columns(walked) + self._walk(walked)}
        yield self._moment("walking over columns", nearest | walking | block)
        last = {"`found` of the last block": self._columns(walked)}
        last |= {"`all_codes`": codes, "codes as uint8": codes}
        yield self._moment("putting codes back in order", nearest | walking | last)

    def _rpiq(self) -> Iterator[Moment]:
        columns = self.layer.in_features
        blocks = column_blocks(columns, self.group)
        slabs = [slab.stop - slab.start for slab, _ in group_slabs(blocks)]
        width, slab = blocks[0].stop, self._columns(max(slabs))
        b, g = self._columns(width), self._columns(self.group)
        self._hold("`grid` of the start", self.size.grid / 2)
        mine = self._copies("`codes`", "`scale`", "`zero`")
        wide = self._copies("`wide_scale`", "`wide_zero`")
        yield self._moment("starting to refine", mine | wide)
        self._hold("`factors` of blocks", width * columns * FLOAT)
        self._hold("`groups` factors", self.group * columns * FLOAT)
        self._hold("damped Hessian", self.size.hessian)
        difference = self._copies("difference", "dequantized weight")
        yield self._moment("the error before the first round", mine | wide | difference)
        mine |= self._copies("`E`") | {"`R` of a slab": slab}
        # before, codes, residual, scale, old, value and change of the block before.
        beside = {"`R` of the next slab": slab, "block before": 7 * b}
        if len(slabs) == 1:
            beside = self._copies("products of `E` and `R`")
        yield self._moment("R of the next slab", mine | beside)
        # Value and change are those of the block before.
        kept = {"`before`, `old`, `value`, `change`": (4 if columns > width else 2) * b}
        # The shift, codes, scale, zero and optimum in order, the walk's bounds, steps and misses.
        moved = {"the block's steps": 9 * b + self._walk(width)}
        yield self._moment("moving a block", mine | kept | moved)
        # Codes, zeros, residual, value and optimum; of all scales at once zeros, optimum, scales
        # and the same four of the walk.
        tried = {"one group": 5 * g}
        tried |= {"the group on all scales": 7 * _TRIED * g + self._walk(self.group, _TRIED)}
        yield self._moment("trying scales", mine | kept | tried)
        moved = {"codes, residual, scale": 3 * b, "two sums": 2 * b, "what R changes by": slab}
        yield self._moment("bringing R up to date", mine | kept | moved)
        yield self._moment("ending", mine | {"codes as uint8": self.size.stored})

    def _paper(self) -> Iterator[Moment]:
        hessian, g = self.size.hessian, self._columns(self.group)
        finite = {"looking for NaN in the inputs": 1.75 * self.last_inputs}
        yield self._moment("looking at the last inputs", finite)
        yield self._moment("the Gram matrix", {"its sum": hessian, "`G`": hessian})
        self._hold("`G`", hessian)
        self._hold("`factors` of blocks", self.group * self.layer.in_features * FLOAT)
        self._hold("`grid` of the start", self.size.grid)
        mine = self._copies("`scale`", "`zero`", "`B`", "`R`", "`best`")
        mine |= {"`optimum`, `codes`, `change` of a block": 3 * g}
        rows = {"rows of `G`": 2 * self.group * self.layer.in_features * FLOAT}
        yield self._moment("solving for a block", mine | rows | {"the block's steps": 5 * g})
        yield self._moment("moving a block", mine | rows | self._copies("what R changes by"))
        wide = self._copies("`wide_scale`", "`wide_zero`", "difference", "dequantized weight")
        # Of what its columns are multiplied with, those behind a strip are a product of their own.
        behind = self.layer.in_features > ERROR_COLUMNS
        wide |= {"products of a strip": self._columns(ERROR_COLUMNS)} if behind else {}
        yield self._moment("an iterate on the grid", mine | wide | {"its codes": self.size.given})
