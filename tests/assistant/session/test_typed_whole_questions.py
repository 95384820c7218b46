"""All that is asked is answered, however it is spelt; nothing is told that answers half of it."""

import pytest

from tests.assistant.session.typed import Typed

BANK = (
    "FIRST CITY BANK",
    "Statement of account",
    "Account number: 8842 1190 3377",
    "Statement date: 28 Feb 2027",
    "Previous balance                 $1,102.40",
    "New purchases                    $502.10",
    "New balance                      $1,204.50",
    "Minimum payment due              $25.00",
    "Payment due date: 21 March 2027",
    "Credit limit                     $5,000.00",
    "Questions? Call (800) 555-0199",
)
BILL = (
    "Stadtwerke Neustadt",
    "Rechnung Nr. 2027/5519",
    "Rechnungsdatum: 14. Januar 2027",
    "Kundennummer 77 120 34",
    "Strom 1.450 kWh      507,50 €",
    "Grundpreis           96,00 €",
    "Mehrwertsteuer 19 %  114,67 €",
    "Gesamtbetrag         718,17 €",
    "Fällig am 28.01.2027",
)
LETTER = (
    "Northgate Medical Practice",
    "14 Quay Street, Hull HU1 2AB",
    "12 March 2027",
    "Dear Mrs Holland,",
    "Your appointment with Dr. Amara Singh is on Tuesday 6 April 2027",
    "at 10:40 am in Room 3. Please bring your insurance card.",
    "If you cannot come, call us at least 24 hours before, or you pay",
    "a fee of £15.00.",
    "The car park costs £1.20 an hour. The entrance is in Mill Lane.",
    "Yours sincerely,",
    "J. Okafor",
)
MENU = (
    "CAFÉ ROMA",
    "Unit 3.20, Market Hall, Leeds",
    "Open Mon-Fri 8:00-16:30, Sat 9:00-14:00",
    "Espresso                        2.40",
    "Mushroom soup                   5.50",
    "Cheese toastie                  6.25",
    "Carrot cake (contains walnuts)  3.95",
    "Margherita pizza                9.80",
)
CHOCOLATE = (
    "CRUNCHY CHOCOLATE BAR",
    "Ingredients: sugar, cocoa butter, WHOLE MILK powder,",
    "HAZELNUTS (12 %), emulsifier (SOYA lecithin), salt.",
    "May contain traces of GLUTEN.",
)
SYRUP = (
    "Paracetamol 500 mg",
    "Adults and children over 12 years:",
    "1 tablet every 6 hours. Not more than",
    "8 tablets in 24 hours.",
    "Children 6 to 12 years:",
    "half a tablet every 6 hours.",
)
GERMAN_TABLETS = (
    "Ibuprofen AL 400 mg",
    "Filmtabletten",
    "Erwachsene und Jugendliche ab 12 Jahren:",
    "1 Tablette alle 6 bis 8 Stunden. Nicht mehr als",
    "3 Tabletten in 24 Stunden einnehmen.",
    "Nicht auf nüchternen Magen einnehmen.",
    "Verwendbar bis: 11/2028",
)


@pytest.mark.parametrize(
    ("rows", "question", "told"),
    [
        (BANK, "minimum payment and due date", ("$25.00", "21 March 2027")),
        (BANK, "what is the account number and the phone number",
         ("8842 1190 3377", "(800) 555-0199")),
        (BANK, "credit limit and new balance", ("$5,000.00", "$1,204.50")),
        (BILL, "customer number and invoice number", ("77 120 34", "2027/5519")),
        (BILL, "how much do I have to pay and when", ("718,17", "It is due: 28.01.2027")),
        (BILL, "what do I owe and by when", ("718,17", "It is due: 28.01.2027")),
    ],
)  # fmt: skip
def test_both_of_two_things_are_told(
    rows: tuple[str, ...], question: str, told: tuple[str, ...]
) -> None:
    with Typed(*rows) as typed:
        answer = typed(question)
    assert all(each in answer for each in told), answer


@pytest.mark.parametrize(
    "question",
    ["is there milk and egg in it", "does it contain milk or egg", "any egg or milk",
     "does it have eggs, milk and soya?", "I am allergic to eggs and milk, can I eat it?"],
)  # fmt: skip
def test_what_is_in_a_food_and_what_is_not_found_are_told_apart(question: str) -> None:
    with Typed(*CHOCOLATE) as typed:
        answer = typed(question)
    assert "WHOLE MILK" in answer
    assert "I do not find egg" in answer


def test_who_says_two_words_that_are_one_name_asks_once() -> None:
    with Typed("Fish and chips  8.50", "Terms and conditions apply.") as typed:
        assert "Terms and conditions apply." in typed("does it say terms and conditions")


@pytest.mark.parametrize(
    "question", ["does anything contain nuts", "are there nuts in the carrot cake?"]
)
def test_what_stands_under_a_price_is_no_part_of_its_entry(question: str) -> None:
    with Typed(*MENU) as typed:
        answer = typed(question)
    assert "Carrot cake (contains walnuts)" in answer
    assert "pizza" not in answer


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("wher is the entrence", "Mill Lane"),
        ("what shuld I bring", "Please bring your insurance card"),
        ("waht is the fee", "£15.00"),
        ("wich room is it", "Room 3"),
        ("pleas read the frist line", "Northgate Medical Practice"),
    ],
)
def test_words_that_only_ask_may_be_misspelt(question: str, told: str) -> None:
    with Typed(*LETTER) as typed:
        assert told in typed(question)


