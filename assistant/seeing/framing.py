"""Text that goes on outside the picture, and the way to move."""

from collections.abc import Sequence

from assistant.seeing.text import TextLine

NEAR = 0.35
"""Of a line's height: text that ends so near to the picture's edge may go on behind it."""

LEAST_LINES, LEAST_SHARE = 2, 0.15
LEAST_LETTERS = 3

FIXES = {
    "right": "The text seems cut off at the right; move the page to the left.",
    "left": "The text seems cut off at the left; move the page to the right.",
    "bottom": "The text seems cut off at the bottom; move the page up.",
    "top": "The text seems cut off at the top; move the page down.",
}


def cut_off(lines: Sequence[TextLine], width: int, height: int) -> str | None:
    """Name the edge, "left", "right", "top" or "bottom", at which most lines are cut; or None.

    At the sides, several lines must touch the edge; at the top and the bottom one is enough,
    since a line that is cut along its length is rarely alone there.
    """
    long = [line for line in lines if len(line.text.strip()) >= LEAST_LETTERS]
    if not long:
        return None
    touching = {side: 0 for side in FIXES}
    for line in long:
        xs, ys = zip(*line.box, strict=True)
        margin = max(2.0, NEAR * line.height)
        touching["left"] += min(xs) <= margin
        touching["right"] += max(xs) >= width - 1 - margin
        touching["top"] += min(ys) <= 2
        touching["bottom"] += max(ys) >= height - 3
    if touching["left"] and touching["right"] and len(long) <= LEAST_LINES:
        # One word that fills the picture was cropped to, not cut off.
        return None
    side = max(touching, key=lambda each: touching[each])
    least = max(LEAST_LINES, LEAST_SHARE * len(long)) if side in ("left", "right") else LEAST_LINES
    return side if touching[side] >= least else None
