"""Second moments of the input of one group of layers, over all calibration sequences.

Every rank gathers over the sequences that it holds; the ranks that solve layers of the group get
the sums over all of them, added up in the order of ``quantizer.run.shares``.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from models.blocks import Block, State
from quantizer.importance.importance import Weighing
from quantizer.recipes.recipe import Rule, Stream, feeds
from quantizer.run.passes import EXACT, FITTING, HELD_OUT, Passes, Paths, linear_of
from quantizer.run.ranks import Ranks
from quantizer.run.resuming import Page, Pages
from quantizer.run.shares import Node, SlotTree, slots_of
from quantizer.solvers.few_tokens import too_few
from quantizer.solvers.hessian import CrossAccumulator, HessianAccumulator, RunningSum
from quantizer.solvers.methods import Settings
from quantizer.solvers.target import LayerStatistics, multiplies_early

_FOLLOWED, _OTHERS, _CROSS, _JUDGE = "followed", "others", "cross", "judge"
_KINDS = (_FOLLOWED, _OTHERS, _CROSS, _JUDGE)


def gather(
    passes: Passes,
    block: Block,
    exact: Block | None,
    name: str,
    paths: Paths,
    pages: Pages,
    rule: Rule,
    settings: Settings,
    *,
    keep_last: bool,
    ranks: Ranks,
    solvers: Collection[int],
    weighing: Weighing | None = None,
) -> LayerStatistics:
    """Gather what calibration says about the input of the group that a layer stands first in.

    exact: the full-precision block, None where the group's target is not corrected. At the
        block's last group its states in ``paths`` move on behind the block.
    pages: what is known of the sequences inside the block.
    keep_last: keep the inputs on the last fitting sequence.
    solvers: the ranks that need matrices; elsewhere those of the result are empty.
    weighing: how much each token counts; None for all alike.

    Raises:
        CalibrationError: the inputs hold NaN or infinity.
        RankError: another rank ended.
    """
    columns = linear_of(block, name).in_features
    group = next(group for group in block.groups if name in group)
    alone = settings.residual_target and exact is not None and len(group) == 1
    joined = dict(block.joins).get(name) if alone else None
    rows = [linear_of(block, n).out_features for n in group]
    early = joined is not None or multiplies_early(rows, columns)
    # The group's own layers are quantized only after this.
    weight = linear_of(block, name).weight.detach() if early else None
    slots = slots_of(ranks.rank, ranks.size)
    own = _Own(passes, block, name, paths, pages, rule, slots, weighing, joined)
    own.fit(exact, lambda: CrossAccumulator(columns, passes.device, weight), keep_last=keep_last)
    own.judge()
    told = ranks.gather(own.told())
    shapes = dict.fromkeys(_KINDS, (columns, columns))
    if weight is not None:
        shapes[_CROSS] = (len(weight), columns)

    def of_all(kind: str) -> RunningSum:
        outlines = [one.sums[kind] for one in told]
        return collected(ranks, own.trees.pop(kind), outlines, solvers, shapes[kind], passes)

    judged = of_all(_JUDGE)
    held_out = judged.mean() if judged.tokens else None
    cross = of_all(_CROSS)
    # What is rounded for want of tokens is rounded as it is: they do not say how to correct it.
    corrected = cross.tokens > 0 and not too_few(cross.tokens, columns)
    shift = cross.mean() if corrected else None
    held_out_tokens = judged.tokens
    del judged, cross
    hessian, paired, tokens = _hessians(of_all(_FOLLOWED), of_all(_OTHERS), corrected)
    return LayerStatistics(
        hessian=hessian,
        tokens=tokens,
        held_out=held_out,
        held_out_tokens=held_out_tokens,
        judged_tokens=sum(one.judged_tokens for one in told),
        shift=shift,
        paired=paired,
        damp_percent=settings.damp_percent,
        last_inputs=_last_inputs(ranks, own, told, solvers, columns) if keep_last else None,
        multiplied=corrected and early,
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """What a rank says of its own sums, before they are carried.

    sums: by kind, level, index and tokens of each; see `SlotTree`.
    last: number and tokens of the last fitting sequence that reached the layer, (-1, 0) without.
    """

    sums: dict[str, list[tuple[int, int, int]]]
    judged_tokens: int
    last: tuple[int, int]


class _Own:
    """The sums over the sequences that this rank holds."""

    def __init__(
        self,
        passes: Passes,
        block: Block,
        name: str,
        paths: Paths,
        pages: Pages,
        rule: Rule,
        slots: range,
        weighing: Weighing | None,
        joined: str | None,
    ) -> None:
        """joined: the module whose input the layer's output is added to, if that is to be known."""
        self.passes, self.block, self.name = passes, block, name
        self.paths, self.pages, self.rule, self.slots = paths, pages, rule, slots
        self.columns = linear_of(block, name).in_features
        self.weighing, self.joined = weighing, joined
        self.trees = {kind: SlotTree() for kind in _KINDS}
        self.judged_tokens = 0
        self.last: tuple[int, Tensor] | None = None

    def fit(
        self, exact: Block | None, cross: Callable[[], CrossAccumulator], *, keep_last: bool
    ) -> None:
        """Add up the fitting sequences: those on both paths, then the others."""
        share = self.paths.fitting_share
        for kind in (_FOLLOWED, _OTHERS):
            for slot in self.slots:
                fit, missing = HessianAccumulator(self.columns, self.passes.device), cross()
                for place, upcoming in _with_next(share.places(slot, first=kind == _FOLLOWED)):
                    self._expect(FITTING, upcoming)
                    if exact is not None and kind == _FOLLOWED:
                        self._expect(EXACT, upcoming)
                    with _entering(self.block, self.joined) as before:
                        inputs = self._inputs(FITTING, place)
                    wanted, lacking = None, None
                    if exact is not None and kind == _FOLLOWED:
                        with _entering(exact, self.joined) as wished:
                            wanted = self._wanted(exact, place)
                        if before and wished:
                            lacking = wished[0] - before[0]
                            lacking = self._weighted(lacking, place, held_out=False)
                    if inputs is None:
                        continue
                    fit.add(inputs)
                    if wanted is not None:
                        missing.add(wanted, inputs, lacking)
                    number = share.numbers[place]
                    if keep_last and (self.last is None or number > self.last[0]):
                        self.last = number, inputs
                self.trees[kind].push(Node(0, slot, fit.sum))
                if kind == _FOLLOWED:
                    self.trees[_CROSS].push(Node(0, slot, missing.sum))

    def judge(self) -> None:
        """Add up the held-out sequences."""
        share = self.paths.held_out_share
        for slot in self.slots:
            judge = HessianAccumulator(self.columns, self.passes.device)
            for place, upcoming in _with_next(share.places(slot, first=False)):
                self._expect(HELD_OUT, upcoming)
                inputs = self._inputs(HELD_OUT, place)
                if inputs is None:
                    continue
                judge.add(inputs)
                if place < len(self.paths.exact_held_out):
                    self.judged_tokens += len(inputs)
            self.trees[_JUDGE].push(Node(0, slot, judge.sum))

    def told(self) -> _Told:
        """What the other ranks must know of it."""
        return _Told(
            {kind: tree.outline() for kind, tree in self.trees.items()},
            self.judged_tokens,
            (-1, 0) if self.last is None else (self.last[0], len(self.last[1])),
        )

    def _inputs(self, path: str, place: int) -> Tensor | None:
        states, streams = self._path(path)
        if not feeds(streams[place], self.rule.stream):
            return None
        page = self._page(path, place)
        inputs = self.passes.inputs(self.block, self.name, states[place], page)
        return self._weighted(inputs, place, held_out=path == HELD_OUT)

    def _weighted(self, inputs: Tensor | None, place: int, *, held_out: bool) -> Tensor | None:
        if inputs is None or self.weighing is None:
            return inputs
        return self.weighing(inputs, place, held_out)

    def _page(self, path: str, place: int) -> Page | None:
        """What is known of a sequence; of what enters a module within the block nothing is."""
        return None if self.joined is not None else self.pages.of(path, place)

    def _path(self, path: str) -> tuple[list[State], tuple[Stream, ...]]:
        paths = self.paths
        if path == HELD_OUT:
            return paths.held_out, paths.held_out_streams
        return paths.fitting if path == FITTING else paths.exact_fitting, paths.fitting_streams

    def _expect(self, path: str, upcoming: int | None) -> None:
        """Say which state a pass will need next, if any."""
        if upcoming is None:
            return
        states, streams = self._path(path)
        known = self.passes.knows(self.block, self.name, self.pages.of(path, upcoming))
        if feeds(streams[upcoming], self.rule.stream) and not known:
            self.passes.expect(states[upcoming])

    def _wanted(self, exact: Block, place: int) -> Tensor | None:
        fed = feeds(self.paths.fitting_streams[place], self.rule.stream)
        # The last group carries the full-precision path on, whoever reads the sequence.
        if not fed and self.name not in exact.groups[-1]:
            return None
        page = self._page(EXACT, place)
        states = self.paths.exact_fitting
        inputs = self.passes.exact_inputs(exact, self.name, states, place, page)
        return self._weighted(inputs, place, held_out=False)


