"""Whisper as a recognizer: free wording, held to what can be believed.

Three hear the same sound. Silero's detector says where speech is: without it nothing is read, as
Whisper writes "Thank you." of silence. Whisper reads. A short sound in which it reads no order is
held against PocketSphinx's grammar of stops, which listens alone while only a stop is wanted.

Where what Whisper reads is no known sentence, those that sound like it are held against the sound
itself, by Whisper's own measure: "as it expired" was "has it expired" if that fits nearly as well.
So a free question is not bent into a known one that was not said.
"""

import math
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.audio import QUESTION_RATE_HZ, AudioClip
from assistant.hearing.known_wordings import KnownWordings, known_sentences
from assistant.hearing.orders import order_in
from assistant.hearing.question import VoiceActivity
from assistant.hearing.recognizer import AudioChunk, Transcript
from assistant.hearing.speech_models import ENGLISH
from assistant.hearing.whisper_model import (
    LONGEST_S,
    MOST_SQUEEZED,
    Reading,
    Score,
    WhisperModel,
)
from assistant.text.words import bare_words

BLOCK = 512
"""Samples that the detector is asked about at once, as those of a microphone come."""

VOICED = 0.5
"""Probability from which the detector's step counts as speech."""

SHORTEST_VOICED_S = 0.16
"""Less speech than this is a click or a breath, of which Whisper would make words."""

BEFORE_S, AFTER_S = 0.4, 0.3
"""Sound that is read before the first and behind the last voiced step: soft consonants."""

PAUSE_S = 0.25
"""Silence after which what is here is read: mostly the question is over, and its words are there
when the end of speech is known; where it goes on they are words so far."""

MOST_NO_SPEECH = 0.6
"""A reading of which the model holds it more probable that nobody speaks is none."""

SURE_LOGPROB, LEAST_LOGPROB = -0.35, -0.7
"""A free question is believed from the first on; between the two it is asked back; below, nothing
was understood."""

LEAST_READ_LOGPROB, LEAST_KNOWN_LOGPROB = -1.0, -2.0
"""A known sentence is believed from here on, where it was read as it stands, and where it was found
to be meant: it needs less, as few others can be meant."""

MOST_WORSE, SURELY_MOST_WORSE = 8.0, 4.0
"""How much worse than what was read a known sentence may fit the sound (difference of natural
logarithms) and still be what was said: people mostly ask in known words. The second where the
reading is sure."""

WORSE_BY_WORD = 3.0
"""The same for each word that it is shorter: a score says nothing of sound that is left over, and
the beginning of a free question may be a known one."""

NEAR, SURELY_NEAR = 0.6, 0.35
"""Share of sounds in which a known sentence may differ from what was read to be compared with the
sound; the second where the reading is sure, which saves most of the comparing."""

LONGEST_STOP_S = 1.2
"""Longer speech is no stop, and need not be held against the grammar of stops."""

DID_YOU_SAY = "Did you say: {text}? Press the talk key and say yes, or ask again."

CUT_WITHIN_S = 4.0
"""How far before the end of a window a pause is looked for, to cut long speech there."""


class Stops(Protocol):
    """The part of `PocketSphinxRecognizer` that is used here: it hears stops, and knows words."""

    def begin(self, *, stop_only: bool = False) -> None: ...
    def accept(self, chunk: AudioChunk) -> str: ...
    def finish(self) -> Transcript | None: ...
    def cancel(self) -> None: ...
    def phones(self, word: str) -> str | None: ...


class Reader(Protocol):
    """The part of `WhisperModel` that is used here."""

    def read(self, samples: NDArray[np.int16]) -> Reading: ...
    def score(self, reading: Reading, text: str) -> Score: ...


