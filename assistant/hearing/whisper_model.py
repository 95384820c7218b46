"""Whisper behind one call: sound in, what it reads out of it and how sure it is.

Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", run by
CTranslate2 through faster-whisper. The model hears half a minute at once, and most of its time
goes into the silence behind a question; here it is given as much as the question needs.
"""

import re
import zlib
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.audio import QUESTION_RATE_HZ
from assistant.errors import RecognizerError
from models.files.bounded import read_json

THREADS = 2
"""For one question; the encoder gains by a second one, more are not left on a laptop."""

WINDOWS_S = (8, 15, 30)
"""How much sound the encoder is given, at the cost of 0.05, 0.11 and 0.45 s of one processor: the
shortest for an order, which cannot wait; the second reads a question as well as the third."""

SHORT_S = 2.2
"""Sound that the shortest window is for: an order of two or three words, and what is around it."""

MARGIN_S = 0.2
"""Silence that at least follows the question in its window; without it last words are lost."""

LONGEST_S = WINDOWS_S[-1] - MARGIN_S

MOST_TOKENS = 80
"""More than thirty seconds of quick speech has; what goes on longer repeats itself."""

TOKENS_PER_S, MORE_TOKENS = 7, 8
"""The same for each second of sound, and in all: an order that repeats itself is soon cut."""

BEAM = 10
"""Texts that are followed at once. The right one is often among them and not the first: with
flite's voices slt and rms and noise, of 80 sentences 45 are right with one, 49 with ten where the
first is taken, and 64 have the right one among the ten."""

MOST_SQUEEZED = 2.4
"""A text that can be written so much shorter repeats itself (the paper, section 4.5)."""

LEAST_PROBABILITY = 1e-9
"""Of a token in a score: one that is impossible shall not hide how well the others fit."""

_FILES = ("model.bin", "config.json", "tokenizer.json")
_VOCABULARIES = ("vocabulary.txt", "vocabulary.json")
_FRAMES_PER_S = 100

_ASIDE = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|♪[^♪]*♪?")
"""What Whisper writes of sounds that are no words: [Music], (sighs), *door closes*."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What Whisper made of a sound.

    text:      as it writes it, with capitals and punctuation.
    logprob:   mean natural logarithm of the probabilities of its tokens, 0 or less.
    no_speech: how probable it holds it that nobody speaks, 0 to 1.
    squeezed:  length of the text over its length compressed: above 2 it repeats itself.
    encoded:   the sound as the model has it, for `WhisperModel.score`, and its length in frames.
    guesses:   all that it may be, this text among them, by how well each fits the sound.
    share:     how probable this text is among them, 0 to 1, where that was weighed.
    """

    text: str
    logprob: float
    no_speech: float
    squeezed: float
    encoded: Any = field(default=None, repr=False, compare=False)
    frames: int = 0
    guesses: tuple["Guess", ...] = ()
    share: float = 1.0

    def taken_as(self, guess: "Guess", share: float) -> "Reading":
        """The same sound, read as one of the guesses, which is so probable among all."""
        return replace(
            self,
            text=guess.text,
            logprob=guess.score.mean,
            squeezed=squeezed(guess.text),
            share=share,
        )


@dataclass(frozen=True, slots=True)
class Score:
    """How well a text fits a sound: the natural logarithm of its probability, and its tokens."""

    logprob: float
    tokens: int

    @property
    def mean(self) -> float:
        """The same for one token."""
        return self.logprob / max(1, self.tokens)


@dataclass(frozen=True, slots=True)
class Guess:
    """A text that a sound may be, as Whisper writes it, and how well it fits."""

    text: str
    score: Score


def is_whisper_folder(folder: Path) -> bool:
    """True for a folder that holds Whisper's weights, or the greater part of what belongs to them.

    `check_whisper_folder` says what is missing.
    """
    return (folder / _FILES[0]).is_file()


def check_whisper_folder(folder: Path) -> Path:
    """Return the absolute path of a usable model folder.

    Checked here because the library looks online for a tokenizer that is missing.

    Raises:
        RecognizerError: no folder, or not a Whisper model in the form of CTranslate2.
    """
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise RecognizerError(f"{folder}: no such folder", "give a Whisper model for CTranslate2")
    missing = [name for name in _FILES if not _is_there(folder / name)]
    if not any(_is_there(folder / name) for name in _VOCABULARIES):
        missing.append(_VOCABULARIES[0])
    if missing:
        raise RecognizerError(
            f"{folder}: is not a whole Whisper model ({missing[0]} is missing or empty)",
            "get one with: assistant models pull whisper-tiny-en",
        )
    try:
        read_json(folder / "config.json")
    except (OSError, ValueError) as error:
        raise RecognizerError(f"{folder}: config.json is damaged ({error})", _AGAIN) from error
    return folder


_AGAIN = "pull the model again"


def _is_there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


