"""What the catalog says of a making is what the plan works out for the published shapes."""

import dataclasses
import importlib
from pathlib import Path

import pytest
from quantizing import needs

from models.catalog import find_model
from quantizer.plan.cards import CARDS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planned", "name"),
    [("cogvlm2-19b", "cogvlm2-19b"), ("llama-3.1-8b", "llama-3.1-8b-instruct")],
)
def test_figures_are_those_of_the_plan(planned: str, name: str, tmp_path: Path) -> None:
    script = importlib.import_module("plan_full_size")
    figures = find_model(name).quantizing
    assert figures is not None
    worked_out = script.catalog_figures(tmp_path, planned)
    told = dataclasses.asdict(figures)
    assert told.keys() == worked_out.keys()
    for key, value in worked_out.items():
        # Rounded, and bytes rounded up.
        assert told[key] == pytest.approx(value, rel=0.005), key
        assert not key.endswith("_bytes") or told[key] >= value, key


@pytest.mark.parametrize(
    ("name", "seconds"), [("cogvlm2-19b", 1141), ("llama-3.1-8b-instruct", 330)]
)
def test_the_time_on_the_missions_card(name: str, seconds: int) -> None:
    figures = find_model(name).quantizing
    assert figures is not None
    times = needs.work_of(figures).times(CARDS["RTX 4090"])
    assert sum(times.values()) == pytest.approx(seconds, abs=1.0)
