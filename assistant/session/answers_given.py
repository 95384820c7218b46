"""What was asked last and answered since: told, repeated, and the ground of follow-ups."""

from typing import TYPE_CHECKING

from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.events import AnswerGiven, AnswerPart
from assistant.session.ports import Context, Piece
from assistant.skills.text_answers import Answer
from assistant.speech.rendering import LABELS, spoken_text

if TYPE_CHECKING:
    from assistant.session.session import Session


class Answers:
    """Owned by the session's thread."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self.question = ""
        self.seen: Frame | None = None
        """The frame of the last answers."""
        self._given: list[Answer] = []
        self._parts = False

    @property
    def text(self) -> str:
        """All that was answered, a paragraph each; "" if nothing was."""
        return "\n".join(answer.text for answer in self._given)

    def begin(self, question: str) -> None:
        """Another question: what was answered to the last one is over."""
        self.question = question
        self._given, self._parts = [], False

    def start_over(self) -> None:
        """What was said about frames that were no good is over."""
        self._given.clear()

    def context(self, verbosity: int) -> Context:
        """What was said before the next question."""
        last = self._given[-1] if self._given else None
        return Context(verbosity, self.question, last, self.seen)

    def deliver(self, piece: Piece) -> None:
        """Show and say a whole answer, or a sentence of one that is still being found."""
        if isinstance(piece, Answer):
            self.tell(piece)
        else:
            self._parts = True
            self._session.telling.emit(AnswerPart(piece))
            self._session.voice.say_answer(piece)

    def tell(self, answer: Answer) -> None:
        """Show and say an answer, and keep it for `repeat`."""
        self._given.append(answer)
        in_parts, self._parts = self._parts, False
        self._session.telling.emit(AnswerGiven(answer, in_parts=in_parts))
        # The basis of what was spoken while it was still being found follows it.
        spoken = LABELS[answer.basis] if in_parts else spoken_text(answer)
        self._session.voice.say_answer(spoken)

    def repeat(self) -> None:
        """Show and say the last answers again."""
        if not self._given:
            self._session.telling.fail(phrases.NOTHING_TO_REPEAT)
        for answer in self._given:
            self._session.telling.emit(AnswerGiven(answer))
            self._session.voice.say_answer(spoken_text(answer))
