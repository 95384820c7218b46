"""Pages with questions as people ask them, and which rows of each page answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.text.matching import Matching
from assistant.text.page import Page
from assistant.text.question import wish
from assistant.text.sections import behind_heading
from tests.assistant.text.pages import page

FILE = Path(__file__).with_name("pages.jsonl")

PARTS = ("train", "choose", "report")
"""What a page is for; none of the last two is trained on, and the last is not looked at."""


@dataclass(frozen=True, slots=True)
class Question:
    """rows: the numbers of the rows of the page that answer; none where the page does not."""

    asked: str
    page: Page
    rows: frozenset[int]


@dataclass(frozen=True, slots=True)
class Ranked:
    """What the model is shown of a page for one question.

    answers: the places that answer, as numbers of the texts; others: those that share no row with
    them.
    """

    asked: str
    texts: list[str]
    answers: list[int]
    others: list[int]


def questions(part: str) -> Iterator[Question]:
    """The questions of one part, page by page."""
    for line in FILE.read_text(encoding="utf-8").splitlines():
        each = json.loads(line)
        if each["part"] == part:
            laid = page(*each["rows"])
            for asked, rows in each["asked"]:
                yield Question(asked, laid, frozenset(rows))


def ranked(question: Question) -> Ranked | None:
    """As the product shows it to the model; None where none of its places is the right one."""
    places = Matching(question.page, wish(question.asked), "en").candidates()
    touching = [n for n, each in enumerate(places) if not question.rows.isdisjoint(each.rows)]
    whole = [n for n in touching if question.rows == set(places[n].rows)]
    parts = [n for n in touching if question.rows >= set(places[n].rows)]
    answers = whole or parts or touching
    if bool(answers) != bool(question.rows) or not places:
        return None
    texts = [behind_heading(question.page, each) for each in places]
    others = [n for n in range(len(places)) if n not in touching]
    return Ranked(question.asked, texts, answers, others)
