"""What a question wants: kinds of values, forms of answers, its words in plain English."""

import pytest

from assistant.text.question import Form, english, form, language_of, plain, wanted, wish
from assistant.text.retrieval import places_for
from assistant.text.tokens import Kind, tokens
from tests.assistant.text.pages import page


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


@pytest.mark.parametrize(
    ("question", "meaning"),
    [
        ("how much did she give me back", "how much did she change return"),
        ("where did he drop me off", "where did he drop"),
        ("do I prick the holes in it", "do i pierce in it"),
    ],
)
def test_a_saying_bends_its_verb_and_holds_a_pronoun(question: str, meaning: str) -> None:
    assert plain(question) == meaning


@pytest.mark.parametrize(
    ("question", "deed"),
    [
        ("what time did we embark", "embark"),
        ("how long do I have to simmer it", "simmer"),
        ("who repointed the chimney", "repointed"),
    ],
)
def test_the_verb_of_a_question_for_a_value_is_known_by_its_place(question: str, deed: str) -> None:
    assert deed in wish(question).deeds


def test_of_a_question_for_yes_or_no_the_verb_is_the_matter() -> None:
    assert wish("can I bleach it").deeds == frozenset()


def test_adverbs_narrow_a_question_down_and_what_only_ends_so_does_not() -> None:
    wanted_words = wish("how much did it roughly cost monthly in July")
    assert wanted_words.is_open("roughly")
    assert not wanted_words.is_open("monthly") and not wanted_words.is_open("july")


def test_letters_that_are_two_in_one_and_units_in_capitals_are_read() -> None:
    (hit,) = places_for(page("Beurre 3,60", "Œufs x6 2,95"), "how much are the eggs")
    assert "2,95" in hit.passage.text
    assert [token.kind for token in tokens("HEXALOL 10 MG")] == [Kind.MEASURE]


@pytest.mark.parametrize(
    ("first", "is_own"),
    [("Norwich, 3 May 2027", True), ("Tuesday 3 May 2027", True), ("Renewal 3 May 2027", False)],
)
def test_the_day_on_which_a_letter_was_written_is_known_by_its_place(
    first: str, is_own: bool
) -> None:
    letter = page("Albion Water", first, "We shall read your meter on Friday 21 May 2027 at noon.")
    assert letter.own_date == (1 if is_own else None)
    hits = places_for(letter, "when are you coming")
    assert any("21 May" in hit.passage.text for hit in hits)
    assert any("3 May" in hit.passage.text for hit in hits) is not is_own
