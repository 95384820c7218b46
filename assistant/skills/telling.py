"""Which of an answer's words are the picture's and which are Sightline's own.

A skill writes a sentence and puts values into it. Nobody looks for them there afterwards: the
sentence is written once more with a mark around each value, so it shows itself what it quotes. What
is quoted is spoken in its own language and by its kind, and what stands around it is a sentence
that a language's file can replace:

    [total.says]
    "The total is {}." = "Die Summe ist {}."
    [every.says]
    "I read it as it stands: day and month are ambiguous." = "..."

Braces stand for what is quoted, in its order; several values in a list are one. What a file does
not replace stays English.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from assistant.answers import Answer, Found, NoteKind, Said
from assistant.seeing.text import TextLine
from assistant.skills.quoting import CLOSING
from assistant.skills.vocabulary import languages
from assistant.text.languages import quoted_lines
from assistant.text.sentences import sentence_spans
from models.files.bounded import parse_toml

EVERY = "every"
"""The table of what any skill's answer may say."""

_OPENS, _CLOSE = 0xE000, CLOSING
"""Characters of Unicode's private area, which no printed text has: each value has its own first."""

_MOST_MARKS = ord(_CLOSE) - _OPENS
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_MARKED = re.compile("([\ue000-\uf8fe])([^\uf8ff]*)\uf8ff")
_LIST = re.compile(r"\{\}(?:; \{\})*")

_INSERTED = frozenset(
    {
        NoteKind.NOT_ABOUT, NoteKind.SOUGHT, NoteKind.NOT_FOUND, NoteKind.PAST, NoteKind.FUTURE,
        NoteKind.UNREAD, NoteKind.NOT_SURE_OF, NoteKind.BRIGHTEST,
    }
)  # fmt: skip
"""Notes whose details stand in sentences as they are."""

_NO_SENTENCES: Mapping[str, Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Frames:
    """Sightline's own sentences in another language than English.

    language:  two letters.
    sentences: by the name of a skill or `EVERY`: the English sentence -> the one that replaces it.
    """

    language: str = "en"
    sentences: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: _NO_SENTENCES)

    def replacing(self, skill: str, sentence: str) -> str | None:
        """What replaces an English sentence of a skill, or None."""
        for table in (skill, EVERY):
            found = self.sentences.get(table, {}).get(sentence)
            if found is not None and found.count("{}") == sentence.count("{}"):
                return found
        return None


ENGLISH = Frames()


@functools.cache
def frames_of(language: str) -> Frames:
    """The sentences that a language's own file replaces; none without a file."""
    return _frames(language, languages().get(language, {}))


def frames_in(file: Path) -> Frames:
    """The sentences of a file that is named after its language, such as de.toml.

    Raises:
        OSError: it cannot be read.
        FormatError, BoundError: it is no TOML, or none that is read.
    """
    return _frames(file.stem, parse_toml(file.read_text("utf-8")))


def _frames(language: str, tables: Mapping[str, Mapping[str, Any]]) -> Frames:
    return Frames(language, {name: table.get("says", {}) for name, table in tables.items()})


Word = Callable[[Answer], Sequence[str]]
"""Puts an answer into words, as pieces that follow each other; the values stand there as given."""


def told(answer: Answer, word: Word, frames: Frames = ENGLISH) -> tuple[Said, ...]:
    """An answer's words piece by piece: those of the picture with their language and kind.

    Put together they are what `word` makes of the answer, but for sentences that are replaced.
    """
    plain = "".join(word(answer))
    for with_labels in (True, False):
        marks = _Marks()
        pieces = word(marks.marked(answer, with_labels))
        # A skill that looks into its values may see the marks: it shall say the same.
        if not marks.too_many and _unmarked("".join(pieces)) == plain:
            return tuple(said for piece in pieces for said in _parts(piece, answer, marks, frames))
    return (Said(plain),)


