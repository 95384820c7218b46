"""Processes that torchrun started: the files of one process, and one line when one of them ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from models.files.llama2c import import_model
from quantizer.errors import RankError, SettingsError
from quantizer.run import torchrun
from quantizer.run.progress import count_finished
from tests.quantizer.run.test_resume import contents

LONGEST_S = 400.0
ROOT = Path(__file__).parents[3]

# What torchrun starts in place of `-m quantizer`, to make one rank fail.
_SPOILT = """
import errno, os, signal, sys
from quantizer.cli import main
rank, what, path = int(os.environ["RANK"]), sys.argv[1], sys.argv[2]
sys.argv[1:3] = []
if what == "other file" and rank == 1:
    sys.argv[sys.argv.index("--calibration") + 1] = path
if what == "dies" and rank == 1:
    from quantizer.run.walk import Walk
    original, calls = Walk._choose_gamma, 0
    def dying(self, *arguments):
        global calls
        calls += 1
        if calls == int(path):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, *arguments)
    Walk._choose_gamma = dying
if what == "hangs" and rank == 1:
    from quantizer.run.walk import Walk
    Walk._choose_gamma = lambda *arguments: os.kill(os.getpid(), signal.SIGSTOP)
if what == "hangs":
    from quantizer.run import torchrun
    torchrun._STOPPED_S = 1.0
if what == "full disk" and rank == 0:
    from quantizer.run import pipeline
    writing, files = pipeline.write_tensors, 0
    def full(*arguments):
        global files
        files += 1
        if files == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return writing(*arguments)
    pipeline.write_tensors = full
if what == "bad input" and rank == 1:
    from quantizer.errors import CalibrationError
    from quantizer.run import walk
    def failing(*arguments, **named):
        raise CalibrationError("the Hessian cannot be factorized")
    walk.propose = failing
sys.exit(main())
"""


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def command(
    ranks: int, model: Path, text: Path, out: Path, *more: str, spoilt: tuple[str, ...] = ()
) -> list[str]:
    start = [sys.executable]
    if ranks > 1:
        start += ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
    if spoilt:
        script = out.parent / "spoilt.py"
        script.write_text(_SPOILT)
        start += [str(script), *spoilt]
    else:
        start += ["-m", "quantizer"]
    options = ["--group-size", "16", "--samples", "12", "--seq-len", "24", "--rounds", "1"]
    return [
        *start,
        "run",
        str(model),
        "--out",
        str(out),
        "--calibration",
        str(text),
        *options,
        *more,
    ]


def do(*arguments: Any, **named: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments, **named),
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )


def our_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the ranks said, without torchrun's own report behind it."""
    own = re.compile(r"^(error: |WARNING: |stopped|Traceback \(most recent call last\):$)")
    lines = done.stderr.splitlines()
    ends = next((i for i, line in enumerate(lines) if "elastic/multiprocessing" in line), None)
    report = [line for line in lines[ends:] if line.startswith(("error: ", "stopped"))]
    return [line for line in lines[:ends] if own.match(line)] + ([] if ends is None else report)


