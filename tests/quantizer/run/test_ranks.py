"""Several ranks, as threads of one process: the same codes and reports as one rank alone."""

import itertools
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from models.files.formats import FORMATS
from quantizer.calibration.streams import draw_calibration
from quantizer.errors import DataError, RankError, SettingsError
from quantizer.plan.dealing import deal, deal_group
from quantizer.plan.workload import LinearShape
from quantizer.run.lm_head import LM_HEAD, head_of
from quantizer.run.ranks import ALONE, Ranks, Relayed, in_step, require_same
from quantizer.run.shares import Node, Share, SlotTree, held_at_once, slot_of, slots_of
from quantizer.run.walk import Walk
from quantizer.run.walked import FinishedBlock
from quantizer.solvers.hessian import RunningSum
from quantizer.solvers.methods import Settings

T = TypeVar("T")

LONGEST_S = 60.0
# Written out by hand: sequence i lies in slot SLOTS[i % 8].
SLOTS = (0, 4, 2, 6, 1, 5, 3, 7)


class Board:
    """Where threads that play ranks meet."""

    def __init__(self, size: int) -> None:
        self.size, self.said = size, [None] * size
        self.barrier = threading.Barrier(size, timeout=LONGEST_S)
        self.carried = 0


class Threaded:
    """One of several ranks of a process."""

    def __init__(self, rank: int, board: Board) -> None:
        self.rank, self.board = rank, board

    @property
    def size(self) -> int:
        return self.board.size

    def gather(self, value: T) -> list[T]:
        said: list[Any] = self.board.said
        said[self.rank] = value
        self.board.barrier.wait()
        heard = list(said)
        self.board.barrier.wait()
        return heard

    def share(self, value: T | None, source: int) -> T:
        heard = self.gather(value)[source]
        assert heard is not None
        return heard

    def carry(
        self,
        tensor: Tensor | None,
        shape: tuple[int, int],
        source: int,
        to: Collection[int],
        device: torch.device | None,
    ) -> Tensor | None:
        assert (tensor is None) == (source != self.rank)
        found = self.gather(tensor)[source]
        assert found is not None and tuple(found.shape) == shape
        if source == self.rank:
            self.board.carried += len(set(to) - {source})
            return tensor
        # Whoever adds to it must not add to another's.
        return found.clone() if self.rank in to else None


def together(size: int, action: Callable[[Ranks], T]) -> list[T | BaseException]:
    """Do something on every rank at once; what each returns or raises."""
    board = Board(size)
    results: list[Any] = [None] * size

    def play(rank: int) -> None:
        try:
            with torch.no_grad():
                results[rank] = action(Threaded(rank, board))
        except BaseException as error:  # noqa: B036  given back to whoever asserts on it
            results[rank] = error
            if not isinstance(error, RankError | SettingsError | DataError):
                board.barrier.abort()

    threads = [threading.Thread(target=play, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONGEST_S)
    return results


def walked(
    model: Path, text: Path, settings: Settings, ranks: Ranks, head_bits: int | None = None
) -> list[FinishedBlock]:
    opened = open_blockwise(model)
    drawn = draw_calibration(opened, text, samples=12, seq_len=24, seed=0)
    reader = CheckpointReader(model)
    head = None
    if head_bits is not None:
        head = head_of(opened, reader, settings, head_bits, FORMATS["gptq"])
    walk = Walk(
        opened,
        reader,
        settings,
        head=head,
        device=torch.device("cpu"),
        # Some sequences are followed and some are not, some are judged and some are not.
        followed=lambda columns: 120,
        judging_tokens=24,
        ranks=ranks,
    )
    return list(walk.run(drawn))


def told(blocks: list[FinishedBlock]) -> list[Any]:
    """Everything that blocks say, but seconds."""
    return [
        (
            block.name,
            {
                name: (w.codes.tolist(), w.scale.tolist(), w.zero.tolist())
                for name, w in block.layers.items()
            },
            [
                {field: getattr(module, field) for field in module.__slots__ if field != "seconds"}
                for module in block.modules
            ],
            block.states,
        )
        for block in blocks
    ]


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_ranks_make_the_codes_of_one_alone(size: int, tiny_llama: Path, text_file: Path) -> None:
    settings = Settings("rpiq", group_size=16, rounds=1, grid="minmax")
    with torch.no_grad():
        alone = walked(tiny_llama, text_file, settings, ALONE)
    found = together(size, lambda ranks: walked(tiny_llama, text_file, settings, ranks))
    for rank, blocks in enumerate(found):
        assert isinstance(blocks, list), blocks
        assert told(blocks) == told(alone)
        # The writer alone reads what is only copied.
        assert [len(block.others) for block in blocks] == [
            0 if rank else len(block.others) for block in alone
        ]
    assert {module.gamma for block in alone for module in block.modules} - {0.0}
    assert all(block.others for block in alone)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_they_make_the_same_head(
    size: int, make_llama: Callable[..., Path], text_file: Path, tmp_path: Path
) -> None:
    model = make_llama(tmp_path / "model", 64, 96, 1, words=128, tied=True)
    settings = Settings("rpiq", group_size=32, rounds=1, grid="minmax")
    with torch.no_grad():
        alone = walked(model, text_file, settings, ALONE, 4)
    assert [block.name for block in alone][-1] == LM_HEAD
    for blocks in together(size, lambda ranks: walked(model, text_file, settings, ranks, 4)):
        assert isinstance(blocks, list), blocks
        assert told(blocks) == told(alone)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["rtn", "gptq", "rpiq-paper"])
