"""How the benchmark of hearing judges, without hearing anything."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from assistant.hearing.grammar import sentence_pattern
from assistant.hearing.orders import order_in
from assistant.hearing.recognizer import Transcript
from tests.assistant.made_sounds import no_speech, pink

SCRIPTS = Path(__file__).parents[2] / "scripts"
KNOWN = frozenset({"what is the total", "where is my cat"})


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = SCRIPTS / "bench_assistant_hearing.py"
    specification = importlib.util.spec_from_file_location("bench_assistant_hearing", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("said", "heard", "outcome"),
    [
        ("where is the exit", "where is the exit", "right"),
        ("where is the exit", "where is an exit", "right"),
        ("is this a five or a twenty", "is this a 5 or a 20", "right"),
        ("how much do i pay up front", "how much do i pay upfront", "right"),
        ("stop that", "be quiet", "right"),
        ("what does the lamp cost", "what does the camp cost", "misheard"),
        ("where is my cap", "where is my cat", "another"),
        ("i want the top", "stop", "another"),
        ("next line", "next word", "another"),
        ("who wrote it", "what is the total", "another"),
    ],
)
def test_what_was_heard_is_judged_by_its_content(
    bench: ModuleType, said: str, heard: str, outcome: str
) -> None:
    assert bench.judge(Transcript(heard, 0.9, "x"), said, KNOWN) == outcome
    assert bench.judge(None, said, KNOWN) == "rejected"
    asked_back = bench.judge(Transcript(heard, 0.9, "x", doubt="Did you?"), said, KNOWN)
    assert asked_back == ("asked_back_right" if outcome == "right" else "asked_back_other")


def test_free_questions_are_in_no_grammar_and_known_ones_are(bench: ModuleType) -> None:
    pattern = sentence_pattern()
    free = (SCRIPTS / "free_questions.txt").read_text().splitlines()
    assert len(free) == len(set(free)) == 120
    for text in free:
        assert not pattern.fullmatch(f"{text} ") and order_in(text) is None, text
    known = bench.known_texts()
    assert len(known) == len(set(known)) == 120
    assert all(pattern.fullmatch(f"{text} ") for text in known)


def test_each_sentence_is_spoken_by_each_voice_in_all_conditions_alike(bench: ModuleType) -> None:
    spoken = list(bench.sentences(["awb", "kal16"], 1))
    assert len(spoken) == len(set(spoken)) == 2 * 240
    conditions = {(each.stretch, each.noise_db) for each in spoken}
    assert len(conditions) == 9
    for condition in conditions:
        count = sum((each.stretch, each.noise_db) == condition for each in spoken)
        assert 45 <= count <= 62
    assert {each.noise for each in spoken if each.noise_db} == {"room", "hiss"}


def test_what_is_right_is_counted_for_each_condition(bench: ModuleType) -> None:
    def one(voice: str, noise_db: int | None, outcome: str) -> dict[str, object]:
        condition = {"voice": voice, "stretch": 1.0, "noise_db": noise_db, "cell": str(noise_db)}
        return {**condition, "outcome": outcome, "said": "a", "heard": "b"}

    outcomes = [one("awb", None, "right"), one("awb", None, "misheard"), one("awb", 20, "right")]
    found = bench.shares(outcomes)
    assert found["right_by_voice_stretch_and_noise"] == {
        "awb, 1.0, 20 dB": "1 of 1",
        "awb, 1.0, quiet": "1 of 2",
    }
    assert found["right"] == 2 and [each["outcome"] for each in found["wrong"]] == ["misheard"]


def test_sounds_without_speech_are_what_their_names_say() -> None:
    sounds = dict(no_speech(2.0))
    assert len(sounds) >= 15 and all(len(sound) == 32_000 for sound in sounds.values())
    assert not sounds["zeros"].any()
    assert 950 < np.std(sounds["hiss 1000"]) < 1050
    spectrum = np.abs(np.fft.rfft(sounds["tone 8000"].astype(float)))
    assert int(np.argmax(spectrum)) == 440 * 2, "two seconds: half a hertz a bin"
    noise = pink(64_000, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert np.mean(noise**2) == pytest.approx(1.0)
    # Halving with each octave: 100 to 200 Hz against 1600 to 3200 Hz.
    ratio = power[400:800].mean() / power[6400:12800].mean()
    assert ratio == pytest.approx(16, rel=0.3)
