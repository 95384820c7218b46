"""The signals: short, soft at the edges, and different from each other."""

import numpy as np

from assistant.speech.earcons import render_earcons
from assistant.speech.speaker import Earcon


def loudest_pitch_hz(samples: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    return float(np.fft.rfftfreq(len(samples), 1 / rate_hz)[int(spectrum.argmax())])


def test_every_signal_is_short_audible_and_without_clicks() -> None:
    clips = render_earcons(16000)
    assert set(clips) == set(Earcon)
    for clip in clips.values():
        assert clip.rate_hz == 16000 and 0.04 <= clip.duration_s <= 0.3
        loud = np.abs(clip.samples.astype(int))
        assert 4000 < loud.max() < 10000
        assert loud[0] == loud[-1] == 0, "an edge is a click"


def test_asking_rises_and_refusing_falls() -> None:
    clips = render_earcons()
    for earcon, rises in ((Earcon.LISTENING, True), (Earcon.FOUND, True), (Earcon.ERROR, False)):
        samples, rate_hz = clips[earcon].samples, clips[earcon].rate_hz
        third = len(samples) // 3
        begin = loudest_pitch_hz(samples[:third], rate_hz)
        end = loudest_pitch_hz(samples[-third:], rate_hz)
        assert (end > begin) is rises, earcon
