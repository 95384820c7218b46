"""Picture files in, RGB pixels out: the one door through which pictures enter."""

import logging
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.documents import heic_picture, is_heic, is_pdf, pdf_page
from models.errors import PictureError

RgbPicture = NDArray[np.uint8]
"""Pixels of one picture, (H, W, 3), red, green, blue, 0 to 255."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
"""What cameras, scanners and screenshots write; rarer decoders are attack surface."""

_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)
"""What Pillow's decoders raise on damaged files."""

_logger = logging.getLogger(__name__)


def load_picture(path: Path, max_pixels: int = 64_000_000, *, page: int = 1) -> RgbPicture:
    """Read a picture file, or a page of a PDF, as upright RGB pixels, (H, W, 3) uint8.

    The size stands in the header and is checked before any pixel is decoded. The camera's
    EXIF rotation is applied; transparent pixels are laid on white paper; of an animation the
    first frame is taken.

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
        return np.array(_to_rgb(pdf_page(path, page, max_pixels)), dtype=np.uint8)
    if is_heic(start):
        return np.array(_to_rgb(heic_picture(path, max_pixels)), dtype=np.uint8)
    with warnings.catch_warnings(), _open(path) as picture:
        # As in `_open`: TIFF's decoder warns of a short file before it fails.
        warnings.simplefilter("ignore")
        width, height = picture.size
        if width * height > max_pixels:
            raise PictureError(
                f"{path}: {width} x {height} is {width * height / 1e6:.0f} megapixels, more than "
                f"the {max_pixels / 1e6:.0f} that are read; make it smaller first"
            )
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


def _open(path: Path) -> Image.Image:
    """Read the header only; Pillow decodes pixels later, in `load`."""
    try:
        with warnings.catch_warnings():
            # Our own limit and errors give better messages than Pillow's warnings.
            warnings.simplefilter("ignore")
            return Image.open(path, formats=FORMATS)
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
    upright = _upright(path, picture)
    try:
        return np.array(_to_rgb(upright), dtype=np.uint8)
    except (ValueError, OSError) as error:  # a colour space that Pillow cannot convert
        raise PictureError(
            f"{path}: its colours ({upright.mode}) cannot be read ({_one_line(error)}); "
            "save it as RGB"
        ) from error


def _upright(path: Path, picture: Image.Image) -> Image.Image:
    """Apply the EXIF rotation; a picture whose EXIF block is damaged stays as it is."""
    try:
        return ImageOps.exif_transpose(picture)
    except (*_DECODE_ERRORS, TypeError, KeyError) as error:
        _logger.warning("%s: damaged EXIF block, rotation not applied (%s)", path, error)
        return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    """Convert any Pillow mode to RGB."""
    if picture.mode == "RGB":
        return picture
    if picture.mode == "I" or picture.mode == "F" or picture.mode.startswith("I;16"):
        return Image.fromarray(_to_8_bits(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        paper = Image.new("RGBA", layer.size, _ground(layer))
        return Image.alpha_composite(paper, layer).convert("RGB")
    return picture.convert("RGB")


LIGHT = 200
"""A level, 0 to 255, from which what is drawn is lost on white paper."""

SAMPLES = 512
"""Pixels a side that are looked at for it."""


def _ground(layer: Image.Image) -> str:
    """White paper, or black where nothing but light things are drawn on nothing.

    layer: RGBA.
    """
    width, height = layer.size
    samples = (min(width, SAMPLES), min(height, SAMPLES))
    pixels = np.asarray(layer.resize(samples, Image.Resampling.NEAREST))
    drawn = pixels[pixels[..., 3] > 127]
    if not len(drawn) or len(drawn) == pixels[..., 3].size:
        return "white"
    darkest = float(np.percentile(drawn[:, :3].max(axis=-1), 5))
    return "black" if darkest >= LIGHT else "white"


def _to_8_bits(gray: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale deep gray values, (H, W), to 0..255.

    16-bit values keep their absolute brightness (a dark picture must stay dark for the quality
    gate); only values that fit no known range are stretched between their extremes.
    """
    values = np.nan_to_num(gray.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1 and np.issubdtype(gray.dtype, np.floating):
        scaled = values * 255
    elif low >= 0 and high <= 65535 and np.issubdtype(gray.dtype, np.integer):
        scaled = values / 257
    else:
        scaled = (values - low) * (255 / max(high - low, 1e-12))
    return np.round(scaled).astype(np.uint8)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
