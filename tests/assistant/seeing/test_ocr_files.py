"""The model files of text recognition: as released, or refused, and never looked for online."""

import shutil
from pathlib import Path

import pytest

from assistant.errors import OcrError
from assistant.seeing.ocr_files import MODELS, checked_models


@pytest.fixture(scope="module")
def installed() -> Path:
    return Path(next(iter(checked_models().values()))).parent


@pytest.fixture
def copied(installed: Path, tmp_path: Path) -> Path:
    for name, _ in MODELS.values():
        shutil.copy(installed / name, tmp_path)
    return tmp_path


def test_the_files_are_those_that_rapidocr_would_take(installed: Path) -> None:
    """rapidocr's own table and choice are the oracle."""
    from rapidocr.inference_engine.base import FileInfo, InferSession
    from rapidocr.main import DEFAULT_CFG_PATH
    from rapidocr.utils.parse_parameters import ParseParams

    config = ParseParams.load(DEFAULT_CFG_PATH)
    for step, (name, sha256) in MODELS.items():
        part = config[step]
        theirs = InferSession.get_model_url(
            FileInfo(part.engine_type, part.ocr_version, part.task_type, part.lang_type,
                     part.model_type)
        )  # fmt: skip
        assert (name, sha256) == (Path(theirs["model_dir"]).name, theirs["SHA256"])


def test_whole_files_are_named_for_each_step(copied: Path) -> None:
    assert checked_models(copied) == {
        f"{step}.model_path": str(copied / name) for step, (name, _) in MODELS.items()
    }


@pytest.mark.parametrize("step", MODELS)
def test_a_missing_or_damaged_file_is_named(copied: Path, step: str) -> None:
    path = copied / MODELS[step][0]
    with path.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)[0]
        file.seek(1000)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(OcrError, match=f"{path.name}: is damaged; reinstall"):
        checked_models(copied)
    path.unlink()
    with pytest.raises(OcrError, match=f"{path.name}: cannot be read .*; reinstall"):
        checked_models(copied)
