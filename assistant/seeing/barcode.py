"""Barcodes: what they hold, and where they are in the picture."""

import re
from dataclasses import dataclass

from assistant.errors import BarcodeError
from assistant.seeing.text import Point
from models.pictures import RgbPicture


@dataclass(frozen=True, slots=True)
class Barcode:
    """A code that was read and passed its own check.

    kind:   as its makers call it, such as "EAN-13", "UPC-A" or "QR Code".
    text:   what it holds; of a UPC-A its 12 digits.
    box:    four corners (x, y) in pixels, in the code's own direction.
    """

    kind: str
    text: str
    box: tuple[Point, Point, Point, Point]

    @property
    def centre(self) -> Point:
        """Mean of the corners, in pixels."""
        return sum(x for x, _ in self.box) / 4, sum(y for _, y in self.box) / 4

    @property
    def is_product(self) -> bool:
        """True for the number of an article in a shop."""
        return self.kind in ("EAN-13", "EAN-8", "UPC-A", "UPC-E")


def read_barcodes(rgb: RgbPicture) -> tuple[Barcode, ...]:
    """Read every code of a picture (H, W, 3), product codes first.

    Raises:
        BarcodeError: the reader is missing or failed.
    """
    try:
        import zxingcpp

        found = zxingcpp.read_barcodes(rgb[:, :, ::-1].copy())  # it expects BGR
    except (ImportError, ValueError, RuntimeError) as error:
        raise BarcodeError(
            f"barcodes cannot be read ({error}); reinstall the zxing-cpp package"
        ) from error
    codes = (_barcode(each) for each in found if each.valid and each.text.strip())
    unique = {(code.kind, code.text): code for code in codes}
    return tuple(sorted(unique.values(), key=lambda code: not code.is_product))


def _barcode(found: object) -> Barcode:
    position = found.position  # type: ignore[attr-defined]
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    a, b, c, d = ((float(corner.x), float(corner.y)) for corner in corners)
    kind, text = normalized(str(found.format), str(found.text))  # type: ignore[attr-defined]
    return Barcode(kind, text, (a, b, c, d))


def normalized(kind: str, text: str) -> tuple[str, str]:
    """Call a UPC-A so: read as EAN-13 it has a 0 in front, which stands on no package."""
    name = {"EAN13": "EAN-13", "EAN8": "EAN-8", "UPCA": "UPC-A", "UPCE": "UPC-E"}.get(
        re.sub(r"[^A-Z0-9]", "", kind.upper()), kind
    )
    if name in ("EAN-13", "UPC-A") and re.fullmatch(r"0\d{12}", text):
        return "UPC-A", text[1:]
    return name, text
