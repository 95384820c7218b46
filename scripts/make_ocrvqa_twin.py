"""Draw a synthetic twin of OCR-VQA: covers with questions, in the published layout.

Titles, authors and categories are those of real books, held out from the pocket model's training;
fonts and wordings are held out too. The covers are drawn by this project, because the pictures of
the published data belong to others.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from models.errors import ModelsError
from models.pocket.training.listing import listing
from models.pocket.training.pictures import Example, Split, render

FIRST_SEED = 5_000_000
COLUMNS = {
    "Cookbooks": "Cookbooks, Food & Wine",
    "Medical": "Medical Books",
    "History": "History",
    "Reference": "Reference",
    "Education": "Test Preparation",
}
"""The columns of Table 2 in RPIQ's paper (arXiv 2601.02888), and what the listing calls them; it
has no Education, and Test Preparation is what it has nearest to it."""
GENRES = tuple(COLUMNS.values())
_TEST_SPLIT = 3
_TRIES = 800  # drawn covers for each that is wanted


def book_of(example: Example, genre: str) -> dict[str, Any]:
    """Describe a cover as OCR-VQA does."""
    printed = {item.skill: item.answer for item in example.questions}
    return {
        "imageURL": "",
        "title": printed.get("title", ""),
        "authorName": printed.get("author", ""),
        "genre": genre,
        "questions": [item.question for item in example.questions],
        "answers": [item.answer for item in example.questions],
        "split": _TEST_SPLIT,
    }


def write_twin(folder: Path, covers: int, genres: Sequence[str], first_seed: int) -> int:
    """Write so many covers of every genre; return how many questions they have.

    first_seed: the seeds from it on are drawn, and covers of other genres left out.

    Raises:
        ModelsError: the listing of books or a font is absent.
        ValueError: a genre is unknown, or too seldom to have so many covers.
    """
    known = {book.category for book in listing(Split.HELD_OUT).books}
    if unknown := sorted(set(genres) - known):
        raise ValueError(
            f"{unknown[0]!r} is no category of the listing; give some of {', '.join(sorted(known))}"
        )
    by_answer = {genre.upper(): genre for genre in genres}
    counts: Counter[str] = Counter()
    books: dict[str, dict[str, Any]] = {}
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for seed in range(first_seed, first_seed + _TRIES * covers * len(genres)):
        if len(books) == covers * len(genres):
            break
        example = render(seed, Split.HELD_OUT, "category")
        answers = [item.answer for item in example.questions if item.skill == "category"]
        genre = by_answer.get(answers[0]) if answers else None
        if genre is None or counts[genre] == covers:
            continue
        counts[genre] += 1
        name = f"{seed}"
        Image.fromarray(example.rgb).save(folder / "images" / f"{name}.png")
        books[name] = book_of(example, genre)
    for genre in genres:
        if counts[genre] < covers:
            raise ValueError(
                f"only {counts[genre]} covers of {genre!r} came of {_TRIES * covers * len(genres)} "
                "that were drawn; give fewer --covers, or other --genres"
            )
    # Genre by genre, as questions are counted.
    ordered = {n: b for genre in genres for n, b in books.items() if b["genre"] == genre}
    (folder / "dataset.json").write_text(json.dumps(ordered, indent=1) + "\n")
    return sum(len(book["questions"]) for book in books.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Write the twin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="new folder")
    parser.add_argument("--covers", type=int, default=96, help="of every genre")
    parser.add_argument("--genres", nargs="+", default=list(GENRES), metavar="GENRE")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    options = parser.parse_args(argv)
    try:
        count = write_twin(options.folder, options.covers, options.genres, options.first_seed)
    except (ModelsError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.folder}: {count} questions about {options.covers} covers of each genre")
    return 0


if __name__ == "__main__":
    sys.exit(main())
