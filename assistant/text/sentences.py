"""Text into sentences: for speech, for answers that are still being written, for moving about.

One rule for all: a mark ends a sentence where a space follows it, and what follows does not show
that the mark belonged to a word.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

from assistant.text.dates import month_number

LONGEST_SENTENCE = 240
"""Characters of one piece. A longer sentence is cut at a comma or a space, so that the first
words of any text sound at once and `stop` never waits for a long synthesis."""

_ABBREVIATIONS = frozenset({
    "mr", "mrs", "ms", "dr", "prof", "rev", "st", "ste", "ave", "rd", "blvd", "apt", "no", "nr",
    "nos", "vs", "etc", "approx", "tel", "fig", "p", "pp", "vol", "ed", "inc", "ltd", "co", "corp",
    "ext", "art", "ref", "min", "max", "hrs", "str", "bzw", "ca", "inh", "dept", "est", "std",
    "med", "dipl", "ing", "hr", "fr", "frl", "geb", "verw", "mind", "inkl", "exkl", "zzgl", "evtl",
    "ggf", "tgl", "abs", "bd", "hbf", "env", "réf", "núm", "dña", "sig", "dott", "avv", "mevr",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
})  # fmt: skip
"""Words that end in a full stop in the middle of a sentence."""

LONGEST_WORD = 60
"""Characters before a mark that are looked at."""

_MARK = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)")
_LAST_MARK = re.compile(r"[.!?…]+[\"'”’)\]]*$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
"""Such as e.g, a.m, S.H.H: single letters with full stops between them."""

_SHORTENED = re.compile(r"[A-Z][a-z]{0,3}\.-[A-Z]")
"""Such as Ch.-B, Art.-N."""

_ENTRY = re.compile(r"(?:^|[!?:\n]|[a-z]{3}\.)\s*\d{1,2}\.$")
"""The number of a list's entry, which begins a sentence."""

_DAY = re.compile(r"(?<![\d.])\d{1,2}\.$")
"""The day before a month, as in 23. November."""

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_NEXT = re.compile(r"\S")
_SOFT_END = re.compile(r"[,;:–—]\s|\s")


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text and its lines, none longer than `LONGEST_SENTENCE`."""
    buffer = SentenceBuffer()
    yield from buffer.accept(text)
    yield from buffer.rest()


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of a text begin and end; line breaks are spaces here."""
    start = 0
    for end in itertools.chain(_ends(text), (len(text),)):
        stripped = text[start:end].strip()
        if stripped:
            begin = text.index(stripped, start)
            yield begin, begin + len(stripped)
        start = end


def ends_sentence(text: str) -> bool:
    """True if a sentence ends where a text does."""
    text = text.rstrip()
    # Behind the text may stand anything; a capital letter begins most sentences.
    return _LAST_MARK.search(text) is not None and not _goes_on(text[-LONGEST_WORD:], "A")


class SentenceBuffer:
    """Sentences of a text that is still being written; a line break ends one, too."""

    def __init__(self) -> None:
        self.text = ""
        """All that was written so far."""
        self.has_given = False
        """True once a sentence was given."""
        self._start = 0

    def accept(self, piece: str) -> Iterator[str]:
        """Take the next characters and yield the sentences that are complete by now.

        A sentence is complete when it is known what follows its mark: 3.5 is one number.
        """
        self.text += piece
        waiting = self.text[self._start :]
        for line in _LINE.findall(waiting):
            whole = (len(line),) if line.endswith("\n") else ()
            yield from self._give(line, itertools.chain(_ends(line), whole))

    def rest(self) -> Iterator[str]:
        """Yield what is left at the end of the text."""
        rest = self.text[self._start :]
        yield from self._give(rest, [len(rest)])

    def _give(self, text: str, ends: Iterable[int]) -> Iterator[str]:
        start, base = 0, self._start
        for end in ends:
            self._start = base + end
            for short in _short_pieces(text[start:end]):
                self.has_given = True
                yield short
            start = end


def _ends(text: str) -> Iterator[int]:
    """Where sentences end, but for the last one, of which that is not yet known."""
    for match in _MARK.finditer(text):
        following = _NEXT.search(text, match.end())
        if following and not _goes_on(
            text[max(0, match.end() - LONGEST_WORD) : match.end()],
            text[following.start() : following.start() + LONGEST_WORD],
        ):
            yield match.end()


def _goes_on(before: str, following: str) -> bool:
    """True where the full stop belongs to an abbreviation, an initial or a list's number."""
    if not before.endswith("."):
        return False
    if following[0].islower():
        return True
    if _ENTRY.search(before):
        return True
    first_word = re.split(r"\W", following, maxsplit=1)[0]
    if _DAY.search(before) and month_number(first_word) is not None:
        return True
    last = before[:-1].rsplit(maxsplit=1)[-1:] or [""]
    word = last[0].strip("(\"'[")
    if word.lower() in _ABBREVIATIONS or _INITIALS.fullmatch(word):
        return True
    if _SHORTENED.fullmatch(word) or word.endswith("str") and following[0].isdigit():
        return True
    return len(word) == 1 and word.isupper() and word != "I"


def _short_pieces(sentence: str) -> Iterator[str]:
    """Yield the sentence, cut where it is too long, without empty pieces."""
    rest = " ".join(sentence.split())
    while len(rest) > LONGEST_SENTENCE:
        window = rest[:LONGEST_SENTENCE]
        # The last comma of the second half, else the last space, else a cut through the word.
        ends = [match.end() for match in _SOFT_END.finditer(window, LONGEST_SENTENCE // 2)]
        commas = [end for end in ends if window[end - 2 : end - 1] in ",;:–—"]
        cut = (commas or ends or [LONGEST_SENTENCE])[-1]
        yield rest[:cut].strip()
        rest = rest[cut:].strip()
    if any(character.isalnum() for character in rest):
        yield rest
