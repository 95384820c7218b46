"""The listening thread, against a microphone, a detector and a recognizer that are played."""

import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from assistant.devices.microphone import SoundDeviceMicrophone
from assistant.devices.portaudio import PortAudio
from assistant.devices.resampling import ResamplingStream
from assistant.errors import MicrophoneError, RecognizerError
from assistant.hearing.listener import Heard, HeardKind
from assistant.hearing.recognizer import Recognizer, Transcript
from assistant.hearing.voice_listener import VoiceListener
from tests.assistant.fakes_sound import (
    FakeActivity,
    FakeMicrophone,
    FakeRecognizer,
    FakeSoundDevice,
    wait_until,
)

PARTIAL, FINAL = HeardKind.PARTIAL, HeardKind.FINAL
REJECTED, FAILED = HeardKind.REJECTED, HeardKind.FAILED
QUIET, SPEECH = [10] * 20, [2000] * 10 + [3000] * 10
A_SECOND = [10] * 31


class Rig:
    """A listener and what it tells."""

    def __init__(self, *levels: int, understood: bool = True) -> None:
        self.microphone = FakeMicrophone(levels)
        self.recognizer = FakeRecognizer(understood)
        self.heard: list[Heard] = []
        self.open: Callable[[], Recognizer] = lambda: self.recognizer
        self.listener = VoiceListener(
            self.microphone, lambda: self.open(), FakeActivity, on_heard=self.heard.append
        )

    def kinds(self) -> list[HeardKind]:
        return [heard.kind for heard in self.heard]

    def ask(self) -> Heard:
        before = len(self.heard)
        self.listener.start()
        wait_until(lambda: any(kind is not PARTIAL for kind in self.kinds()[before:]))
        self.listener.close()
        return self.heard[-1]


def test_silence_ends_a_question() -> None:
    rig = Rig(*QUIET, *SPEECH, *A_SECOND)
    heard = rig.ask()
    assert rig.kinds() == [PARTIAL, PARTIAL, FINAL]
    assert [partial.transcript and partial.transcript.text for partial in rig.heard[:2]] == [
        "word ",
        "word word ",
    ]
    assert heard.transcript is not None and heard.transcript.text == "what is the total"
    assert heard.speech_ended_at == pytest.approx(40 * 0.032)
    assert rig.recognizer.levels[:15] == [10] * 11 + [2000] * 4, "half a second before speech"
    assert rig.microphone.opened == rig.microphone.closed == 1


def test_the_talk_key_ends_a_question_also_one_too_soft_for_the_detector() -> None:
    for levels in (SPEECH, QUIET):
        rig = Rig(*levels)
        rig.microphone.endless = True
        rig.listener.start()
        wait_until(lambda rig=rig: rig.microphone.at == len(rig.microphone.levels))
        rig.listener.finish()
        wait_until(lambda rig=rig: FINAL in rig.kinds())
        rig.listener.close()
        assert rig.recognizer.levels[: len(levels)] == levels


def test_what_is_not_understood_and_silence_are_told() -> None:
    assert "did not understand" in Rig(*SPEECH, *A_SECOND, understood=False).ask().message
    assert "heard nothing" in Rig(*A_SECOND * 9).ask().message
    heard = Rig(*[0] * 300).ask()
    assert heard.kind is REJECTED and "gives no sound at all; switch it on" in heard.message


def test_cancel_tells_nothing_and_start_begins_anew() -> None:
    rig = Rig(*SPEECH)
    rig.microphone.endless = True
    rig.listener.start()
    wait_until(lambda: rig.microphone.opened == 1)
    rig.listener.cancel()
    wait_until(lambda: rig.microphone.closed == 1)
    rig.heard.clear()
    for _ in range(40):
        rig.listener.start()
    rig.microphone.levels += A_SECOND
    wait_until(lambda: FINAL in rig.kinds())
    time.sleep(0.02)
    assert rig.kinds().count(FINAL) == 1, "forty keys are one question"
    rig.listener.close()
    assert rig.microphone.opened == rig.microphone.closed


