"""Lists told whole, the roles of lines, and values of the kind that is asked for, in three tongues.

`kinds_of_answers.toml` holds papers, questions and what a right answer names; it was written before
the rules that it tries.
"""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from assistant.answers import Basis, Context
from assistant.skills.router import say
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

SHEETS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "kinds_of_answers.toml").read_text(encoding="utf-8")
)["sheet"]

LEAST_RIGHT = {"list": 19, "role": 12, "value": 23}
MOST_WRONG_CALLED_READ = {"list": 0, "role": 1, "value": 0}


def named_in(wanted: str | list[str], told: str) -> bool:
    """Whether any of some strings stands in an answer, in whatever case."""
    choice = [wanted] if isinstance(wanted, str) else wanted
    return any(each.lower() in told for each in choice)


def is_right(question: dict[str, Any], told: str) -> bool:
    """Whether an answer names all that is wanted, nothing that is not, and is no recital."""
    told = " ".join(told.lower().split())
    return (
        all(named_in(each, told) for each in question["must"])
        and not any(named_in(each, told) for each in question.get("never", ()))
        and len(told.split()) <= question.get("words", 25)
    )


@pytest.fixture(scope="module")
def counts() -> Counter[tuple[str, str]]:
    """How many questions of each kind are right, and how many are wrong and called read."""
    found: Counter[tuple[str, str]] = Counter()
    for sheet in SHEETS:
        talk = Talk(page(*sheet["rows"]))
        for question in sheet["questions"]:
            talk.context = Context()
            answer = talk.ask(question["ask"])
            right = is_right(question, say(answer))
            found[question["kind"], "right"] += right
            found[question["kind"], "sure"] += not right and answer.basis is Basis.READ
    return found


@pytest.mark.parametrize("kind", sorted(LEAST_RIGHT))
def test_of_each_kind_so_many_are_right(kind: str, counts: Counter[tuple[str, str]]) -> None:
    assert counts[kind, "right"] >= LEAST_RIGHT[kind]


@pytest.mark.parametrize("kind", sorted(MOST_WRONG_CALLED_READ))
def test_of_each_kind_no_more_are_wrong_and_called_read(
    kind: str, counts: Counter[tuple[str, str]]
) -> None:
    assert counts[kind, "sure"] <= MOST_WRONG_CALLED_READ[kind]
