"""Pulls a model while a conversation goes on, through a process that may still go online.

    program --- "pull NAME" ---> keeper --- starts ---> assistant models pull NAME
    program <------------------- lines --------------------

The program itself opens no connection: on Linux it has given up the right to. The keeper is started
before, only where a model is going to be offered, and knows nothing but the names of the catalog.
"""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from assistant.pull_progress import STOPPED, Progress
from models.files.bounded import parse_json

KEEPER = (sys.executable, "-m", "assistant.models_store.puller_keeper")

LONGEST_LINE = 4000
"""Characters of a line; the sentences of a pull are shorter."""

END_WITHIN_S = 2.0
"""For the keeper, when its orders end."""


class Puller:
    """The keeper, and the pull that it was told to make; one at a time."""

    def __init__(self, command: Sequence[str] = KEEPER) -> None:
        """Start the keeper; where that fails, a pull says so.

        command: what to run; tests run something else.
        """
        self._process: subprocess.Popen[str] | None = None
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                errors="replace",
                # Ctrl+C is for the assistant; this process ends with its input.
                start_new_session=True,
            )
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def pull(self, name: str, told: Callable[[Progress], None]) -> None:
        """Begin to pull a model of the catalog.

        told: called from a thread of its own; the last time with `is_done` or `failed`.
        """
        self._is_stopped = False
        self._say(f"pull {name}")
        self._thread = threading.Thread(target=self._follow, args=(told,), name="pull", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the pull; what has come stays for the next one."""
        self._is_stopped = True
        self._say("stop")

    def close(self) -> None:
        """End the keeper, and with it a pull."""
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._thread is not None:
            self._thread.join(END_WITHIN_S)
        if process.stdout is not None and (self._thread is None or not self._thread.is_alive()):
            process.stdout.close()

    def _say(self, order: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # A keeper that has ended is noticed where its lines end.
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(f"{order}\n")
            self._process.stdin.flush()

    def _follow(self, told: Callable[[Progress], None]) -> None:
        lines = self._process.stdout if self._process is not None else None
        error = ""
        while lines is not None and (line := lines.readline(LONGEST_LINE)):
            if line.startswith("error: "):
                error = line.removeprefix("error: ").strip()
                continue
            try:
                said = parse_json(line)
            except ValueError:
                continue  # a warning of some library
            if not isinstance(said, dict):
                continue
            if "ended" in said:
                told(self._end(said["ended"], error))
                return
            progress = _progress(said)
            if progress is not None:
                told(progress)
        told(Progress(failed=STOPPED if self._is_stopped else _WITHOUT_KEEPER))

    def _end(self, code: object, error: str) -> Progress:
        if code == 0:
            return Progress(is_done=True)
        return Progress(failed=STOPPED if self._is_stopped else error or _WITHOUT_A_WORD)


_WITHOUT_KEEPER = "the process that may go online has ended; pull it by command"
_WITHOUT_A_WORD = "the command that pulls it ended without a word; try it by hand"


def _progress(said: dict[str, object]) -> Progress | None:
    here, whole = said.get("here_bytes"), said.get("whole_bytes")
    if isinstance(here, int) and isinstance(whole, int) and 0 <= here <= whole and whole:
        return Progress(share=here / whole)
    if "importing" in said:
        return Progress(importing=True)
    status = said.get("status")
    if isinstance(status, str) and status.endswith(" instead"):
        return Progress(remark=status)
    return None
