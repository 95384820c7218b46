"""PocketSphinx with a grammar, checked by free decoding: the recognizer that is always there."""

import math
import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.audio import QUESTION_RATE_HZ, AudioClip
from assistant.errors import RecognizerError
from assistant.hearing.grammar import (
    PHONES,
    PRONUNCIATIONS,
    build_grammar,
    build_order_grammar,
    build_stop_grammar,
    command_sentences,
    phone_word,
    rules,
    sentence_pattern,
    stop_sentences,
)
from assistant.hearing.likely_words import General
from assistant.hearing.recognizer import AudioChunk, Transcript, word_disagreement
from assistant.skills.wording import words_of

MAX_DISAGREEMENT = 0.5
"""A grammar bends any sound into one of its sentences. What free decoding hears differently in
more than this share of the sounds (phones, not words: "count the hearts" and "count the hurts"
are nearly the same to the ear) was no question to us.

Chosen block by block behind the detector of speech, on 36 questions of the grammar by flite's
voices slt and rms: 70 right, 2 refused, none wrong, as many as when each was decoded at once after
its end. 13 other sentences by the same voices differ by 0.63 and more, and 37 recordings of people
who ask for something else by 0.61: none is accepted.
"""

SHORTEST_S = 0.1
"""Less sound than this holds no word, and the decoder takes no empty one."""

HELD_BACK_S = 1.0
"""Sound that is collected before the first of it is decoded.

The decoder subtracts the mean of the cepstra, which stands for voice, room and microphone, and
which it can only guess before it has heard anything. What is left to decode after the last word
is the same however long this is, as decoding is faster than speech.
"""

SLICE = QUESTION_RATE_HZ // 10
"""Samples that are decoded at once; between two slices a question can be given up."""


UNKNOWN = 2e-7
"""The probability of a word that the model of general English lacks."""

LOG_BASE = 1.0001
"""Of the decoder's logarithms."""

_ONE_WORD = "#JSGF V1.0;\ngrammar one;\npublic <word> = stop;\n"


