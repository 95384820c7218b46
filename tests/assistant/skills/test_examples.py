"""Help is ten things to say, and each of those about a picture is answered on that picture."""

import numpy as np
import pytest

from assistant.answers import Answer, Basis, Context
from assistant.frames import Frame, Sheet
from assistant.session.orders import spoken_order
from assistant.skills.examples import ANYTIME
from tests.assistant.skills.test_conversation import RECEIPT, FakeReader, line, talk
from tests.assistant.skills.test_conversation import frame as camera_frame

MEDICINE = (
    line("IBUPROFEN 200 mg", 10), line("Take one tablet every six hours.", 40),
    line("EXP 05/2031", 70), line("www.example.org", 100),
)  # fmt: skip


@pytest.mark.parametrize("text", [RECEIPT, MEDICINE, (line("EXIT", 10),), ()])
def test_each_example_works_on_the_picture(text: tuple[object, ...]) -> None:
    conversation, seen = talk(FakeReader(text), "none."), camera_frame()  # type: ignore[arg-type]
    told = conversation.examples(seen)
    assert len(told) == len(set(told)) == 10
    questions = [each for each in told if spoken_order(each) is None]
    for question in questions:
        pieces = [*conversation.answer(seen, question, Context())]
        answers = [piece for piece in pieces if isinstance(piece, Answer)]
        assert answers and answers[0].basis is not Basis.UNKNOWN, question
    assert any(spoken_order(each) for each in told)


def test_the_kind_of_picture_chooses() -> None:
    receipt = talk(FakeReader(RECEIPT)).examples(camera_frame())
    medicine = talk(FakeReader(MEDICINE)).examples(camera_frame())
    nothing = talk(FakeReader(())).examples(camera_frame())
    assert "What is the total?" in receipt and "When does it expire?" not in receipt
    assert "When does it expire?" in medicine and "What is the total?" not in medicine
    assert "Is the light on?" in nothing and "Read this." not in nothing


def test_of_a_dark_picture_only_the_light_is_asked() -> None:
    dark = Frame(np.full((90, 120, 3), 20, np.uint8), 0.0, Sheet())
    told = talk(FakeReader(RECEIPT)).examples(dark)
    assert "Is the light on?" in told and "What is the total?" not in told and len(told) == 10


def test_without_a_picture_there_are_ten_all_the_same() -> None:
    assert talk().examples(None) == ANYTIME and len(ANYTIME) == 10