@pytest.mark.parametrize("question", ["totla please", "waht is the totl", "what is the toatl"])
def test_a_misspelt_total_is_the_total(question: str) -> None:
    with Typed("Bread  2.10", "Butter  3.40", "Total  5.50") as typed:
        assert "The total is 5.50." in typed(question)


@pytest.mark.parametrize("question", ["what do I have to pay", "how much do I owe"])
def test_what_must_be_paid_at_least_is_told_beside_the_balance(question: str) -> None:
    with Typed(*BANK) as typed:
        assert "Minimum payment due: $25.00; New balance: $1,204.50." in typed(question)


def test_a_number_is_spelt_without_its_label() -> None:
    with Typed(*BANK) as typed:
        typed("account number")
        spelt = typed("spell that")
    assert "8, 8, 4, 2, space, 1, 1, 9, 0" in spelt
    assert "colon" not in spelt


def test_one_of_several_is_told_with_its_label_once() -> None:
    with Typed(*BANK) as typed:
        typed("what is the balance")
        assert typed("the second one") == "New balance $1,204.50."


@pytest.mark.parametrize("question", ["is it overdue", "is this bill late", "am I late"])
def test_a_term_is_judged_by_today(question: str) -> None:
    with Typed(*BILL) as typed:
        assert "It is due: 28.01.2027. That is " in typed(question)


def test_an_amount_for_each_hour_is_told_with_its_hour() -> None:
    with Typed(*LETTER) as typed:
        assert "The car park costs £1.20 an hour." in typed("how much does parking cost")


def test_what_is_paid_on_a_condition_is_in_no_total() -> None:
    with Typed(*LETTER) as typed:
        assert "a fee of £15.00" in typed("what do I pay if I don't come")


def test_no_number_counts_what_is_not_there() -> None:
    with Typed(*LETTER) as typed:
        assert "nothing about tablets" in typed("how many tablets")


def test_several_prices_are_not_none() -> None:
    with Typed(*MENU) as typed:
        assert "there are several" in typed("how much is it")


def test_an_address_with_a_figure_like_a_price_is_an_address() -> None:
    with Typed(*MENU) as typed:
        assert "CAFÉ ROMA; Unit 3.20, Market Hall, Leeds." in typed("what is the address")


def test_for_whom_a_dose_is_stays_with_it() -> None:
    with Typed(*SYRUP) as typed:
        told = typed("what is the dose")
        assert "Adults and children over 12 years: 1 tablet every 6 hours" in told
        told = typed("how much for a 30 year old")
        assert "Adults and children over 12 years: 1 tablet every 6 hours" in told
        assert "Not more than 8 tablets in 24 hours" in told


def test_a_dose_in_another_language_is_told_whole() -> None:
    with Typed(*GERMAN_TABLETS) as typed:
        told = typed("what is the dose")
        assert "Erwachsene und Jugendliche ab 12 Jahren: 1 Tablette alle 6 bis 8 Stunden" in told
        assert "11/2028" in typed("wann läuft es ab?")


def test_what_to_do_is_asked_of_a_letter_in_view() -> None:
    with Typed(*LETTER) as typed:
        assert "Please bring your insurance card." in typed("what should I do")


@pytest.mark.parametrize(
    "question", ["what is this, please", "Hello, what is this? Thank you.", "please, what is this?"]
)
def test_courtesy_changes_no_question(question: str) -> None:
    with Typed(*LETTER) as typed:
        assert typed(question).startswith("This looks like a letter.")


def test_a_courtesy_that_is_looked_for_is_looked_for() -> None:
    with Typed("Thank you for your visit", "Total  5.50") as typed:
        assert "Thank you for your visit" in typed("does it say thank you")


def test_a_title_ends_no_question() -> None:
    with Typed(*LETTER) as typed:
        assert "Tuesday 6 April 2027" in typed("When do I see Dr. Amara Singh?")
        assert "capital A, m, a, r, a" in typed("spell Dr. Amara Singh")


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("read lines two to four", LETTER[1:4]),
        ("read line 2 to 4", LETTER[1:4]),
        ("read the first three lines", LETTER[:3]),
        ("read the last two lines", LETTER[-2:]),
        ("read the second to last line", LETTER[-2:-1]),
        ("what is the last but one line", LETTER[-2:-1]),
        ("read the line before last", LETTER[-2:-1]),
        ("line five", LETTER[4:5]),
    ],
)
def test_lines_are_named_by_their_places(question: str, rows: tuple[str, ...]) -> None:
    with Typed(*LETTER) as typed:
        assert typed(question) == "\n".join(rows)


@pytest.mark.parametrize(
    ("question", "spelt"),
    [
        ("spell insurance", "i, n, s, u, r, a, n, c, e"),
        ("spell the word entrance", "e, n, t, r, a, n, c, e"),
        ("spell Okafor", "Okafor: capital O, k, a, f, o, r"),
    ],
)
def test_a_word_of_the_text_is_spelt_alone(question: str, spelt: str) -> None:
    with Typed(*LETTER) as typed:
        assert typed(question).endswith(spelt)


def test_a_number_is_no_part_of_an_amount() -> None:
    with Typed(*BANK) as typed:
        assert "$5,000.00" not in typed("five")


def test_a_number_is_the_amount_without_its_noughts() -> None:
    with Typed("Soup  5.00", "Cake  3.20", "Tea  2.10") as typed:
        assert "Soup" in typed("what can I get for five")
