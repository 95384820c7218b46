"""How much is said, for every skill, from data alone."""

import re

import pytest

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.inference.pocket import Refusal
from assistant.seeing.quality import Cause
from assistant.seeing.text import TextLine
from assistant.skills import saying
from assistant.skills.router import say, skill_named, skills


def found(value: str, label: str | None = None) -> Found:
    line = TextLine(f"Line of {value}", ((0, 0), (90, 0), (90, 20), (0, 20)), 0.876)
    return Found(value, label, (line,))


READ = [each.name for each in skills() if each.traits.text or each.name in ("barcode", "blank")]
CAUTIONS = {"dose": "I cannot check it."}


@pytest.mark.parametrize("skill", READ)
@pytest.mark.parametrize("values", [("5.50",), ("5.50", "6.60", "7.70")])
def test_short_is_the_values_and_full_adds_what_they_rest_on(
    skill: str, values: tuple[str, ...]
) -> None:
    notes = (Note(NoteKind.SOUGHT, "milk"),) if skill in ("find_word", "about") else ()
    answer = Answer(skill, tuple(map(found, values)), Basis.READ, notes)
    if skill == "summary":
        answer = Answer(skill, answer.found, Basis.READ, model="model")
    short, usual, full = (say(answer, detail) for detail in Detail)
    words = re.sub(r"[;.]", " ", short.replace(CAUTIONS.get(skill, "."), " ")).split()
    assert words == re.sub(r"\.", " ", " ".join(values)).split()
    assert all(value in usual for value in values)
    assert full.startswith(usual.rstrip("."))
    assert full.count("Letters 88 percent sure.") == 1
    quoted = "; ".join(f"Line of {value}" for value in values)
    assert f"I read it here: {quoted}." in full


def test_doubts_stay_at_every_length() -> None:
    for note, words in (
        (Note(NoteKind.AMBIGUOUS, "day"), "ambiguous"),
        (Note(NoteKind.UNVERIFIED), "have somebody check them"),
        (Note(NoteKind.FROM_BEFORE), "In the picture from before: "),
        (Note(NoteKind.CUT_OFF, "left"), "cut off at the left"),
        (Note(NoteKind.AGREED), "both answers agree"),
    ):
        answer = Answer("expiry", (found("3/4/25"),), Basis.GUESS, (note,))
        assert all(words in say(answer, detail) for detail in Detail), note
    subtotal = Answer("total", (found("9.00"),), Basis.READ, (Note(NoteKind.SUBTOTAL),))
    assert all("I find no total" in say(subtotal, detail) for detail in Detail)
    shirt = (Note(NoteKind.NOT_SURE_OF, "shirt"), Note(NoteKind.COLOUR_DOUBT, "dim"))
    colour = Answer("colour", (Found("blue"),), Basis.GUESS, shirt)
    for detail in Detail:
        assert "whether that is the shirt. It is dim here" in say(colour, detail)


def test_every_reason_has_its_sentence() -> None:
    reasons = [
        *(Note(NoteKind.SPOILT, cause.value) for cause in Cause),
        *(Note(NoteKind.REFUSED, refusal.value) for refusal in Refusal),
        Note(NoteKind.NO_TEXT), Note(NoteKind.NO_MODEL, "there is none."),
        Note(NoteKind.DECLINED), Note(NoteKind.EMPTY),
    ]  # fmt: skip
    sentences = [say(Answer("other", notes=(note,))) for note in reasons]
    assert all(sentence.startswith("I can't tell: ") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)
    for what, sentence in saying.AMBIGUOUS.items():
        note = Note(NoteKind.AMBIGUOUS, what)
        assert sentence in say(Answer("date", (found("1/2/25"),), Basis.READ, (note,)))


@pytest.mark.parametrize("skill", [each.name for each in skills()])
@pytest.mark.parametrize("detail", list(Detail))
def test_no_skill_speaks_where_another_gives_the_reason(skill: str, detail: Detail) -> None:
    spoilt = Answer(skill, notes=(Note(NoteKind.SPOILT, "dark"),))
    if skill != "double_check":
        assert say(spoilt, detail) == "I can't tell: it is too dark. Turn on a light."
        assert skill_named(skill).say(spoilt, detail) == ""


def test_a_models_words_are_said_as_they_are() -> None:
    for skill in skills():
        answer = Answer(skill.name, (Found("a red cup"),), Basis.SEEN, model="pocket/int4")
        assert say(answer, Detail.SHORT) == say(answer) == "a red cup"
        assert say(answer, Detail.FULL) == "a red cup. The model is pocket/int4."


def test_more_values_than_can_be_kept_in_mind_are_called_more() -> None:
    answer = Answer("phone", (found("1"), found("2")), Basis.READ, (Note(NoteKind.MORE),))
    assert say(answer) == "Phone numbers: 1; 2 and more."
    dates = Answer("date", tuple(map(found, "123")), Basis.READ, (Note(NoteKind.MORE),))
    assert say(dates) == "The date is 1. I also read 2; 3 and more."
    assert say(dates, Detail.SHORT) == "1; 2; 3 and more."


def test_evidence_is_all_lines_once_and_confidence_the_least() -> None:
    sure = TextLine("Total", ((0, 0), (9, 0), (9, 9), (0, 9)), 0.9)
    unsure = TextLine("5.50", ((20, 0), (29, 0), (29, 9), (20, 9)), 0.6)
    value, other = Found("5.50", "Total", (sure, unsure)), Found("x", None, (sure,))
    assert Answer("total", (value, other), Basis.READ).evidence == (sure, unsure)
    assert (value.confidence, other.confidence, Found("red").confidence) == (0.6, 0.9, None)


def test_what_is_quoted_may_bring_its_own_full_stop() -> None:
    quoted = Answer("total", (Found("Pay by 4 May.", None, ()),), Basis.READ)
    assert "May.." not in say(quoted) and say(quoted).endswith("May.")


def test_no_answer_is_silent() -> None:
    assert say(Answer("pick")).startswith("I can't tell")
    assert say(Answer("pick", notes=(Note(NoteKind.MORE),))).startswith("I can't tell")
