"""The benchmark of summaries: its texts, and what the rule does with sentences made from them."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from assistant.text.claims import rests_on
from assistant.text.page import Page

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.mark.slow
def test_what_is_made_untrue_is_stopped_and_what_stands_there_is_not() -> None:
    bench: dict[str, Any] = runpy.run_path(str(SCRIPTS / "bench_summaries.py"))
    texts = bench["texts"]()
    assert [sum(text.half == half for text in texts) for half in ("choose", "report")] == [15, 15]
    told: dict[str, list[bool]] = {}
    for text in texts:
        page = Page(text.lines)
        for kind, sentence in bench["made_sentences"](text):
            told.setdefault(kind, []).append(bool(rests_on(sentence, page)))
    assert sum(told["as it stands"]) >= 0.95 * len(told["as it stands"]) > 200
    for kind in ("another figure", "another name", "a denial put in", "a denial left out"):
        assert told[kind] and not any(told[kind]), kind
