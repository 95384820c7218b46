"""When an order is over: sooner than a question, and never within a sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assistant.audio import QUESTION_RATE_HZ, AudioClip, read_question
from assistant.hearing.endpoint import Endpoint
from assistant.hearing.question import SpokenQuestion
from assistant.hearing.recognizer import AudioChunk, Transcript
from assistant.hearing.voice_activity import SileroVoiceActivity
from tests.assistant.fakes_sound import FakeActivity

Speak = Callable[[str, str], Path]
BLOCK_S = 0.032


class Heard:
    """A recognizer that knows the words from the first block on."""

    name = "heard"

    def __init__(self, words: str) -> None:
        self.words = words

    def recognize(self, clip: AudioClip) -> Transcript | None:
        return Transcript(self.words, 1.0, self.name)

    def begin(self, *, stop_only: bool = False) -> None:
        pass

    def accept(self, chunk: AudioChunk) -> str:
        return self.words

    def finish(self) -> Transcript | None:
        return Transcript(self.words, 1.0, self.name)

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        pass


def silence_until_over(words: str) -> float:
    """Seconds of silence after which a question of these words is over."""
    question = SpokenQuestion(Heard(words), FakeActivity(), Endpoint())
    block = np.ones(512, np.int16)
    for _ in range(20):
        assert not question.accept(AudioChunk(3000 * block, 0.0))
    blocks = 1
    while not question.accept(AudioChunk(10 * block, 0.0)):
        blocks += 1
    return blocks * BLOCK_S


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("stop", 0.25),
        ("next line", 0.25),
        ("go to page two", 0.25),
        ("go to page 2", 0.25),
        # With these people begin what is no order.
        ("yes", 0.35),
        ("no", 0.35),
        ("help", 0.35),
        # More may follow, or it is no order.
        ("remember this", 0.7),
        ("have i seen this", 0.7),
        ("what is the total", 0.7),
        ("", 0.7),
    ],
)
def test_an_order_that_is_known_and_whole_is_over_sooner(words: str, seconds: float) -> None:
    assert seconds <= silence_until_over(words) < seconds + BLOCK_S + 1e-6


@pytest.mark.parametrize(
    ("sentence", "order"),
    [
        ("stop, that is not what i meant", "stop"),
        pytest.param("slower, i cannot follow", "slower", marks=pytest.mark.slow),
        pytest.param("continue, but read slower", "continue", marks=pytest.mark.slow),
        pytest.param("no, the other one", "no", marks=pytest.mark.slow),
        pytest.param("go on. and what is the date", "go on", marks=pytest.mark.slow),
        pytest.param("repeat that, but louder", "repeat that", marks=pytest.mark.slow),
    ],
)
def test_a_sentence_that_begins_as_an_order_is_heard_to_its_end(
    speak: Speak, sentence: str, order: str
) -> None:
    """Even where its first words are all that is known from the first block to the last."""
    for voice in ("slt", "rms"):
        said = read_question(speak(sentence, voice)).samples
        quiet = np.random.default_rng(0).integers(-3, 4, QUESTION_RATE_HZ).astype(np.int16)
        sound = np.concatenate([quiet[:8000], said, quiet])
        question = SpokenQuestion(Heard(order), SileroVoiceActivity(), Endpoint())
        ended = next(
            at
            for at in range(0, len(sound), 512)
            if question.accept(AudioChunk(sound[at : at + 512], at / QUESTION_RATE_HZ))
        )
        last = 8000 + len(said) - int(np.argmax(np.abs(said[::-1]) > 200))
        assert ended > last, (voice, "before the last word")
