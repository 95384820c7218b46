"""Vosk as far as it goes without a model: its folder, its real library, and a stand-in model."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from assistant.audio import AudioClip
from assistant.errors import RecognizerError
from assistant.hearing.recognizer import AudioChunk, Transcript
from assistant.hearing.vosk_recognizer import (
    UNKNOWN,
    VoskRecognizer,
    check_model_folder,
    configured_model,
)


def model_folder(path: Path) -> Path:
    (path / "am").mkdir(parents=True)
    (path / "conf").mkdir()
    (path / "am" / "final.mdl").write_bytes(b"weights")
    (path / "conf" / "mfcc.conf").write_text("--sample-frequency=16000")
    return path


def test_vosk_folder_is_checked_before_vosk_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model_folder(tmp_path / "outer" / "model")
    monkeypatch.chdir(tmp_path)
    assert check_model_folder(Path("outer/model")) == whole
    (tmp_path / "empty").mkdir()
    for folder, named in (
        ("none", "no such folder"),
        ("empty", "is empty; unpack a Vosk model there"),
        ("outer/model/am/final.mdl", "is a file"),
        ("outer/model/am", "is not a Vosk model"),
        ("outer", "one level deeper; give .*outer/model"),
    ):
        with pytest.raises(RecognizerError, match=named):
            check_model_folder(Path(folder))
    (whole / "am" / "final.mdl").write_bytes(b"")
    with pytest.raises(RecognizerError, match="missing or empty"):
        VoskRecognizer(whole)


def test_vosk_folder_comes_from_the_option_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SIGHTLINE_VOSK_MODEL", raising=False)
    assert configured_model(None) is None
    monkeypatch.setenv("SIGHTLINE_VOSK_MODEL", "/models/vosk")
    assert configured_model(None) == Path("/models/vosk")
    assert configured_model(Path("/other")) == Path("/other")


@pytest.mark.parametrize("more", [(), ("conf/model.conf", "graph/HCLG.fst", "ivector/final.dubm")])
def test_the_real_library_refuses_a_damaged_model(tmp_path: Path, more: Sequence[str]) -> None:
    folder = model_folder(tmp_path / "model")
    for name in more:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    with pytest.raises(RecognizerError, match="Vosk cannot load this model.*unpack it again"):
        VoskRecognizer(folder)


CLIP = AudioClip(np.arange(8, dtype=np.int16), 16000)


class FakeKaldi:
    """Answers as Vosk's recognizer does: each byte pair 9 in the sound ends a result."""

    def __init__(self, said: list[str], confidence: float) -> None:
        self.said, self.confidence = list(said), confidence
        self.words = False

    def SetWords(self, wanted: bool) -> None:  # noqa: N802
        self.words = wanted

    def AcceptWaveform(self, content: bytes) -> bool:  # noqa: N802
        return 9 in np.frombuffer(content, np.int16)

    def PartialResult(self) -> str:  # noqa: N802
        return json.dumps({"partial": self.said[0] if self.said else ""})

    def Result(self) -> str:  # noqa: N802
        assert self.words, "confidences were not asked for"
        text = self.said.pop(0) if self.said else ""
        words = [{"word": word, "conf": self.confidence} for word in text.split()]
        return json.dumps({"text": text, "result": words} if words else {"text": ""})

    FinalResult = Result


class FakeModel:
    """A loaded model: what the open and the limited recognizer will say."""

    def __init__(self, said: list[str], command: str, confidence: float = 0.9) -> None:
        self.said, self.command, self.confidence = said, command, confidence
        self.phrases: list[str] = []
        self.unknown: set[str] = set()

    def knows(self, word: str) -> bool:
        return word not in self.unknown

    def recognizer(self, phrases: Sequence[str] | None) -> FakeKaldi:
        if phrases is None:
            return FakeKaldi(self.said, 0.7)
        self.phrases = list(phrases)
        return FakeKaldi([self.command], self.confidence)


def hear(tmp_path: Path, model: FakeModel) -> Transcript | None:
    folder = model_folder(tmp_path / "model")
    return VoskRecognizer(folder, load=lambda path: model).recognize(CLIP)


def test_a_question_is_heard_openly(tmp_path: Path) -> None:
    model = FakeModel(["what is the capital of france"], f"{UNKNOWN} stop")
    heard = hear(tmp_path, model)
    assert heard is not None and not heard.is_command
    assert heard.text == "what is the capital of france"
    assert heard.confidence == pytest.approx(0.7) and len(heard.words) == 6
    assert model.phrases[-1] == UNKNOWN and "stop" in model.phrases


def test_a_clear_command_is_heard_by_the_grammar(tmp_path: Path) -> None:
    heard = hear(tmp_path, FakeModel(["stock"], "stop"))
    assert heard is not None and heard.is_command and heard.text == "stop"


