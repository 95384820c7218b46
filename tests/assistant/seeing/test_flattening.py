"""Drawn pages that are bent and lit in known ways."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.seeing.evening import evened
from assistant.seeing.flattening import flat_page, print_of
from assistant.seeing.text import TextLine

FONT = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 24)
TEXT = "the quick brown fox jumps over some lazy dogs here"
WIDTH, HEIGHT, MARGIN = 760, 620, 100


def page() -> np.ndarray:
    """Twelve lines of text on white paper."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (240, 238, 232))
    draw = ImageDraw.Draw(image)
    for number in range(12):
        draw.text((40, MARGIN + 36 * number), TEXT, font=FONT, fill=(25, 25, 25))
    return np.asarray(image)


def sunk(x: np.ndarray, depth: float) -> np.ndarray:
    """How far a place of the bent page lies below that of the flat one, in pixels."""
    return depth * ((2 * x / WIDTH - 1) ** 2 - 0.5)


def bent(depth: float) -> np.ndarray:
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    source = (y - sunk(x, depth)).astype(np.float32)
    return cv2.remap(page(), x, source, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("depth", [60.0, -60.0, 110.0])
def test_a_bent_page_is_laid_flat_and_its_lines_are_found_again(depth: float) -> None:
    rgb = bent(depth)
    flat = flat_page(rgb, print_of(rgb))
    assert flat is not None
    # On flat paper rows between the lines of text are bare; on the bent page none is.
    dark = (flat.rgb[:, 60:640].min(axis=(1, 2)) < 120).astype(int)
    assert int((np.diff(dark) == 1).sum()) >= 11
    seen = (rgb[:, 60:640].min(axis=(1, 2)) < 120).astype(int)
    assert int((np.diff(seen) == 1).sum()) < 4
    for y in (150.0, 350.0):
        box = ((60.0, y), (380.0, y), (640.0, y), (200.0, y))
        line = flat.line(TextLine("x", box, 1.0))
        assert line.flat_box == box
        given = np.array(line.box)
        np.testing.assert_array_equal(given[:, 0], [60, 380, 640, 200])
        assert np.ptp(given[:, 1] - sunk(given[:, 0], depth)) < 4


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_bent_page_that_lies_on_its_side_is_laid_flat_too(quarters: int) -> None:
    rgb = np.ascontiguousarray(np.rot90(bent(90.0), quarters))
    found = print_of(rgb)
    assert found.is_page
    flat = flat_page(rgb, found)
    assert flat is not None and flat.rgb.shape[1] == WIDTH
    dark = (flat.rgb[:, 120:640].min(axis=(1, 2)) < 120).astype(int)
    assert int((np.diff(dark) == 1).sum()) >= 11
    # A line through the middle of the flat page bends in the picture that was given as drawn.
    box = ((150.0, 250.0), (380.0, 250.0), (600.0, 250.0), (200.0, 250.0))
    x, y = np.array(flat.line(TextLine("x", box, 1.0)).box).T
    # Where the places lie on the bent page before it was put on its side.
    across, down = (WIDTH - 1 - y, x) if quarters == 1 else (y, HEIGHT - 1 - x)
    ends = [150, 380, 600, 200]
    np.testing.assert_allclose(
        across, np.array(ends) if quarters == 3 else WIDTH - 1 - np.array(ends)
    )
    assert np.ptp(down - sunk(across, 90.0)) < 5


def test_flat_pages_and_pictures_without_text_stay_as_they_are() -> None:
    leaning = np.asarray(Image.fromarray(page()).rotate(4, fillcolor=(240, 238, 232)))
    noise = np.random.default_rng(1).integers(0, 255, (400, 500, 3)).astype(np.uint8)
    aside = np.ascontiguousarray(np.rot90(page()))
    for rgb in (page(), leaning, aside, noise, np.zeros((50, 60, 3), np.uint8)):
        assert flat_page(rgb, print_of(rgb)) is None


def test_a_page_is_told_from_a_sign() -> None:
    sign = np.full((600, 900, 3), 230, np.uint8)
    sign[250:330, 300:600] = page()[100:180, 40:340]
    assert print_of(page()).is_page and not print_of(sign).is_page


def test_the_light_on_a_page_is_evened_out() -> None:
    light = np.linspace(1.0, 0.1, WIDTH)[None, :, None]
    rgb = (page() * light).astype(np.uint8)
    lit = evened(rgb)
    assert lit[MARGIN - 40 : MARGIN - 20].min() > 170
    for left, right in ((40, 200), (460, 620)):
        assert lit[MARGIN:-100, left:right].min() < 80
    flat = page()
    assert evened(flat) is flat
