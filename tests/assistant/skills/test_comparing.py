"""The cheapest of several prices, and the hours of a day, come from the rows that hold them."""

import datetime
from decimal import Decimal

import pytest

from assistant.answers import Answer, Basis
from assistant.skills.router import skill_named, understand
from assistant.text.worth import worth
from tests.assistant.skills.test_values import Scene


def ask(question: str, *texts: str, today: datetime.date | None = None) -> Answer:
    """What the skill that a question is for finds in some rows."""
    asked = understand(question) if today is None else _on(question, today)
    answer = skill_named(asked.skill).find(asked, Scene(*texts))  # type: ignore[arg-type]
    assert answer is not None
    return answer


def _on(question: str, today: datetime.date):  # type: ignore[no-untyped-def]
    import dataclasses

    return dataclasses.replace(understand(question), today=today)


CARD = ("Falafel wrap | 7,90", "Lentil soup | 1'005.40", "Halloumi | 12.5", "Total | 1'025.80")


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1'234.5", "1234.5"),
        ("€ 7,90", "7.90"),
        ("1 234 567", "1234567"),
        ("12.50-", "-12.50"),
        ("-3", "-3"),
        ("1,000", "1000"),
    ],
)
def test_an_amount_is_worth_the_same_in_every_countrys_form(printed: str, value: str) -> None:
    assert worth(printed) == Decimal(value)


def test_no_figures_are_worth_nothing() -> None:
    assert worth("free") is None


def test_the_cheapest_and_the_dearest_are_found_by_value_not_by_letters() -> None:
    cheap = ask("what's the cheapest thing on it", *CARD)
    dear = ask("which item is the most expensive", *CARD)
    assert cheap.values == ("Falafel wrap 7,90",)
    assert dear.values == ("Lentil soup 1'005.40",)


def test_a_total_is_not_the_dearest_thing() -> None:
    dear = ask("what was the most expensive thing", "Tea | 2.00", "Cake | 3.10", "Total | 5.10")
    assert dear.values == ("Cake 3.10",)


@pytest.mark.parametrize(
    "sum_row",
    ["GST payable (6%): | 0.38", "VAT | 0.38", "Change | 0.38", "Cash | 0.38", "Subtotal | 0.38"],
)
def test_a_tax_a_payment_and_the_change_are_no_things(sum_row: str) -> None:
    bill = ("Cham | 4.40", "Roti steam | 2.20", sum_row, "Total | 7.00")
    told = ask("what's the cheapest thing I got", *bill)
    assert [each.value for each in told.found] == ["Roti steam 2.20"]
    bought = ask("what did I buy", *bill)
    assert [each.value for each in bought.found] == ["Cham 4.40", "Roti steam 2.20"]


def test_where_nothing_can_be_compared_what_is_quoted_is_a_guess() -> None:
    bill = ("Cham", "2x 2.20 | 4.40", "Total (Excluding GST); | 6.62", "GST payable | 0.38")
    told = ask("whats the cheapest thing I got", *bill)
    assert told.basis in (Basis.GUESS, Basis.UNKNOWN)


def test_what_is_sold_may_be_called_like_a_payment() -> None:
    told = ask(
        "what was the cheapest item", "Gift card | 25.00", "Card holder | 5.00", "Pen | 9.00"
    )
    assert [each.value for each in told.found] == ["Card holder 5.00"]


def test_as_cheap_as_each_other_both_are_told() -> None:
    answer = ask("what is the cheapest dish", "Soup | 4.00", "Salad | 4.00", "Pie | 9.00")
    assert answer.values == ("Soup 4.00", "Salad 4.00")


def test_of_a_thing_that_the_paper_does_not_name_it_is_a_guess() -> None:
    assert ask("which pizza is the cheapest", *CARD).basis is Basis.GUESS


SHOP = (
    "Corner Books",
    "Mon-Thu | 9.00 - 18.00",
    "Fri | 10.00 - 20.00",
    "Sat | 10.00 - 14.30",
    "Sunday closed",
)


def test_hours_of_a_day_are_those_of_its_row_or_span() -> None:
    assert ask("until when are they open on friday", *SHOP).values == ("Fri 10.00 - 20.00",)
    assert ask("is it open on Wednesday?", *SHOP).values == ("Mon-Thu 9.00 - 18.00",)
    assert ask("what are the opening hours on the weekend", *SHOP).values == (
        "Sat 10.00 - 14.30",
        "Sunday closed",
    )


def test_today_and_tomorrow_are_days() -> None:
    saturday = datetime.date(2027, 1, 2)
    assert ask("are they open today", *SHOP, today=saturday).values == ("Sat 10.00 - 14.30",)
    assert ask("is it open tomorrow", *SHOP, today=saturday).values == ("Sunday closed",)


def test_the_closed_day_is_found_in_other_languages() -> None:
    german = ("Montag - Freitag | 8 - 12 Uhr", "Samstag Ruhetag")
    assert ask("which day are they closed", *german).values == ("Samstag Ruhetag",)
    assert ask("which days are they closed", *SHOP).values == ("Sunday closed",)


def test_a_day_without_hours_is_not_answered_with_another_day() -> None:
    answer = ask("is it open on sunday", "Mon-Fri | 9.00 - 17.00", "Sat | 9.00 - 12.00")
    assert not any("Mon-Fri" in value or "Sat" in value for value in answer.values)
