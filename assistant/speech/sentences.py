"""Text into the pieces that are spoken one by one."""

import re
from collections.abc import Iterator

LONGEST_SENTENCE = 240
"""Characters of one piece. A longer sentence is cut at a comma or a space, so that the first
words of any text sound at once and `stop` never waits for a long synthesis."""

_ABBREVIATIONS = frozenset({
    "mr", "mrs", "ms", "dr", "st", "no", "nr", "vs", "e.g", "i.e", "etc", "approx", "tel", "fig",
    "p", "pp", "a.m", "p.m", "inc", "ltd", "co",
})  # fmt: skip
"""Words that end in a full stop in the middle of a sentence."""

_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|\n")
_SOFT_END = re.compile(r"[,;:–—]\s|\s")


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text, none longer than `LONGEST_SENTENCE` characters."""
    buffer = SentenceBuffer()
    yield from buffer.accept(text)
    yield from buffer.rest()


class SentenceBuffer:
    """Sentences of a text that is still being written."""

    def __init__(self) -> None:
        self._text = ""

    def accept(self, piece: str) -> Iterator[str]:
        """Take the next characters and yield the sentences that are complete by now.

        A sentence is complete when something stands behind its full stop: 3.5 is one number.
        """
        self._text += piece
        start = 0
        for match in _END.finditer(self._text):
            sentence = self._text[start : match.end()]
            if match.group() != "\n" and _goes_on(sentence):
                continue
            start = match.end()
            yield from _short_pieces(sentence)
        self._text = self._text[start:]

    def rest(self) -> Iterator[str]:
        """Yield what is left at the end of the text."""
        rest, self._text = self._text, ""
        yield from _short_pieces(rest)


def _goes_on(sentence: str) -> bool:
    """True where the full stop belongs to an abbreviation, an initial or a list's number."""
    if not sentence.endswith("."):
        return False
    last = sentence[:-1].rsplit(maxsplit=1)[-1:] or [""]
    word = last[0].strip("(\"'[")
    return word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isupper() and word != "I")


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
