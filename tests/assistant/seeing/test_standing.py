"""Which way displays and dots stand: they are drawn upright, and turned by numpy."""

from typing import Any

import numpy as np
import pytest

from assistant.seeing.glyph_ink import glyph_ink
from assistant.seeing.glyph_rows import glyph_rows
from assistant.seeing.standing import over_rows, runs_up
from tests.assistant.seeing.displays import display, dotted


def turned(bgr: Any, quarters: int) -> Any:
    return np.ascontiguousarray(np.rot90(bgr, quarters))


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_display_or_dots_on_their_side_run_up(quarters: int) -> None:
    for upright in (display(["158", "72"])[0], dotted("12.08.27")[0]):
        for picture, wanted in ((upright, False), (turned(upright, quarters), True)):
            assert runs_up(picture, glyph_rows(picture), glyph_ink(picture)) == wanted


def test_bars_and_bare_ground_run_nowhere() -> None:
    fence = np.full((400, 600, 3), 190, np.uint8)
    fence[60:340, 40:560:60] = fence[60:340, 55:560:60] = 40
    for picture in (fence, turned(fence, 1), np.full((300, 200, 3), 128, np.uint8)):
        assert not runs_up(picture, glyph_rows(picture), glyph_ink(picture))


def test_a_display_on_its_head_is_known_by_its_figures() -> None:
    for figures in (["74"], ["74", "158"]):
        picture, _ = display(figures)
        assert over_rows(picture, glyph_rows(picture)) == []
    alone = turned(display(["74"])[0], 2)
    assert [said for _, said in over_rows(alone, glyph_rows(alone))] == ["74"]
    # 158 is 851 on its head: as good as any.
    both = turned(display(["158"])[0], 2)
    assert over_rows(both, glyph_rows(both)) == []


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_ink_is_turned_as_the_picture_is(quarters: int) -> None:
    picture = turned(dotted("12.08.27")[0], quarters)
    own, beside = glyph_ink(turned(picture, 1)), glyph_ink(picture).beside()
    assert (own.copied, own.size) == (beside.copied, beside.size)
    for ours, theirs in zip(own.found, beside.found, strict=True):
        # What closes gaps is not quite as wide as it is high, so that a pixel more may be ink.
        off = np.abs(ours[:, None, :4] - theirs[None, :, :4]).max(axis=2)
        assert len(ours) == len(theirs) == 0 or (off.min(axis=1) <= 2).mean() >= 0.8
