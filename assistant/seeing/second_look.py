"""A second look at a picture: for what the first one missed, and for what nobody can read.

The first look misses digits made of segments, dates made of dots, huge letters, and letters that
light and ground make faint. The detector is asked again about small copies of the picture in which
such ink has grown together; what it finds there, and what gave no text before, is cut out of the
picture itself and read several times, with gaps of several widths closed. What most readings agree
on is added; what they disagree on is a guess; where none says anything, text is said to be unread.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.ink import closed, ink_of
from assistant.seeing.leftovers import leftovers
from assistant.seeing.page_boxes import Box
from assistant.seeing.pieces import (
    LEAST_CONFIDENCE,
    PieceReader,
    Reading,
    is_broken,
    is_word,
    letters_of,
)
from assistant.seeing.pixels import (
    area,
    contrast,
    covered,
    gaps_closed,
    luminance,
    scaled,
    shared_area,
)
from assistant.seeing.scripts import is_chinese, is_foreign, script_name
from assistant.seeing.text import LEAST_SURE
from assistant.seeing.wording import plain_width

COPY = 480
"""Pixels of the longer side of the small copies; looking at one takes a tenth of a second."""

VIEWS: tuple[tuple[str, int], ...] = (("dark", 5), ("light", 5), ("plain", 0), ("dark", 9))
"""Copies that are looked at: with the gaps of dark or light ink closed, in pixels."""

FIRST_VIEWS, MOST_FIRST = 2, 0.6
"""Where the first look has read nothing, and these show nothing that is lower than this part of the
picture's height, the others are left out: an animal on a meadow is one place and fills it."""

DOTS = 20
"""Specks of ink in a line of dots at least."""

BESIDE, EDGE, LEAST_EDGE, MOST_EDGES = 0.3, 3, 24, 0.001
"""Heights of a line around it that are its own; pixels of a small copy across which levels of grey
must differ by so many to be an edge; and the part of the rest of a copy that may be edges where
nothing else is looked for."""

LEAST_FOUND = 0.6
"""How sure the detector is, 0 to 1, of a place that is called text though nothing can be read."""

LEAST_HEIGHT = 10
"""Pixels: what is lower was never meant to be read from here."""

SURELY_TEXT, CLOSED = 0.8, 0.1
"""Where the detector is so sure, dots and segments count as letters after their gaps, so wide in
parts of the height, are closed."""

MOST_HEIGHT = 0.5
"""Of the picture's height: a place that is higher is a fence rather than a line."""

LEAST_LETTERS = 2
"""Pieces of ink as high as letters in a place that is called unread text."""

SEVERAL, FILLED, MANY, QUITE_SURE = 3, 0.6, 5, 0.95
"""So many lines inside a place make it a block of them, or two that fill so much of its height. On
a page of which many lines have been read little is left, so that what is added must be surer."""

LEVELLED, LONGER = 1.6, 1.15
"""Heights and widths of a row of glyphs, up to which and from which a place is the same line and
goes on beyond it."""

STROKES, SEEN_OFTEN = frozenset("1lIi|!"), 3
"""Bars of a fence are read as these; a display's are found in as many copies."""

JUDGED = 5
"""The longest lines tell whether ink is darker than its ground."""

MOST_CANDIDATES = 24
COVERED = 0.35
"""Part of a place that may lie in what has been read already."""

SAME = 0.5
"""Part of one of two places that lies in the other, from which they are the same."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A place that the detector found in one of the copies.

    box: corners in pixels of the picture; sureness: 0 to 1; views: how many copies show it.
    """

    box: Box
    sureness: float
    views: int = 1


