"""Kinds of questions about papers at home: a column that is named, a sum by a date, two things at
once, whom a dose is for, a mobile or a landline."""

import pytest

from assistant.answers import Basis
from assistant.skills.parting import parts
from assistant.skills.router import is_known, say, wordings
from assistant.skills.subject import own_words
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

POWER = page(
    "Northfield Power",
    "Date: 2 March 2027",
    "Previous balance     $48.10",
    "Energy 310 kWh     $71.35",
    "Total due by 03/21/2027     $119.45",
    "After due date pay     $131.40",
    "The fee is $15 for a late payment, and $30 for a returned cheque.",
)
COVER = page(
    "Your cover          Last year     This year",
    "House               £180.20       £195.75",
    "Garden              £22.00        £24.50",
    "Total               £202.20       £220.25",
)
SALES = page(
    "Town      Jan    Feb    Mar    Jun",
    "Bodø      14     23     31     77",
    "Narvik    12     18     29     66",
)
FAIRE = page(
    "Harbour zoo",
    "Adults £9.40, children under 12 £4.70, babies free",
    "Lemonade     2.50",
    "Ice cream     3.20",
)
CARD = page("Ida Holm", "Joinery", "Tel 01632 960 018", "Mob 07700 900 112", "Fax 01632 960 019")
ROUTER = page(
    "HomeBox 3",
    "Wi-Fi name: HB-77",
    "Wi-Fi password: slow-heron-41",
    "Admin password: Qe7tRw2p",
    "S/N: HB2231190012",
)
GASTHOF = page(
    "Gasthof Post",
    "3 x Knödel     29,40",
    "Zwischensumme     29,40",
    "Gutschein     -5,00",
    "Zu zahlen     24,40",
    "Netto     20,50",
    "MwSt 19%     3,90",
)
PILLS = page(
    "DOLOREX",
    "250 mg Tablets",
    "24 tablets",
    "Adults and children over 14 years: 2 tablets every 6 hours.",
    "Do not take more than 8 tablets in 24 hours.",
    "Children 8 to 13 years: 1 tablet every 6 hours.",
    "Do not give more than 3 doses in 24 hours.",
    "Do not give to children under 8 years.",
)
SYRUP = page(
    "PULMORAL cough syrup",
    "Adults and children over 12: 10 ml four times a day.",
    "Children 6 to 12: 5 ml four times a day.",
    "Not suitable for children under 6.",
    "Do not take more than four doses in 24 hours.",
)


def test_a_total_that_names_its_date_is_the_total() -> None:
    answer = Talk(POWER).ask("how much do I have to pay")
    assert answer.basis is Basis.READ and answer.values == ("$119.45",)


def test_an_amount_for_one_case_is_told_with_the_other() -> None:
    assert "$15 for a late payment, and $30 for a returned cheque" in say(
        Talk(POWER).ask("how much is the fee")
    )


def test_an_amount_is_called_as_it_is_printed_among_prices() -> None:
    club = page("Club house", "Late fee 15.00", "Apples 1.50", "Beans 3.00", "Coal 4.00")
    assert Talk(club).ask("how much is the fee").values == ("15.00",)


@pytest.mark.parametrize("question", ["what is my date of birth", "what's the date of departure"])
def test_the_date_of_a_letter_is_no_other_date(question: str) -> None:
    assert "2 March" not in say(Talk(POWER).ask(question))


def test_a_named_column_without_a_row_asks_for_its_sum() -> None:
    talk = Talk(COVER)
    assert "£220.25" in say(talk.ask("what do I pay this year"))
    assert "£202.20" in say(talk.ask("what did I pay last year"))


def test_of_a_row_the_amount_under_the_named_head_is_told() -> None:
    said = say(Talk(COVER).ask("how much was the garden last year"))
    assert "£22.00" in said and "£24.50" not in said


@pytest.mark.parametrize("question", ["Bodø in June?", "how many in Bodø in June"])
def test_a_month_stands_short_at_the_head_of_its_column(question: str) -> None:
    said = say(Talk(SALES).ask(question))
    assert "77" in said and "14" not in said


def test_what_is_free_is_said_to_be() -> None:
    assert "babies free" in say(Talk(FAIRE).ask("does the baby cost anything"))


def test_two_things_with_an_article_each_are_two_questions() -> None:
    asked = "how much is the lemonade and the ice cream"
    assert parts(asked, is_known) == ["how much is the lemonade", "how much is the ice cream"]
    assert parts("how much are fish and chips", is_known) == ["how much are fish and chips"]


@pytest.mark.parametrize(
    ("question", "number"),
    [
        ("what's the landline", "01632 960 018"),
        ("what is her mobile", "07700 900 112"),
        ("her cell number", "07700 900 112"),
    ],
)
def test_a_mobile_is_no_landline(question: str, number: str) -> None:
    assert Talk(CARD).ask(question).values == (number,)


def test_of_two_passwords_the_named_one_is_told() -> None:
    talk = Talk(ROUTER)
    assert say(talk.ask("what's the wifi password")).endswith("slow-heron-41")
    assert "slow-heron-41" not in say(talk.ask("what is the admin password"))


