"""A run that is stopped anywhere and started again gives the files of a run left alone."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import models.files.tensor_files
import quantizer.run.progress
from quantizer.errors import OutputError, QuantizerError, SettingsError
from quantizer.run import walk
from quantizer.run.pipeline import Job, run
from quantizer.run.progress import Work, count_finished, differing, unfinished_work, work_folder
from quantizer.run.trials import Trials
from quantizer.run.walk import Walk
from quantizer.run.walked import Progress
from quantizer.solvers.methods import Method, Settings

# Ends the process as `kill -9` does at the n-th call of a function of quantizer.run.progress.Work.
_DIES = """
import os, signal, sys
from quantizer.cli import main
from quantizer.run.progress import Work

name, turn, after = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "after"
original, calls = getattr(Work, name), 0

def dying(self, *arguments):
    global calls
    calls += 1
    if calls == turn and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(self, *arguments)
    if calls == turn:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(Work, name, dying)
sys.exit(main(sys.argv[4:]))
"""


class Stop(BaseException):
    """Ends a run as Ctrl-C does, from inside."""


@pytest.fixture
def job(tiny_llama: Path, text_file: Path, tmp_path: Path) -> Job:
    """GPTQ, because it is quick."""
    settings = Settings("gptq", group_size=16)
    out = tmp_path / "out"
    return Job(tiny_llama, out, settings, calibration=text_file, samples=6, seq_len=40)


def contents(folder: Path) -> dict[str, Any]:
    """Every file byte for byte, except what tells seconds."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in folder.iterdir()}
    report = json.loads(found["report.json"])
    del report["totals"]["seconds"]
    for module in report["modules"]:
        del module["seconds"]
    found["report.json"] = report
    lines = found["report.md"].decode().splitlines()
    found["report.md"] = [line for line in lines if not line.startswith("| Seconds |")]
    return found


def stop_at(job: Job, layer: int) -> None:
    """Stop a run when its n-th layer is finished."""

    def stop(progress: Progress) -> None:
        if progress.done == layer:
            raise Stop

    with pytest.raises(Stop):
        run(job, stop)


def count_solved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every layer that is solved from here on."""
    solved: list[str] = []
    original = Walk._solve

    def noted(self: Walk, name: str, *rest: Any) -> Any:
        if name not in solved:
            solved.append(name)
        return original(self, name, *rest)

    monkeypatch.setattr(Walk, "_solve", noted)
    return solved


def test_a_run_stopped_while_it_notes_its_first_block_keeps_it(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopping:
        """The system's functions, of which one ends the run when it has done its work."""

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def fsync(self, descriptor: int) -> None:
            os.fsync(descriptor)
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(quantizer.run.progress, "os", Stopping())
        with pytest.raises(Stop):
            run(job)
    assert count_finished(job.out) == 1
    solved = count_solved(monkeypatch)
    run(job)
    assert len(solved) == 7  # of the second block alone


@pytest.mark.parametrize("method", ["rtn", "rpiq"])
def test_a_stopped_run_continues_to_the_same_bytes(
    job: Job, method: Method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = replace(job, settings=Settings(method, group_size=16))
    run(replace(job, out=tmp_path / "undisturbed"))
    stop_at(job, 9)  # block 0 has seven layers
    assert not job.out.exists()
    assert count_finished(job.out) == 1
    solved = count_solved(monkeypatch)
    seen: list[Progress] = []
    report = run(job, seen.append)
    assert len(solved) == 7 and all(name.startswith("model.layers.1.") for name in solved)
    assert (seen[0].module, seen[0].done, seen[-1].done) == ("model.layers.0", 7, 14)
    assert contents(job.out) == contents(tmp_path / "undisturbed")
    assert len(report.modules) == 14
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "undisturbed"]


