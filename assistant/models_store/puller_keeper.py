"""The process that may still pull a model when the program may not go online; `puller` starts it.

In: lines, "pull NAME" with a name of the catalog, or "stop". The end of its input ends it, and what
it is pulling. It opens no connection itself: it runs the commands that the user would type, and the
one that makes a folder of a GGUF file. Out: their lines, and {"ended": CODE} behind them.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from models.catalog import comes_as_gguf, find_model
from models.errors import CatalogError
from models.own_folders import imported_folder

Steps = Callable[[str], Iterator[Sequence[str]]]
"""Gives the commands for a name of the catalog, each when the one before has ended well."""

WRONG_ORDER = 2

STOP_WITHIN_S = 5.0
"""What does not end by itself when it is told to is ended by force."""


def steps(name: str) -> Iterator[Sequence[str]]:
    """The commands that bring a model and make it ready.

    Raises:
        CatalogError: there is no model of this name.
    """
    model = find_model(name)
    yield (sys.executable, "-m", "assistant.cli", "models", "pull", model.name, "--json")
    folder = imported_folder(model.name)
    if comes_as_gguf(model) and not (folder / "config.json").is_file():
        print(json.dumps({"importing": model.name}), flush=True)
        command = (sys.executable, "-m", "quantizer.cli", "import", model.name, str(folder))
        yield (*command, "--dtype", "bfloat16")


class Keeper:
    """Runs the commands of one model at a time."""

    def __init__(self, of: Steps) -> None:
        """of: gives the commands; in tests others."""
        self._of = of
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = self._is_busy = False
        self._thread: threading.Thread | None = None

    def serve(self, orders: TextIO) -> None:
        """Follow orders until they end."""
        for line in orders:
            order, _, name = line.strip().partition(" ")
            if order == "stop":
                self.stop()
            elif order == "pull" and not self._is_busy:
                self._is_stopped, self._is_busy = False, True
                self._thread = threading.Thread(target=self._run, args=(name,), daemon=True)
                self._thread.start()
        self.stop()
        if self._thread is not None:
            self._thread.join(STOP_WITHIN_S)

    def stop(self) -> None:
        """End what runs, if anything; what has come stays for the next time."""
        with self._lock:
            self._is_stopped = True
            process = self._process
        if process is None or process.poll() is not None:
            return
        _signal(process, signal.SIGTERM)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()

    def _run(self, name: str) -> None:
        code = 0
        try:
            for command in self._of(name):
                code = self._run_one(command)
                if code:
                    break
        except (CatalogError, OSError) as error:
            print(f"error: {error}", flush=True)
            code = WRONG_ORDER
        self._is_busy = False  # first: whoever reads the next line may give the next order
        print(json.dumps({"ended": code}), flush=True)

    def _run_one(self, command: Sequence[str]) -> int:
        with self._lock:
            if self._is_stopped:
                return -signal.SIGTERM
            # A session of its own: what is started by the command is stopped with it.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True
            )
        return self._process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Tell a command and all that it has started to end."""
    if sys.platform == "win32":
        process.terminate()
        return
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # it has just ended


if __name__ == "__main__":
    Keeper(steps).serve(sys.stdin)