class WhisperRecognizer:
    """A model of Whisper's, with PocketSphinx's grammar of stops beside it.

    The confidence is the geometric mean of the probabilities of Whisper's tokens.
    """

    name = "whisper"

    def __init__(
        self,
        folder: Path,
        language: str = ENGLISH,
        *,
        load: Callable[[Path, str], Reader] = WhisperModel,
        stops: Stops | None = None,
        activity: VoiceActivity | None = None,
    ) -> None:
        """Load the model of a folder, and what hears beside it.

        language: what is spoken, in two letters. Known sentences are English.
        load:     how a folder becomes a model; stops, activity: the real ones where None.

        Raises:
            RecognizerError: one of them is missing or damaged.
        """
        self._model = load(folder, language)
        self._stops = stops or _pocketsphinx()
        self._activity = activity or _silero()
        self._is_english = language == ENGLISH
        self._known = KnownWordings(
            known_sentences() if self._is_english else {}, self._stops.phones
        )
        self._cancelled = threading.Event()
        self._stop_only = False
        self._forget()

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return what was said in a 16 kHz clip, or None if nothing was understood."""
        self.begin()
        self._take(clip.samples)
        return self.finish()

    def begin(self, *, stop_only: bool = False) -> None:
        """Begin to hear a question, or only a stop, and forget an unfinished one."""
        self._cancelled.clear()
        self._stop_only = stop_only
        self._forget()
        self._activity.reset()
        if stop_only:
            self._stops.begin(stop_only=True)

    def accept(self, chunk: AudioChunk) -> str:
        """Take the next piece, and return the words so far: those up to the last pause."""
        if self._cancelled.is_set():
            return ""
        if self._stop_only:
            return self._stops.accept(chunk)
        self._take(chunk.samples)
        pause = self._samples - self._voiced_until
        if self._is_spoken and pause >= PAUSE_S * QUESTION_RATE_HZ:
            self._read_ahead()
        ahead = self._ahead
        if ahead is not None and ahead.reading is not None and is_speech(ahead.reading):
            self._words = plain(ahead.reading.text)
        return self._words

    def finish(self) -> Transcript | None:
        """Return what was said, or None if nothing was, or nothing that can be believed."""
        if self._stop_only:
            return self._stops.finish()
        if self._cancelled.is_set() or not self._is_spoken:
            return None
        readings = self._readings()
        # Where an order was read, the grammar need not be asked: that takes as long again.
        stop = None if self._is_order(readings) else self._stop()
        if stop is not None:
            return Transcript(stop.text, stop.confidence, self.name, is_command=True)
        if self._cancelled.is_set() or not all(map(is_speech, readings)):
            return None
        if len(readings) == 1:
            return self._judged(readings[0])
        text = " ".join(plain(reading.text) for reading in readings)
        return self._believed(text, min(reading.logprob for reading in readings))

    def cancel(self) -> None:
        """Decode no further than the present piece; what is being read comes to nothing."""
        self._cancelled.set()
        self._stops.cancel()

    def close(self) -> None:
        """Nothing to do: the models go with this object."""

    @property
    def _is_spoken(self) -> bool:
        return self._voiced >= SHORTEST_VOICED_S * QUESTION_RATE_HZ

    def _judged(self, reading: Reading) -> Transcript | None:
        """What a reading comes to beside the known sentences."""
        text = plain(reading.text)
        words = bare_words(text)
        if self._known.holds(words) or (self._is_english and order_in(words) is not None):
            return self._believed(text, reading.logprob, LEAST_READ_LOGPROB)
        known = self._known_instead(reading, words) if self._is_english else None
        if known is not None:
            return self._believed(known[0], known[1].mean, LEAST_KNOWN_LOGPROB)
        return self._believed(text, reading.logprob)

    def _known_instead(self, reading: Reading, words: str) -> tuple[str, Score] | None:
        """The known sentence that fits the sound best, if about as well as what was read."""
        is_sure = reading.logprob >= SURE_LOGPROB
        tried = self._known.near(words, SURELY_NEAR if is_sure else NEAR)
        if not tried:
            return None
        best = self._best(reading, tried)
        best = self._best(reading, self._known.alike(best[0], words), best)
        worse = self._model.score(reading, reading.text).logprob - best[1].logprob
        worse += WORSE_BY_WORD * max(0, len(words.split()) - len(bare_words(best[0]).split()))
        return best if worse <= (SURELY_MOST_WORSE if is_sure else MOST_WORSE) else None

    def _best(
        self, reading: Reading, tried: list[str], so_far: tuple[str, Score] | None = None
    ) -> tuple[str, Score]:
        """Which of some sentences fits a sound best, and how well."""
        end = reading.text[-1] if reading.text[-1] in ".?!" else "."
        scores = [(each, self._model.score(reading, written(each, end))) for each in tried]
        return max([*scores, *([so_far] if so_far else [])], key=_fit)

    def _believed(
        self, text: str, logprob: float, least: float = SURE_LOGPROB
    ) -> Transcript | None:
        """A text as a transcript, or as something to ask back, or nothing, by how sure it is."""
        confidence = math.exp(logprob)
        if logprob >= least:
            return Transcript(text, confidence, self.name)
        if logprob < LEAST_LOGPROB:
            return None
        return Transcript(text, confidence, self.name, doubt=DID_YOU_SAY.format(text=text))

    def _stop(self) -> Transcript | None:
        """What was said as a stop, if it is one; long speech is none."""
        if not self._is_english or self._voiced > LONGEST_STOP_S * QUESTION_RATE_HZ:
            return None
        self._stops.begin(stop_only=True)
        self._stops.accept(AudioChunk(self._said(), 0.0))
        return self._stops.finish()

    def _is_order(self, readings: list[Reading]) -> bool:
        return (
            self._is_english
            and len(readings) == 1
            and is_speech(readings[0])
            and readings[0].logprob >= LEAST_READ_LOGPROB
            and order_in(bare_words(plain(readings[0].text))) is not None
        )

    def _forget(self) -> None:
        self._sound: list[NDArray[np.int16]] = []
        self._samples = self._voiced = self._voiced_from = self._voiced_until = 0
        self._words = ""
        self._ahead: _Ahead | None = None

    def _take(self, samples: NDArray[np.int16]) -> None:
        """Keep a piece, and say where in it speech is."""
        for at in range(0, len(samples), BLOCK):
            # A whole recording may come as one piece.
            block = samples[at : at + BLOCK]
            start, self._samples = self._samples, self._samples + len(block)
            self._sound.append(block)
            if self._activity.probability(block) < VOICED:
                continue
            if not self._voiced:
                self._voiced_from = start
            self._voiced += len(block)
            self._voiced_until = self._samples

    def _said(self) -> NDArray[np.int16]:
        """The sound from a little before the first voiced step to a little behind the last."""
        first = self._voiced_from - round(BEFORE_S * QUESTION_RATE_HZ)
        last = self._voiced_until + round(AFTER_S * QUESTION_RATE_HZ)
        whole = np.concatenate([*self._sound, np.zeros(0, np.int16)])
        return whole[max(0, first) : last]

    def _read_ahead(self) -> None:
        """Read what is here on another thread, unless that was done or another one still reads."""
        ahead = self._ahead
        if ahead is not None and (ahead.until == self._voiced_until or ahead.is_alive()):
            return
        said = self._said()
        if len(said) <= LONGEST_S * QUESTION_RATE_HZ:
            self._ahead = _Ahead(self._model, said, self._voiced_until)
            self._ahead.start()

    def _readings(self) -> list[Reading]:
        """What was said, read in pieces that the model can hear whole."""
        ahead = self._ahead
        if ahead is not None:
            ahead.join()
            if ahead.until == self._voiced_until and ahead.reading is not None:
                return [ahead.reading]
        readings = []
        for piece in pieces(self._said()):
            if self._cancelled.is_set():
                break
            readings.append(self._model.read(piece))
        return readings


class _Ahead(threading.Thread):
    """Reads what was said before a pause, which mostly is the question's end."""

    def __init__(self, model: Reader, said: NDArray[np.int16], until: int) -> None:
        super().__init__(name="reading ahead", daemon=True)
        self._model, self._said = model, said
        self.until = until
        self.reading: Reading | None = None

    def run(self) -> None:
        """Read; what is read too late is not asked for."""
        self.reading = self._model.read(self._said)


