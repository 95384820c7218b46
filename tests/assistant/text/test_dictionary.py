"""One meaning in many languages, idioms, and the kinds of questions that need no shared word."""

import pytest

from assistant.text.calendar_names import weekdays
from assistant.text.meaning import likeness, stem
from assistant.text.page import Page
from assistant.text.question import Form, form, wish
from assistant.text.retrieval import Hit, places_for
from assistant.text.sentences import sentence_spans
from tests.assistant.text.pages import page


def told(hits: list[Hit]) -> str:
    values = []
    for hit in hits:
        if hit.cell is not None:
            values.append(hit.cell.text)
        elif hit.value is not None and hit.is_one_of_many:
            values.append(hit.value.token.text)
        else:
            values.append(" ".join(hit.passage.text.split()))
    return " / ".join(values)


@pytest.mark.parametrize(
    ("asked", "printed"),
    [
        ("waiter", "Kellnerin"),
        ("purple", "lila"),
        ("depth", "profondeur"),
        ("strawberries", "fragole"),
        ("deduction", "retenues"),
        ("sister", "Steuer"),
        ("tax", "Steuernummer"),
    ],
)
def test_a_word_of_another_language_is_of_the_same_sense_but_never_literal(
    asked: str, printed: str
) -> None:
    match = likeness(asked, printed.lower())
    if asked == "sister":
        assert match == 0
    else:
        assert 0 < match <= 0.85


@pytest.mark.parametrize(
    ("asked", "printed"), [("rent", "rente"), ("call", "calle"), ("pay", "paye")]
)
def test_a_foreign_word_is_not_cut_down_to_an_english_one(asked: str, printed: str) -> None:
    assert stem(asked) != stem(printed)
    assert likeness(asked, printed) < 1


SLIP = page(
    "Bistro Linde",
    "Kellnerin: Petra",
    "3 Limonade      9,60",
    "1 Suppe      5,20",
    "Summe      14,80",
)
NOTICE = page(
    "Lift closed",
    "The lift is out of use because a cable is being replaced.",
    "Please use the stairs in Block C.",
    "Held for 7 days, then sent back.",
)
BUSES = page("Line 9", "Mill Lane  6:05  9:40  18:20", "Harbour  6:25  10:00  18:40")
SOUP = page(
    "Pea soup",
    "Values      per 100 g      per can",
    "Salt g      0.8      3.2",
    "Fat g      1.1      4.4",
)


@pytest.mark.parametrize(
    ("paper", "question", "answer"),
    [
        (SLIP, "who was our waiter", "Kellnerin: Petra"),
        (SLIP, "how many lemonades, Limonade", "3 Limonade"),
        (NOTICE, "why is that", "because a cable"),
        (NOTICE, "what do I have to do", "Please use the stairs"),
        (NOTICE, "how long will they hang on to it", "7 days"),
        (BUSES, "what time is the first one from Mill Lane", "6:05"),
        (BUSES, "what time is the last one from Harbour", "18:40"),
        (SOUP, "how much salt if I have the whole can", "3.2"),
    ],
)
def test_what_is_asked_in_other_words_is_found(paper: Page, question: str, answer: str) -> None:
    assert answer in told(places_for(paper, question))


def test_a_count_is_told_without_the_price_beside_it() -> None:
    assert "9,60" not in told(places_for(SLIP, "how many lemonades, Limonade"))


def test_the_middle_bus_is_neither_first_nor_last() -> None:
    assert "9:40" not in told(places_for(BUSES, "what time is the first one from Mill Lane"))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("why did they not leave it", Form.WHY),
        ("what do I have to do now", Form.TASK),
        ("what should I do with it", Form.OTHER),
        ("how soon will it work", Form.DURATION),
    ],
)
def test_the_form_of_a_question(question: str, expected: Form) -> None:
    assert form(question) is expected


def test_what_goods_come_in_is_no_word_of_its_own() -> None:
    assert "bar" not in wish("what did a bar of soap cost").asked


def test_a_weekend_is_saturday_and_sunday() -> None:
    assert weekdays("Weekends until 11") == {5, 6}
    assert weekdays("weekdays 9 to 5") == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. med. Anna Roth, Bergstr. 12, Jena", 1),
        ("Ch.-B. 77A verw. bis 03/2030", 1),
        ("Take one. Then wait.", 2),
    ],
)
def test_abbreviations_end_no_sentence(text: str, count: int) -> None:
    assert len(list(sentence_spans(text))) == count


def test_a_sentence_does_not_run_into_a_table_above_it() -> None:
    paper = page(
        "Unsere Termine stehen unten in der Liste fest.",
        "Erste Probe im alten Saal      Montag um 18:15 Uhr",
        "Am Tag der Probe kommen bitte alle und bringen Sie auch Ihre",
        "Noten mit.",
    )
    assert any(
        each.text.endswith("bringen Sie auch Ihre Noten mit.") and each.rows == (2, 3)
        for each in paper.statements
    )
