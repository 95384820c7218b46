"""What was asked last and answered since: said, repeated, and the ground of follow-ups."""

from collections.abc import Callable
from dataclasses import dataclass

from assistant.answers import Answer, Basis, Context, Detail, Piece, Said
from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.events import AnswerGiven, AnswerPart
from assistant.session.port import Port
from assistant.skills import read, router
from assistant.skills.again import has_figures
from assistant.skills.way_on import offers_reading
from assistant.speech.rendering import (
    LABELS,
    OWN_LANGUAGE,
    in_voice,
    spoken_parts,
    spoken_sentences,
    spoken_text,
)
from assistant.text.languages import page_language, quoted_lines
from assistant.text.sentences import sentences

READING = read.SKILL.name


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and its words as they were given; said: the same part by part."""

    answer: Answer
    text: str
    said: tuple[Said, ...] = ()


class Answers:
    """Owned by the session's thread."""

    def __init__(self, port: Port, texts: Callable[[], str] = lambda: OWN_LANGUAGE) -> None:
        """texts: the setting `speech.texts`."""
        self._port = port
        self._texts = texts
        self._voice: str | None = None
        self._language: str | None = None
        self.question = ""
        self.seen: Frame | None = None
        """The frame of the last answers."""
        self._given: list[Given] = []
        self._told: Callable[[], None] | None = None
        self._parts = False
        self._so_far = ""

    @property
    def text(self) -> str:
        """All that was answered, a paragraph each; "" if nothing was: a refusal tells nothing."""
        known = (each for each in self._given if each.answer.basis is not Basis.UNKNOWN)
        return "\n".join(each.text for each in known)

    def begin(self, question: str) -> None:
        """Another question: what was answered to the last one is over."""
        self.question = question
        self._given, self._parts, self._told = [], False, None
        self._voice, self._language, self._so_far = None, None, ""

    @property
    def any_given(self) -> bool:
        """True if there is something to repeat."""
        return bool(self._given)

    def use_voice(self, voice: str) -> None:
        """Read what is quoted in one language, or each text in its own, until the next question."""
        self._voice = voice

    @property
    def has_told(self) -> bool:
        """True if something was told since the last answer."""
        return self._told is not None

    @property
    def has_figures(self) -> bool:
        """True if the last answer holds figures that can be said one by one."""
        return bool(self._given) and has_figures(self._given[-1].answer)

    def tell(self, say: Callable[[], None]) -> None:
        """Say what is no answer about the picture, such as the next line; `repeat` says it again.

        What was answered before is still what the next question may lean on.
        """
        self._told = say
        say()

    def quoted(self, text: str) -> tuple[Said, ...]:
        """The parts of a text that is all printed, on the page of the last answers."""
        return in_voice(quoted_lines(text, self._language), self._now)

    @property
    def _now(self) -> str:
        return self._texts() if self._voice is None else self._voice

    def start_over(self) -> None:
        """What was said about frames that were no good is over."""
        self._given.clear()
        self._told = None

    def leave_picture(self) -> None:
        """Another picture is looked at: nothing of the one before answers or follows any more."""
        self.start_over()
        self.seen = None

    @property
    def was_reading(self) -> bool:
        """True if the last answer read a page."""
        return bool(self._given) and self._given[-1].answer.skill == READING

    @property
    def offers_reading(self) -> bool:
        """True if the last answer asked whether the text shall be read."""
        return bool(self._given) and offers_reading(self._given[-1].answer)

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
        self._told = None
        text = f"{router.say(answer, detail)} {and_then}".rstrip()
        said = (*router.told(answer, detail), Said(f" {and_then}"))
        self._given.append(Given(answer, text, said))
        self._language = next(filter(None, (each.language for each in answer.found)), None)
        in_parts, self._parts = self._parts, False
        if in_parts and detail is Detail.FULL:
            # The answer itself is known already.
            self._say_part(router.details(answer))
        self._port.emit(AnswerGiven(answer, text, in_parts=in_parts))
        # The basis of what was spoken while it was still being found follows it.
        if in_parts:
            self._port.say_answer(LABELS[answer.basis])
        else:
            self._say_given(self._given[-1])

    def repeat(self) -> None:
        """Show and say again what was said last: the answers, or what was told since."""
        if self._told is not None:
            self._told()
        else:
            self.repeat_answers()

    def repeat_answers(self) -> None:
        """Show and say the last answers again, whatever was told since."""
        if not self._given:
            self._port.fail(phrases.NOTHING_TO_REPEAT)
        for each in self._given:
            self._port.emit(AnswerGiven(each.answer, each.text))
            self._say_given(each)

    def printed(self, spoken: str) -> str:
        """What stands in an answer's text where a sentence of it is spoken."""
        for each in self._given:
            # Only the first sentence is spoken otherwise than it is printed: behind its basis.
            if spoken in spoken_sentences(each.answer.basis, each.text)[:1]:
                return next(sentences(each.text), spoken)
        return spoken

    def _say_given(self, given: Given) -> None:
        basis = given.answer.basis
        said = spoken_parts(basis, given.said, self._now)
        self._port.say_answer(spoken_text(basis, given.text), said)

    def _say_part(self, text: str) -> None:
        if text:
            # What is read aloud and what a model says look the same here; both show their language.
            self._so_far = f"{self._so_far}\n{text}"
            self._language = page_language([self._so_far])
            self._port.emit(AnswerPart(text))
            self._port.say_answer(text, self.quoted(text))
