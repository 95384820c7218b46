"""What a session needs from the parts that see, answer, read and remember."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from assistant.answers import Answer, Cancelled, Context, Piece
from assistant.frames import Frame


class Answering(Protocol):
    """Looks at frames and answers; called by one thread only, the session's worker."""

    def prepare(self, frame: Frame, cancelled: Cancelled) -> None:
        """Start with what every question needs, while the user is still speaking."""
        ...

    def problem(self, frame: Frame, question: str, context: Context) -> Answer | None:
        """Why a question cannot be answered from a frame: a cause and a fix; None if it can."""
        ...

    def nearness(self, frame: Frame, question: str) -> float | None:
        """How near what a question looks for is to be found in a frame that has a problem, 0 to 1;
        None where nothing like it is in view, or the question looks for nothing.
        """
        ...

    def answer(
        self, frame: Frame, question: str, context: Context, cancelled: Cancelled
    ) -> Iterator[Piece]:
        """Answer a question.

        Raises:
            AssistantError: a model is missing or failed.
        """
        ...

    def read(self, frame: Frame, cancelled: Cancelled) -> Iterator[Piece]:
        """Read all text, the first lines as soon as they are known."""
        ...

    def double_check(
        self, frame: Frame, question: str, context: Context, cancelled: Cancelled
    ) -> Iterator[Piece]:
        """Ask again in another way and say whether the answers agree."""
        ...

    def new_text(self, frame: Frame, cancelled: Cancelled) -> Answer | None:
        """The text of a frame that was not in the ones before; None if there is none."""
        ...

    def whole_text(self, frame: Frame, cancelled: Cancelled) -> str:
        """All text of a frame in reading order; "" where there is none, or too little to see."""
        ...

    def examples(self, frame: Frame | None, cancelled: Cancelled) -> tuple[str, ...]:
        """Ten things to ask or say; of those about a frame only what it has an answer to."""
        ...

    def leave_picture(self) -> None:
        """Another picture is looked at from now on: nothing moves in the text of this one."""
        ...

    def heard(self, sentence: str) -> None:
        """A sentence of an answer began to sound: "continue" goes on there."""
        ...

    def navigate(self, order: str, argument: str) -> tuple[str, str]:
        """Move in the text that was read last.

        order: "next", "previous", "continue", "spell", "find" or "heading".
        argument: "line", "sentence" or "word" for the first two; the word for "find".

        Returns what stands there, and where that is, such as "line 3 of 12".

        Raises:
            UsageError: nothing was read, or there is nothing in that direction.
        """
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that the user saved.

    why:   one sentence on what a search has found it by; "" in a listing.
    saved: the day on which it was saved, in words; "" if nobody knows.
    """

    number: int
    name: str
    text: str
    why: str = ""
    saved: str = ""


class Notebook(Protocol):
    """The memory as the session uses it; called by the session's worker only."""

    def remember(self, name: str, text: str, frame: Frame | None) -> None: ...
    def everything(self) -> list[Kept]: ...
    def search(self, query: str) -> list[Kept]: ...

    def named(self, name: str) -> list[Kept]:
        """What was saved under a name, with its whole text, latest first; [] if nothing was."""
        ...

    def seen_before(self, frame: Frame) -> list[Kept]:
        """What was saved of the same picture.

        Raises:
            UsageError: too little can be seen in the frame to know it again.
        """
        ...

    def forget(self, number: int) -> None: ...
    def forget_all(self) -> None: ...
