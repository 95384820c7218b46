"""Orders about the memory, and what is said about each."""

import re
import threading
from collections.abc import Callable

from assistant.errors import UsageError
from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.orders import Action
from assistant.session.protocols import Kept, Notebook

MOST_NAMED = 5
"""Things that one sentence lists; more cannot be kept in mind by ear."""

OPENS_WITHIN_S = 5.0

UNNAMED = "no name"

SHOWN = re.compile(r"(?:this|that|it)(?: (?:thing|picture))?(?: before)?")
"""What is asked about by showing it rather than by naming it."""

NOTHING_LIKE_IT = "Nothing that I saved looks like this. I may have saved it from another side."

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Notes:
    """The memory behind words; orders are followed by the session's worker only."""

    ACTIONS = frozenset({Action.REMEMBER, Action.SAVED, Action.WHERE, Action.FORGET})

    def __init__(self, opens_within_s: float = OPENS_WITHIN_S) -> None:
        """opens_within_s: how long an order waits for a memory that is just being opened."""
        self._opens_within_s = opens_within_s
        self._memory: Notebook | None = None
        self._missing = phrases.MEMORY_OPENS
        self._tried = threading.Event()

    def use(self, memory: Notebook) -> None:
        """The memory is open; called by any thread."""
        self._memory = memory
        self._tried.set()

    def cannot_open(self, why: str) -> None:
        """The memory cannot be opened; the reason is told whenever it is needed."""
        self._missing = why
        self._tried.set()

    def follow(
        self,
        action: Action,
        argument: str,
        kept: str,
        frame: Frame | None,
        look: Callable[[], Frame] | None = None,
    ) -> str:
        """Follow an order and return what to say.

        kept: the text of the last answers; frame: what they were about.
        look: gives what is in view now, or raises CameraError; None where there is no picture.

        Raises:
            UsageError: memory is not open, or there is nothing to remember, compare or delete.
        """
        # Switched on just now, it is opened in a thread of its own.
        self._tried.wait(self._opens_within_s)
        if self._memory is None:
            raise UsageError(self._missing)
        if action is Action.REMEMBER:
            if not kept:
                raise UsageError(phrases.NOTHING_TO_REMEMBER)
            self._memory.remember(argument or UNNAMED, kept, frame)
            return f"I remember this as {argument}." if argument else "I remember this."
        if action is Action.SAVED:
            return _listed(self._memory.everything(), "I have saved nothing.")
        if action is Action.WHERE and SHOWN.fullmatch(argument.strip().lower()):
            if look is None:
                raise UsageError(phrases.NO_PICTURE_TO_COMPARE)
            return _listed(self._memory.seen_before(look()), NOTHING_LIKE_IT)
        if action is Action.WHERE:
            return _listed(self._memory.search(argument), f"I find no {argument} in what I saved.")
        return self._forget(self._memory, argument)

    def _forget(self, memory: Notebook, argument: str) -> str:
        wanted = argument.lower().removeprefix("number ").strip()
        if wanted in ("all", "everything"):
            memory.forget_all()
            return "Everything I remembered is deleted."
        number = _NUMBERS.index(wanted) if wanted in _NUMBERS else None
        if number is None and wanted.isdecimal():
            number = int(wanted)
        if number is None:
            raise UsageError(f"{argument}: not a number", "say /saved to hear the numbers")
        memory.forget(number)
        return f"Number {number} is deleted."


def _listed(found: list[Kept], nothing: str) -> str:
    if not found:
        return nothing
    lines = [
        f"{each.number}: {each.name}. {each.text}\n{each.why}".rstrip()
        for each in found[:MOST_NAMED]
    ]
    if len(found) > MOST_NAMED:
        lines.append(f"And {len(found) - MOST_NAMED} more.")
    return "\n".join(lines)
