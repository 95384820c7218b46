"""The project's commands as child processes: their words passed on, and ended with this one."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from quantizing.errors import NotDone

HERE = Path(__file__).parent
# -P: without the caller's folder, which may hold another `models`.
OURS = (sys.executable, "-P", str(HERE / "child.py"))

LOOK_S = 1.0
"""How often it is seen whether a child has made progress."""

PATIENCE_S = 60.0
"""For a child that was asked to stop: a block that is being written is finished first."""

_ERROR = "error: "


@dataclass(frozen=True, slots=True)
class Programs:
    """How the commands are started; a test starts others.

    look: tells what this machine has, see `quantizing.look`.
    """

    assistant: tuple[str, ...] = (*OURS, "assistant.cli")
    quantizer: tuple[str, ...] = (*OURS, "quantizer")
    look: tuple[str, ...] = (*OURS, str(HERE / "look.py"))


@dataclass(frozen=True, slots=True)
class Finished:
    """code: as the child exited; out: what it printed, if that was kept."""

    code: int
    out: str


def run(
    command: Sequence[str],
    tell: Callable[[str], None],
    *,
    accepted: Sequence[int] = (0,),
    keep: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
) -> Finished:
    """Run a command to its end.

    tell:      gets each line that it prints, and each warning, as it comes.
    accepted:  exit codes that are no failure.
    keep:      what it prints is returned instead of told.
    meanwhile: called about once a second.

    Ctrl+C stops the child, too, and is raised when that has ended.

    Raises:
        NotDone: it failed; the message is its own.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # Its own group: Ctrl+C comes to this process alone, which then asks it once.
        process_group=0,
    )
    assert child.stdout is not None and child.stderr is not None, "both are pipes"
    out: list[str] = []
    errors: list[str] = []
    readers = [
        threading.Thread(target=_read, args=(child.stdout, out.append if keep else _lines(tell))),
        threading.Thread(target=_read, args=(child.stderr, _sorted_out(errors, tell))),
    ]
    try:
        for reader in readers:
            reader.start()
        while child.poll() is None:
            _wait(child, LOOK_S)
            meanwhile()
    except BaseException:
        _stop(child)
        raise
    finally:
        for reader in readers:
            if reader.ident is not None:  # Ctrl+C may come before it was started
                reader.join()
    if child.returncode not in accepted:
        raise NotDone(errors[-1] if errors else f"{_name(command)} ended ({child.returncode})")
    return Finished(child.returncode, "".join(out))


def _wait(child: "subprocess.Popen[str]", seconds: float) -> None:
    end = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


def _stop(child: "subprocess.Popen[str]") -> None:
    """Ask a child to stop once, and end it if it does not."""
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    _wait(child, PATIENCE_S)
    if child.poll() is None:
        child.kill()
        child.wait()


def _read(pipe: IO[str], take: Callable[[str], None]) -> None:
    with pipe:
        for line in pipe:
            take(line)


def _lines(tell: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: tell(line.rstrip("\n").removeprefix("status: "))


def _sorted_out(errors: list[str], tell: Callable[[str], None]) -> Callable[[str], None]:
    """Keep what a failure says, which is told once at the end, and tell the rest."""

    def take(line: str) -> None:
        words = line.rstrip("\n")
        if words.startswith(_ERROR):
            errors.append(words.removeprefix(_ERROR))
        elif words.strip():
            tell(words)

    return take


def _name(command: Sequence[str]) -> str:
    """The words of a command behind those that start Python."""
    return " ".join(command[len(OURS) : len(OURS) + 2])
