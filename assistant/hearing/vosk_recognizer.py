"""Vosk: the better recognizer, used where a model folder is given."""

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from assistant.audio import QUESTION_RATE_HZ, AudioClip
from assistant.errors import RecognizerError
from assistant.hearing.grammar import command_sentences, stop_sentences
from assistant.hearing.recognizer import AudioChunk, Transcript, Word
from models.files.bounded import parse_json

MODEL_VARIABLE = "SIGHTLINE_VOSK_MODEL"

UNKNOWN = "[unk]"
"""Vosk's word for whatever its grammar does not hold. Some models lack it, and with them a grammar
bends all that is said into one of its sentences."""

SURE_COMMAND = 0.8
"""Mean confidence from which a command is believed: stopping by mistake loses an answer."""

_LAYOUTS = (("am/final.mdl", "conf/mfcc.conf"), ("final.mdl", "mfcc.conf"))
"""What every Vosk model folder holds: the present layout, and the flat one of older models."""


def configured_model(option: Path | None) -> Path | None:
    """The model folder of the command line, else of the environment, else None."""
    if option is not None:
        return option
    named = os.environ.get(MODEL_VARIABLE)
    return Path(named) if named else None


def check_model_folder(folder: Path) -> Path:
    """Return the absolute path of a usable model folder.

    Checked here because Vosk given a bad path ends the process or looks for a model online.

    Raises:
        RecognizerError: no folder, or not a Vosk model.
    """
    folder = folder.expanduser().absolute()
    if folder.is_file():
        raise RecognizerError(f"{folder}: is a file", "unpack it, and give the folder")
    if not folder.is_dir():
        raise RecognizerError(f"{folder}: no such folder", "give an unpacked Vosk model")
    if not any(folder.iterdir()):
        raise RecognizerError(f"{folder}: is empty", "unpack a Vosk model there")
    for layout in _LAYOUTS:
        if all((folder / name).is_file() and (folder / name).stat().st_size for name in layout):
            return folder
    inner = [path for path in folder.iterdir() if (path / "am" / "final.mdl").is_file()]
    if inner:
        raise RecognizerError(f"{folder}: holds the model one level deeper", f"give {inner[0]}")
    raise RecognizerError(
        f"{folder}: is not a Vosk model (am/final.mdl or conf/mfcc.conf is missing or empty)",
        "unpack one there, for example vosk-model-small-en-us-0.15",
    )


class KaldiModel(Protocol):
    """A loaded model: what Vosk's recognizers are made of."""

    def recognizer(self, phrases: Sequence[str] | None) -> Any:
        """A new recognizer for 16 kHz; limited to phrases, or open.

        It has `AcceptWaveform(bytes)`, `PartialResult()`, `Result()`, `FinalResult()` and
        `SetWords(bool)`, as https://alphacephei.com/vosk/ describes them.
        """
        ...

    def knows(self, word: str) -> bool:
        """True for a word that the model can hear."""
        ...


