"""Fixtures shared by all tests."""

import os
import signal
from pathlib import Path

import pytest

from tests.pretend_gpu.plugin import _card_of_a_twin, card, with_twins

__all__ = ["_card_of_a_twin", "card"]

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Hear the signals that tests send, also where the tests were started deaf to them.

    Who starts them by ``nohup`` or in the background of a script hands down that they are ignored,
    and every program under test inherits it.
    """
    for name, handler in (("SIGHUP", signal.SIG_DFL), ("SIGINT", signal.default_int_handler)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every test that needs a GPU run on a pretend one too."""
    items[:] = with_twins(items)


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
