"""The gate lets every good picture pass and refuses every spoilt one, for the right cause."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.seeing.quality import SENTENCES, WASHED_OUT, Cause, check_quality, light_hint
from models.pictures import load_picture
from models.pocket.questions import Split
from models.pocket.training.pictures import render

Picture = NDArray[np.uint8]


def blurred(rgb: Picture, share: float, noise: float) -> Picture:
    """Blur by a share of the longer side, at 512 pixels, and add sensor noise."""
    height, width = rgb.shape[:2]
    scale = min(1.0, 512 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(share * max(size), 4.0)).astype(float)
    grain = np.random.default_rng(0).normal(0, noise, soft.shape)
    return np.clip(soft + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("level", [0, 60, 128, 255])
@pytest.mark.parametrize("noise", [0, 6])
def test_plain_pictures_are_black_or_blank(level: int, noise: int) -> None:
    grain = np.random.default_rng(1).normal(0, noise, (240, 320, 3))
    plain = np.clip(level + grain, 0, 255).astype(np.uint8)
    assert check_quality(plain) in ({Cause.BLACK, Cause.DARK} if level == 0 else {Cause.BLANK})


def test_one_small_shape_is_enough_also_at_equal_brightness() -> None:
    picture = np.full((128, 128, 3), (200, 100, 100), np.uint8)
    picture[50:64, 60:74] = (100, 151, 100)
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    assert np.ptp(gray) <= 1
    assert check_quality(picture) is None


def test_causes_of_one_scene() -> None:
    scene = np.full((400, 600, 3), 220, np.uint8)
    cv2.putText(scene, "EXIT", (60, 250), cv2.FONT_HERSHEY_SIMPLEX, 6, (20, 20, 120), 20)
    assert check_quality(scene) is None
    assert check_quality((scene * 0.02).astype(np.uint8)) is Cause.BLACK
    assert check_quality((scene * 0.1).astype(np.uint8)) is Cause.DARK
    assert check_quality(blurred(scene, 0.03, 0)) is Cause.BLURRED


def lettered() -> Picture:
    scene = np.random.default_rng(2).integers(60, 150, (8, 12, 3)).astype(np.uint8)
    scene = cv2.resize(scene, (600, 400), interpolation=cv2.INTER_CUBIC)
    cv2.putText(scene, "EXIT", (60, 250), cv2.FONT_HERSHEY_SIMPLEX, 6, (20, 20, 20), 20)
    return scene


def test_a_finger_before_the_lens() -> None:
    scene = lettered()
    assert check_quality(scene) is None
    fade = 1 / (1 + np.exp((np.arange(600) - 400) / 15))[None, :, None]
    half = scene * (1 - fade) + np.array((110, 50, 40)) * fade
    assert check_quality(half.astype(np.uint8)) is Cause.COVERED
    assert check_quality(np.full((400, 600, 3), (110, 50, 40), np.uint8)) is Cause.COVERED


def test_too_much_light() -> None:
    scene = lettered()
    y, x = np.mgrid[:400, :600]
    spot = np.clip(1.8 * np.exp(-((x - 300) ** 2 + (y - 200) ** 2) / 2 / 110**2), 0, 1)[..., None]
    assert check_quality((scene * (1 - spot) + 255 * spot).astype(np.uint8)) is Cause.GLARE
    paper = np.full((400, 600, 3), 200, np.uint8)
    cv2.putText(paper, "TEXT", (60, 250), cv2.FONT_HERSHEY_SIMPLEX, 6, (140, 140, 140), 20)
    assert check_quality(paper) is None
    assert check_quality(np.clip(paper * 1.65, 0, 255).astype(np.uint8)) is Cause.BRIGHT


def under_a_lamp(scene: Picture, share: float) -> Picture:
    """A reflection that hides about such a share of a picture."""
    height, width = scene.shape[:2]
    y, x = np.mgrid[:height, :width]
    distance = (x - width / 2) ** 2 / width**2 + (y - height / 2) ** 2 / height**2
    spot = np.clip(2.5 * np.exp(-distance * 2.8 / share), 0, 1)[..., None]
    return (scene * (1 - spot) + 255 * spot).astype(np.uint8)


def printed(lines: int) -> Picture:
    """White paper, and so many lines of text."""
    page = np.full((480, 400, 3), 255, np.uint8)
    for row in range(lines):
        place = (30, 30 + 430 * row // lines)
        cv2.putText(page, "Receipt 12.50 total", place, cv2.FONT_HERSHEY_SIMPLEX, 1, (60,) * 3, 2)
    return page


def test_a_reflection_over_most_of_a_picture_is_told_from_white_paper() -> None:
    for lines in (1, 4, 12):
        assert check_quality(printed(lines)) is None, "white paper is no reflection"
    page = printed(12) // 2 + 70
    assert check_quality(page) is None
    for share in (0.4, 0.5, 0.6):
        hidden = under_a_lamp(page, share)
        assert float((hidden.min(axis=-1) >= 250).mean()) > 0.42
        assert check_quality(hidden) is Cause.GLARE


def test_paper_on_which_the_print_has_nearly_vanished_is_too_bright() -> None:
    page = printed(4).astype(float)
    pale = page * 0.35 + 255 * 0.65
    assert check_quality(pale.astype(np.uint8)) is None, "as pale as thermal paper gets"
    vanished = page * 0.22 + 255 * 0.78
    assert check_quality(vanished.astype(np.uint8)) is Cause.BRIGHT


def test_without_text_a_washed_out_picture_gets_a_hint() -> None:
    scene = lettered()
    assert light_hint(scene) == ""
    washed = np.clip(scene.astype(float) * 2.5, 0, 255).astype(np.uint8)
    assert check_quality(washed) is None
    assert light_hint(washed) == WASHED_OUT


def test_pure_noise_is_no_picture() -> None:
    grain = np.random.default_rng(3).integers(0, 255, (192, 192, 3)).astype(np.uint8)
    assert check_quality(grain) is Cause.NOISE


def test_tiny_pictures_do_not_crash() -> None:
    for shape in ((1, 1, 3), (1, 900, 3), (2, 2, 3)):
        assert check_quality(np.full(shape, 200, np.uint8)) is Cause.BLANK


def test_every_cause_has_one_sentence_with_a_fix() -> None:
    for cause in Cause:
        assert SENTENCES[cause].startswith("I can't tell: ")
        assert SENTENCES[cause].count(".") == 2


@pytest.mark.slow
def test_photographs_pass_and_their_spoilt_copies_do_not(data_dir: Path) -> None:
    photographs = [
        path
        for path in sorted((data_dir / "vision").rglob("*"))
        if path.suffix in (".jpg", ".jpeg", ".png")
    ]
    assert len(photographs) >= 80
    refused = []
    for path in photographs:
        rgb = load_picture(path)
        if check_quality(rgb) is not None:
            refused.append(path.name)
        assert check_quality(rgb * 0) is Cause.BLACK
        assert check_quality((rgb * 0.05).astype(np.uint8)) in (Cause.BLACK, Cause.DARK)
        for share in (0.015, 0.03):
            for noise in (0.0, 4.0):
                assert check_quality(blurred(rgb, share, noise)) is not None, path.name
    assert len(refused) <= 0.03 * len(photographs), refused


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(400), marks=pytest.mark.slow)])
def test_drawn_pictures_pass_unless_nothing_can_be_told(seeds: range) -> None:
    refused = []
    for seed in seeds:
        example = render(seed, Split.HELD_OUT)
        cause = check_quality(example.rgb)
        if example.questions[0].skill == "decline":
            assert cause is not None, seed
        else:
            refused.append(cause is not None)
    assert sum(refused) <= 0.03 * len(refused)