class VoskRecognizer:
    """Open-vocabulary recognition, and beside it a small grammar of commands on the same model.

    Both hear the same sound. What the grammar hears whole and clearly is a command, anything
    else a question in the open recognizer's words. The confidence is the mean of the words'.
    Of the commands, those are in the grammar whose words the model knows; where it does not know
    `UNKNOWN`, none is believed that the open recognizer has not heard too.
    """

    name = "vosk"

    def __init__(self, folder: Path, *, load: Callable[[Path], KaldiModel] | None = None) -> None:
        """Load the model of a local folder.

        load: how a checked folder becomes a model; the real library where it is None.

        Raises:
            RecognizerError: the folder is no Vosk model, or Vosk cannot load it.
        """
        path = check_model_folder(folder)
        self._model = _VoskModel(path) if load is None else load(path)
        self._hears_others = self._model.knows(UNKNOWN)
        self.set_commands(command_sentences(), stop_sentences())
        self._open: _Hearing | None = None
        self._limited: _Hearing | None = None
        self._stop_only = self._begun = False
        self._cancelled = threading.Event()

    def set_commands(self, commands: Sequence[str], stops: Sequence[str]) -> None:
        """Hear these commands, and these ways to say stop, from the next question on."""
        self._commands, self._stops = (
            [each for each in sentences if all(map(self._model.knows, each.split()))]
            for sentences in (commands, stops)
        )
        self._known_commands = frozenset(self._commands)

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return what was said in a 16 kHz clip, or None if nothing was."""
        self.begin()
        self.accept(AudioChunk(clip.samples, 0.0))
        return self.finish()

    def begin(self, *, stop_only: bool = False) -> None:
        """Begin to hear a question, or only a stop, and forget an unfinished one."""
        self._cancelled.clear()
        phrases = list(self._stops if stop_only else self._commands)
        self._open = self._limited = None
        if not stop_only or not self._hears_others:
            self._open = _Hearing(self._model.recognizer(None))
        if phrases:
            more = [UNKNOWN] if self._hears_others else []
            self._limited = _Hearing(self._model.recognizer([*phrases, *more]))
        self._stop_only, self._begun = stop_only, True

    def accept(self, chunk: AudioChunk) -> str:
        """Take the next piece, and return the words so far."""
        if self._cancelled.is_set():
            return ""
        if not self._begun:
            self.begin()
        content = chunk.samples.tobytes()
        for hearing in (self._limited, self._open):
            if hearing is not None:
                hearing.accept(content)
        return "" if self._open is None or self._stop_only else self._open.so_far()

    def finish(self) -> Transcript | None:
        """Return what was said, or None if nothing was."""
        heard, limited = self._open, self._limited
        self._open = self._limited = None
        begun, self._begun = self._begun, False
        if not begun or self._cancelled.is_set():
            return None
        command = question = None
        if limited is not None:
            command = self._transcript(limited.finish(), is_command=True)
        if heard is not None:
            question = self._transcript(heard.finish(), is_command=False)
        if command is not None and self._is_believed(command, question):
            return command
        return None if self._cancelled.is_set() or self._stop_only else question

    def _is_believed(self, command: Transcript, question: Transcript | None) -> bool:
        wanted = self._stops if self._stop_only else self._known_commands
        if command.text not in wanted or command.confidence < SURE_COMMAND:
            return False
        return self._hears_others or (question is not None and question.text == command.text)

    def cancel(self) -> None:
        """Decode no further than the present piece."""
        self._cancelled.set()

    def close(self) -> None:
        """Nothing to do: the model goes with this object."""

    def _transcript(self, words: tuple[Word, ...], *, is_command: bool) -> Transcript | None:
        if not words:
            return None
        mean = sum(word.confidence for word in words) / len(words)
        text = " ".join(word.text for word in words)
        return Transcript(text, mean, self.name, words, is_command)


class _Hearing:
    """One recognizer and what it has finished so far.

    Vosk ends a result at each longer pause; a question with a pause is still one question.
    """

    def __init__(self, recognizer: Any) -> None:
        self._recognizer = recognizer
        recognizer.SetWords(True)
        self._words: list[Word] = []

    def accept(self, content: bytes) -> None:
        if self._recognizer.AcceptWaveform(content):
            self._take(self._recognizer.Result())

    def so_far(self) -> str:
        partial = str(parse_json(self._recognizer.PartialResult()).get("partial", ""))
        return " ".join([*(word.text for word in self._words), *partial.split()])

    def finish(self) -> tuple[Word, ...]:
        self._take(self._recognizer.FinalResult())
        return tuple(self._words)

    def _take(self, result: str) -> None:
        said = parse_json(result)
        words = said.get("result")
        if words is None:  # older models give no single words
            words = [{"word": word, "conf": 0.0} for word in str(said.get("text", "")).split()]
        self._words += [Word(str(word["word"]), float(word["conf"])) for word in words]


class _VoskModel:
    """The real library behind `KaldiModel`."""

    def __init__(self, path: Path) -> None:
        try:
            import vosk

            vosk.SetLogLevel(-1)
            self._model: Any = vosk.Model(model_path=str(path))
        except Exception as error:  # Vosk raises bare Exception
            raise RecognizerError(
                f"{path}: Vosk cannot load this model ({error})", "unpack it again"
            ) from error
        self._vosk: Any = vosk

    def recognizer(self, phrases: Sequence[str] | None) -> Any:
        if phrases is None:
            return self._vosk.KaldiRecognizer(self._model, QUESTION_RATE_HZ)
        # Vosk reads no escapes: with them every word of another alphabet would be unknown.
        grammar = json.dumps([*phrases], ensure_ascii=False)
        return self._vosk.KaldiRecognizer(self._model, QUESTION_RATE_HZ, grammar)

    def knows(self, word: str) -> bool:
        return int(self._model.vosk_model_find_word(word)) >= 0
