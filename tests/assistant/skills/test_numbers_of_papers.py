"""A number is the answer only where its own label names it."""

import pytest

from assistant.answers import Basis
from assistant.skills.router import say
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page


def test_a_number_below_a_heading_is_not_the_headings() -> None:
    sheet = page("TAX INVOICE", "GST REG NUMBER:     001211957248", "13/10/2017")
    assert Talk(sheet).ask("what is the invoice number").basis is Basis.GUESS


def test_the_next_row_is_no_value_of_a_label_above_it() -> None:
    sheet = page("BILL NO     : 01H-26411", "DATE        : 14/05/2018", "CASHIER     : FLOR")
    assert "26411" in say(Talk(sheet).ask("what is the bill number"))


def test_a_number_alone_below_its_label_is_its_value() -> None:
    sheet = page("Northgate Water", "Account number", "4400 7182 95", "Thank you")
    answer = Talk(sheet).ask("what is the account number")
    assert "4400 7182 95" in say(answer) and answer.basis is Basis.READ


def test_a_head_over_letters_gives_no_number() -> None:
    sheet = page("Kiosk Nord", "QTY     TAX", "2     SR", "Thank you")
    assert "TAX: SR" not in say(Talk(sheet).ask("what is the tax number"))


@pytest.mark.parametrize("label", ["CASH BILL :", "Invoice No.", "Order #"])
def test_the_number_of_a_paper_is_no_telephone(label: str) -> None:
    sheet = page("Kiosk Nord", "07-355 2616", f"{label}     01-143008")
    said = say(Talk(sheet).ask("what is the phone number"))
    assert "07-355 2616" in said and "143008" not in said


def test_a_label_without_its_value_does_not_take_the_next_ones() -> None:
    sheet = page(
        "Total incl. tax :     12.00", "Rounding adjustment :", "Total payable :     12.00"
    )
    answer = Talk(sheet).ask("how much was the rounding")
    assert not (answer.basis is Basis.READ and "12.00" in say(answer))


def test_what_stands_among_the_sums_is_called_by_its_label() -> None:
    sheet = page("Kiosk Nord", "Pretzel     1.12", "Total     1.12", "Rounding     -0.02")
    said = say(Talk(sheet).ask("how much was the rounding"))
    assert "Rounding: -0.02" in said and "price" not in said


def test_a_number_for_questions_about_a_paper_is_a_telephone() -> None:
    sheet = page("Northgate Council", "Enquiries about this bill     01632 960 800")
    assert "01632 960 800" in say(Talk(sheet).ask("what number do I call"))


def test_where_no_price_stands_none_is_told() -> None:
    sheet = page("Winter notes", "Holiday concert: Thursday, December 17, 6:30 PM in the gym.")
    assert not Talk(sheet).ask("how much are the concert tickets").found
