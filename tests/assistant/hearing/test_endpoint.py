"""The end of speech: pure logic on probabilities, and Silero's on voices and noise."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from assistant.audio import read_question
from assistant.hearing.endpoint import Endpoint, EndpointSettings, EndpointState
from assistant.hearing.voice_activity import SileroVoiceActivity

STEP_S = 0.032
Speak = Callable[[str, str], Path]


def run(endpoint: Endpoint, *parts: tuple[float, float]) -> list[EndpointState]:
    """Feed (probability, seconds) parts and return the states without repetitions."""
    states: list[EndpointState] = []
    for probability, length_s in parts:
        for _ in range(round(length_s / STEP_S)):
            state = endpoint.accept(probability, STEP_S)
            if not states or states[-1] is not state:
                states.append(state)
    return states


WAITING, SPEAKING = EndpointState.WAITING, EndpointState.SPEAKING


def test_silence_after_speech_ends_a_question() -> None:
    endpoint = Endpoint()
    assert run(endpoint, (0.0, 1), (0.9, 1), (0.1, 0.6)) == [WAITING, SPEAKING]
    assert endpoint.silent_s == pytest.approx(0.6, abs=STEP_S)
    assert run(endpoint, (0.1, 0.2)) == [SPEAKING, EndpointState.ENDED]


def test_a_breath_inside_a_sentence_does_not_end_it() -> None:
    states = run(Endpoint(), (0.9, 0.5), (0.1, 0.5), (0.9, 0.5), (0.1, 0.8))
    assert states == [WAITING, SPEAKING, EndpointState.ENDED]


def test_a_click_is_no_speech_and_a_soft_ending_is() -> None:
    assert run(Endpoint(), (0.9, 0.1), (0.0, 2)) == [WAITING]
    assert run(Endpoint(), (0.9, 0.5), (0.4, 2)) == [WAITING, SPEAKING]
    assert run(Endpoint(), (0.4, 2)) == [WAITING]


def test_waiting_and_speaking_have_limits() -> None:
    assert run(Endpoint(), (0.0, 8.1)) == [WAITING, EndpointState.NOTHING]
    assert run(Endpoint(), (0.9, 30.1))[-1] is EndpointState.TOO_LONG


@pytest.mark.parametrize("end_s", [0.1, 1.1])
def test_the_silence_at_the_end_has_limits(end_s: float) -> None:
    with pytest.raises(ValueError, match="0.2 to 1.0"):
        Endpoint(EndpointSettings(end_s=end_s))


def voiced(samples: np.ndarray) -> np.ndarray:
    activity = SileroVoiceActivity()
    return np.array([activity.probability(block) for block in blocks(samples)]) > 0.5


def blocks(samples: np.ndarray) -> Iterable[np.ndarray]:
    return (samples[at : at + 512] for at in range(0, len(samples), 512))


def test_voices_are_speech(speak: Speak) -> None:
    for voice in ("slt", "rms"):
        clip = read_question(speak("how many circles are there", voice))
        assert voiced(clip.samples).mean() > 0.7, voice


def test_noise_tones_and_silence_are_not() -> None:
    time_s = np.arange(16000) / 16000
    noise = np.random.default_rng(0).standard_normal(16000)
    for samples in (
        np.zeros(16000),
        noise * 300,
        noise * 3000,
        8000 * np.sin(2 * np.pi * 880 * time_s),
    ):
        assert voiced(samples.astype(np.int16)).mean() < 0.1


def test_blocks_of_any_length_are_taken() -> None:
    activity = SileroVoiceActivity()
    for length in (1, 100, 511, 512, 513, 1500):
        assert 0 <= activity.probability(np.zeros(length, np.int16)) <= 1
    activity.reset()
    assert activity.probability(np.zeros(10, np.int16)) == 0
