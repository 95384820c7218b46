"""What listens: one question at a time, from the talk key to its words."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from assistant.hearing.recognizer import Transcript


class HeardKind(enum.Enum):
    """What became of the sound so far."""

    PARTIAL = "partial"
    """The words so far; more may come, and they may still change."""
    FINAL = "final"
    """The question."""
    REJECTED = "rejected"
    """Something or nothing was said that is no question to us; `message` says which."""
    STOP = "stop"
    """Somebody said stop, in one of its wordings, while nothing else was listened for."""
    FAILED = "failed"
    """The microphone or the recognizer failed; `message` names the cause and the way out."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a listener tells.

    transcript:      the words of PARTIAL, FINAL and STOP.
    message:         one sentence for REJECTED and FAILED.
    speech_ended_at: when the last voiced sound of a FINAL was captured (s, time.monotonic).
    """

    kind: HeardKind
    transcript: Transcript | None = None
    message: str = ""
    speech_ended_at: float | None = None


HeardCallback = Callable[[Heard], None]
"""Called on the listener's own thread: put what was heard into a queue and return."""


class Listener(Protocol):
    """Anything that listens; every method returns at once and may be called from any thread.

    After `start`, exactly one of FINAL, REJECTED and FAILED comes, last, or none after `cancel` or
    another `start`. After `listen_for_stop`, STOP or FAILED comes, or nothing.
    """

    on_heard: HeardCallback | None

    def start(self) -> None:
        """Begin to listen: the talk key went down. A question still being heard is dropped."""
        ...

    def listen_for_stop(self) -> None:
        """Begin to listen, but only for a stop, until one comes or something else is wanted."""
        ...

    def finish(self) -> None:
        """End the question now: the talk key again. Without it, silence ends it."""
        ...

    def cancel(self) -> None:
        """Stop listening and tell nothing more of this question."""
        ...

    def close(self) -> None:
        """Give up the microphone and the recognizer."""
        ...
