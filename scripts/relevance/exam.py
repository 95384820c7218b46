"""Questions of the exam's open sets, as the model that ranks places is shown them."""

from __future__ import annotations

from pathlib import Path

from exam.cases import FOLDER, Case, by_picture, read_cases
from exam.judge import MOST_WORDS, alternatives, stands_in
from exam.lines import KeptLines
from relevance.pages import Ranked

from assistant.text.matching import Matching
from assistant.text.page import Page
from assistant.text.question import wish
from assistant.text.sections import behind_heading

OPEN = ("dev", "held", "dev2", "dev3a", "dev3b", "dev4a")
"""Sets that may be trained on. Of the fifth, none is: it is asked as the pages here are."""

LEAST_LETTERS = 3
"""Of what must stand in an answer; less stands in many places by chance."""


def exam_questions(lines: Path) -> list[Ranked]:
    """Single questions whose answer, or whose absence, the case tells.

    lines: what was read on the pictures, as scripts/bench_answers.py keeps it; a picture that is
    not drawn there, beside it, is left out.
    """
    kept, found = KeptLines(lines), []
    for half in OPEN:
        for picture, cases in by_picture(read_cases(FOLDER / f"cases_{half}.jsonl")):
            try:
                page = Page(kept.lines(lines.parent / picture))
            except (OSError, KeyError):
                continue
            found += [each for case in cases if (each := _ranked(case, page)) is not None]
    return found


def _ranked(case: Case, page: Page) -> Ranked | None:
    must = alternatives(case.get("must", ()))
    declines = bool(case.get("decline"))
    if "ask" not in case or not (declines or must):
        return None
    if sum(len(min(each, key=len)) for each in must) < LEAST_LETTERS and not declines:
        return None
    places = Matching(page, wish(case["ask"]), "en").candidates()
    answers = [
        number
        for number, place in enumerate(places)
        if not declines
        and all(any(stands_in(one, place.text) for one in many) for many in must)
        and not any(stands_in(bad, place.text, whole=True) for bad in case.get("never", ()))
        and len(place.text.split()) <= MOST_WORDS
    ]
    if not answers and not declines:
        return None
    texts = [behind_heading(page, each) for each in places]
    others = [number for number in range(len(places)) if number not in answers]
    return Ranked(case["ask"], texts, answers, others)