@pytest.mark.parametrize(("command", "confidence"), [("stop", 0.5), ("stop quit", 0.9), ("", 0.9)])
def test_an_unclear_command_is_none(tmp_path: Path, command: str, confidence: float) -> None:
    heard = hear(tmp_path, FakeModel(["stock prices"], command, confidence))
    assert heard is not None and heard.text == "stock prices"


@pytest.mark.parametrize(
    ("said", "confidence", "heard"),
    [
        ("stop", 0.9, "stop"),
        ("stop", 0.5, None),
        (UNKNOWN, 0.9, None),
        (f"stop {UNKNOWN}", 1, None),
    ],
)
def test_only_a_stop_is_heard_while_only_that_is_listened_for(
    tmp_path: Path, said: str, confidence: float, heard: str | None
) -> None:
    model = FakeModel(["what is the total"], said, confidence)
    recognizer = VoskRecognizer(model_folder(tmp_path / "model"), load=lambda path: model)
    recognizer.begin(stop_only=True)
    assert recognizer.accept(AudioChunk(CLIP.samples, 0.0)) == "", "no question is heard"
    assert "never mind" in model.phrases and "louder" not in model.phrases
    transcript = recognizer.finish()
    assert (transcript and transcript.text) == heard


def test_what_is_given_up_is_heard_no_further(tmp_path: Path) -> None:
    model = FakeModel(["how many"], UNKNOWN)
    recognizer = VoskRecognizer(model_folder(tmp_path / "model"), load=lambda path: model)
    recognizer.begin()
    assert recognizer.accept(AudioChunk(CLIP.samples, 0.0)) == "how many"
    recognizer.cancel()
    assert recognizer.accept(AudioChunk(CLIP.samples, 0.0)) == ""
    assert recognizer.finish() is None
    recognizer.begin()
    assert recognizer.accept(AudioChunk(CLIP.samples, 0.0)) == "how many"


def test_silence_is_nothing(tmp_path: Path) -> None:
    assert hear(tmp_path, FakeModel([], "")) is None


def test_words_come_as_they_are_said_and_pauses_do_not_split(tmp_path: Path) -> None:
    model = FakeModel(["how many", "circles are there"], UNKNOWN)
    paths: list[Path] = []

    def load(path: Path) -> FakeModel:
        paths.append(path)
        return model

    recognizer = VoskRecognizer(model_folder(tmp_path / "model"), load=load)
    assert paths == [tmp_path / "model"] and paths[0].is_absolute()
    assert recognizer.finish() is None, "nothing was begun"
    assert recognizer.accept(AudioChunk(np.zeros(4, np.int16), 0.0)) == "how many"
    recognizer.accept(AudioChunk(np.full(4, 9, np.int16), 0.0))
    so_far = recognizer.accept(AudioChunk(np.zeros(4, np.int16), 0.0))
    assert so_far == "how many circles are there"
    heard = recognizer.finish()
    assert heard is not None and heard.text == "how many circles are there"
    recognizer.begin()
    assert recognizer.accept(AudioChunk(np.zeros(4, np.int16), 0.0)) == "how many"


def test_a_model_without_a_word_for_others_takes_no_command_that_it_did_not_hear_openly(
    tmp_path: Path,
) -> None:
    for openly, heard in (("stock prices", "stock prices"), ("stop", "stop")):
        model = FakeModel([openly], "stop", 1.0)
        model.unknown = {UNKNOWN}
        transcript = hear(tmp_path / openly.split()[0], model)
        assert transcript is not None and transcript.text == heard
        assert transcript.is_command == (heard == "stop")
        assert UNKNOWN not in model.phrases
    for openly, heard_stop in (("never mine", False), ("never mind", True)):
        model = FakeModel([openly], "never mind", 1.0)
        model.unknown = {UNKNOWN}
        folder = model_folder(tmp_path / openly)
        recognizer = VoskRecognizer(folder, load=lambda path, model=model: model)
        recognizer.begin(stop_only=True)
        assert recognizer.accept(AudioChunk(CLIP.samples, 0.0)) == ""
        assert (recognizer.finish() is not None) == heard_stop


def test_words_that_a_model_does_not_know_are_not_given_to_it(tmp_path: Path) -> None:
    model = FakeModel(["stock"], "louder")
    model.unknown = {"stop"}
    heard = hear(tmp_path / "some", model)
    assert heard is not None and heard.text == "louder"
    assert "louder" in model.phrases and not any("stop" in each.split() for each in model.phrases)
    silent = VoskRecognizer(model_folder(tmp_path / "none"), load=lambda path: model)
    silent.set_commands(["stop"], ["stop that"])
    transcript = silent.recognize(CLIP)
    assert transcript is not None and (transcript.text, transcript.is_command) == ("stock", False)
    silent.begin(stop_only=True)
    silent.accept(AudioChunk(CLIP.samples, 0.0))
    assert silent.finish() is None, "no stop can be heard"
