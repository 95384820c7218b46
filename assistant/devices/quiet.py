"""Keeps C libraries off the terminal."""

import logging
import os
import sys


def keep_libraries_quiet() -> None:
    """Let only Python write to standard error, until the process ends.

    PortAudio and ALSA write what goes wrong straight to file descriptor 2. A screen reader would
    read that aloud, and a full screen be spoiled by it. Python's own messages, and a front end
    that draws through `sys.__stderr__`, go where they went before.
    """
    try:
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        return  # there is no standard error to protect
    os.dup2(nowhere, 2)
    os.close(nowhere)
    before = sys.stderr
    stream = open(kept, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    sys.stderr = stream
    sys.__stderr__ = stream  # type: ignore[misc]
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(stream)