def test_cancel_stops_the_recognizer_while_it_listens_and_while_it_decodes_the_rest() -> None:
    rig = Rig(*SPEECH)
    rig.microphone.endless = True
    rig.listener.start()
    wait_until(lambda: rig.recognizer.levels)
    rig.listener.cancel()
    assert rig.recognizer.given_up.is_set(), "at once, not at the next block"
    wait_until(lambda: rig.microphone.closed == 1)

    rig.microphone.levels += A_SECOND
    rig.recognizer.slow = True
    rig.listener.start()
    wait_until(lambda: rig.recognizer.finishing)
    rig.recognizer.slow = False
    rig.listener.start()
    wait_until(lambda: FINAL in rig.kinds())
    rig.listener.close()
    assert REJECTED not in rig.kinds() and rig.kinds().count(FINAL) == 1


def test_a_question_that_is_given_up_before_it_began_is_not_decoded() -> None:
    rig = Rig(*SPEECH)
    rig.microphone.endless = True
    opened, go_on = threading.Event(), threading.Event()
    really_open = rig.microphone.open

    def slowly() -> None:
        opened.set()
        assert go_on.wait(5)
        really_open()

    rig.microphone.open = slowly
    rig.listener.start()
    assert opened.wait(5)
    rig.listener.cancel()
    rig.recognizer.given_up.clear()
    go_on.set()
    wait_until(lambda: rig.microphone.closed == 1)
    assert rig.recognizer.given_up.is_set() and rig.recognizer.levels == []
    rig.listener.close()


def test_a_missing_microphone_fails_each_question_and_may_come_later() -> None:
    rig = Rig(*SPEECH, *A_SECOND)
    rig.microphone.missing = True
    rig.listener.start()
    wait_until(lambda: rig.kinds() == [FAILED])
    assert "plug one in" in rig.heard[0].message
    rig.microphone.missing = False
    assert rig.ask().kind is FINAL


def test_a_microphone_lost_while_listening_is_told() -> None:
    rig = Rig(*SPEECH)
    assert "gives no sound any more" in rig.ask().message
    assert rig.microphone.closed == 1


def test_a_recognizer_that_cannot_start_is_tried_again() -> None:
    rig = Rig(*SPEECH, *A_SECOND)

    def broken() -> Recognizer:
        raise RecognizerError("no such folder; give an unpacked Vosk model")

    rig.listener.close()
    working, rig.open = rig.open, broken
    rig.listener = VoiceListener(
        rig.microphone, lambda: rig.open(), FakeActivity, on_heard=rig.heard.append
    )
    rig.listener.start()
    wait_until(lambda: rig.kinds() == [FAILED])
    assert "unpacked Vosk model" in rig.heard[0].message
    rig.open = working
    assert rig.ask().kind is FINAL


def test_keys_without_a_question_do_nothing() -> None:
    rig = Rig()
    for _ in range(50):
        rig.listener.finish()
        rig.listener.cancel()
    rig.listener.close()
    assert rig.heard == [] and rig.microphone.opened == 0


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    card = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    # Streams that other tests left open would keep PortAudio from being started anew.
    PortAudio(MicrophoneError).streams.clear()
    return card


def test_the_microphone_is_read_at_its_own_rate_and_gives_16_khz(card: FakeSoundDevice) -> None:
    microphone = SoundDeviceMicrophone()
    microphone.open()
    form = card.streams[0].form
    assert form["samplerate"] == 48000 and form["channels"] == 1
    tone = 8000 * np.sin(2 * np.pi * 400 * np.arange(48000) / 48000)
    heard = []
    for at in range(0, 48000, form["blocksize"]):
        block = tone[at : at + form["blocksize"], None].astype(np.int16)
        form["callback"](block, len(block), None, None)
        heard.append(microphone.read().samples)
    samples = np.concatenate(heard)
    assert 15500 < len(samples) <= 16000
    spectrum = np.abs(np.fft.rfft(samples[:15500].astype(float)))
    assert np.fft.rfftfreq(15500, 1 / 16000)[spectrum.argmax()] == pytest.approx(400, abs=1)
    microphone.close()
    assert card.streams[0].closed


