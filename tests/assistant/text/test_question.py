"""What a question wants: kinds of values, forms of answers, its words in plain English."""

import pytest

from assistant.text.question import Form, english, form, language_of, plain, wanted, wish
from assistant.text.tokens import Kind


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("when is the picnic", Form.WHEN),
        ("which days are they closed", Form.WHEN),
        ("who signed it", Form.WHO),
        ("what is her last name", Form.WHO),
        ("where do we meet", Form.WHERE),
        ("which platform does it leave from", Form.WHERE),
        ("how long do I boil the eggs", Form.DURATION),
        ("how many eggs", Form.MANY),
        ("how often do I water it", Form.OFTEN),
        ("what is the password", Form.OTHER),
        ("where do I leave the key when nobody is in", Form.WHERE),
    ],
)
def test_the_form_of_an_answer(question: str, expected: Form) -> None:
    assert form(question) is expected


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("what time does the market open", Kind.TIME),
        ("by when do I have to answer", Kind.DATE),
        ("how much is the lamp", Kind.MONEY),
        ("how much sugar", Kind.MEASURE),
        ("what number do I ring", Kind.PHONE),
        ("what is the membership number", Kind.CODE),
        ("can I come at 9 in the evening", Kind.TIME),
        ("waht time is the bus", Kind.TIME),
        ("Wie viel kostet die Lampe?", Kind.MONEY),
        ("¿A qué hora abre?", Kind.TIME),
        ("Quand part le train ?", Kind.DATE),
    ],
)
def test_the_kind_of_value(question: str, kind: Kind) -> None:
    assert kind in wanted(question)


@pytest.mark.parametrize(
    "question", ["do I get a new pin", "is there a fee for the locker", "can I pay by phone"]
)
def test_a_question_for_yes_or_no_wants_no_value(question: str) -> None:
    assert wanted(question) == frozenset()


def test_a_saying_is_put_into_words_that_paper_prints() -> None:
    assert plain("When do they get back?") == "when do they return"
    assert "collect" in plain("when will they take the money")


def test_what_is_not_wanted_and_why_it_is_asked_are_no_words_of_the_question() -> None:
    assert wish("the phone number, not the fax").asked == ("phone",)
    assert "hungry" not in wish("how long do I boil this because I am hungry").asked


def test_a_noun_for_what_is_in_view_counts_unless_it_only_says_where() -> None:
    assert "card" in wish("what is the card number").asked
    assert wish("what is the price on this card").asked == ("price",)


def test_question_words_are_spelt_right_and_put_into_english() -> None:
    assert english("wehn is it") == "when is it"
    assert english("wie lange gilt das") == "how long gilt das"


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Wann kann ich das abholen?", "de"),
        ("Quels documents faut-il apporter ?", "fr"),
        ("¿Cuánto pan lleva la receta?", "es"),
        ("Quanto costa il biglietto?", "it"),
        ("Hoe laat gaat de winkel open?", "nl"),
        ("how much is it", "en"),
        ("", "en"),
    ],
)
def test_the_language_of_a_question(question: str, language: str) -> None:
    assert language_of(question) == language