class WhisperModel:
    """A loaded model; one question at a time, from any thread."""

    def __init__(self, folder: Path, language: str, *, threads: int = THREADS) -> None:
        """Load the model of a local folder, at 8 bits.

        language: what is spoken, in two letters; an English model knows no other.

        Raises:
            RecognizerError: the folder is no Whisper model, it cannot be loaded, or it does not
                know the language.
        """
        path = check_whisper_folder(folder)
        try:
            from faster_whisper import WhisperModel as Loaded
            from faster_whisper.tokenizer import Tokenizer

            self._loaded: Any = Loaded(
                str(path),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads,
                local_files_only=True,
            )
        except ImportError as error:
            raise RecognizerError(
                f"Whisper cannot start ({error})", "run scripts/setup again"
            ) from error
        except Exception as error:  # the native parts and the tokenizer raise bare Exception
            raise RecognizerError(
                f"{path}: Whisper cannot load this model ({error})", _AGAIN
            ) from error
        many = bool(self._loaded.model.is_multilingual)
        if language != "en" and not many:
            raise RecognizerError(
                f"{path.name} knows English only, and hearing.language is {language}",
                "pull whisper-base, or a Vosk model of that language",
            )
        try:
            self._tokens: Any = Tokenizer(
                self._loaded.hf_tokenizer, many, task="transcribe", language=language
            )
        except ValueError as error:
            raise RecognizerError(
                f"Whisper does not know the language {language}", "set hearing.language to another"
            ) from error
        self._prompt = [*self._tokens.sot_sequence, self._tokens.no_timestamps]

    def read(self, samples: NDArray[np.int16], *, again: bool = False) -> Reading:
        """Read what is said in (n,) samples at 16 kHz, of at most `LONGEST_S`; the rest is cut.

        again: read in another window than otherwise, to see whether it is read alike.
        """
        seconds = len(samples) / QUESTION_RATE_HZ
        return self._read(samples, other_window_of(seconds) if again else window_of(seconds))

    def score(self, reading: Reading, text: str) -> Score:
        """How well a text, written as the model writes, fits the sound of a reading."""
        tokens = self._tokens.encode(" " + text)
        (aligned,) = self._loaded.model.align(
            reading.encoded, self._tokens.sot_sequence, [tokens], reading.frames
        )
        probabilities = np.maximum(aligned.text_token_probs, LEAST_PROBABILITY)
        return Score(float(np.log(probabilities).sum()), len(tokens))

    def _read(self, samples: NDArray[np.int16], window_s: int) -> Reading:
        sound = np.zeros(window_s * QUESTION_RATE_HZ, np.float32)
        kept = min(len(samples), len(sound))
        sound[:kept] = samples[:kept].astype(np.float32) / 32768
        features = self._loaded.feature_extractor(sound, padding=0)
        frames = window_s * _FRAMES_PER_S
        encoded = self._loaded.encode(features[:, :frames])
        most_tokens = MORE_TOKENS + round(TOKENS_PER_S * kept / QUESTION_RATE_HZ)
        (result,) = self._loaded.model.generate(
            encoded,
            [self._prompt],
            beam_size=BEAM,
            num_hypotheses=BEAM,
            max_length=len(self._prompt) + min(MOST_TOKENS, most_tokens),
            return_scores=True,
            return_no_speech_prob=True,
        )
        guesses = self._guesses(result, may_repeat=window_s == WINDOWS_S[-1])
        best = guesses[0]
        return Reading(
            text=best.text,
            logprob=best.score.mean,
            no_speech=float(result.no_speech_prob),
            squeezed=squeezed(best.text),
            encoded=encoded,
            frames=frames,
            guesses=guesses,
        )

    def _guesses(self, result: Any, *, may_repeat: bool) -> tuple[Guess, ...]:
        """What was found, the likeliest first; capitals and punctuation make no other guess."""
        found: dict[str, list[Guess]] = {}
        for tokens, mean in zip(result.sequences_ids, result.scores, strict=True):
            text = " ".join(_ASIDE.sub(" ", str(self._tokens.decode(tokens))).split())
            text = text if may_repeat else said_once(text)
            # The end of the text counts as a token too.
            guess = Guess(text, Score(float(mean) * len(tokens), len(tokens) + 1))
            found.setdefault(" ".join(_words(text)), []).append(guess)
        together = map(_together, found.values())
        return tuple(sorted(together, key=lambda each: each.score.logprob, reverse=True))


def window_of(seconds: float) -> int:
    """How many seconds of sound the encoder is given for so many."""
    if seconds <= SHORT_S:
        return WINDOWS_S[0]
    fitting = (window for window in WINDOWS_S[1:] if seconds <= window - MARGIN_S)
    return next(fitting, WINDOWS_S[-1])


def other_window_of(seconds: float) -> int:
    """Another window than that of `window_of`, which holds as much sound: the shortest such."""
    usual = window_of(seconds)
    fitting = (each for each in WINDOWS_S if each != usual and seconds <= each - MARGIN_S)
    return next(fitting, usual)


def _together(ways: list[Guess]) -> Guess:
    """One text written in several ways, as the likeliest of them, as likely as all together."""
    best = max(ways, key=lambda each: each.score.logprob)
    logprob = float(np.logaddexp.reduce([each.score.logprob for each in ways]))
    return Guess(best.text, Score(logprob, best.score.tokens))


def squeezed(text: str) -> float:
    """Length of a text over its length compressed; 0 for an empty one."""
    content = text.encode()
    return len(content) / len(zlib.compress(content))


def is_repeated(text: str) -> bool:
    """True for a text that is another one twice, or several times, the last time cut perhaps."""
    return _period(_words(text)) > 0


def said_once(text: str) -> str:
    """A text that repeats itself as it begins, and every other one as it is.

    With a short window the model does not know that the sound is over, and says an order again and
    again. In a long one, what is said twice was.
    """
    period = _period(_words(text))
    if not period:
        return text
    *_, last = islice(_WORD.finditer(text), period)
    end = last.end()
    return text[: end + 1] if text[end : end + 1] in {".", "?", "!"} else text[:end]


_WORD = re.compile(r"[\w']+")


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _period(words: list[str]) -> int:
    """After how many words a text begins anew until its end; 0 for never."""
    for length in range(1, len(words) // 2 + 1):
        whole = words[(len(words) - 1) % length]
        is_cut = len(words) > 2 * length and whole.startswith(words[-1])
        repeats = all(word == words[at % length] for at, word in enumerate(words[:-1]))
        if repeats and (is_cut or (len(words) % length == 0 and whole == words[-1])):
            return length
    return 0