class SecondLook:
    """Used by one thread, after a first look."""

    def __init__(self, engine: Any, pieces: PieceReader) -> None:
        """engine: a `rapidocr.RapidOCR`, whose detector tells how sure it is of each place."""
        self._engine = engine
        self._pieces = pieces

    def look(
        self,
        bgr: Any,
        known: Sequence[Reading],
        until: float,
        cancelled: Callable[[], bool],
        *,
        where: Box | None = None,
        missed: Sequence[Box] = (),
        cut: Sequence[Reading] = (),
    ) -> tuple[list[Reading], list[Reading]]:
        """Find what was missed: readings to add, and places that stay unread.

        bgr:   the upright picture (H, W, 3).
        known: what the first look found, those without text, too; a weak one comes again among
               what is to be added, unless it is part of something that is read now.
        until: `time.monotonic` after which nothing more is begun.
        where: corners of the upright rectangle in which copies are looked at; None for all.
        missed: rows of glyphs in which the first look has seen nothing.
        cut:   places of which a part was read; they stay unread unless they are read now.
        """
        weak = [each for each in known if each.text and each.is_weak]
        blank = [each for each in known if not each.text]
        settled = [each.box for each in known if each.foreign or (each.text and not each.is_weak)]
        lines = [each.box for each in known if each.text and not each.is_weak]
        seen = self._seen(bgr, lines, where, until, cancelled)
        added: list[Reading] = []
        unread: list[Reading] = []
        rows = [Seen(box, 0.0, SEEN_OFTEN) for box in missed]
        longer = [row for row in rows if any(_goes_beyond(each, row) for each in seen)]
        first = [row for row in rows if not any(row is each for each in longer)]
        places = [*first, *seen, *longer]
        for place in [*places, *(Seen(each.box, 1.0, 2) for each in blank if not each.foreign)]:
            if cancelled() or time.monotonic() > until or len(added) >= MOST_CANDIDATES:
                break
            # A block that could not be read may hold rows that can.
            failed = [] if any(place is row for row in rows) else unread
            taken = [*settled, *(each.box for each in (*added, *failed))]
            if any(_overlap(place.box, other) > COVERED for other in taken):
                continue
            if _is_read(bgr, place.box, [*lines, *(each.box for each in added)]):
                continue
            reading = self._reading(bgr, place, known=bool(lines))
            if reading.text and _is_worth_adding(place, reading, len(settled)):
                added.append(reading)
            elif _is_text(place, reading, bgr.shape[0]):
                unread.append(replace(reading, text=""))
        if not cancelled() and time.monotonic() <= until:
            more, hard = self._left_over(bgr, [*known, *added], unread)
            added += more
            unread += hard
        # What nobody had the time for was not read, either.
        unread += [each for each in blank if not each.foreign and each.letters >= LEAST_LETTERS
                   and not any(_overlap(each.box, o.box) > COVERED for o in (*added, *unread))
                   and time.monotonic() > until]  # fmt: skip
        alone = [
            each for each in weak if not any(_overlap(each.box, o.box) > COVERED for o in added)
        ]
        # Several lines that were read as one, of which some are known now.
        mixed = [each for each in alone if each.confidence < LEAST_SURE
                 and any(_overlap(o.box, each.box) > SAME for o in added)]  # fmt: skip
        alone = [each for each in alone if not any(each is other for other in mixed)]
        unread += [replace(each, text="") for each in mixed]
        foreign = [each for each in blank if each.foreign and each.letters >= LEAST_LETTERS]
        left = [
            each
            for each in (*foreign, *unread, *cut)
            if not any(_overlap(each.box, o.box) > COVERED for o in (*added, *alone))
        ]
        return [*added, *(each for each in alone if any(map(str.isalnum, each.text)))], left

    def _left_over(
        self, bgr: Any, known: Sequence[Reading], unread: Sequence[Reading]
    ) -> tuple[list[Reading], list[Reading]]:
        """Letters beside what was read: those that are read surely now, and those that are not."""
        read = [each for each in known if each.text]
        if not read:
            return [], []
        longest = sorted(read, key=lambda each: -len(each.text))[:JUDGED]
        inks = [ink_of(crop) for crop in self._pieces.crops(bgr, [each.box for each in longest])]
        dark = 2 * sum(ink.dark for ink in inks) >= len(inks)
        boxes = leftovers(bgr, [each.box for each in (*read, *unread)], dark=dark)
        crops = self._pieces.crops(bgr, boxes)
        added, hard = list[Reading](), list[Reading]()
        for box, crop, (text, score) in zip(
            boxes, crops, self._pieces.recognize(crops), strict=True
        ):
            taken = [each.box for each in (*known, *unread, *added, *hard)]
            if any(_overlap(box, each) > COVERED for each in taken):
                continue
            ink = ink_of(crop)
            if is_broken(text, ink) and not is_chinese(text) and not is_word(text, score):
                text, score = self._pieces.voted(crop, ink, [(text, score)])
            if score >= QUITE_SURE and sum(map(str.isalnum, text)) >= 2:
                added.append(Reading(box, plain_width(text).strip(), score, letters=ink.letters))
            elif letters_of(ink) >= LEAST_LETTERS and score >= LEAST_CONFIDENCE:
                hard.append(Reading(box, "", score, letters=ink.letters))
        return added, hard

    def _seen(
        self,
        bgr: Any,
        lines: Sequence[Box],
        where: Box | None,
        until: float,
        cancelled: Callable[[], bool],
    ) -> list[Seen]:
        """Places in the copies; lines: what the first look has read."""
        found: list[Seen] = []
        copy = _copy(bgr, where)
        if (
            where is not None
            and lines
            and is_bare(copy.bgr, [(box - copy.corner) * copy.scale for box in lines])
        ):
            return found
        for number, (ink, gap) in enumerate(VIEWS):
            if cancelled() or time.monotonic() > until:
                break
            most = MOST_FIRST * bgr.shape[0]
            if number >= FIRST_VIEWS and not lines and all(_height(s.box) > most for s in found):
                break
            view = gaps_closed(copy.bgr, gap, dark=ink == "dark") if gap else copy.bgr
            for box, sureness in self._detected(view, copy):
                same = next(
                    (
                        n
                        for n, each in enumerate(found)
                        if max(_overlap(box, each.box), _overlap(each.box, box)) > SAME
                    ),
                    None,
                )
                if same is None:
                    found.append(Seen(box, sureness))
                    continue
                other = found[same]
                larger = box if area(box) > area(other.box) else other.box
                found[same] = Seen(larger, max(sureness, other.sureness), other.views + 1)
        return sorted(found, key=lambda each: (-each.views, -each.sureness))

    def _detected(self, view: Any, copy: "_Copy") -> list[tuple[Box, float]]:
        found = self._engine(view, use_det=True, use_cls=False, use_rec=False)
        if found.boxes is None:
            return []
        return [
            (np.array(box, np.float64) / copy.scale + copy.corner, float(score))
            for box, score in zip(found.boxes, found.scores, strict=True)
        ]

    def _reading(self, bgr: Any, place: Seen, *, known: bool) -> Reading:
        """What most readings of a place say; "" if they say nothing alike.

        known: whether the first look has read anything.
        """
        crop = self._pieces.crops(bgr, [place.box])[0]
        ink = ink_of(crop)
        plain, score = self._pieces.recognize([crop])[0]
        if is_foreign(plain, ink):
            name = script_name(plain, crop)
            return Reading(place.box, "", 0.0, True, name, letters_of(ink))
        text, confidence = plain_width(plain), score
        is_thing = not known and _height(place.box) > MOST_FIRST * bgr.shape[0]
        if is_thing and score < LEAST_CONFIDENCE and ink.specks < DOTS:
            text = ""  # no gap that is closed makes letters of an animal
        elif not (is_chinese(plain) or is_word(plain, score)):
            text, confidence = self._pieces.voted(crop, ink, [(plain, score)])
        if confidence < LEAST_SURE or not any(map(str.isalnum, text)):
            text = ""
        letters = letters_of(ink)
        if place.sureness >= SURELY_TEXT and is_broken(plain, ink):
            letters = max(letters, letters_of(ink_of(closed(crop, CLOSED, dark=ink.dark))))
        return Reading(place.box, text.strip(), confidence, letters=letters)


