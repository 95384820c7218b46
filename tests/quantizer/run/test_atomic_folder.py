"""A folder that appears whole or not at all."""

from pathlib import Path

import pytest

from models.files.checkpoint import write_json
from quantizer.errors import OutputError
from quantizer.report.report import WRITTEN_BY
from quantizer.run.output import atomic_folder


def write_result(folder: Path, text: str) -> None:
    (folder / "report.md").write_text(text)
    write_json(
        folder / "report.json", {"written_by": WRITTEN_BY, "files": ["report.json", "report.md"]}
    )


def test_it_appears_after_the_body_and_replaces_an_earlier_result(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    for text in ("first", "second"):
        with atomic_folder(out) as folder:
            write_result(folder, text)
            assert not out.exists() or (out / "report.md").read_text() == "first"
        assert (out / "report.md").read_text() == text
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with atomic_folder(out) as folder:
        write_result(folder, "kept")
    with pytest.raises(ValueError, match="halfway"), atomic_folder(out) as folder:
        write_result(folder, "lost")
        raise ValueError("halfway")
    assert (out / "report.md").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_not_ours_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="not ours"), atomic_folder(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "mine"
