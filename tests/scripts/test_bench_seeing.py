"""What the benchmark of seeing counts: lost text, halves of the photographs, refusals that help."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from assistant.seeing.quality import Cause

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(autouse=True)
def beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_text_is_found_again_word_by_word_and_each_word_once() -> None:
    still_read = script("bench_gate_judge").still_read
    clean = ["total", "total", "receipt"]
    assert still_read(clean, ["receipt", "total", "total"]) == 1
    assert still_read(clean, ["recelpt", "tota1"]) == pytest.approx(12 / 17), "misread letters"
    assert still_read(clean, ["total"]) == pytest.approx(5 / 17), "one word is found once"
    assert still_read(clean, ["banana"]) == still_read(clean, []) == 0


def test_refusals_are_held_against_what_is_lost_in_each_half() -> None:
    judge = script("bench_assistant_seeing").judge
    names = ["a", "b", "c", "d", "e"]
    found = [Cause.GLARE, Cause.GLARE, None, None, Cause.DARK]
    outcome = judge(names, found, {"a": 0.49, "b": 0.5, "c": 0.0, "d": 0.2, "e": None})
    assert outcome == {
        "chosen_with": {"lost": 2, "lost_refused": 1, "kept": 0, "kept_refused": 0},
        "held_out": {"lost": 1, "lost_refused": 0, "kept": 1, "kept_refused": 1},
    }
    assert judge(names, found, {}) == {}


def test_what_was_judged_belongs_to_these_spoils_and_photographs() -> None:
    judge, spoilt = script("bench_gate_judge"), script("spoilt_pictures")
    assert {*judge.JUDGED, *judge.JUDGED_HELD_OUT} <= set(spoilt.SPOILT)
    kept = json.loads((SCRIPTS / "results/assistant_seeing_readable.json").read_text())["pictures"]
    assert judge.as_text(kept) == (SCRIPTS / "results/assistant_seeing_readable.json").read_text()
    for recalls in kept.values():
        assert set(recalls) in (
            set(), {*judge.JUDGED}, {*judge.JUDGED, *judge.JUDGED_HELD_OUT}
        )  # fmt: skip
        assert all(0 <= recall <= 1 for recall in recalls.values())
    assert sum(bool(recalls) for recalls in kept.values()) > 50


def test_every_spoil_is_of_the_same_size_and_changes_the_picture() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 200, (60, 80, 3)).astype(np.uint8)
    for name, spoil in script("spoilt_pictures").SPOILT.items():
        spoilt = spoil(rgb, np.random.default_rng(1))
        assert spoilt.shape == rgb.shape and spoilt.dtype == np.uint8, name
        assert (spoilt != rgb).any(), name
