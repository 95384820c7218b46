"""Ink that no box holds, on drawn pages: the words left out are known from the drawing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.seeing.leftovers import leftovers

NAME = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
Extent = tuple[float, float, float, float]


def drawn(words: Sequence[tuple[float, float, str]], size: int) -> tuple[Image.Image, list[Extent]]:
    """A page of words, each with the rectangle of its ink."""
    image = Image.new("RGB", (1000, 500), (232, 230, 222))
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(NAME, size)
    extents = []
    for x, y, word in words:
        draw.text((x, y), word, font=font, fill=(35, 30, 40))
        extents.append(tuple(map(float, draw.textbbox((x, y), word, font=font))))
    return image, extents  # type: ignore[return-value]


def box(extent: Extent, by: float) -> Any:
    """A rectangle as a detector gives it, larger than its ink."""
    left, top, right, low = extent
    return np.array([(left - by, top - by), (right + by, top - by),
                     (right + by, low + by), (left - by, low + by)], float)  # fmt: skip


CELLS = [
    (60 + 130 * column, 40 + 44 * row, f"{217 + 31 * row + 119 * column}")
    for row in range(8)
    for column in range(6)
]


def pixels(image: Image.Image) -> Any:
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


@pytest.mark.parametrize("size", [16, 24, 34])
def test_cells_that_were_left_out_are_found_and_no_others(size: int) -> None:
    image, extents = drawn(CELLS, size)
    gone = (9, 20, 33)
    boxes = [box(each, 0.3 * size) for at, each in enumerate(extents) if at not in gone]
    found = leftovers(pixels(image), boxes)
    assert len(found) == len(gone)
    for at in gone:
        left, top, right, low = extents[at]
        held = [each for each in found if (each[0] <= (left, top)).all()
                and (each[2] >= (right, low)).all()]  # fmt: skip
        assert len(held) == 1
        assert np.ptp(held[0][:, 0]) < right - left + size and np.ptp(held[0][:, 1]) < 2 * size


def test_a_page_that_was_read_has_no_leftovers() -> None:
    image, extents = drawn(CELLS, 24)
    assert leftovers(pixels(image), [box(each, 7) for each in extents]) == []


def test_light_letters_are_found_on_a_dark_ground() -> None:
    image, extents = drawn(CELLS[:12], 24)
    dark = Image.fromarray(255 - np.asarray(image))
    found = leftovers(pixels(dark), [box(each, 7) for each in extents[1:]], dark=False)
    assert len(found) == 1 and abs(found[0][:, 0].mean() - 0.5 * sum(extents[0][::2])) < 8


def test_what_lies_far_from_text_or_is_no_letter_is_none() -> None:
    image, extents = drawn([(60, 40, "opening hours"), (60, 440, "another world")], 24)
    draw = ImageDraw.Draw(image)
    draw.line((60, 80, 900, 80), fill=(30, 30, 30), width=3)
    draw.rectangle((400, 20, 520, 140), fill=(30, 30, 30))
    assert leftovers(pixels(image), [box(extents[0], 7)]) == []
    assert leftovers(pixels(image), []) == []


def test_a_texture_beside_text_is_none() -> None:
    rng = np.random.default_rng(5)
    image, extents = drawn([(60, 40, "opening hours")], 24)
    rgb = np.array(image)
    # Blobs of the size of letters, all over the place.
    for _ in range(900):
        x, y = rng.integers(40, 980), rng.integers(90, 480)
        rgb[y : y + rng.integers(8, 20), x : x + rng.integers(5, 14)] = 40
    found = leftovers(np.ascontiguousarray(rgb[:, :, ::-1]), [box(extents[0], 7)])
    assert len(found) <= 16
