"""Names of colours, and how light it is."""

from typing import Any

import numpy as np
import pytest

from assistant.seeing.color import NAMES, name_colours, to_lab
from assistant.seeing.light import light_level


def plain(*rgb: int, side: int = 60) -> Any:
    return np.full((side, side, 3), rgb, np.uint8)


def test_lab_of_published_colours() -> None:
    # Primaries of sRGB under D65, as every colour calculator gives them.
    found = to_lab(np.array([[255, 0, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]], np.uint8))
    expected = [[53.24, 80.09, 67.20], [32.30, 79.19, -107.86], [100, 0, 0], [0, 0, 0]]
    assert found == pytest.approx(np.array(expected), abs=0.05)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 0, 0), "red"),
        ((0, 160, 60), "green"),
        ((25, 25, 112), "dark blue"),
        ((255, 255, 255), "white"),
        ((139, 69, 19), "brown"),
        ((128, 0, 128), "purple"),
        ((70, 70, 72), "dark grey"),
        ((255, 192, 203), "pink"),
        ((64, 224, 208), "turquoise"),
    ],
)
def test_nearest_names(rgb: tuple[int, int, int], name: str) -> None:
    assert name_colours(plain(*rgb)).names == (name,)


def test_every_name_names_its_own_colour() -> None:
    assert all(name_colours(plain(*rgb)).names == (name,) for name, rgb in NAMES.items())


def test_only_the_middle_counts_and_a_second_colour_is_told() -> None:
    picture = plain(250, 250, 250, side=100)
    picture[25:75, 25:75] = (215, 25, 30)
    assert name_colours(picture).names == ("red",)
    picture[25:75, 55:75] = (35, 85, 200)
    seen = name_colours(picture)
    assert seen.names == ("red", "blue") and seen.share == pytest.approx(0.6, abs=0.05)
    assert seen.caveat == ""


def test_doubtful_light_is_told() -> None:
    assert "dim" in name_colours(plain(40, 20, 20)).caveat
    assert "coloured" in name_colours(plain(250, 200, 120)).caveat
    assert name_colours(np.zeros((1, 1, 3), np.uint8)).names == ("black",)


def test_light_levels() -> None:
    assert light_level(plain(0, 0, 0)).percent == 0
    assert light_level(plain(255, 255, 255)).percent == 100
    assert [light_level(plain(v, v, v)).name for v in (5, 40, 128, 240)] == [
        "dark",
        "dim",
        "light",
        "bright",
    ]
    # The middle grey of sRGB, 119, is half as light as white to the eye.
    assert light_level(plain(119, 119, 119)).percent == 50


def test_a_lamp_is_found() -> None:
    room = plain(30, 30, 30, side=160)
    room[10:40, 120:150] = 255
    level = light_level(room)
    assert level.brightest == pytest.approx((0.84, 0.16), abs=0.08)
    assert light_level(plain(200, 200, 200)).brightest is None
