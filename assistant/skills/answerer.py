"""From a picture and a question to answers: quality gate, skill, then a model."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence

from assistant.answers import Answer, Basis, Cancelled, Found, Note, NoteKind, Piece
from assistant.errors import UsageError
from assistant.frames import Sheet
from assistant.inference.opening import TextModelOpener, VisionModelOpener
from assistant.inference.pocket import measured_accuracy, own_wording, refusal
from assistant.inference.vision_model import Token, VisionLanguageModel, declines
from assistant.seeing.framing import cut_off
from assistant.seeing.layout import page_text, reading_order
from assistant.seeing.quality import Cause, light_hint
from assistant.seeing.text import TextLine, TextReader, never
from assistant.skills import about, quote
from assistant.skills.evidence import weighed
from assistant.skills.grounding import (
    LEAST_ACCURACY,
    ground_model,
    words_are_read,
)
from assistant.skills.overruling import as_overruled, refusal_cause
from assistant.skills.parting import parts
from assistant.skills.prose import checked
from assistant.skills.router import is_known, skill_named, understand
from assistant.skills.scene import Scene
from assistant.skills.skill import EVERY_CAUSE, Asked, ModelUse, Skill
from assistant.skills.subject import foreign, is_in_doubt
from assistant.skills.unread import nothing_read, with_unread
from assistant.skills.way_on import with_way_on
from assistant.stopwatch import Stopwatch
from assistant.text import languages
from assistant.text.closeness import EmbedOpener
from assistant.text.question import Wish, wish
from assistant.text.sentences import SentenceBuffer
from models.pictures import RgbPicture


class Answerer:
    """Answers questions about one picture at a time."""

    def __init__(
        self,
        reader: TextReader,
        open_model: VisionModelOpener,
        stopwatch: Stopwatch,
        *,
        open_text_model: TextModelOpener = lambda: None,
        open_embed: EmbedOpener = lambda: None,
        mirrored: Callable[[], bool] = lambda: False,
    ) -> None:
        """Answers are found with what is given; nothing is opened yet.

        open_embed: gives what tells the meaning of texts, where a model is installed that can.
        mirrored:   whether the camera faces the user, so that left and right change places.
        """
        self._reader = reader
        self._open_embed = open_embed
        self._open_model = open_model
        self._open_text_model = open_text_model
        self._mirrored = mirrored
        self._stopwatch = stopwatch
        self._opened: VisionLanguageModel | None = None

    def answer(self, rgb: RgbPicture, question: str) -> Answer:
        """Answer a question about a picture (H, W, 3).

        Raises:
            UsageError: the question is empty.
            OcrError, VisionError: a model cannot be loaded or failed.
        """
        pieces = self.answers(self.scene(rgb, Sheet()), understand(question), two_speed=False)
        return [piece for piece in pieces if isinstance(piece, Answer)][-1]

    def answer_all(self, rgb: RgbPicture, question: str) -> list[Answer]:
        """Answer each of the questions that one breath asks about a picture (H, W, 3).

        Raises:
            UsageError: the question is empty.
            OcrError, VisionError: a model cannot be loaded or failed.
        """
        scene, found = self.scene(rgb, Sheet()), list[Answer]()
        for part in parts(question, is_known):
            pieces = self.answers(scene, understand(part), two_speed=False)
            found.append([piece for piece in pieces if isinstance(piece, Answer)][-1])
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
            open_embed=self._open_embed,
            sheet=sheet,
        )

    def look_ahead(self, scene: Scene, cancelled: Cancelled = never) -> None:
        """Read a picture, and let the model look at it if one was used before.

        No model is opened for this: most questions are about text.

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
        if self._opened is not None and not cancelled():
            scene.look(self._opened)

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

    def _pieces(self, asked: Asked, scene: Scene, two_speed: bool) -> Iterator[Piece]:
        skill = skill_named(asked.skill)
        cause = refusal_cause(skill, asked, scene)
        if cause is not None:
            yield spoilt(skill.name, cause)
            return
        for piece in self._looked(skill, asked, scene, two_speed):
            if not isinstance(piece, Answer) or not _is_open(piece):
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
        model = self._open_text_model()
        if model is None or asked.cancelled():
            return
        pieces = model.answer(_page(lines), asked.question, asked.cancelled)
        page = scene.page(asked.cancelled)
        with self._stopwatch.stage("answer"):
            for piece in checked(
                answer.skill, pieces, page, model.name, wish=wish, known=known, stream=stream
            ):
                if asked.cancelled():
                    return
                yield piece

    def _looked(self, skill: Skill, asked: Asked, scene: Scene, two_speed: bool) -> Iterator[Piece]:
        if skill.traits.model is ModelUse.ALWAYS:
            yield from self._from_looking(skill, asked, scene, two_speed)
        elif skill.traits.model is ModelUse.WHERE_GENERAL:
            yield from self._from_pixels(skill, asked, scene, two_speed)
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
            answer = _about_the_subject(answer, asked, scene)
        if answer.basis is Basis.UNKNOWN and skill.traits.model is ModelUse.WHERE_UNKNOWN:
            answer = self._if_it_can(asked, scene) or answer
        if skill.traits.text:
            answer = with_unread(_with_edge(answer, scene), scene)
        yield answer
        if two_speed and skill.traits.model is ModelUse.OF_TEXT:
            yield from self._by_text_model(answer, asked, scene, known=answer.values)

    def _without_text(self, skill: Skill, asked: Asked, scene: Scene) -> Answer:
        if skill.traits.model is not ModelUse.WITHOUT_TEXT:
            return no_text(skill.name, scene)
        # What only a model reads is never more than a guess.
        answer = self._asked_at_once(asked, scene)
        if answer.basis is not Basis.UNKNOWN:
            return answer
        return no_text(skill.name, scene, answer.model)

    def _from_pixels(
        self, skill: Skill, asked: Asked, scene: Scene, two_speed: bool
    ) -> Iterator[Piece]:
        """What the pixels tell, and what a general model adds; a small one knows no better."""
        found = skill.find(asked, scene)
        if found is not None:
            model = self._open_model()
            if isinstance(model, str) or model.skills is not None:
                yield found
                return
        yield from self._from_looking(skill, asked, scene, two_speed)

    def _from_looking(
        self, skill: Skill, asked: Asked, scene: Scene, two_speed: bool
    ) -> Iterator[Piece]:
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
        for piece in self._ask_model(skill, asked, scene, stream=two_speed):
            if isinstance(piece, str):
                # What is known from the picture is not said again in a model's words.
                if not repeats(piece, known):
                    yield piece
            elif skill.traits.quick and _tells_nothing(piece):
                # Asked for what is in view, it is told once what can be told without a model.
                # Who wants it described wants a model, and is told that there is none.
                lacks = piece.note(NoteKind.NO_MODEL) and "describe" in asked.words.split()
                if not known:
                    yield piece if lacks else skill.find(asked, scene) or piece
                return
            elif not (piece.found and repeats(" ".join(piece.values), known)):
                yield piece

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

    def _if_it_can(self, asked: Asked, scene: Scene) -> Answer | None:
        model = self._open_model()
        if isinstance(model, str) or asked.cancelled():
            return None
        if model.skills is not None and scene.known_lines:
            # A small model never guesses words where they can be read.
            return None
        if refusal(model, asked.words, asked.subject) is not None:
            return None
        answer = self._asked_at_once(asked, scene)
        return None if answer.basis is Basis.UNKNOWN else answer

    def _asked_at_once(self, asked: Asked, scene: Scene) -> Answer:
        whole = dataclasses.replace(asked, cancelled=never)
        pieces = self._ask_model(skill_named(asked.skill), whole, scene, stream=False)
        return [piece for piece in pieces if isinstance(piece, Answer)][-1]

    def _ask_model(
        self, skill: Skill, asked: Asked, scene: Scene, *, stream: bool
    ) -> Iterator[Piece]:
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
        self._opened = model
        handle = scene.look(model)
        own = None if model.skills is None else own_wording(asked.words)
        # A small model knows its own wordings only; a large one gets the question as it is.
        wording = asked.question if own is None else own.wording
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
        accuracy = None
        if own is not None:
            # What was not measured, or on other pictures, is no ground for more than a guess.
            accuracy = measured_accuracy(model, own, max(scene.rgb.shape[:2]))
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


