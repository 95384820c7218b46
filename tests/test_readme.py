"""The README's example runs as it stands and prints what the README says."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_first_python_block_runs_and_prints_what_follows_it() -> None:
    text = README.read_text()
    match = re.search(r"```python\n(.*?)```\n(.*?)\n\n((?:    [^\n]*\n)+)", text, re.DOTALL)
    assert match is not None
    code, _, shown = match.groups()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=README.parent
    )
    expected = [line.strip() for line in shown.splitlines()]
    assert done.stdout.splitlines() == expected


def test_a_newcomer_is_not_given_more_than_150_lines() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_nothing_is_left_to_be_filled_in() -> None:
    assert re.findall(r"@[A-Z]+@", README.read_text()) == []