def test_most_blocks_take_the_share_of_the_block_before_also_behind_a_stop(
    job: Job, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = shutil.copytree(tiny_llama, tmp_path / "deep")
    tensors = load_file(deep / "model.safetensors")
    for name in [name for name in tensors if name.startswith("model.layers.")]:
        _, _, block, rest = name.split(".", 3)
        tensors[f"model.layers.{int(block) + 2}.{rest}"] = tensors[name].clone()
    save_file(tensors, deep / "model.safetensors")
    config = json.loads((deep / "config.json").read_text())
    (deep / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    tried: list[float] = []

    def choose(errors: dict[float, float]) -> float:
        assert set(errors) == {0.0, 0.5, 1.0}
        tried.append(0.5 if len(tried) < 4 else (0.0, 1.0)[len(tried) % 2])
        return tried[-1]

    monkeypatch.setattr(walk, "choose", choose)
    job = replace(job, model=deep, settings=Settings(group_size=16))
    report = run(replace(job, out=tmp_path / "undisturbed"))
    assert len(tried) == 8  # four groups in each of the first two blocks
    taken = [[m.gamma for m in report.modules[7 * block :][:7]] for block in range(4)]
    qkv_o_gate_up_down = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    assert taken == [[0.5] * 7, *[qkv_o_gate_up_down] * 3]

    tried.clear()
    stop_at(job, 3 * 7 + 2)
    assert count_finished(job.out) == 3
    run(job)
    assert len(tried) == 8  # the run that went on asked for no more
    assert contents(job.out) == contents(tmp_path / "undisturbed")


def test_every_fourth_block_of_a_kind_tries_all_shares_again() -> None:
    trials, settings = Trials(), Settings()
    tried = []
    for block in range(14):
        gammas = trials.worth_trying(("layers", "o_proj"), settings, (0.0, 0.5, 1.0))
        tried += [block] if len(gammas) == 3 else []
        assert len(gammas) == 3 or gammas == (1.0,)
        trials.took(("layers", "o_proj"), settings, 1.0)
    assert tried == [0, 1, 4, 8, 12]
    # Another kind, or other settings, stand at their own first block; no choice stays none.
    assert len(trials.worth_trying(("tower", "o_proj"), settings, (0.0, 0.5, 1.0))) == 3
    assert len(trials.worth_trying(("layers", "o_proj"), Settings(bits=8), (0.0, 0.5, 1.0))) == 3
    assert trials.worth_trying(("layers", "o_proj"), settings, (0.0,)) == (0.0,)


def test_seconds_go_on_from_where_a_run_stopped(job: Job, tmp_path: Path) -> None:
    stop_at(job, 9)
    progress = work_folder(job.out) / "progress.jsonl"
    record = json.loads(progress.read_text())
    del record["checksum"]  # as 0.4 wrote it
    record["seconds"] += 1000
    first = record["modules"][0]["seconds"]
    progress.write_text(json.dumps(record) + "\n")
    report = run(job)
    assert 1000 < report.seconds < 1100
    assert report.modules[0].seconds == first


@pytest.mark.parametrize("method", ["gptq", pytest.param("rpiq", marks=pytest.mark.slow)])
def test_cogvlm2_with_pictures_continues_too(
    method: Method, tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path
) -> None:
    settings = Settings(method, group_size=8)
    job = Job(tiny_cogvlm2, tmp_path / "out", settings, calibration=picture_folder, samples=6)
    run(replace(job, out=tmp_path / "undisturbed"))
    stop_at(job, 15)  # in the first decoder layer, behind the tower and the adapter
    assert count_finished(job.out) == 3
    run(job)
    assert contents(job.out) == contents(tmp_path / "undisturbed")


def test_a_model_of_several_shards_keeps_one_for_every_block(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quantizer.run.pipeline.MAX_SHARD_BYTES", 8000)
    run(replace(job, out=tmp_path / "undisturbed"))
    stop_at(job, 9)
    run(job)
    assert contents(job.out) == contents(tmp_path / "undisturbed")
    names = sorted(path.name for path in job.out.glob("*.safetensors"))
    # Two blocks; the embedding, and the final norm with the head: 6336 and 64 + 6336 bytes.
    assert names == [f"model-{number:05d}-of-00004.safetensors" for number in range(1, 5)]
    index = json.loads((job.out / "model.safetensors.index.json").read_text())
    sizes = [sum(t.nbytes for t in load_file(job.out / name).values()) for name in names]
    assert index["metadata"]["total_size"] == sum(sizes)
    assert set(index["weight_map"].values()) == set(names)
    first = {name for name, file in index["weight_map"].items() if file == names[0]}
    assert all(name.startswith("model.layers.0.") for name in first)


@pytest.mark.parametrize("damage", ["torn line", "orphan shard", "half a file", "lost shard"])
def test_what_a_kill_may_leave_is_cleared_away(job: Job, tmp_path: Path, damage: str) -> None:
    run(replace(job, out=tmp_path / "undisturbed"))
    stop_at(job, 9)
    work = work_folder(job.out)
    progress, parts = work / "progress.jsonl", work / "parts"
    if damage == "torn line":
        line = progress.read_bytes()
        progress.write_bytes(line + line[:100])
    elif damage == "orphan shard":
        shutil.copy(parts / "00000.safetensors", parts / "00001.safetensors")
    elif damage == "half a file":
        (parts / ".00001.safetensors.4711.part").write_bytes(b"half")
        (work / ".run.json.4711.part").write_bytes(b"half")
    else:
        (parts / "00000.safetensors").unlink()
    run(job)
    assert contents(job.out) == contents(tmp_path / "undisturbed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "undisturbed"]


def test_a_damaged_shard_is_noticed_and_made_again(
    job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(replace(job, out=tmp_path / "undisturbed"))
    stop_at(job, 9)
    shard = work_folder(job.out) / "parts" / "00000.safetensors"
    tensors = load_file(shard)
    tensors["model.layers.0.mlp.up_proj.qweight"][0, 0] ^= 1
    save_file(tensors, shard)
    run(job)
    assert "model.layers.0.mlp.up_proj reads back differently" in caplog.text
    assert contents(job.out) == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": Settings("rtn", group_size=16)}, "--method was gptq, now rtn"),
        ({"samples": 5}, "--samples was 6, now 5"),
        ({"seed": 1}, "--seed was 0, now 1"),
        ({"form": "compressed-tensors"}, "--format was gptq, now compressed-tensors"),
        ({"allow_uncalibrated": True}, "--allow-uncalibrated was off, now on"),
    ],
)
def test_other_settings_do_not_continue_a_run(
    job: Job, changes: dict[str, Any], message: str
) -> None:
    stop_at(job, 9)
    with pytest.raises(OutputError, match="run it as before") as caught:
        run(replace(job, **changes))
    assert message in str(caught.value)
    assert count_finished(job.out) == 1
    run(replace(job, restart=True, **changes))
    assert [path.name for path in job.out.parent.iterdir()] == ["out"]


def test_another_model_or_other_data_do_not_continue_a_run(
    job: Job, tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    stop_at(job, 9)
    model, text = tmp_path / "model", tmp_path / "text.txt"
    shutil.copytree(tiny_llama, model)
    shutil.copy(text_file, text)
    # The same model and text elsewhere are the same.
    stop_at(replace(job, model=model, calibration=text), 12)
    text.write_text(text.read_text().replace("moon", "stars"))
    with pytest.raises(OutputError, match="the calibration data changed"):
        run(replace(job, calibration=text))
    tensors = load_file(model / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"] *= 2
    save_file(tensors, model / "model.safetensors")
    with pytest.raises(OutputError, match="the model's weights changed"):
        run(replace(job, model=model))


def test_another_number_of_threads_is_named(job: Job) -> None:
    stop_at(job, 9)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        with pytest.raises(OutputError, match=f"threads was {threads}, now {threads + 1}"):
            run(job)
    finally:
        torch.set_num_threads(threads)


def test_a_version_that_gives_other_codes_continues_nothing(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(job, 9)
    monkeypatch.setattr("quantizer.run.fingerprint.ARITHMETIC", 7)
    with pytest.raises(OutputError, match=r"quantizer was .*, arithmetic \d, now .*arithmetic 7"):
        run(job)


def test_states_that_come_out_otherwise_stop_the_run(job: Job) -> None:
    stop_at(job, 9)
    progress = work_folder(job.out) / "progress.jsonl"
    record = json.loads(progress.read_text())
    del record["checksum"]  # as 0.4 wrote it
    progress.write_text(json.dumps(record | {"states": "00000000"}) + "\n")
    with pytest.raises(OutputError, match=r"behind model\.layers\.0 this machine computes other"):
        run(job)
    assert count_finished(job.out) == 1


def test_a_fingerprint_names_three_differences_at_most() -> None:
    before = {"--bits": 4, "--sym": False, "--seq-len": None, "threads": 1, "the data": "x"}
    now = {"--bits": 8, "--sym": True, "--seq-len": 64, "threads": 1, "the data": "y"}
    assert differing(before, now) == [
        "--bits was 4, now 8",
        "--sym was off, now on",
        "--seq-len was not given, now 64",
        "and 1 more",
    ]


def test_two_runs_cannot_share_an_output(job: Job) -> None:
    taken = rf"another run \(process {os.getpid()}\)"
    with unfinished_work(job.out), pytest.raises(OutputError, match=taken):
        run(job)
    run(job)
    assert [path.name for path in job.out.parent.iterdir()] == ["out"]


def test_files_of_others_in_the_place_of_unfinished_work_are_left_alone(job: Job) -> None:
    folder = work_folder(job.out)
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="no unfinished run of ours"):
        run(job)
    assert (folder / "thesis.txt").read_text() == "precious"


def test_bad_input_removes_only_its_own_work(job: Job, tiny_llama: Path, tmp_path: Path) -> None:
    stop_at(job, 9)
    with pytest.raises(QuantizerError, match="no such file"):
        run(replace(job, calibration=tmp_path / "mistyped.txt"))
    assert count_finished(job.out) == 1


def test_an_earlier_result_stays_until_the_new_one_is_whole(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(replace(job, settings=Settings("rtn", group_size=16)))
    before = contents(job.out)
    stop_at(job, 9)
    assert contents(job.out) == before

    def stop(self: Work) -> None:
        raise Stop

    # As if killed between the two renames: the old result has been moved away.
    with monkeypatch.context() as patched:
        patched.setattr(Work, "place", stop)
        with pytest.raises(Stop):
            run(job)
    job.out.rename(work_folder(job.out) / "replaced")
    with pytest.raises(OutputError, match="run it as before"):
        run(replace(job, seed=1))
    assert contents(job.out) == before
    run(job)
    assert json.loads((job.out / "report.json").read_text())["settings"]["method"] == "gptq"
    assert [path.name for path in job.out.parent.iterdir()] == ["out"]


# A full disk: what was finished stays, and the way on is told.


def test_a_full_disk_keeps_finished_blocks_and_says_what_is_needed(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(replace(job, out=tmp_path / "undisturbed"))
    original = models.files.tensor_files._header
    writes = 0

    def full(*arguments: Any) -> bytes:
        nonlocal writes
        writes += 1
        if writes == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(models.files.tensor_files, "_header", full)
        with pytest.raises(OutputError, match="1 of 2 blocks are finished, the rest needs") as e:
            run(job)
    assert "run the same command again" in str(e.value) and "\n" not in str(e.value)
    assert count_finished(job.out) == 1
    assert not list(work_folder(job.out).rglob("*.part"))
    run(job)
    assert contents(job.out) == contents(tmp_path / "undisturbed")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_really_full(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(replace(job, out=tmp_path / "undisturbed"))
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not allow mounting")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 2**14)
        small = replace(job, out=disk / "out")
        with pytest.raises(SettingsError, match=r"MB of disk and 0\.05 MB are free"):
            run(small)
        with monkeypatch.context() as patched:
            patched.setattr("quantizer.plan.plan.Plan.check", lambda self: None)
            with pytest.raises(OutputError, match="the disk is full"):
                run(small)
        assert not small.out.exists()
        subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
        run(small)
        assert contents(small.out) == contents(tmp_path / "undisturbed")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# kill -9, in a process of its own; what it leaves is continued in this one.


def command(job: Job) -> list[str]:
    return [
        *("run", str(job.model), "--out", str(job.out), "--method", "gptq", "--group-size", "16"),
        *("--calibration", str(job.calibration), "--samples", "6", "--seq-len", "40"),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "turn", "when"),
    [
        ("record", "1", "before"),  # the first block's shard has its name, its line is missing
        ("record", "1", "after"),
        ("record", "2", "before"),
        ("record", "2", "after"),
        ("place", "1", "before"),
        ("place", "1", "after"),  # the result has its name, the work is not yet removed
        ("_empty", "2", "after"),
    ],
)
def test_killed_at_the_worst_moments(
    job: Job, tmp_path: Path, name: str, turn: str, when: str
) -> None:
    run(replace(job, out=tmp_path / "undisturbed"))
    argv = [sys.executable, "-c", _DIES, name, turn, when, *command(job)]
    killed = subprocess.run(argv, capture_output=True, env=environment())
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run(job)
    assert contents(job.out) == contents(tmp_path / "undisturbed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "undisturbed"]


@pytest.mark.slow
def test_killed_again_and_again_at_random(job: Job, tmp_path: Path) -> None:
    report = run(replace(job, out=tmp_path / "undisturbed"))
    expected = contents(tmp_path / "undisturbed")
    rng = random.Random(0)
    begun = work_folder(job.out) / "run.json"
    kills = 0
    for _ in range(6):
        argv = [sys.executable, "-m", "quantizer", *command(job)]
        process = subprocess.Popen(argv, stderr=subprocess.PIPE, env=environment())
        before = begun.stat().st_mtime_ns if begun.exists() else None
        while process.poll() is None and not begun.exists():
            time.sleep(0.005)
        # A run that is continued leaves run.json as it was: it has begun some seconds after.
        time.sleep(rng.uniform(0, 1.5 * report.seconds) if before is None else rng.uniform(3, 6))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        if job.out.exists() and not begun.exists():
            assert contents(job.out) == expected
            shutil.rmtree(job.out)
    assert kills >= 3
    run(job)
    assert contents(job.out) == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "undisturbed"]
