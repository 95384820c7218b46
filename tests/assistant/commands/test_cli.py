"""`assistant ask` and `assistant read` from the command line, with no network to lean on."""

import contextlib
import ctypes.util
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from PIL import Image

from assistant import wiring
from assistant.answers import Answer, Basis
from assistant.audio import AudioClip, read_clip, write_wav
from assistant.cli import main
from assistant.commands import one_shot
from assistant.inference import opening
from tests.assistant.made_answers import answered, total

pytestmark = pytest.mark.usefixtures("offline")

Speak = Callable[[str, str], Path]

needs_espeak = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None, reason="the espeak-ng library is not installed"
)


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    """A clean picture of a receipt."""
    page = np.full((320, 480, 3), 250, np.uint8)
    for row, (left, right) in enumerate(
        [("Corner shop", ""), ("Milk", "2.10"), ("Bread", "3.40"), ("Total", "5.50")]
    ):
        for x, text in ((20, left), (350, right)):
            at = (x, 60 + 70 * row)
            cv2.putText(page, text, at, cv2.FONT_HERSHEY_DUPLEX, 1.2, (20, 20, 20), 2)
    path = tmp_path / "receipt.png"
    Image.fromarray(page).save(path)
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of nobody."""
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the default vision model."""
    monkeypatch.setattr(opening, "pocket_int4_folder", lambda: tmp_path / "pocket")


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must be refused; return its one line."""
    assert main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


@needs_espeak
def test_a_spoken_question_gets_a_spoken_answer(
    receipt: Path, tmp_path: Path, speak: Speak, capsys: pytest.CaptureFixture[str]
) -> None:
    question, answer = str(speak("what is the total", "slt")), tmp_path / "answer.wav"
    spoken = ["--question-audio", question, "--answer-audio", str(answer)]
    assert main(["ask", str(receipt), *spoken, "--json"]) == 0
    out, error = capsys.readouterr()
    report = json.loads(out)
    assert error == ""
    assert report["question"] == "what is the total"
    assert report["answer"] == "The total is 5.50."
    assert report["basis"] == "read" and report["model"] is None
    assert {line["text"] for line in report["evidence"]} == {"Total", "5.50"}
    assert report["skill"] == "total"
    assert report["values"] == [{"label": "Total", "value": "5.50", "lines": report["evidence"]}]
    for line in report["evidence"]:
        assert len(line["box"]) == 4 and 0.5 < line["confidence"] <= 1
        assert all(200 < y < 320 for _, y in line["box"]), "the box is not where the total stands"
    assert set(report["timings_ms"]) == {
        "load_picture", "load_recognizer", "recognize", "quality", "load_ocr", "ocr", "synthesize",
    }  # fmt: skip
    clip = read_clip(answer)
    assert 1 < clip.duration_s < 6
    assert np.abs(clip.samples.astype(int)).max() > 3000


@pytest.mark.usefixtures("no_model")
def test_plain_output_is_labelled_lines_without_escapes(
    receipt: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["ask", str(receipt), "What is the total?", "--no-speech"]) == 0
    assert main(["ask", str(receipt), "Describe the picture", "--no-speech"]) == 0
    out = capsysbinary.readouterr().out.decode()
    lines = out.split("\n")[:-1]
    assert lines[:2] == ["you: What is the total?", "answer: The total is 5.50. (read)"]
    assert lines[2] == "you: Describe the picture"
    assert lines[3].startswith("status: no vision model at ")
    assert lines[4].startswith("answer: I can't tell: ") and lines[4].endswith("(can't tell)")
    assert len(lines) == 5
    assert forbidden(out) == set()


def forbidden(text: str) -> set[str]:
    """What no plain output may hold: control characters, boxes, blocks, braille, other spaces."""
    ranges = (range(10), range(11, 32), range(127, 161), range(0x2000, 0x2010),
              range(0x2028, 0x2030), range(0x2500, 0x25A0), range(0x2800, 0x2900))  # fmt: skip
    return {character for character in text if any(ord(character) in each for each in ranges)}


@pytest.mark.usefixtures("no_model")
def test_what_is_typed_is_printed_without_forbidden_characters(
    receipt: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    question = "what\u00a0is\x9b the\u2028total \u2588\u2503\u28ff\x1b[1m?"
    assert forbidden(question) == set("\u00a0\x9b\u2028\u2588\u2503\u28ff\x1b")
    assert main(["ask", str(receipt), question, "--no-speech"]) == 0
    out = capsysbinary.readouterr().out.decode()
    assert out.startswith("you: what is the total [1m?\nanswer: ")
    assert forbidden(out) == set()


@pytest.mark.usefixtures("no_model")
def test_a_terminal_that_lacks_a_character_gets_a_mark(
    receipt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    ask = ["ask", str(receipt), "what is the total \u6f22\u5b57 na\u00efve", "--no-speech"]
    assert main(ask) == 0
    sys.stdout.flush()
    assert written.getvalue().startswith(b"you: what is the total ?? na\xefve\nanswer: ")
    written.truncate(0)
    written.seek(0)
    assert main([*ask, "--json"]) == 0
    sys.stdout.flush()
    assert json.loads(written.getvalue())["question"] == "what is the total \u6f22\u5b57 na\u00efve"


def test_two_questions_of_one_breath_get_two_answers(
    tmp_path: Path, no_model: None, capsys: pytest.CaptureFixture[str]
) -> None:
    page = np.full((320, 640, 3), 250, np.uint8)
    for row, text in enumerate(["Corner shop", "Total 5.50", "Date 14.08.2026"]):
        at = (20, 60 + 90 * row)
        cv2.putText(page, text, at, cv2.FONT_HERSHEY_DUPLEX, 1.2, (20, 20, 20), 2)
    Image.fromarray(page).save(tmp_path / "bill.png")
    question = "What is the total and the date?"
    assert main(["ask", str(tmp_path / "bill.png"), question, "--no-speech", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["answer"] == "The total is 5.50. The date is 14.08.2026."
    assert report["basis"] == "read"
    assert [each["skill"] for each in report["answers"]] == ["total", "date"]


def test_read_gives_the_text_in_order(receipt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", str(receipt), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["text"].split() == list(
        ("Corner", "shop", "Milk", "2.10", "Bread", "3.40", "Total", "5.50")
    )
    assert report["question"] is None and report["basis"] == "read"


def test_a_blank_page_is_not_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "blank.png")
    assert main(["ask", str(tmp_path / "blank.png"), "what do you see", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["basis"] == "unknown" and "blank" in report["answer"]


def test_bad_pictures_and_questions(
    receipt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(receipt.read_bytes()[:2000])
    assert "no such file" in failed(capsys, "ask", str(tmp_path / "none.jpg"), "what is it")
    assert "not a picture" in failed(capsys, "read", str(Path(__file__)))
    assert "cut short" in failed(capsys, "read", str(cut))
    assert "question is empty" in failed(capsys, "ask", str(receipt), "")
    assert "question is empty" in failed(capsys, "ask", str(receipt))
    assert "give one of them" in failed(
        capsys, "ask", str(receipt), "what is it", "--question-audio", "q.wav"
    )
    assert "--help" in failed(capsys, "look", str(receipt))


def test_a_picture_without_a_command_is_told_how_to_be_opened(
    receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = failed(capsys, str(receipt))
    assert told.endswith("is a file and no command; to talk about it: assistant --picture FILE\n")
    assert "choose from" in failed(capsys, "raed")


def test_paths_that_are_too_long_are_bad_input(
    receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "a" * 5000
    assert long in failed(capsys, "read", long)
    ask = ("ask", str(receipt))
    assert long in failed(capsys, *ask, "--question-audio", long)
    for option in ("--answer-audio", "--model"):
        assert long in failed(capsys, *ask, "what is the total", option, long, "--json")


def test_bad_sound_files(
    receipt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], speak: Speak
) -> None:
    fast, silent = tmp_path / "fast.wav", tmp_path / "silent.wav"
    write_wav(fast, AudioClip(np.zeros(100, np.int16), 44100))
    write_wav(silent, AudioClip(np.zeros(16000, np.int16), 16000))
    ask = ("ask", str(receipt), "--no-speech", "--question-audio")
    assert "44100 Hz" in failed(capsys, *ask, str(fast))
    assert "not a PCM WAV" in failed(capsys, *ask, str(receipt))
    assert "heard nothing" in failed(capsys, *ask, str(silent))
    other = speak("please call my mother tomorrow", "slt")
    assert "did not understand" in failed(capsys, *ask, str(other))
    missing = ("--vosk-model", str(tmp_path / "vosk"))
    assert "no such folder" in failed(capsys, *ask, str(other), *missing)


def test_outputs_are_never_overwritten(
    receipt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = receipt.read_bytes()
    ask = ("ask", str(receipt), "what is the total", "--answer-audio")
    assert "not a WAV file" in failed(capsys, *ask, str(receipt))
    assert "is a folder" in failed(capsys, *ask, str(tmp_path))
    assert "does not exist" in failed(capsys, *ask, str(tmp_path / "no" / "a.wav"))
    question = tmp_path / "question.wav"
    write_wav(question, AudioClip(np.ones(16000, np.int16), 16000))
    same = ("--question-audio", str(question), "--answer-audio", str(question))
    for more in ((), ("--overwrite",)):
        assert "replace the question" in failed(capsys, "ask", str(receipt), *same, *more)
    recorded = question.read_bytes()
    assert "another name, or --overwrite" in failed(capsys, *ask, str(question))
    assert "not a WAV file" in failed(capsys, *ask, str(receipt), "--overwrite")
    assert "without --answer-audio" in failed(capsys, "read", str(receipt), "--overwrite")
    assert receipt.read_bytes() == before and question.read_bytes() == recorded


@needs_espeak
def test_an_older_answer_is_replaced_when_told_to(receipt: Path, tmp_path: Path) -> None:
    old = tmp_path / "answer.wav"
    write_wav(old, AudioClip(np.ones(100, np.int16), 16000))
    ask = ["ask", str(receipt), "what is the total", "--answer-audio", str(old)]
    assert main([*ask, "--overwrite"]) == 0
    assert read_clip(old).duration_s > 0.5


class FolderEater:
    """A synthesizer during whose work the folder of the answer disappears."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> None:
        pass

    def set_rate(self, wpm: int) -> None:
        pass

    def set_voice(self, name: str | None) -> None:
        pass

    def synthesize(self, text: str) -> AudioClip:
        shutil.rmtree(self.folder, ignore_errors=True)
        return AudioClip(np.ones(100, np.int16), 16000)

    def close(self) -> None:
        pass


