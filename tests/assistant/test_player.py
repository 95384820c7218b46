"""The player against a fake PortAudio: what it hears, and how it fails."""

import builtins
import sys
import types
from typing import Any

import numpy as np
import pytest

from assistant.audio import AudioClip
from assistant.devices.player import SoundDevicePlayer
from assistant.errors import PlayerError


class FakePortAudioError(Exception):
    """Stands for sounddevice.PortAudioError."""


class FakeSoundDevice(types.ModuleType):
    """A sound card that takes one rate only and keeps what it is given."""

    PortAudioError = FakePortAudioError

    def __init__(self, *, device: bool = True, lost: bool = False) -> None:
        super().__init__("sounddevice")
        self.heard: list[tuple[Any, int]] = []
        self._device, self._lost = device, lost

    def query_devices(self, kind: str) -> dict[str, float]:
        if not self._device:
            raise FakePortAudioError("no default output device")
        return {"default_samplerate": 48000.0}

    def check_output_settings(self, samplerate: int, channels: int) -> None:
        if samplerate != 48000:
            raise FakePortAudioError("invalid sample rate")

    def play(self, samples: Any, rate_hz: int, blocking: bool) -> None:
        if self._lost:
            raise FakePortAudioError("unplugged")
        self.heard.append((samples, rate_hz))


def test_sound_is_brought_to_the_rate_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    card = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    ramp = np.arange(0, 16000, 10, dtype=np.int16)
    SoundDevicePlayer().play(AudioClip(ramp, 16000))
    samples, rate_hz = card.heard[0]
    assert rate_hz == 48000
    assert len(samples) == 3 * len(ramp)
    np.testing.assert_allclose(samples[:-3:3], ramp[:-1], atol=1)
    assert abs(int(samples[301]) - 1003) <= 1


def test_no_device_and_lost_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice(device=False))
    with pytest.raises(PlayerError, match="no loudspeaker"):
        SoundDevicePlayer()
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice(lost=True))
    with pytest.raises(PlayerError, match="unplugged"):
        SoundDevicePlayer().play(AudioClip(np.zeros(10, np.int16), 48000))


def test_no_portaudio_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_portaudio(name: str, *rest: Any, **more: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_portaudio)
    with pytest.raises(PlayerError, match="libportaudio2"):
        SoundDevicePlayer()
