"""States go between host and card beside what is computed, and arrive as they were."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.blocks import State
from quantizer.plan.plan import Plan
from quantizer.run import taking_part
from quantizer.run.carrying import Carrier
from quantizer.run.job import Job
from quantizer.run.passes import Passes
from quantizer.run.pipeline import run
from quantizer.solvers.methods import Settings
from tests.pretend_gpu.counts import Counts

CARD, HOST = torch.device("cuda"), torch.device("cpu")
STATES = "quantizer/run/carrying.py"


def seeded(place: int) -> Tensor:
    return torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(place))


def on_card(place: int) -> State:
    return {"hidden": seeded(place).to(CARD), "ids": torch.arange(5).to(CARD) + place}


@pytest.fixture
def without_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets memory be pinned no more."""
    empty = torch.empty

    def refuse(*given: Any, **more: Any) -> Tensor:
        if more.get("pin_memory"):
            raise RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be ...")
        return empty(*given, **more)

    monkeypatch.setattr(torch, "empty", refuse)


def blocking(card: Counts) -> int:
    return sum(size for line, size in card.blocking.items() if line.startswith(STATES))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_states_come_back_as_they_were_stored(card: Counts, dtype: torch.dtype) -> None:
    carrier = Carrier(CARD, dtype)
    stored = [carrier.store(on_card(place)) for place in range(6)]
    assert {value.device.type for state in stored for value in state.values()} == {"cpu"}
    for place, state in enumerate(stored):
        if place + 1 < len(stored):
            carrier.expect(stored[place + 1])
        found = carrier.fetch(state)
        assert torch.equal(found["hidden"].cpu(), seeded(place).to(dtype))
        assert found["ids"].tolist() == [number + place for number in range(5)]
    carrier.settle()
    for place, state in enumerate(stored):
        assert torch.equal(state["hidden"], seeded(place).to(dtype))
    assert blocking(card) == 0, card.table()
    assert card.copied_in.total() > 0


def test_who_reads_before_the_card_is_done_is_found_out(card: Counts) -> None:
    carrier = Carrier(CARD, torch.float32)
    stored = carrier.store(on_card(1))
    assert not torch.equal(stored["hidden"], seeded(1))
    carrier.settle()
    assert torch.equal(stored["hidden"], seeded(1))


def test_without_pinned_memory_it_says_so_once_and_goes_on(
    card: Counts, without_pins: None, caplog: pytest.LogCaptureFixture
) -> None:
    carrier = Carrier(CARD, torch.float32)
    stored = [carrier.store(on_card(place)) for place in range(3)]
    for place, state in enumerate(stored):
        carrier.expect(state)
        assert torch.equal(carrier.fetch(state)["hidden"].cpu(), seeded(place))
    (told,) = (record.getMessage() for record in caplog.records)
    assert "cannot be pinned (CUDA error: out of memory)" in told and "\n" not in told
    assert blocking(card) > 0


@pytest.mark.slow
@pytest.mark.parametrize("pinned", [True, False])
def test_a_run_gives_the_same_bytes_either_way(
    pinned: bool,
    card: Counts,
    tiny_llama: Path,
    text_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings("rpiq", group_size=16, rounds=1, grid="minmax")
    plan_job = taking_part.plan_job

    def told(*given: Any, **more: Any) -> Plan:
        return replace(plan_job(*given, **more), states_on_card=False)

    def stored_at_once(self: Passes, state: State) -> State:
        return {name: value.cpu() for name, value in state.items()}

    monkeypatch.setattr(taking_part, "plan_job", told)
    job = Job(tiny_llama, tmp_path / "carried", settings, calibration=text_file, samples=6,
              seq_len=40, device=CARD)  # fmt: skip
    if not pinned:
        request.getfixturevalue("without_pins")
    card.clear()
    with caplog.at_level(logging.WARNING):
        run(job)
    assert (blocking(card) == 0) == pinned
    assert ("cannot be pinned" in caplog.text) == (not pinned)
    # As if nothing were done beside anything else: stored and loaded on the spot.
    monkeypatch.setattr(Passes, "_stored", stored_at_once)
    monkeypatch.setattr(Passes, "expect", lambda *_: None)
    plain = replace(job, out=tmp_path / "plain")
    run(plain)
    one, other = (each.out / "model.safetensors" for each in (job, plain))
    assert one.read_bytes() == other.read_bytes()
