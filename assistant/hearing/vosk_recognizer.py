"""Vosk: the better recognizer, used where a model folder is given."""

import json
import os
from pathlib import Path
from typing import Any

from assistant.audio import QUESTION_RATE_HZ, AudioClip
from assistant.errors import RecognizerError
from assistant.hearing.recognizer import Transcript

MODEL_VARIABLE = "SIGHTLINE_VOSK_MODEL"

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
    if not folder.is_dir():
        raise RecognizerError(f"{folder}: no such folder; give an unpacked Vosk model")
    for layout in _LAYOUTS:
        if all((folder / name).is_file() and (folder / name).stat().st_size for name in layout):
            return folder
    inner = [path for path in folder.iterdir() if (path / "am" / "final.mdl").is_file()]
    if inner:
        raise RecognizerError(f"{folder}: holds the model one level deeper; give {inner[0]}")
    raise RecognizerError(
        f"{folder}: is not a Vosk model (am/final.mdl or conf/mfcc.conf is missing or empty); "
        "unpack one there, for example vosk-model-small-en-us-0.15"
    )


class VoskRecognizer:
    """Open-vocabulary recognition; the confidence is the mean of the words' confidences."""

    name = "vosk"

    def __init__(self, folder: Path) -> None:
        """Load a model from a local folder.

        Raises:
            RecognizerError: the folder is no Vosk model, or Vosk cannot load it.
        """
        path = check_model_folder(folder)
        try:
            import vosk

            vosk.SetLogLevel(-1)
            self._model: Any = vosk.Model(model_path=str(path))
        except Exception as error:  # Vosk raises bare Exception
            raise RecognizerError(
                f"{path}: Vosk cannot load this model ({error}); unpack it again"
            ) from error
        self._vosk: Any = vosk

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return what was said in a 16 kHz clip, or None if nothing was."""
        recognizer = self._vosk.KaldiRecognizer(self._model, QUESTION_RATE_HZ)
        recognizer.SetWords(True)
        recognizer.AcceptWaveform(clip.samples.tobytes())
        # Given in one piece, the clip is not split at its pauses: the final result is all of it.
        result = json.loads(recognizer.FinalResult())
        text = str(result.get("text", "")).strip()
        if not text:
            return None
        confidences = [float(word["conf"]) for word in result.get("result", ())]
        mean = sum(confidences) / len(confidences) if confidences else 0.0
        return Transcript(text, mean, self.name)
