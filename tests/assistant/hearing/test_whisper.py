"""Whisper as a recognizer: what is read, what is believed, and what is taken instead."""

import math
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.audio import QUESTION_RATE_HZ, AudioClip
from assistant.hearing.recognizer import AudioChunk, Transcript
from assistant.hearing.whisper_model import (
    LONGEST_S,
    Guess,
    Reading,
    Score,
    is_repeated,
    other_window_of,
    said_once,
    window_of,
)
from assistant.hearing.whisper_recognizer import WhisperRecognizer, pieces
from tests.assistant.fakes_sound import wait_until

SOUNDS = {
    "has": "HH AE Z", "as": "AE Z", "it": "IH T", "expired": "IH K S P AY ER D", "is": "IH Z",
    "read": "R EH D", "red": "R EH D", "the": "DH AH", "letter": "L EH T ER", "wet": "W EH T",
    "when": "W EH N", "do": "D UW", "i": "AY", "have": "HH AE V", "to": "T UW", "pay": "P EY",
    "bill": "B IH L", "milk": "M IH L K", "mill": "M IH L", "still": "S T IH L", "good": "G UH D",
}  # fmt: skip
VOICED = 2000
BLOCK = 512


class Reader:
    """A model that reads what the test says, and scores texts by a table."""

    def __init__(self, *texts: str, logprob: float = -0.2, **more: float) -> None:
        self.texts, self.logprob, self.more = list(texts), logprob, more
        self.scores: dict[str, float] = {}
        self.heard: list[NDArray[np.int16]] = []
        self.scored: list[str] = []
        self.second = "Something else."
        self.go_on = threading.Event()
        self.go_on.set()

    def read(self, samples: NDArray[np.int16], *, again: bool = False) -> Reading:
        if again:
            return Reading(self.second, self.logprob, 0.1, 1.0)
        self.heard.append(samples)
        assert self.go_on.wait(5)
        text = self.texts[min(len(self.heard), len(self.texts)) - 1]
        no_speech, squeezed = self.more.get("no_speech", 0.1), self.more.get("squeezed", 1.0)
        return Reading(text, self.logprob, no_speech, squeezed)

    def score(self, reading: Reading, text: str) -> Score:
        self.scored.append(text)
        usual = -3.0 if text == reading.text else -50.0
        return Score(self.scores.get(text, usual), 2 * len(text.split()))


class Stops:
    """Hears a stop in the loudest level only."""

    def begin(self, *, stop_only: bool = False) -> None:
        assert stop_only, "questions are not for it"
        self.level = 0

    def accept(self, chunk: AudioChunk) -> str:
        self.level = max(self.level, int(chunk.samples.max(initial=0)))
        return ""

    def finish(self) -> Transcript | None:
        return Transcript("stop", 1.0, "stops") if self.level == 9000 else None

    def cancel(self) -> None:
        pass

    def order_in(self, samples: NDArray[np.int16]) -> str:
        return "stop" if samples.max(initial=0) == 9000 else ""

    def phones(self, word: str) -> str | None:
        return SOUNDS.get(word)


class Activity:
    """Speech is what is loud."""

    def probability(self, samples: NDArray[np.int16]) -> float:
        return float(samples.max(initial=0) >= VOICED)

    def reset(self) -> None:
        pass


