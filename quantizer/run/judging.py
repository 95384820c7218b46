"""How far a block's outputs are from what the full-precision network gives: the judge of γ."""

from collections.abc import Sequence

from models.blocks import Block, State
from quantizer.run.passes import HELD_OUT, Passes, Paths
from quantizer.run.ranks import Ranks
from quantizer.run.resuming import Page, Pages


def judged_error(
    passes: Passes, block: Block, paths: Paths, goal: list[State], pages: Pages, ranks: Ranks
) -> float:
    """`output_error` over the judged sequences of all ranks, in the order of the sequences."""
    own = []
    # Only the first of the held-out sequences are judged.
    for place, wanted in enumerate(goal):
        kept = [pages.of(HELD_OUT, place)]
        error = output_error(passes, block, [paths.held_out[place]], [wanted], kept)
        own.append((paths.held_out_share.numbers[place], error))
    return sum(error for _, error in sorted(e for es in ranks.gather(own) for e in es))


def output_error(
    passes: Passes,
    block: Block,
    states: list[State],
    goal: list[State],
    pages: Sequence[Page] = (),
) -> float:
    """Squared distance of a block's outputs from what the full-precision network gives.

    pages: of each sequence, what passes may leave out; nothing where there are none.
    """
    total = 0.0
    for index, (state, wanted) in enumerate(zip(states, goal, strict=True)):
        entering, goal_here = passes.loaded(state), passes.loaded(wanted)
        page = pages[index] if pages else None
        for name, value in passes.outputs(block, entering, page).items():
            # Before it is stored: halved states would blur what the shares differ in.
            if value.is_floating_point() and value is not entering.get(name):
                total += float((value - goal_here[name]).square().sum())
    return total
