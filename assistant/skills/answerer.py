"""From a picture and a question to answers: quality gate, skill, then a model."""

import contextlib
import dataclasses
import math
import time
import weakref
from collections.abc import Callable, Iterator

from assistant.answers import Answer, Basis, Cancelled, NoteKind, Piece
from assistant.errors import UsageError, VisionError
from assistant.frames import Sheet
from assistant.inference.copying_reader import Copier, copier_of
from assistant.inference.opening import VisionModelOpener
from assistant.inference.text_model import TextModel
from assistant.inference.text_opening import AtOnce, TextModels
from assistant.seeing.layout import page_text, reading_order
from assistant.seeing.text import TextReader, never
from assistant.skills.caveats import careful, no_text, spoilt, with_edge
from assistant.skills.evidence import weighed
from assistant.skills.follow_ups import resolve
from assistant.skills.from_models import VisionAnswers
from assistant.skills.most_relevant import reconsidered
from assistant.skills.overruling import as_overruled, refusal_cause
from assistant.skills.parting import parts
from assistant.skills.prose import checked, is_open
from assistant.skills.quoting import is_said
from assistant.skills.router import is_known, skill_named, understand
from assistant.skills.scene import Scene
from assistant.skills.second_reader import second, wants_second
from assistant.skills.skill import EVERY_CAUSE, Asked, ModelUse, Skill
from assistant.skills.unread import with_unread
from assistant.skills.way_on import with_way_on
from assistant.skills.whole_question import about_the_subject
from assistant.stopwatch import Stopwatch
from assistant.text import languages
from assistant.text.meaning_models import WITHOUT, MeaningModels
from assistant.text.question import Wish, wish
from models.pictures import RgbPicture

__all__ = ["Answerer", "careful"]

PATIENCE_S, LONGER_S = 10.0, 60.0
"""How long a guess of the rules waits for a second reader, and how long what they do not find; what
it has read until then is kept. In a conversation a guess never waits for a model that has to be
loaded."""

Asking = Callable[[float], contextlib.AbstractContextManager[None]]
"""What is done while a text model is asked; it is given the seconds that this may take."""


