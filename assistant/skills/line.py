"""Lines of a text, by their place: the first, line five, the last two, lines two to four."""

import re

from assistant.answers import Answer, Detail, Note, NoteKind
from assistant.skills.quoting import as_read, row_values, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording

_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip
_CARDINALS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_LAST = ("last", "bottom")
_SECOND_LAST = ("second last", "second to last", "last but one", "next to last", "penultimate")
_NAMED = "|".join((*_SECOND_LAST, *_ORDINALS, *_LAST, "top"))
_NUMBER = rf"(?:\d+|{'|'.join(_CARDINALS)})"
_SPAN = re.compile(rf"(?P<first>{_NUMBER}) (?:to |through |until |till |and )?(?P<last>{_NUMBER})")
_FEW = re.compile(rf"(?P<end>first|top|last|bottom) (?P<count>{_NUMBER})")


class Line:
    """Quoted, without anything beside it."""

    name = "line"
    wordings = (
        Wording(
            heard=f"(<is> | read) the {{{' | '.join((*_ORDINALS[:5], 'last'))}}} line",
            typed=(
                rf"\b(?P<few>(?:first|top|last|bottom) {_NUMBER}) lines\b"
                rf"|\blines? (?P<span>{_NUMBER} (?:to |through |until |till |and )?{_NUMBER})\b"
                rf"|\b(?P<which>{_NAMED}|\d+(?:st|nd|rd|th)?) line\b"
                r"|\bline before (?:the )?(?P<before>last)\b"
                rf"|\bline (?:number )?(?P<number>{_NUMBER})\b"
            ),
        ),
    )
    traits = Traits(rank=29, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The row, or how many there are."""
        read = rows(asked, scene)
        if not read:
            return None
        named = "second last" if "line before" in asked.words else asked.subject
        chosen = _chosen(named, len(read))
        if not chosen:
            return Answer(self.name, notes=(Note(NoteKind.LINES, str(len(read))),))
        told = row_values(read[chosen.start : chosen.stop])
        return as_read(self.name, told, most=len(told), labelled=False)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The row itself."""
        lines = answer.note(NoteKind.LINES)
        if lines is not None:
            if lines.detail == "1":
                return "I can't tell: I read one line only. Ask for the first line."
            return f"I can't tell: I read {lines.detail} lines. Ask for one of those."
        return "\n".join(answer.values)


def _chosen(named: str, count: int) -> range:
    """The rows, from 0, that words name; empty if they name none of them."""
    few, span = _FEW.fullmatch(named), _SPAN.fullmatch(named)
    if few is not None:
        many = min(_figure(few["count"]), count)
        return range(many) if few["end"] in ("first", "top") else range(count - many, count)
    if span is not None:
        return range(_figure(span["first"]) - 1, min(_figure(span["last"]), count))
    at = _place(named, count)
    return range(at, at + 1) if at is not None and 0 <= at < count else range(0)


def _figure(word: str) -> int:
    return _CARDINALS.index(word) + 1 if word in _CARDINALS else int(word)


def _place(named: str, count: int) -> int | None:
    """The row, from 0, that a word or a number names; None if it names none."""
    if named in _LAST:
        return count - 1
    if named in _SECOND_LAST:
        return count - 2
    if named == "top":
        return 0
    for words in (_ORDINALS, _CARDINALS):
        if named in words:
            return words.index(named)
    number = re.match(r"\d+", named)
    return int(number[0]) - 1 if number else None


SKILL = Line()
