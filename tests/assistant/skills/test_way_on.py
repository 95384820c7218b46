"""What is this, in one answer; and what a refusal offers: something that this picture can tell."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from assistant.answers import Answer, Basis, Context, NoteKind
from assistant.frames import Frame, Sheet
from assistant.seeing.barcode import Barcode
from assistant.seeing.text import TextLine
from assistant.skills import scene as scenes
from assistant.skills.conversation import Conversation
from assistant.skills.router import say
from assistant.skills.thing_kind import thing_kind
from assistant.skills.way_on import OFFERS
from assistant.text.page import Page
from tests.assistant.skills.test_conversation import RECEIPT, FakeModel, FakeReader, line, talk
from tests.assistant.skills.test_conversation import frame as camera_frame

SMALL = FakeModel("3")
SMALL.skills = {"colour": 0.9, "count": 0.9}  # type: ignore[assignment]

BEYOND = "who painted this"


def file_frame(seed: int = 0) -> Frame:
    return dataclasses.replace(camera_frame(seed=seed), sheet=Sheet())


def plain_frame(level: int, sheet: Sheet | None) -> Frame:
    return Frame(np.full((90, 120, 3), level, np.uint8), time.monotonic(), sheet)


def asked(conversation: Conversation, frame: Frame, question: str) -> list[Answer]:
    pieces = conversation.answer(frame, question, Context())
    return [piece for piece in pieces if isinstance(piece, Answer)]


def rows(*texts: str) -> tuple[TextLine, ...]:
    return tuple(line(text, 30 * number) for number, text in enumerate(texts))


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> None:
    box = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
    found = Barcode("QR Code", "hello", box)
    monkeypatch.setattr(scenes, "read_barcodes", lambda rgb: (found,))


KINDS: Sequence[tuple[str | None, tuple[str, ...]]] = (
    ("a receipt", ("SHOP", "Milk 2.10", "Subtotal 2.10", "Tax 0.20", "Total 2.30", "Cash 5.00")),
    ("a bill", ("Northern Power", "Invoice 44", "Amount due 80.20", "Pay by 3 May 2026")),
    ("a letter", ("Dear Mr Brown,", "we moved.", "Yours sincerely,", "Anna Weller")),
    (
        "a medicine label",
        ("IBUPROFEN 200 mg", "24 tablets", "Take one tablet every six hours", "Keep out of reach"),
    ),
    ("a food label", ("OAT DRINK", "Ingredients: water, oats", "Nutrition facts", "Protein 1 g")),
    (
        "a menu",
        ("Starters", "Soup of the day 4.50", "Mains", "Pasta 11.00", "Fish 14.50", "Wine 5.00"),
    ),
    (
        "a timetable",
        ("Departures Platform", "Leeds 10:04 2", "York 10:16 1", "Hull 10:40 4", "Crewe 11:02 2",
         "Derby 11:20 3"),
    ),
    (None, ("FIRE EXIT", "Keep clear")),
    (None, ("Chapter One", "It was the best of times, it was the worst of times.")),
    (None, ("Total eclipse of the heart", "a song")),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "texts"), KINDS)
def test_kinds_of_printed_things(kind: str | None, texts: tuple[str, ...]) -> None:
    found = thing_kind(Page(rows(*texts)))
    assert (found[0] if found else None) == kind


@pytest.mark.parametrize("question", ["What is this?", "whats this", "what is in this picture"])
def test_what_is_this_gets_one_answer_the_best_first(question: str) -> None:
    big = dataclasses.replace(RECEIPT[0], box=((30, 0), (330, 0), (330, 60), (30, 60)))
    text = (
        big,
        *rows(
            "", "", "Milk 2.10", "Bread 3.10", "Subtotal 5.20", "Tax 0.30", "Total 5.50", "Cash 6"
        ),
    )
    (answer,) = asked(
        talk(FakeReader([each for each in text if each.text]), SMALL), file_frame(), question
    )
    assert say(answer) == "This looks like a receipt. It says: CORNER SHOP. And more."
    assert answer.basis is Basis.READ and answer.found[0].lines


def test_what_is_this_without_text_is_a_code_else_a_colour(code: None) -> None:
    (answer,) = asked(talk(FakeReader(()), SMALL), file_frame(), "what is this")
    assert "hello" in say(answer)


def test_what_is_this_of_neither_is_a_colour() -> None:
    (answer,) = asked(talk(FakeReader(()), SMALL), file_frame(), "what is this")
    assert say(answer).startswith("I find no text and no barcode, so I can't tell")
    assert {found.label for found in answer.found} == {"colour"}


def test_a_code_beside_a_text_is_offered(code: None) -> None:
    (answer,) = asked(talk(FakeReader(RECEIPT), SMALL), file_frame(), "what is this")
    assert say(answer).endswith(OFFERS["code"])


def test_a_refusal_offers_what_this_picture_can_tell() -> None:
    (text,) = asked(talk(FakeReader(RECEIPT), "none."), file_frame(), "what colour is the circle")
    assert say(text).endswith("Shall I read it?")
    (none,) = asked(talk(FakeReader(()), SMALL), file_frame(), BEYOND)
    assert say(none).endswith(OFFERS["pixels"]) and none.basis is Basis.UNKNOWN


def test_a_refusal_offers_a_code(code: None) -> None:
    (answer,) = asked(talk(FakeReader(()), SMALL), file_frame(), BEYOND)
    assert say(answer).endswith(OFFERS["code"])


MOVES = ("camera", "closer", "lens.", "turn", "Turn", "Hold", "move", "tilt", "Tilt", "other side")


@pytest.mark.parametrize(
    "question",
    ["read this", "what is the total", "when does it expire", "scan the barcode", "is it blank",
     "what is this", BEYOND, "how many circles are there", "what is the price"],
)  # fmt: skip
@pytest.mark.parametrize("level", [0, 30, 120, None])
def test_no_advice_to_move_anything_for_a_file(question: str, level: int | None) -> None:
    file = file_frame() if level is None else plain_frame(level, Sheet())
    for reader in (FakeReader(()), FakeReader(rows("HELLO", "nothing else"))):
        for answer in asked(talk(reader, SMALL), file, question):
            assert not [word for word in MOVES if word in say(answer)], say(answer)


def test_advice_to_move_for_a_camera() -> None:
    (dark,) = asked(talk(FakeReader(()), SMALL), plain_frame(30, None), "what is the total")
    assert "Turn on a light" in say(dark)
    (none,) = asked(talk(FakeReader(()), SMALL), camera_frame(), "what is the total")
    assert "Move closer" in say(none) and none.note(NoteKind.OF_FILE) is None


def test_a_page_of_a_file_that_is_cut_off_cannot_be_moved() -> None:
    width = 400
    cut: list[Any] = [line("a long line of words here ", 30 * n, width - 9 * 26) for n in range(4)]
    answers = [piece for piece in talk(FakeReader(cut), SMALL).read(file_frame())]
    told = [say(piece) for piece in answers if isinstance(piece, Answer)]
    assert told[-1] == "The text seems cut off at the right; the rest is not in this picture."


def test_the_number_of_a_page_is_not_read_again() -> None:
    page = dataclasses.replace(camera_frame(), sheet=Sheet(2, 5))
    text = rows("Your invoice", "Total 5.50", "- Page 2 of 5 -")
    (answer,) = (each for each in talk(FakeReader(text)).read(page) if isinstance(each, Answer))
    assert say(answer).split() == ["Your", "invoice", "Total", "5.50"]
    other = dataclasses.replace(page, sheet=Sheet(3, 5), rgb=page.rgb.copy())
    (answer,) = (each for each in talk(FakeReader(text)).read(other) if isinstance(each, Answer))
    assert "Page 2 of 5" in say(answer), "another number is worth reading"
    alone = dataclasses.replace(page, rgb=page.rgb.copy())
    only = talk(FakeReader(rows("Page 2 of 5"))).read(alone)
    assert [say(each) for each in only if isinstance(each, Answer)] == ["Page 2 of 5"]


def test_what_is_this_lets_the_text_be_walked_through() -> None:
    conversation = talk(FakeReader(RECEIPT), SMALL)
    asked(conversation, file_frame(), "what is this")
    assert conversation.navigate("next", "line")[0]
