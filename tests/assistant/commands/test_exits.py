"""The end of the process: also in the middle of a computation, with the right exit code."""

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, threading, time
from assistant.commands.exits import leave

# Python's own end comes after this; there it unwinds threads, and some libraries abort.
atexit.register(print, " and Python's own end", end="")
if {busy}:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("The answer", end="")
raise SystemExit(leave(3))
"""


@pytest.mark.parametrize("busy", [False, True])
def test_python_does_not_tear_down_what_still_computes(busy: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(busy=busy)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout == ("The answer" if busy else "The answer and Python's own end")