PRINTED = frozenset({"word", "lines", "title", "author", "field"})
"""Skills of a small model whose answers are characters of the picture."""


def _about_the_subject(answer: Answer, asked: Asked, scene: Scene) -> Answer:
    """The answer, if it accounts for the whole question; else what the text says of the rest.

    A value that answers another question is never told: where the text says nothing of the rest,
    that is said.
    """
    if answer.skill in SUBJECT_FREE or answer.note(NoteKind.QUOTED):
        return answer
    if answer.basis is Basis.UNKNOWN and not answer.found:
        near = _near_in_meaning(asked, scene)
        if near is not None:
            return near
    rest = foreign(asked, answer, scene.page(asked.cancelled))
    if not rest:
        if answer.basis is Basis.READ and is_in_doubt(asked, answer, scene.page(asked.cancelled)):
            # Something in the question might choose another value, or between these.
            return dataclasses.replace(answer, basis=Basis.GUESS)
        return answer
    quoted = quote.SKILL.find(asked, scene)
    if quoted is not None and quoted.basis is not Basis.UNKNOWN:
        return quoted
    if answer.basis is Basis.UNKNOWN:
        # What a skill looked for in vain it names itself.
        return answer
    return Answer(quote.SKILL.name, notes=(Note(NoteKind.NOT_ABOUT, " ".join(rest[:3])),))


