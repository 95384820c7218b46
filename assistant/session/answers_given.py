"""What was asked last and answered since: said, repeated, and the ground of follow-ups."""

from dataclasses import dataclass

from assistant.answers import Answer, Basis, Context, Detail, Piece
from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.events import AnswerGiven, AnswerPart
from assistant.session.port import Port
from assistant.skills import read, router
from assistant.speech.rendering import LABELS, spoken_sentences, spoken_text
from assistant.text.sentences import sentences

READING = read.SKILL.name


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and its words as they were given."""

    answer: Answer
    text: str


class Answers:
    """Owned by the session's thread."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self.question = ""
        self.seen: Frame | None = None
        """The frame of the last answers."""
        self._given: list[Given] = []
        self._parts = False

    @property
    def text(self) -> str:
        """All that was answered, a paragraph each; "" if nothing was: a refusal tells nothing."""
        known = (each for each in self._given if each.answer.basis is not Basis.UNKNOWN)
        return "\n".join(each.text for each in known)

    def begin(self, question: str) -> None:
        """Another question: what was answered to the last one is over."""
        self.question = question
        self._given, self._parts = [], False

    def start_over(self) -> None:
        """What was said about frames that were no good is over."""
        self._given.clear()

    def leave_picture(self) -> None:
        """Another picture is looked at: nothing of the one before answers or follows any more."""
        self.start_over()
        self.seen = None

    @property
    def was_reading(self) -> bool:
        """True if the last answer read a page."""
        return bool(self._given) and self._given[-1].answer.skill == READING

    def context(self) -> Context:
        """What was said before the next question."""
        last = self._given[-1].answer if self._given else None
        return Context(self.question, last, self.seen)

    def deliver(self, piece: Piece, detail: Detail = Detail.USUAL) -> None:
        """Show and say a whole answer, or a sentence of one that is still being found."""
        if isinstance(piece, Answer):
            self.say(piece, detail)
        else:
            self._parts = True
            self._say_part(piece)

    def say(self, answer: Answer, detail: Detail = Detail.USUAL, and_then: str = "") -> None:
        """Put an answer into words, show and say it, and keep it for `repeat`.

        and_then: a sentence of the session's own that belongs to it.
        """
        text = f"{router.say(answer, detail)} {and_then}".rstrip()
        self._given.append(Given(answer, text))
        in_parts, self._parts = self._parts, False
        if in_parts and detail is Detail.FULL:
            # The answer itself is known already.
            self._say_part(router.details(answer))
        self._port.emit(AnswerGiven(answer, text, in_parts=in_parts))
        # The basis of what was spoken while it was still being found follows it.
        spoken = LABELS[answer.basis] if in_parts else spoken_text(answer.basis, text)
        self._port.say_answer(spoken)

    def repeat(self) -> None:
        """Show and say the last answers again."""
        if not self._given:
            self._port.fail(phrases.NOTHING_TO_REPEAT)
        for each in self._given:
            self._port.emit(AnswerGiven(each.answer, each.text))
            self._port.say_answer(spoken_text(each.answer.basis, each.text))

    def printed(self, spoken: str) -> str:
        """What stands in an answer's text where a sentence of it is spoken."""
        for each in self._given:
            # Only the first sentence is spoken otherwise than it is printed: behind its basis.
            if spoken in spoken_sentences(each.answer.basis, each.text)[:1]:
                return next(sentences(each.text), spoken)
        return spoken

    def _say_part(self, text: str) -> None:
        if text:
            self._port.emit(AnswerPart(text))
            self._port.say_answer(text)
