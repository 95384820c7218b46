"""Kinds of questions that one word decides: before tax, by age, by term, by the use of a number."""

import pytest

from assistant.answers import Basis
from assistant.skills.ages import age_in, is_meant_for
from assistant.skills.parting import parts
from assistant.skills.router import is_known, say, understand
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

WORKS = page(
    "Harrow Lane Motors",
    "Brake service     120.00",
    "Wiper blades     24.00",
    "Total before VAT     144.00",
    "Discount loyal customer     -9.00",
    "VAT 20% (parts only)     27.00",
    "Amount to pay     162.00",
    "Paid by cheque no. 118     162.00",
    "Deposit on booking: 30%",
    "Next service due 4 March 2028",
    "Please pay by 20 May 2027",
)
GERMAN = page(
    "Malerei Huber",
    "Netto     400,00",
    "MwSt. 19%     76,00",
    "Rechnungsbetrag     476,00",
    "Zahlbar bis 03.04.2027 ohne Abzug",
)
CASES = {
    "what is it without tax": "144.00",
    "how much before VAT": "144.00",
    "what does it come to with tax": "162.00",
    "how much VAT did they charge": "27.00",
    "did I get any money off and how much": "-9.00",
    "how did I pay for it": "162.00",
    "how much do I pay up front": "30%",
    "what do I owe the garage": "162.00",
    "when do I have to pay": "20 May 2027",
}


@pytest.mark.parametrize(("question", "value"), CASES.items())
def test_the_amount_that_is_meant_is_told(question: str, value: str) -> None:
    assert value in say(Talk(WORKS).ask(question))


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("ohne Steuer", "400,00"),
        ("what is it without tax", "400,00"),
        ("Wann muss ich zahlen", "03.04"),
    ],
)
def test_so_it_is_of_a_german_bill(question: str, value: str) -> None:
    assert value in say(Talk(GERMAN).ask(question))


@pytest.mark.parametrize(
    "question", ["what do I owe the dentist", "how much was the vet", "how much was the magazine"]
)
def test_a_bill_of_another_trade_has_no_such_price(question: str) -> None:
    assert "162.00" not in say(Talk(WORKS).ask(question))


def test_what_is_due_otherwise_is_no_payment() -> None:
    paper = page("Harrow Lane Motors", "Total     162.00", "Next service due 4 March 2028")
    assert Talk(paper).ask("when do I have to pay").basis is not Basis.READ


@pytest.mark.parametrize(
    ("paid", "question", "told"),
    [
        ("Cash      5.00", "did I pay cash", "5.00"),
        ("Cash      5.00", "was it paid in cash", "5.00"),
        ("Master Card      2.40", "did I pay cash or card", "2.40"),
        ("Master Card      2.40", "did I pay cash", ""),
    ],
)
def test_a_cashier_is_no_cash(paid: str, question: str, told: str) -> None:
    sheet = page("Cafe Blue", "Cashier: Eric H", "Tea      2.40", "Total      2.40", paid)
    assert [found.value for found in Talk(sheet).ask(question).found] == ([told] if told else [])


@pytest.mark.parametrize("label", ["Tax code", "Tax number", "Taxable amount", "GST amount excl"])
def test_a_tax_code_is_no_tax(label: str) -> None:
    paper = page("Bell Ltd", f"{label}     12.57", "Total     99.00")
    answer = Talk(paper).ask("how much is the tax")
    assert answer.basis is not Basis.READ or "12.57" not in say(answer)


def test_several_taxes_are_told_with_their_labels() -> None:
    paper = page("Cafe Lotus", "CGST 2.5%     4.10", "SGST 2.5%     4.10", "Total     172.20")
    told = say(Talk(paper).ask("how much tax is on it"))
    assert "CGST" in told and "SGST" in told


MENU = page(
    "TRATTORIA BELLA",
    "Pizza          small     large",
    "Marinara       5.10      7.30",
    "Capricciosa    6.20      8.40",
)


@pytest.mark.parametrize(("size", "price"), [("small", "6.20"), ("large", "8.40")])
def test_a_column_is_named_with_its_row(size: str, price: str) -> None:
    answer = Talk(MENU).ask(f"how much is a {size} capricciosa")
    assert answer.values == (price,)


SYRUP = page(
    "KOFFEX syrup",
    "Children 2 to 5: 2.5 ml twice a day.",
    "Children 6 to 11: 5 ml twice a day.",
    "Adults and children 12 and over: 10 ml twice a day.",
    "Not suitable for children under 2.",
)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("how much for a child of seven", "5 ml twice"),
        ("my daughter is 4 how much can she have", "2.5 ml"),
        ("can I give it to a 14 month old", "Not suitable"),
        ("how much for a 12 year old", "10 ml"),
    ],
)
def test_a_dose_is_that_of_the_age(question: str, told: str) -> None:
    answer = Talk(SYRUP).ask(question)
    assert told in say(answer)
    assert len(answer.found) == 1


