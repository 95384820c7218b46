"""Values come out of lines as they stand, with their line, and doubts are named."""

import pytest

from assistant.answers import NoteKind
from assistant.seeing.text import TextLine
from assistant.skills import date as date_skill
from assistant.skills import expiry, phone, price
from assistant.skills import total as total_skill
from assistant.skills.dose import SKILL as DOSE
from assistant.skills.router import skill_named, understand
from assistant.text.page import Page
from assistant.text.tokens import Kind


class Scene:
    """A picture of which only the text counts."""

    def __init__(self, *texts: str) -> None:
        """One row for each text; " | " separates pieces of a row."""
        made = []
        for y, text in enumerate(texts):
            for x, piece in enumerate(text.split(" | ")):
                left, top = 200.0 * x, 30.0 * y
                box = ((left, top), (left + 190, top), (left + 190, top + 20), (left, top + 20))
                made.append(TextLine(piece, box, 0.99))
        self.lines = made
        self._page = Page(made)

    def page(self, cancelled: object = None) -> Page:
        """The text."""
        return self._page

    def closeness(self, page: Page) -> None:
        """No model that tells meanings."""


def told(skill: object, *texts: str) -> list[str]:
    """The values that a skill finds in some rows."""
    answer = skill.find(understand("?"), Scene(*texts))  # type: ignore[attr-defined]
    return list(answer.values)


def amounts(*texts: str) -> list[str]:
    places = Scene(*texts).page().places_of(Kind.MONEY)
    return [place.token.text for place in places if not place.token.needs_label]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Date: 15/03/2018", "15/03/2018"),
        ("18-11-18 13:58 SH01 T2", "18-11-18"),
        ("Date:9/3/201820:54:50", "9/3/2018"),
        ("05 Mar 2018 18:24", "05 Mar 2018"),
        ("31Jul2018 Balance", "31Jul2018"),
        ("March 5, 2024", "March 5, 2024"),
        ("2024-02-29T10:00", "2024-02-29"),
        ("1.2.2024", "1.2.2024"),
    ],
)
def test_dates_are_read_as_they_stand(text: str, date: str) -> None:
    answer = date_skill.SKILL.find(understand("?"), Scene("No. 12/3 Harmony Road", text))
    assert answer.values == (date,)
    assert text in [line.text for line in answer.evidence]


@pytest.mark.parametrize(
    "text",
    ["Tel 07-8263254", "32/13/2018", "00/05/2018", "12,50", "1 X 3.11", "192.168.10.20", "5-300"],
)
def test_what_is_no_date(text: str) -> None:
    assert told(date_skill.SKILL, text) == []


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("03/04/25", "year"),
        ("03/04/2025", "day"),
        ("13/04/2025", ""),
        ("04/04/2025", ""),
        ("3 Apr 2025", ""),
        ("2025-04-03", ""),
    ],
)
def test_ambiguous_dates_are_called_so(text: str, doubt: str) -> None:
    answer = date_skill.SKILL.find(understand("?"), Scene(text))
    note = answer.note(NoteKind.AMBIGUOUS)
    assert note is None if not doubt else note.detail == doubt


def test_labelled_date_comes_first_and_printing_date_last() -> None:
    rows = ("Printed date: 01/01/2020", "14/07/2019", "Date : | 13/05/2019")
    assert told(date_skill.SKILL, *rows) == ["13/05/2019", "14/07/2019", "01/01/2020"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["MFD.12:2023EXP.11/2025"], ["11/2025"]),
        (["Mfg 03/2023 | Exp. date 02/2026"], ["02/2026"]),
        (["BEST BEFORE", "12 AUG 2025"], ["12 AUG 2025"]),
        (["Use by 14.08.25"], ["14.08.25"]),
        (["EXP MAY 2026"], ["MAY 2026"]),
        (["Manufactured 01/02/2024"], []),
        (["Date 01/02/2024"], []),
        (["BEST BEFORE", "MFD 12/2023"], []),
        (["An expert 12/2024"], []),
    ],
)
def test_expiry_needs_its_label(lines: list[str], expected: list[str]) -> None:
    assert told(expiry.SKILL, *lines) == expected


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        (
            ["Total RM 30.91", "ROUNDING -RM 0.01", "TOTAL ROUNDED RM 30.90", "CASH 51.00"],
            "RM 30.90",
        ),
        (["SUB TOTAL : 20.00", "GRAND TOTAL : | 21.20", "CHANGE : 0.00"], "21.20"),
        (["Total (Excluding GST): 6.62", "TOTAL: 7.00"], "7.00"),
        (["Total (Inclusive of GST): 65.72", "Rounding Adj -0.02", "TOTAL: 65.70"], "65.70"),
        (["Total: 8.00", "GST Summary Amount", "Total 7.55 0.45", "Total 7.55"], "8.00"),
        (["Total GST 0.45", "Total Qty: 5"], None),
        (["TOTAL", "$ 1,234.50"], "$ 1,234.50"),
        (["TOTAL RM5:00"], "RM5:00"),
        (["Milk 2.10", "Bread 3.40"], None),
    ],
)
def test_the_amount_to_pay(lines: list[str], total: str | None) -> None:
    places = total_skill.total_places(Scene(*lines).page())
    assert [place.token.text for place in places] == ([] if total is None else [total])


