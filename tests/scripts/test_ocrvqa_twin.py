"""The synthetic twin of OCR-VQA reads as the published data does."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from models.pocket.training.listing import listing_path
from quantizer.evaluate.ocrvqa import read_covers

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_ocrvqa_twin.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_ocrvqa_twin", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.skipif(not listing_path().exists(), reason="needs the listing of books")
def test_covers_of_the_genres_in_the_published_layout(tmp_path: Path) -> None:
    genres = ["Romance", "History"]
    assert script().main([str(tmp_path), "--covers", "1", "--genres", *genres]) == 0
    books = json.loads((tmp_path / "dataset.json").read_text())
    assert [book["genre"] for book in books.values()] == genres
    assert {"title", "authorName", "questions", "answers", "split"} <= set(books[min(books)])
    questions, missing = read_covers(tmp_path, "testcore")
    assert missing == 0
    assert {question.genre for question in questions} == set(genres)


@pytest.mark.skipif(not listing_path().exists(), reason="needs the listing of books")
def test_an_unknown_genre_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script().main([str(tmp_path), "--genres", "Spoons"]) == 2
    assert "'Spoons' is no category of the listing; give some of" in capsys.readouterr().err
