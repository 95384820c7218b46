"""Which recognizer hears, by what is installed, what is wanted, and the language."""

from pathlib import Path

import pytest

from assistant.errors import RecognizerError
from assistant.hearing.speech_models import (
    RECOGNIZERS,
    Library,
    SpeechModel,
    check_speech_model,
    choose,
    spoken_language,
)
from assistant.settings.settings import KEYS


def folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("{}")
    return path


VOSK = ("am/final.mdl", "conf/mfcc.conf")
WHISPER = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")


@pytest.fixture
def models(tmp_path: Path) -> dict[str, SpeechModel]:
    return {
        "tiny": SpeechModel(folder(tmp_path / "tiny", *WHISPER), ("en",)),
        "base": SpeechModel(folder(tmp_path / "base", *WHISPER), ("*",)),
        "vosk-en": SpeechModel(folder(tmp_path / "vosk-en", *VOSK), ("en",)),
        "vosk-ko": SpeechModel(folder(tmp_path / "vosk-ko", *VOSK), ("ko",)),
    }


@pytest.mark.parametrize(
    ("recognizer", "wanted", "pulled", "chosen"),
    [
        ("auto", "", "", None),
        ("auto", "", "tiny", "tiny"),
        ("auto", "", "tiny vosk-en", "vosk-en"),
        ("auto", "", "vosk-en tiny", "vosk-en"),
        ("auto", "", "vosk-ko tiny", "vosk-ko"),
        ("auto", "", "tiny vosk-ko", "tiny"),
        ("auto", "en", "vosk-ko tiny", "tiny"),
        ("auto", "ko", "tiny vosk-ko", "vosk-ko"),
        ("auto", "ko", "tiny base", "base"),
        ("auto", "fr", "vosk-ko tiny", None),
        ("auto", "", "base", "base"),
        ("whisper", "", "vosk-en tiny base", "tiny"),
        ("vosk", "", "tiny vosk-en", "vosk-en"),
        ("pocketsphinx", "", "tiny vosk-en", None),
    ],
)
def test_the_recognizer_is_chosen(
    models: dict[str, SpeechModel], recognizer: str, wanted: str, pulled: str, chosen: str | None
) -> None:
    here = [models[name] for name in pulled.split()]
    found = choose(recognizer, spoken_language(wanted, here), here)
    assert found == (None if chosen is None else models[chosen])


@pytest.mark.parametrize(
    ("recognizer", "pulled", "way_out"),
    [("vosk", "tiny", "pull vosk-small-en"), ("whisper", "vosk-en", "pull whisper-tiny-en")],
)
def test_what_is_wanted_and_not_there_is_named(
    models: dict[str, SpeechModel], recognizer: str, pulled: str, way_out: str
) -> None:
    with pytest.raises(RecognizerError, match=f"is {recognizer}, .* en is installed; .*{way_out}"):
        choose(recognizer, "en", [models[pulled]])


def test_folders_are_told_apart_and_looked_over(
    models: dict[str, SpeechModel], tmp_path: Path
) -> None:
    assert check_speech_model(models["tiny"].folder) is Library.WHISPER
    assert check_speech_model(models["vosk-ko"].folder) is Library.VOSK
    for name in WHISPER[1:]:
        lacking = folder(tmp_path / f"without-{name}", *(each for each in WHISPER if each != name))
        with pytest.raises(RecognizerError, match=f"{name} is missing.*pull whisper-tiny-en"):
            check_speech_model(lacking)
    (models["tiny"].folder / "config.json").write_text("{")
    with pytest.raises(RecognizerError, match="config.json is damaged"):
        check_speech_model(models["tiny"].folder)
    with pytest.raises(RecognizerError, match="no such folder"):
        check_speech_model(tmp_path / "nothing")


def test_the_settings_allow_what_can_be_chosen() -> None:
    for recognizer in RECOGNIZERS:
        assert KEYS["hearing.recognizer"].check(recognizer)
    assert not KEYS["hearing.recognizer"].check("alexa")
    assert KEYS["hearing.language"].check("") and KEYS["hearing.language"].check("ko")
    assert not KEYS["hearing.language"].check("korean")
