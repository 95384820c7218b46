"""A column has many values: a question means one of them only where it says which."""

import pytest

from assistant.answers import Basis
from assistant.text.columns import column_asked_for, ranked_value
from assistant.text.page import Page
from assistant.text.ranks import is_printed, ranks_in
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

ACCOUNT = page(
    "Harbour Bank",
    "Date            Text             Debits      Balance",
    "02 Mar 2027     Standing order   40.00       1,960.00",
    "05 Mar 2027     Rent             700.00      1,260.00",
    "09 Mar 2027     Water            31.50       1,228.50",
)
NEWEST_FIRST = page(
    "Harbour Bank",
    "Date            Text             Debits      Balance",
    "09 Mar 2027     Water            31.50       1,228.50",
    "05 Mar 2027     Rent             700.00      1,260.00",
    "02 Mar 2027     Standing order   40.00       1,960.00",
)
SUMMED = page(
    "Item            Weight (g)     Price",
    "Apples          500            2.10",
    "Pears           900            3.40",
    "Plums           400            1.70",
    "All             1800           7.20",
)
TARIFF = page("Tariff", "Zone A      Zone B", "Adult      4.20      6.80")


@pytest.mark.parametrize(
    ("sheet", "question", "value", "row"),
    [
        (ACCOUNT, "what is the last balance", "1,228.50", "09 Mar 2027"),
        (ACCOUNT, "what was the opening day's first balance", None, ""),
        (ACCOUNT, "what is the first balance", "1,960.00", "02 Mar 2027"),
        (ACCOUNT, "what is the second balance", "1,260.00", "05 Mar 2027"),
        (ACCOUNT, "read the 3rd debit", "31.50", "09 Mar 2027"),
        (ACCOUNT, "what is the 4th balance", None, ""),
        (ACCOUNT, "what was the highest debit", "700.00", "05 Mar 2027"),
        (ACCOUNT, "which was the smallest debit", "31.50", "09 Mar 2027"),
        (ACCOUNT, "what is the most recent balance", "1,228.50", "09 Mar 2027"),
        (NEWEST_FIRST, "what is the latest balance", "1,228.50", "09 Mar 2027"),
        (NEWEST_FIRST, "what is the first balance", "1,960.00", "02 Mar 2027"),
        (SUMMED, "what is the biggest weight", "900", "Pears"),
        (SUMMED, "what is the last weight", "400", "Plums"),
        (ACCOUNT, "what is the balance", None, ""),
        (ACCOUNT, "what is the first and the last balance", None, ""),
        (ACCOUNT, "what is the last name", None, ""),
    ],
)
def test_a_rank_means_one_value_of_the_column_that_is_named(
    sheet: Page, question: str, value: str | None, row: str
) -> None:
    cell = ranked_value(sheet, question)
    assert (None if cell is None else (cell.text, cell.name)) == (value and (value, row))


def test_it_is_told_under_its_row_and_its_head_as_a_guess() -> None:
    answer = Talk(ACCOUNT).ask("What is the last balance?")
    (found,) = answer.found
    assert (found.value, found.label) == ("1,228.50", "09 Mar 2027, Balance")
    assert answer.basis is Basis.GUESS
    assert {"1,228.50", "Balance"} <= {line.text for line in found.lines}


def test_one_of_many_values_is_never_called_read_where_nobody_said_which() -> None:
    assert Talk(ACCOUNT).ask("What is the balance?").basis is not Basis.READ


def test_the_value_of_a_row_that_is_named_stays_read() -> None:
    answer = Talk(ACCOUNT).ask("What is the balance after the rent?")
    assert (answer.found[0].value, answer.basis) == ("1,260.00", Basis.READ)


def test_a_row_that_is_named_is_no_column() -> None:
    assert column_asked_for(ACCOUNT, "what is the balance after the rent") == ()
    assert column_asked_for(TARIFF, "what does zone b cost") == ()


@pytest.mark.parametrize(
    ("question", "ranks"),
    [
        ("the last balance, please", ("last",)),
        ("what is the most recent reading", ("latest",)),
        ("is my last name printed", ()),
        ("is there a first aid box", ()),
        ("the 2nd or the third", ("2nd", "third")),
        ("wann ist der letzte Termin", ("letzte",)),
    ],
)
def test_ranks_are_told_from_what_only_looks_like_one(
    question: str, ranks: tuple[str, ...]
) -> None:
    assert ranks_in(question) == ranks


@pytest.mark.parametrize(
    ("rank", "printed", "is_said"),
    [
        ("last", ["last", "train"], True),
        ("last", ["final", "train"], True),
        ("second", ["2nd", "dose"], True),
        ("second", ["second", "dose"], True),
        ("third", ["3", "wait"], True),
        ("last", ["train", "23.10"], False),
        ("highest", ["lowest", "price"], False),
    ],
)
def test_what_the_paper_says_itself_needs_no_counting(
    rank: str, printed: list[str], is_said: bool
) -> None:
    assert is_printed(rank, printed) is is_said


@pytest.mark.parametrize(
    ("sheet", "question"),
    [
        (page("Garage", "Service: 4 May 2027", "Tyres 240.00"), "when was the last service"),
        (page("Clinic", "Appointment: 3 May, 9.30", "Ward 4"), "when is the second appointment"),
    ],
)
def test_a_rank_that_nothing_says_leaves_a_guess(sheet: Page, question: str) -> None:
    assert Talk(sheet).ask(question).basis is not Basis.READ


def test_a_rank_that_is_printed_stays_read() -> None:
    sheet = page("Town gas", "Last payment      12.40", "Tariff      B")
    answer = Talk(sheet).ask("how much was the last payment")
    assert (answer.found[0].value, answer.basis) == ("12.40", Basis.READ)
