"""One line of a text, by its place: the first, the last, line five."""

import re

from assistant.answers import Answer, Detail, Note, NoteKind
from assistant.skills.quoting import as_read, listed, row_values, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording

_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip
_CARDINALS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_LAST = ("last", "bottom")
_NAMED = "|".join((*_ORDINALS, *_LAST, "top", "second last", "last but one"))


class Line:
    """Quoted, without anything beside it."""

    name = "line"
    wordings = (
        Wording(
            heard=f"(<is> | read) the {{{' | '.join((*_ORDINALS[:5], 'last'))}}} line",
            typed=(
                rf"\b(?P<which>{_NAMED}|\d+(?:st|nd|rd|th)?) line\b"
                rf"|\bline (?:number )?(?P<number>\d+|{'|'.join(_CARDINALS)})\b"
            ),
        ),
    )
    traits = Traits(rank=29, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The row, or how many there are."""
        read = rows(asked, scene)
        if not read:
            return None
        at = _place(asked.subject, len(read))
        if at is None or not 0 <= at < len(read):
            return Answer(self.name, notes=(Note(NoteKind.LINES, str(len(read))),))
        return as_read(self.name, row_values(read[at : at + 1]), labelled=False)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The row itself."""
        lines = answer.note(NoteKind.LINES)
        if lines is not None:
            if lines.detail == "1":
                return "I can't tell: I read one line only. Ask for the first line."
            return f"I can't tell: I read {lines.detail} lines. Ask for one of those."
        return listed(answer)


def _place(named: str, count: int) -> int | None:
    """The row, from 0, that a word or a number names; None if it names none."""
    if named in _LAST:
        return count - 1
    if named in ("second last", "last but one"):
        return count - 2
    if named == "top":
        return 0
    for words in (_ORDINALS, _CARDINALS):
        if named in words:
            return words.index(named)
    number = re.match(r"\d+", named)
    return int(number[0]) - 1 if number else None


SKILL = Line()
