"""Questions and orders that lean on the last question and its answer."""

import pytest

from assistant.answers import Basis
from assistant.errors import UsageError
from assistant.hearing.orders import order_in
from assistant.skills.follow_ups import resolve
from assistant.skills.router import say
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

SHOP = page(
    "Corner Kiosk",
    "Rye bread     2.80",
    "Goat milk     3.15",
    "Total     5.95",
    "Tel: 020 7946 0018",
    "Fax: 020 7946 0019",
)
CARD = page("Ingrid Holm", "Piano tuner", "ingrid@holm.example", "Phone 07700 900 461")
STEPS = page("Tea bread", "1. Soak the fruit.", "2. Stir in the flour.", "3. Bake for an hour.")


@pytest.mark.parametrize(
    ("before", "question", "words"),
    [
        ("how much is the bread", "and the milk?", "how much is the milk"),
        (
            "what time does the pool open on Monday",
            "and on Friday?",
            "what time does the pool open on friday",
        ),
        ("when does the 17 leave", "and the 42", "when does the 42 leave"),
        ("is there a concert", "when?", "when is the concert"),
        ("what is the second step", "and the next one?", "what is the 3th step"),
        ("how much is the soup in the evening", "and at lunch", None),
    ],
)
def test_a_follow_up_takes_over_what_was_wanted(
    before: str, question: str, words: str | None
) -> None:
    resolved = resolve(question, before)
    assert resolved.same_frame
    assert words is None or resolved.asked.words == words


def test_a_question_of_its_own_is_no_follow_up() -> None:
    assert (
        resolve("what time is it there", "what is the total").asked.words == "what time is it there"
    )
    assert not resolve("where is it", "what is the entry fee").same_frame


def test_another_thing_is_asked_for_in_the_same_way() -> None:
    talk = Talk(SHOP)
    assert talk.ask("how much is the bread").values == ("2.80",)
    assert "3.15" in say(talk.ask("and the milk?"))


def test_a_correction_keeps_what_was_wanted() -> None:
    talk = Talk(SHOP)
    talk.ask("how much is the bread")
    assert "3.15" in say(talk.ask("no, I meant the milk"))
    assert "5.95" in say(talk.ask("no, I meant the total"))


def test_the_last_answer_is_spelt() -> None:
    talk = Talk(CARD)
    talk.ask("what is her last name")
    spelt = talk.conversation.navigate("spell", "")[0].lower()
    assert "h, o, l, m" in spelt.replace("capital ", "")


def test_what_is_named_is_spelt() -> None:
    told = say(Talk(CARD).ask("spell the email"))
    assert "i, n, g, r, i, d, at, h, o, l, m, dot" in told
    missing = Talk(SHOP).ask("spell the email address please")
    assert missing.basis is Basis.UNKNOWN and not missing.found


def test_a_number_is_said_slowly_figure_by_figure() -> None:
    talk = Talk(CARD)
    talk.ask("what is the phone number")
    told = say(talk.ask("say the number again slowly"))
    assert "0, 7, 7, 0, 0, 9, 0, 0, 4, 6, 1" in told


def test_one_of_several_values_is_picked() -> None:
    talk = Talk(
        page(
            "Museum",
            "Adults 9.00",
            "Children 4.00",
            "Phone 020 7946 0018",
            "Shop phone 020 7946 0019",
        )
    )
    both = talk.ask("what are the phone numbers")
    assert len(both.found) == 2
    assert talk.ask("the second one").values == both.values[1:]
    assert Talk(SHOP).ask("the second one").basis is Basis.UNKNOWN


def test_the_next_entry_of_a_list() -> None:
    talk = Talk(STEPS)
    assert "Soak" in talk.ask("what is the first step").values[0]
    assert "flour" in talk.ask("and the next one?").values[0]
    assert talk.ask("what is the seventh step").basis is Basis.UNKNOWN


def test_the_line_after_what_was_told() -> None:
    talk = Talk(SHOP)
    talk.ask("read the second line")
    assert talk.conversation.navigate("next", "line")[0] == "Goat milk 3.15"
    with pytest.raises(UsageError):
        talk.conversation.navigate("find", "insurance")


@pytest.mark.parametrize(
    ("sentence", "order"),
    [
        ("again", ("repeat", "")),
        ("say that once more", ("repeat", "")),
        ("what was that", ("repeat", "")),
        ("read the line after that", ("next", "line")),
        ("read me the line before that", ("previous", "line")),
        ("read the next sentence", ("next", "sentence")),
        ("find insurance", ("find", "insurance")),
        ("find the word expiry", ("find", "expiry")),
    ],
)
def test_orders_of_a_reader(sentence: str, order: tuple[str, str]) -> None:
    assert order_in(sentence) == order


@pytest.mark.parametrize(
    "sentence", ["find my keys", "find the cup", "read the last line", "find it"]
)
def test_what_is_a_question_is_no_order(sentence: str) -> None:
    assert order_in(sentence) is None