def test_sound_that_waits_too_long_is_dropped_oldest_first(card: FakeSoundDevice) -> None:
    card.rate_hz = 16000.0
    microphone = SoundDeviceMicrophone()
    microphone.open()
    form = card.streams[0].form
    for number in range(1000):
        form["callback"](np.full((10, 1), number, np.int16), 10, None, None)
    waiting = [int(microphone.read().samples[0]) for _ in range(600)]
    assert waiting[0] > 300 and waiting == list(range(waiting[0], waiting[0] + 600))
    assert waiting[0] + 625 >= 1000, "no more than twenty seconds wait"
    microphone.close()


def test_a_missing_or_silent_microphone_is_named(
    card: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.devices.microphone.AWAKE_AFTER_S", 0.01)
    microphone = SoundDeviceMicrophone()
    microphone.open()
    with pytest.raises(MicrophoneError, match="no sound any more; plug it in again"):
        microphone.read()
    card.broken = True
    with pytest.raises(MicrophoneError, match="cannot be opened .unplugged"):
        microphone.open()
    assert card.restarts == 1, "it may have been plugged in since PortAudio started"
    card.device = False
    with pytest.raises(MicrophoneError, match="no microphone was found"):
        microphone.open()


def test_resampled_blocks_have_no_seams() -> None:
    tone = (8000 * np.sin(2 * np.pi * 300 * np.arange(44100) / 44100)).astype(np.int16)
    stream = ResamplingStream(44100, 16000)
    pieces = [stream.accept(tone[at : at + 1411]) for at in range(0, 44100, 1411)]
    pieces.append(stream.accept(tone[:0], last=True))
    samples = np.concatenate(pieces).astype(float)
    assert len(samples) == 16000
    expected = 8000 * np.sin(2 * np.pi * 300 * np.arange(16000) / 16000)
    np.testing.assert_allclose(samples[100:-100], expected[100:-100], atol=60)


@pytest.mark.parametrize(
    ("said", "late", "asked"),
    [
        ("yes", False, "is this mill still good"),
        ("yes please", False, "is this mill still good"),
        ("yes", True, "yes"),
        ("is this milk still good", False, "is this milk still good"),
    ],
)
def test_what_is_asked_back_is_no_question_until_the_user_says_yes(
    monkeypatch: pytest.MonkeyPatch, said: str, late: bool, asked: str
) -> None:
    words = iter(
        [
            Transcript("is this mill still good", 0.5, "fake", doubt="Did you say: mill?"),
            Transcript(said, 0.9, "fake"),
            Transcript("yes", 0.9, "fake"),
        ]
    )
    rig = Rig(*SPEECH, *A_SECOND)
    monkeypatch.setattr(rig.recognizer, "finish", lambda: next(words))
    heard: list[Heard] = []
    for number in range(3):
        if late:
            monkeypatch.setattr("assistant.hearing.voice_listener.YES_WITHIN_S", -1.0)
        before = len(rig.heard)
        rig.listener.start()
        wait_until(lambda b=before: any(kind is not PARTIAL for kind in rig.kinds()[b:]))
        heard.append(rig.heard[-1])
        if number < 2:
            rig.microphone.levels += [*SPEECH, *A_SECOND]
    rig.listener.close()
    assert (heard[0].kind, heard[0].message) == (REJECTED, "Did you say: mill?")
    assert heard[1].kind is FINAL and heard[1].transcript is not None
    assert (heard[1].transcript.text, heard[1].transcript.doubt) == (asked, "")
    assert heard[2].transcript is not None and heard[2].transcript.text == "yes", "once only"


def test_an_order_to_which_nothing_can_be_added_needs_no_long_silence() -> None:
    for words, blocks in (("next line", 8), ("remember this", 22), ("how many", 22)):
        rig = Rig(*QUIET, *SPEECH, *A_SECOND)
        rig.recognizer.words = words
        assert rig.ask().kind is FINAL
        assert rig.microphone.at == 40 + blocks, "0.25 s, or 0.7 s, in blocks of 0.032 s"
