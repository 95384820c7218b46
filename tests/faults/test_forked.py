"""The counter itself: every way in which a use can end is told from the others."""

import ctypes
import os
import time
from pathlib import Path

import numpy as np
import pytest

from models.errors import CheckpointError
from tests.faults import forked as module
from tests.faults.forked import (
    HANG,
    MEMORY,
    NO_NUMBERS,
    OK,
    REFUSED,
    SILENT,
    TRACEBACK,
    NoNumbersError,
    SilentError,
    forked,
)


def raising(error: BaseException) -> None:
    raise error


def test_a_use_that_works_and_one_that_is_refused() -> None:
    assert forked(lambda: None).kind == OK
    outcome = forked(lambda: raising(CheckpointError("x is damaged: copy it again")))
    assert (outcome.kind, outcome.words) == (REFUSED, "x is damaged: copy it again")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (IndexError("list index out of range"), TRACEBACK),
        (RecursionError("too deep"), TRACEBACK),
        (SystemExit(0), TRACEBACK),
        (CheckpointError(""), TRACEBACK),
        (MemoryError(), MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), MEMORY),
        (SilentError("read"), SILENT),
        (NoNumbersError("nan"), NO_NUMBERS),
    ],
)
def test_every_bad_end_has_its_name(error: BaseException, kind: str) -> None:
    assert forked(lambda: raising(error)).kind == kind


def test_a_process_that_dies_is_no_success() -> None:
    assert forked(lambda: os.kill(os.getpid(), 11)).kind == TRACEBACK
    assert forked(lambda: ctypes.string_at(0)).kind == TRACEBACK
    assert forked(lambda: os.abort()).kind == MEMORY


def test_memory_beyond_the_limit_is_found_and_the_file_is_counted() -> None:
    def take(count: int) -> None:
        np.empty(count, dtype=np.uint8)

    assert forked(lambda: take(2**30 + 2**28)).kind == MEMORY
    assert forked(lambda: take(2**29)).kind == OK
    assert forked(lambda: take(2**30 + 2**28), file_bytes=2**29).kind == OK


def test_what_neither_ends_nor_works_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CLOCK_S", 0.3)
    monkeypatch.setattr(module, "LIMIT_S", 0.0)
    started = time.monotonic()
    assert forked(lambda: time.sleep(60)).kind == HANG
    assert time.monotonic() - started < 5


@pytest.mark.slow
def test_a_loop_is_stopped_by_its_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_S", 0.0)

    def turn() -> None:
        while True:
            pass

    assert forked(turn).kind == HANG


def test_limits_hold_in_the_child_alone(tmp_path: Path) -> None:
    forked(lambda: (tmp_path / "x").write_bytes(b"1"))
    assert (tmp_path / "x").read_bytes() == b"1"
    assert np.ones(2**27, dtype=np.uint8).size == 2**27