def _goes_beyond(place: Seen, row: Seen) -> bool:
    """True for a place that several copies show, and of which a row is a part."""
    low = _height_of(place.box) <= LEVELLED * _height_of(row.box)
    wide = np.ptp(place.box[:, 0]) >= LONGER * np.ptp(row.box[:, 0])
    return bool(place.views >= 2 and low and wide and _overlap(row.box, place.box) > SAME)


def _is_read(bgr: Any, place: Box, lines: Sequence[Box]) -> bool:
    """True for a block of lines that have been read, or one of them with bare ground around."""
    inside = [each for each in lines if _overlap(each, place) > SAME]
    rows = sum(map(_height, inside)) >= FILLED * _height_of(place)
    if len(inside) >= SEVERAL or (len(inside) >= 2 and rows):
        return True
    if not inside:
        return False
    (left, top), (right, bottom) = np.clip((place.min(axis=0), place.max(axis=0)), 0, None)
    part = bgr[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
    return is_bare(part, [each - (int(left), int(top)) for each in inside])


def _is_worth_adding(place: Seen, reading: Reading, known: int) -> bool:
    """True if what was read is no accident of some texture.

    known: lines that the first look has read.
    """
    characters = [each for each in reading.text if each.isalnum()]
    if len(characters) < 2 or (set(characters) <= STROKES and place.views < SEEN_OFTEN):
        return False
    return known < MANY or reading.confidence >= QUITE_SURE


def _is_text(place: Seen, reading: Reading, picture_height: int) -> bool:
    """True if a place looks like text to the detector, and has letters of a size to be read."""
    height = _height(place.box)
    return (
        place.sureness >= LEAST_FOUND
        and place.views >= 2
        and LEAST_HEIGHT <= height <= MOST_HEIGHT * picture_height
        and reading.letters >= LEAST_LETTERS
    )


@dataclass(frozen=True, slots=True)
class _Copy:
    """A small copy of a part of a picture.

    bgr: (h, w, 3); corner: the left top of the part in the picture, (2,); scale: pixels of the
    copy for one of the picture's, across and down, (2,).
    """

    bgr: Any
    corner: NDArray[np.float64]
    scale: NDArray[np.float64]


def _copy(bgr: Any, where: Box | None) -> _Copy:
    """A copy of an upright rectangle of a picture (H, W, 3), None for all of it."""
    height, width = bgr.shape[:2]
    scale = min(1.0, COPY / max(height, width))
    left, top, right, bottom = 0, 0, width, height
    if where is not None:
        # Turned with its page, a place that reaches the edge begins a pixel beyond it.
        left, top = np.clip(where.min(axis=0), 0, (width - 1, height - 1)).astype(int)
        right, bottom = np.maximum(where.max(axis=0).astype(int), (left + 1, top + 1))
    part = bgr[top:bottom, left:right]
    rows, columns = part.shape[:2]
    small = scaled(part, max(8, round(columns * scale)), max(8, round(rows * scale)))
    both = np.array([small.shape[1] / columns, small.shape[0] / rows])
    return _Copy(small, np.array([left, top], np.float64), both)


def is_bare(bgr: Any, lines: Sequence[Box]) -> bool:
    """True if next to nothing stands out of a picture (H, W, 3) outside of some lines of text."""
    near = [_grown(box, BESIDE * _height(box)) for box in lines]
    rest = covered(bgr.shape, near) == 0
    edges = contrast(luminance(np.ascontiguousarray(bgr[:, :, ::-1])), EDGE)[rest]
    return edges.size == 0 or float((edges >= LEAST_EDGE).mean()) < MOST_EDGES


def _grown(box: Box, by: float) -> Box:
    (left, top), (right, bottom) = box.min(axis=0) - by, box.max(axis=0) + by
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def _height(box: Box) -> float:
    """The shorter side of a place, in pixels."""
    return float(min(np.linalg.norm(box[0] - box[3]), np.linalg.norm(box[0] - box[1])))


def _height_of(place: Box) -> float:
    """From the upper edge of a place to the lower one, in pixels."""
    return float(np.ptp(place[:, 1]))


def _overlap(box: Box, other: Box) -> float:
    """Part of a place that lies in another one."""
    return shared_area(box, other) / max(area(box), 1.0)
