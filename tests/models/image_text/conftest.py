"""Tiny models that the tests of this folder share."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.image_text_models import write_idefics3


@pytest.fixture(scope="session")
def idefics3(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with a tiny Idefics3, and transformers' own module of it."""
    folder = tmp_path_factory.mktemp("idefics3")
    return folder, write_idefics3(folder)


@pytest.fixture(scope="session")
def picture() -> NDArray[np.uint8]:
    """A picture (60, 90, 3) of noise."""
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
