"""Values of a line as whole tokens."""

import random

import pytest

from assistant.text.tokens import Kind, tokens


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind.value, token.text) for token in tokens(text)]


@pytest.mark.parametrize(
    ("line", "money"),
    [
        ("TOTAL 1 234,56", ["1 234,56"]),
        ("Total CHF 1'234.50", ["CHF 1'234.50"]),
        ("1.234,56 EUR", ["1.234,56 EUR"]),
        ("TOTAL 264.27-", ["264.27-"]),
        ("Refund -264.27", ["-264.27"]),
        ("¥1,980", ["¥1,980"]),
        ("Price £1.45 per litre £0.73", ["£1.45", "£0.73"]),
        ("Fr. 12.-", ["Fr. 12.-"]),
        ("$1,200", ["$1,200"]),
        ("Total RM60.00", ["RM60.00"]),
        ("3,60 €", ["3,60 €"]),
        ("16 000 CZK", ["16 000 CZK"]),
    ],
)
def test_money_keeps_sign_separators_and_currency(line: str, money: list[str]) -> None:
    assert [text for kind, text in kinds(line) if kind == "money"] == money


@pytest.mark.parametrize(
    "line",
    [
        "1,000,000 IU",
        "Mon-Fri 8:30 - 17:45",
        "0.532 kg",
        "12.90 %",
        "at 2.40 pm",
        "geöffnet 9.00 Uhr",
        "5 items",
        "12/03/2027",
        "Account 4471 2209 8830",
        "Tel 020 7946 0958",
        "OX4 1AB",
    ],
)
def test_clocks_weights_shares_counts_dates_and_numbers_are_no_prices(line: str) -> None:
    assert [text for kind, text in kinds(line) if kind == "money"] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Tel: 020 7946 0958 or 07700 900123", ["020 7946 0958", "07700 900123"]),
        ("(714) 879-3574", ["(714) 879-3574"]),
        ("Telefon 030 / 555 12 34", ["030 / 555 12 34"]),
        ("unter 089 2361-0.", ["089 2361-0"]),
        ("call +33 1 42 68 53 00 now", ["+33 1 42 68 53 00"]),
        ("0800 555 1234", ["0800 555 1234"]),
    ],
)
def test_telephone_numbers_of_many_countries_are_whole(line: str, expected: list[str]) -> None:
    assert [text for kind, text in kinds(line) if kind == "phone"] == expected


def test_an_account_is_a_telephone_number_only_where_a_label_says_so() -> None:
    (token,) = tokens("Account number 4471 2209 8830")
    assert token.kind is not Kind.PHONE or token.needs_label


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Take 1½ tablets", [("measure", "1½ tablets")]),
        ("Take 1⁄2 tablet daily", [("measure", "1⁄2 tablet")]),
        (".125 mg tablets", [("measure", ".125 mg")]),
        ("Energy 2210 kJ / 528 kcal", [("measure", "2210 kJ"), ("measure", "528 kcal")]),
        ("18h30", [("time", "18h30")]),
        ("8.30am to 5pm", [("time", "8.30am"), ("time", "5pm")]),
        ("www.example.com", [("web", "www.example.com")]),
        ("info@example.co.uk", [("email", "info@example.co.uk")]),
        ("Qty 2 @ 4.50", [("number", "2"), ("money", "4.50")]),
        ("Invoice #INV-2024/0123", [("code", "INV-2024/0123")]),
    ],
)
def test_kinds(line: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(line) == expected


def test_a_token_is_what_stands_there_and_shares_no_character() -> None:
    rng = random.Random(1)
    pieces = [
        "12.50",
        "€",
        "Total",
        "3",
        "x",
        "14:32",
        "05/27",
        "mg",
        "-",
        "1,000",
        "%",
        "RM",
        "/",
        "½",
    ]
    for _ in range(2000):
        line = rng.choice(["", " "]).join(rng.choices(pieces, k=rng.randrange(1, 8)))
        end = 0
        for token in tokens(line):
            assert token.text == line[token.start : token.end] and token.start >= end, line
            end = token.end


def test_no_value_is_a_part_of_a_longer_figure() -> None:
    rng = random.Random(2)
    for _ in range(2000):
        figure = f"{rng.randrange(10 ** rng.randrange(1, 10)):,}" + rng.choice(
            ["", ".50", ".5", ".505"]
        )
        for token in tokens(f"Total {figure} units"):
            before, after = (
                f"Total {figure} units"[: token.start],
                f"Total {figure} units"[token.end :],
            )
            assert not (before[-1:].isdigit() or after[:1].isdigit()), (figure, token)
            assert not (after[:1] in ".," and after[1:2].isdigit()), (figure, token)
