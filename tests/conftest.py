"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real data: SIGHTLINE_TEST_DATA, or ../shared/data beside the checkout."""
    given = os.environ.get("SIGHTLINE_TEST_DATA")
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if not (folder / "weights").is_dir():
        pytest.fail(
            f"no real data at {folder}: set SIGHTLINE_TEST_DATA to the folder that holds weights/, "
            "or deselect these tests with -m 'not weights'"
        )
    return folder.resolve()
