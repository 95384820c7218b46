"""Whisper behind one call: sound in, what it reads out of it and how sure it is.

Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", run by
CTranslate2 through faster-whisper. The model hears half a minute at once, and most of its time
goes into the silence behind a question; here it is given as much as the question needs.
"""

import re
import zlib
from dataclasses import dataclass, field
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
"""How much sound the encoder is given: the least of these that holds the question."""

MARGIN_S = 0.2
"""Silence that at least follows the question in its window; without it last words are lost."""

LONGEST_S = WINDOWS_S[-1] - MARGIN_S

MOST_TOKENS = 80
"""More than thirty seconds of quick speech has; what goes on longer repeats itself."""

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
    """

    text: str
    logprob: float
    no_speech: float
    squeezed: float
    encoded: Any = field(default=None, repr=False, compare=False)
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """How well a text fits a sound: the natural logarithm of its probability, and its tokens."""

    logprob: float
    tokens: int

    @property
    def mean(self) -> float:
        """The same for one token."""
        return self.logprob / max(1, self.tokens)


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

    def read(self, samples: NDArray[np.int16]) -> Reading:
        """Read what is said in (n,) samples at 16 kHz, of at most `LONGEST_S`; the rest is cut.

        A short window now and then makes the model say the same twice, or again and again; then a
        longer one, such as it was trained with, is tried. What is said twice there, was.
        """
        reading: Reading | None = None
        for window_s in WINDOWS_S:
            if _is_long(samples, window_s) and window_s != WINDOWS_S[-1]:
                continue
            reading = self._read(samples, window_s)
            if reading.squeezed <= MOST_SQUEEZED and not is_repeated(reading.text):
                break
        assert reading is not None
        return reading

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
        (result,) = self._loaded.model.generate(
            encoded,
            [self._prompt],
            beam_size=1,
            max_length=len(self._prompt) + MOST_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
        )
        text = str(self._tokens.decode(result.sequences_ids[0]))
        text = " ".join(_ASIDE.sub(" ", text).split())
        content = text.encode()
        return Reading(
            text=text,
            logprob=float(result.scores[0]),
            no_speech=float(result.no_speech_prob),
            squeezed=len(content) / len(zlib.compress(content)),
            encoded=encoded,
            frames=frames,
        )


def is_repeated(text: str) -> bool:
    """True for a text that is another one twice, or several times."""
    words = re.findall(r"[\w']+", text.lower())
    return any(
        words == words[:length] * (len(words) // length)
        for length in range(1, len(words) // 2 + 1)
        if len(words) % length == 0
    )


def _is_long(samples: NDArray[np.int16], window_s: int) -> bool:
    """True for sound that a window does not hold."""
    return len(samples) > (window_s - MARGIN_S) * QUESTION_RATE_HZ
