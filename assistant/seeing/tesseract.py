"""Tesseract as a second reader: for scripts that the built-in models cannot read, and small print.

It is a program of the system (Debian's `tesseract-ocr`, and a language pack such as
`tesseract-ocr-heb` for each language). It is called with pictures in its input, and nothing is
written to a file. Without it everything else works as before.
"""

import functools
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.errors import OcrError
from assistant.seeing.pixels import luminance, refitted
from assistant.seeing.tesseract_process import output_of

COMMAND = "tesseract"
ALL, NONE = "all", "none"
"""The setting's words for all packs that are installed, and for not using it."""

LIST_LIMIT_S, READ_LIMIT_S = 5.0, 20.0

PACKS = {
    "Cyrillic": ("Cyrillic", "rus", "ukr", "bul", "srp", "bel", "mkd", "kaz", "mon"),
    "Greek": ("Greek", "ell"),
    "Hebrew": ("Hebrew", "heb"),
    "Arabic": ("Arabic", "ara", "fas", "urd"),
    "Devanagari": ("Devanagari", "hin", "mar", "nep"),
    "Bengali": ("Bengali", "ben", "asm"),
    "Gurmukhi": ("Gurmukhi", "pan"),
    "Gujarati": ("Gujarati", "guj"),
    "Tamil": ("Tamil", "tam"),
    "Telugu": ("Telugu", "tel"),
    "Kannada": ("Kannada", "kan"),
    "Malayalam": ("Malayalam", "mal"),
    "Sinhala": ("Sinhala", "sin"),
    "Thai": ("Thai", "tha"),
    "Lao": ("Lao", "lao"),
    "Khmer": ("Khmer", "khm"),
    "Burmese": ("Myanmar", "mya"),
    "Georgian": ("Georgian", "kat"),
    "Armenian": ("Armenian", "hye"),
    "Ethiopic": ("Ethiopic", "amh", "tir"),
    "Korean": ("Hangul", "kor"),
}
"""For each script Tesseract's packs that read it, the one for the whole script first."""

LANGUAGES = {
    "en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "nl": "nld", "pt": "por",
    "da": "dan", "sv": "swe", "no": "nor", "fi": "fin", "pl": "pol", "cs": "ces", "sk": "slk",
    "ro": "ron", "hu": "hun", "tr": "tur", "id": "ind",
}  # fmt: skip
"""Packs for languages in Latin letters, which are read, too, where their print is small. A pack
without the letters of a language spoils its words, so that none takes the place of another."""

MOST_PACKS = 2
"""Used at once; each takes its time."""

WITHOUT_SPACES = frozenset({"Thai", "Lao", "Khmer", "Burmese", "Korean"})
"""Their letters come as if each were a word: the gaps between them tell where one ends."""

SPACE = 0.28
"""Part of a line's height from which a gap between such letters is a space."""

LINE_HEIGHT, GAP, MOST_WIDTH = 48, 40, 3000
"""Pixels: of a line as it is given, between two lines, and of the longest line."""

MOST_LINES = 40
"""Given at once."""

_MARKS = dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Marks of direction, which are no letters."""

Crop = NDArray[np.uint8]


class Tesseract:
    """The program as it lies on this machine; used by one thread."""

    def __init__(self, path: str, packs: Sequence[str], *, chosen: Sequence[str] = ()) -> None:
        """packs: those that are installed; chosen: those of them to use, () for all."""
        self._path = path
        self._packs = tuple(pack for pack in chosen or packs if pack in packs)

    def packs_for(self, script: str) -> tuple[str, ...]:
        """The packs that read a script, at most two; "" stands for any script."""
        named = PACKS.get(script, ()) if script else _all_packs()
        return tuple(pack for pack in named if pack in self._packs)[:MOST_PACKS]

    def read(self, crops: Sequence[Crop], script: str) -> list[tuple[str, float]]:
        """What stands in cut-out lines, each BGR (H, W, 3), and how sure that is, 0 to 1.

        Raises:
            OcrError: there is no pack for the script, or the program fails or takes too long.
        """
        packs = self.packs_for(script)
        if not packs:
            raise OcrError(
                f"Tesseract has no pack for {script or 'other scripts'}", "install its pack"
            )
        found: list[tuple[str, float]] = []
        for begin in range(0, len(crops), MOST_LINES):
            lines = self._words(crops[begin : begin + MOST_LINES], packs, READ_LIMIT_S)
            found += [_joined(line, script in WITHOUT_SPACES) for line in lines]
        return found

    def reads(self, language: str) -> bool:
        """True if it has the pack of a language in Latin letters, given as two letters."""
        return LANGUAGES.get(language) in self._packs

    def words(
        self, crops: Sequence[Crop], language: str, *, limit_s: float
    ) -> list[list[tuple[str, float]]]:
        """The words of cut-out lines, each BGR (H, W, 3), in their order, with how sure each is.

        language: two letters; limit_s: seconds after which the program is ended.

        Raises:
            OcrError: there is no pack for the language, or the program fails or takes too long.
        """
        if not self.reads(language):
            raise OcrError(f"Tesseract has no pack for {language}", "install its pack")
        until = time.monotonic() + limit_s
        found: list[list[tuple[str, float]]] = []
        for begin in range(0, len(crops), MOST_LINES):
            left = until - time.monotonic()
            lines = self._words(crops[begin : begin + MOST_LINES], [LANGUAGES[language]], left)
            found += [[(word.text, word.confidence) for word in line] for line in lines]
        return found

    def _words(
        self, crops: Sequence[Crop], packs: Sequence[str], limit_s: float
    ) -> list[list["_Word"]]:
        page, bands = _page_of(crops)
        command = [self._path, "stdin", "stdout", "-l", "+".join(packs), "--psm", "6", "tsv"]
        table = output_of(
            command, _as_pgm(page), limit_s=limit_s, environment=_environment()
        ).decode("utf-8", "replace")
        words: list[list[_Word]] = [[] for _ in crops]
        for word in _words(table):
            for number, (top, low) in enumerate(bands):
                if top <= word.middle < low:
                    words[number].append(word)
        return words


class _Word:
    """One word of Tesseract's table, with its place in pixels."""

    __slots__ = ("confidence", "left", "line", "middle", "right", "text")

    def __init__(self, row: Sequence[str]) -> None:
        left, top, width, height = map(int, row[6:10])
        self.left, self.right, self.middle = left, left + width, top + height / 2
        self.line = tuple(row[1:5])
        self.confidence = max(0.0, min(1.0, float(row[10]) / 100))
        self.text = row[11].translate(_MARKS).strip(" \u200b\u200c\u200d")


