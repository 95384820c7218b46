"""`assistant ask` with a text model installed: it waits for that, within limits, and says so."""

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assistant import wiring
from assistant.cli import main
from assistant.commands import one_shot
from assistant.errors import VisionError
from assistant.inference import text_opening
from assistant.inference.text_model import TextModel
from assistant.skills.answerer import Answerer
from tests.assistant.skills.talking import PageReader
from tests.assistant.skills.test_second_reader import (
    POWDER,
    QUESTION,
    Pointing,
    TextOnly,
    picture,
)

pytestmark = pytest.mark.usefixtures("offline")

Load = Callable[[], TextModel]


@pytest.fixture
def ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Asks one question about a page; gives the exit code and both outputs."""
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(wiring, "RapidOcrReader", lambda **_: PageReader(POWDER))
    monkeypatch.setattr(one_shot, "SAID_AFTER_S", 0.1)
    copying = functools.partial(Answerer, copying=lambda model: Pointing("Constipation"))
    monkeypatch.setattr(wiring, "Answerer", copying)
    file = tmp_path / "powder.png"
    Image.fromarray(picture()).save(file)

    def ask(*options: str, load: Load | None) -> tuple[int, str, str]:
        folder = None if load is None else tmp_path / "model"
        monkeypatch.setattr(one_shot, "text_model_folder", lambda chosen: folder)

        def loaded(*_: Any) -> TextModel:
            assert load is not None, "a model is loaded where none is installed"
            return load()

        monkeypatch.setattr(text_opening, "LocalTextModel", loaded)
        code = main(["ask", str(file), QUESTION, "--no-speech", *options])
        return code, *capsys.readouterr()

    return ask


def slow() -> TextModel:
    time.sleep(0.4)
    return TextOnly()


WAITS = "status: a text model looks at it, too; this takes a minute at most"


def test_what_the_rules_do_not_find_is_quoted_as_a_guess(ask: Any) -> None:
    code, out, error = ask(load=slow)
    assert (code, error) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == [f"you: {QUESTION}", WAITS], "a wait of two seconds and more is told"
    assert lines[2].startswith("answer: ") and "Constipation in adults." in lines[2]
    assert lines[2].endswith("(guess)") and len(lines) == 3


def test_json_names_the_place_and_the_basis_and_stays_one_object(ask: Any) -> None:
    code, out, error = ask("--json", load=slow)
    assert code == 0 and error == WAITS + "\n"
    report = json.loads(out)
    assert report["basis"] == "guess"
    assert [line["text"] for line in report["evidence"]] == ["Constipation in adults."]
    assert [each["value"] for each in report["values"]] == ["Constipation in adults."]
    assert report["timings_ms"]["load_text_model"] >= 400.0


def test_a_model_that_is_quick_is_not_talked_about(ask: Any) -> None:
    code, out, _ = ask(load=TextOnly)
    assert code == 0 and "status:" not in out and "(guess)" in out


def test_without_a_model_nothing_waits(ask: Any) -> None:
    code, out, error = ask("--json", load=None)
    report = json.loads(out)
    assert (code, error) == (0, "") and report["basis"] == "unknown"
    assert "load_text_model" not in report["timings_ms"]


def test_a_model_that_cannot_be_loaded_is_named_beside_the_answer(ask: Any) -> None:
    def damaged() -> TextModel:
        raise VisionError("model.safetensors is damaged", "pull it again")

    code, out, error = ask("--json", load=damaged)
    assert code == 0 and json.loads(out)["basis"] == "unknown"
    assert error == "status: model.safetensors is damaged; pull it again\n"