def test_an_answer_whose_sound_cannot_be_written_is_still_printed(
    receipt: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from assistant.devices import synthesizer

    place = tmp_path / "place"
    monkeypatch.setattr(synthesizer, "Pyttsx3Synthesizer", lambda: FolderEater(place))
    ask = ["ask", str(receipt), "what is the total", "--answer-audio", str(place / "a.wav")]
    for more in ([], ["--json"]):
        place.mkdir()
        assert main([*ask, *more]) == 3
        out, error = capsys.readouterr()
        assert error.startswith(f"error: {place / 'a.wav'}: ") and error.count("\n") == 1
        assert "in text only" in error
        if more:
            assert json.loads(out)["answer"] == "The total is 5.50."
        else:
            assert out.splitlines()[1:] == ["answer: The total is 5.50. (read)"]


def test_a_bad_model_folder_is_refused(
    receipt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ("ask", str(receipt), "what is the total", "--json", "--model")
    assert str(tmp_path / "none") in failed(capsys, *ask, str(tmp_path / "none"))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "config.json" in failed(capsys, *ask, str(empty))


@dataclass
class FakeToken:
    text: str
    probability: float


class FakeModel:
    """Stands for a model of the right form that always sees red."""

    name = "fake/int4"
    skills: dict[str, float | None] | None = None
    photographs = {"colour": 0.95, "count": 0.95, "describe": 0.95}

    def __init__(self, folder: Path, placing: Any) -> None:
        pass

    def look(self, rgb: Any) -> None:
        assert rgb.shape == (320, 480, 3)

    def answer(self, scene: None, question: str) -> Iterator[FakeToken]:
        yield FakeToken("red", 0.9)


def test_questions_about_things_go_to_the_model(
    receipt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("assistant.inference.opening.LocalVisionModel", FakeModel)
    assert main(["ask", str(receipt), "What colour is it?", "--json", "--model", "m"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["answer"], report["basis"], report["model"]) == ("red", "seen", "fake/int4")
    assert {"load_model", "quality", "look", "answer"} <= set(report["timings_ms"])


@pytest.mark.slow
def test_a_folder_with_a_small_model_is_loaded_and_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from models.cogvlm2 import CogVLM2ForCausalLM
    from models.pocket.questions import Split
    from models.pocket.training.export import export
    from models.pocket.training.loop import pocket_config
    from models.pocket.training.pictures import render

    torch.manual_seed(0)
    export(CogVLM2ForCausalLM(pocket_config()), tmp_path / "small")
    Image.fromarray(render(1, Split.HELD_OUT, "count").rgb).save(tmp_path / "drawn.png")
    ask = ["ask", str(tmp_path / "drawn.png"), "How many circles are there?", "--json"]
    assert main([*ask, "--model", str(tmp_path / "small")]) == 0
    report = json.loads(capsys.readouterr().out)
    # Untrained weights say anything, but never with a claim to know.
    assert report["basis"] in ("guess", "unknown")
    assert report["model"].endswith("/small")
    assert {"load_model", "look", "answer"} <= set(report["timings_ms"])
    weights = tmp_path / "small" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert "model.safetensors" in failed(capsys, *ask, "--model", str(tmp_path / "small"))


def test_without_speech_engine_or_loudspeaker_it_goes_on_in_text(
    receipt: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mute = tmp_path / "mute.py"
    mute.write_text('print(\'{"ready": false, "error": "no engine"}\', flush=True)\n')
    from assistant.devices import synthesizer

    whole = synthesizer.Pyttsx3Synthesizer

    monkeypatch.setattr(synthesizer, "Pyttsx3Synthesizer", lambda: whole(worker=mute))
    written = ["--answer-audio", str(tmp_path / "a.wav")]
    assert main(["ask", str(receipt), "what is the total", *written]) == 3
    out, error = capsys.readouterr()
    assert out.splitlines()[1:] == ["answer: The total is 5.50. (read)"]
    assert error.startswith("error: no speech engine") and error.count("\n") == 1
    assert not (tmp_path / "a.wav").exists()
    # A worker that cannot even start is the same, and no unexpected failure.
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nowhere/python")
        assert main(["ask", str(receipt), "what is the total", *written]) == 3
        out, error = capsys.readouterr()
        assert out.splitlines()[1:] == ["answer: The total is 5.50. (read)"]
        assert error.startswith("error: the speech process cannot be started")
    # Played sound is an extra: its absence is told once and is no failure.
    monkeypatch.setattr(synthesizer, "Pyttsx3Synthesizer", whole)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["ask", str(receipt), "what is the total"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "answer: The total is 5.50. (read)"
    assert lines[2].startswith("status: no sound: ") and len(lines) == 3


class FakeSynthesizer:
    """Remembers what it was told; its sound is the same for every sentence."""

    told: ClassVar[list[object]] = []

    def start(self) -> None: ...

    def close(self) -> None: ...

    def set_rate(self, wpm: int) -> None:
        self.told.append(wpm)

    def set_voice(self, name: str | None) -> None:
        self.told.append(name)

    def synthesize(self, text: str) -> AudioClip:
        self.told.append(text)
        return AudioClip(np.full(160, 1000, np.int16), 16000)


class FakePlayer:
    def set_volume(self, percent: int) -> None:
        FakeSynthesizer.told.append(f"{percent} percent")

    def play(self, clip: AudioClip) -> None: ...


@pytest.mark.parametrize("mode", ["voice", "screen_reader", "none"])
def test_it_speaks_as_the_settings_say_and_never_over_a_screen_reader(
    mode: str, receipt: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "settings.toml").write_text(
        f'[speech]\nmode = "{mode}"\nrate = 300\nvolume = 40\nvoice = "en-gb"\n'
    )
    monkeypatch.setattr("assistant.devices.synthesizer.Pyttsx3Synthesizer", FakeSynthesizer)
    monkeypatch.setattr("assistant.devices.player.SoundDevicePlayer", FakePlayer)
    monkeypatch.setattr(FakeSynthesizer, "told", [])
    monkeypatch.setattr(wiring.Answerer, "answer", lambda *_: total())
    assert main(["ask", str(receipt), "what is the total"]) == 0
    spoken = [300, "en-gb", "40 percent", "Read: The total is 5.50."]
    assert FakeSynthesizer.told == (spoken if mode == "voice" else [])
    # A file that was asked for is made for everybody.
    FakeSynthesizer.told.clear()
    wav = home / "answer.wav"
    assert main(["ask", str(receipt), "what is the total", "--answer-audio", str(wav)]) == 0
    assert FakeSynthesizer.told == [300, "en-gb", "Read: The total is 5.50."] and wav.is_file()


def test_the_model_of_the_settings_is_used_unless_another_is_named(
    receipt: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "settings.toml").write_text(f'[model]\nfolder = "{home}/mine"\n')
    opened: list[Path | None] = []

    class Opener:
        def __init__(self, folder: Path) -> None:
            self.folder = folder

        def __call__(self) -> None:
            opened.append(self.folder)

        open = __call__

    monkeypatch.setattr(one_shot, "ModelOpener", lambda folder, **_: Opener(Path(folder)))
    dogs = answered("Two.", Basis.GUESS)
    monkeypatch.setattr(one_shot, "one_shot_answerer", lambda opener, *_: AsksModel(opener, dogs))
    assert main(["ask", str(receipt), "how many dogs are there", "--no-speech"]) == 0
    assert opened == [home / "mine"]
    other = ["--model", str(home / "other"), "--no-speech"]
    assert main(["ask", str(receipt), "how many dogs are there", *other]) == 0
    assert set(opened[1:]) == {home / "other"}


@dataclass
class AsksModel:
    opener: Callable[[], None]
    found: Answer

    def answer_all(self, *_: object) -> list[Answer]:
        self.opener()
        return [self.found]


def test_unexpected_failures_are_one_line_too(
    receipt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(one_shot, "open_page", broken)
    assert main(["read", str(receipt)]) == 1
    error = capsys.readouterr().err
    assert error == "error: unexpected failure (RuntimeError: two lines); run with --verbose\n"


def test_help_documents_the_exit_codes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    for command in ([], ["ask"], ["read"]):
        with contextlib.suppress(SystemExit):
            main([*command, "--help"])
        out = capsys.readouterr().out
        assert "exit codes:" in out and "2  bad input" in out and "130  stopped" in out
        assert forbidden(out) == set()


def test_a_page_of_a_pdf_is_read_and_asked_about_and_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = written_pdf(tmp_path, ["Total 12.50", "Total 75.50", "Page 3 of 3"])
    assert main(["read", str(letter), "--page", "2", "--no-speech"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "status: Page 2 of 3. For the next one: --page 3."
    assert "75.50" in lines[1] and "12.50" not in "".join(lines)
    assert main(["ask", str(letter), "what is the total", "--json", "--page", "2"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert "75.50" in answer["answer"] and (answer["page"], answer["pages"]) == (2, 3)
    assert main(["read", str(letter), "--page", "3", "--no-speech"]) == 0
    # The page says its number itself.
    assert capsys.readouterr().out.count("Page 3 of 3") == 1
    for page, told in (("4", "has 3 pages; there is no page 4"), ("x", "not the number of a page")):
        assert main(["read", str(letter), "--page", page, "--no-speech"]) == 2
        assert told in capsys.readouterr().err


def written_pdf(folder: Path, texts: Sequence[str]) -> Path:
    """A PDF with one line of print on each page."""
    sheets = []
    for text in texts:
        sheet = np.full((300, 620, 3), 250, np.uint8)
        cv2.putText(sheet, text, (60, 160), cv2.FONT_HERSHEY_DUPLEX, 1.6, (20, 20, 20), 2)
        sheets.append(Image.fromarray(sheet))
    path = folder / "letter.pdf"
    sheets[0].save(path, save_all=True, append_images=sheets[1:], resolution=100)
    return path


def test_an_offer_to_read_names_the_command_where_nobody_can_say_yes(
    receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", str(receipt), "how much sodium is in it", "--no-speech"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].endswith("Shall I read it? (can't tell)")
    assert lines[-1] == f"status: To hear the text: assistant read {receipt}"
