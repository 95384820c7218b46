"""The command line: results, options, and one line for every expected error."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from quantizer.cli import main


def error_of(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """Run a command that must fail; return its one line."""
    assert main([str(part) for part in argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_run_and_eval(
    tiny_llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, result = tmp_path / "out", tmp_path / "result.json"
    options = ["--group-size", "16", "--calibration", str(text_file), "--samples", "8"]
    assert main(["run", str(tiny_llama), "--out", str(out), *options]) == 0
    line = capsys.readouterr().out
    assert "14 layers (14 rpiq)" in line and "output error 0." in line
    for _ in range(2):  # an earlier result of ours may be replaced
        evaluation = ["eval", str(out), "--task", "perplexity", "--data", str(text_file)]
        assert main([*evaluation, "--json", str(result), "--limit", "3"]) == 0
    assert "perplexity" in capsys.readouterr().out
    written = json.loads(result.read_text())
    assert written["task"] == "perplexity"
    assert written["items"] == 3
    assert written["dtype"] == "float32"
    assert {"protocol", "value", "interval_95", "model", "seconds"} <= set(written)


def test_run_prints_totals_as_json(
    tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["run", str(tiny_llama), "--out", str(tmp_path / "out"), "--method", "rtn", "--sym"]
    assert main([*argv, "--group-size", "16", "--no-act-order", "--json"]) == 0
    totals = json.loads(capsys.readouterr().out)
    assert totals["modules"] == 14
    assert totals["mean_j_ratio"] is None
    settings = json.loads((tmp_path / "out" / "report.json").read_text())["settings"]
    assert (settings["sym"], settings["act_order"], settings["grid"]) == (True, False, "minmax")


def test_pictures_task(
    tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.json"
    argv = ["eval", tiny_cogvlm2, "--task", "pictures", "--data", picture_folder]
    assert main([str(part) for part in [*argv, "--json", result, "--limit", 4]]) == 0
    assert "colour: " in capsys.readouterr().out
    written = json.loads(result.read_text())
    assert set(written["skills"]) == {"colour", "count"}
    assert written["dtype"] == "bfloat16"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "{model}"], "--out"),
        (["run", "{model}", "--out", "{tmp}/o", "--method", "magic"], "magic"),
        (["run", "{model}", "--out", "{tmp}/o", "--group-size", "0"], "--group-size 0"),
        (["run", "{model}", "--out", "{tmp}/o", "--damp-percent", "nan"], "--damp-percent"),
        (["run", "{model}", "--out", "{tmp}/o", "--rounds", "0"], "--rounds"),
        (["run", "{model}", "--out", "{tmp}/o"], "needs --calibration"),
        (["run", "{model}", "--out", "{tmp}/o", "--device", "abacus"], "--device abacus"),
        (["run", "{model}", "--out", "{tmp}/o", "--device", "cuda:99"], "--device cuda:99"),
        (["run", "{tmp}/none", "--out", "{tmp}/o", "--method", "rtn"], "none"),
        (["run", "{tmp}", "--out", "{tmp}/o", "--method", "rtn"], "config.json"),
        (["run", "{model}", "--out", "{model}", "--method", "rtn"], "not ours"),
        (["run", "{model}", "--out", "{text}", "--method", "rtn"], "is a file"),
        (["run", "{model}", "--out", "{text}/x", "--method", "rtn"], "text.txt"),
        (["run", "{model}", "--out", "{tmp}/o", "--calibration", "{tmp}/no.txt"], "no.txt"),
        (["run", "{model}", "--out", "{tmp}/o", "--calibration", "{pictures}"], "text only"),
        (["run", "{model}", "--out", "{tmp}/o", "--calibration", "{empty}"], "holds no text"),
        (
            ["run", "{model}", "--out", "{tmp}/o", "--calibration", "{text}", "--seq-len", "65"],
            "2 to 64",
        ),
        (
            ["run", "{model}", "--out", "{tmp}/o", "--calibration", "{text}", "--samples", "0"],
            "--samples 0",
        ),
        (["run", "{vision}", "--out", "{tmp}/o", "--calibration", "{tmp}"], "questions.jsonl"),
        (["eval", "{model}", "--task", "perplexity", "--data", "{empty}"], "holds no text"),
        (["eval", "{model}", "--task", "pictures", "--data", "{pictures}"], "pictures"),
        (["eval", "{vision}", "--task", "pictures", "--data", "{tmp}"], "questions.jsonl"),
        (
            ["eval", "{model}", "--task", "perplexity", "--data", "{text}", "--limit", "0"],
            "--limit 0",
        ),
        (
            ["eval", "{model}", "--task", "perplexity", "--data", "{text}", "--json", "{text}"],
            "no result of ours",
        ),
        (
            ["eval", "{model}", "--task", "perplexity", "--data", "{text}", "--json", "{tmp}/a/b"],
            "no such folder",
        ),
        (["polish", "{model}"], "polish"),
        (
            ["run", "{model}", "--out", "{tmp}/o", "--calibration", "{text}", "--seed", "-1"],
            "--seed -1 is out of range",
        ),
        ([], "required"),
    ],
)
def test_wrong_input_is_one_line_and_changes_nothing(
    argv: list[str],
    message: str,
    tiny_llama: Path,
    tiny_cogvlm2: Path,
    picture_folder: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    places = {
        "model": tiny_llama,
        "vision": tiny_cogvlm2,
        "pictures": picture_folder,
        "text": text_file,
        "tmp": tmp_path,
        "empty": empty,
    }
    assert message in error_of(capsys, *(part.format(**places) for part in argv))
    assert list(tmp_path.iterdir()) == [empty]


def test_a_shard_cut_short_is_named(
    tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_llama, damaged)
    shard = damaged / "model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    out = tmp_path / "out"
    line = error_of(capsys, "run", damaged, "--out", out, "--method", "rtn", "--group-size", 16)
    assert "model.safetensors" in line and "cut short" in line
    assert not out.exists()
    assert "cut short" in error_of(capsys, "eval", damaged, "--task", "perplexity", "--data", shard)


def test_a_damaged_picture_is_named(
    tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(picture_folder, folder)
    picture = folder / "05.png"
    picture.write_bytes(picture.read_bytes()[:200])
    assert "05.png" in error_of(
        capsys, "eval", tiny_cogvlm2, "--task", "pictures", "--data", folder
    )


@pytest.mark.parametrize(
    ("step", "argv", "message"),
    [
        ("run.run", ["run", "{model}", "--out", "{tmp}/o"], "output folder is as it was"),
        (
            "eval.load_model",
            ["eval", "{model}", "--task", "perplexity", "--data", "x"],
            "no result",
        ),
    ],
)
def test_stopping_tells_what_was_left(
    step: str,
    argv: list[str],
    message: str,
    tiny_llama: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"quantizer.commands.{step}", interrupted)
    assert main([part.format(model=tiny_llama, tmp=tmp_path) for part in argv]) == 130
    line = capsys.readouterr().err
    assert message in line and line.count("\n") == 1


def test_a_full_disk_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("quantizer.commands.compare.compare", full)
    argv = ["compare", "model", "--out", str(tmp_path / "o"), "--calibration", "x", "--data", "x"]
    assert main(argv) == 2
    line = capsys.readouterr().err
    assert line == "error: the disk is full; free some of it, or give an output on another disk\n"


def test_a_terminal_sees_progress(
    tiny_llama: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any stream for a terminal then
    monkeypatch.setenv("TERM", "xterm")
    argv = ["run", str(tiny_llama), "--out", str(tmp_path / "out"), "--method", "rtn"]
    assert main([*argv, "--group-size", "16"]) == 0
    captured = capsys.readouterr()
    assert "14/14" in captured.err
    assert "14 layers" in captured.out


def test_a_short_last_group_is_told(
    tiny_llama: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    argv = ["run", str(tiny_llama), "--out", str(tmp_path / "out"), "--method", "rtn"]
    assert main([*argv, "--group-size", "20"]) == 0
    assert "14 layers end in a group of fewer than 20 inputs" in caplog.text
