"""What goes into a question beside its words, and what comes out of it, piece by piece."""

from collections.abc import Callable
from dataclasses import dataclass

from assistant.frames import Frame
from assistant.skills.text_answers import Answer

Piece = Answer | str
"""A whole answer with its basis; or a sentence of one whose basis comes at its end.

A question gets one or more answers: first what is quickly known, then what a model adds.
"""


Cancelled = Callable[[], bool]
"""Asked between the steps of a job; once it is true, nobody wants the rest."""


@dataclass(frozen=True, slots=True)
class Context:
    """What was said before, for follow-ups; and how long answers should be (0 to 2)."""

    verbosity: int = 1
    question: str = ""
    answer: Answer | None = None
    frame: Frame | None = None
