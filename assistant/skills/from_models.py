"""What a vision model is asked, and what its words are worth."""

import re
from collections.abc import Iterator, Sequence

from assistant.answers import Answer, Basis, Found, Note, NoteKind, Piece
from assistant.inference.opening import VisionModelOpener
from assistant.inference.pocket import measured_accuracy, own_wording, refusal
from assistant.inference.vision_model import (
    Token,
    VisionLanguageModel,
    declines,
    photograph_accuracy,
)
from assistant.seeing.drawn import looks_drawn
from assistant.skills import quote
from assistant.skills.grounding import LEAST_ACCURACY, ground_model, words_are_read
from assistant.skills.router import skill_named
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Skill
from assistant.stopwatch import Stopwatch
from assistant.text.sentences import SentenceBuffer

PRINTED = frozenset({"word", "lines", "title", "author", "field"})
"""Skills of a small model whose answers are characters of the picture."""


class VisionAnswers:
    """Answers of the vision model, with what the pixels tell before and instead of it."""

    def __init__(self, open_model: VisionModelOpener, stopwatch: Stopwatch) -> None:
        """Nothing is opened yet."""
        self._open_model = open_model
        self._stopwatch = stopwatch
        self.opened: VisionLanguageModel | None = None
        """The model that was used last; None if none was."""

    def from_pixels(
        self, skill: Skill, asked: Asked, scene: Scene, two_speed: bool
    ) -> Iterator[Piece]:
        """What the pixels tell, and what a general model adds; a small one knows no better."""
        found = skill.find(asked, scene)
        if found is not None:
            model = self._open_model()
            if isinstance(model, str) or model.skills is not None:
                yield found
                return
        yield from self.from_looking(skill, asked, scene, two_speed)

    def from_looking(
        self, skill: Skill, asked: Asked, scene: Scene, two_speed: bool
    ) -> Iterator[Piece]:
        """What is quickly known, what the text says, or else what the model does."""
        known: list[str] = []
        for look in (skill.traits.quick or (skill.find,)) if two_speed else ():
            answer = look(asked, scene)
            if asked.cancelled():
                return
            if answer is not None:
                known += answer.values
                yield answer
        if asked.cancelled():
            return
        if skill.traits.counts and self._has_few_skills():
            # "How many drops" over a label is asked of the label.
            told = quote.SKILL.find(asked, scene) if scene.cause is None else None
            if told is not None and quote.tells_a_number(told, scene.page(asked.cancelled)):
                yield told
                return
        quoted = self._quoted_instead(skill, asked, scene)
        if quoted is not None:
            yield quoted
            return
        for piece in self._ask(skill, asked, scene, stream=two_speed):
            if isinstance(piece, str):
                # What is known from the picture is not said again in a model's words.
                if not repeats(piece, known):
                    yield piece
            elif skill.traits.quick and tells_nothing(piece):
                # Asked for what is in view, it is told once what can be told without a model.
                # Who wants it described wants a model, and is told that there is none.
                lacks = piece.note(NoteKind.NO_MODEL) and "describe" in asked.words.split()
                if not known:
                    yield piece if lacks else skill.find(asked, scene) or piece
                return
            elif not (piece.found and repeats(" ".join(piece.values), known)):
                yield piece

    def if_it_can(self, asked: Asked, scene: Scene) -> Answer | None:
        """The model's answer to what is not printed; None if it may not or cannot tell."""
        model = self._open_model()
        if isinstance(model, str) or asked.cancelled():
            return None
        if model.skills is not None and scene.known_lines:
            # A small model never guesses words where they can be read.
            return None
        if refusal(model, asked.words, asked.subject) is not None:
            return None
        answer = self.at_once(asked, scene)
        return None if answer.basis is Basis.UNKNOWN else answer

    def at_once(self, asked: Asked, scene: Scene) -> Answer:
        """The model's whole answer, also one that tells nothing, as where it was cancelled."""
        pieces = self._ask(skill_named(asked.skill), asked, scene, stream=False)
        answers = [piece for piece in pieces if isinstance(piece, Answer)]
        return answers[-1] if answers else Answer(asked.skill, notes=(Note(NoteKind.EMPTY),))

    def _has_few_skills(self) -> bool:
        model = self._open_model()
        return isinstance(model, str) or model.skills is not None

    def _quoted_instead(self, skill: Skill, asked: Asked, scene: Scene) -> Answer | None:
        """What the text says, where no model may be asked and there is text in view."""
        if skill.traits.quick or scene.cause is not None:
            return None
        model = self._open_model()
        may_ask = not isinstance(model, str) and refusal(model, asked.words, asked.subject) is None
        if may_ask:
            return None
        answer = quote.SKILL.find(asked, scene)
        return None if asked.cancelled() else answer

    def _ask(self, skill: Skill, asked: Asked, scene: Scene, *, stream: bool) -> Iterator[Piece]:
        with self._stopwatch.stage("load_model"):
            model = self._open_model()
        if isinstance(model, str):
            yield Answer(skill.name, notes=(Note(NoteKind.NO_MODEL, model),))
            return
        refused = refusal(model, asked.words, asked.subject)
        if refused is not None:
            note = Note(NoteKind.REFUSED, refused.value)
            yield Answer(skill.name, notes=(note,), model=model.name)
            return
        self.opened = model
        handle = scene.look(model)
        own = None if model.skills is None else own_wording(asked.words)
        # A small model knows its own wordings only; a large one gets the question as it is.
        wording = asked.for_model if own is None else own.wording
        tokens: list[Token] = []
        sentences = SentenceBuffer()
        with self._stopwatch.stage("answer"):
            for token in model.answer(handle, wording):
                if asked.cancelled():
                    return
                tokens.append(token)
                for sentence in sentences.accept(token.text):
                    # A model that begins by declining has nothing to say before its end.
                    if stream and not declines(sentences.text):
                        yield sentence
        text = sentences.text.strip()
        if declines(text):
            yield Answer(skill.name, notes=(Note(NoteKind.DECLINED),), model=model.name)
            return
        if stream and sentences.has_given:
            yield from sentences.rest()
        traits = skill.traits
        # Seen is only what was measured on photographs, however sure a model is of itself.
        accuracy = photograph_accuracy(model, skill.name) if model.skills is None else None
        if own is not None:
            # What was not measured, or on other pictures, is no ground for more than a guess.
            drawn = looks_drawn(scene.rgb)
            accuracy = measured_accuracy(model, own, max(scene.rgb.shape[:2])) if drawn else 0.0
            about_text = traits.text or own.skill in PRINTED
            if about_text and accuracy < LEAST_ACCURACY and not words_are_read(text, scene.lines()):
                # Letters and figures that such a model alone sees are mostly not there.
                yield Answer(skill.name, notes=(Note(NoteKind.DECLINED),), model=model.name)
                return
        # A general model may state digits that it claims to see: only recognized ones count.
        is_claim = model.skills is None and not traits.counts and any(map(str.isdigit, text))
        needs_lines = is_claim or traits.model is ModelUse.WHERE_UNKNOWN
        basis = ground_model(
            text,
            [token.probability for token in tokens],
            scene.lines() if needs_lines else (),
            accuracy,
            quotes=traits.text,
            counts=traits.counts,
        )
        yield Answer(skill.name, (Found(text),), basis, model=model.name)


def tells_nothing(piece: Answer) -> bool:
    """True where the model was not asked, or told nothing."""
    kinds = (NoteKind.REFUSED, NoteKind.NO_MODEL, NoteKind.DECLINED, NoteKind.EMPTY)
    return any(piece.note(kind) for kind in kinds)


def repeats(words: str, known: Sequence[str]) -> bool:
    """True if every word stands in one of the values that are known."""
    said = {word for value in known for word in re.findall(r"\w+", value.lower())}
    return bool(said) and set(re.findall(r"\w+", words.lower())) <= said
