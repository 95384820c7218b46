"""A real language model, tiny as it is, behind questions about a text."""

from pathlib import Path

import pytest

from assistant.errors import VisionError
from assistant.inference import opening
from assistant.inference.opening import TextOpener
from assistant.inference.text_model import MOST_NEW_TOKENS, LocalTextModel


@pytest.fixture(scope="module")
def stories(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalTextModel:
    from models.files.llama2c import import_model

    weights = data_dir / "weights"
    out = tmp_path_factory.mktemp("models") / "stories"
    return LocalTextModel(import_model(weights / "stories260K.bin", weights / "tok512.model", out))


@pytest.mark.weights
def test_an_answer_streams_and_ends(stories: LocalTextModel) -> None:
    pieces = list(stories.answer("Once upon a time there was a cat.", "What is it about?"))
    assert 0 < len(pieces) <= MOST_NEW_TOKENS
    assert "".join(pieces).strip()
    assert stories.name.endswith("/stories")


@pytest.mark.weights
def test_a_text_longer_than_the_context_loses_its_end(stories: LocalTextModel) -> None:
    words = "The cat sat on the mat. " * 2000
    answer = stories.answer(words, "Who sat?", cancelled=lambda: False)
    assert next(answer) is not None
    answer.close()  # type: ignore[attr-defined]


@pytest.mark.weights
def test_it_stops_when_it_is_cancelled(stories: LocalTextModel) -> None:
    assert list(stories.answer("A cat.", "Who?", cancelled=lambda: True)) == []


def test_a_folder_that_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(VisionError):
        LocalTextModel(tmp_path)


def test_the_model_is_opened_once_and_where_the_settings_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[Path] = []

    class Fake:
        def __init__(self, folder: Path) -> None:
            opened.append(folder)

    monkeypatch.setattr(opening, "LocalTextModel", Fake)
    chosen: list[Path | None] = [None]
    opener = TextOpener(lambda: chosen[0])
    assert opener() is None and opened == []
    chosen[0] = tmp_path
    assert opener() is opener() and opened == [tmp_path]
    chosen[0] = tmp_path / "other"
    opener()
    assert opened == [tmp_path, tmp_path / "other"]


def test_a_model_that_does_not_fit_into_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(2000))
    monkeypatch.setattr(opening, "memory_bytes", lambda: (10_000, 1000))
    with pytest.raises(VisionError, match="close other programs"):
        TextOpener(lambda: tmp_path)()
