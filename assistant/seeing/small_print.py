"""Small print: pages of many low lines, read by a second reader too where the first is unsure.

A leaflet or a contract fills a picture with lines a few pixels high. What the recognizer makes of
such a line is often wrong in one word and still fairly sure. So lines that it is not quite sure of
are given to another reader, some at a time and in their order, and what both say counts. Lines
that are read surely are never given to it: it takes a third of the time that the first one does.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from assistant.errors import OcrError
from assistant.seeing.agreement import Word, agreed
from assistant.seeing.page_boxes import Box
from assistant.seeing.pieces import PieceReader, Reading
from assistant.seeing.scripts import is_chinese

log = logging.getLogger(__name__)

MANY, LOW, LONG = 12, 22.0, 8.0
"""So many lines, so low in pixels, so long in their heights, make a page of small print. The box
of a line is about 1.6 times as high as its letters' size."""

DOUBTED, FEW = 0.97, 2
"""Confidence of a line below which it is given to the second reader, and of how many among some
lines at least: with one alone it would be started for next to nothing."""

LEAST_LETTERS = 20
"""Letters of a line that is given; a price or a name alone says too little to be judged by."""

LIMIT_S = 8.0
"""For some lines at a time, of which ten take a second."""

LanguageOf = Callable[[Iterable[str]], str | None]
"""The language of a page's lines as two letters; None where they do not show it."""


class WordReader(Protocol):
    """What reads cut-out lines word by word; `assistant.seeing.tesseract` has one."""

    def reads(self, language: str) -> bool:
        """True if it can read a language, given as two letters."""
        ...

    def words(self, crops: Sequence[Any], language: str, *, limit_s: float) -> list[list[Word]]:
        """The words of each line, BGR (H, W, 3).

        Raises:
            OcrError: it failed, or took longer than `limit_s` seconds.
        """
        ...


class SmallPrint:
    """The second reader of one upright picture, in the order in which it is read."""

    def __init__(
        self,
        reader: WordReader | None,
        language_of: LanguageOf,
        pieces: PieceReader,
        bgr: Any,
        boxes: Sequence[Box],
    ) -> None:
        """bgr: the picture (H, W, 3); boxes: the places of its lines, (4, 2) each."""
        self._reader = reader if is_small_print(boxes) else None
        self._language_of = language_of
        self._pieces, self._bgr = pieces, bgr
        self._seen: list[str] = []

    def checked(
        self, readings: Sequence[Reading], *, until: float, first: bool = False
    ) -> tuple[list[Reading], list[Reading]]:
        """Lines that can be told, and those that wait to be given with the next ones.

        until: `time.monotonic` from which nothing is given any more.
        first: True for the first lines of a page: nobody waits for these until others are read.
        """
        self._seen += [each.text for each in readings]
        doubted = [each for each in readings if _is_doubted(each)]
        if self._reader is None or len(doubted) < FEW or time.monotonic() > until:
            return list(readings), []
        language = self._language_of(self._seen)
        if language is None or not self._reader.reads(language):
            return list(readings), []
        if not first:
            return self._read_again(self._reader, readings, doubted, language, until), []
        waiting = list(doubted)
        if not any(each.text and not each.is_weak for each in readings if not _is_doubted(each)):
            # One is told as it is, as all would be without a second reader.
            early = next((each for each in doubted if each.text and not each.is_weak), None)
            waiting = [each for each in doubted if each is not early]
        numbers = set(map(id, waiting))
        return [each for each in readings if id(each) not in numbers], waiting

    def _read_again(
        self,
        reader: WordReader,
        readings: Sequence[Reading],
        doubted: Sequence[Reading],
        language: str,
        until: float,
    ) -> list[Reading]:
        crops = self._pieces.crops(self._bgr, [each.box for each in doubted])
        limit_s = min(LIMIT_S, until - time.monotonic())
        try:
            found = reader.words(crops, language, limit_s=limit_s)
        except OcrError as error:
            # What failed once would hold up the page again and again.
            log.info("small print is read once: %s", error)
            self._reader = None
            return list(readings)
        new = {id(each): _settled(each, words)
               for each, words in zip(doubted, found, strict=True)}  # fmt: skip
        return [new.get(id(each), each) for each in readings]


def is_small_print(boxes: Sequence[Box]) -> bool:
    """True if most of some places are low and long, and many are."""
    low = [box for box in boxes if _is_low(box)]
    return len(low) >= MANY and 2 * len(low) >= len(boxes)


def _settled(reading: Reading, words: Sequence[Word]) -> Reading:
    """A line as both readers have it; it is told now, though it may be a guess."""
    text, confidence = agreed(reading.text, reading.confidence, words)
    return replace(reading, text=text, confidence=confidence, settled=bool(text and words))


def _is_doubted(reading: Reading) -> bool:
    if reading.foreign or reading.alien or reading.confidence >= DOUBTED:
        return False
    if not _is_low(reading.box) or is_chinese(reading.text):
        return False
    return max(sum(map(str.isalnum, reading.text)), reading.letters) >= LEAST_LETTERS


def _is_low(box: Box) -> bool:
    tall = float(np.linalg.norm(box[3] - box[0]))
    return tall <= LOW and float(np.linalg.norm(box[1] - box[0])) >= LONG * tall