def test_a_subtotal_alone_is_called_so() -> None:
    found = total_skill.SKILL.find(understand("?"), Scene("SUBTOTAL 28.70", "CASH 100.00"))
    assert found.values == ("28.70",) and found.note(NoteKind.SUBTOTAL)


def test_price_by_label_then_total_then_all() -> None:
    def prices(*lines: str) -> list[str]:
        return told(price.SKILL, *lines)

    assert prices("Jam", "Price: £2.50", "was 3.00") == ["£2.50"]
    assert prices("M.R.P. Rs.53.60 for 10 caps") == ["Rs.53.60"]
    assert prices("Milk 2.10", "Total 2.10") == ["2.10"]
    assert prices("Milk 2.79", "Bread 3.40") == ["2.79", "3.40"]
    assert prices("Bus 9.04", "Tram 9.12") == []  # as much as is known, these are times


def test_amounts_are_whole_figures() -> None:
    assert amounts("99,878.08 RM1.38 12:30:15 3.5 4.123") == ["99,878.08", "RM1.38"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Price 1.89 EUR", ["1.89 EUR"]),
        ("nur 1,89 €", ["1,89 €"]),
        ("Special $5 today", ["$5"]),
        ("RM 12 each", ["RM 12"]),
        ("GST RM 6% of 2018", []),
        ("2 for 3", []),
        ("firm 12", []),
        ("$1,234.50", ["$1,234.50"]),
    ],
)
def test_currencies_stay_with_their_amounts(text: str, expected: list[str]) -> None:
    assert amounts(text) == expected


def test_doses_are_quoted() -> None:
    rows = ("Dosage: one tablet daily | Contains 400 mg", "Vitamin E 400mg, 5 ml")
    assert told(DOSE, *rows) == [
        "Dosage: one tablet daily Contains 400 mg",
        "Vitamin E 400mg, 5 ml",
    ]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Tel:07-8263254 Fax: 07-8266888", ["07-8263254"]),
        ("Phone no. +44 20 7946 0958", ["+44 20 7946 0958"]),
        ("07-355 2616", ["07-355 2616"]),
        ("(714) 879-3574", ["(714) 879-3574"]),
        ("GST No : 000800589824", []),
        ("9555916500133 1 X 3.11", []),
        ("Tel 01/02/2018", []),
        ("F/Castell 187057-75", []),
    ],
)
def test_phone_numbers(text: str, numbers: list[str]) -> None:
    assert told(phone.SKILL, text) == numbers


LEAFLET = (
    "IBUPROFEN 400 mg tablets", "Adults: take one tablet every 6 hours.",
    "Do not take more than 3 tablets in 24 hours.", "Do not give to children under 12.",
    "Store below 25 C.",
)  # fmt: skip


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("how many can I take a day", 2),
        ("can my 8 year old take it", 3),
        ("how many milligrams is it", 0),
        ("what strength is it", 0),
    ],
)
def test_of_a_leaflet_the_sentence_that_was_asked_for_is_told(question: str, row: int) -> None:
    asked = understand(question)
    assert asked.skill == "dose"
    answer = DOSE.find(asked, Scene(*LEAFLET))  # type: ignore[arg-type]
    assert LEAFLET[row] in answer.values


@pytest.mark.parametrize(
    "question",
    ["I am allergic to celery, can I eat this?", "is it safe for a celery allergy",
     "does it contain celery", "is there any celery in it", "is it free of celery"],
)  # fmt: skip
def test_who_is_allergic_is_told_the_sentence(question: str) -> None:
    asked = understand(question)
    assert asked.skill == "find_word"
    text = "May contain traces of celery and mustard."
    answer = skill_named(asked.skill).find(asked, Scene("Soup", text))  # type: ignore[arg-type]
    assert answer is not None and answer.values == (text,)


def test_a_date_is_told_by_the_name_that_it_was_asked_by() -> None:
    rows = ("Invoice date: 05 Feb 2026", "Due date: 07 Mar 2026")
    answer = date_skill.SKILL.find(understand("what is the due date"), Scene(*rows))
    assert answer.values[0] == "07 Mar 2026"


@pytest.mark.parametrize(
    "question",
    ["who is the phone with", "how much is the phone itself", "what make of phone is it"],
)
def test_a_telephone_as_a_thing_is_no_number_to_call(question: str) -> None:
    assert understand(question).skill != "phone"
    assert understand("what is the phone number").skill == "phone"


def test_how_much_is_in_it_asks_for_no_price() -> None:
    assert understand("how much is in the jar").skill != "price"
    assert understand("how much is the jar").skill == "price"