class Answerer:
    """Answers questions about one picture at a time."""

    def __init__(
        self,
        reader: TextReader,
        open_model: VisionModelOpener,
        stopwatch: Stopwatch,
        *,
        text_models: TextModels | None = None,
        meanings: MeaningModels = WITHOUT,
        mirrored: Callable[[], bool] = lambda: False,
        copying: Callable[[TextModel], Copier | None] = copier_of,
        one_question: bool = False,
        while_asking: Asking = lambda seconds: contextlib.nullcontext(),
    ) -> None:
        """Answers are found with what is given; nothing is opened yet.

        text_models:  where a text model comes from; None where there is none.
        copying:      a text model as a second reader, or None where it cannot be one.
        meanings:     the models that tell what texts mean.
        mirrored:     whether the camera faces the user, so that left and right change places.
        one_question: whether no other follows: then a guess waits for a model that has to be
            loaded, and a text model writes no longer than `LONGER_S`, as nobody can say stop.
        while_asking: see `Asking`.
        """
        self._reader = reader
        self._meanings = meanings
        self._text_models = text_models or AtOnce()
        self._mirrored = mirrored
        self._copying = copying
        self._one_question, self._while_asking = one_question, while_asking
        self._copier: tuple[weakref.ref[TextModel], Copier | None] | None = None
        self._wanted = False
        """Whether a guess would have been shown to a second reader that was not open."""
        self._fault: VisionError | None = None
        """What was found wrong with it ahead of a question."""
        self._told: set[str] = set()
        """Causes for which the second reader was missed; each is said once."""
        self._stopwatch = stopwatch
        self._vision = VisionAnswers(open_model, stopwatch)

    def answer(self, rgb: RgbPicture, question: str) -> Answer:
        """Answer a question about a picture (H, W, 3).

        Raises:
            UsageError: the question is empty.
            OcrError, VisionError: a model cannot be loaded or failed.
        """
        pieces = self.answers(self.scene(rgb, Sheet()), understand(question), two_speed=False)
        return [piece for piece in pieces if isinstance(piece, Answer)][-1]

    def answer_all(
        self, rgb: RgbPicture, question: str, on_fault: Callable[[str], None]
    ) -> list[Answer]:
        """Answer each of the questions that one breath asks about a picture (H, W, 3).

        on_fault: told of a model that failed where there is an answer without it.

        Raises:
            UsageError: the question is empty.
            OcrError, VisionError: a model cannot be loaded or failed, and nothing else answers.
        """
        scene, found = self.scene(rgb, Sheet()), list[Answer]()
        before = ""
        for part in parts(question, is_known):
            last: Answer | None = None
            asked, before = resolve(part, before).asked, part
            try:
                for piece in self.answers(scene, asked, two_speed=False):
                    last = piece if isinstance(piece, Answer) else last
            except VisionError as error:
                if last is None:
                    raise
                on_fault(str(error))
            assert last is not None, "every question ends with an answer"
            if not is_said(last, found):
                found.append(last)
        return found

    def read(self, rgb: RgbPicture) -> Answer:
        """Read all text of a picture (H, W, 3) in reading order.

        Raises:
            OcrError: text recognition cannot be loaded or failed.
        """
        scene, asked = self.scene(rgb, Sheet()), understand("read this")
        skill = skill_named(asked.skill)
        cause = refusal_cause(skill, asked, scene)
        if cause is not None:
            return with_way_on(spoilt(asked.skill, cause), scene)
        answer = skill.find(asked, scene)
        if answer is None:
            return with_way_on(no_text(asked.skill, scene), scene)
        told = as_overruled(with_unread(answer, scene), skill, asked, scene)
        assert isinstance(told, Answer)
        return with_way_on(weighed(told, scene.known_lines), scene)

    def scene(self, rgb: RgbPicture, sheet: Sheet | None = None) -> Scene:
        """A picture about which questions can follow each other; sheet as in `Frame`."""
        return Scene(
            rgb,
            self._reader,
            self._stopwatch,
            mirrored=self._mirrored(),
            meanings=self._meanings,
            sheet=sheet,
        )

    def look_ahead(self, scene: Scene, cancelled: Cancelled = never) -> None:
        """Read a picture, and let the model look at it if one was used before.

        No model is opened for this that was not wanted before: most questions are about text.

        Raises:
            AssistantError: text recognition or the model failed.
        """
        if scene.cause is not None:
            return
        scene.lines(cancelled)
        if cancelled():
            return
        languages.load()
        page = scene.page(cancelled)
        page.prepare()
        closeness = scene.closeness(page)
        if closeness is not None:
            closeness.learn(page.statements)
        copier = None if self._copier is None else self._copier[1]
        if self._wanted and self._text_models.is_open and page.rows and not cancelled():
            self._wanted = False
            copier = self._copier_ahead(cancelled)
        if copier is not None and page.rows and not cancelled():
            copier.study(scene.studied(copier), page, cancelled)
        if self._vision.opened is not None and not cancelled():
            scene.look(self._vision.opened)

    def _copier_ahead(self, cancelled: Cancelled) -> Copier | None:
        """A second reader that is open; what is wrong with it is kept for who asks next."""
        try:
            model = self._text_models(cancelled)
        except VisionError as error:
            self._fault = error
            return None
        return None if model is None else self._copier_of(model)

    def problem(self, scene: Scene, asked: Asked) -> Answer | None:
        """Why a picture tells nothing about a question; None if it does.

        Raises:
            BarcodeError: the reader of barcodes is missing or failed.
        """
        skill = skill_named(asked.skill)
        if skill.traits.bears != EVERY_CAUSE:
            cause = refusal_cause(skill, asked, scene)
            if cause is not None:
                return spoilt(skill.name, cause)
            if scene.cause not in skill.traits.bears:
                return None
            # Some questions have an answer all the same, such as the colour of a cloth.
            found = skill.find(asked, scene)
            return found if found is not None and found.note(NoteKind.SPOILT) else None
        found = skill.find(asked, scene)
        return found if found is not None and found.basis is Basis.UNKNOWN else None

    def answers(
        self,
        scene: Scene,
        asked: Asked,
        *,
        two_speed: bool = True,
        cancelled: Cancelled = never,
    ) -> Iterator[Piece]:
        """Answer a question: what is quickly known, then what a model adds to it.

        two_speed: whether to say what is known before the model has answered.
        cancelled: asked between the steps; once it is true, nothing more comes.

        Raises:
            UsageError: the question is empty.
            AssistantError: a model cannot be loaded or failed.
        """
        if not asked.question.strip():
            raise UsageError("the question is empty; ask something, such as: what does it say")
        asked = dataclasses.replace(asked, cancelled=cancelled)
        for piece in self._pieces(asked, scene, two_speed):
            if not isinstance(piece, Answer):
                yield piece
                continue
            answer = careful(weighed(piece, scene.known_lines))
            yield answer if cancelled() else with_way_on(answer, scene)
        if scene.fault is not None and str(scene.fault) not in self._told:
            self._told.add(str(scene.fault))
            raise scene.fault

    def _pieces(self, asked: Asked, scene: Scene, two_speed: bool) -> Iterator[Piece]:
        skill = skill_named(asked.skill)
        cause = refusal_cause(skill, asked, scene)
        if cause is not None:
            yield spoilt(skill.name, cause)
            return
        for found in self._looked(skill, asked, scene, two_speed):
            piece = found
            if isinstance(piece, Answer):
                try:
                    piece = reconsidered(piece, asked, scene)
                    opinion = self._second(piece, asked, scene) if wants_second(piece) else None
                except VisionError as error:
                    # What the rules say is told all the same, and what is wrong with the model:
                    # where there is an answer, once.
                    yield as_overruled(piece, skill, asked, scene)
                    if not piece.found or str(error) not in self._told:
                        self._told.add(str(error))
                        raise
                    continue
                if opinion is not None:
                    yield as_overruled(opinion, skill, asked, scene)
                    continue
            if not isinstance(piece, Answer) or not is_open(piece):
                yield as_overruled(piece, skill, asked, scene)
                continue
            told = False
            for other in self._by_text_model(
                piece, asked, scene, wish=wish(asked.words), stream=two_speed
            ):
                told = True
                yield as_overruled(other, skill, asked, scene)
            if not told:
                yield as_overruled(piece, skill, asked, scene)

    def _second(self, answer: Answer, asked: Asked, scene: Scene) -> Answer | None:
        """What a second reader makes of an answer; None where there is none, or it gave up."""
        page = scene.page(asked.cancelled)
        if not page.rows or asked.cancelled():
            return None
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        is_guess = answer.basis is not Basis.UNKNOWN
        if is_guess and not self._one_question and not self._text_models.is_open:
            self._wanted = True
            self._text_models.begin()  # for the next one
            return None
        patience_s = PATIENCE_S if is_guess else LONGER_S
        until = time.monotonic() + patience_s

        def is_over() -> bool:
            return asked.cancelled() or time.monotonic() > until

        copied = None
        with self._while_asking(patience_s):
            model = self._opened(is_over)
            copier = None if model is None else self._copier_of(model)
            if copier is not None and not asked.cancelled():
                with self._stopwatch.stage("answer"):
                    copied = copier.copy(scene.studied(copier), page, asked.for_model, is_over)
        if copied is None:
            # What was asked for that long is told as it is; no other way is tried after it.
            waited = (model is None or copier is not None) and time.monotonic() > until
            return answer if waited else None
        assert copier is not None, "who copied"
        told = second(answer, copied, page, asked.question, copier.name)
        return told if told is answer else with_unread(with_edge(told, scene), scene)

    def _copier_of(self, model: TextModel) -> Copier | None:
        # Held weakly: a model that is given up must leave memory before the next one is loaded.
        if self._copier is None or self._copier[0]() is not model:
            self._copier = (weakref.ref(model), self._copying(model))
        return self._copier[1]

    def _by_text_model(
        self,
        answer: Answer,
        asked: Asked,
        scene: Scene,
        *,
        wish: Wish | None = None,
        known: tuple[str, ...] = (),
        stream: bool = True,
    ) -> Iterator[Piece]:
        """What a text model, where one is installed, writes that stands in the text.

        answer: what was found without it. wish, known, stream: as `prose.checked` has them.
        """
        lines = scene.lines(asked.cancelled)
        if not lines or asked.cancelled():
            return
        patience_s = LONGER_S if self._one_question else math.inf
        until = time.monotonic() + patience_s

        def is_over() -> bool:
            return asked.cancelled() or time.monotonic() > until

        with self._while_asking(patience_s):
            model = self._opened(is_over)
            if model is None or is_over():
                return
            pieces = model.answer(page_text(reading_order(lines)), asked.for_model, is_over)
            page = scene.page(asked.cancelled)
            with self._stopwatch.stage("answer"):
                for piece in checked(
                    answer.skill, pieces, page, model.name, wish=wish, known=known, stream=stream
                ):
                    if is_over():
                        return
                    yield piece

    def _opened(self, cancelled: Cancelled) -> TextModel | None:
        """A text model that may have to be loaded; as `TextModels` says."""
        if self._text_models.is_open:
            return self._text_models(cancelled)
        with self._stopwatch.stage("load_text_model"):
            return self._text_models(cancelled)

    def _looked(self, skill: Skill, asked: Asked, scene: Scene, two_speed: bool) -> Iterator[Piece]:
        if skill.traits.model is ModelUse.ALWAYS:
            yield from self._vision.from_looking(skill, asked, scene, two_speed)
        elif skill.traits.model is ModelUse.WHERE_GENERAL:
            yield from self._vision.from_pixels(skill, asked, scene, two_speed)
        else:
            yield from self._from_text(skill, asked, scene, two_speed)

    def _from_text(
        self, skill: Skill, asked: Asked, scene: Scene, two_speed: bool
    ) -> Iterator[Piece]:
        answer = skill.find(asked, scene)
        if asked.cancelled():
            return
        if answer is None:
            yield self._without_text(skill, asked, scene)
            return
        if skill.traits.text:
            answer = about_the_subject(answer, asked, scene)
        if answer.basis is Basis.UNKNOWN and skill.traits.model is ModelUse.WHERE_UNKNOWN:
            answer = self._vision.if_it_can(asked, scene) or answer
        if skill.traits.text:
            answer = with_unread(with_edge(answer, scene), scene)
        yield answer
        if skill.traits.model is ModelUse.OF_TEXT:
            # Who hears one answer only is not to miss what both would tell.
            known = answer.values if two_speed else ()
            yield from self._by_text_model(answer, asked, scene, known=known, stream=two_speed)

    def _without_text(self, skill: Skill, asked: Asked, scene: Scene) -> Answer:
        if skill.traits.model is not ModelUse.WITHOUT_TEXT:
            return no_text(skill.name, scene)
        # What only a model reads is never more than a guess.
        answer = self._vision.at_once(asked, scene)
        if answer.basis is not Basis.UNKNOWN:
            return answer
        return no_text(skill.name, scene, answer.model)
