"""Barcodes: what they hold, where they are in the picture, and how near they are to be read."""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assistant.errors import BarcodeError
from assistant.seeing.pixels import luminance, refitted, shrunk, striped
from assistant.seeing.text import Point
from models.pictures import RgbPicture

Box = tuple[Point, Point, Point, Point]

LOCATED_SIDE = 1280
"""Pixels of the longer side on which codes that cannot be read are looked for."""

THIN = 0.05
"""Thickness in parts of its length below which stripes were read on a line or two."""

SLIM = 0.1
"""Thickness in parts of its length below which a code that fills a place is doubted: few are
flatter."""

AGAIN, LEAST_VIEWS = (0.5, 0.75, 1.5, 2.0), 2
"""Sizes in which a doubtful code is looked for again, and in how many views it must be read."""

MUCH = 2.5
"""How many times as thick a reading must be to outdo another one of the same stripes."""

MOST_SIDE = 4000
"""Pixels of the longer side of an enlarged view."""

NEAR = 0.5
"""Parts of a code's length within which two readings are of the same stripes."""

NEAR_ENOUGH = 0.6
"""Length of a code in parts of the picture's shorter side: one that size is read even if it is
slightly blurred; half of it is enough for a sharp one."""


@dataclass(frozen=True, slots=True)
class Barcode:
    """A code that was read and passed its own check.

    kind:   as its makers call it, such as "EAN-13", "UPC-A" or "QR Code".
    text:   what it holds; of a UPC-A its 12 digits.
    box:    four corners (x, y) in pixels, in the code's own direction.
    """

    kind: str
    text: str
    box: Box

    @property
    def centre(self) -> Point:
        """Mean of the corners, in pixels."""
        return sum(x for x, _ in self.box) / 4, sum(y for _, y in self.box) / 4

    @property
    def is_striped(self) -> bool:
        """True for stripes, False for a code that fills a square."""
        return not re.search("qr|matrix|aztec|pdf|maxi|micro", self.kind, re.IGNORECASE)

    @property
    def is_product(self) -> bool:
        """True for the number of an article in a shop."""
        return self.kind in ("EAN-13", "EAN-8", "UPC-A", "UPC-E")


def read_barcodes(rgb: RgbPicture) -> tuple[Barcode, ...]:
    """Read every code of a picture (H, W, 3), product codes first.

    Where stripes were read on hardly more than one line, their check figure may be right by
    chance: the picture is looked at in other sizes, and what was read on many lines wins.

    Raises:
        BarcodeError: the reader is missing or failed.
    """
    views = [_read_in(rgb, 1.0)]
    if not all(map(_is_plausible, views[0])):
        longest = max(rgb.shape[:2])
        views += [_read_in(rgb, scale) for scale in AGAIN if scale * longest <= MOST_SIDE]
    unique: dict[tuple[str, str], Barcode] = {}
    for code in (code for view in views for code in view):
        known = unique.get((code.kind, code.text))
        if known is None or _thickness(code.box) > _thickness(known.box):
            unique[code.kind, code.text] = code
    kept = [code for code in unique.values() if _is_sure(code, unique.values(), views)]
    return tuple(sorted(kept, key=lambda code: not code.is_product))


def _read_in(rgb: RgbPicture, scale: float) -> list[Barcode]:
    """The codes that are read in a picture shrunk or enlarged, with boxes of the picture itself."""
    height, width = rgb.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    seen = rgb if scale == 1 else refitted(rgb, *size)
    codes = [_barcode(each) for each in _found(seen) if each.valid and each.text.strip()]
    return [replace(code, box=_scaled(code.box, 1 / scale)) for code in codes]


def _is_sure(code: Barcode, codes: Collection[Barcode], views: Sequence[Sequence[Barcode]]) -> bool:
    """True for a plausible code; for others, if two views agree and nothing else stands there."""
    others = [
        other for other in codes if other.text != code.text and other.is_striped == code.is_striped
    ]
    if _is_plausible(code):
        # Of two readings of the same stripes, the one on far more lines is right.
        return not code.is_striped or not any(
            _thickness(other.box) > MUCH * _thickness(code.box) and _touch(other.box, code.box, 0.0)
            for other in others
        )
    rivals = [other for other in others if _touch(code.box, other.box, NEAR)]
    seen = sum(any(each.text == code.text for each in view) for view in views)
    return not rivals and seen >= LEAST_VIEWS


