"""What a check is and what it finds; many are made one after the other, and none hangs or fails."""

import enum
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from assistant.errors import AssistantError
from models.errors import ModelsError

LIMIT_S = 5.0
"""One device that hangs must not keep the others from being looked at."""

log = logging.getLogger(__name__)


class State(enum.Enum):
    """How something is; words that can be spoken."""

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found.

    text:  what is there, in words.
    cause: why it is limited or missing; empty if it is neither.
    fix:   what the user can do about it; empty if nothing need be done.
    """

    state: State
    text: str
    cause: str = ""
    fix: str = ""


LATE = Finding(
    State.MISSING,
    "it does not answer",
    "there was no answer in time",
    "close other programs that may use it, unplug it and plug it in again",
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to look at.

    matters: False for what is welcome but not needed: its absence does not change the exit code.
    fix:     what to do where an error names none.
    late:    the finding where there is no answer in time.
    """

    name: str
    look: Callable[[], Finding]
    matters: bool = True
    fix: str = ""
    late: Finding = LATE


@dataclass(frozen=True, slots=True)
class Examined:
    """A probe's finding, and how long it took."""

    name: str
    finding: Finding
    matters: bool
    seconds: float

    @property
    def is_bad(self) -> bool:
        """True if something is missing that matters."""
        return self.matters and self.finding.state is State.MISSING

    def words(self) -> str:
        """The line that is printed and spoken."""
        finding = self.finding
        parts = [finding.state.value, finding.text, finding.cause, finding.fix]
        said = [part[0].upper() + part[1:].rstrip(". ") for part in parts if part]
        return f"{self.name}: " + ". ".join(said) + "."

    def to_json(self) -> dict[str, object]:
        """The finding for programs."""
        return {
            "name": self.name,
            "state": self.finding.state.value,
            "matters": self.matters,
            "text": self.finding.text,
            "cause": self.finding.cause,
            "fix": self.finding.fix,
            "seconds": round(self.seconds, 3),
        }


def examine(probes: Iterable[Probe], *, limit_s: float = LIMIT_S) -> Iterator[Examined]:
    """Look at one thing after the other; none takes longer than the limit, and none can fail."""
    for probe in probes:
        started = time.monotonic()
        finding = _within(probe, limit_s)
        yield Examined(probe.name, finding, probe.matters, time.monotonic() - started)


def _within(probe: Probe, limit_s: float) -> Finding:
    replies: queue.Queue[Finding] = queue.Queue(1)

    def look() -> None:
        try:
            replies.put_nowait(probe.look())
        except AssistantError as error:
            replies.put_nowait(_missing(error.cause, error.way_out or probe.fix))
        except ModelsError as error:
            replies.put_nowait(_missing(str(error), probe.fix))
        except Exception as error:  # a probe looks at foreign code; its failure is the finding
            log.info("the probe %s failed", probe.name, exc_info=True)
            replies.put_nowait(_missing(f"it failed ({type(error).__name__}: {error})", probe.fix))

    # A thread that hangs in a driver cannot be ended; the program's end does not wait for it.
    threading.Thread(target=look, name=f"probe {probe.name}", daemon=True).start()
    try:
        return replies.get(timeout=limit_s)
    except queue.Empty:
        return probe.late


def _missing(cause: str, fix: str) -> Finding:
    return Finding(State.MISSING, "", cause, fix)
