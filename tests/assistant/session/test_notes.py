"""What is saved: whole texts by name and day, asked for by name, deleted only after a yes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.session import phrases
from assistant.session.events import AnswerGiven, ErrorSaid, StatusSaid
from assistant.session.notes import ByName, asked_by_name
from assistant.session.orders import Action, Order, spoken_order
from assistant.session.protocols import Kept
from tests.assistant.fakes_session import Scene, picture_file

LETTER = "Dr. Anna Weller\nYour insurance card is needed.\nSee you on 14 April."


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene(speech=False, history_enabled=True)
    made.start()
    yield made
    made.answering.go.set()
    made.session.close()


def told(scene: Scene, words: str) -> list[str]:
    scene.session.ask(words)
    return [each.text for each in scene.idle() if isinstance(each, StatusSaid | ErrorSaid)]


def with_letter(scene: Scene) -> Scene:
    scene.notebook.kept = [
        Kept(1, "doctor letter", LETTER, saved="3 May 2026"),
        Kept(2, "blue folder", "taxes", saved="4 May 2026"),
    ]
    return scene


def test_the_whole_text_of_the_page_is_saved_not_the_last_answer(scene: Scene) -> None:
    scene.answering.page = LETTER
    scene.session.ask("what is the total")
    scene.idle()
    assert told(scene, "remember this as my doctor letter") == ["I remember this as doctor letter."]
    assert [(kept.name, kept.text) for kept in scene.notebook.kept] == [("doctor letter", LETTER)]


def test_a_page_is_saved_before_anything_was_asked(scene: Scene, tmp_path: Path) -> None:
    scene.answering.page = LETTER
    scene.session.open_picture(picture_file(tmp_path))
    scene.idle()
    told(scene, "remember this as my doctor letter")
    assert scene.notebook.kept[0].text == LETTER


def test_where_there_is_no_text_the_last_answer_is_saved_and_nothing_else(scene: Scene) -> None:
    assert told(scene, "remember this") == [phrases.NOTHING_TO_REMEMBER]
    scene.session.ask("what is the total")
    scene.idle()
    told(scene, "remember this as my receipt")
    assert scene.notebook.kept[0].text == "The total is 5.50."


def test_a_listing_begins_with_names_and_days(scene: Scene) -> None:
    (listed,) = told(with_letter(scene), "what did I save")
    assert listed.splitlines() == [
        "1: doctor letter, 3 May 2026. Dr. Anna Weller \u2026", "2: blue folder, 4 May 2026. taxes"
    ]  # fmt: skip


def test_long_texts_are_cut_in_a_listing(scene: Scene) -> None:
    scene.notebook.kept = [Kept(1, "note", "word " * 100, saved="3 May 2026")]
    (listed,) = told(scene, "what did I save")
    assert len(listed) < 110 and listed.endswith("word \u2026")


def test_a_saved_thing_is_asked_for_by_its_name(scene: Scene) -> None:
    with_letter(scene)
    (where,) = told(scene, "Where is my doctor letter?")
    assert where.startswith("1: doctor letter, 3 May 2026.") and "read my doctor letter" in where
    (read,) = told(scene, "read my doctor letter")
    assert read == f"doctor letter, saved 3 May 2026:\n{LETTER}"
    assert told(scene, "what does my doctor letter say") == [read]
    scene.session.do(Order(Action.RECALL, "doctor letter"))
    assert StatusSaid(read) in scene.idle()
    assert scene.answering.asked == []


def test_what_is_not_saved_is_asked_of_the_picture(scene: Scene) -> None:
    with_letter(scene)
    for question in ("where is my cup", "read my sign", "find the exit"):
        scene.session.ask(question)
        assert [each for each in scene.idle() if isinstance(each, AnswerGiven)], question
    assert len(scene.answering.asked) == 3


def test_what_was_told_of_the_notes_is_said_again(scene: Scene) -> None:
    (listed,) = told(with_letter(scene), "what did I save")
    assert told(scene, "say that again") == [listed]
    scene.session.ask("what is the total")
    scene.idle()
    scene.session.ask("say that again")
    assert [each.text for each in scene.idle() if isinstance(each, AnswerGiven)] == [
        "The total is 5.50."
    ]


def test_words_are_found_in_the_notes(scene: Scene) -> None:
    with_letter(scene)
    for order in ("find folder in my notes", "search my notes for folder"):
        assert told(scene, order) == ["2: blue folder, 4 May 2026. taxes"]
    # After an order about the notes, what is to be found is to be found there.
    assert told(scene, "find folder") == ["2: blue folder, 4 May 2026. taxes"]
    assert told(scene, "find milk") == ["I find no milk in what I saved."]
    scene.session.ask("what is the total")
    scene.idle()
    assert told(scene, "find folder") == ["folder is not in the text"]


@pytest.mark.parametrize("order", ["forget number one", "delete my doctor letter", "forget all"])
@pytest.mark.parametrize("answer", ["no", "what is the total", "next line", "thank you"])
def test_nothing_is_deleted_without_a_yes(scene: Scene, order: str, answer: str) -> None:
    with_letter(scene)
    (question,) = told(scene, order)
    assert question.startswith("Delete ") and question.endswith("Say yes or no.")
    assert len(scene.notebook.kept) == 2
    assert phrases.NOTHING_DELETED in told(scene, answer)
    # A later yes is about nothing.
    told(scene, "yes")
    assert len(scene.notebook.kept) == 2


@pytest.mark.parametrize(
    ("order", "left"),
    [("forget number one", ["blue folder"]), ("delete my doctor letter", ["blue folder"]),
     ("forget all", [])],
)  # fmt: skip
def test_a_yes_deletes_what_was_asked_about(scene: Scene, order: str, left: list[str]) -> None:
    with_letter(scene)
    told(scene, order)
    scene.session.do(Order(Action.LOUDER))
    (done,) = [line for line in told(scene, "yes") if "deleted" in line]
    assert [kept.name for kept in scene.notebook.kept] == left and "is deleted" in done


def test_what_is_not_there_is_not_asked_about(scene: Scene) -> None:
    with_letter(scene)
    assert told(scene, "forget number seven") == [
        "nothing is saved under the number 7; say /saved to hear the numbers"
    ]
    assert told(scene, "yes") == [phrases.NOTHING_ASKED]


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("where is my doctor letter", ByName("where", "doctor letter")),
        ("Where's the blue folder?", ByName("where", "blue folder")),
        ("read me my doctor letter please", ByName("read", "doctor letter")),
        ("what does my doctor letter say", ByName("read", "doctor letter")),
        ("find insurance", ByName("find", "insurance")),
        ("where is it", None),
        ("read this", None),
        ("what does it say", None),
        ("where do I sign", None),
    ],
)
def test_questions_that_may_be_about_saved_things(question: str, asked: ByName | None) -> None:
    assert asked_by_name(question) == asked


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ("yes", Order(Action.YES)),
        ("Yes, please.", Order(Action.YES)),
        ("ok", Order(Action.YES)),
        ("no thank you", Order(Action.NO)),
        ("delete my doctor letter", Order(Action.FORGET, "my doctor letter")),
        ("find insurance in my notes", Order(Action.WHERE, "insurance")),
        ("read doctor letter from my notes", Order(Action.RECALL, "doctor letter")),
    ],
)
def test_orders_about_notes(said: str, order: Order) -> None:
    assert spoken_order(said) == order
