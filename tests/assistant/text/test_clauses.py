"""Of a long sentence the part that is asked for, and nothing cut out where the rest may turn it."""

import pytest

from assistant.text.clauses import LONG, part_that_tells
from assistant.text.meaning import words
from assistant.text.question import wish

BOOKED = (
    "Your eye test has been arranged for Monday 4 May 2027 at 9:15 am with Dr. S. Osei in Room 12 "
    "of the outpatient clinic, and it will take about forty minutes."
)
GERMAN = (
    "Ihre Untersuchung ist am Montag, 4. Mai 2027 um 9:15 Uhr bei Dr. Osei in Zimmer 12 im Haus B "
    "und dauert mit der Vorbereitung und den Tropfen ungefähr vierzig Minuten."
)


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("when is my eye test", "for Monday 4 May 2027 at 9:15 am"),
        ("what time is it at", "for Monday 4 May 2027 at 9:15 am"),
        ("who will I see", "with Dr. S. Osei"),
        ("which doctor is it", "with Dr. S. Osei"),
        ("which room do I go to", "in Room 12 of the outpatient clinic"),
    ],
)
def test_a_long_sentence_tells_what_is_asked(question: str, part: str) -> None:
    assert part_that_tells(BOOKED, wish(question)) == part


def test_a_german_sentence_is_parted_as_well() -> None:
    assert part_that_tells(GERMAN, wish("which room is it")) == "in Zimmer 12"


@pytest.mark.parametrize("question", ["why do I have to go", "what should I bring", "is it free"])
def test_another_question_gets_the_whole_sentence(question: str) -> None:
    assert part_that_tells(BOOKED, wish(question)) == BOOKED


@pytest.mark.parametrize(
    "turned",
    [
        BOOKED.replace("has been arranged", "has not been arranged"),
        BOOKED.replace("has been arranged", "is only arranged if you ring us,"),
        BOOKED.replace("Your", "Please bring your").replace(" has been", ""),
        BOOKED.replace("about forty", "forty unless told otherwise, about"),
        f"{BOOKED[:-1]} until Friday 8 May 2027.",
    ],
)
def test_what_may_turn_its_meaning_stays(turned: str) -> None:
    assert len(words(turned)) >= LONG
    assert part_that_tells(turned, wish("when is my eye test")) == turned


def test_a_short_sentence_stays_whole() -> None:
    short = "Your eye test is on Monday 4 May 2027 in Room 12."
    assert part_that_tells(short, wish("when is my eye test")) == short
