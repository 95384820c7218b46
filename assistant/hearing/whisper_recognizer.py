"""Whisper as a recognizer: free wording, held to what can be believed.

Three hear the same sound. Silero's detector says where speech is: without it nothing is read, as
Whisper writes "Thank you." of silence. Whisper reads, and of its guesses that one is taken which
fits the sound and is what people say. A short sound in which it reads no order is held against
PocketSphinx's grammar of orders; its grammar of stops listens alone while only a stop is wanted.

An order cannot wait: short speech is read as soon as it seems over, and once more a little later
unless it was understood.

Where what Whisper reads is no known sentence, those that sound like it are held against the sound
itself, by Whisper's own measure: "as it expired" was "has it expired" if that fits nearly as well.
So a free question is not bent into a known one that was not said.
"""

import math
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.audio import QUESTION_RATE_HZ, AudioClip
from assistant.hearing.ahead import Ahead, Understood
from assistant.hearing.known_wordings import KnownWordings, known_sentences
from assistant.hearing.likely_words import General, LikelyWords
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

SHORT_PAUSE_S = 0.09
"""The same, at first, after speech that may be an order: an order cannot wait."""

LONGEST_ORDER_S = 1.6
"""Longer speech is hardly an order, and need not be read so soon nor held against their grammar."""

MOST_NO_SPEECH = 0.6
"""A reading of which the model holds it more probable that nobody speaks is none."""

SURE_LOGPROB, LEAST_LOGPROB = -0.4, -0.7
"""A free question is believed from the first on; between the two it is asked back; below, nothing
was understood."""

DOUBT = 0.3
"""How much less a reading is believed if all that is probable is another of the guesses."""

AGREED_LOGPROB = -0.6
"""In a quiet room a free question that two windows read alike is believed from here on. With the
voices slt and rms 3 of 3 such are right; of those that are not read alike 3 of 4, and with noise at
20 dB, alike or not, 9 of 16."""

QUIET_DB = 25.0
"""How much louder speech, with its pauses, is than what was there before it, in a quiet room."""

BEFORE_SPEECH_S = 0.2
"""Of the sound that is kept before speech: surely none of it is speech."""

LEAST_READ_LOGPROB = -1.15
"""A known sentence that was read as it stands is believed from here on: few others can be meant."""

KNOWN_LOGPROB, LEAST_KNOWN_LOGPROB = -1.7, -2.5
"""A known sentence that was found to be meant is believed from the first on, and asked back down to
the second; an order that the grammar heard as well is believed to there."""

MOST_WORSE = 4.0
"""How much worse than what was read a known sentence may be, by the sound and by what people say
(difference of natural logarithms), and still be what was said. With flite's voices slt and rms and
noise, 12 of 13 known sentences that were misread are up to 3.5 worse; those that were not said, in
place of a right reading, are 7 worse and more."""

WORSE_BY_WORD = 6.0
"""The same for each word that it is shorter: a score says nothing of sound that is left over, and
the beginning of a free question may be a known one."""

NEAR, SURELY_NEAR = 0.6, 0.35
"""Share of sounds in which a known sentence may differ from what was read to be compared with the
sound; the second where the reading is sure, which saves most of the comparing."""

LIKELY_WEIGHT = 0.3
"""How much what people say counts beside the sound, where one of several texts was said. Chosen
with flite's voices slt and rms; between 0.2 and 0.5 it hardly matters."""

STOPPING = ("stop", "")
"""The order that the grammar's word is enough for: who says stop must be heard."""

LONGEST_STOP_S = 1.2
"""Longer speech that the grammar takes for a stop is held against the sound like other orders:
"stop the bus at the corner" is none."""

MOST_GUESSES = 4
"""Of a reading that is not sure, known sentences are looked for that sound like so many guesses."""

DID_YOU_SAY = "Did you say: {text}? Press the talk key and say yes, or ask again."

CUT_WITHIN_S = 4.0
"""How far before the end of a window a pause is looked for, to cut long speech there."""


