"""The pages of small print, and what their bench counts, around a stand-in reader."""

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
PASSAGE = (
    "Keep the box dry and out of the sun, of course, and read the rest of the sheet twice. " * 5
)


@pytest.fixture(autouse=True)
def beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_passages_are_told_apart_by_the_words_of_their_languages(tmp_path: Path) -> None:
    german = "Der Karton und das Blatt sind trocken zu halten, und das ist der Grund. " * 6
    text = "\n".join([PASSAGE, german, "short", "Держать в сухом месте. " * 30])
    (tmp_path / "exllamav2_cal_multilingual.utf8").write_text(text, encoding="utf-8")
    found = script("twins.small_print").passages(tmp_path)
    assert {name: len(each) for name, each in found.items() if each} == {"en": 1, "de": 1}
    assert found["en"][0] == PASSAGE.strip()


def test_a_page_is_always_the_same_and_holds_its_lines() -> None:
    draw = script("twins.small_print")
    first, again = (draw.small_print([PASSAGE], 11, 4, rows=9) for _ in range(2))
    assert np.array_equal(first.rgb, again.rgb) and first.lines == again.lines
    assert draw.small_print([PASSAGE], 11, 5, rows=9).lines != first.lines
    assert len(first.lines) == len(first.boxes) == 9
    assert any(any(map(str.isdigit, line)) for line in first.lines)
    height, width = first.rgb.shape[:2]
    for left, top, right, bottom in first.boxes:
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        assert np.ptp(first.rgb[int(top) : int(bottom), int(left) : int(right)]) > 60


def test_words_count_for_the_line_that_they_stand_in() -> None:
    bench, draw = script("bench_small_print"), script("twins.hard_text")
    page = draw.Twin(
        np.zeros((60, 300, 3), np.uint8),
        ("total due 5.50", "thanks a lot"),
        ((0, 0, 100, 20), (0, 30, 100, 50)),
    )

    def line(text: str, confidence: float, y: float) -> Any:
        return SimpleNamespace(text=text, confidence=confidence, centre=(50.0, y))

    lines = [line("Total due 5.60", 0.9, 11), line("thanks a lot due", 0.6, 39)]
    reader = SimpleNamespace(parts=lambda rgb, limit_s: [SimpleNamespace(lines=lines)])
    marks = bench.measured(reader, page)
    assert {name: marks[name] for name in ("words", "read", "sure", "wrong")} == {
        "words": 6, "read": 5, "sure": 2, "wrong": 1,
    }  # fmt: skip
    whole = bench.summed([marks])
    assert (whole["recall"], whole["sure_recall"]) == (0.8333, 0.3333)
    assert (whole["sure_precision"], whole["wrong_sure"]) == (0.6667, 1)