def test_a_dose_is_that_of_the_time_of_day() -> None:
    label = page("Tabs", "Take two tablets with breakfast.", "Take one tablet at bedtime.")
    assert Talk(label).ask("how many do I take in the morning").values == (
        "Take two tablets with breakfast.",
    )


@pytest.mark.parametrize(
    ("text", "age", "fits"),
    [
        ("Children 6 to 11 years", 84, True),
        ("Children 6 to 11 years", 143.9, True),
        ("Children 6 to 11 years", 144, False),
        ("12 and over", 144, True),
        ("over 12", 100, False),
        ("under 6 months", 5, True),
        ("under 6 months", 7, False),
        ("5 ml four times a day", 48, False),
    ],
)
def test_ages_of_a_sentence(text: str, age: float, fits: bool) -> None:
    assert is_meant_for(text, age) is fits


def test_ages_of_a_question() -> None:
    assert age_in("my son is 8 how much can he have") == 96
    assert age_in("for a 6 month old") == 6
    assert age_in("how many a day") is None


def test_a_number_is_given_for_what_it_is_wanted() -> None:
    card = page("Office 020 7946 0011", "Gas leak, 24 hours: 020 7946 0999")
    assert Talk(card).ask("what number do I ring for a leak").values == ("020 7946 0999",)
    italian = page("Ufficio 02 5550 1234", "Guasti: 800 555 120")
    assert Talk(italian).ask("which number for a fault").values == ("800 555 120",)
    wrapped = page("Office 208-555-0134 After hours", "208-555-0199")
    assert Talk(wrapped).ask("what number do I call after hours").values == ("208-555-0199",)
    short = page("Questions? 020 7946 0011 Emergency: 105", "Energy charge     231.84")
    assert Talk(short).ask("what is the emergency number").values in (("105",), ("Emergency: 105",))


def test_a_date_of_a_person_is_no_expiry() -> None:
    label = page("Tablets 500 mg", "Mr Ivo Stern     3 Feb 2027", "Keep dry.")
    assert Talk(label).ask("when do these expire").basis is Basis.UNKNOWN
    assert "3 Feb 2027" in say(Talk(page("Cream", "3 Feb 2027")).ask("when does it expire"))


def test_the_head_of_a_letter_ends_before_its_date() -> None:
    letter = page("Oakwood Lettings", "5 May 2026", "Tenant: Ms Jo Pike", "Your rent goes up.")
    assert Talk(letter).ask("who sent me this").values == ("Oakwood Lettings",)
    assert Talk(letter).ask("which company is it from").values == ("Oakwood Lettings",)


def test_a_bare_tail_stays_with_its_question() -> None:
    assert parts("did I get anything off and how much", is_known) == [
        "did I get anything off and how much"
    ]
    assert len(parts("how hot is the oven and how long", is_known)) == 2
    assert parts("seat and row please", is_known) == ["what is the seat", "what is the row"]
    assert parts("cheese and pepperoni please", is_known) == ["cheese and pepperoni please"]


@pytest.mark.parametrize(
    "question", ["is there a cash machine", "can I get cash for it", "tax code?", "VAT number"]
)
def test_words_of_money_that_ask_for_no_amount(question: str) -> None:
    assert understand(question).skill not in ("paid", "tax", "total")


TILL = page(
    "CHO EUN", "2621 Orange Ave, Fullerton", "THANK YOU FOR SHOPPING WITH US!",
    "Dumplings      8.99", "Total      8.99",
)  # fmt: skip


@pytest.mark.parametrize(
    "question",
    ["which shop was this", "what restaurant is it", "where did I buy this", "where did we eat"]
    + ["who sold me that", "where was it bought"],
)
def test_whose_receipt_it_is_stands_at_its_top(question: str) -> None:
    answer = Talk(TILL).ask(question)
    assert (answer.skill, answer.found[0].value) == ("letterhead", "CHO EUN")


@pytest.mark.parametrize("question", ["which doctor is it with", "what shop is this offer for"])
def test_what_else_is_asked_about_a_trade_is_no_letterhead(question: str) -> None:
    assert understand(question).skill != "letterhead"


def test_a_letterhead_ends_before_the_first_price() -> None:
    till = page("REWE Markt", "Vollmilch      1,19", "Brot      2,49", "Summe      3,68 EUR")
    assert [found.value for found in Talk(till).ask("which shop is this").found] == ["REWE Markt"]


def test_what_was_bought_is_no_dose() -> None:
    till = page("Riverside Pharmacy", "COUGH DROPS      3.79", "TOTAL      3.79", "CASH      5.00")
    assert "3.79" not in say(Talk(till).ask("what is the dose"))
