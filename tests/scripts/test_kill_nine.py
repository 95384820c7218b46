"""Killed at any moment and started again: the same bytes, nothing lost, nothing left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "kill_nine.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks, and looks into /proc")
def test_five_moments_of_each() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quantizer", "5", "--assistant", "5"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout)
    for name in ("quantizer", "assistant"):
        assert counts[name]["killed"] == 5
        assert counts[name]["differences"] == counts[name]["leftovers"] == 0
