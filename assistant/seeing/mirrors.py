"""Whether a page is seen in a mirror, told by its first lines."""

from collections.abc import Sequence
from typing import Any

from assistant.seeing.pieces import PieceReader, Reading, is_word

MIRROR_DOUBT, MIRROR_SURE, MIRROR_MARGIN, MIRROR_LETTERS = 0.9, 0.9, 0.08, 6
"""Mean confidence of the first lines below which they may be seen in a mirror; how sure they must
then be flipped, and how much surer; and how many letters tell it."""

MOST_FLIPPED = 4
"""The longest lines of the first ones are read flipped."""


def is_mirrored(pieces: PieceReader, bgr: Any, readings: Sequence[Reading]) -> bool:
    """True if the first lines of a page are hard to read, and much easier flipped."""
    weights = [max(len(each.text), each.letters) for each in readings]
    mean = _mean([each.confidence for each in readings], weights)
    if sum(weights) < MIRROR_LETTERS or mean >= MIRROR_DOUBT:
        return False
    if any(is_word(each.text, each.confidence) for each in readings):
        return False  # in a mirror no whole word is read so surely
    longest = sorted(zip(weights, readings, strict=True), key=lambda each: -each[0])
    weights = [weight for weight, _ in longest[:MOST_FLIPPED]]
    chosen = [each for _, each in longest[:MOST_FLIPPED]]
    mean = _mean([each.confidence for each in chosen], weights)
    for over in (False, True):  # a page in a mirror is often taken for one that is upside down
        flipped = pieces.flipped(bgr, [each.box for each in chosen], over=over)
        letters = [len("".join(text.split())) for text, _ in flipped]
        if sum(map(str.isalpha, "".join(text for text, _ in flipped))) < MIRROR_LETTERS:
            continue  # figures of segments are others in a mirror
        # Letters that look alike in a mirror are surest on their own: as many must come out.
        if sum(letters) < max(MIRROR_LETTERS, 0.7 * sum(weights)):
            continue
        sure = _mean([score for _, score in flipped], letters)
        if sure >= MIRROR_SURE and sure > mean + MIRROR_MARGIN:
            return True
    return False


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    pairs = zip(values, weights, strict=True)
    return sum(value * weight for value, weight in pairs) / max(sum(weights), 1)