def _is_plausible(code: Barcode) -> bool:
    """False for stripes read on a line or two of their length, and for squares that are none."""
    least = THIN if code.is_striped else SLIM
    return _thickness(code.box) >= least * _length(code.box)


def _thickness(box: Box) -> float:
    return min(math.dist(box[0], box[1]), math.dist(box[1], box[2]))


def _touch(one: Box, other: Box, near: float) -> bool:
    """True if the upright rectangles around two boxes meet, with a part of their length around."""
    reach = near * _length(one)
    for axis in (0, 1):
        ours, theirs = [corner[axis] for corner in one], [corner[axis] for corner in other]
        if max(ours) + reach < min(theirs) or max(theirs) + reach < min(ours):
            return False
    return True


def locate_code(rgb: RgbPicture) -> Box | None:
    """Find the largest thing in a picture (H, W, 3) that looks like a code, read or not.

    Drawn EAN codes are found from 150 of 1280 pixels on, where reading needs 200 to 800; of the 86
    shared photographs, 2 have something that is taken for one.

    Raises:
        BarcodeError: the reader is missing or failed.
    """
    small = shrunk(rgb, LOCATED_SIDE)
    # Without its text, almost anything is taken for a Data Matrix.
    boxes = [_box(each) for each in _found(small) if each.valid or not _is_vague(str(each.format))]
    stripes = [(float(x), float(y)) for x, y in striped(luminance(small))]
    if len(stripes) == 4:
        boxes.append((stripes[0], stripes[1], stripes[2], stripes[3]))
    if not boxes:
        return None
    return _scaled(max(boxes, key=_length), rgb.shape[1] / small.shape[1])


def nearness(box: Box, width: int, height: int) -> float:
    """How near a code is to be read, 0 to 1: larger and nearer to the middle is nearer.

    width, height: of the picture, in pixels.
    """
    size = min(1.0, _length(box) / (NEAR_ENOUGH * min(width, height)))
    x, y = sum(x for x, _ in box) / 4, sum(y for _, y in box) / 4
    off = math.hypot(x - width / 2, y - height / 2) / math.hypot(width / 2, height / 2)
    return size * (1 - min(1.0, off) / 2)


def _found(rgb: RgbPicture) -> list[Any]:
    """What looks like a code, also what fails its own check."""
    try:
        import zxingcpp

        # It expects BGR.
        return list(zxingcpp.read_barcodes(rgb[:, :, ::-1].copy(), return_errors=True))
    except (ImportError, ValueError, RuntimeError) as error:
        raise BarcodeError(
            f"barcodes cannot be read ({error})", "reinstall the zxing-cpp package"
        ) from error


def _is_vague(kind: str) -> bool:
    return "matrix" in kind.lower()


def _scaled(box: Box, scale: float) -> Box:
    a, b, c, d = ((x * scale, y * scale) for x, y in box)
    return a, b, c, d


def _length(box: Box) -> float:
    return max(math.dist(box[0], box[1]), math.dist(box[1], box[2]))


def _box(found: Any) -> Box:
    position = found.position
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    a, b, c, d = ((float(corner.x), float(corner.y)) for corner in corners)
    return a, b, c, d


def _barcode(found: Any) -> Barcode:
    kind, text = normalized(str(found.format), str(found.text))
    return Barcode(kind, text, _box(found))


def normalized(kind: str, text: str) -> tuple[str, str]:
    """Call a UPC-A so: read as EAN-13 it has a 0 in front, which stands on no package."""
    name = {"EAN13": "EAN-13", "EAN8": "EAN-8", "UPCA": "UPC-A", "UPCE": "UPC-E"}.get(
        re.sub(r"[^A-Z0-9]", "", kind.upper()), kind
    )
    if name in ("EAN-13", "UPC-A") and re.fullmatch(r"0\d{12}", text):
        return "UPC-A", text[1:]
    return name, text
