"""Pages of a PDF: turned, counted, named once; and never an answer from another page or picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assistant.errors import UsageError
from assistant.frames import Sheet
from assistant.session import phrases
from assistant.session.events import (
    AnswerGiven,
    AnswerPart,
    ErrorSaid,
    ReadingMoved,
    StatusSaid,
)
from assistant.session.orders import Action, Order, parse_command, spoken_order
from assistant.session.pages import open_page, wanted_page
from models.errors import PictureError
from tests.assistant.fakes_session import Scene, picture_file
from tests.assistant.made_answers import answered

COLOURS = ((200, 0, 0), (0, 200, 0), (0, 0, 200))


def pdf(folder: Path, pages: int = 3) -> Path:
    """A PDF whose pages have a colour each."""
    path = folder / "letter.pdf"
    sheets = [Image.new("RGB", (80, 60), COLOURS[page % 3]) for page in range(pages)]
    sheets[0].save(path, save_all=True, append_images=sheets[1:])
    return path


def shade(rgb: np.ndarray[Any, Any]) -> int:
    """Which of the colours a page has."""
    return int(np.argmax(rgb.reshape(-1, 3).mean(0)))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(speech=False)
    made.start()
    yield made
    made.answering.go.set()
    made.session.close()


def told(scene: Scene, words: str) -> list[str]:
    scene.session.ask(words)
    return [each.text for each in scene.idle() if isinstance(each, StatusSaid | ErrorSaid)]


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ("next page", Order(Action.PAGE, "next")),
        ("Go to the previous page, please.", Order(Action.PAGE, "previous")),
        ("the last page", Order(Action.PAGE, "last")),
        ("page three", Order(Action.PAGE, "three")),
        ("turn to page 12", Order(Action.PAGE, "12")),
        ("go to the 2nd page", Order(Action.PAGE, "2nd")),
        ("how many pages", Order(Action.PAGE, "pages")),
        ("How many pages are there?", Order(Action.PAGE, "pages")),
        ("which page is this", Order(Action.PAGE, "page")),
        ("read the next page", Order(Action.PAGE, "read the next page")),
        ("read page two", Order(Action.PAGE, "read page two")),
    ],
)
def test_pages_are_asked_for_in_words(said: str, order: Order) -> None:
    assert spoken_order(said) == order


@pytest.mark.parametrize(
    "said", ["what does page three say", "is this page blank", "read the page", "page blank"]
)
def test_what_is_asked_about_a_page_turns_none(said: str) -> None:
    found = spoken_order(said)
    assert found is None or found.action is not Action.PAGE


def test_commands_for_pages() -> None:
    assert parse_command("/page 3") == Order(Action.PAGE, "3")
    assert parse_command("/next page") == Order(Action.PAGE, "next")
    assert parse_command("/previous page") == Order(Action.PAGE, "previous")
    assert parse_command("/page") == Order(Action.PAGE)


@pytest.mark.parametrize(
    ("asked", "at", "page"),
    [("next", 2, 3), ("previous", 2, 1), ("first", 4, 1), ("last", 1, 5), ("three", 1, 3),
     ("read page two", 5, 2), ("read the next page", 1, 2), ("4th", 1, 4), ("number 5", 1, 5)],
)  # fmt: skip
def test_the_page_that_is_wanted(asked: str, at: int, page: int) -> None:
    assert wanted_page(asked, Sheet(at, 5)) == page


@pytest.mark.parametrize(
    ("asked", "at", "pages", "cause"),
    [
        ("next", 5, 5, "this is the last page"),
        ("previous", 1, 5, "this is the first page"),
        ("next", 1, 1, "there is only one page"),
        ("nine", 2, 5, "there is no page 9; you are on page 2 of 5"),
        ("0", 2, 5, "there is no page 0"),
        ("99999", 2, 5, "not a page"),
        ("milk", 2, 5, "not a page"),
    ],
)
def test_pages_that_are_not_there(asked: str, at: int, pages: int, cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        wanted_page(asked, Sheet(at, pages))


def test_a_picture_has_one_page(tmp_path: Path) -> None:
    path = picture_file(tmp_path)
    file, frame = open_page(path)
    assert file.sheet == Sheet() == frame.sheet
    with pytest.raises(PictureError, match="has one page; there is no page 2"):
        open_page(path, 2)
    with pytest.raises(PictureError, match="has 3 pages; there is no page 4"):
        open_page(pdf(tmp_path), 4)


def test_pages_are_turned_and_each_is_named_once(scene: Scene, tmp_path: Path) -> None:
    scene.session.open_picture(pdf(tmp_path))
    assert scene.idle() == [StatusSaid("Opened letter.pdf. Page 1 of 3.")]
    for words, said, page in (
        ("next page", "Page 2 of 3.", 1),
        ("page three", "Page 3 of 3.", 2),
        ("next page", "this is the last page", 2),
        ("previous page", "Page 2 of 3.", 1),
        ("how many pages", "3 pages. This is page 2.", 1),
        ("page nine", "there is no page 9; you are on page 2 of 3", 1),
        ("the first page", "Page 1 of 3.", 0),
    ):
        assert told(scene, words) == [said]
        scene.session.ask("what is the total")
        answers = [each for each in scene.idle() if not isinstance(each, AnswerGiven)]
        assert not any("Page" in getattr(each, "text", "") for each in answers)
        assert shade(scene.answering.frames[-1].rgb) == page, words
    assert told(scene, "what is the total") == []


def test_how_many_pages_is_asked_of_what_a_picture_shows(scene: Scene, tmp_path: Path) -> None:
    scene.session.open_picture(picture_file(tmp_path))
    scene.idle()
    scene.session.ask("how many pages")
    assert any(isinstance(each, AnswerGiven) for each in scene.idle())
    assert scene.answering.asked[-1][0] == "how many pages does it have"


def test_a_page_behind_one_that_is_read_is_read_too(scene: Scene, tmp_path: Path) -> None:
    scene.session.open_picture(pdf(tmp_path))
    scene.idle()
    assert told(scene, "next page") == ["Page 2 of 3."] and scene.answering.asked == []
    scene.session.ask("read the next page")
    scene.idle()
    assert [asked for asked, _ in scene.answering.asked] == ["read this"]
    assert shade(scene.answering.frames[-1].rgb) == 2


def test_without_a_file_there_are_no_pages(scene: Scene) -> None:
    assert told(scene, "next page") == [phrases.NO_PAGES]


def test_nothing_of_the_page_before_is_answered_or_moved_in(scene: Scene, tmp_path: Path) -> None:
    scene.session.open_picture(pdf(tmp_path))
    scene.session.ask("what is the total")
    scene.idle()
    left = scene.answering.left
    told(scene, "next page")
    assert scene.answering.left == left + 1
    assert told(scene, "say that again") == [phrases.NOTHING_TO_REPEAT]
    assert told(scene, "double check") == [phrases.NOTHING_TO_CHECK]
    scene.session.ask("and the date?")
    scene.idle()
    context = scene.answering.asked[-1][1]
    assert context.frame is None and context.answer is None
    assert context.question == "what is the total", "what was asked is known; what was seen is not"
    assert shade(scene.answering.frames[-1].rgb) == 1


@pytest.mark.parametrize("order", ["next line", "read this", "say that again", "and the date?"])
def test_what_is_ordered_after_a_file_that_does_not_open_tells_nothing(
    scene: Scene, tmp_path: Path, order: str
) -> None:
    scene.session.open_picture(pdf(tmp_path))
    scene.session.ask("what is the total")
    scene.idle()
    left = scene.answering.left
    scene.session.open_picture(tmp_path / "none.png")
    scene.idle()
    scene.session.ask(order)
    events = scene.idle()
    assert not [each for each in events if isinstance(each, AnswerGiven | AnswerPart)]
    if any(isinstance(each, ReadingMoved) for each in events):
        assert scene.answering.left == left + 1, "the answerer was told to forget its text"


def test_a_question_that_is_asked_while_a_file_opens_is_about_that_file(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.session.open_picture(pdf(tmp_path))
    scene.idle()
    for _ in range(5):
        scene.session.do(Order(Action.OPEN, str(tmp_path / "letter.pdf"), 3))
        scene.session.ask("what is the total")
        assert [each for each in scene.idle() if isinstance(each, AnswerGiven)]
        assert shade(scene.answering.frames[-1].rgb) == 2
    scene.session.do(Order(Action.OPEN, str(tmp_path / "letter.pdf")))
    scene.session.ask("next page")
    scene.session.ask("next page")
    scene.session.ask("what is the total")
    scene.idle()
    assert shade(scene.answering.frames[-1].rgb) == 2
    scene.session.do(Order(Action.OPEN, str(tmp_path / "none.png")))
    scene.session.ask("what is the total")
    errors = [each.text for each in scene.idle() if isinstance(each, ErrorSaid)]
    assert len(errors) == 2 and errors[1] == phrases.NOT_OPENED


def test_a_file_that_is_given_up_leaves_nothing_to_answer_from(
    scene: Scene, tmp_path: Path
) -> None:
    scene.session.open_picture(picture_file(tmp_path))
    scene.idle()
    scene.session.do(Order(Action.OPEN, str(pdf(tmp_path))))
    scene.session.stop()
    scene.session.ask("what is the total")
    events = scene.idle()
    seen = [shade(each.rgb) for each in scene.answering.frames]
    assert ErrorSaid(phrases.NOT_OPENED) in events or seen == [0]


def test_a_reading_goes_on_with_the_next_page(scene: Scene, tmp_path: Path) -> None:
    scene.session.open_picture(pdf(tmp_path))
    scene.answering.pieces = [answered("Dear Sir.", skill="read")]
    scene.session.do(Order(Action.READ))
    scene.idle()
    scene.session.ask("next page")
    events = scene.idle()
    assert StatusSaid("Page 2 of 3.") in events
    assert [each.text for each in events if isinstance(each, AnswerGiven)] == ["Dear Sir."]
    assert shade(scene.answering.frames[-1].rgb) == 1
