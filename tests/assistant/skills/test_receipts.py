"""Totals and dates of real receipts, asked for as a person would and compared with their keys."""

import json
import re
from pathlib import Path

import pytest

from assistant.answers import Basis
from assistant.seeing.ocr import RapidOcrReader
from assistant.skills.answerer import Answerer
from assistant.skills.router import say
from assistant.stopwatch import Stopwatch
from models.pictures import load_picture

pytestmark = [pytest.mark.weights, pytest.mark.slow]  # two minutes of text recognition


def figures(text: str) -> str:
    """Digits only, so that 1,234.50 and RM1234.50 are the same amount."""
    return re.sub(r"\D", "", text)


def test_totals_and_dates_are_read_from_receipts(data_dir: Path) -> None:
    """The rules were written with these receipts at hand: this guards them, it judges nothing."""
    reader = RapidOcrReader()
    right: dict[str, list[bool]] = {"total": [], "date": []}
    read = {"total": 0, "date": 0}
    for path in sorted((data_dir / "vision" / "sroie").glob("*.key.json")):
        picture = load_picture(path.with_name(path.name.replace(".key.json", ".jpg")))
        key = json.loads(path.read_text())
        answerer = Answerer(reader, lambda: "no model is needed", Stopwatch())
        for field in right:
            if not key.get(field):
                continue
            answer = answerer.answer(picture, f"what is the {field}")
            is_read = answer.basis is Basis.READ
            is_right = figures(key[field]) in figures(say(answer))
            right[field].append(is_right)
            # What is hard to read is a guess; what is called read is never wrong.
            assert is_right or not is_read, (path.name, field, say(answer))
            read[field] += is_read
    for field, marks in right.items():
        assert len(marks) >= 24, field
        assert sum(marks) / len(marks) >= 0.95, (field, marks)
        assert read[field] / len(marks) >= 0.7, (field, read)
