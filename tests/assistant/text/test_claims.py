"""Sentences about a text: what stands there passes, what was added, changed or denied does not."""

import pytest

from assistant.seeing.text import TextLine
from assistant.text.claims import claimed, denial, missing, rests_on, says_nothing
from assistant.text.page import Page


def page(*lines: str) -> Page:
    return Page(
        [
            TextLine(
                text,
                ((0.0, 40.0 * row), (9.0 * len(text), 40.0 * row))
                + ((9.0 * len(text), 40.0 * row + 24), (0.0, 40.0 * row + 24)),
                0.99,
            )
            for row, text in enumerate(lines)
        ]
    )


LETTER = page(
    "Riverside Dental Practice",
    "Dear Mrs Whitlock,",
    "Your appointment with Dr Amin is on Tuesday 14 March at 9:45.",
    "Please do not eat for two hours before the treatment.",
    "The fee of £45 must be paid at the desk, by card only.",
    "Parking is free for patients.",
    "Opening hours",
    "Saturday 10:00 - 13:00",
)


@pytest.mark.parametrize(
    ("sentence", "first_line"),
    [
        ("The appointment is on Tuesday.", "Your appointment"),
        ("Your appointment is with Dr Amin at 9:45 on 14 March.", "Your appointment"),
        ("Patients are parking for free.", "Parking is free"),
        ("You must pay at the desk by card only.", ""),  # "pay" is not "paid"
        ("The fee of £45 must be paid by card only.", "The fee"),
        ("Do not eat for 2 hours before the treatment.", "Please do not eat"),
        ("According to the text, the fee is £45.", "The fee"),
        ("On Saturday, the opening hours are 10:00 - 13:00.", "Opening hours"),
    ],
)
def test_what_stands_in_one_place_or_two_neighbours(sentence: str, first_line: str) -> None:
    places = rests_on(sentence, LETTER)
    assert [first_line in place.text for place in places[:1]] == [True] * bool(first_line)


@pytest.mark.parametrize(
    "sentence",
    [
        "The appointment is on Wednesday.",  # another day
        "The appointment is at 9:30.",  # another time
        "The appointment is at 9.",  # a part of a time
        "The appointment is with Dr Patel.",  # another name
        "The appointment is on Tuesday at 10:00.",  # the time of another line
        "The fee is 45 euros.",  # another currency
        "The fee is €45.",
        "The fee is £4.",
        "Please eat for two hours before the treatment.",  # the denial left out
        "Parking is not free for patients.",  # a denial put in
        "Parking isn't free for patients.",
        "You may never eat before the treatment.",
        "Parking is free for all patients.",  # more than is said
        "The fee may be paid at the desk.",  # "must" made weaker
        "The practice is dedicated to the best possible service.",
        "The fee is for parking.",  # words of two lines put together
        "The treatment is free.",
        "Dr Amin, Amin, Amin, Amin.",  # caught in a word
        "It is.",
        "14:00",
        "",
    ],
)
def test_what_was_added_changed_or_denied(sentence: str) -> None:
    assert rests_on(sentence, LETTER) == ()


def test_figures_are_whole_and_words_are_stems() -> None:
    assert missing(claimed("They pay 12 for deliveries"), "12 for delivery") == ("pay",)
    assert missing(("12",), "4123 and 1.12 and 12.5") == ("12",)
    assert missing(("1.12",), "1.12") == ()
    assert missing(claimed("It is 40mg of GL5"), "40 mg, GL5") == ()
    assert missing(claimed("It is 40mg of GX5"), "40 ml, GL5") == ("40mg", "gx5")
    assert missing(("third",), "the 3rd floor") == ()
    assert missing(("monday",), "Mon 9-12") == ()
    assert missing(("cafe",), "Café") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Do not open", True),
        ("It isn’t open", True),
        ("Nicht öffnen", True),
        ("Keine Haftung", True),
        ("Não abrir", True),
        ("A note about knots", False),
        ("No. 7", True),  # rather one denial too many than one too few
    ],
)
def test_denials(text: str, expected: bool) -> None:
    assert denial(text) is expected


def test_a_sentence_that_says_that_nothing_is_said() -> None:
    assert says_nothing("The text does not say when.")
    assert says_nothing("It isn't mentioned") and not says_nothing("Do not say it")


def test_a_long_place_holds_everything_and_proves_nothing() -> None:
    far = " ".join(f"word{number}" for number in range(80))
    assert rests_on("word1 word79", page(f"{far}.")) == ()