def test_a_subtotal_is_one_in_another_language() -> None:
    answer = Talk(GASTHOF).ask("the subtotal please")
    assert answer.basis is Basis.READ and "29,40" in answer.values
    assert Talk(GASTHOF).ask("what is the net amount").values == ("20,50",)


def test_what_is_in_the_pack_is_counted_and_not_what_is_taken() -> None:
    answer = Talk(PILLS).ask("how many tablets are in the pack")
    assert answer.values == ("24 tablets",)
    assert "every 6 hours" in say(Talk(PILLS).ask("how many tablets a day"))


def test_who_asks_for_themselves_is_not_told_what_is_for_children() -> None:
    said = say(Talk(PILLS).ask("how many can I take in a day"))
    assert "2 tablets every 6 hours" in said and "more than 8 tablets" in said
    assert "3 doses" not in said and "1 tablet " not in said


def test_who_asks_for_a_child_is_not_told_the_maximum_of_adults() -> None:
    said = say(Talk(PILLS).ask("how much can a 10 year old take"))
    assert "1 tablet every 6 hours" in said and "3 doses" in said and "8 tablets" not in said


def test_an_age_may_stand_in_another_clause() -> None:
    assert "5 ml" in say(Talk(SYRUP).ask("how much do I give my son, he is 8"))
    assert "5 ml" in say(Talk(SYRUP).ask("my daughter is 7, how much can she take"))


def test_a_maximum_behind_the_ages_holds_for_all() -> None:
    said = say(Talk(SYRUP).ask("how much do I take a day"))
    assert "10 ml" in said and "more than four doses" in said


def test_so_many_times_a_day_is_no_age() -> None:
    drops = page(
        "COLIPAX drops",
        "3 to 6 months     2.5 ml     up to 4 times a day",
        "6 to 24 months     5 ml     up to 4 times a day",
    )
    said = say(Talk(drops).ask("how much for a 5 month old"))
    assert "2.5 ml" in said and " 5 ml" not in said


@pytest.mark.parametrize(
    "question",
    ["how much is it if I pay late", "what if I pay late, how much is it then"],
)
def test_who_pays_late_is_not_told_the_total(question: str) -> None:
    said = say(Talk(POWER).ask(question))
    assert "$119.45" not in said and ("$131.40" in said or "$15" in said)


def test_what_a_wording_excludes_is_no_word_of_its_skill() -> None:
    assert "late" not in own_words("total") and "late" in " ".join(
        each.typed for each in wordings("total")
    )


CLINIC = page(
    "Merrow Vale Health Trust",
    "Hearing Service, Alder Lane Health Centre, Upper Mill Street, Merrow",
    "12 February 2027",
    "Mrs Ada Lindqvist",
    "Dear Mrs Lindqvist,",
    "You have been referred to us by your doctor.",
    "We have booked you in for:",
    "Tuesday 9 March 2027, 10:20 am",
    "Hearing test, with Miss P. Okoye",
)


def test_a_letter_is_written_on_one_day_and_speaks_of_another() -> None:
    talk = Talk(CLINIC)
    said = say(talk.ask("when do I have to be there"))
    assert "Tuesday 9 March 2027, 10:20 am" in said and "12 February" not in said
    assert "12 February" in say(talk.ask("when was this written"))


def test_whom_a_letter_greets_is_not_who_is_met() -> None:
    said = say(Talk(CLINIC).ask("who am I seeing"))
    assert "Okoye" in said and "Lindqvist" not in said


@pytest.mark.parametrize("question", ["how many come in the pack", "how many are in the box"])
def test_a_pack_says_how_many_are_in_it(question: str) -> None:
    heat = page("THERMOPAX", "Heat patches", "6 patches for 8 hours each", "EXP 2029-03")
    assert say(Talk(heat).ask(question)) == "I read: 6 patches for 8 hours each"


def test_who_signs_a_card_has_sent_it_and_its_wish_is_no_name() -> None:
    birthday = page(
        "Happy 70th Birthday",
        "To dear Uncle Ole,",
        "Enjoy the boat, and mind the rocks this time round.",
        "With lots of love from",
        "Marit and the twins",
        "PS. The oars are in the shed.",
    )
    said = say(Talk(birthday).ask("who sent me this card"))
    assert said == "It is from: Marit and the twins."
    sympathy = page(
        "With deepest sympathy",
        "Dear Wilma,",
        "We were so sorry to hear about Rolf, and think of you both.",
        "Yours, Dag and Ruth Amsel",
    )
    assert say(Talk(sympathy).ask("who's it from")) == "It is from: Dag and Ruth Amsel."


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("opening and closing balance", ["opening balance", "closing balance"]),
        ("what's the start and end date", ["start date", "end date"]),
        ("total and due date", ["total", "due date"]),
        ("row and seat number", ["row", "seat number"]),
    ],
)
def test_two_things_may_share_their_noun(asked: str, told: list[str]) -> None:
    found = parts(asked, is_known)
    assert [each.partition("the ")[2] for each in found] == told
