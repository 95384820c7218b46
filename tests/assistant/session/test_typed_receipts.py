"""Questions about receipts, bills and packages, typed one after another."""

import pytest

from tests.assistant.session.typed import Typed

HEADED = (
    "Quay Stationers",
    "Order no. 77120",
    "Item          Qty   Price   Amount",
    "Blue folder   4     1.20    4.80",
    "Ink           1     9.95    9.95",
    "Discount                    -0.75",
    "Total                       14.00",
)
TIMES = (
    "HILL FARM SHOP",
    "Eggs   2.10",
    "Apple juice   3 x 1.40   4.20",
    "Coupon   -1.00",
    "TOTAL   5.30",
)
BARE = ("Bakery", "Cheese roll  6  0.45  2.70", "Loaf  1  2.30  2.30", "Total  5.00")
COUNT_FIRST = ("Lamp House", "2  Table lamp  21.00  42.00", "5  Bulb  1.25  6.25", "Total  48.25")


@pytest.mark.parametrize(
    ("rows", "question", "told"),
    [
        (HEADED, "how many blue folders did I buy", "Blue folder: 4"),
        (HEADED, "how many folders", "Blue folder: 4"),
        (TIMES, "how many apple juices are there", "Apple juice: 3"),
        (BARE, "how many cheese rolls", "Cheese roll: 6"),
        (COUNT_FIRST, "how many bulbs did I get", "Bulb: 5"),
    ],
)
def test_how_many_were_bought(rows: tuple[str, ...], question: str, told: str) -> None:
    with Typed(*rows) as typed:
        assert told in typed(question)


@pytest.mark.parametrize(
    ("rows", "question", "each", "others"),
    [
        (HEADED, "what is the price of one folder", "1.20", ("4.80", "9.95")),
        (HEADED, "how much is one blue folder", "1.20", ("4.80",)),
        (TIMES, "what does one apple juice cost", "1.40", ("2.10",)),
        (BARE, "how much is one cheese roll", "0.45", ("2.70", "5.00")),
        (BARE, "how much are the cheese rolls each", "0.45", ("2.70", "5.00")),
        (BARE, "what is the unit price of the cheese roll", "0.45", ("5.00",)),
        (COUNT_FIRST, "how much was each bulb", "1.25", ("6.25", "48.25")),
    ],
)
def test_what_one_costs(
    rows: tuple[str, ...], question: str, each: str, others: tuple[str, ...]
) -> None:
    with Typed(*rows) as typed:
        told = typed(question)
        assert each in told and not any(other in told for other in others)


def test_the_price_of_one_of_many_things_is_no_total() -> None:
    with Typed(*HEADED) as typed:
        assert "14.00" not in typed("price of one")


@pytest.mark.parametrize(
    "question",
    ["what did I order", "what did I buy", "what have I bought", "which items did I buy"],
)
def test_what_was_bought_is_told_entry_by_entry(question: str) -> None:
    with Typed(*HEADED) as typed:
        told = typed(question)
        assert "Blue folder" in told and "Ink" in told
        assert "77120" not in told and "14.00" not in told and "Discount" not in told
        assert "77120" in typed("what is the order number")


def test_a_count_is_no_amount() -> None:
    with Typed(*HEADED) as typed:
        assert "14.00" not in typed("how many items did I buy")
        assert "9.95" not in typed("how many pencils did I buy")


def test_what_is_taken_off_keeps_its_sign_and_its_name() -> None:
    with Typed(*TIMES) as typed:
        assert "Coupon: -1.00" in typed("how much was the coupon")
    with Typed("Gas bill", "Payment received   -£60.00", "Total due   £12.00") as typed:
        assert "Payment received: -£60.00" in typed("how much was the payment")


@pytest.mark.parametrize("amount", ["-12.40", "12.40-", "−12.40", "-£12.40", "12.40 CR", "(12.40)"])
def test_no_way_to_print_a_minus_is_lost(amount: str) -> None:
    with Typed("Statement", f"Goodwill credit   {amount}", "Balance   88.00") as typed:
        for question in ("how much was the goodwill credit", "what is the goodwill credit"):
            assert amount in typed(question)


def test_a_refund_is_called_a_refund() -> None:
    with Typed("RETURN", "Grey scarf   -18.50", "Refund total   -18.50") as typed:
        assert "Refund total: -18.50" in typed("what is the total")
        told = typed("how much was the refund")
        assert "refund is -18.50" in told and "total" not in told
    with Typed("Refund policy: ask at the desk", "Total   30.00") as typed:
        assert "30.00" not in typed("how much is the refund")


