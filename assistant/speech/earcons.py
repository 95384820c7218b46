"""The short signals, computed when the assistant starts: no files, nothing to install."""

import numpy as np
from numpy.typing import NDArray

from assistant.audio import AudioClip
from assistant.speech.speaker import Earcon

EARCON_RATE_HZ = 24_000

_TONES: dict[Earcon, tuple[tuple[float, float], ...]] = {
    # Rising asks for something, falling is a refusal, one low blip is work, a high one is
    # near, a chime is a find: the direction tells them apart even where the pitch cannot be judged.
    Earcon.LISTENING: ((660.0, 0.06), (880.0, 0.08)),
    Earcon.WORKING: ((440.0, 0.05),),
    Earcon.FOUND: ((880.0, 0.05), (1109.0, 0.05), (1319.0, 0.09)),
    Earcon.NEAR: ((1568.0, 0.04),),
    Earcon.ERROR: ((330.0, 0.12), (220.0, 0.16)),
}
"""Each signal's tones: pitch in Hz, length in s."""

_PEAK = 0.25
"""Of full scale: audible beside speech, which peaks near full scale, and not startling."""

_EDGE_S = 0.006
"""Each tone fades in and out; an abrupt edge is heard as a click."""


def render_earcons(rate_hz: int = EARCON_RATE_HZ) -> dict[Earcon, AudioClip]:
    """Return every signal as sound of the given rate."""
    return {
        earcon: AudioClip(np.concatenate([_tone(*tone, rate_hz) for tone in tones]), rate_hz)
        for earcon, tones in _TONES.items()
    }


def _tone(pitch_hz: float, length_s: float, rate_hz: int) -> NDArray[np.int16]:
    """One tone with soft edges, (n,) int16."""
    time_s = np.arange(round(length_s * rate_hz)) / rate_hz
    # A little of the octave above carries through small loudspeakers.
    wave = np.sin(2 * np.pi * pitch_hz * time_s) + 0.3 * np.sin(4 * np.pi * pitch_hz * time_s)
    edges = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / _EDGE_S)
    return np.round(wave * edges * (_PEAK / 1.3 * 32767)).astype(np.int16)
