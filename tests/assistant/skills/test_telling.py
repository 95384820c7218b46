"""What of an answer is quoted and what is Sightline's own; sentences that a file replaces."""

from pathlib import Path

import pytest

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind, Said
from assistant.seeing.text import TextLine
from assistant.skills.router import say, skills, told
from assistant.skills.telling import ENGLISH, frames_in, frames_of
from assistant.text.tokens import Kind


def found(
    value: str,
    label: str | None = None,
    *,
    language: str | None = None,
    kind: Kind | None = None,
    confidence: float = 0.99,
) -> Found:
    text = f"{label or 'Beside'} {value}"
    line = TextLine(text, ((0, 0), (90, 0), (90, 20), (0, 20)), confidence)
    return Found(value, label, (line,), kind, language)


TAKEN_APART = ("double_check", "spell", "again")
"""Skills that compare values, or tell them letter by letter."""

TOTAL = Answer("total", (found("20,70", "Total TTC", language="fr", kind=Kind.MONEY),), Basis.READ)


def test_a_value_is_known_in_its_sentence_with_its_language_and_kind() -> None:
    assert told(TOTAL) == (
        Said("The total is "),
        Said("20,70", "fr", Kind.MONEY, quoted=True),
        Said("."),
    )
    full = told(TOTAL, Detail.FULL)
    assert Said("Total TTC 20,70", "fr", quoted=True) in full, "evidence is quoted, too"
    assert [part.text for part in full if not part.quoted][-1] == ". Letters 99 percent sure."


@pytest.mark.parametrize("skill", [each.name for each in skills()])
@pytest.mark.parametrize("detail", list(Detail))
@pytest.mark.parametrize("values", [("5.50",), ("5.50", "6.60"), ("Take one. Never two!",)])
def test_every_skills_words_are_what_is_printed_and_its_values_are_quoted(
    skill: str, detail: Detail, values: tuple[str, ...]
) -> None:
    notes = (Note(NoteKind.SOUGHT, "milk"),) if skill in ("find_word", "about") else ()
    quoted = tuple(found(value, "Total", language="de") for value in values)
    answer = Answer(skill, quoted, Basis.READ, notes)
    parts = told(answer, detail)
    text = say(answer, detail)
    assert "".join(part.text for part in parts) == text
    printed = {part.text for part in parts if part.quoted}
    for value in values:
        bare = value.rstrip(".!")
        if skill not in TAKEN_APART and value in text:
            assert any(bare in each for each in printed), "it is quoted"
    assert not any("Letters" in each or "I read" in each for each in printed)


def test_a_value_that_is_also_a_word_of_the_sentence_is_quoted_where_it_stands() -> None:
    answer = Answer("total", (found("total"),), Basis.READ)
    assert [(part.text, part.quoted) for part in told(answer)] == [
        ("The total is ", False),
        ("total", True),
        (".", False),
    ]


def test_what_a_model_says_is_in_the_users_language() -> None:
    answer = Answer("describe", (Found("a red cup"),), Basis.SEEN, model="model")
    assert told(answer) == (Said("a red cup"),)


def test_each_line_of_a_page_is_in_its_own_language() -> None:
    text = "Kühl und trocken lagern, bitte.\nStore in a cool and dry place.\nNo 5"
    page = Answer("read", (found(text, language="de"),), Basis.READ)
    spoken = {part.text: part.language for part in told(page) if part.text.strip()}
    assert spoken == {
        "Kühl und trocken lagern, bitte.": "de",
        "Store in a cool and dry place.": "en",
        "No 5": "de",
    }


def test_strange_characters_change_no_word() -> None:
    for value in ("\ue000", "a\uf8ffb", "{}", "\\1", "{0}", "50%", "", "."):
        for skill in ("total", "phone", "quote", "dose"):
            answer = Answer(skill, (found(value, "{}"),), Basis.READ)
            assert "".join(part.text for part in told(answer)) == say(answer)


GERMAN = """
[total]
labels = ["4: summe"]

[total.says]
"The total is {}." = "Die Summe ist {}."
"The subtotal is {}; I find no total." = "ohne Klammer"

[phone.says]
"Phone numbers: {}." = "Telefonnummern: {}."

[expiry.says]
"That is {} ago: it has passed." = "Das ist {} her."

[every.says]
"It is hard to read; have somebody check it." = "Es ist schwer zu lesen."
"""


@pytest.fixture
def german(tmp_path: Path) -> Path:
    file = tmp_path / "de.toml"
    file.write_text(GERMAN, encoding="utf-8")
    return file


def test_a_file_replaces_sentences_and_the_rest_stays_english(german: Path) -> None:
    frames = frames_in(german)
    assert say(TOTAL, Detail.USUAL, frames) == "Die Summe ist 20,70."
    hard = Answer("total", TOTAL.found, Basis.GUESS, (Note(NoteKind.HARD_TO_READ),))
    assert say(hard, Detail.USUAL, frames) == "Die Summe ist 20,70. Es ist schwer zu lesen."
    assert say(TOTAL, Detail.FULL, frames) == (
        "Die Summe ist 20,70. I read it here: Total TTC 20,70. Letters 99 percent sure."
    )
    assert [(part.text, part.language) for part in told(hard, Detail.USUAL, frames)][:3] == [
        ("Die Summe ist ", "de"),
        ("20,70", "fr"),
        (".", "de"),
    ]
    numbers = Answer("phone", (found("1"), found("2"), found("3")), Basis.READ)
    assert say(numbers, Detail.USUAL, frames) == "Telefonnummern: 1; 2; 3."
    expired = Answer("expiry", (found("1/2/25"),), Basis.READ, (Note(NoteKind.PAST, "3 weeks"),))
    assert say(expired, Detail.USUAL, frames) == "The expiry date is 1/2/25. Das ist 3 weeks her."


def test_a_sentence_that_would_lose_its_value_is_not_taken(german: Path) -> None:
    subtotal = Answer("total", (found("9.00"),), Basis.READ, (Note(NoteKind.SUBTOTAL),))
    english = "The subtotal is 9.00; I find no total."
    assert say(subtotal, Detail.USUAL, frames_in(german)) == say(subtotal) == english


def test_languages_without_sentences_of_their_own_are_spoken_to_in_english() -> None:
    assert not ENGLISH.sentences
    for language in ("de", "xx"):
        assert say(TOTAL, Detail.USUAL, frames_of(language)) == "The total is 20,70."
