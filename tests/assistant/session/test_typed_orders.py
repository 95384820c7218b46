"""Lines typed one after another: orders on what was said last, questions to the assistant."""

import datetime

import pytest

from assistant.hearing.orders import order_in
from assistant.session.asked_of_me import told_of_me
from tests.assistant.fakes_session import FakeNotebook
from tests.assistant.session.typed import Typed

LETTER = (
    "Ferry Lane Dental Practice",
    "Phone 01865 496 022",
    "9 February 2027",
    "Dear Mrs Abbot,",
    "Your check-up is due in April.",
    "Please ring us to choose a day.",
)


def test_again_is_about_what_was_said_last() -> None:
    with Typed(*LETTER) as typed:
        typed("what is the phone number")
        first = typed("read the first line")
        assert typed("again") == first
        line = typed("next line")
        assert line == "Phone 01865 496 022"
        assert typed("say that again") == line
        assert typed("again") == line
        assert typed("next line") == "9 February 2027"
        clock = typed("what time is it")
        assert typed("can you repeat that please") == clock
        found = typed("find choose")
        assert typed("again") == found == "Please ring us to choose a day."
        assert typed("what is the phone number") != found
        assert "01865 496 022" in typed("again")


def test_the_same_in_another_voice() -> None:
    with Typed(*LETTER) as typed:
        typed("what is the date")
        told = typed("say that slower")
        assert "words a minute" in told and "9 February 2027" in told
        told = typed("can you read it again more slowly")
        assert "words a minute" in told and "9 February 2027" in told
        assert "words a minute" in typed("a bit slower please")
        told = typed("say it again louder")
        assert "Volume" in told and "9 February 2027" in told


def test_figures_are_said_slowly_one_by_one() -> None:
    with Typed(*LETTER) as typed:
        typed("what is the phone number")
        assert typed("say that slower") == "0, 1, 8, 6, 5, 4, 9, 6, 0, 2, 2"
        assert typed("next line") == "9 February 2027"
        # The line, not the number before it.
        assert "0, 1, 8" not in typed("say that slower")


@pytest.mark.parametrize("order", ["spell that", "spell it for me", "can you spell that word"])
def test_after_a_refusal_there_is_nothing_to_spell(order: str) -> None:
    with Typed(*LETTER) as typed:
        assert "1, 8, 6, 5" in typed("what is the phone number") + typed(order)
        assert "I can't tell" in typed("what is the fax number")
        told = typed(order)
        assert "nothing to spell" in told
        # Neither a word of the page nor the answer before it.
        assert "capital" not in told and "1, 8" not in told
        assert "capital F, e, r, r, y" in typed("read the first line") + typed(order)


def test_after_moving_the_order_is_about_the_line() -> None:
    with Typed(*LETTER) as typed:
        typed("read the fifth line")
        assert typed("previous line") == "Dear Mrs Abbot,"
        assert typed("spell that") == "capital D, e, a, r"
        assert "1, 8, 6, 5" not in typed("say the number again slowly")


def test_one_of_what_is_saved_is_forgotten_by_its_place() -> None:
    notes = FakeNotebook()
    for name in ("gas bill", "water bill", "dental letter"):
        notes.remember(name, f"Text of the {name}.", None)
    with Typed(*LETTER, memory=notes) as typed:
        typed("what did I save")
        assert "Delete number 2, water bill?" in typed("forget the second one")
        assert "Number 2 is deleted." in typed("yes")
        typed("where did I put bill")
        assert "Delete number 1, gas bill?" in typed("delete the last one")
        assert "Nothing is deleted" in typed("no")
        assert "which one" in typed("forget the fifth one")
        typed("what did I save")
        assert "which one" in typed("delete that one")
        typed("where did I put dental")
        assert "Delete number 3, dental letter?" in typed("delete that one")
    assert [kept.name for kept in notes.kept] == ["gas bill", "dental letter"]


def test_the_place_counts_in_what_was_listed() -> None:
    notes = FakeNotebook()
    for name in ("gas bill", "dental letter", "water bill"):
        notes.remember(name, f"Text of the {name}.", None)
    with Typed(memory=notes) as typed:
        typed("where did I put bill")
        assert "Delete number 3, water bill?" in typed("forget the second one")


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("what time is it", "18:05"),
        ("What's the time please?", "18:05"),
        ("can you tell me what time it is", "18:05"),
        ("do you have the time", "18:05"),
        ("what day is it", "Sunday, 14 March 2027"),
        ("what's today's date", "Sunday, 14 March 2027"),
        ("what is the date today", "Sunday, 14 March 2027"),
        ("Which day is it today?", "Sunday, 14 March 2027"),
        ("who are you", "I am Sightline"),
        ("what's your name?", "I am Sightline"),
        ("are you a robot", "I am Sightline"),
        ("hello", "I am here"),
        ("good morning", "I am here"),
    ],
)
def test_what_is_asked_of_the_assistant_needs_no_picture(question: str, told: str) -> None:
    assert told in told_of_me(question, datetime.datetime(2027, 3, 14, 18, 5))
    for rows in ((), LETTER):
        with Typed(*rows) as typed:
            said = typed(question)
            assert told in said and "2027" not in said.replace("14 March 2027", "")


@pytest.mark.parametrize(
    "question",
    [
        "what time is it on the ticket",
        "what time is it at the dentist",
        "what day is it and what time",
        "what time is the appointment",
        "what is the date",
        "what date is it",
        "what day is the market",
        "who is it from",
        "what is the name",
        "what is this",
        "what are they",
        "hello kitty",
        "is there a time",
    ],
)
def test_what_is_asked_of_the_picture_is_not_asked_of_the_assistant(question: str) -> None:
    assert told_of_me(question, datetime.datetime(2027, 3, 14, 18, 5)) == ""


@pytest.mark.parametrize(
    "question",
    ["what can you do", "what can you do for me", "help me", "how can you help", "what can I ask"],
)
def test_who_asks_what_it_can_do_hears_examples(question: str) -> None:
    with Typed(*LETTER) as typed:
        assert "What is the phone number?" in typed(question)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("can you stop please", ("stop", "")),
        ("could you go on", ("resume", "")),
        ("sorry, can you say that again", ("repeat", "")),
        ("could you speak a little slower", ("slower", "")),
        ("you are too fast", ("slower", "")),
        ("slow down", ("slower", "")),
        ("say that slower", ("slower", "that")),
        ("repeat it slowly", ("slower", "it")),
        ("again, but slower", ("slower", "again")),
        ("say that again but a bit louder", ("louder", "that")),
        ("can you read it", ("read", "")),
        ("forget the second one", ("forget", "the second one")),
        ("delete that one", ("forget", "that one")),
    ],
)
def test_orders_as_people_type_them(text: str, order: tuple[str, str]) -> None:
    assert order_in(text) == order


@pytest.mark.parametrize(
    "text",
    [
        "can you see the total",
        "how slow is the bus",
        "say the number again slowly",
        "can you tell me the date",
        "now what",
        "what can I do if it hurts",
        "is it louder",
    ],
)
def test_questions_are_no_orders(text: str) -> None:
    assert order_in(text) is None