@contextmanager
def _entering(block: Block, module: str | None) -> Iterator[list[Tensor]]:
    """What a module of a block is given while passes run, (tokens, width); nothing for None."""
    found: list[Tensor] = []
    if module is None:
        yield found
        return

    def keep(part: nn.Module, inputs: tuple[Any, ...]) -> None:
        found.append(inputs[0].detach().reshape(-1, inputs[0].shape[-1]))

    handle = block.module.get_submodule(module).register_forward_pre_hook(keep)
    try:
        yield found
    finally:
        handle.remove()


def _with_next(places: list[int]) -> Iterator[tuple[int, int | None]]:
    """Every place with the one behind it, None behind the last."""
    return zip(places, [*places[1:], None], strict=False)


def collected(
    ranks: Ranks,
    tree: SlotTree,
    outlines: list[list[tuple[int, int, int]]],
    solvers: Collection[int],
    shape: tuple[int, int],
    passes: Passes,
) -> RunningSum:
    """The sum over all ranks where layers are solved, and its count of tokens elsewhere."""
    own = {(node.level, node.index): node.sum for node in tree.nodes}
    whole = SlotTree()
    for holder, outline in enumerate(outlines):
        for level, index, tokens in outline:
            held = own.pop((level, index), None) if holder == ranks.rank else None
            total = None if held is None else held.total
            if tokens:
                total = ranks.carry(total, shape, holder, solvers, passes.device)
            if ranks.rank in solvers:
                part = RunningSum(*shape, passes.device, tokens)
                part.total = total
                whole.push(Node(level, index, part))
    if ranks.rank in solvers:
        return whole.root()
    return RunningSum(0, 0, tokens=sum(tokens for outline in outlines for *_, tokens in outline))


def _hessians(
    followed: RunningSum, others: RunningSum, corrected: bool
) -> tuple[Tensor, Tensor | None, int]:
    """The Hessian of all tokens, that of the followed where Δ belongs to it, and all tokens."""
    tokens = followed.tokens + others.tokens
    paired = followed.mean() if corrected else None
    if paired is not None and not others.tokens:  # every sequence was followed
        return paired, paired, tokens
    followed.merge(others)
    return followed.mean(), paired, tokens


def _last_inputs(
    ranks: Ranks, own: _Own, told: list[_Told], solvers: Collection[int], columns: int
) -> Tensor | None:
    """The inputs (tokens, in) on the last fitting sequence that reached the layer."""
    holder = max(range(len(told)), key=lambda rank: told[rank].last)
    number, tokens = told[holder].last
    if number < 0:
        return None
    last = None if holder != ranks.rank or own.last is None else own.last[1]
    return ranks.carry(last, (tokens, columns), holder, solvers, own.passes.device)
