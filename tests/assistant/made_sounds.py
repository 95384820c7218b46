"""Sounds that are no speech, made from nothing: what a microphone hears when nobody asks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000


def pink(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise whose power falls with frequency, as that of rooms does; its mean square is 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, samples)
    return noise / np.sqrt(np.mean(noise**2))


def no_speech(seconds: float = 5.0) -> Iterator[tuple[str, NDArray[np.int16]]]:
    """Silence, hiss, hum, clicks and music at several levels, by name."""
    rng = np.random.default_rng(7)
    count = round(seconds * RATE_HZ)
    time_s = np.arange(count) / RATE_HZ
    yield "zeros", np.zeros(count, np.int16)
    for level in (3, 100, 1000, 6000):
        yield f"hiss {level}", _clipped(level * rng.standard_normal(count))
        yield f"fan {level}", _clipped(level * pink(count, rng))
    for level in (500, 8000):
        hum = sum(np.sin(2 * np.pi * 50 * k * time_s) / k for k in (1, 2, 3, 5))
        yield f"hum {level}", _clipped(level * np.asarray(hum) / 1.5)
        yield f"tone {level}", _clipped(level * np.sin(2 * np.pi * 440 * time_s))
    for level in (4000, 20000):
        clicks = np.zeros(count)
        for at in rng.integers(0, count - 400, 12):
            clicks[at : at + 400] += rng.standard_normal(400) * np.exp(-np.arange(400) / 60)
        yield f"clicks {level}", _clipped(level * clicks)
    for level in (1500, 8000):
        yield f"music {level}", _clipped(level * _music(time_s))
        yield f"melody {level}", _clipped(level * _melody(time_s))
    knocks = np.zeros(count)
    for at in range(8000, count - 4000, 12000):
        knocks[at : at + 4000] += np.sin(2 * np.pi * 120 * time_s[:4000]) * np.exp(
            -time_s[:4000] * 30
        )
    yield "knocks", _clipped(9000 * knocks)


def _music(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Four chords with harmonics, half a second each."""
    chords = ((262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294))
    sound = np.zeros_like(time_s)
    for number, start in enumerate(np.arange(0, time_s[-1], 0.5)):
        now = (time_s >= start) & (time_s < start + 0.5)
        past = time_s[now] - start
        for note in chords[number % 4]:
            for harmonic in (1, 2, 3, 4):
                tone = np.sin(2 * np.pi * note * harmonic * past) / harmonic
                sound[now] += tone * np.exp(-3 * past) / 4
    return sound


def _melody(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """One instrument with a vibrato, which is nearest to a voice."""
    notes = np.array([262, 294, 330, 349, 392, 349, 330, 294])
    pitch = notes[(time_s / 0.4).astype(int) % 8] * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * time_s))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    return np.asarray(sum(np.sin(k * phase) / k for k in range(1, 7)) / 2)


def _clipped(sound: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(sound, -32768, 32767).astype(np.int16)
