"""Dates as they are printed: the characters stay, and what they can mean stands beside them."""

import datetime
import random

import pytest

from assistant.text.dates import Doubt, find_dates, month_number


def one(text: str) -> tuple[str, list[str], Doubt]:
    """The single date of a line: its characters, its first days, its doubt."""
    found = find_dates(text)
    assert len(found) == 1, found
    return found[0].text, [first.isoformat() for first, _ in found[0].days], found[0].doubt


@pytest.mark.parametrize(
    ("line", "printed", "day"),
    [
        ("Köln, den 14. Juni 2027", "14. Juni 2027", "2027-06-14"),
        ("Tuesday 14th June 2027 at 10:30", "14th June 2027", "2027-06-14"),
        ("USE BY JUN 14, 27", "JUN 14, 27", "2027-06-14"),
        ("le 1er août 2026", "1er août 2026", "2026-08-01"),
        ("14 de junho de 2027", "14 de junho de 2027", "2027-06-14"),
        ("3 de enero de 2026", "3 de enero de 2026", "2026-01-03"),
        ("10 maggio 27", "10 maggio 27", "2027-05-10"),
        ("12 maart 2026", "12 maart 2026", "2026-03-12"),
        ("BB 14 NOV 2025 L3", "14 NOV 2025", "2025-11-14"),
        ("2027-06-14", "2027-06-14", "2027-06-14"),
        ("15.12.2026 14:32", "15.12.2026", "2026-12-15"),
    ],
)
def test_a_full_date_is_one_day_and_keeps_its_characters(line: str, printed: str, day: str) -> None:
    assert one(line) == (printed, [day], Doubt.NONE)


def test_the_order_of_day_and_month_stays_open() -> None:
    text, days, doubt = one("Date 03/04/25")
    assert text == "03/04/25" and doubt is Doubt.AMBIGUOUS
    assert sorted(days) == ["2025-03-04", "2025-04-03"]


def test_a_day_that_no_calendar_has_is_impossible_not_moved() -> None:
    assert one("EXP 31/02/2027") == ("31/02/2027", [], Doubt.IMPOSSIBLE)


def test_a_month_lasts_from_its_first_day_to_its_last() -> None:
    (found,) = find_dates("EXP 02/2028")
    assert found.days == ((datetime.date(2028, 2, 1), datetime.date(2028, 2, 29)),)
    assert not found.has_day and found.needs_label


@pytest.mark.parametrize("line", ["EXP140627", "EXP 14 06 2027", "EXP 05/27"])
def test_bare_figures_are_a_date_only_behind_a_label(line: str) -> None:
    (found,) = find_dates(line)
    assert found.needs_label


@pytest.mark.parametrize(
    "line",
    [
        "1.234,56",
        "Tel 030 / 555 12 34",
        "12 Mill Lane",
        "Sat 9:15",
        "10.0.12.1",
        "47/99/12",
        "v1.2",
    ],
)
def test_other_figures_are_no_dates(line: str) -> None:
    assert [found for found in find_dates(line) if not found.needs_label] == []


def test_a_clock_that_touches_the_date_is_left_off() -> None:
    (found,) = find_dates("9/3/201820:54")
    assert found.text == "9/3/2018"


@pytest.mark.parametrize(
    ("name", "number"),
    [("März", 3), ("MAR", 3), ("févr.", 2), ("dic", 12), ("sept", 9), ("mei", 5), ("Bogus", None)],
)
def test_months_have_names_in_seven_languages(name: str, number: int | None) -> None:
    assert month_number(name) == number


def test_every_printed_day_is_found_again() -> None:
    # The oracle is strftime: it writes days and knows nothing of how they are read.
    rng = random.Random(0)
    for _ in range(300):
        day = datetime.date(2000, 1, 1) + datetime.timedelta(rng.randrange(20000))
        form = rng.choice(["%d %B %Y", "%d %b %Y", "%B %d, %Y", "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y"])
        printed = day.strftime(form)
        found = find_dates(f"due {printed} latest")
        assert len(found) == 1 and found[0].text == printed
        assert (day, day) in found[0].days, printed