@pytest.mark.parametrize("size", [2, 3, 8])
def test_every_method_makes_them(size: int, method: Any, tiny_llama: Path, text_file: Path) -> None:
    settings = Settings(method, group_size=16, rounds=1)
    with torch.no_grad():
        alone = walked(tiny_llama, text_file, settings, ALONE)
    for blocks in together(size, lambda ranks: walked(tiny_llama, text_file, settings, ranks)):
        assert isinstance(blocks, list), blocks
        assert told(blocks) == told(alone)


@pytest.mark.slow
def test_ranks_weigh_tokens_and_make_up_for_sums_alike(tiny_llama: Path, text_file: Path) -> None:
    settings = Settings("rpiq", group_size=16, rounds=1, token_importance=0.5, residual_target=True)
    with torch.no_grad():
        alone = walked(tiny_llama, text_file, settings, ALONE)
    for blocks in together(3, lambda ranks: walked(tiny_llama, text_file, settings, ranks)):
        assert isinstance(blocks, list), blocks
        assert told(blocks) == told(alone)


@pytest.mark.parametrize("size", range(1, 9))
def test_sums_are_added_in_one_order_whatever_the_ranks(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    # Of very different sizes, so that any other order gives other sums.
    parts = [
        torch.randn(3, 3, generator=generator) * 10.0 ** (7 * (index % 3)) for index in range(8)
    ]
    a, b, c, d, e, f, g, h = parts
    expected = ((a + b) + (c + d)) + ((e + f) + (g + h))
    whole = SlotTree()
    handed_on = 0
    for rank in range(size):
        tree = SlotTree()
        for slot in slots_of(rank, size):
            one = RunningSum(3, 3, tokens=1)
            one.total = parts[slot].clone()
            tree.push(Node(0, slot, one))
        handed_on += len(tree.nodes)
        for node in tree.nodes:
            whole.push(node)
    assert torch.equal(whole.root().total, expected)  # type: ignore[arg-type]
    assert whole.root().tokens == 8
    if size in (1, 2, 4, 8):
        assert handed_on == size


@pytest.mark.parametrize(
    ("sequences", "computing", "adding"),
    [(0, 0, 0), (1, 0, 1), (2, 1, 2), (7, 2, 3), (8, 3, 4), (9, 3, 4), (16, 4, 4), (115, 4, 4)],
)
def test_sums_held_at_once(sequences: int, computing: int, adding: int) -> None:
    # By hand: seven sequences leave the last slot empty, before which three sums would stand.
    assert held_at_once(sequences) == (computing, adding)


def test_empty_slots_change_no_sum() -> None:
    tree = SlotTree()
    for slot in range(8):
        one = RunningSum(2, 2, tokens=int(slot in (2, 5)))
        one.total = torch.full((2, 2), float(slot)) if one.tokens else None
        tree.push(Node(0, slot, one))
    assert torch.equal(tree.root().mean(), torch.full((2, 2), 3.5))
    nothing = RunningSum(2, 3)
    assert nothing.mean().shape == (2, 3) and not nothing.mean().any()


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize(("count", "followed"), [(0, 0), (1, 1), (5, 0), (16, 3), (115, 56)])
def test_every_sequence_is_held_once_and_shares_are_even(
    size: int, count: int, followed: int
) -> None:
    assert [slot_of(number) for number in range(16)] == [*SLOTS, *SLOTS]
    shares = [Share.of(count, followed, slots_of(rank, size)) for rank in range(size)]
    held = sorted(number for share in shares for number in share.numbers)
    assert held == list(range(count))
    for share in shares:
        assert list(share.numbers) == sorted(share.numbers)
        assert share.first == sum(number < followed for number in share.numbers)
        for place, number in enumerate(share.numbers):
            expected = SLOTS[(number if number < followed else number - followed) % 8]
            assert share.slots[place] == expected
            assert place in share.places(expected, first=number < followed)
            assert place not in share.places(expected, first=number >= followed)
    if size in (2, 4):  # the numbers of slots divide evenly
        for kind in (
            [share.first for share in shares],
            [len(share.numbers) - share.first for share in shares],
        ):
            assert max(kind) - min(kind) <= 1


def test_a_deal_is_near_the_best_there_is() -> None:
    draw = torch.Generator().manual_seed(1)
    for size, _ in itertools.product((1, 2, 3), range(20)):
        costs = torch.rand(6, generator=draw).tolist()
        best = min(
            busiest(costs, tried) for tried in itertools.product(range(size), repeat=len(costs))
        )
        # Graham's bound for the costliest first.
        assert busiest(costs, deal(costs, size)) <= (4 / 3 - 1 / (3 * size)) * best + 1e-9


def busiest(costs: Sequence[float], owners: Sequence[int]) -> float:
    loads = [0.0] * (1 + max(owners))
    for cost, owner in zip(costs, owners, strict=True):
        loads[owner] += cost
    return max(loads)


def test_a_wide_layer_goes_alone_and_proposals_spread() -> None:
    layers = [LinearShape("q", 4096, 4096), LinearShape("k", 1024, 4096)]
    layers.append(LinearShape("v", 1024, 4096))
    dealt = deal_group(layers, Settings("rpiq"), 2)
    assert dealt.layers["q"] != dealt.layers["k"] == dealt.layers["v"]
    one = deal_group([LinearShape("o", 4096, 4096)], Settings("rpiq"), 3)
    assert sorted(one.proposals.values()) == [0, 1, 2]
    assert deal_group(layers, Settings("gptq"), 3).proposals == {}


def test_what_fails_on_one_rank_fails_on_all_with_one_line() -> None:
    def begin(ranks: Ranks) -> int:
        def action() -> int:
            if ranks.rank:
                raise DataError(f"no such file on {ranks.rank}")
            return 1

        return in_step(ranks, action)

    first, second, third = together(3, begin)
    assert isinstance(second, DataError) and "on 1" in str(second)
    for quiet in (first, third):
        assert isinstance(quiet, RankError) and quiet.said


def test_ranks_that_see_other_files_are_named() -> None:
    def compare(ranks: Ranks) -> None:
        seen = "x" if ranks.rank < 2 else "y"
        require_same(ranks, {"--bits": 4, "the calibration data": seen, "threads": 1})

    first, second, third = together(3, compare)
    assert isinstance(first, SettingsError)
    assert "rank 2 does not see what rank 0 sees (the calibration data" in str(first)
    for quiet in (second, third):
        assert isinstance(quiet, RankError) and quiet.said


def test_an_earlier_run_is_read_by_the_writer_alone() -> None:
    class Earlier:
        def layers(self, block: str) -> None:
            assert threading.current_thread() is reader[0]
            return None

        def replayed(self, block: str, states: str) -> None:
            assert states == "abc"

    reader: list[threading.Thread] = []

    def ask(ranks: Ranks) -> object:
        if ranks.rank == 0:
            reader.append(threading.current_thread())
        relayed = Relayed(ranks, None if ranks.rank else Earlier())
        relayed.replayed("block", "abc" if ranks.rank == 0 else "other")
        return relayed.layers("block")

    assert together(2, ask) == [None, None]
