"""The grammar and the recognizers: questions are heard, everything else is not answered."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pocketsphinx
import pytest
from numpy.typing import NDArray

from assistant.audio import AudioClip, read_question
from assistant.errors import RecognizerError
from assistant.hearing.grammar import (
    PHONES,
    build_grammar,
    build_stop_grammar,
    command_sentences,
    phone_word,
    sentence_pattern,
    stop_sentences,
)
from assistant.hearing.orders import STOP
from assistant.hearing.pocketsphinx_recognizer import MAX_DISAGREEMENT, PocketSphinxRecognizer
from assistant.hearing.recognizer import AudioChunk, word_disagreement
from assistant.session.orders import Action, Order, spoken_order
from assistant.skills.wording import expand
from models.pocket.questions import all_questions

Speak = Callable[[str, str], Path]

QUESTIONS = (
    "how many circles are there",
    "what colour is the triangle",
    "what does it say",
    "read the text",
    "what is the total",
    "when does it expire",
    "what is the date",
    "how much does it cost",
    "what is the phone number",
    "is it blank",
    "describe the picture",
)
OTHER_SENTENCES = (
    "i would like a cup of coffee with milk",
    "please call my mother tomorrow",
    "set a timer for ten minutes",
    "the train leaves at seven",
    "no i did not say that",
)


class Spy:
    """A decoder that counts the samples it decodes, and may be told what it has heard."""

    def __init__(self, decoder: Any) -> None:
        self.decoder, self.samples = decoder, 0
        self.on_piece: Callable[[], None] = lambda: None
        self.heard: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.decoder, name)

    def process_raw(self, content: bytes, *, no_search: bool, full_utt: bool) -> None:
        self.decoder.process_raw(content, no_search=no_search, full_utt=full_utt)
        if not no_search:
            self.samples += len(content) // 2
            self.on_piece()

    def hyp(self) -> Any:
        return self.decoder.hyp() if self.heard is None else SimpleNamespace(hypstr=self.heard)


@pytest.fixture(scope="module")
def spied() -> tuple[PocketSphinxRecognizer, Spy, Spy]:
    """The recognizer, its decoder of the grammar, and the one that hears freely."""
    made: list[Spy] = []
    real = pocketsphinx.Decoder

    def decoder(**options: Any) -> Spy:
        made.append(Spy(real(**options)))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pocketsphinx, "Decoder", decoder)
        recognizer = PocketSphinxRecognizer()
    limited, free = made
    return recognizer, limited, free


@pytest.fixture
def recognizer(spied: tuple[PocketSphinxRecognizer, Spy, Spy]) -> PocketSphinxRecognizer:
    return spied[0]


@pytest.fixture
def spies(spied: tuple[PocketSphinxRecognizer, Spy, Spy]) -> Iterator[tuple[Spy, Spy]]:
    limited, free = spied[1:]
    limited.samples = free.samples = 0
    yield limited, free
    for spy in (limited, free):
        spy.heard, spy.on_piece = None, lambda: None


def test_grammar_holds_the_questions_and_the_pocket_models() -> None:
    sentences = sentence_pattern()
    for question in (*QUESTIONS, *all_questions()):
        heard = question.replace("color", "colour")
        assert sentences.fullmatch(heard + " "), question
    for no_sentence in ("", "what is the total on ", "total ", "how many are there ", "red "):
        assert not sentences.fullmatch(no_sentence), no_sentence


def test_grammar_is_closed_and_refuses_unknown_words() -> None:
    grammar = build_grammar(lambda word: True)
    assert grammar.startswith("#JSGF V1.0;\n")
    assert grammar.count("public ") == 1
    used = set(re.findall(r"<(\w+)>", grammar))
    assert used == set(re.findall(r"^(?:public )?<(\w+)> =", grammar, re.MULTILINE))
    with pytest.raises(RecognizerError, match="lacks: receipt, wallets;"):
        build_grammar(lambda word: word not in ("wallets", "receipt"))


def test_every_way_to_say_stop_is_an_order_to_stop_and_stands_in_the_small_grammar() -> None:
    said = stop_sentences()
    assert {"stop", "stop reading", "be quiet", "cancel", "never mind"} <= set(said)
    assert all(spoken_order(each) == Order(Action.STOP) for each in said)
    grammar = build_stop_grammar()
    assert grammar.count("public ") == 1 and f"= {STOP};" in grammar
    assert all(f" {phone_word(phone)}" in grammar for phone in PHONES) and "/1e-05/" in grammar


def test_rules_are_written_out() -> None:
    assert expand("a [b | c] (d | e f)") == ["a b d", "a b e f", "a c d", "a c e f", "a d", "a e f"]
    assert expand("a | [b] c") == ["a", "b c", "c"]
    commands = command_sentences()
    assert {"stop", "slower", "speak slower", "next line", "what did i save"} <= set(commands)
    assert all(sentence_pattern().fullmatch(command + " ") for command in commands)


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ("", "", 0.0),
        ("a b c d", "a b c d", 0.0),
        ("a b c d", "a x c d", 0.25),
        ("a b", "a b c d", 0.5),
        ("a b", "", 1.0),
        ("a b", "c d e", 1.0),
    ],
)
def test_word_disagreement(first: str, second: str, share: float) -> None:
    assert word_disagreement(first, second) == pytest.approx(share)
    assert word_disagreement(second, first) == pytest.approx(share)


@pytest.mark.parametrize(
    ("voice", "questions"),
    [
        ("slt", QUESTIONS[:3]),
        pytest.param("slt", QUESTIONS[3:], marks=pytest.mark.slow),
        pytest.param("rms", QUESTIONS, marks=pytest.mark.slow),
    ],
)
def test_spoken_questions_are_heard(
    recognizer: PocketSphinxRecognizer, speak: Speak, voice: str, questions: tuple[str, ...]
) -> None:
    for question in questions:
        transcript = recognizer.recognize(read_question(speak(question, voice)))
        assert transcript is not None, question
        assert transcript.text == question
        assert 1 - MAX_DISAGREEMENT <= transcript.confidence <= 1
        assert transcript.recognizer == "pocketsphinx"


@pytest.mark.parametrize(
    ("heard", "mended"),
    [
        ("what is the total", "what is the total"),
        ("what is the total on", "what is the total"),
        ("what is the total on the", "what is the total on the receipt"),
        ("tell me how many circles there", "tell me how many circles there are"),
        ("when does the", ""),
        ("", ""),
    ],
)
def test_ends_of_sentences_are_mended(
    recognizer: PocketSphinxRecognizer, spies: tuple[Spy, Spy], heard: str, mended: str
) -> None:
    """The decoder stops in the middle of the grammar."""
    for spy in spies:
        spy.heard = heard
    transcript = recognizer.recognize(AudioClip(np.zeros(1600, np.int16), 16000))
    assert ("" if transcript is None else transcript.text) == mended


def pieces(samples: NDArray[np.int16], length: int = 512) -> Iterator[AudioChunk]:
    for at in range(0, len(samples), length):
        yield AudioChunk(samples[at : at + length], at / 16000)


def test_a_question_is_decoded_while_it_is_spoken(
    recognizer: PocketSphinxRecognizer, speak: Speak, spies: tuple[Spy, Spy]
) -> None:
    clip = read_question(speak("what is the total", "rms"))
    recognizer.begin()
    heard = [recognizer.accept(piece) for piece in pieces(clip.samples)]
    assert [spy.samples for spy in spies] == [len(clip.samples)] * 2, "nothing is left to decode"
    at_1_s = 16000 // 512
    assert heard[: at_1_s - 1] == [""] * (at_1_s - 1), "the mean of a second is taken first"
    assert heard[at_1_s + 1].startswith("what is"), "words are known before the question ends"
    transcript = recognizer.finish()
    assert transcript is not None and transcript.text == "what is the total"
    assert [spy.samples for spy in spies] == [len(clip.samples)] * 2
    assert recognizer.finish() is None, "the question is given once"


def test_a_question_that_is_given_up_is_decoded_no_further(
    recognizer: PocketSphinxRecognizer, spies: tuple[Spy, Spy]
) -> None:
    noise = np.random.default_rng(3).integers(-3000, 3000, 32000).astype(np.int16)
    limited, free = spies
    free.on_piece = lambda: recognizer.cancel() if free.samples >= 4800 else None
    recognizer.begin()
    assert recognizer.accept(AudioChunk(noise, 0.0)) == ""
    assert recognizer.accept(AudioChunk(noise, 0.0)) == ""
    assert recognizer.finish() is None
    assert limited.samples == free.samples == 4800, "three slices of 0.1 s of 2 s"
    recognizer.begin()
    recognizer.accept(AudioChunk(noise[:16000], 0.0))
    assert limited.samples == 4800 + 1600, "the next question is decoded, until it is given up"


def hear_stop(recognizer: PocketSphinxRecognizer, clip: AudioClip) -> str:
    """What is heard while only a stop is listened for."""
    recognizer.begin(stop_only=True)
    # As much silence as is kept before a stop.
    quiet = np.random.default_rng(0).integers(-3, 4, 2400).astype(np.int16)
    for piece in pieces(np.concatenate([quiet, clip.samples])):
        assert recognizer.accept(piece) == ""
    heard = recognizer.finish()
    return "" if heard is None else heard.text


@pytest.mark.parametrize(
    ("voice", "stops", "others"),
    [
        ("slt", ("stop", "be quiet"), ("top", *QUESTIONS[3:5])),
        pytest.param(
            "slt", stop_sentences(), (*QUESTIONS, *OTHER_SENTENCES), marks=pytest.mark.slow
        ),
    ],
)
def test_only_a_stop_is_heard_while_only_that_is_listened_for(
    recognizer: PocketSphinxRecognizer,
    speak: Speak,
    voice: str,
    stops: tuple[str, ...],
    others: tuple[str, ...],
) -> None:
    for stop in stops:
        # "stop" may be heard as "stop that": it is the same order.
        assert hear_stop(recognizer, read_question(speak(stop, voice))), stop
    for other in others:
        assert hear_stop(recognizer, read_question(speak(other, voice))) == "", other
    again = recognizer.recognize(read_question(speak("what is the total", voice)))
    assert again is not None, "and then questions are heard again"


@pytest.mark.parametrize(
    ("voice", "orders", "others"),
    [
        ("slt", ("next line", "go to page four"), ("what is the total", OTHER_SENTENCES[0])),
        pytest.param(
            "rms",
            ("next sentence", "keep reading", "louder", "previous line", "repeat that"),
            # Two others sound nearly as an order does: who asks holds them against the sound.
            (*QUESTIONS[2:], *OTHER_SENTENCES),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_order_is_told_from_other_speech(
    recognizer: PocketSphinxRecognizer,
    speak: Speak,
    voice: str,
    orders: tuple[str, ...],
    others: tuple[str, ...],
) -> None:
    for order in orders:
        assert recognizer.order_in(read_question(speak(order, voice)).samples) == order
    for other in others:
        assert recognizer.order_in(read_question(speak(other, voice)).samples) == "", other
    assert recognizer.order_in(np.zeros(10, np.int16)) == ""
    again = recognizer.recognize(read_question(speak("what is the total", voice)))
    assert again is not None, "and questions are heard as before"


@pytest.mark.slow
@pytest.mark.parametrize("voice", ["slt", "rms"])
def test_a_question_in_pieces_is_heard_as_in_one(
    recognizer: PocketSphinxRecognizer, speak: Speak, voice: str
) -> None:
    for question in (*QUESTIONS, *OTHER_SENTENCES):
        clip = read_question(speak(question, voice))
        whole = recognizer.recognize(clip)
        recognizer.begin()
        for piece in pieces(clip.samples):
            recognizer.accept(piece)
        heard = recognizer.finish()
        assert (heard and heard.text) == (whole and whole.text), question
        assert heard is None or whole is None or abs(heard.confidence - whole.confidence) < 0.3


def test_other_speech_is_not_answered(recognizer: PocketSphinxRecognizer, speak: Speak) -> None:
    for sentence in OTHER_SENTENCES[:2]:
        assert recognizer.recognize(read_question(speak(sentence, "slt"))) is None, sentence


def test_silence_noise_and_tones_are_not_answered(recognizer: PocketSphinxRecognizer) -> None:
    noise = np.random.default_rng(0).standard_normal(32000)
    time_s = np.arange(32000) / 16000
    for samples in (
        np.zeros(32000),
        noise * 30,
        noise * 3000,
        8000 * np.sin(2 * np.pi * 440 * time_s),
        np.zeros(10),
    ):
        clip = AudioClip(samples.astype(np.int16), 16000)
        assert recognizer.recognize(clip) is None


def test_what_was_heard_before_changes_nothing(
    recognizer: PocketSphinxRecognizer, speak: Speak
) -> None:
    question = read_question(speak("what is the total", "rms"))
    first = recognizer.recognize(question)
    loud = np.random.default_rng(1).integers(-20000, 20000, 48000)
    recognizer.recognize(AudioClip(loud.astype(np.int16), 16000))
    assert recognizer.recognize(question) == first


@pytest.mark.slow
def test_more_other_speech_is_not_answered(
    recognizer: PocketSphinxRecognizer, speak: Speak
) -> None:
    for sentence in OTHER_SENTENCES:
        assert recognizer.recognize(read_question(speak(sentence, "rms"))) is None, sentence


@pytest.mark.slow
def test_people_who_ask_for_something_else_are_not_answered(
    recognizer: PocketSphinxRecognizer, data_dir: Path
) -> None:
    clips = {
        path.name: read_question(path) for path in sorted((data_dir / "speech").rglob("*.wav"))
    }
    # Decoding freely takes about as long as the recording; the long ones are the easy ones.
    shortest = sorted(clips, key=lambda name: clips[name].duration_s)[:12]
    assert len(shortest) == 12
    for name in shortest:
        assert recognizer.recognize(clips[name]) is None, name
