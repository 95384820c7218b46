"""PocketSphinx with a grammar, checked by free decoding: the recognizer that is always there."""

import os
from typing import Any

from assistant.audio import AudioClip
from assistant.errors import RecognizerError
from assistant.hearing.grammar import (
    PRONUNCIATIONS,
    build_grammar,
    rules,
    sentence_pattern,
    words_of,
)
from assistant.hearing.recognizer import AudioChunk, Transcript, word_disagreement
from assistant.hearing.whole_question import WholeQuestion

MAX_DISAGREEMENT = 0.42
"""A grammar bends any sound into one of its sentences. What free decoding hears differently in
more than this share of the sounds (phones, not words: "count the hearts" and "count the hurts"
are nearly the same to the ear) was no question to us.

Measured with flite on questions drawn from the grammar and on 30 other sentences by each of the
voices slt and rms. Before the commands joined the grammar, 60 questions a voice: of the first
voice 55 right, 2 wrong, 3 refused, of the second 59, 0, 1. With them, 20 questions a voice: 38
right, 1 wrong, 1 refused. The other sentences differ by 0.50 and more, and the 18 shortest
recordings of people who ask for something else by 0.72: none is accepted.
"""


SHORTEST_S = 0.1
"""Less sound than this holds no word, and the decoder takes no empty one."""


class PocketSphinxRecognizer:
    """The English model inside the pocketsphinx wheel, limited to `grammar`.

    Each clip is decoded twice on one acoustic model: by the grammar and freely. The confidence
    is the share of phones on which both agree.
    """

    name = "pocketsphinx"

    def __init__(self) -> None:
        """Load the acoustic model, the dictionary, the language model and the grammar.

        Raises:
            RecognizerError: pocketsphinx or its model is missing or damaged.
        """
        try:
            import pocketsphinx

            self._decoder: Any = pocketsphinx.Decoder(loglevel="FATAL", logfn=os.devnull)
        except (ImportError, RuntimeError, OSError) as error:
            raise RecognizerError(
                f"speech recognition cannot start ({error}); reinstall the pocketsphinx package"
            ) from error
        self._free = self._decoder.current_search()
        for word, phones in PRONUNCIATIONS.items():
            if self._decoder.lookup_word(word) is None:
                self._decoder.add_word(word, phones, True)
        grammar = build_grammar(lambda word: self._phones(word) is not None)
        self._decoder.add_jsgf_string("questions", grammar)
        self._sentences = sentence_pattern()
        self._vocabulary = sorted(words_of(rules().values()))
        self._question = WholeQuestion(lambda clip: self.recognize(clip))

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return the question in a 16 kHz clip, or None if it is none of the grammar's."""
        if clip.duration_s < SHORTEST_S:
            return None
        asked = self._whole_sentence(self._decode("questions", clip))
        if not asked:
            return None
        heard = self._decode(self._free, clip)
        disagreement = word_disagreement(self._spell(asked), self._spell(heard))
        if disagreement > MAX_DISAGREEMENT:
            return None
        return Transcript(asked, 1.0 - disagreement, self.name)

    def begin(self) -> None:
        """Begin to hear a question."""
        self._question.begin()

    def accept(self, chunk: AudioChunk, *, voiced: bool = True) -> str:
        """Keep the next piece; words are known only at the end."""
        return self._question.accept(chunk, voiced=voiced)

    def prepare(self) -> None:
        """Decode what there is: if only silence follows, the result is ready at the end."""
        self._question.prepare()

    def finish(self) -> Transcript | None:
        """Return the question, or None if it is none of the grammar's."""
        return self._question.finish()

    def close(self) -> None:
        """Nothing to do: the model goes with this object."""

    def _decode(self, search: str, clip: AudioClip) -> str:
        self._decoder.activate_search(search)
        self._decoder.start_utt()
        self._decoder.process_raw(clip.samples.tobytes(), no_search=False, full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return "" if hypothesis is None else str(hypothesis.hypstr).strip()

    def _whole_sentence(self, heard: str) -> str:
        """Mend the end of what was heard until it is a sentence of the grammar.

        The decoder also returns paths that stop in the middle of the grammar: "tell me how many
        circles there", its last word swallowed, or "what is the total on", the last breath taken
        for a word. Where exactly one more word makes a sentence it is added, else words go.
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

    def _phones(self, word: str) -> str | None:
        phones: str | None = self._decoder.lookup_word(word)
        return phones

    def _spell(self, text: str) -> str:
        """The phones of a text, one "word" each."""
        return " ".join(self._phones(word) or word for word in text.split())
