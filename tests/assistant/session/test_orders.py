"""Orders in words and as commands: each is understood, and no question is taken for one."""

import pytest

from assistant.errors import UsageError
from assistant.session.orders import HELP, Action, Order, parse_command, spoken_order


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ("Stop!", Order(Action.STOP)),
        ("speak faster", Order(Action.FASTER)),
        ("Please speak more slowly.", Order(Action.SLOWER)),
        ("louder", Order(Action.LOUDER)),
        ("Headphones on.", Order(Action.HEADPHONES, "on")),
        ("turn headphones mode off", Order(Action.HEADPHONES, "off")),
        ("switch on headphones", Order(Action.HEADPHONES, "on")),
        ("less detail", Order(Action.LESS)),
        ("say that again", Order(Action.REPEAT)),
        ("what can you do?", Order(Action.HELP)),
        ("double-check", Order(Action.DOUBLE_CHECK)),
        ("keep reading", Order(Action.KEEP_READING)),
        ("read this", Order(Action.READ)),
        ("please read it aloud", Order(Action.READ)),
        ("next word", Order(Action.NEXT, "word")),
        ("previous sentence", Order(Action.PREVIOUS, "sentence")),
        ("spell it", Order(Action.SPELL)),
        ("go to the word milk", Order(Action.FIND, "milk")),
        ("next heading", Order(Action.HEADING)),
        ("remember this as my blue folder", Order(Action.REMEMBER, "blue folder")),
        ("what did I save?", Order(Action.SAVED)),
        ("where did I see my keys", Order(Action.WHERE, "keys")),
        ("delete all", Order(Action.FORGET, "all")),
        ("goodbye", Order(Action.QUIT)),
    ],
)
def test_orders_in_words(said: str, order: Order) -> None:
    assert spoken_order(said) == order


@pytest.mark.parametrize(
    "question",
    [
        "does it say stop", "what does the stop sign say", "where is my cup", "is it louder here",
        "how many stops", "read the first line", "what is the next stop", "help me find my cup", "",
    ],
)  # fmt: skip
def test_questions_are_no_orders(question: str) -> None:
    assert spoken_order(question) is None


def test_commands() -> None:
    assert parse_command("/open  my picture.png ") == Order(Action.OPEN, "my picture.png")
    assert parse_command("/QUIT") == Order(Action.QUIT)
    assert parse_command("/ find\tmilk and  bread") == Order(Action.FIND, "milk and  bread")
    assert parse_command("/next word") == Order(Action.NEXT, "word")
    for line, told in (
        ("/", "no such command"),
        ("/reed", "did you mean /read"),
        ("/open", "/open PICTURE"),
        ("/next paragraph", "next sentence"),
        ("/headphones", "/headphones off"),
        ("/headphones maybe", "neither on nor off"),
    ):
        with pytest.raises(UsageError, match=told):
            parse_command(line)


def test_help_names_every_command() -> None:
    text = "\n".join(HELP.values())
    assert [each for each in Action if f"/{each.value}" not in text] == []
