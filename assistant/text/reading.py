"""Moving in a text that was read: by line, sentence and word, by heading, to a word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.errors import UsageError
from assistant.seeing.layout import Paragraph
from assistant.text.sentences import sentence_spans

Unit = Literal["line", "sentence", "word"]

HEADING_SIZE = 1.25
"""Times the usual height of letters."""

LEAST_PART = 5
"""Letters of a word that is looked for within longer ones; shorter ones stand in too many."""

_SPOKEN_SIGNS = {
    " ": "space", ".": "dot", ",": "comma", "-": "dash", "/": "slash", ":": "colon", "@": "at",
    "_": "underscore", "+": "plus", "#": "hash", "&": "and", "'": "apostrophe", "(": "open bracket",
    ")": "close bracket", "%": "percent", "$": "dollar", "£": "pound", "€": "euro",
}  # fmt: skip


_MARKS = re.compile("[\ue000-\uf8ff]")
"""Marks of Unicode's private area, which stand around what is quoted and are no letters."""


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at a place of a text, and where that is.

    text:  what is there.
    where: in words, such as "line 3 of 12".
    """

    text: str
    where: str


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int


class Reading:
    """A text with a place in it, which begins before the first line."""

    def __init__(self, lines: Sequence[str], headings: Sequence[int] = ()) -> None:
        """headings: numbers of the lines, from 0, that are headings; an empty line ends a
        paragraph."""
        self.text = "\n".join(lines)
        starts, at = [], 0
        for line in lines:
            starts.append(_Span(at, at + len(line)))
            at += len(line) + 1
        self._headings = [starts[number] for number in headings if lines[number].strip()]
        self._spans: dict[str, list[_Span]] = {
            "line": [span for span in starts if self._at(span).strip()],
            "sentence": self._sentences(),
            "word": [_Span(*match.span()) for match in re.finditer(r"\S+", self.text)],
        }
        self._here: _Span | None = None
        self._spoken_to = 0

    @classmethod
    def of(cls, paragraphs: Sequence[Paragraph]) -> "Reading":
        """A recognized page; lines much larger than the others are headings."""
        rows = [row for paragraph in paragraphs for row in paragraph.rows]
        heights = sorted(max(piece.height for piece in row.pieces) for row in rows)
        usual = heights[len(heights) // 2] if heights else 0.0
        lines: list[str] = []
        headings: list[int] = []
        for paragraph in paragraphs:
            if lines:
                lines.append("")
            for row in paragraph.rows:
                large = max(piece.height for piece in row.pieces) > HEADING_SIZE * usual
                alone = len(paragraph.rows) == 1 and row.text.isupper() and len(rows) > 3
                if large or alone:
                    headings.append(len(lines))
                lines.append(row.text)
        return cls(lines, headings)

    def next(self, unit: Unit = "line") -> Place:
        """Go to the next line, sentence or word.

        Raises:
            UsageError: there is none.
        """
        after = -1 if self._here is None else self._here.start
        found = [span for span in self._of(unit) if span.start > after]
        if not found:
            raise UsageError(f"this is the last {unit}; say previous to go back")
        return self._go(found[0], unit)

    def previous(self, unit: Unit = "line") -> Place:
        """Go to the line, sentence or word before.

        Raises:
            UsageError: there is none.
        """
        spans = self._of(unit)
        here = self._here
        # The unit that holds the place now does not lie before it.
        found = [] if here is None else [span for span in spans if span.end <= here.start]
        if not found:
            raise UsageError(f"this is the first {unit}; say next to go on")
        return self._go(found[-1], unit)

    def spell(self) -> Place:
        """The word here, letter by letter; of a longer stretch, its first word."""
        here = self._place()
        word = next(
            (span for span in self._spans["word"] if span.start >= here.start), self._of("word")[-1]
        )
        return Place(spelled(self._at(word)), self._at(word))

    def heading(self) -> Place:
        """Go to the next heading.

        Raises:
            UsageError: there is none.
        """
        after = -1 if self._here is None else self._here.start
        found = next((span for span in self._headings if span.start > after), None)
        if found is None:
            raise UsageError("there is no further heading; say previous line to go back")
        return self._go(found, "line")

    def find(self, words: str) -> Place:
        """Go to the next line that holds some words; after the last one, to the first again.

        Raises:
            UsageError: they are not in the text.
        """
        if not words.strip():
            raise UsageError("name the word to look for, such as: find total")
        pattern = re.compile(
            r"\b" + r"\s+".join(map(re.escape, words.split())) + r"(?!\w)", re.IGNORECASE
        )
        found = list(pattern.finditer(self.text)) or self._run_together(words.lower().split())
        if not found:
            raise UsageError(f"I do not find {words.strip()} in the text")
        after = -1 if self._here is None else self._here.end
        match = next((each for each in found if each.start() >= after), found[0])
        line = [span for span in self._of("line") if span.start <= match.start()][-1]
        return self._go(line, "line")

    def go_to(self, text: str) -> bool:
        """Move to the line that holds the end of a text, without saying it; False if none does."""
        last = text.strip().splitlines()[-1:] or [""]
        wanted = " ".join(last[0].split())
        for span in self._spans["line"]:
            if wanted and wanted in " ".join(self._at(span).split()):
                self._here, self._spoken_to = span, span.start
                return True
        return False

    def _run_together(self, wanted: Sequence[str]) -> list[re.Match[str]]:
        """Words that hold the wanted one at one of their ends: NOPARKING holds parking."""
        if len(wanted) != 1 or len(wanted[0]) < LEAST_PART:
            return []
        printed = re.finditer(r"[^\W\d_]+", self.text)
        lower = ((each, each[0].lower()) for each in printed)
        word = wanted[0]
        return [each for each, text in lower if text.startswith(word) or text.endswith(word)]

    def rest(self) -> Place:
        """Everything from here on; the place moves to the end."""
        lines = self._of("line")
        start = lines[0].start if self._here is None else self._here.start
        text = self.text[start:].strip()
        first = [span for span in lines if span.start <= start][-1]
        self._here, self._spoken_to = lines[-1], start
        return Place(text, self._where(first, "line"))

    def heard(self, text: str) -> None:
        """Note what was spoken last, so that `rest` goes on there."""
        wanted = r"\s+".join(map(re.escape, text.split()))
        match = re.compile(wanted).search(self.text, self._spoken_to) if wanted else None
        if match is not None:
            self._here, self._spoken_to = _Span(*match.span()), match.end()

    def _sentences(self) -> list[_Span]:
        """Sentences may go on over lines, but not over an empty line."""
        spans = []
        for paragraph in re.finditer(r"(?:[^\n]|\n(?!\n))+", self.text):
            for start, end in sentence_spans(paragraph[0]):
                spans.append(_Span(paragraph.start() + start, paragraph.start() + end))
        return spans

    def _of(self, unit: Unit) -> list[_Span]:
        spans = self._spans[unit]
        if not spans:
            raise UsageError("there is no text; read something first")
        return spans

    def _place(self) -> _Span:
        return self._of("line")[0] if self._here is None else self._here

    def _go(self, span: _Span, unit: Unit) -> Place:
        self._here, self._spoken_to = span, span.start
        return Place(" ".join(self._at(span).split()), self._where(span, unit))

    def _where(self, span: _Span, unit: Unit) -> str:
        spans = self._of(unit)
        number = sum(each.start <= span.start for each in spans)
        return f"{unit} {number} of {len(spans)}"

    def _at(self, span: _Span) -> str:
        return self.text[span.start : span.end]


def spelled(word: str) -> str:
    """A word in single characters, capitals and signs named."""
    said = []
    for character in _MARKS.sub("", word):
        if character in _SPOKEN_SIGNS:
            said.append(_SPOKEN_SIGNS[character])
        elif character.isupper() and not word.isupper():
            said.append(f"capital {character}")
        else:
            said.append(character)
    return ", ".join(said)
