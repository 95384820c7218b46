"""The player against a fake PortAudio: what it hears, and how it fails."""

import builtins
import sys
import threading
from typing import Any

import numpy as np
import pytest

from assistant.audio import AudioClip
from assistant.devices.mixer import MOST_ORDERS, Mixer
from assistant.devices.player import (
    LONGEST_STEP_S,
    LOST_AFTER_S,
    OPEN_WHEN_IDLE_S,
    STALLED_AFTER_S,
    SURELY_SILENT_S,
    SoundDevicePlayer,
)
from assistant.devices.portaudio import PortAudio
from assistant.errors import PlayerError
from tests.assistant.fakes_sound import FakeSoundDevice

TONE = AudioClip(np.full(480, 1000, np.int16), 48000)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    card = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    # Streams that other tests left open would keep PortAudio from being started anew.
    PortAudio(PlayerError).streams.clear()
    # The fake never calls back by itself, so nobody need wait for it to end by itself.
    monkeypatch.setattr("assistant.devices.portaudio.HALT_S", 0.0)
    return card


def test_sound_is_brought_to_the_rate_of_the_device(card: FakeSoundDevice) -> None:
    player = SoundDevicePlayer()
    assert card.streams == [], "nothing sounds, so nothing is open"
    time_s = np.arange(1600) / 16000
    tone = np.round(8000 * np.sin(2 * np.pi * 400 * time_s)).astype(np.int16)
    player.start(AudioClip(tone, 16000))
    assert card.streams[0].form["samplerate"] == 48000
    heard = card.streams[0].turn(4800)
    expected = 8000 * np.sin(2 * np.pi * 400 * np.arange(4800) / 48000)
    np.testing.assert_allclose(heard[200:-200], expected[200:-200], atol=60)


def test_a_clip_is_played_whole_and_its_end_is_told(card: FakeSoundDevice) -> None:
    player = SoundDevicePlayer()
    ended: list[str] = []
    player.start(TONE, lambda: ended.append("first"))
    stream = card.streams[0]
    assert stream.turn(400).tolist() == [1000] * 400 and ended == []
    assert stream.turn(400).tolist() == [1000] * 80 + [0] * 320 and ended == ["first"]


def test_playing_and_waiting(card: FakeSoundDevice) -> None:
    player = SoundDevicePlayer()
    player.start(TONE)  # opens the device
    waiting = threading.Thread(target=player.play, args=(TONE,))
    waiting.start()
    while waiting.is_alive():
        card.streams[0].turn(100)
        waiting.join(0.001)


def test_stop_drops_what_the_device_holds(card: FakeSoundDevice) -> None:
    player = SoundDevicePlayer()
    ended: list[str] = []
    player.start(TONE, lambda: ended.append("first"))
    stream = card.streams[0]
    stream.turn(10)
    player.stop()
    assert stream.aborts == 1 and stream.active
    assert not stream.turn(10).any() and ended == ["first"]
    player.stop()
    player.start(TONE)
    assert stream.turn(10).all(), "the clip after a stop is heard"


def test_a_signal_sounds_over_speech_and_while_it_is_paused(card: FakeSoundDevice) -> None:
    player = SoundDevicePlayer()
    signal = AudioClip(np.full(20, 200, np.int16), 48000)
    player.start(TONE)
    stream = card.streams[0]
    player.signal(signal)
    assert stream.turn(30).tolist() == [1200] * 20 + [1000] * 10
    player.pause()
    player.signal(signal)
    assert stream.turn(30).tolist() == [200] * 20 + [0] * 10
    player.resume()
    assert len([1 for sample in stream.turn(480) if sample]) == 480 - 30, "its place was kept"


def test_a_signal_in_silence_does_not_wait_behind_it(card: FakeSoundDevice) -> None:
    player = SoundDevicePlayer()
    player.signal(TONE)
    stream = card.streams[0]
    assert stream.aborts == 0, "opened with the signal in its first block"
    stream.turn(480)
    player.signal(TONE)
    assert stream.aborts == 0, "the end of the sound before is still held"
    stream.turn(480)
    stream.turn(round(48000 * SURELY_SILENT_S) + 1)
    player.stop()
    assert stream.aborts == 0, "there is nothing to silence"
    player.signal(TONE)
    assert stream.aborts == 1 and stream.turn(480).all()


