#!/usr/bin/env python3
"""Ask the product what people ask about a paper in their hand, over pages of text without pictures.

    .venv/bin/python scripts/bench_relevance.py --part report

Each question of scripts/relevance is put by itself, by rules alone and with the models that tell
meanings, where they are installed. An answer is right if it tells a row that answers, and at most
one that does not. Thresholds are chosen on the part "choose"; "report" is not looked at.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from relevance.pages import PARTS, Question, questions  # noqa: E402

from assistant.answers import Answer, Basis  # noqa: E402
from assistant.inference.installed_meanings import InstalledMeanings  # noqa: E402
from assistant.skills.router import say  # noqa: E402
from assistant.text.meaning_models import WITHOUT, MeaningModels  # noqa: E402
from tests.assistant.skills.talking import Talk  # noqa: E402

OUT = Path(__file__).with_name("results") / "relevance.json"


def answers_to(question: Question, models: MeaningModels) -> list[Answer]:
    """All that is answered to it."""
    talk = Talk(question.page, models)
    pieces = talk.conversation.answer(talk.frame, question.asked, talk.context)
    return [each for each in pieces if isinstance(each, Answer)]


def verdict(question: Question, answers: Sequence[Answer]) -> str:
    """right, declined or wrong, with "read" behind it where a wrong answer is called so."""
    silent = all(each.basis is Basis.UNKNOWN for each in answers)
    if silent:
        return "declined" if question.rows else "right"
    told = _rows_told(question, answers)
    is_right = bool(question.rows) and len(told - question.rows) <= 1
    if is_right and (told & question.rows or _is_said(question, answers)):
        return "right"
    sure = any(each.basis is Basis.READ for each in answers)
    return "wrong, called read" if sure else "wrong"


def _rows_told(question: Question, answers: Sequence[Answer]) -> set[int]:
    rows = {id(piece): n for n, row in enumerate(question.page.rows) for piece in row.pieces}
    lines = (line for each in answers for line in each.evidence)
    return {rows[id(line)] for line in lines if id(line) in rows}


def _is_said(question: Question, answers: Sequence[Answer]) -> bool:
    """Whether the value of a row that answers is said, though its row is not what was looked at."""
    said = _plain(" ".join(say(each) for each in answers))
    values = (_plain(question.page.rows[row].pieces[-1].text) for row in question.rows)
    return any(value and value in said for value in values)


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def measured(asked: Sequence[Question], models: MeaningModels) -> dict[str, dict[str, int]]:
    """How many verdicts of each kind, of questions that the page answers and of others."""
    counts = {"answered by the page": Counter[str](), "not answered by it": Counter[str]()}
    for question in asked:
        name = "answered by the page" if question.rows else "not answered by it"
        counts[name][verdict(question, answers_to(question, models))] += 1
    return {name: dict(sorted(count.items())) for name, count in counts.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure one part, print it, and keep it in the result file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=PARTS[1:], default="report")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(argv)
    asked = list(questions(options.part))
    result = {"rules alone": measured(asked, WITHOUT)}
    models = InstalledMeanings().models
    if models.rank() is not None:
        result["with the models"] = measured(asked, models)
    kept = json.loads(options.out.read_text()) if options.out.exists() else {}
    options.out.write_text(json.dumps({**kept, options.part: result}, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