class Orders(Protocol):
    """The part of `PocketSphinxRecognizer` that is used here: it hears orders, and knows words."""

    def begin(self, *, stop_only: bool = False) -> None: ...
    def accept(self, chunk: AudioChunk) -> str: ...
    def finish(self) -> Transcript | None: ...
    def cancel(self) -> None: ...
    def order_in(self, samples: NDArray[np.int16]) -> str: ...
    def phones(self, word: str) -> str | None: ...


class Reader(Protocol):
    """The part of `WhisperModel` that is used here."""

    def read(self, samples: NDArray[np.int16], *, again: bool = False) -> Reading: ...
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
        orders: Orders | None = None,
        activity: VoiceActivity | None = None,
        general: General | None = None,
    ) -> None:
        """Load the model of a folder, and what hears beside it.

        language: what is spoken, in two letters. Known sentences are English.
        load:     how a folder becomes a model; orders, activity, general: the real ones where None.

        Raises:
            RecognizerError: one of them is missing or damaged.
        """
        self._model = load(folder, language)
        self._orders = orders or _pocketsphinx()
        self._activity = activity or _silero()
        self._is_english = language == ENGLISH
        sentences = known_sentences() if self._is_english else {}
        self._known = KnownWordings(sentences, self._orders.phones)
        self._likely = LikelyWords(sentences, general or _english()) if self._is_english else None
        self._cancelled = threading.Event()
        self._stop_only = False
        self._ahead: Ahead | None = None
        self._forget()

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return what was said in a 16 kHz clip, or None if nothing was understood."""
        self.begin()
        self._take(clip.samples)
        return self.finish()

    def begin(self, *, stop_only: bool = False) -> None:
        """Begin to hear a question, or only a stop, and forget an unfinished one."""
        if self._ahead is not None:
            # It hears with what is needed now; it was cancelled, or is over soon.
            self._ahead.join()
        self._cancelled.clear()
        self._stop_only = stop_only
        self._forget()
        self._activity.reset()
        if stop_only:
            self._orders.begin(stop_only=True)

    def accept(self, chunk: AudioChunk) -> str:
        """Take the next piece, and return the words so far: those up to the last pause."""
        if self._cancelled.is_set():
            return ""
        if self._stop_only:
            return self._orders.accept(chunk)
        self._take(chunk.samples)
        ahead = self._ahead
        if ahead is not None and not ahead.is_alive():
            self._words = ahead.words
        self._read_ahead()
        return self._words

    def finish(self) -> Transcript | None:
        """Return what was said, or None if nothing was, or nothing that can be believed."""
        if self._stop_only:
            return self._orders.finish()
        if self._cancelled.is_set() or not self._is_spoken:
            return None
        ahead = self._ahead
        if ahead is not None:
            ahead.join()
            is_all = ahead.is_done and not self._is_more(ahead, is_whole=self._is_whole)
            if is_all and not self._cancelled.is_set():
                return ahead.transcript
        return self._hear(self._said(), self._voiced).transcript

    def cancel(self) -> None:
        """Decode no further than the present piece; what is being read comes to nothing."""
        self._cancelled.set()
        self._orders.cancel()

    def close(self) -> None:
        """Nothing to do: the models go with this object."""

    @property
    def _is_spoken(self) -> bool:
        return self._voiced >= SHORTEST_VOICED_S * QUESTION_RATE_HZ

    def _hear(self, said: NDArray[np.int16], voiced: int) -> Understood:
        """What a sound comes to; voiced: how many of its samples are speech."""
        readings = []
        for piece in pieces(said):
            if self._cancelled.is_set():
                return Understood()
            readings.append(self._likeliest(self._model.read(piece)))
        if len(readings) > 1:
            if not all(map(is_speech, readings)):
                return Understood()
            text = " ".join(plain(reading.text) for reading in readings)
            logprob = min(reading.logprob for reading in readings)
            return Understood(self._believed(text, logprob), text)
        (reading,) = readings
        is_short = self._is_english and voiced <= LONGEST_ORDER_S * QUESTION_RATE_HZ
        # Where an order was read, the grammar need not be asked: that takes as long again.
        order = self._orders.order_in(said) if is_short and not self._is_order(reading) else ""
        if self._cancelled.is_set():
            return Understood()
        if order_in(order) == STOPPING and voiced <= LONGEST_STOP_S * QUESTION_RATE_HZ:
            return Understood(Transcript(order, 1.0, self.name, is_command=True), order)
        if not is_speech(reading):
            return Understood()
        transcript = self._judged(reading, order, said)
        text = plain(reading.text) if transcript is None else transcript.text
        is_believed = transcript is not None and not transcript.doubt
        # The words of an order end the question; one that cannot be believed must not.
        return Understood(transcript, text if is_believed or not is_order(text) else "")

    def _likeliest(self, reading: Reading) -> Reading:
        """A reading as that of its guesses which fits the sound and what people say."""
        if self._likely is None or len(reading.guesses) < 2:
            return reading
        fits = [guess.score.logprob + self._odds(guess.text) for guess in reading.guesses]
        best = max(range(len(fits)), key=fits.__getitem__)
        share = math.exp(fits[best] - np.logaddexp.reduce(fits))
        return reading.taken_as(reading.guesses[best], share)

    def _odds(self, text: str) -> float:
        """How much a text gains beside the sound by being what people say."""
        return 0.0 if self._likely is None else LIKELY_WEIGHT * self._likely.logprob(plain(text))

    @property
    def _is_whole(self) -> bool:
        """True where the pause so far is long enough to hear soft endings in it."""
        return self._samples - self._voiced_until >= PAUSE_S * QUESTION_RATE_HZ

    def _judged(self, reading: Reading, order: str, said: NDArray[np.int16]) -> Transcript | None:
        """What a reading comes to beside the known sentences; order: of the grammar."""
        text = plain(reading.text)
        words = bare_words(text)
        if self._known.holds(words) or (self._is_english and is_order(text)):
            return self._believed(text, reading.logprob, LEAST_READ_LOGPROB)
        known = self._known_instead(reading, words, order) if self._is_english else None
        if known is not None:
            sentence, score = known
            sure = LEAST_KNOWN_LOGPROB if sentence == order else KNOWN_LOGPROB
            return self._believed(sentence, score.mean, sure, LEAST_KNOWN_LOGPROB)
        return self._free(reading, said)

    def _free(self, reading: Reading, said: NDArray[np.int16]) -> Transcript | None:
        """What a reading that is no known sentence comes to."""
        text, logprob = plain(reading.text), surety(reading)
        is_unsure = LEAST_LOGPROB <= logprob < SURE_LOGPROB
        if is_unsure and self._is_english and is_quiet(said) and not self._cancelled.is_set():
            again = self._likeliest(self._model.read(said, again=True))
            mean = (logprob + surety(again)) / 2
            if bare_words(plain(again.text)) == bare_words(text) and mean >= AGREED_LOGPROB:
                return Transcript(text, math.exp(mean), self.name)
        return self._believed(text, logprob)

    def _known_instead(self, reading: Reading, words: str, order: str) -> tuple[str, Score] | None:
        """The known sentence that fits the sound best, if about as well as what was read."""
        is_sure = reading.logprob >= SURE_LOGPROB
        tried = dict.fromkeys(self._known.near(words, SURELY_NEAR if is_sure else NEAR))
        if not is_sure:
            # Where the first guess is beside the point, another may be near.
            for guess in reading.guesses[:MOST_GUESSES]:
                tried.update(dict.fromkeys(self._known.near(bare_words(guess.text), NEAR)))
        if order:
            tried[order] = None
        if not tried:
            return None
        best = self._best(reading, list(tried))
        if best[0] != order:
            best = self._best(reading, self._known.alike(best[0], words), best)
        worse = self._fit(reading.text, self._model.score(reading, reading.text))
        worse -= self._fit(*best)
        worse += WORSE_BY_WORD * max(0, len(words.split()) - len(bare_words(best[0]).split()))
        return best if worse <= MOST_WORSE else None

    def _best(
        self, reading: Reading, tried: list[str], so_far: tuple[str, Score] | None = None
    ) -> tuple[str, Score]:
        """Which of some sentences fits a sound best, and how well."""
        end = reading.text[-1] if reading.text[-1] in ".?!" else "."
        scores = [(each, self._model.score(reading, written(each, end))) for each in tried]
        return max([*scores, *([so_far] if so_far else [])], key=lambda each: self._fit(*each))

    def _fit(self, text: str, score: Score) -> float:
        return score.logprob + self._odds(text)

    def _believed(
        self,
        text: str,
        logprob: float,
        sure: float = SURE_LOGPROB,
        least: float = LEAST_LOGPROB,
    ) -> Transcript | None:
        """A text as a transcript, or as something to ask back, or nothing, by how sure it is."""
        confidence = math.exp(logprob)
        if logprob >= sure:
            return Transcript(text, confidence, self.name)
        if logprob < least:
            return None
        return Transcript(text, confidence, self.name, doubt=DID_YOU_SAY.format(text=text))

    def _is_order(self, reading: Reading) -> bool:
        is_sure = is_speech(reading) and reading.logprob >= LEAST_READ_LOGPROB
        return self._is_english and is_sure and is_order(plain(reading.text))

    def _forget(self) -> None:
        self._sound: list[NDArray[np.int16]] = []
        self._samples = self._voiced = self._voiced_from = self._voiced_until = 0
        self._words = ""
        self._ahead = None

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
        """Hear what is here on another thread, where there is a pause and it was not heard yet."""
        pause = self._samples - self._voiced_until
        is_short = self._voiced <= LONGEST_ORDER_S * QUESTION_RATE_HZ
        wanted = SHORT_PAUSE_S if is_short else PAUSE_S
        if not self._is_spoken or pause < wanted * QUESTION_RATE_HZ:
            return
        ahead = self._ahead
        if ahead is not None and (
            ahead.is_alive() or not self._is_more(ahead, is_whole=self._is_whole)
        ):
            return
        said = self._said()
        if len(said) <= LONGEST_S * QUESTION_RATE_HZ:
            hear = partial(self._hear, said, self._voiced)
            self._ahead = Ahead(hear, self._voiced_until, is_whole=self._is_whole)
            self._ahead.start()

    def _is_more(self, ahead: Ahead, *, is_whole: bool) -> bool:
        """True if there is more to hear than was heard ahead; what is sure is heard at once."""
        if ahead.until != self._voiced_until:
            return True
        return is_whole and not ahead.is_whole and not ahead.is_sure


def is_speech(reading: Reading) -> bool:
    """False for what Whisper makes of sound that is no speech: it says so, or repeats itself."""
    return (
        reading.no_speech <= MOST_NO_SPEECH
        and reading.squeezed <= MOST_SQUEEZED
        and bool(plain(reading.text))
    )


def surety(reading: Reading) -> float:
    """How sure a reading is: a mean logarithm of probabilities, less where others are probable."""
    return reading.logprob - DOUBT * (1.0 - reading.share)


def is_quiet(said: NDArray[np.int16]) -> bool:
    """True where (n,) samples, speech with a little before it, are much louder than their start."""
    squares = said.astype(float) ** 2
    before = squares[: round(BEFORE_SPEECH_S * QUESTION_RATE_HZ)]
    if not len(before) or not squares.any():
        return False
    # One count of the converter: there is no less noise than that.
    return bool(10 * math.log10(squares.mean() / max(before.mean(), 1.0)) >= QUIET_DB)


def is_order(text: str) -> bool:
    """True for a text that is an English order."""
    return order_in(bare_words(text)) is not None


def written(words: str, end: str) -> str:
    """Bare words as Whisper writes a sentence."""
    text = re.sub(r"\bi\b", "I", words)
    return text[:1].upper() + text[1:] + end


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


def _pocketsphinx() -> Orders:
    from assistant.hearing.pocketsphinx_recognizer import PocketSphinxRecognizer

    return PocketSphinxRecognizer(questions=False)


def _english() -> General:
    from assistant.hearing.pocketsphinx_recognizer import general_english

    return general_english()


def _silero() -> VoiceActivity:
    from assistant.hearing.voice_activity import SileroVoiceActivity

    return SileroVoiceActivity()
