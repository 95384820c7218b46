"""Sound at another rate, whole or as it comes, by libsoxr."""

import numpy as np
import soxr
from numpy.typing import NDArray

from assistant.audio import AudioClip


def resampled(clip: AudioClip, rate_hz: int) -> AudioClip:
    """Return the clip at another rate."""
    if rate_hz == clip.rate_hz:
        return clip
    samples = soxr.resample(clip.samples, clip.rate_hz, rate_hz, quality="HQ")
    return AudioClip(np.asarray(samples, np.int16), rate_hz)


class ResamplingStream:
    """Brings sound that comes in blocks to another rate, without seams between the blocks."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Prepare for mono int16 sound."""
        self._same = from_hz == to_hz
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")

    def accept(self, samples: NDArray[np.int16], *, last: bool = False) -> NDArray[np.int16]:
        """Return what is ready after these samples; with `last`, all that is left."""
        if self._same:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last=last), np.int16)
