"""How `quantizer` ends: streams, signals, little memory, another run; the work is never damaged."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and descriptors of POSIX")
QUANTIZER = [sys.executable, "-m", "quantizer"]
PATIENCE_S = 60
CODES = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143}
LOST = "error: the output cannot be written ({}); what was printed is lost\n"
FULL = LOST.format("No space left on device")
MISSING = "error: /missing is no folder: give the folder of a checkpoint\n"
RTN = "--method rtn --group-size 16"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell, in which $Q is the command."""
    return subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "Q": " ".join(QUANTIZER)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code", "err"),
    [
        ("$Q --help >/dev/full", 74, FULL),
        ("$Q inspect /missing >&-", 2, MISSING),
        ("$Q inspect /missing 2>&-", 2, ""),
        ("$Q run {m} --out {o} {r} >/dev/full", 74, FULL),
        ("$Q run {m} --out {o} {r} >&- <&-", 74, LOST.format("it is closed")),
        ("$Q run {m} --out {o} {r} | true; exit ${{PIPESTATUS[0]}}", 0, ""),
    ],
)  # fmt: skip
def test_streams_of_the_quantizer(
    command: str, code: int, err: str, tiny_llama: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = shell(command.format(m=tiny_llama, o=out, r=RTN))
    assert (done.returncode, done.stderr) == (code, err)
    if " run " in command:  # the work is done whatever becomes of its summary
        assert json.loads((out / "report.json").read_text())["totals"]["modules"] == 14
        assert not list(tmp_path.glob(".out*"))


# Ends the run by a signal when its first block is finished.
_AT_BLOCK = """
import os, signal, sys
from quantizer.cli import main
from quantizer.run.progress import Work

original = Work.record

def stopping(self, record):
    original(self, record)
    os.kill(os.getpid(), getattr(signal, NAME))

NAME = sys.argv.pop(1)
Work.record = stopping
sys.exit(main())
"""


@pytest.mark.parametrize(
    "name",
    [
        "SIGTERM",
        pytest.param("SIGHUP", marks=pytest.mark.slow),
        pytest.param("SIGINT", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_keeps_its_finished_blocks(
    name: str, tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    argv = ["run", tiny_llama, "--out", tmp_path / "out", "--method", "gptq", "--group-size", "16"]
    argv += ["--calibration", text_file, "--samples", "2", "--seq-len", "16"]
    done = subprocess.run(
        [sys.executable, "-c", _AT_BLOCK, name, *argv],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == CODES[name], done.stderr
    assert done.stderr.startswith("stopped") and done.stderr.count("\n") == 1
    assert done.stderr.endswith("; 1 blocks are finished; run the same command again to continue\n")
    assert not (tmp_path / "out").exists()
    assert (tmp_path / ".out.unfinished" / "progress.jsonl").read_text().count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [100, 300, 600, 1000, 1500, 2500])
def test_little_memory_is_called_so(megabytes: int, tiny_llama: Path, tmp_path: Path) -> None:
    line = f"$Q run {tiny_llama} --out {tmp_path / 'out'} {RTN}"
    done = shell(f"ulimit -v {megabytes * 1024}; {line}")
    if done.returncode == 0:
        return  # enough for this one
    assert "Traceback" not in done.stderr
    assert done.returncode == 71, done.stderr
    assert done.stderr.count("\n") == 1 and "not enough memory" in done.stderr


def locked(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.fixture
def running(tiny_llama: Path, text_file: Path, tmp_path: Path) -> Iterator[Path]:
    """An output folder that a run in another process is writing."""
    argv = ["run", tiny_llama, "--out", tmp_path / "out", "--group-size", "16", "--method", "gptq"]
    stop = "os.kill(os.getpid(), getattr(signal, NAME))"
    assert stop in _AT_BLOCK
    waiting = _AT_BLOCK.replace(stop, "import time; time.sleep(600)")
    argv += ["--calibration", text_file, "--samples", "2", "--seq-len", "16"]
    with subprocess.Popen(
        [sys.executable, "-c", waiting, "x", *map(str, argv)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        progress = tmp_path / ".out.unfinished" / "progress.jsonl"
        until = time.monotonic() + PATIENCE_S
        while not progress.exists() or not progress.stat().st_size:
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        yield tmp_path / "out"
        process.kill()


@pytest.mark.slow
def test_two_runs_with_one_output(running: Path, tiny_llama: Path, text_file: Path) -> None:
    work = running.parent / ".out.unfinished"
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*")}
    line = (
        f"run {tiny_llama} --out {running} --group-size 16 --method gptq --calibration {text_file}"
    )
    for more in ("", " --restart"):
        done = shell(f"$Q {line} --samples 2 --seq-len 16{more}")
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {running}: another run (process ")
        assert "wait for that run, or give another --out" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*")} == before
    assert locked(work / "lock")