def test_amount_due_is_an_amount() -> None:
    bill = (
        "Northern Gas",
        "Amount due after 1 May   £98.40",
        "Total amount due         £88.40",
        "Due date                 1 May 2027",
    )
    with Typed(*bill) as typed:
        for question in ("amount due", "what is the amount due", "total amount due"):
            told = typed(question)
            assert "£88.40" in told and "after" not in told
        assert "1 May 2027" in typed("when is it due")


def test_a_foreign_head_is_no_label() -> None:
    rows = ("Patient   Doctor", "Biscuit   Dr. Hale", "Rabies vaccine   28.50", "Total   28.50")
    with Typed(*rows) as typed:
        assert "Patient" not in typed("how much was the vaccine")


TABLETS = (
    "Co-codamol 8/500 tablets",
    "Swallow the tablets with water.",
    "Adults: take 2 tablets every 4 to 6 hours.",
    "Children 12 to 15 years: take 1 tablet every 6 hours.",
    "Take with food if your stomach is upset.",
    "Drink plenty of water each day.",
    "Do not give to children under 12 years.",
    "No more than 8 tablets in 24 hours.",
)


@pytest.mark.parametrize(
    "question",
    [
        "what is the dose",
        "how many tablets can I take",
        "how many do adults take",
        "how often can I take it",
        "how many do I take at once",
        "how much for a child of 13",
        "can my 13 year old take it",
    ],
)
def test_a_dose_is_never_told_without_its_daily_maximum(question: str) -> None:
    with Typed(*TABLETS) as typed:
        assert "No more than 8 tablets in 24 hours" in typed(question)


def test_a_maximum_of_another_age_is_not_told() -> None:
    rows = (
        "Children 6 to 11 years: take 5 ml every 6 hours.",
        "Adults: take 10 ml every 6 hours.",
        "Adults: no more than 40 ml in 24 hours.",
    )
    with Typed(*rows) as typed:
        told = typed("how much for a child of 8")
        assert "5 ml" in told and "40 ml" not in told


def test_how_long_it_may_be_taken_is_no_maximum_dose() -> None:
    rows = (
        "Take 1 tablet up to 4 times a day",
        "Max. 4 tablets per day",
        "Do not take for more than 3 days",
    )
    with Typed(*rows) as typed:
        told = typed("what is the maximum dose")
        assert "4 tablets per day" in told and "3 days" not in told


@pytest.mark.parametrize("question", ["is it lactose free", "I am lactose intolerant"])
def test_lactose_is_told_by_its_own_word_first(question: str) -> None:
    with Typed("Oat bar", "Ingredients: oats, butter, sugar.", "Contains lactose.") as typed:
        told = typed(question)
        assert 0 <= told.find("Contains lactose") < told.find("butter")
    with Typed("Haferriegel", "Zutaten: Hafer, Zucker.", "Laktosefrei.") as typed:
        assert "Laktosefrei" in typed(question)


@pytest.mark.parametrize(
    "question",
    [
        "is there nothing about parking",
        "is there nothing about parking at all",
        "isn't there anything about parking?",
        "so is there really nothing about parking then",
        "doesn't it say anything about parking",
        "does it say nothing about parking",
        "nothing about parking?",
    ],
)
def test_whether_there_is_nothing_is_whether_there_is_something(question: str) -> None:
    with Typed("Village fair", "Parking is free behind the church.", "Dogs are welcome.") as typed:
        told = typed(question)
        assert "Parking is free behind the church" in told and "Dogs" not in told
    with Typed("Village fair", "Dogs are welcome.") as typed:
        told = typed(question)
        assert "parking" in told and "nothing parking" not in told and "Dogs" not in told
        assert "nothing about nothing" not in told and "find nothing" not in told


def test_paragraphs_are_counted() -> None:
    rows = (
        "The lift is out of order from Monday on.",
        "It will be repaired by Friday.",
        "",
        "Please use the stairs at the back of the house.",
        "They are open day and night.",
        "",
        "Ring the porter if you need help.",
    )
    with Typed(*rows) as typed:
        assert "lift" in typed("read the first paragraph")
        for question in ("read the second paragraph", "read paragraph two"):
            told = typed(question)
            assert "stairs" in told and "night" in told and "porter" not in told
        assert "porter" in typed("read the last paragraph")
        assert "only 3" not in typed("read paragraph seven")


def test_one_of_a_kind_is_told_in_the_singular() -> None:
    with Typed("Shop closed") as typed:
        assert "1 lines" not in typed("read line five")
    with Typed("The shop is closed until Easter.") as typed:
        assert "1 of them" not in typed("read the third paragraph")