def _near_in_meaning(asked: Asked, scene: Scene) -> Answer | None:
    """What a model finds nearest where a skill found nothing; never more than a guess."""
    if scene.closeness(scene.page(asked.cancelled)) is None:
        return None
    quoted = quote.SKILL.find(asked, scene)
    if quoted is None or not quoted.found:
        return None
    return dataclasses.replace(quoted, basis=Basis.GUESS)


SUBJECT_FREE = frozenset(
    {
        *(
            "read",
            "read_part",
            "find_word",
            "about",
            "summary",
            "any_text",
            "blank",
            "line",
            "item",
        ),
        *("quote", "recipient", "letterhead", "again", "spell", "pick", "identify", "describe"),
        *("superlative", "hours"),
    }
)
"""Skills whose question is answered whatever its other words are."""


def spoilt(skill: str, cause: Cause) -> Answer:
    """An answer about a picture in which too little can be seen."""
    return Answer(skill, notes=(Note(NoteKind.SPOILT, cause.value),))


def no_text(skill: str, scene: Scene, model: str | None = None) -> Answer:
    """An answer about a picture in which no text was read: what may be the matter, if anything.

    model: the name of a model that was asked in vain.
    """
    unread = nothing_read(skill, scene)
    if unread is not None:
        return dataclasses.replace(unread, model=model)
    hint = (Note(NoteKind.LIGHT_HINT),) if light_hint(scene.rgb) else ()
    return Answer(skill, notes=(Note(NoteKind.NO_TEXT), *hint), model=model)


def careful(answer: Answer) -> Answer:
    """The answer; a guess about medicine or money notes that nothing confirms it."""
    if answer.basis is not Basis.GUESS or not skill_named(answer.skill).traits.careful:
        return answer
    if answer.note(NoteKind.HARD_TO_READ) or answer.note(NoteKind.UNVERIFIED):
        return answer
    # What was read stands in the text; the doubt is whether it is what was asked for.
    note = Note(NoteKind.UNVERIFIED, "read" if answer.evidence else "")
    return dataclasses.replace(answer, notes=(*answer.notes, note))


def _is_open(answer: Answer) -> bool:
    """True where nothing close was found to a free question about a text."""
    if answer.basis is not Basis.UNKNOWN:
        return False
    if answer.skill == quote.SKILL.name:
        return answer.note(NoteKind.NOT_ABOUT) is not None
    return answer.skill == about.SKILL.name and answer.note(NoteKind.SOUGHT) is not None


def _tells_nothing(piece: Answer) -> bool:
    """True where the model was not asked, or told nothing."""
    kinds = (NoteKind.REFUSED, NoteKind.NO_MODEL, NoteKind.DECLINED, NoteKind.EMPTY)
    return any(piece.note(kind) for kind in kinds)


def repeats(words: str, known: Sequence[str]) -> bool:
    """True if every word stands in one of the values that are known."""
    said = {word for value in known for word in re.findall(r"\w+", value.lower())}
    return bool(said) and set(re.findall(r"\w+", words.lower())) <= said


def _with_edge(answer: Answer, scene: Scene) -> Answer:
    """Where a text lacks what was asked for, note that it is cut off, if it is."""
    if answer.basis is not Basis.UNKNOWN:
        return answer
    height, width = scene.rgb.shape[:2]
    edge = cut_off(scene.known_lines, width, height)
    if edge is None:
        return answer
    return dataclasses.replace(answer, notes=(*answer.notes, Note(NoteKind.CUT_OFF, edge)))


def _page(lines: Sequence[TextLine]) -> str:
    return page_text(reading_order(lines))
