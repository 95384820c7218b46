"""Starts a module or a file of ours so that it ends with whoever started it.

    python child.py MODULE|FILE ARGUMENTS...

Else a run would go on unseen, and hold its output, when `scripts/quantize` was killed.
"""

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Let the system ask this process to stop when its parent has ended; on Linux alone."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:  # it ended before this line
        sys.exit(143)


if __name__ == "__main__":
    end_with_parent()
    del sys.argv[0]
    if sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
