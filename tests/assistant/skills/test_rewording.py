"""Asking again in other words: what a model is asked then, and when two answers are one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from assistant.answers import Answer, Basis, Context
from assistant.frames import Frame
from assistant.seeing.text import TextLine, TextPart
from assistant.skills.conversation import Conversation
from assistant.skills.double_check import agree
from assistant.skills.rewording import reworded


@pytest.mark.parametrize(
    ("question", "again"),
    [
        ("How many chairs are there in the room?", "Count the chairs in the room. How many is th"),
        ("how many cups", "Count the cups. How many is that?"),
        ("how many people do you see on this photo wearing hats", "Count the people wearing hats."),
        ("What color is the car?", "Look at the car. Which colour is to be seen there?"),
        ("where is my cup, please?", "Find my cup. In which part of the picture is that?"),
        ("What's in front of me?", "Say what can be seen, the most important thing first."),
        (
            "please describe the room",
            "Tell somebody who cannot see what can be seen of this:",
        ),
        ("what does the sign say", "Which words stand on the sign?"),
        ("Is the door open?", "Look closely before you answer yes or no: Is the door open?"),
        ("summarize this", "In few words, what does this tell?"),
        ("who wrote this?", "Look closely, then answer in one sentence: who wrote this?"),
        (
            "can you describe {this} {0}",
            "Tell somebody who cannot see what can be seen of this",
        ),
    ],
)
def test_a_question_is_put_in_other_words(question: str, again: str) -> None:
    assert reworded(question).startswith(again)


@pytest.mark.parametrize("question", ["Wie viele Stühle siehst du?", "sing a song", "", "red?"])
def test_what_it_has_no_other_words_for_stays_as_it_is(question: str) -> None:
    assert reworded(question) == question


@pytest.mark.parametrize(
    "question",
    [
        *("how many red cups are there on the table", "what colour is the left door"),
        *("where are my keys", "is there a dog in the garden", "when does the shop open"),
        *("what does the blue bottle say", "describe the two people", "does it show a car"),
    ],
)
def test_no_word_that_says_what_is_meant_is_lost(question: str) -> None:
    """It must stay the same question: nouns, colours, numbers and places."""
    plain = "how many what colour where is are there a does it the my when describe say"
    kept = set(re.findall(r"\w+", reworded(question).lower()))
    assert set(question.split()) - set(plain.split()) <= kept
    assert reworded(question) != question


@pytest.mark.parametrize(
    ("one", "other", "question", "same"),
    [
        ("red", "The car is red.", "what colour is the car", True),
        ("3", "There are three cups.", "how many cups are there", True),
        ("3", "There are four cups.", "how many cups are there", False),
        ("Yes.", "No.", "is the door open", False),
        ("Yes, the door is open.", "No, the door is open", "is the door open", False),
        ("Yes.", "Yes, it is.", "is the door open", True),
        ("red", "blue", "is it red or blue", False),
        ("open", "not open", "is the door open", False),
        ("a dog", "a cat", "what is this", False),
        # Without a question each word counts.
        ("12 A", "12", "", False),
        ("The Red Lion", "Red Lion", "", False),
    ],
)
def test_two_wordings_of_one_answer(one: str, other: str, question: str, same: bool) -> None:
    assert agree(one, other, question) is same
    assert agree(other, one, question) is same


class NoText:
    """Finds no text."""

    lines: tuple[TextLine, ...] = ()

    def load(self) -> None: ...

    def read(self, rgb: Any) -> tuple[TextLine, ...]:
        return self.lines

    def parts(self, rgb: Any, **_: Any) -> Iterator[TextPart]:
        yield TextPart(self.lines, 0)


class Sure:
    """A general model, sure of itself, that answers by what stands in the question."""

    name, skills = "sure/int4", None
    photographs: Mapping[str, float] = {}

    def __init__(self, **says: str) -> None:
        self.says, self.asked = says, list[str]()

    def look(self, rgb: Any) -> str:
        return "seen"

    def answer(self, scene: Any, question: str) -> Iterator[Any]:
        class Token:
            probability = 0.99
            text = next(said for word, said in self.says.items() if word in question.split())

        self.asked.append(question)
        yield Token()


def checked(model: Sure, question: str) -> Answer:
    rgb = np.random.default_rng(2).integers(40, 220, (30, 40, 3)).astype(np.uint8)
    frame = Frame(np.kron(rgb, np.ones((8, 8, 1), np.uint8)), 0.0)
    conversation = Conversation(NoText(), lambda: model)  # type: ignore[arg-type,return-value]
    (answer,) = conversation.double_check(frame, question, Context())
    assert isinstance(answer, Answer)
    return answer


def test_a_general_model_is_asked_again_in_other_words_and_may_answer_in_others() -> None:
    model = Sure(Count="There are three chairs.", many="3 chairs")
    answer = checked(model, "how many chairs are there")
    assert model.asked[0] == "how many chairs are there"
    assert len(model.asked) == 2 and model.asked[1] != model.asked[0]
    assert [note.kind.value for note in answer.notes] == ["agreed"]


def test_a_model_that_says_another_thing_to_other_words_is_not_believed() -> None:
    model = Sure(Count="7", many="3")
    answer = checked(model, "how many chairs are there")
    assert answer.skill == "double_check" and answer.basis is Basis.GUESS
    assert sorted(answer.values) == ["3", "7"]
