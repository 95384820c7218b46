"""The exit codes of `assistant`, the one line with which a command fails, and the end itself."""

import contextlib
import os
import sys
import threading

from assistant.text.printable import one_line
from models.endings import say

ANSWERED, UNEXPECTED, BAD_INPUT, NO_AUDIO = 0, 1, 2, 3

EXIT_CODES = """\
exit codes:
  0  answered; also when the answer is that it cannot tell
  1  unexpected failure of the program
  2  bad input: a file, folder, question or option that cannot be used; nothing was written
  3  answered in text, but the file of --answer-audio could not be made
  71  there is not enough memory
  74  the output could not be written, so an answer may be lost; a reader that stops is no failure
  129  stopped because the terminal was closed
  130  stopped with Ctrl+C
  143  stopped by another program or the system
"""


def print_error(text: str) -> None:
    """Print what failed as one line on standard error."""
    say(f"error: {one_line(text)}")


def leave(code: int) -> int:
    """Return the exit code, or end the process with it where a thread is still at work.

    Python unwinds such a thread when it ends. One that computes in a C++ library, as the reading
    of text does, then aborts the whole process (exit code 134, a core dump), and what it still
    holds is reported as leaked. Devices must have been given back before.
    """
    if threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code