def is_speech(reading: Reading) -> bool:
    """False for what Whisper makes of sound that is no speech: it says so, or repeats itself."""
    return (
        reading.no_speech <= MOST_NO_SPEECH
        and reading.squeezed <= MOST_SQUEEZED
        and bool(plain(reading.text))
    )


def written(words: str, end: str) -> str:
    """Bare words as Whisper writes a sentence."""
    text = re.sub(r"\bi\b", "I", words)
    return text[:1].upper() + text[1:] + end


def _fit(each: tuple[str, Score]) -> float:
    return each[1].logprob


def plain(text: str) -> str:
    """A text as a transcript has it: lower case, no punctuation but inside numbers and words.

    Colour is spelled as everywhere else here.
    """
    words = re.sub(r"\bcolor(s?)\b", r"colour\1", text.lower().replace("\u2019", "'"))
    return " ".join(re.findall(r"\d+(?:[.,:]\d+)+|[\w']+", words))


def pieces(samples: NDArray[np.int16]) -> list[NDArray[np.int16]]:
    """Sound cut where it is softest into pieces of at most `LONGEST_S`."""
    most = round(LONGEST_S * QUESTION_RATE_HZ)
    found = []
    while len(samples) > most:
        cut = _softest(samples, most - round(CUT_WITHIN_S * QUESTION_RATE_HZ), most)
        found.append(samples[:cut])
        samples = samples[cut:]
    return [*found, samples]


def _softest(samples: NDArray[np.int16], first: int, last: int) -> int:
    """Where between two places a tenth of a second is softest."""
    length = QUESTION_RATE_HZ // 10
    starts = range(first, last - length, length)
    return min(starts, key=lambda at: float(np.abs(samples[at : at + length].astype(int)).mean()))


def _pocketsphinx() -> Stops:
    from assistant.hearing.pocketsphinx_recognizer import PocketSphinxRecognizer

    return PocketSphinxRecognizer(questions=False)


def _silero() -> VoiceActivity:
    from assistant.hearing.voice_activity import SileroVoiceActivity

    return SileroVoiceActivity()
