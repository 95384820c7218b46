"""Plain output: labelled lines that are only ever appended.

A screen reader and a braille display get the same lines: no escape bytes, no rewriting.
"""

import sys
from typing import TextIO

from assistant.answers import Basis
from assistant.session.events import (
    AnswerGiven,
    AnswerPart,
    CameraBack,
    CameraLost,
    ErrorSaid,
    Event,
    QuestionHeard,
    ReadingMoved,
    State,
    StateChanged,
    StatusSaid,
)
from assistant.speech.rendering import LABELS
from assistant.text.printable import printable

STATES = {
    State.IDLE: "ready",
    State.LISTENING: "listening",
    State.LOOKING: "looking",
    State.THINKING: "thinking",
    State.SPEAKING: "speaking",
    State.PAUSED: "paused",
}

ENDS = {
    Basis.READ: "That was all; it is read from the picture.",
    Basis.SEEN: "That was all; it is what the model sees.",
    Basis.GUESS: "That was all; it is a guess.",
    Basis.UNKNOWN: "That was all.",
}
"""What follows an answer that was printed while it was still being found."""


class PlainFront:
    """Prints labelled lines, or keeps quiet for one JSON object; tells each thing once."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._told: set[str] = set()

    def line(self, label: str, text: str) -> None:
        """Print one labelled line, unless standard output is kept for JSON."""
        if not self.as_json:
            print(labelled(label, text), flush=True)

    def answer(self, basis: Basis, text: str) -> None:
        """Print an answer with the label of its basis."""
        self.line("answer", answer_text(basis, text))

    def status(self, text: str) -> None:
        """Print what the user should know about the program's state, the first time only."""
        if text not in self._told:
            self._told.add(text)
            # Beside JSON on standard output, status lines go where errors go.
            print(
                labelled("status", text),
                file=sys.stderr if self.as_json else sys.stdout,
                flush=True,
            )


def event_line(event: Event) -> str | None:
    """The line that shows an event, or None for one that plain output leaves out.

    Words of a question that is still being spoken are left out: lines are never rewritten.
    """
    match event:
        case StateChanged(state):
            return labelled("status", STATES[state])
        case QuestionHeard(text, partial=False):
            return labelled("you", text)
        case AnswerPart(text):
            return labelled("answer", text)
        case AnswerGiven(answer, _, in_parts=True):
            return labelled("status", ENDS[answer.basis])
        case AnswerGiven(answer, text):
            return labelled("answer", answer_text(answer.basis, text))
        case StatusSaid(text) | CameraLost(text) | CameraBack(text):
            return labelled("status", text)
        case ErrorSaid(text):
            return labelled("error", text)
        case ReadingMoved(text, position):
            return labelled("answer", f"{text} ({position})")
        case _:
            return None


def print_event(event: Event, out: TextIO) -> None:
    """Append the line of an event, whole and at once."""
    line = event_line(event)
    if line is not None:
        out.write(line + "\n")
        out.flush()


def answer_text(basis: Basis, text: str) -> str:
    """An answer with the label of its basis."""
    return f"{text} ({LABELS[basis]})".lstrip()


def labelled(label: str, text: str) -> str:
    """A label and a text; further lines are indented, so that none can pose as another label."""
    return f"{label}: " + printable(text).replace("\n", "\n  ")
