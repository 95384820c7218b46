"""Picture files in, RGB pixels out: the one door through which pictures enter."""

import contextlib
import io
import logging
import math
import struct
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from models.documents import heic_picture, is_heic, is_pdf, pdf_page
from models.errors import PictureError
from models.png_chunks import MAGIC, WithoutText

RgbPicture = NDArray[np.uint8]
"""Pixels of one picture, (H, W, 3), red, green, blue, 0 to 255."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
"""What cameras, scanners and screenshots write; rarer decoders are attack surface."""

_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)
"""What Pillow's decoders raise on damaged files."""

MOST_SIDE = 1_000_000
"""Pixels. Pillow keeps an address for every row: of 63 million rows, half a gigabyte of them."""

MOST_WEBP = 36_000_000
"""Pixels. Pillow's decoder of WebP takes 16 bytes for each."""

MOST_PROGRESSIVE = 150_000_000
"""Values, pixels times channels. A progressive JPEG is kept whole, two bytes a value, while it is
decoded; one with more values is read at half its width and height, to leave room for that."""

STRIP_PIXELS = 1_000_000
"""Pixels that are converted at a time."""

_logger = logging.getLogger(__name__)


def load_picture(path: Path, max_pixels: int = 64_000_000, *, page: int = 1) -> RgbPicture:
    """Read a picture file, or a page of a PDF, as upright RGB pixels, (H, W, 3) uint8.

    The size stands in the header and is checked before any pixel is decoded. The camera's
    EXIF rotation is applied; transparent pixels are laid on white paper; of an animation the
    first frame is taken. A progressive JPEG of more than MOST_PROGRESSIVE values comes at half its
    width and height.

    page: of a PDF, from 1.

    Raises:
        PictureError: the file is missing, is no picture, is cut short, or is too large.
    """
    try:
        exists, is_file = path.exists(), path.is_file()
    except OSError as error:  # a name that is too long, a folder that must not be entered
        raise PictureError(
            f"{path}: cannot be read ({error.strerror}); give another path"
        ) from error
    if not exists:
        raise PictureError(f"{path}: no such file; give the path of a picture")
    if not is_file:
        raise PictureError(f"{path}: is not a file; give the path of a picture")
    start = _start(path)
    if is_pdf(start):
        return _to_rgb(pdf_page(path, page, max_pixels))
    if is_heic(start):
        return _to_rgb(heic_picture(path, max_pixels))
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(_NoMoreThanThere(_raw(path, start)))
        opened.enter_context(warnings.catch_warnings())
        picture = opened.enter_context(_open(path, file))
        # As in `_open`: TIFF's decoder warns of a short file before it fails.
        warnings.simplefilter("ignore")
        width, height = picture.size
        if max(width, height) > MOST_SIDE:
            raise PictureError(
                f"{path}: {width} x {height} is longer than the {MOST_SIDE} pixels a side that are "
                "read; cut it into parts first"
            )
        most = min(max_pixels, MOST_WEBP) if picture.format == "WEBP" else max_pixels
        if width * height > most:
            raise PictureError(
                f"{path}: {width} x {height} is {width * height / 1e6:.0f} megapixels, more than "
                f"the {most / 1e6:.0f} that are read; make it smaller first"
            )
        values = width * height * len(picture.getbands())
        is_progressive = picture.format == "JPEG" and picture.info.get("progressive")
        if is_progressive and values > MOST_PROGRESSIVE:
            picture.draft(picture.mode, (width // 2, height // 2))
        return _decode(path, picture)


def _start(path: Path) -> bytes:
    """The first bytes of a file: what it is stands there, whatever its name says."""
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        raise PictureError(
            f"{path}: cannot be read ({error.strerror}); give another path"
        ) from error


def _raw(path: Path, start: bytes) -> io.RawIOBase:
    try:
        return WithoutText(path) if start.startswith(MAGIC) else io.FileIO(path)
    except OSError as error:
        raise PictureError(
            f"{path}: cannot be read ({error.strerror}); give another path"
        ) from error


class _NoMoreThanThere(io.BufferedReader):
    """A file of which no more is asked than it holds.

    A decoder asks for as many bytes as a damaged length says, and Python makes room for all of
    them before it reads the first: two gigabytes for a file of five kilobytes.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._end = self.seek(0, io.SEEK_END)
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes: `size` of them, or fewer where the file ends."""
        left = max(0, self._end - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def _open(path: Path, file: IO[bytes]) -> Image.Image:
    """Read the header only; Pillow decodes pixels later, in `load`."""
    try:
        with warnings.catch_warnings():
            # Our own limit and errors give better messages than Pillow's warnings.
            warnings.simplefilter("ignore")
            return Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path}: has too many pixels to read; make it smaller first") from error
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{path}: is not a picture that can be read; give a JPEG, PNG, WebP, HEIC or PDF file"
        ) from error
    except _DECODE_ERRORS as error:
        raise PictureError(f"{path}: cannot be read ({error}); give another picture") from error


def _decode(path: Path, picture: Image.Image) -> RgbPicture:
    """Decode all pixels and bring them to upright RGB."""
    try:
        picture.load()
    except _DECODE_ERRORS as error:
        raise PictureError(
            f"{path}: the picture is damaged or cut short ({_one_line(error)}); copy it again"
        ) from error
    turn = _orientation(path, picture)
    try:
        rgb = _to_rgb(picture)
    except (ValueError, OSError) as error:  # a colour space that Pillow cannot convert
        raise PictureError(
            f"{path}: its colours ({picture.mode}) cannot be read ({_one_line(error)}); "
            "save it as RGB"
        ) from error
    # The decoded picture is given back before a turned copy is made.
    picture.close()
    return np.ascontiguousarray(_TURNS[turn](rgb)) if turn in _TURNS else rgb


_TURNS: Mapping[int, Callable[[RgbPicture], RgbPicture]] = MappingProxyType(
    {
        2: lambda rgb: rgb[:, ::-1],
        3: lambda rgb: rgb[::-1, ::-1],
        4: lambda rgb: rgb[::-1],
        5: lambda rgb: rgb.transpose(1, 0, 2),
        6: lambda rgb: np.rot90(rgb, -1),
        7: lambda rgb: rgb[::-1, ::-1].transpose(1, 0, 2),
        8: lambda rgb: np.rot90(rgb, 1),
    }
)
"""How stored pixels become upright, by EXIF 2.3's tag 0x0112."""


def _orientation(path: Path, picture: Image.Image) -> int:
    """The EXIF orientation; 1 for a picture whose EXIF block is damaged."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except (*_DECODE_ERRORS, TypeError, KeyError) as error:
        _logger.warning("%s: damaged EXIF block, rotation not applied (%s)", path, error)
        return 1


def _to_rgb(picture: Image.Image) -> RgbPicture:
    """Pixels of any Pillow mode as RGB (H, W, 3), a strip at a time: no second copy is made."""
    rgb = np.empty((picture.height, picture.width, 3), np.uint8)
    rows = max(1, STRIP_PIXELS // picture.width)
    starts = range(0, picture.height, rows)
    is_deep = picture.mode in ("I", "F") or picture.mode.startswith("I;16")
    ground = _ground_of(picture) if picture.has_transparency_data else ""
    scale = None
    if is_deep:
        scale = _scale_of((_deep(_strip(picture, at, rows)) for at in starts), picture.mode)
    for at in starts:
        strip = _strip(picture, at, rows)
        if scale is not None:
            low, factor = scale
            rgb[at : at + rows] = np.round((_deep(strip) - low) * factor)[..., None]
        else:
            rgb[at : at + rows] = np.asarray(_strip_to_rgb(strip, ground))
    return rgb


def _strip(picture: Image.Image, at: int, rows: int) -> Image.Image:
    return picture.crop((0, at, picture.width, min(at + rows, picture.height)))


def _strip_to_rgb(strip: Image.Image, ground: str) -> Image.Image:
    if strip.mode != "RGB" and ground:
        layer = strip.convert("RGBA")
        paper = Image.new("RGBA", layer.size, ground)
        return Image.alpha_composite(paper, layer).convert("RGB")
    return strip if strip.mode == "RGB" else strip.convert("RGB")


LIGHT = 200
"""A level, 0 to 255, from which what is drawn is lost on white paper."""

SAMPLES = 512
"""Pixels a side that are looked at for it."""


def _ground_of(picture: Image.Image) -> str:
    """White paper, or black where nothing but light things are drawn on nothing."""
    samples = (min(picture.width, SAMPLES), min(picture.height, SAMPLES))
    pixels = np.asarray(picture.resize(samples, Image.Resampling.NEAREST).convert("RGBA"))
    drawn = pixels[pixels[..., 3] > 127]
    if not len(drawn) or len(drawn) == pixels[..., 3].size:
        return "white"
    darkest = float(np.percentile(drawn[:, :3].max(axis=-1), 5))
    return "black" if darkest >= LIGHT else "white"


def _deep(strip: Image.Image) -> NDArray[np.float64]:
    return np.asarray(np.nan_to_num(np.asarray(strip).astype(np.float64)))


def _scale_of(strips: Iterable[NDArray[np.float64]], mode: str) -> tuple[float, float]:
    """What is taken from deep gray values, and by what they are then multiplied, for 0..255.

    16-bit values keep their absolute brightness (a dark picture must stay dark for the quality
    gate); only values that fit no known range are stretched between their extremes.
    """
    low, high = math.inf, -math.inf
    for values in strips:
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    if low >= 0 and high <= 1 and mode == "F":
        return 0.0, 255.0
    if low >= 0 and high <= 65535 and mode != "F":
        return 0.0, 1 / 257
    return low, 255 / max(high - low, 1e-12)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