def test_a_stream_ends_by_itself_before_it_is_aborted(
    card: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.devices.portaudio.HALT_S", 5.0)
    player = SoundDevicePlayer()
    player.start(TONE)
    stream = card.streams[0]
    stopping = threading.Thread(target=player.stop)
    stream.turn(10)
    stopping.start()
    while stopping.is_alive():
        if stream.active and stream.ends == 0:
            stream.turn(10)
        stopping.join(0.001)
    assert (stream.ends, stream.aborts, stream.active) == (1, 1, True)


def test_loudness_is_set_at_once_and_sound_never_overflows(card: FakeSoundDevice) -> None:
    player = SoundDevicePlayer()
    player.start(AudioClip(np.full(100, 30000, np.int16), 48000))
    player.signal(AudioClip(np.full(10, 30000, np.int16), 48000))
    stream = card.streams[0]
    assert stream.turn(10).max() == 32767
    player.set_volume(50)
    assert set(stream.turn(10).tolist()) == {7500}
    player.set_volume(0)
    assert not stream.turn(10).any()
    for percent in (-1, 101):
        with pytest.raises(PlayerError, match="give 0 to 100"):
            player.set_volume(percent)


def test_an_idle_device_is_given_back_and_opened_again(card: FakeSoundDevice) -> None:
    clock = Clock()
    player = SoundDevicePlayer(clock=clock)
    player.start(TONE)
    for _ in range(2):
        clock.now_s += 0.9 * STALLED_AFTER_S
        card.streams[0].turn()
        player.check()
    clock.now_s += OPEN_WHEN_IDLE_S
    card.streams[0].turn()
    player.check()
    assert card.streams[0].closed
    player.check()
    player.start(TONE)
    assert len(card.streams) == 2 and card.streams[1].turn(10).all()


def pass_time(player: SoundDevicePlayer, clock: Clock, seconds: float) -> None:
    """Let the device be looked after as often as it is in use."""
    until_s = clock.now_s + seconds
    while clock.now_s < until_s:
        clock.now_s += 0.25
        player.check()


def test_a_device_that_hangs_is_opened_anew_and_what_it_played_goes_on(
    card: FakeSoundDevice,
) -> None:
    clock = Clock()
    player = SoundDevicePlayer(clock=clock)
    ended: list[str] = []
    player.start(TONE, lambda: ended.append("first"))
    card.streams[0].turn(100)
    pass_time(player, clock, STALLED_AFTER_S + 0.5)
    assert len(card.streams) == 2 and card.streams[0].closed and ended == []
    assert card.streams[1].turn(480).tolist() == [1000] * 380 + [0] * 100 and ended == ["first"]
    for _ in range(12):
        pass_time(player, clock, 0.25)
        card.streams[1].turn(10)
    player.start(TONE)
    card.streams[1].active = False
    pass_time(player, clock, 0.25)
    assert len(card.streams) == 3, "it had played on: it may hang again"


def test_a_process_that_was_held_up_does_not_take_the_device_for_lost(
    card: FakeSoundDevice,
) -> None:
    clock = Clock()
    player = SoundDevicePlayer(clock=clock)
    player.start(TONE)
    card.streams[0].turn(100)
    player.check()
    clock.now_s += 100 * LONGEST_STEP_S
    player.check()
    assert len(card.streams) == 1


@pytest.mark.parametrize("how", ["stopped", "silent", "full"])
def test_a_lost_device_is_told_and_found_again(card: FakeSoundDevice, how: str) -> None:
    clock = Clock()
    player = SoundDevicePlayer(clock=clock)
    ended: list[str] = []
    player.start(TONE, lambda: ended.append("first"))
    if how == "stopped":
        card.streams[0].active = False
        card.broken = True
    with pytest.raises(PlayerError, match="was lost; plug it in again"):
        if how == "full":
            pass_time(player, clock, STALLED_AFTER_S + 0.5)
            card.streams[1].turn(100)
        pass_time(player, clock, STALLED_AFTER_S + LOST_AFTER_S + 1.0)
    assert all(stream.closed for stream in card.streams)
    assert ended == ["first"], "nobody waits for the lost clip"
    card.broken = True
    with pytest.raises(PlayerError, match="failed .unplugged"):
        player.find_again()
    card.broken = False
    player.find_again()
    assert card.restarts == 2, "PortAudio lists its devices anew"
    player.start(TONE)
    assert card.streams[-1].turn(10).all()


def test_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice(device=False))
    with pytest.raises(PlayerError, match="no loudspeaker"):
        SoundDevicePlayer()


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


def test_a_sound_card_that_never_asks_loses_orders_but_never_blocks() -> None:
    mixer = Mixer()
    ended: list[int] = []
    for number in range(2 * MOST_ORDERS + 2):
        mixer.speak(TONE.samples, lambda number=number: ended.append(number))  # type: ignore[misc]
    mixer.stop()
    assert sorted(ended) == list(range(2 * MOST_ORDERS + 2)), "every clip is told to be over"
    mixer.speak(TONE.samples)
    out = np.zeros(10, np.int16)
    mixer.fill(out)
    assert out.all()
