"""The demo's own behaviour, with stand-ins for the commands that it runs."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"
ANSWER = {"question": "read this", "answer": "OAT DRINK", "basis": "read", "timings_ms": {"ocr": 9}}


@pytest.fixture
def demo() -> ModuleType:
    specification = importlib.util.spec_from_file_location("demo", SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def stand_in(
    monkeypatch: pytest.MonkeyPatch, code: int, stdout: str, stderr: str
) -> list[list[str]]:
    """Let every spoken question, and every other command, end like this.

    Typed questions are always answered. Returns the list of what was run.
    """
    ran: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        if "ask" in command and "--question-audio" not in command:
            return subprocess.CompletedProcess(command, 0, json.dumps(ANSWER), "")
        return subprocess.CompletedProcess(command, code, stdout, stderr)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return ran


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "shown", "asked"),
    [
        (0, json.dumps(ANSWER), "", "answer: OAT DRINK (read)", 5),
        (3, json.dumps(ANSWER), "error: no speech engine", "error: no speech engine", 5),
        (2, "", "error: I did not understand", "The same question, typed:", 10),
    ],
)
def test_every_question_is_answered_whatever_is_missing(
    demo: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    stdout: str,
    stderr: str,
    shown: str,
    asked: int,
) -> None:
    ran = stand_in(monkeypatch, code, stdout, stderr)
    demo.ask_all(tmp_path)
    assert sum("ask" in command for command in ran) == asked
    said = capsys.readouterr().out
    assert said.count(shown) == 5
    assert said.count("answer: OAT DRINK (read)") == 5


def test_without_flite_questions_are_typed(
    demo: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran = stand_in(monkeypatch, 2, "", "error: nothing may be spoken here")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    demo.ask_all(tmp_path)
    assert len(ran) == 5
    assert capsys.readouterr().out.count("flite is not installed") == 5


def test_asked_pictures_hold_what_is_asked(demo: ModuleType, tmp_path: Path) -> None:
    scenes = demo.scenes(tmp_path)
    assert [scene.picture.name for scene in scenes] == [
        "count.png", "colour.png", "blank.png", "label.png", "label.png",
    ]  # fmt: skip
    assert scenes[0].right in "012345"
    assert scenes[0].question.startswith("how many")
    assert all(scene.picture.is_file() for scene in scenes)


def test_a_failing_step_is_one_line(
    demo: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "CALIBRATION_PICTURES", 1)
    monkeypatch.setattr(demo, "HELD_OUT_PICTURES", 1)
    stand_in(monkeypatch, 2, "", "error: the model folder is damaged")
    assert demo.main(["--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "error: the model folder is damaged\n"


def test_a_foreign_folder_is_left_alone(
    demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("keep me")
    assert demo.main(["--out", str(tmp_path)]) == 2
    assert letter.read_text() == "keep me"
    assert "was not made by the demo" in capsys.readouterr().err
    demo.prepare(tmp_path / "new")
    (tmp_path / "new" / "old-answer.wav").write_text("x")
    demo.prepare(tmp_path / "new")
    assert [file.name for file in (tmp_path / "new").iterdir()] == [demo.MARKER]