class _Marks:
    """Which mark stands for which value of an answer."""

    def __init__(self) -> None:
        self._owners: list[Found | None] = []
        self._whole: list[bool] = []
        self.too_many = False

    def owner(self, mark: str) -> Found | None:
        """The value that was marked; None for what Sightline itself adds."""
        return self._owners[ord(mark) - _OPENS]

    def is_value(self, mark: str) -> bool:
        """True for the value itself, not for a label or a line beside it."""
        return self._whole[ord(mark) - _OPENS]

    def marked(self, answer: Answer, with_labels: bool) -> Answer:
        """The answer with marks around all that is printed."""
        lines: dict[TextLine, TextLine] = {}
        found = []
        for each in answer.found:
            for line in each.lines:
                if line not in lines:
                    text = self._mark(line.text, each, value=False)
                    lines[line] = dataclasses.replace(line, text=text)
            value = self._mark(each.value, each, value=True)
            label = each.label
            if with_labels and label and each.lines:
                label = self._mark(label, each, value=False)
            own = tuple(lines[line] for line in each.lines)
            found.append(dataclasses.replace(each, value=value, label=label, lines=own))
        notes = tuple(
            dataclasses.replace(note, detail=self._mark(note.detail, None, value=False))
            if note.kind in _INSERTED and note.detail not in ("", "today")
            else note
            for note in answer.notes
        )
        return dataclasses.replace(answer, found=tuple(found), notes=notes)

    def _mark(self, text: str, owner: Found | None, *, value: bool) -> str:
        """The text in its marks; a mark that ends it stays outside, where a sentence may use it."""
        if len(self._owners) >= _MOST_MARKS or _PRIVATE.search(text):
            self.too_many = True
            return text
        self._owners.append(owner)
        self._whole.append(value)
        core = text.rstrip(" .,;:!?")
        ending = text[len(core) :]
        if not core:
            core, ending = text, ""
        return f"{chr(_OPENS + len(self._owners) - 1)}{core}{_CLOSE}{ending}"


def _unmarked(text: str) -> str:
    return _PRIVATE.sub("", text)


def _parts(piece: str, answer: Answer, marks: _Marks, frames: Frames) -> Iterator[Said]:
    """A piece of marked text as what is quoted and what stands around it."""
    for text, replaced in _sentences(piece, answer.skill, frames):
        language = frames.language if replaced else None
        at = 0
        for match in _MARKED.finditer(text):
            yield from _own(text[at : match.start()], language)
            owner = marks.owner(match[1])
            if owner is None:
                yield from _own(match[2], language)
            elif answer.model is not None and marks.is_value(match[1]):
                yield Said(match[2])  # a model's words, whatever lines they rest on
            else:
                whole = marks.is_value(match[1]) and match[2] == owner.value
                yield from _quoted(match[2], owner, whole=whole)
            at = match.end()
        yield from _own(text[at:], language)


def _own(text: str, language: str | None) -> Iterator[Said]:
    if text:
        yield Said(text, language)


def _quoted(text: str, owner: Found, *, whole: bool) -> Iterator[Said]:
    """What is printed, line by line: on a label, each may be in another language."""
    if not owner.lines:
        yield Said(text)  # a model's words, or the name of a colour
        return
    if whole and owner.kind is not None:
        yield Said(text, owner.language, owner.kind, quoted=True)
        return
    if "\n" in text:
        yield from quoted_lines(text, owner.language)
    else:
        yield Said(text, owner.language, quoted=True)


def _sentences(piece: str, skill: str, frames: Frames) -> Iterator[tuple[str, bool]]:
    """The sentences of marked text, and the gaps between them; (text, whether it is replaced)."""
    if not frames.sentences:
        yield piece, False
        return
    values = (f"{mark}{text}{_CLOSE}" for mark, text in _MARKED.findall(piece))
    pattern = _MARKED.sub("{}", piece)
    at = 0
    for start, end in (*sentence_spans(pattern), (len(pattern), len(pattern))):
        yield _filled(pattern[at:start], values), False
        sentence = pattern[start:end]
        # A list of values is one brace for whoever writes a file.
        new = frames.replacing(skill, _LIST.sub("{}", sentence))
        if new is None:
            yield _filled(sentence, values), False
        else:
            lists = [_filled(each, values) for each in _LIST.findall(sentence)]
            yield _filled(new, iter(lists)), True
        at = end


def _filled(pattern: str, values: Iterator[str]) -> str:
    """A pattern with the next values in its braces."""
    return re.sub(r"\{\}", lambda _: next(values), pattern)
