"""What an answer rests on: its values in its lines, or how sure a model is."""

import re

import pytest

from assistant.answers import Answer, Basis, Detail, Found
from assistant.seeing.text import TextLine
from assistant.skills.grounding import digits_are_read, ground_model, ground_read
from assistant.skills.router import say, skill_named, skills


def line(text: str) -> TextLine:
    right = 9 * len(text)
    return TextLine(text, ((0, 0), (right, 0), (right, 20), (0, 20)), 0.9)


def test_digits_must_be_whole_groups_of_the_evidence() -> None:
    lines = [line("TOTAL RM 30.90"), line("4123")]
    assert digits_are_read("The total is RM 30.90.", lines)
    assert not digits_are_read("The total is RM 31.90.", lines)
    assert not digits_are_read("12", lines)
    assert digits_are_read("no figures at all", [])


@pytest.mark.parametrize(
    ("value", "source", "basis"),
    [
        ("RM 30.90", "TOTAL RM30.90", Basis.READ),
        ("RM 5.00", "TOTAL RM5:00", Basis.READ),
        ("9/3/2018", "Date:9/3/201820:54:50", Basis.READ),
        ("RM 31.90", "TOTAL RM30.90", Basis.GUESS),
        ("RM 30.90", "TOTAL RM36.90", Basis.GUESS),
        ("9", "TOTAL RM30.80", Basis.GUESS),
    ],
)
def test_only_what_stands_in_its_lines_is_read(value: str, source: str, basis: Basis) -> None:
    assert ground_read([Found(value, None, (line(source),))]) is basis
    other = Found("30.90", None, (line("TOTAL RM30.90"),))
    assert ground_read([other, Found(value, None, (line(source),))]) is basis, "each of them"


@pytest.mark.parametrize("skill", [each.name for each in skills() if each.traits.text])
@pytest.mark.parametrize("values", [("7",), ("7", "7/7/77"), ("7",) * 6])
def test_read_answers_say_only_the_digits_of_their_values(
    skill: str, values: tuple[str, ...]
) -> None:
    found = tuple(Found(value, None, (line(value),)) for value in values)
    for detail in (Detail.SHORT, Detail.USUAL):
        text = say(Answer(skill, found, Basis.READ), detail)
        assert set(re.findall(r"\d+", text)) <= {"7", "77"}, text


@pytest.mark.parametrize(
    ("says", "probabilities", "skill", "accuracy", "basis"),
    [
        ("red", [0.9, 0.95], "colour", 0.97, Basis.SEEN),
        ("red", [0.9, 0.59], "colour", 0.97, Basis.GUESS),
        ("red", [0.9], "colour", 0.69, Basis.GUESS),
        ("red", [], "colour", None, Basis.GUESS),
        ("3", [0.9], "count", None, Basis.SEEN),
        ("it costs 12", [0.9], "other", None, Basis.GUESS),
        ("bus 42", [0.9], "other", None, Basis.SEEN),
        ("EXIT", [0.9], "read", None, Basis.GUESS),
        ("bus", [0.9], "read", None, Basis.SEEN),
        ("I can't tell.", [0.9], "count", None, Basis.UNKNOWN),
        ("I cannot see any", [0.9], "count", None, Basis.UNKNOWN),
        ("", [0.9], "count", None, Basis.UNKNOWN),
    ],
)
def test_basis_of_model_answers(
    says: str, probabilities: list[float], skill: str, accuracy: float | None, basis: Basis
) -> None:
    traits = skill_named(skill).traits
    claims = {"quotes": traits.text, "counts": traits.counts}
    assert ground_model(says, probabilities, [line("Bus 42")], accuracy, **claims) is basis
