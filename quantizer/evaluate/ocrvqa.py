"""OCR-VQA: questions about book covers, by exact match, overall and per genre.

The folder is as published (https://ocr-vqa.github.io): ``dataset.json``, an object of
``ID: {"title", "authorName", "genre", "questions": [...], "answers": [...], "split": 1, 2 or 3}``
where 3 is the test split, and ``images/ID.jpg``.

An answer is right if it equals the expected one, spaces at both ends and case aside: the measure
that VLMEvalKit has for this task.

``testcore`` follows VLMEvalKit's OCRVQA_TESTCORE: 96 questions of every genre of the test split,
3,072 for the 32 genres of the published data. Which ones theirs are follows from a list that is no
part of the dataset; ours are one a book, in the file's order, the first book's first question, the
second book's second, and so on, so that every kind of question has its share. Only where a genre
has fewer books do these give another question each.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.files.bounded import MOST_DATA_BYTES, read_json
from models.loading import LoadedModel
from quantizer.errors import DataError
from quantizer.evaluate.intervals import accuracy
from quantizer.evaluate.pictures import Asker
from quantizer.evaluate.results import digest_of, file_digest

DATASET_FILE = "dataset.json"
IMAGES = "images"
SUBSETS = ("testcore", "test")
CORE_QUESTIONS = 96
"""Questions of each genre in ``testcore``."""

_TEST_SPLIT = 3
_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp")


@dataclass(frozen=True, slots=True)
class CoverQuestion:
    """One question about a cover and its right answer; number counts the cover's questions."""

    picture: Path
    number: int
    question: str
    answer: str
    genre: str


@dataclass(frozen=True, slots=True)
class _Book:
    """One book of the test split.

    picture: of its cover; None where it has no file.
    pairs:   questions with their answers.
    """

    picture: Path | None
    genre: str
    pairs: tuple[tuple[str, str], ...]

    def question(self, number: int) -> CoverQuestion:
        assert self.picture is not None, "only books with a picture are asked about"
        return CoverQuestion(self.picture, number, *self.pairs[number], self.genre)


def protocol_of(subset: str) -> str:
    """What a result says about how it was measured."""
    return f"exact match, {subset}"


def ocrvqa(
    loaded: LoadedModel,
    folder: Path,
    *,
    subset: str = "testcore",
    limit: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Ask a model the questions of an OCR-VQA folder.

    Answers are greedy. ``limit`` takes the first questions. Returns the JSON object with ``task,
    protocol, items, value, interval_95, model, seconds``, the same per genre under
    ``categories``, how many covers have no file under ``missing_pictures``, what the items are
    under ``data_sha256, items_sha256, limit``, and every answer under ``answers``.

    Raises:
        DataError: the folder has no usable dataset.json, or no picture of the test split.
        PictureError: a picture is damaged or no picture.
        ModelFolderError: the model cannot look at pictures.
    """
    started = time.monotonic()
    asker = Asker(loaded)
    questions, missing = read_covers(folder, subset)
    questions = questions[:limit]
    answers = []
    for done, item in enumerate(questions, start=1):
        given = asker.answer(item.picture, item.question)
        answers.append(
            {
                "picture": item.picture.name,
                "question": item.question,
                "category": item.genre,
                "expected": item.answer,
                "given": given,
                "right": same_answer(given, item.answer),
            }
        )
        on_progress(done, len(questions))
    digests = {path: file_digest(path) for path in {item.picture for item in questions}}
    genres = sorted({item.genre for item in questions})
    return {
        "task": "ocrvqa",
        "protocol": protocol_of(subset),
        **accuracy([bool(answer["right"]) for answer in answers]),
        "model": str(loaded.folder),
        "seconds": round(time.monotonic() - started, 3),
        "limit": limit,
        "data": str(folder),
        "data_sha256": file_digest(folder / DATASET_FILE),
        "items_sha256": digest_of(
            [[item.question, item.answer, digests[item.picture]] for item in questions]
        ),
        "missing_pictures": missing,
        "categories": {
            genre: accuracy([bool(a["right"]) for a in answers if a["category"] == genre])
            for genre in genres
        },
        "answers": answers,
    }


def same_answer(given: str, expected: str) -> bool:
    """Whether two answers are equal, spaces at both ends and case aside."""
    return given.strip().lower() == expected.strip().lower()


def read_covers(folder: Path, subset: str) -> tuple[list[CoverQuestion], int]:
    """The questions of a subset, those about one cover together, and how many covers have no file.

    Raises:
        DataError: dataset.json is missing or unusable, or no cover of the test split has a file.
    """
    listed = list(_test_books(folder))
    books = [book for book in listed if book.picture is not None]
    missing = len(listed) - len(books)
    if not books:
        raise DataError(
            f"{folder}: {missing} covers of the test split, and no picture of any under {IMAGES}/; "
            "download the pictures that dataset.json names"
        )
    if subset == "testcore":
        return _core(books), missing
    return [book.question(n) for book in books for n in range(len(book.pairs))], missing


def _core(books: Sequence[_Book]) -> list[CoverQuestion]:
    chosen = []
    for genre in dict.fromkeys(book.genre for book in books):
        mine = [book for book in books if book.genre == genre]
        most = max(len(book.pairs) for book in mine)
        turns = (
            (index, (index + turn) % len(book.pairs))
            for turn in range(most)
            for index, book in enumerate(mine)
            if turn < len(book.pairs)
        )
        first = [turn for turn, _ in zip(turns, range(CORE_QUESTIONS), strict=False)]
        chosen += [mine[index].question(number) for index, number in sorted(first)]
    return chosen


def _test_books(folder: Path) -> Iterator[_Book]:
    """Every book of the test split."""
    path = folder / DATASET_FILE
    try:
        raw = read_json(path, MOST_DATA_BYTES)
    except FileNotFoundError as error:
        raise DataError(
            f"{folder}: has no {DATASET_FILE}; give the folder of OCR-VQA, with {IMAGES}/ in it"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); download it again") from error
    if not isinstance(raw, dict):
        raise DataError(f"{path}: is no JSON object of books; download it again")
    present = {p.name for p in (folder / IMAGES).iterdir()} if (folder / IMAGES).is_dir() else set()
    for name, book in raw.items():
        if not isinstance(book, dict) or book.get("split") not in (1, 2, 3):
            raise DataError(f"{path}: book {name} has no split of 1 to 3; download it again")
        if book["split"] != _TEST_SPLIT:
            continue
        picture = _picture(folder, name, present)
        yield _Book(picture, _genre(path, name, book), _pairs(path, name, book))


def _picture(folder: Path, name: str, present: set[str]) -> Path | None:
    files = (f"{name}{suffix}" for suffix in _SUFFIXES)
    return next((folder / IMAGES / file for file in files if file in present), None)


def _genre(path: Path, name: str, book: dict[str, Any]) -> str:
    genre = book.get("genre")
    if not isinstance(genre, str):
        raise DataError(f"{path}: book {name} has no genre; download it again")
    return genre


def _pairs(path: Path, name: str, book: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    questions, answers = book.get("questions"), book.get("answers")
    if (
        not isinstance(questions, list)
        or not isinstance(answers, list)
        or not questions
        or len(questions) != len(answers)
        or not all(isinstance(text, str) for text in (*questions, *answers))
    ):
        raise DataError(
            f"{path}: book {name} has not as many answers as questions; download it again"
        )
    return tuple(zip(questions, answers, strict=True))
