"""Is this a picture that was seen before? Corners of it are looked for in the other picture.

A model's picture vector says what kind of picture it is; the pocket model's cannot tell one
photograph from another (`scripts/results/assistant_picture_memory.json`). Corners can: the same
thing from a little nearer, turned, or in another light keeps dozens of them in the same places
relative to each other, and two different things share fewer than ten.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.pixels import corners, laid_over, luminance, shrunk
from models.pictures import RgbPicture

WORKING_SIDE = 512
MOST_CORNERS = 400
"""14 kB a picture; with more, one comparison takes over a millisecond."""

LEAST_CORNERS = 30
"""A wall or a sky has fewer: nothing to know it again by."""

LEAST_FITTING = 12
"""Corners in fitting places that make two pictures the same. Different photographs: 9 at most, but
for two receipts of one shop, which are the same form."""

_CLEAR = 0.8  # of the second best match: D. Lowe's ratio test, IJCV 60 (2004), section 7.1
_LEAST_MATCHED = 6
_WITHIN = 6.0
_SAME_PLACE = 8
"""Pixels; corners of one spot at several sizes are one piece of evidence, not several."""

_RECORD = np.dtype([("place", "<u2", 2), ("code", "u1", 32)])


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Corners of one picture.

    places: (n, 2) float32, x and y in pixels of the picture at 512 on its longer side.
    codes:  (n, 32) uint8, what each looks like.
    """

    places: NDArray[np.float32]
    codes: NDArray[np.uint8]

    @property
    def are_enough(self) -> bool:
        """False for a picture that cannot be known again."""
        return len(self.places) >= LEAST_CORNERS

    def to_bytes(self) -> bytes:
        """36 bytes a corner; places are rounded to pixels."""
        records = np.zeros(len(self.places), _RECORD)
        records["place"], records["code"] = np.round(self.places), self.codes
        return records.tobytes()

    @staticmethod
    def from_bytes(stored: bytes) -> "Landmarks":
        """What `to_bytes` has written; raises ValueError for anything else."""
        records = np.frombuffer(stored, _RECORD)
        return Landmarks(records["place"].astype(np.float32), records["code"].copy())


def find_landmarks(rgb: RgbPicture) -> Landmarks:
    """Find the corners of a picture (H, W, 3)."""
    return Landmarks(*corners(luminance(shrunk(rgb, WORKING_SIDE)), MOST_CORNERS))


def fitting(ours: Landmarks, theirs: Landmarks) -> int:
    """How many corners of two pictures look alike and lie alike; see `LEAST_FITTING`."""
    if min(len(ours.codes), len(theirs.codes)) < _LEAST_MATCHED:
        return 0
    apart = _differing_bits(ours.codes, theirs.codes)
    nearest = np.argpartition(apart, 1, axis=1)[:, :2]
    best, second = np.take_along_axis(apart, nearest, axis=1).T
    matched = np.flatnonzero(best < _CLEAR * second)
    if len(matched) < _LEAST_MATCHED:
        return 0
    here, there = ours.places[matched], theirs.places[nearest[matched, 0]]
    fits = laid_over(here, there, _WITHIN)
    return len({tuple(place) for place in (here[fits] // _SAME_PLACE).astype(int).tolist()})


def _differing_bits(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Bits that differ, (n, m), of codes (n, 32) and (m, 32)."""
    # As signs, the product counts agreeing bits minus differing ones: one matrix product.
    signs = [np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1 for codes in (ours, theirs)]
    size = signs[0].shape[1]
    return np.asarray((size - signs[0] @ signs[1].T) / 2, np.int32)
