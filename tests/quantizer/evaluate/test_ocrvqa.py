"""OCR-VQA in its published layout."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.loading import load_model
from quantizer.cli import main
from quantizer.errors import DataError
from quantizer.evaluate.ocrvqa import CORE_QUESTIONS, ocrvqa, read_covers, same_answer


def book(number: int, genre: str, split: int = 3, asked: int = 3) -> dict[str, Any]:
    return {
        "imageURL": f"http://example.org/{number}.jpg",
        "title": f"Title {number}",
        "authorName": "A. Writer",
        "genre": genre,
        "questions": [f"Question {n} of {number}?" for n in range(asked)],
        "answers": [f"{n}" for n in range(asked)],
        "split": split,
    }


def write(folder: Path, books: dict[str, Any], *, without: tuple[str, ...] = ()) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(books))
    for name in books:
        if name not in without:
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "images" / f"{name}.jpg")
    return folder


@pytest.mark.parametrize(
    ("given", "expected", "same"),
    [
        ("  Jane Doe", "jane doe ", True),
        ("1998.", "1998", False),
        ("The Cat", "Cat", False),
        ("", "x", False),
    ],
)
def test_answers_are_compared_as_vlmevalkit_does(given: str, expected: str, same: bool) -> None:
    assert same_answer(given, expected) is same


def test_the_test_split_alone_is_asked(tmp_path: Path) -> None:
    books = {f"{n:03}": book(n, "Law", split=1 + n % 3) for n in range(9)}
    folder = write(tmp_path / "data", books, without=("005",))
    questions, missing = read_covers(folder, "test")
    assert missing == 1
    assert [q.picture.stem for q in questions] == ["002"] * 3 + ["008"] * 3
    assert [q.answer for q in questions] == ["0", "1", "2"] * 2


def test_testcore_takes_every_genre_and_every_kind_of_question(tmp_path: Path) -> None:
    books = {f"a{n:03}": book(n, "Law") for n in range(CORE_QUESTIONS + 4)}
    books |= {f"b{n:03}": book(n, "Travel") for n in range(5)}
    books |= {f"c{n:03}": book(n, "History") for n in range(40)}
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(books))
    for name in books:
        (folder / "images" / f"{name}.jpg").touch()
    questions, _ = read_covers(folder, "testcore")
    by_genre = {g: [q for q in questions if q.genre == g] for g in ("Law", "Travel", "History")}
    assert [len(found) for found in by_genre.values()] == [CORE_QUESTIONS, 15, CORE_QUESTIONS]
    law = by_genre["Law"]
    assert len({q.picture for q in law}) == CORE_QUESTIONS, "one a book where there are enough"
    assert [q.number for q in law[:4]] == [0, 1, 2, 0]
    history = by_genre["History"]
    assert len({(q.picture, q.number) for q in history}) == CORE_QUESTIONS
    assert history == sorted(history, key=lambda q: q.picture), "a cover is looked at once"


def test_a_model_is_asked(tiny_cogvlm2: Path, tmp_path: Path) -> None:
    books = {f"{n}": book(n, ("Law", "Travel")[n % 2], asked=1) for n in range(4)}
    folder = write(tmp_path / "data", books)
    result = ocrvqa(load_model(tiny_cogvlm2), folder, limit=3)
    assert result["items"] == 3
    assert {g: part["items"] for g, part in result["categories"].items()} == {"Law": 2, "Travel": 1}
    assert len(result["answers"]) == 3
    low, high = result["interval_95"]
    assert 0 <= low <= result["value"] <= high <= 1


def test_two_models_are_compared_item_by_item(
    tiny_cogvlm2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "data", {f"{n}": book(n, "Law", asked=1) for n in range(2)})
    result = tmp_path / "result.json"
    argv = ["eval", str(tiny_cogvlm2), "--task", "ocrvqa", "--data", str(folder)]
    assert main([*argv, "--json", str(result)]) == 0
    assert "Law: 0.000 of 2" in capsys.readouterr().out
    assert main([*argv, "--against", str(result)]) == 0
    assert "over the same 2 items" in capsys.readouterr().out
    assert main([*argv, "--subset", "test", "--against", str(result)]) == 2
    assert "another protocol (exact match, test and exact match, testcore)" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("books", "message"),
    [
        ([], "is no JSON object of books"),
        ({"1": {"split": 4}}, "book 1 has no split"),
        ({"1": {"split": 3}}, "book 1 has no genre"),
        ({"1": book(1, "Law") | {"answers": ["x"]}}, "not as many answers as questions"),
        ({"1": book(1, "Law")}, "1 covers of the test split, and no picture of any"),
    ],
)
def test_damaged_data_is_named(tmp_path: Path, books: Any, message: str) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps(books))
    with pytest.raises(DataError, match=message):
        read_covers(tmp_path, "testcore")


def test_a_folder_of_other_data_is_refused(
    tiny_cogvlm2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match=r"has no dataset\.json"):
        read_covers(tmp_path, "test")
    argv = ["eval", str(tiny_cogvlm2), "--data", str(tmp_path)]
    assert main([*argv, "--task", "pictures", "--subset", "test"]) == 2
    assert "--subset means nothing to pictures" in capsys.readouterr().err
