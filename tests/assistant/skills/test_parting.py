"""What is asked in one breath."""

import pytest

from assistant.skills.parting import parts
from assistant.text.question import asks_whether

KNOWN = ("total", "date", "price", "phone number", "title", "page number", "subtotal", "colour")


def is_known(question: str) -> bool:
    """A stand-in for the router: what ends in the name of a value is known."""
    return question.lower().rstrip("?.! ").endswith(KNOWN)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the total and the date?", ["What is the total", "What is the date?"]),
        ("what's the total, the date and the phone number",
         ["what's the total", "what's the date", "what's the phone number"]),
        ("What is this, and what color is it?", ["What is this", "what color is it?"]),
        ("What does this say? Thank you.", ["What does this say?"]),
        ("Hi. Please could somebody tell me what color this t-shirt is? I'm a first time user so, "
         "sorry about that.", ["Please could somebody tell me what color this t-shirt is?"]),
        ("I tried turning the bottle. Can you read what is on the bottle? I'm trying to figure out "
         "what medicine it is.", ["Can you read what is on the bottle?"]),
        ("no, I meant the subtotal", ["what is the subtotal"]),
        ("How many calories are in a slice of pepperoni and cheese pizza?",
         ["How many calories are in a slice of pepperoni and cheese pizza?"]),
        ("what is the fish and chips price", ["what is the fish and chips price"]),
        ("a full plate of calamari, what is it", ["a full plate of calamari"]),
        ("has the number changed, what is it", ["has the number changed and what is it"]),
        ("and last year? what was it", ["and last year?"]),
        ("Hello, what is this?", ["Hello, what is this?"]),
        ("What colour is this? What is it?", ["What colour is this?", "What is it?"]),
        ("read this", ["read this"]),
        ("", [""]),
        ("and the date?", ["and the date?"]),
    ],
)  # fmt: skip
def test_parts(question: str, expected: list[str]) -> None:
    assert parts(question, is_known) == expected


def test_a_torrent_of_questions_is_cut() -> None:
    assert len(parts(" ".join(f"What is number {n}?" for n in range(50)), is_known)) == 4


def test_a_list_without_end_is_no_endless_work() -> None:
    question = "what is the total" + " and the total" * 3000
    assert len(parts(question, is_known)) <= 4


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("is it open today and when", ["is it open today and when"]),
        ("so must I ring them and when", ["so must I ring them and when"]),
        ("would they come and how much", ["would they come and how much"]),
        ("can you tell me the total and when", ["can you tell me the total", "when"]),
    ],
)
def test_one_rule_tells_what_wants_yes_or_no(question: str, expected: list[str]) -> None:
    # The same rule says that a value with a name does not answer such a question.
    first = question.partition(" and ")[0].lower()
    assert asks_whether(first) is (len(expected) == 1)
    assert parts(question, lambda _: False) == expected
