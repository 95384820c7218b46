"""The synthetic twin of OCR-VQA reads as the published data does."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.pocket.training.listing import listing, listing_path
from models.pocket.training.pictures import Split
from quantizer.evaluate.ocrvqa import read_covers

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import bench_ocrvqa

    yield bench_ocrvqa
    for name in ("bench_ocrvqa", "make_ocrvqa_twin"):
        del sys.modules[name]


@pytest.fixture
def script(bench: Any) -> Any:
    return sys.modules["make_ocrvqa_twin"]


@pytest.mark.slow
@pytest.mark.skipif(not listing_path().exists(), reason="needs the listing of books")
def test_covers_of_the_genres_in_the_published_layout(script: Any, tmp_path: Path) -> None:
    genres = ["Romance", "History"]
    assert script.main([str(tmp_path), "--covers", "1", "--genres", *genres]) == 0
    books = json.loads((tmp_path / "dataset.json").read_text())
    assert [book["genre"] for book in books.values()] == genres
    assert {"title", "authorName", "questions", "answers", "split"} <= set(books[min(books)])
    questions, missing = read_covers(tmp_path, "testcore")
    assert missing == 0
    assert {question.genre for question in questions} == set(genres)


@pytest.mark.skipif(not listing_path().exists(), reason="needs the listing of books")
def test_an_unknown_genre_is_named(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([str(tmp_path), "--genres", "Spoons"]) == 2
    assert "'Spoons' is no category of the listing; give some of" in capsys.readouterr().err


@pytest.mark.skipif(not listing_path().exists(), reason="needs the listing of books")
def test_the_papers_five_categories_have_titles_that_training_never_saw(
    script: Any,
) -> None:
    assert list(script.COLUMNS) == ["Cookbooks", "Medical", "History", "Reference", "Education"]
    assert set(script.GENRES) <= {book.category for book in listing(Split.HELD_OUT).books}


def test_the_table_has_the_papers_columns_in_percent(bench: Any) -> None:
    shares = [0.688, 0.615, 0.656, 0.542, 0.594]
    categories = {g: {"value": share} for g, share in zip(bench.GENRES, shares, strict=True)}
    rows = {"bf16": {"value": 0.649, "categories": categories}}
    assert bench.table(rows, bench.GENRES).splitlines() == [
        "|  | overall | Cookbooks | Medical | History | Reference | Education (Test Preparation) |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| bf16 | 64.90 | 68.80 | 61.50 | 65.60 | 54.20 | 59.40 |",
    ]


@pytest.mark.slow
@pytest.mark.skipif(not listing_path().exists(), reason="needs the listing of books")
def test_a_small_bench_has_every_row_and_column(bench: Any, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    few = ["--covers", "1", "--samples", "8", "--rounds", "1", "--json", str(found)]
    assert bench.main(few) == 0
    result = json.loads(found.read_text())
    assert len(result["table"]) == 2 + len(result["variants"]) == 2 + 6
    assert {len(row["categories"]) for row in result["variants"].values()} == {5}
    assert result["questions"] == result["variants"]["bf16"]["items"] >= 5
