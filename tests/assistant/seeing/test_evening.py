"""Dim pictures over all levels; what the levels must be is worked out here by hand."""

import numpy as np

from assistant.seeing.evening import brightened, spread


def picture(dark: int, bright: int) -> np.ndarray:
    rgb = np.full((400, 600, 3), dark, np.uint8)
    rgb[100:300, 100:500] = bright
    return rgb


def test_a_dim_picture_is_spread_over_all_levels() -> None:
    rgb = brightened(picture(10, 60))
    assert rgb[0, 0].tolist() == [0, 0, 0] and rgb[200, 300].min() >= 254
    assert rgb.shape == (400, 600, 3) and rgb.dtype == np.uint8


def test_what_is_bright_enough_or_only_noise_stays_as_it_is() -> None:
    for dark, bright in ((10, 200), (100, 115), (128, 128), (150, 210)):
        rgb = picture(dark, bright)
        assert brightened(rgb) is rgb
    word = picture(10, 60)[:100, :300].copy()
    assert brightened(word) is word


def test_levels_between_are_spread_evenly_and_those_beyond_are_cut() -> None:
    levels = np.array([[0, 20], [40, 70], [90, 255]], np.uint8)
    assert spread(levels, 20, 70).tolist() == [[0, 0], [102, 255], [255, 255]]
    tall = np.repeat(levels, 200, axis=0)
    assert (spread(tall, 20, 70) == np.repeat(spread(levels, 20, 70), 200, axis=0)).all()
