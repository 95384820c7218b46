"""Plain output: labelled lines that are only ever appended, and the words that are spoken.

A screen reader and a braille display get the same lines: no escape bytes, no rewriting.
"""

import re
import sys

from assistant.answering.grounding import Basis
from assistant.answering.text_answers import Answer

SPOKEN_BASIS = {Basis.READ: "Read: ", Basis.SEEN: "Seen: ", Basis.GUESS: "Guess: "}
LABELS = {
    Basis.READ: "read",
    Basis.SEEN: "seen",
    Basis.GUESS: "guess",
    Basis.UNKNOWN: "can't tell",
}


class PlainFront:
    """Prints labelled lines, or keeps quiet for one JSON object; tells each thing once."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._told: set[str] = set()

    def line(self, label: str, text: str) -> None:
        """Print one labelled line, unless standard output is kept for JSON."""
        if not self.as_json:
            print(labelled(label, text), flush=True)

    def answer(self, answer: Answer) -> None:
        """Print an answer with the label of its basis."""
        self.line("answer", f"{answer.text} ({LABELS[answer.basis]})")

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


def spoken_sentences(answer: Answer) -> list[str]:
    """Split an answer into what is synthesized at once: sentences, and lines of a page.

    The basis is spoken first, in one word, as a listener cannot look back.
    """
    text = SPOKEN_BASIS.get(answer.basis, "") + answer.text
    found = []
    for line in text.splitlines():
        # A full stop inside a figure or an abbreviation such as "S.H.H." ends no sentence.
        found += re.split(r"(?<=[a-z0-9)][.!?]) +(?=[A-Z])", printable(line).strip())
    return [sentence for sentence in found if any(c.isalnum() for c in sentence)]


def labelled(label: str, text: str) -> str:
    """A label and a text; further lines are indented, so that none can pose as another label."""
    return f"{label}: " + printable(text).replace("\n", "\n  ")


def printable(text: str) -> str:
    """Drop what a terminal, a screen reader or a braille display must not get.

    That is control and format characters, and drawings: lines and boxes, blocks, braille
    patterns. Every kind of space becomes a plain one.
    """
    kept = (c if c == "\n" or not c.isspace() else " " for c in text)
    return "".join(c for c in kept if c == "\n" or (c.isprintable() and not _is_drawing(c)))


def _is_drawing(character: str) -> bool:
    """True in Unicode's blocks Box Drawing, Block Elements and Braille Patterns."""
    return "\u2500" <= character <= "\u259f" or "\u2800" <= character <= "\u28ff"


def one_line(text: str) -> str:
    """The same text without line breaks."""
    return printable(" ".join(text.split()))