class PocketSphinxRecognizer:
    """The English model inside the pocketsphinx wheel, limited to `grammar`.

    Each question is decoded twice while it is spoken: by the grammar and freely. The confidence
    is the share of phones on which both agree. Neither decoder looks back over the question when
    it ends: the second passes cost as much time again then, and the results are hardly better.
    """

    name = "pocketsphinx"

    def __init__(self, *, questions: bool = True) -> None:
        """Load the acoustic model, the dictionary, the language model and the grammar.

        questions: False where only stops shall be heard: then neither the language model nor the
                   grammar of questions is loaded.

        Raises:
            RecognizerError: pocketsphinx or its model is missing or damaged.
        """
        try:
            import pocketsphinx

            quiet = {"loglevel": "FATAL", "logfn": os.devnull, "bestpath": False}
            self._limited: Any = pocketsphinx.Decoder(lm=None, **quiet)
            self._free: Any = pocketsphinx.Decoder(fwdflat=False, **quiet) if questions else None
        except (ImportError, RuntimeError, OSError) as error:
            raise RecognizerError(
                f"speech recognition cannot start ({error})", "reinstall the pocketsphinx package"
            ) from error
        for word, phones in PRONUNCIATIONS.items():
            if self._limited.lookup_word(word) is None:
                self._limited.add_word(word, phones, True)
        if questions:
            grammar = build_grammar(lambda word: self.phones(word) is not None)
            self._limited.add_jsgf_string("questions", grammar)
        self._limited.add_jsgf_string("one word", _ONE_WORD)
        for phone in PHONES:
            self._limited.add_word(phone_word(phone), phone, True)
        self._limited.add_jsgf_string("stop", build_stop_grammar())
        self._limited.add_jsgf_string("orders", build_order_grammar())
        self._stops = frozenset(stop_sentences())
        self._commands = frozenset(command_sentences())
        self._stop_only = not questions
        self._limited.activate_search("questions" if questions else "stop")
        self._sentences = sentence_pattern()
        self._vocabulary = sorted(words_of(rules().values()))
        self._guessed_mean = str(self._limited.get_cmn(False))
        self._cancelled = threading.Event()
        self._held: list[NDArray[np.int16]] = []
        self._held_samples = 0
        self._decoding = False
        self._asked, self._words = "", ""

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return the question in a 16 kHz clip, or None if it is none of the grammar's."""
        self.begin()
        if clip.duration_s < SHORTEST_S:
            return None
        self._hold(clip.samples)
        return self.finish()

    def begin(self, *, stop_only: bool = False) -> None:
        """Begin to hear a question, or only a stop."""
        self._end()
        self._stop_only = stop_only
        self._held, self._held_samples = [], 0
        self._asked, self._words = "", ""
        self._cancelled.clear()

    def accept(self, chunk: AudioChunk) -> str:
        """Decode the next piece, and return the words on which both decoders agree so far."""
        if self._cancelled.is_set():
            return ""
        self._hold(chunk.samples)
        if self._stop_only:
            # So short and so quickly decoded that the mean of all of it is worth the wait.
            return ""
        if self._decoding or self._held_samples >= HELD_BACK_S * QUESTION_RATE_HZ:
            self._decode_held()
            self._compare()
        return self._words

    def finish(self) -> Transcript | None:
        """Return the question, or None if it is none of the grammar's."""
        if self._decoding or self._held_samples >= SHORTEST_S * QUESTION_RATE_HZ:
            self._decode_held()
        if not self._decoding:
            return None
        if self._stop_only:
            said, _ = self._end()
            heard_stop = said in self._stops and not self._cancelled.is_set()
            return Transcript(said, 1.0, self.name, is_command=True) if heard_stop else None
        asked, heard = self._end()
        asked = self._whole_sentence(asked)
        if not asked or self._cancelled.is_set():
            return None
        disagreement = self._disagreement(asked, heard)
        if disagreement > MAX_DISAGREEMENT:
            return None
        return Transcript(asked, 1.0 - disagreement, self.name)

    def order_in(self, samples: NDArray[np.int16]) -> str:
        """The order that a whole (n,) 16 kHz sound is; "" for other speech, or what is given up.

        Now and then it is a question that sounds like an order: "how many circles are there" is
        "how many pages are there". What else is being heard is forgotten.
        """
        self.begin(stop_only=True)
        if len(samples) < SHORTEST_S * QUESTION_RATE_HZ:
            return ""
        self._hold(samples)
        self._decode_held("orders")
        said, _ = self._end()
        return said if said in self._commands and not self._cancelled.is_set() else ""

    def cancel(self) -> None:
        """Decode no further than the present slice."""
        self._cancelled.set()

    def close(self) -> None:
        """Nothing to do: the model goes with this object."""

    def _decoders(self) -> tuple[Any, ...]:
        return (self._limited,) if self._stop_only else (self._limited, self._free)

    def _hold(self, samples: NDArray[np.int16]) -> None:
        self._held.append(samples)
        self._held_samples += len(samples)

    def _decode_held(self, grammar: str = "") -> None:
        """Decode what was held back; grammar: another than that of stops or questions."""
        samples = np.concatenate([*self._held, np.zeros(0, np.int16)])
        self._held, self._held_samples = [], 0
        if not self._decoding:
            mean = self._mean_of(samples)
            self._limited.activate_search(grammar or ("stop" if self._stop_only else "questions"))
            for decoder in self._decoders():
                # Forgets the noise of the last question, so that each is heard by itself.
                decoder.reinit_feat()
                decoder.set_cmn(mean)
                decoder.start_utt()
            self._decoding = True
        for start in range(0, len(samples), SLICE):
            if self._cancelled.is_set():
                return
            content = samples[start : start + SLICE].tobytes()
            for decoder in self._decoders():
                decoder.process_raw(content, no_search=False, full_utt=False)

    def _mean_of(self, samples: NDArray[np.int16]) -> str:
        """The mean of a sound's cepstra, in the decoder's own notation."""
        # The end of an utterance decodes what was only to be measured, so let that be cheap.
        self._limited.activate_search("one word")
        self._limited.reinit_feat()
        self._limited.start_utt()
        self._limited.process_raw(samples.tobytes(), no_search=True, full_utt=True)
        self._limited.end_utt()
        mean = str(self._limited.get_cmn(False))
        # Zeros only: frames without energy are not counted, and there is no mean of none.
        return mean if all(map(math.isfinite, map(float, mean.split(",")))) else self._guessed_mean

    def _end(self) -> tuple[str, str]:
        """End decoding; what the grammar heard, and what was heard freely."""
        if not self._decoding:
            return "", ""
        self._decoding = False
        unfinished = _words_of(self._limited)
        for decoder in self._decoders():
            decoder.end_utt()
        # At the end only whole sentences count; where none is left, its beginning may be enough.
        freely = "" if self._free is None else _words_of(self._free)
        return _words_of(self._limited) or unfinished, freely

    def _compare(self) -> None:
        """Keep what the grammar hears if free decoding hears about the same so far."""
        asked = _words_of(self._limited)
        if asked == self._asked:
            return
        self._asked = asked
        if self._disagreement(asked, _words_of(self._free)) <= MAX_DISAGREEMENT:
            self._words = asked

    def _disagreement(self, asked: str, heard: str) -> float:
        return word_disagreement(self._spell(asked), self._spell(heard))

    def _whole_sentence(self, heard: str) -> str:
        """Mend the end of what was heard until it is a sentence of the grammar.

        Where no whole sentence is left, the path stops in the middle of the grammar: "tell me how
        many circles there", its last word swallowed, or "what is the total on", the last breath
        taken for a word. Where exactly one more word makes a sentence it is added, else words go.
        """
        words = heard.split()
        while words and not self._is_sentence(words):
            endings = [word for word in self._vocabulary if self._is_sentence([*words, word])]
            if len(endings) == 1:
                return " ".join([*words, endings[0]])
            words.pop()
        return " ".join(words)

    def _is_sentence(self, words: list[str]) -> bool:
        return self._sentences.fullmatch(" ".join(words) + " ") is not None

    def phones(self, word: str) -> str | None:
        """The sounds of a word, as the dictionary has them; None for one that it lacks."""
        phones: str | None = self._limited.lookup_word(word)
        return phones

    def _spell(self, text: str) -> str:
        """The phones of a text, one "word" each."""
        return " ".join(self.phones(word) or word for word in text.split())


def _words_of(decoder: Any) -> str:
    hypothesis = decoder.hyp()
    return "" if hypothesis is None else str(hypothesis.hypstr).strip()


def general_english() -> General:
    """The trigram model inside the pocketsphinx wheel.

    Raises:
        RecognizerError: the package or its model is missing or damaged.
    """
    try:
        import pocketsphinx

        path = os.path.join(pocketsphinx.get_model_path(), "en-us", "en-us.lm.bin")
        config = pocketsphinx.Config(lm=None, loglevel="FATAL")
        model: Any = pocketsphinx.NGramModel(config, pocketsphinx.LogMath(LOG_BASE), path)
    except (ImportError, RuntimeError, ValueError, OSError) as error:
        raise RecognizerError(
            f"speech recognition cannot start ({error})", "reinstall the pocketsphinx package"
        ) from error
    base = math.log(LOG_BASE)

    def probability(word: str, before: tuple[str, ...]) -> float:
        # The newest word comes first.
        return max(UNKNOWN, math.exp(base * model.prob([word, *reversed(before)])))

    return probability
