"""Pages with everyday questions, and what the model that ranks places learns of them."""

import json
import math
import random
import re
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from relevance.pages import FILE, PARTS, Question, questions, ranked  # noqa: E402
from train_relevance import OTHERS, drawn, loss_of  # noqa: E402

from tests.assistant.text.pages import page  # noqa: E402

BILL = (
    "Ferrow Gas",
    "Amount due  84.20",
    "If you move house, tell us at least",
    "two days before.",
)


def asked(question: str, *rows: int) -> Question:
    return Question(question, page(*BILL), frozenset(rows))


def test_every_page_names_rows_that_it_has_and_asks_nothing_twice() -> None:
    pages = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    assert {each["part"] for each in pages} == set(PARTS)
    for each in pages:
        told = [question.lower() for question, _ in each["asked"]]
        assert len(set(told)) == len(told), each["name"]
        rows = {row for _, rows in each["asked"] for row in rows}
        assert rows <= set(range(len(each["rows"]))), each["name"]
        assert not any(re.search(r"^\s*$", row) for row in each["rows"]), each["name"]


def test_a_page_is_of_one_part_only() -> None:
    texts = {part: {each.page.rows[0].text for each in questions(part)} for part in PARTS[1:]}
    assert all(texts.values())
    pages = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    rows = [tuple(each["rows"]) for each in pages]
    assert len(set(rows)) == len(rows)


def test_the_place_that_answers_is_told_from_those_that_share_no_row_with_it() -> None:
    found = ranked(asked("What do I owe?", 1))
    assert found is not None
    assert [found.texts[at] for at in found.answers] == ["Ferrow Gas: Amount due 84.20"]
    assert all("84.20" not in found.texts[at] for at in found.others)
    whole = ranked(asked("How soon must I let them know about a move?", 2, 3))
    assert whole is not None and len(whole.answers) == 1
    assert whole.texts[whole.answers[0]].endswith("tell us at least two days before.")
    nothing = ranked(asked("Can I pay by cheque?"))
    assert nothing is not None
    assert (nothing.answers, len(nothing.others)) == ([], len(nothing.texts))


def test_one_place_that_answers_is_drawn_first_among_others() -> None:
    found = ranked(asked("What do I owe?", 1))
    assert found is not None
    texts = drawn(found, random.Random(0))
    assert texts[0] == found.texts[found.answers[0]]
    assert len(texts) <= 1 + OTHERS and set(texts[1:]) <= {found.texts[at] for at in found.others}


def test_the_loss_is_that_of_the_place_that_answers_or_of_nothing() -> None:
    # The right text has twice the weight of nothing, its rival one; nothing then has half.
    scores = torch.tensor([math.log(2), 0.0, 0.0])
    expected = (-math.log(2 / 4) - math.log(1 / 2)) / 2
    assert float(loss_of(scores, [(True, 2), (False, 1)])) == pytest.approx(expected)
