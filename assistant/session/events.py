"""What a session says about itself. Both front ends only render these events.

Every event turns into one JSON object (`to_json`), whose `event` is the class's name in lower
case with underscores.
"""

import dataclasses
import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.answers import Answer
from assistant.seeing.text import TextLine, Unread


class State(enum.Enum):
    """What a session is doing."""

    IDLE = "idle"
    LISTENING = "listening"
    LOOKING = "looking"
    THINKING = "thinking"
    SPEAKING = "speaking"
    PAUSED = "paused"


class _Jsonable:
    __slots__ = ()

    def to_json(self) -> dict[str, object]:
        """One JSON object: the event's name, then its fields."""
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()
        fields = {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
        }
        return {"event": name, **fields}


@dataclass(frozen=True, slots=True)
class StateChanged(_Jsonable):
    """The session is in another state than before."""

    state: State


@dataclass(frozen=True, slots=True)
class QuestionHeard(_Jsonable):
    """What the user asked, typed or spoken; partial while speech is still going on."""

    text: str
    partial: bool = False


@dataclass(frozen=True, slots=True)
class AnswerPart(_Jsonable):
    """A sentence of an answer whose basis is not yet known."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerGiven(_Jsonable):
    """An answer with its basis; a question may get a quick one and then the model's.

    text:     the answer in words, as long as the user wants answers to be.
    in_parts: its text came before, as `AnswerPart`s; only the basis is new.
    """

    answer: Answer
    text: str
    in_parts: bool = False

    def to_json(self) -> dict[str, object]:
        """One JSON object with the fields of `assistant ask --json`."""
        return {
            "event": "answer_given",
            **answer_json(self.answer, self.text),
            "in_parts": self.in_parts,
        }


@dataclass(frozen=True, slots=True)
class StatusSaid(_Jsonable):
    """What the user should know about the program.

    is_question: True if the user is asked something; a full screen shows it where answers stand.
    """

    text: str
    is_question: bool = False


@dataclass(frozen=True, slots=True)
class ErrorSaid(_Jsonable):
    """One sentence: what failed, why, and the way out."""

    text: str


@dataclass(frozen=True, slots=True)
class SettingsChanged(_Jsonable):
    """A setting has a new value."""

    name: str
    value: str | int | bool


@dataclass(frozen=True, slots=True)
class CameraLost(_Jsonable):
    """No new frames come from the camera."""

    text: str


@dataclass(frozen=True, slots=True)
class CameraBack(_Jsonable):
    """Frames come again."""

    text: str


@dataclass(frozen=True, slots=True)
class ReadingMoved(_Jsonable):
    """The reading position moved; `text` is what stands there.

    position: such as "line 3 of 12".
    """

    text: str
    position: str


@dataclass(frozen=True, slots=True)
class Closed(_Jsonable):
    """The last event of a session."""


Event = (
    StateChanged
    | QuestionHeard
    | AnswerPart
    | AnswerGiven
    | StatusSaid
    | ErrorSaid
    | SettingsChanged
    | CameraLost
    | CameraBack
    | ReadingMoved
    | Closed
)


def answer_json(answer: Answer, text: str) -> dict[str, object]:
    """An answer as JSON: its words, basis, evidence with boxes in pixels, model; skill and values.

    Where it depends on text that could not be read, the places of that, too. text: the answer in
    words.
    """
    return {
        "answer": text,
        "basis": answer.basis.value,
        "evidence": evidence_json(answer.evidence),
        "model": answer.model,
        "skill": answer.skill,
        "values": [
            {"label": each.label, "value": each.value, "lines": evidence_json(each.lines)}
            for each in answer.found
        ],
        **({"unread": unread_json(answer.unread)} if answer.unread else {}),
    }


def evidence_json(lines: Sequence[TextLine]) -> list[dict[str, object]]:
    """Recognized lines as JSON; box: corners (x, y) in pixels of the picture."""
    return [
        {
            "text": line.text,
            "box": [[round(x, 1), round(y, 1)] for x, y in line.box],
            "confidence": round(line.confidence, 3),
        }
        for line in lines
    ]


def unread_json(places: Sequence[Unread]) -> list[dict[str, object]]:
    """Places that could not be read; box: left, top, right, bottom in pixels of the picture."""
    return [
        {
            "box": [round(side, 1) for side in place.box],
            "script": place.script or None,
            "foreign": place.foreign,
        }
        for place in places
    ]


def _plain(value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value
