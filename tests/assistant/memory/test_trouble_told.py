"""That a memory cannot be opened is told once, until it could be opened again."""

from pathlib import Path

import pytest

from assistant.memory import trouble_told
from assistant.settings.paths import data_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    return tmp_path


def test_the_same_trouble_is_news_once() -> None:
    assert not trouble_told.was_told("Nothing can be saved: it is locked")
    assert trouble_told.was_told("Nothing can be saved: it is locked")
    # Another one is news, and so is the first one after that.
    assert not trouble_told.was_told("Nothing can be saved: the key is missing")
    assert not trouble_told.was_told("Nothing can be saved: it is locked")


def test_after_it_was_open_the_trouble_is_news_again() -> None:
    trouble_told.was_told("locked")
    trouble_told.forget()
    assert not trouble_told.was_told("locked")
    trouble_told.forget()
    trouble_told.forget()


def test_where_nothing_can_be_noted_it_is_told_each_time(home: Path) -> None:
    data_folder().parent.mkdir(parents=True, exist_ok=True)
    if data_folder().exists():
        data_folder().rmdir()
    data_folder().write_text("a file where the folder should be")
    assert not trouble_told.was_told("locked")
    assert not trouble_told.was_told("locked")


def test_a_damaged_note_is_no_news_that_was_told() -> None:
    trouble_told.was_told("locked")
    note = next(data_folder().glob("memory-trouble*"))
    note.write_bytes(b"\xff\xfe\x00" * 5)
    assert not trouble_told.was_told("locked")
    note.write_bytes(b"locked" * 5000)
    assert not trouble_told.was_told("locked")
