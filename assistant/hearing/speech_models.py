"""Which speech model hears: what a folder holds, and which of several fits the language."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import RecognizerError
from assistant.hearing.vosk_recognizer import check_model_folder
from assistant.hearing.whisper_model import check_whisper_folder, is_whisper_folder

ENGLISH = "en"
ANY_LANGUAGE = "*"


class Library(enum.Enum):
    """What runs a speech model."""

    VOSK = "vosk"
    WHISPER = "whisper"


AUTO, POCKETSPHINX = "auto", "pocketsphinx"
RECOGNIZERS = (AUTO, *(library.value for library in Library), POCKETSPHINX)
"""What the setting hearing.recognizer can be."""


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A speech model on this machine.

    languages: what it hears, in two letters; "*" for whatever it is told, () where nobody says.
    """

    folder: Path
    languages: tuple[str, ...] = ()

    @property
    def library(self) -> Library:
        """What runs it."""
        return library_of(self.folder)

    def fits(self, language: str) -> bool:
        """True if it hears this language, as far as anybody says."""
        return not self.languages or language in self.languages or ANY_LANGUAGE in self.languages


def library_of(folder: Path) -> Library:
    """What runs the model of a folder: Vosk, unless Whisper's weights lie there."""
    return Library.WHISPER if is_whisper_folder(folder) else Library.VOSK


def check_speech_model(folder: Path) -> Library:
    """What runs the model of a folder, which is looked over.

    Raises:
        RecognizerError: it is no model of that kind, or not whole.
    """
    library = library_of(folder)
    if library is Library.WHISPER:
        check_whisper_folder(folder)
    else:
        check_model_folder(folder)
    return library


def spoken_language(wanted: str, pulled: Sequence[SpeechModel]) -> str:
    """The language of questions: the wanted one, else that of the model pulled last, else English.

    pulled: the last one first. One that hears many languages says nothing of its user's.
    """
    if wanted:
        return wanted
    named = (model.languages[0] for model in pulled if model.languages not in ((), (ANY_LANGUAGE,)))
    return next(named, ENGLISH)


def choose(recognizer: str, language: str, pulled: Sequence[SpeechModel]) -> SpeechModel | None:
    """The pulled model to hear with; None where PocketSphinx is left, or is wanted.

    With "auto", Vosk's that fits the language is first: its words come while they are spoken.

    recognizer: one of `RECOGNIZERS`.
    language:   of `spoken_language`.
    pulled:     the last one first.

    Raises:
        RecognizerError: the wanted library has no model of this language.
    """
    if recognizer == POCKETSPHINX:
        return None
    for library in Library:
        if recognizer in (AUTO, library.value):
            for model in pulled:
                if model.library is library and model.fits(language):
                    return model
    if recognizer != AUTO:
        example = "whisper-tiny-en" if recognizer == Library.WHISPER.value else "vosk-small-en"
        raise RecognizerError(
            f"hearing.recognizer is {recognizer}, and no such model for the language {language} "
            "is installed",
            f"get one, such as with: assistant models pull {example}; or set it to auto",
        )
    return None
