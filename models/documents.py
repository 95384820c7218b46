"""PDF pages and HEIC photographs as pictures; Pillow reads neither.

Each library is loaded when the first such file is opened. Sizes are checked before any pixel is
drawn or decoded.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from models.errors import PictureError

if TYPE_CHECKING:
    import pypdfium2

PDF_MAGIC = b"%PDF-"
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

DOTS_PER_INCH = 200
"""Print of 8 points is then 22 pixels high, which text recognition reads well."""

POINTS_PER_INCH = 72
MOST_PAGES = 2000
"""A PDF that claims more is refused: counting them alone would take longer than anybody waits."""


def is_pdf(start: bytes) -> bool:
    """True if a file that begins so is a PDF; some begin with a few stray bytes."""
    return PDF_MAGIC in start[:1024]


def is_heic(start: bytes) -> bool:
    """True if a file that begins so is a HEIC or HEIF photograph."""
    return start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS


def page_count(path: Path) -> int:
    """How many pages a file has; 1 for every picture.

    Raises:
        PictureError: a PDF that cannot be read.
    """
    if not _starts_as_pdf(path):
        return 1
    with _pdf(path) as document:
        return len(document)


def pdf_page(path: Path, page: int, max_pixels: int) -> Image.Image:
    """Draw one page of a PDF, counted from 1, black on white.

    Raises:
        PictureError: the file is damaged or locked, has no such page, or the page is too large.
    """
    import pypdfium2

    with _pdf(path) as document:
        count = len(document)
        if not 1 <= page <= count:
            raise PictureError(f"{path}: has {count} pages; there is no page {page}")
        try:
            sheet = document[page - 1]
            width, height = sheet.get_size()
            scale = DOTS_PER_INCH / POINTS_PER_INCH
            if width * height * scale**2 > max_pixels:
                raise PictureError(
                    f"{path}: page {page} is {width / POINTS_PER_INCH:.0f} by "
                    f"{height / POINTS_PER_INCH:.0f} inches, more than can be read; split it first"
                )
            drawn: Image.Image = sheet.render(scale=scale, may_draw_forms=True).to_pil()
        except pypdfium2.PdfiumError as error:
            raise PictureError(
                f"{path}: page {page} is damaged ({error}); copy the file again"
            ) from error
    return drawn


def heic_picture(path: Path, max_pixels: int) -> Image.Image:
    """Decode a HEIC photograph, upright.

    Raises:
        PictureError: the file is damaged or too large.
    """
    import pi_heif

    try:
        file = pi_heif.open_heif(path, convert_hdr_to_8bit=True)
        width, height = file.size
        if width * height > max_pixels:
            raise PictureError(
                f"{path}: {width} x {height} is {width * height / 1e6:.0f} megapixels, more than "
                f"the {max_pixels / 1e6:.0f} that are read; make it smaller first"
            )
        decoded: Image.Image = file.to_pillow()
    except (OSError, ValueError, EOFError, RuntimeError, SyntaxError) as error:
        raise PictureError(
            f"{path}: the photograph is damaged or cut short ({error}); copy it again"
        ) from error
    return decoded


@contextlib.contextmanager
def _pdf(path: Path) -> "Iterator[pypdfium2.PdfDocument]":
    """A PDF that is closed again, with pdfium's errors in our words."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        why = "locked; save it without its password" if locked else "damaged; copy it again"
        raise PictureError(f"{path}: the PDF is {why}") from error
    try:
        if not 0 < len(document) <= MOST_PAGES:
            raise PictureError(f"{path}: has {len(document)} pages; up to {MOST_PAGES} are read")
        yield document
    finally:
        document.close()


def _starts_as_pdf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_pdf(file.read(1024))
    except OSError:
        return False
