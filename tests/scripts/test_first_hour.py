"""The script for a first hour on a card goes to its end on a pretend one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pretend_gpu.guard import load_guard

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(load_guard() is not None, reason=str(load_guard()))
def test_the_first_hour_is_rehearsed(tmp_path: Path) -> None:
    out = tmp_path / "first.json"
    script = ROOT / "scripts/first_hour_on_a_gpu.py"
    command = [sys.executable, str(script), "--pretend", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert found["pretend"] is True and found["capability"] == [8, 9]
    told = [row["what"].split()[0] for row in found["rows"]]
    assert told == ["walk", "coordinate", "refit", *["int4"] * 6, "rpiq", "token", "token"]
    assert all(row["right"] for row in found["rows"])
    captured = found["rows"][-1]
    assert captured["same_tokens"] == captured["tokens"] == 8
    assert done.stdout.count(" right ") == len(told)


@pytest.mark.slow
def test_without_a_card_it_says_so(tmp_path: Path) -> None:
    script = ROOT / "scripts/first_hour_on_a_gpu.py"
    command = [sys.executable, str(script), "--out", str(tmp_path / "first.json")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode != 0
    assert "no NVIDIA card" in done.stderr
    assert not (tmp_path / "first.json").exists()