KNOWN = (
    "has it expired", "read the letter", "when do i have to pay", "is it still good", "next line",
)  # fmt: skip


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some known sentences are enough, and quickly there."""
    known = {sentence: sentence for sentence in KNOWN}
    monkeypatch.setattr("assistant.hearing.whisper_recognizer.known_sentences", lambda: known)


def recognizer(reader: Reader, language: str = "en") -> WhisperRecognizer:
    return WhisperRecognizer(
        Path("anywhere"),
        language,
        load=lambda folder, spoken: reader,
        orders=Stops(),
        activity=Activity(),
        general=lambda word, before: 1e-3,
    )


def sound(*parts: tuple[int, float]) -> NDArray[np.int16]:
    """Parts of a level and seconds."""
    return np.concatenate(
        [np.full(round(s * QUESTION_RATE_HZ), level) for level, s in parts]
    ).astype(np.int16)


SPOKEN = AudioClip(sound((0, 1.0), (VOICED, 2.0), (0, 1.0)), QUESTION_RATE_HZ)


NOISY = AudioClip(sound((300, 1.0), (VOICED, 2.0), (300, 1.0)), QUESTION_RATE_HZ)


def heard(reader: Reader, clip: AudioClip = SPOKEN, language: str = "en") -> Transcript | None:
    return recognizer(reader, language).recognize(clip)


def test_a_free_question_is_heard_as_it_is_read() -> None:
    reader = Reader(" Who sent me 2.50 dollars, Anna\u2019s aunt?")
    assert heard(reader) == Transcript(
        "who sent me 2.50 dollars anna's aunt", pytest.approx(math.exp(-0.2)), "whisper"
    )
    # From before the first voiced step to behind the last, and no more of the silence.
    assert 2.0 * QUESTION_RATE_HZ < len(reader.heard[0]) < 3.3 * QUESTION_RATE_HZ
    assert (reader.heard[0] == VOICED).sum() == 2 * QUESTION_RATE_HZ


@pytest.mark.parametrize("parts", [((0, 3.0),), ((0, 1.0), (VOICED, 0.1), (0, 1.0)), ((9, 0.0),)])
def test_without_speech_nothing_is_read(parts: tuple[tuple[int, float], ...]) -> None:
    reader = Reader("Thank you.")
    one = recognizer(reader)
    one.begin()
    samples = sound(*parts)
    for at in range(0, len(samples), BLOCK):
        assert one.accept(AudioChunk(samples[at : at + BLOCK], 0.0)) == ""
    assert one.finish() is None and reader.heard == []


@pytest.mark.parametrize(
    "reader",
    [
        Reader("Thank you.", logprob=-0.9),
        Reader("Thank you.", no_speech=0.7),
        Reader("You you you you you.", squeezed=3.0),
        Reader("..."),
        Reader(""),
    ],
)
def test_what_cannot_be_believed_is_nothing(reader: Reader) -> None:
    assert heard(reader) is None


@pytest.mark.parametrize(
    ("read", "logprob", "known", "worse", "taken"),
    [
        # About as good, and what people say: it was the known sentence.
        ("As it expired.", -0.5, "Has it expired.", 7.0, "has it expired"),
        ("As it expired.", -0.5, "Has it expired.", 9.0, None),
        ("As it expired.", -0.2, "Has it expired.", 3.0, "has it expired"),
        ("As it expired.", -0.2, "Has it expired.", 8.0, "as it expired"),
        ("Red the letter.", -0.2, "Read the letter.", 3.0, "read the letter"),
        # The beginning of a free question is a known one, and fits all that it says.
        ("When do I have to pay the bill?", -0.2, "When do I have to pay?", 1.0,
         "when do i have to pay the bill"),
        # A known sentence that sounds otherwise is not even tried.
        ("Is the milk still wet?", -0.2, "Is it still good?", -9.0, "is the milk still wet"),
    ],
)  # fmt: skip
def test_a_known_sentence_is_taken_only_where_the_sound_allows_it(
    read: str, logprob: float, known: str, worse: float, taken: str | None
) -> None:
    reader = Reader(read, logprob=logprob)
    reader.scores = {read: -3.0, known: -3.0 - worse}
    transcript = heard(reader)
    if taken is None:
        assert transcript is not None and transcript.doubt, "unsure, and nothing known: asked back"
    else:
        assert transcript is not None and (transcript.text, transcript.doubt) == (taken, "")


def test_a_known_sentence_that_hardly_fits_is_not_believed() -> None:
    reader = Reader("As it expired.", logprob=-1.5)
    reader.scores = {"As it expired.": -16.0, "Has it expired.": -16.0}
    assert heard(reader) is None


def test_a_known_sentence_that_fits_badly_is_asked_back() -> None:
    reader = Reader("As it expired.", logprob=-1.5)
    reader.scores = {"As it expired.": -12.0, "Has it expired.": -12.0}
    transcript = heard(reader)
    assert transcript is not None and transcript.doubt.startswith("Did you say: has it expired?")


def test_an_order_is_an_order_also_where_whisper_is_not_quite_sure() -> None:
    transcript = heard(Reader("Next line.", logprob=-0.8))
    assert transcript is not None and (transcript.text, transcript.doubt) == ("next line", "")
    assert heard(Reader("Next line.", logprob=-1.2)) is None


def test_between_sure_and_nothing_a_question_is_asked_back() -> None:
    transcript = heard(Reader("Is this mill burning?", logprob=-0.5))
    assert transcript is not None
    assert transcript.doubt == (
        "Did you say: is this mill burning? Press the talk key and say yes, or ask again."
    )


@pytest.mark.parametrize(
    ("clip", "logprob", "second", "is_believed"),
    [
        (SPOKEN, -0.55, "is this mill burning", True),
        (SPOKEN, -0.65, "is this mill burning", False),
        (SPOKEN, -0.55, "is this bill burning", False),
        (NOISY, -0.55, "is this mill burning", False),
    ],
)
def test_what_is_read_alike_twice_in_a_quiet_room_is_believed_sooner(
    clip: AudioClip, logprob: float, second: str, is_believed: bool
) -> None:
    reader = Reader("Is this mill burning?", logprob=logprob)
    reader.second = second
    transcript = heard(reader, clip)
    assert transcript is not None and transcript.text == "is this mill burning"
    assert bool(transcript.doubt) != is_believed


def test_a_short_stop_is_heard_by_the_grammar_and_long_speech_is_none() -> None:
    reader = Reader("Top.")
    stop = AudioClip(sound((0, 1.0), (9000, 0.5), (0, 1.0)), QUESTION_RATE_HZ)
    transcript = heard(reader, stop)
    assert transcript == Transcript("stop", 1.0, "whisper", is_command=True)
    read = heard(Reader("Next line."), stop)
    assert read is not None and read.text == "next line", "an order that was read is none of these"
    long = AudioClip(sound((0, 1.0), (9000, 2.0), (0, 1.0)), QUESTION_RATE_HZ)
    transcript = heard(reader, long)
    assert transcript is not None and transcript.text == "top"
    sentence = AudioClip(sound((0, 1.0), (9000, 1.4), (0, 1.0)), QUESTION_RATE_HZ)
    transcript = heard(reader, sentence)
    assert transcript is not None and transcript.text == "top", "held against the sound: no stop"
    one = recognizer(reader)
    one.begin(stop_only=True)
    one.accept(AudioChunk(stop.samples, 0.0))
    assert one.finish() == Transcript("stop", 1.0, "stops")


def test_another_language_knows_no_english_sentences() -> None:
    reader = Reader("As it expired.", logprob=-0.2)
    reader.scores = {"As it expired.": -3.0, "Has it expired.": -3.0}
    transcript = heard(reader, language="de")
    assert transcript is not None and transcript.text == "as it expired" and reader.scored == []


def test_the_end_is_read_while_it_is_still_waited_for() -> None:
    reader = Reader("How many", "How many letters are wet?")
    one = recognizer(reader)
    one.begin()
    samples = sound((0, 0.5), (VOICED, 2.0), (0, 0.5), (VOICED, 1.0), (0, 0.6))
    told = []
    for at in range(0, len(samples), BLOCK):
        told.append(one.accept(AudioChunk(samples[at : at + BLOCK], 0.0)))
        ahead = one._ahead
        if ahead is not None:
            ahead.join(5)
    assert len(reader.heard) == 2, "once at each pause"
    assert told[0] == "" and "how many" in told and told[-1] == "how many letters are wet"
    transcript = one.finish()
    assert transcript is not None and transcript.text == "how many letters are wet"
    assert len(reader.heard) == 2, "nothing is left to read"


def test_what_is_said_behind_a_pause_is_read_too() -> None:
    reader = Reader("How many", "How many letters are wet?")
    reader.go_on.clear()
    one = recognizer(reader)
    one.begin()
    one.accept(AudioChunk(sound((0, 0.5), (VOICED, 1.0)), 0.0))
    one.accept(AudioChunk(sound((0, 0.3)), 0.0))
    wait_until(lambda: reader.heard)
    one.accept(AudioChunk(sound((VOICED, 1.0)), 0.0))
    reader.go_on.set()
    transcript = one.finish()
    assert transcript is not None and transcript.text == "how many letters are wet"
    assert len(reader.heard[1]) > len(reader.heard[0])


def test_what_is_given_up_is_nothing() -> None:
    reader = Reader("Who is there?")
    one = recognizer(reader)
    one.begin()
    one.accept(AudioChunk(SPOKEN.samples, 0.0))
    one.cancel()
    assert one.accept(AudioChunk(SPOKEN.samples, 0.0)) == "" and one.finish() is None
    assert one.recognize(SPOKEN) is not None, "the next one is heard"


def test_a_minute_of_speech_is_read_in_pieces_cut_where_it_is_soft() -> None:
    minute = sound((VOICED, 27.0), (0, 0.3), (VOICED, 33.0))
    found = pieces(minute)
    assert np.array_equal(np.concatenate(found), minute)
    assert all(len(piece) <= LONGEST_S * QUESTION_RATE_HZ for piece in found)
    assert 27.0 <= len(found[0]) / QUESTION_RATE_HZ <= 27.3
    reader = Reader("One.", "Two.", "Three.")
    transcript = heard(reader, AudioClip(minute, QUESTION_RATE_HZ))
    assert transcript is not None and transcript.text == "one two three"


def test_a_text_that_is_said_twice_is_one_that_repeats_itself() -> None:
    for text in ("What is it? What is it?", "you you you", "Stop. Stop."):
        assert is_repeated(text), text
    for text in ("What is it?", "what is what", "stop", "", "no no it is not no no"):
        assert not is_repeated(text), text


def test_a_recording_in_one_piece_is_heard_as_in_many() -> None:
    whole, parts = Reader("Who is there?"), Reader("Who is there?")
    one, other = recognizer(whole), recognizer(parts)
    one.begin()
    one.accept(AudioChunk(SPOKEN.samples, 0.0))
    other.begin()
    for at in range(0, len(SPOKEN.samples), BLOCK):
        other.accept(AudioChunk(SPOKEN.samples[at : at + BLOCK], 0.0))
    assert one.finish() == other.finish() is not None
    first = slice(0, 2 * QUESTION_RATE_HZ)
    assert np.array_equal(whole.heard[-1][first], parts.heard[-1][first])
    assert len(whole.heard[0]) < 3 * QUESTION_RATE_HZ, "without the silence around it"


def test_of_several_guesses_the_one_that_people_say_is_taken_where_the_sound_allows_it() -> None:
    def read(first: float, second: float) -> Transcript | None:
        guesses = (
            Guess("Red the letter", Score(first, 4)),
            Guess("Read the letter", Score(second, 4)),
        )
        reader = Reader("Red the letter")
        reader.read = lambda samples, again=False: Reading(
            "Red the letter", first / 4, 0.1, 1.0, guesses=guesses
        )
        reader.scores = {"Red the letter": first, "Read the letter.": -99.0}
        return heard(reader)

    taken = read(-0.5, -1.5)
    assert taken is not None and (taken.text, taken.confidence) == (
        "read the letter",
        pytest.approx(math.exp(-1.5 / 4)),
    )
    taken = read(-0.5, -9.0)
    assert taken is not None and (taken.text, taken.doubt) == ("red the letter", "")


def test_a_reading_with_an_equal_beside_it_is_asked_back() -> None:
    def read(other: float) -> Transcript | None:
        texts = (("Is the vase blue", -1.5), ("Is the base blue", other))
        reader = Reader("Is the vase blue")
        guesses = tuple(Guess(text, Score(logprob, 5)) for text, logprob in texts)
        reader.read = lambda samples, again=False: Reading(
            "Is the vase blue", -0.3, 0.1, 1.0, guesses=guesses
        )
        return heard(reader, NOISY)

    sure, unsure = read(-9.0), read(-1.6)
    assert sure is not None and (sure.text, sure.doubt) == ("is the vase blue", "")
    assert unsure is not None and unsure.doubt.startswith("Did you say: is the vase blue?")


def short(level: int, silence_s: float = 0.5) -> NDArray[np.int16]:
    return sound((0, 0.5), (level, 0.7), (0, silence_s))


def told_of(one: WhisperRecognizer, samples: NDArray[np.int16]) -> list[str]:
    """The words after each block, each block waiting for what is read ahead."""
    one.begin()
    told = []
    for at in range(0, len(samples), BLOCK):
        told.append(one.accept(AudioChunk(samples[at : at + BLOCK], 0.0)))
        if one._ahead is not None:
            one._ahead.join(5)
    return told


def test_an_order_is_known_a_tenth_of_a_second_after_its_end_and_read_once() -> None:
    reader = Reader("Next line.")
    told = told_of(recognizer(reader), short(VOICED))
    ended = (0.5 + 0.7) * QUESTION_RATE_HZ / BLOCK
    assert 0 < (told.index("next line") - ended) * BLOCK / QUESTION_RATE_HZ < 0.2
    assert len(reader.heard) == 1


def test_what_is_not_sure_is_read_once_more_with_the_soft_ending_behind_it() -> None:
    reader = Reader("Is it wet", logprob=-0.5)
    told = told_of(recognizer(reader), short(VOICED))
    assert len(reader.heard) == 2 and told[-1] == "is it wet"
    first, second = (len(samples) / QUESTION_RATE_HZ for samples in reader.heard)
    assert second - first == pytest.approx(0.16, abs=0.04)


def test_an_order_that_cannot_be_believed_is_not_told() -> None:
    reader = Reader("Next line.", logprob=-1.4)
    assert set(told_of(recognizer(reader), short(VOICED))) == {""}
    # Nor one that is asked back.
    reader = Reader("Necks line.", logprob=-1.4)
    reader.scores = {"Necks line.": -10.0, "Next line.": -8.0}
    one = recognizer(reader)
    one._known.near = lambda words, most: ["next line"]
    assert set(told_of(one, short(VOICED))) == {""}
    transcript = one.finish()
    assert transcript is not None and transcript.doubt.startswith("Did you say: next line?")


def test_what_the_grammar_hears_is_an_order_where_the_sound_allows_it() -> None:
    for worse, text in ((2.0, "next line"), (9.0, "necks lying")):
        reader = Reader("Necks lying.", logprob=-0.3)
        reader.scores = {"Necks lying.": -3.0, "Next line.": -3.0 - worse}
        one = recognizer(reader)
        one._orders.order_in = lambda samples: "next line"
        transcript = one.recognize(AudioClip(short(VOICED), QUESTION_RATE_HZ))
        assert transcript is not None and transcript.text == text


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("Faster, faster, faster, fas", "Faster"),
        ("Next page. Next page. Next pa", "Next page."),
        ("What is it? What is it?", "What is it?"),
        ("What is what", "What is what"),
        ("there the", "there the"),
        ("Stop", "Stop"),
        ("", ""),
    ],
)
def test_what_a_short_window_says_again_and_again_was_said_once(text: str, once: str) -> None:
    assert said_once(text) == once
    assert is_repeated(text) == (text != once)


def test_an_order_has_a_short_window_and_long_speech_a_long_one() -> None:
    windows = [window_of(seconds) for seconds in (0.4, 2.2, 2.3, 14.7, 15.0, 29.8)]
    assert windows == [8, 8, 15, 15, 30, 30]
    others = [other_window_of(seconds) for seconds in (0.4, 2.3, 7.9, 14.7, 15.0, 29.8)]
    assert others == [15, 8, 30, 30, 30, 30]