@pytest.fixture
def alone(tiny_llama: Path, text_file: Path, tmp_path: Path) -> dict[str, Any]:
    done = do(1, tiny_llama, text_file, tmp_path / "alone")
    assert done.returncode == 0, done.stderr
    return contents(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_write_the_bytes_of_one_process(
    ranks: int, alone: dict[str, Any], tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    done = do(ranks, tiny_llama, text_file, tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == alone
    # One rank prints, and only the totals.
    assert json.loads(done.stdout)["modules"] == 14
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "out"]


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_write_them_for_a_trained_model(ranks: int, data_dir: Path, tmp_path: Path) -> None:
    weights = data_dir / "weights"
    model = import_model(weights / "stories260K.bin", weights / "tok512.model", tmp_path / "fp32")
    text = data_dir / "text" / "tiny_sample_part1.txt"
    more = ("--samples", "24", "--seq-len", "128", "--group-size", "32")
    for size, name in ((1, "alone"), (ranks, "out")):
        done = do(size, model, text, tmp_path / name, *more)
        assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [(2, 3), (3, 1)])
def test_a_rank_that_is_killed_is_named_and_another_number_goes_on(
    first: int,
    then: int,
    alone: dict[str, Any],
    tiny_llama: Path,
    text_file: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    began = time.monotonic()
    died = do(first, tiny_llama, text_file, out, spoilt=("dies", "6"))  # in the second block
    assert died.returncode != 0 and not out.exists()
    assert time.monotonic() - began < LONGEST_S / 2
    (line,) = our_lines(died)
    assert re.fullmatch(
        r"error: rank 1 \(process \d+\) was killed, or found no memory left; run the same command "
        "again to go on behind the last finished block",
        line,
    )
    assert count_finished(out) == 1
    done = do(then, tiny_llama, text_file, out)
    assert done.returncode == 0, done.stderr
    assert contents(out) == alone


@pytest.mark.slow
def test_all_may_be_killed_at_once(
    alone: dict[str, Any], tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(2, tiny_llama, text_file, out),
        env=environment(),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + LONGEST_S
    while count_finished(out) < 1 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    children = descendants(process.pid)
    for one in (process.pid, *children):
        os.kill(one, signal.SIGKILL)
    process.wait()
    while any(Path(f"/proc/{one}").exists() for one in children):
        time.sleep(0.05)
    if not out.exists():  # it may have been done by then
        assert count_finished(out) >= 1
    done = do(3, tiny_llama, text_file, out)
    assert done.returncode == 0, done.stderr
    assert contents(out) == alone


def descendants(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


@pytest.mark.slow
def test_every_failure_is_one_line(tiny_llama: Path, text_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    other = tmp_path / "other.txt"
    other.write_text(text_file.read_text().replace("moon", "stars"))
    full = "the disk is full; 1 of 2 blocks are finished, the rest needs"
    for spoilt, expected, finished in (
        (("other file", str(other)), "rank 1 does not see what rank 0 sees (the calibration", 0),
        (("other file", str(tmp_path / "none")), "rank 1: ", 0),
        (("hangs", ""), "is stopped and does not go on; end it", 0),
        (("full disk", ""), full, 1),
        (("bad input", ""), "rank 1: model.layers.", 0),
    ):
        began = time.monotonic()
        failed = do(2, tiny_llama, text_file, out, spoilt=spoilt)
        assert failed.returncode != 0
        assert time.monotonic() - began < LONGEST_S / 2, spoilt
        (line,) = our_lines(failed)
        assert line.startswith("error: ") and expected in line, (spoilt, line)
        assert not out.exists()
        assert count_finished(out) == finished
    # Input at fault is thrown away, also where another rank noticed it.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.txt", "spoilt.py"]


@pytest.mark.slow
def test_other_commands_and_too_many_ranks_are_refused(
    tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m"]
    done = subprocess.run(
        [*start, "quantizer", "inspect", str(tiny_llama)],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )
    assert our_lines(done) == [
        "error: only quantizer run works in several processes; give this command without torchrun"
    ]


ENVIRONMENT = {
    "TORCHELASTIC_RUN_ID": "x",
    "TORCHELASTIC_RESTART_COUNT": "0",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "2",
    "RANK": "0",
    "MASTER_PORT": "1",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"WORLD_SIZE": "9", "LOCAL_WORLD_SIZE": "9"}, "give --nproc-per-node 8"),
        ({"LOCAL_WORLD_SIZE": "1"}, "share one machine"),
        ({"TORCHELASTIC_USE_AGENT_STORE": "False"}, "torchrun keeps no store"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_opened(
    changes: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        torchrun.connect(ENVIRONMENT | changes)
    with pytest.raises(RankError) as caught:
        torchrun.connect(ENVIRONMENT | changes | {"RANK": "1"})
    assert caught.value.said


def test_one_process_under_torchrun_is_alone() -> None:
    assert torchrun.launched(ENVIRONMENT)
    assert not torchrun.launched(ENVIRONMENT | {"WORLD_SIZE": "1"})
    assert not torchrun.launched({})