def installed(packs: str = ALL) -> Tesseract | None:
    """Tesseract as it is installed; None where it is not, or is not wanted.

    packs: as the setting names them: "all", "none", or names of packs.

    Raises:
        OcrError: it is installed, and does not work.
    """
    path = shutil.which(COMMAND)
    if path is None or packs.strip() == NONE:
        return None
    return Tesseract(path, packs_of(path), chosen=chosen_of(packs))


def chosen_of(packs: str) -> tuple[str, ...]:
    """The packs that a setting names; () for all."""
    return () if packs.strip() == ALL else tuple(re.findall(r"\w+", packs))


@functools.lru_cache(4)
def packs_of(path: str) -> tuple[str, ...]:
    """The language packs of a Tesseract.

    Raises:
        OcrError: it does not work.
    """
    listed = output_of(
        [path, "--list-langs"], b"", limit_s=LIST_LIMIT_S, environment=_environment()
    ).decode("utf-8", "replace")
    # The first line is a heading.
    names = [line.strip() for line in listed.splitlines()[1:]]
    return tuple(name for name in names if name and name != "osd")


def scripts_of(packs: Sequence[str]) -> tuple[str, ...]:
    """The scripts that packs read, beside those that the built-in models do."""
    return tuple(script for script, names in PACKS.items() if set(names) & set(packs))


def _all_packs() -> tuple[str, ...]:
    return tuple(pack for packs in PACKS.values() for pack in packs)


def _environment() -> dict[str, str]:
    kept = ("PATH", "TESSDATA_PREFIX", "SYSTEMROOT")
    # Tables are split at tabs; more threads than one make short lines slower.
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "OMP_THREAD_LIMIT": "1",
        "LC_ALL": "C.UTF-8",
    }


def _page_of(crops: Sequence[Crop]) -> tuple[NDArray[np.uint8], list[tuple[int, int]]]:
    """Lines below each other on white paper, and from where to where each reaches."""
    rows = [_row_of(crop) for crop in crops]
    width = max(row.shape[1] for row in rows) + 2 * GAP
    page = np.full(((LINE_HEIGHT + GAP) * len(rows) + GAP, width), 255, np.uint8)
    bands = []
    for number, row in enumerate(rows):
        top = GAP + number * (LINE_HEIGHT + GAP)
        page[top : top + LINE_HEIGHT, GAP : GAP + row.shape[1]] = row
        bands.append((top - GAP // 2, top + LINE_HEIGHT + GAP // 2))
    return page, bands


def _row_of(crop: Crop) -> NDArray[np.uint8]:
    """A line in grey, dark on white, (48, W)."""
    height, width = crop.shape[:2]
    grey = luminance(np.ascontiguousarray(crop[:, :, ::-1]))
    wide = min(MOST_WIDTH, max(1, round(width * LINE_HEIGHT / max(height, 1))))
    levels = np.asarray(refitted(grey, wide, LINE_HEIGHT), np.float32)
    low, high = (float(level) for level in np.percentile(levels, (1, 99)))
    spread = (levels - low) / max(high - low, 1.0)
    # Of print there is less than of its ground.
    if np.median(spread) < 0.5:
        spread = 1 - spread
    return np.asarray(np.clip(255 * spread, 0, 255), np.uint8)


def _as_pgm(page: NDArray[np.uint8]) -> bytes:
    return f"P5 {page.shape[1]} {page.shape[0]} 255\n".encode() + page.tobytes()


def _words(table: str) -> Iterator[_Word]:
    for line in table.splitlines()[1:]:
        row = line.split("\t")
        if len(row) == 12 and row[0] == "5":
            try:
                word = _Word(row)
            except ValueError as error:
                raise OcrError("Tesseract's table cannot be read") from error
            if word.text:
                yield word


def _joined(words: Sequence[_Word], is_dense: bool) -> tuple[str, float]:
    """Words of one line in their order, and their mean sureness by letters."""
    if not words:
        return "", 0.0
    text = words[0].text
    for before, word in zip(words, words[1:], strict=False):
        near = 0 <= word.left - before.right < SPACE * LINE_HEIGHT or word.left < before.right
        text += word.text if is_dense and near else f" {word.text}"
    letters = sum(len(word.text) for word in words)
    sure = sum(word.confidence * len(word.text) for word in words) / letters
    return text, sure
