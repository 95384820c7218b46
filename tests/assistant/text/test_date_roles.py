"""What a printed date is the date of."""

import datetime

from assistant.text.date_roles import Labels, dated, distance, judged
from assistant.text.dates import find_dates
from tests.assistant.text.pages import page

LABELS = Labels(
    expiry=r"\bexp(?:iry)?\b|\bexp(?=\d)|\buse by|\bbest before|\bhaltbar bis",
    production=r"\bmfg\b|\bpacked\b|\bsell by",
    other=r"\bdated?\b",
)
TODAY = datetime.date(2026, 11, 29)


def roles(*rows: str) -> list[tuple[str, str]]:
    return [(each.place.token.text, each.role) for each in dated(page(*rows), LABELS)]


def test_a_date_has_the_role_of_the_label_nearest_to_it() -> None:
    assert roles("MFG 05/2025 EXP 05/2027") == [("05/2025", "production"), ("05/2027", "expiry")]
    assert roles("05/2027 EXP", "05/2025 MFG") == [("05/2027", "expiry"), ("05/2025", "production")]


def test_one_label_may_name_two_dates_in_their_order() -> None:
    expected = [("12-06-25", "production"), ("12-06-27", "expiry")]
    assert roles("MFG/EXP", "12-06-25 / 12-06-27") == expected


def test_a_date_under_a_head_has_the_role_of_its_column() -> None:
    assert roles("MFG DATE    EXP DATE", "05/2025     05/2027") == [
        ("05/2025", "production"),
        ("05/2027", "expiry"),
    ]


def test_the_label_may_stand_in_the_row_above() -> None:
    assert roles("Mindestens haltbar bis:", "14.06.2027") == [("14.06.2027", "expiry")]


def test_without_a_label_a_date_has_no_role_and_bare_figures_are_none() -> None:
    assert roles("Cream Cheese", "14.06.2027", "L 2083") == [("14.06.2027", "")]
    assert roles("Aisle 05/27") == []


def test_figures_that_touch_their_label_are_a_date() -> None:
    assert roles("EXP140627", "LOT 0815") == [("140627", "expiry")]


def judge(text: str) -> str:
    return judged(find_dates(text)[0], TODAY)


def test_dates_are_judged_only_where_every_meaning_agrees() -> None:
    assert judge("14 NOV 2025") == "past"
    assert judge("EXP 11/2026") == "today"  # a month lasts to its end
    assert judge("01/12/2026") == "unsure"  # the first of December, or the twelfth of January
    assert judge("30/11/2026") == "future"
    assert judge("31/02/2027") == "unsure"


def test_distances_are_said_roughly() -> None:
    said = {
        text: distance(find_dates(text)[0], TODAY)
        for text in ("28 Nov 2026", "14 NOV 2025", "1 Jan 2027")
    }
    assert said == {"28 Nov 2026": "1 day", "14 NOV 2025": "over a year", "1 Jan 2027": "4 weeks"}
