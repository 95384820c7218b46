"""The pictures of hard text, and what their bench counts, around a stand-in reader."""

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(autouse=True)
def beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize("kind", ["lcd", "dots", "mirror", "side", "lone", "glare", "textures"])
def test_a_picture_is_always_the_same_and_its_words_have_places(kind: str) -> None:
    draw = script("twins.hard_text")
    first, again, other = draw.twin(kind, 3), draw.twin(kind, 3), draw.twin(kind, 4)
    assert np.array_equal(first.rgb, again.rgb) and first.lines == again.lines
    assert first.rgb.shape != other.rgb.shape or not np.array_equal(first.rgb, other.rgb)
    assert len(first.boxes) == len(first.lines)
    height, width = first.rgb.shape[:2]
    for left, top, right, bottom in first.boxes:
        assert -40 <= left < right <= width + 40 and -40 <= top < bottom <= height + 40
        inside = first.rgb[max(int(top), 0) : int(bottom), max(int(left), 0) : int(right)]
        assert np.ptp(inside) > 60, "something is drawn there"


def test_omissions_are_silent_unless_an_unread_place_is_near() -> None:
    bench, draw = script("bench_reading"), script("twins.hard_text")
    made = draw.Twin(
        np.zeros((100, 300, 3), np.uint8),
        ("total due", "5.50", "thanks"),
        ((0, 0, 100, 20), (200, 0, 260, 20), (0, 70, 100, 90)),
    )

    def line(text: str, confidence: float) -> Any:
        return SimpleNamespace(text=text, confidence=confidence)

    part = SimpleNamespace(
        lines=[line("Total due", 0.9), line("tharks", 0.9), line("zzz", 0.5)],
        unread=[SimpleNamespace(box=(205, 5, 250, 15), foreign=False, script="")],
        mirrored=False,
    )
    reader = SimpleNamespace(parts=lambda rgb, limit_s: [part])
    marks = bench.measured(reader, made, "lcd", False)
    assert (marks["words"], marks["read"], marks["silent"], marks["invented"]) == (4, 2, 1, 1)
    assert bench.summed([marks])["silent"] == 0.25
