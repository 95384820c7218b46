"""What a run asks of a card, by the pretend one: kernels of attention, passes, copies, memory."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from quantizer.plan.buffers import ALLOCATOR
from quantizer.plan.plan import Plan
from quantizer.plan.time import block_work, passing_work, starting_work
from quantizer.plan.work import Work
from quantizer.plan.workload import CalibrationShape, block_shapes
from quantizer.recipes.recipe import read_recipe
from quantizer.run import taking_part
from quantizer.run.following import widest_layer
from quantizer.run.job import Job, Prepared, prepare
from quantizer.run.pipeline import run
from quantizer.solvers.methods import Settings
from tests.pretend_gpu.counts import Counts

CARD = torch.device("cuda")
LARGE = float(2**40)


@dataclass
class Ran:
    """A run on the pretend card: what was counted, and what was planned of the same."""

    counts: Counts
    plan: Plan
    held: int
    """Bytes that the run itself held at most."""
    passing: Work
    whole: Work
    room: float

    def of_passes(self, counter: Counter[str]) -> int:
        """What passes and the sums over their tokens have caused, and nothing of the solvers."""
        return sum(count for line, count in counter.items() if line.startswith(_PASSING))


_PASSING = ("models/cogvlm2", "models/families", "models/blocks", "quantizer/run/")


def planned(job: Job, prepared: Prepared, room: float, *, on_card: bool) -> tuple[Work, Work]:
    """The work of all passes, and that of everything."""
    opened = prepared.opened
    shape = CalibrationShape.of(opened, prepared.calibration)
    followed = shape.followed(job.rules, widest_layer(opened, job.rules))
    passing, whole = Work(), starting_work(shape, on_card=on_card)
    places: Counter[str] = Counter()
    for block in block_shapes(list(opened.blockwise.blocks()), prepared.reader, job.rules):
        kind = block.name.rpartition(".")[0]
        given = (block, shape, followed, job.rules)
        passing.add(passing_work(*given, places[kind], on_card=on_card, room=room))
        whole.add(block_work(*given, place=places[kind], on_card=on_card, room=room))
        places[kind] += 1
    return passing, whole


@pytest.fixture
def ran(card: Counts, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs a job with much room, or with none."""

    def quantize(job: Job, *, room: float = LARGE, on_card: bool = True) -> Ran:
        plans: list[Plan] = []
        plan_job = taking_part.plan_job

        def told(*given: Any, **more: Any) -> Plan:
            plan = plan_job(*given, **more)
            assert plan.states_on_card and plan.rooms, "a card has room for so little"
            rooms = dict.fromkeys(plan.rooms, 0.0) if not room else plan.rooms
            plans.append(replace(plan, rooms=rooms, states_on_card=on_card))
            card.clear()
            return plans[-1]

        monkeypatch.setattr(taking_part, "plan_job", told)
        # Of tiny tensors whole pieces of a card's allocator would be all that is planned.
        for module in ("plan.peaks", "plan.time", "run.walk"):
            monkeypatch.setattr(f"quantizer.{module}.PIECE_BYTES", 512)
        work = planned(job, prepare(job), room, on_card=on_card)
        before = card.living
        run(job)
        return Ran(card, plans[-1], card.peak - before, *work, room)

    return quantize


@pytest.fixture
def of_texts(tiny_llama: Path, text_file: Path, tmp_path: Path) -> Job:
    """Heads share keys and values in it; only some of the sequences are followed."""
    settings = Settings("rpiq", group_size=16, rounds=1, grid="minmax")
    return Job(
        tiny_llama, tmp_path / "out", settings, calibration=text_file, samples=6, seq_len=64,
        device=CARD,
    )  # fmt: skip


@pytest.fixture
def of_pictures(tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path) -> Job:
    """All parts of a CogVLM2."""
    recipe = read_recipe("cmdq")
    return Job(
        tiny_cogvlm2, tmp_path / "out", recipe.base, recipe=recipe, calibration=picture_folder,
        samples=6, device=CARD,
    )  # fmt: skip


def check(found: Ran) -> None:
    counts = found.counts
    assert counts.kernels == {"efficient"}, counts.table()
    assert {call.masked for call in counts.attention} == {False}
    assert found.of_passes(counts.operations) == found.passing.products
    assert found.of_passes(counts.launches) <= found.passing.launches
    assert found.passing.launches <= 1.5 * found.of_passes(counts.launches)
    # CogVLM2's first decoder layer looks words up anew in every pass.
    looked_up = ("quantizer/run/outer.py", "models/families/causal.py")
    copied = sum(
        count
        for counter in (counts.copied_in, counts.copied_out)
        for line, count in counter.items()
        if not line.startswith(looked_up)
    )
    assert copied <= 1.02 * found.whole.moved <= 1.6 * copied, counts.table()
    moment = found.plan.device_at
    assert moment is not None
    held = sum(buffer.size for buffer in moment.buffers if buffer.part != ALLOCATOR)
    assert found.held <= held, (moment, counts.table())
    if found.room:  # without, it is not what was planned
        assert held <= 2 * found.held, (moment, counts.table())


def test_a_run_over_texts_keeps_its_budgets(of_texts: Job, ran: Callable[..., Ran]) -> None:
    check(ran(of_texts))


@pytest.mark.slow
@pytest.mark.parametrize("on_card", [True, False])
def test_a_run_over_texts_without_room_does_as_well(
    on_card: bool, of_texts: Job, ran: Callable[..., Ran]
) -> None:
    check(ran(of_texts, room=0.0, on_card=on_card))


@pytest.mark.slow
@pytest.mark.parametrize("room", [0.0, LARGE])
def test_a_run_over_pictures_keeps_its_budgets(
    room: float, of_pictures: Job, ran: Callable[..., Ran]
) -> None:
    check(ran(of_pictures, room=room, on_card=room > 0))


@pytest.mark.parametrize("job", ["of_texts", "of_pictures"])
def test_one_pass_a_block_computes_less_than_half(
    job: str, card: Counts, request: pytest.FixtureRequest
) -> None:
    given: Job = request.getfixturevalue(job)
    prepared = prepare(given)
    once, anew = (planned(given, prepared, room, on_card=True)[0] for room in (LARGE, 0.0))
    assert once.products < 0.45 * anew.products
