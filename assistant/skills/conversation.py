"""The answerer as a session uses it: frames in, answers out, with a memory of what was seen."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence

from assistant.answers import Answer, Basis, Cancelled, Context, Found, Note, NoteKind, Piece
from assistant.errors import UsageError
from assistant.frames import Frame, Sheet
from assistant.inference.opening import VisionModelOpener
from assistant.inference.pocket import other_wording
from assistant.inference.text_opening import TextModels
from assistant.seeing.framing import cut_off
from assistant.seeing.layout import page_text, reading_order, rows_of
from assistant.seeing.quality import check_quality
from assistant.seeing.text import TextLine, TextReader, never
from assistant.skills import read as reading
from assistant.skills import saying
from assistant.skills.answerer import Answerer
from assistant.skills.caveats import no_text, spoilt
from assistant.skills.double_check import compared, other_view
from assistant.skills.evidence import has_words, weighed
from assistant.skills.examples import examples
from assistant.skills.follow_ups import resolve
from assistant.skills.overruling import as_overruled, refusal_cause
from assistant.skills.parting import parts
from assistant.skills.quoting import is_said
from assistant.skills.rewording import reworded
from assistant.skills.router import is_known, understand
from assistant.skills.saying import marks
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked
from assistant.skills.spell import marks_of, spellable
from assistant.skills.unread import doubts
from assistant.skills.way_on import with_way_on
from assistant.stopwatch import Stopwatch
from assistant.text.live_text import LiveText
from assistant.text.meaning_models import WITHOUT, MeaningModels
from assistant.text.reading import Place, Reading, spelled

MOST_SCENES = 2
"""Pictures that are remembered: the last one, for follow-ups, and the one before."""

READ_LIMIT_S = 20.0
"""How long a page is read before its listener is told that there is more."""

OLD_S = 2.0
"""A frame of this age (s) may show what is not in view any more."""


class Conversation:
    """Questions and answers about one frame after another; used by one thread."""

    def __init__(
        self,
        reader: TextReader,
        open_model: VisionModelOpener,
        *,
        text_models: TextModels | None = None,
        meanings: MeaningModels = WITHOUT,
        mirrored: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is opened yet.

        text_models: where a text model comes from; None where there is none.
        mirrored:    whether the camera faces the user.
        clock:       seconds, as in `Frame`.
        """
        self._reader = reader
        self._answerer = Answerer(
            reader,
            open_model,
            Stopwatch(),
            text_models=text_models,
            meanings=meanings,
            mirrored=mirrored,
        )
        self._clock = clock
        self._scenes: list[Scene] = []
        self._tried: Scene | None = None
        self._reading: Reading | None = None
        self._reading_of: tuple[TextLine, ...] = ()
        self._aloud = False
        self._told: Answer | None = None
        """What was answered last, until the listener moves on in the text."""
        self._moved: Answer | None = None
        """The line or word that the listener moved to since the last answer."""
        self._live = LiveText()

    def prepare(self, frame: Frame, cancelled: Cancelled = never) -> None:
        """Read and look while the user is still speaking; what is found is kept.

        Raises:
            AssistantError: text recognition or the model failed.
        """
        self._answerer.look_ahead(self._scene(frame), cancelled)

    def problem(self, frame: Frame, question: str, context: Context) -> Answer | None:
        """Why a question cannot be answered from a frame; see `session.protocols.Answering`.

        Raises:
            BarcodeError: the reader of barcodes is missing or failed.
        """
        resolved = resolve(question, context.question)
        if resolved.same_frame and context.frame is not None:
            return None
        scene = self._known(frame) or self._answerer.scene(frame.rgb, frame.sheet)
        self._tried = scene
        found = self._answerer.problem(scene, resolved.asked)
        if found is None:
            self._remember(scene)
        return found

    def nearness(self, frame: Frame, question: str) -> float | None:
        """How near what is looked for is to be found; see `session.protocols.Answering`.

        Raises:
            BarcodeError: the reader of barcodes is missing or failed.
        """
        if resolve(question, "").asked.skill != "barcode":
            return None
        tried = self._tried
        if tried is None or tried.rgb is not frame.rgb:
            tried = self._answerer.scene(frame.rgb, frame.sheet)
        return tried.code_nearness()

    def answer(
        self, frame: Frame, question: str, context: Context, cancelled: Cancelled = never
    ) -> Iterator[Piece]:
        """Answer a question; a follow-up is answered from the frame of the question before.

        Raises:
            AssistantError: the question is empty, or a model is missing or failed.
        """
        self._aloud = False
        before = context.question
        last = self._moved or context.answer
        self._moved = None
        said = list[Answer]()
        for part in parts(question, is_known):
            told = list[Answer]()
            for piece in self._answer_one(frame, part, before, context, last, cancelled):
                if isinstance(piece, Answer):
                    self._told = last = piece
                    if is_said(piece, said):
                        continue
                    told.append(piece)
                yield piece
            if cancelled():
                return
            said += told
            before = part
        self._follow(self._told)

    def _follow(self, told: Answer | None) -> None:
        """Let "the next line" be the one behind what was told."""
        if told is None or self._reading is None or self._aloud or not told.evidence:
            return
        if told.model is None and told.basis is not Basis.UNKNOWN:
            self._reading.go_to(told.evidence[-1].text)

    def _answer_one(
        self,
        frame: Frame,
        question: str,
        before: str,
        context: Context,
        last: Answer | None,
        cancelled: Cancelled,
    ) -> Iterator[Piece]:
        """Answer one question; `before` and `last` are the one it may lean on, and its answer."""
        resolved = resolve(question, before)
        asked = dataclasses.replace(resolved.asked, last=last)
        from_before = False
        if resolved.same_frame and context.frame is not None:
            if frame.rgb is not context.frame.rgb and self._age_s(context.frame) > OLD_S:
                from_before = True
            frame = context.frame
        scene = self._scene(frame)
        for piece in self._pieces(scene, asked, cancelled):
            if cancelled():
                return
            yield _from_before(piece) if from_before else piece
            from_before = False
        # Whatever read the text, "next line" and "spell it" are about it from now on.
        self._note(scene)

    def read(self, frame: Frame, cancelled: Cancelled = never) -> Iterator[Piece]:
        """Read all text, the first lines as soon as they are known.

        Raises:
            OcrError: text recognition cannot start or failed.
        """
        scene = self._scene(frame)
        asked = dataclasses.replace(understand("read this"), cancelled=cancelled)
        cause = refusal_cause(reading.SKILL, asked, scene)
        if cause is not None:
            yield with_way_on(spoilt(reading.SKILL.name, cause), scene)
            return
        yield from self._read_aloud(scene, asked, cancelled)
        if scene.is_read and not scene.known_lines:
            yield with_way_on(no_text(reading.SKILL.name, scene), scene)

    def double_check(
        self, frame: Frame, question: str, context: Context, cancelled: Cancelled = never
    ) -> Iterator[Piece]:
        """Ask again with another view and other words, and say whether the answers agree.

        Raises:
            AssistantError: a model is missing or failed.
        """
        self._aloud = False
        for part in parts(question, is_known):
            yield from self._check_one(frame, resolve(part, "").asked, cancelled)

    def _check_one(self, frame: Frame, asked: Asked, cancelled: Cancelled) -> Iterator[Piece]:
        first = self._last(self._scene(frame), asked, cancelled)
        if cancelled() or first is None:
            return
        again = dataclasses.replace(
            asked, words=other_wording(asked.words), rephrased=reworded(asked.question)
        )
        other = self._answerer.scene(other_view(frame.rgb), frame.sheet)
        second = self._last(other, again, cancelled)
        if not cancelled() and second is not None:
            yield compared(first, second, asked.question)

    def new_text(self, frame: Frame, cancelled: Cancelled = never) -> Answer | None:
        """The text of a frame that was not in the ones before; None if there is none.

        Raises:
            OcrError: text recognition cannot start or failed.
        """
        self._aloud = False
        if check_quality(frame.rgb) is not None:
            return None
        lines = list[TextLine]()
        for part in self._reader.parts(frame.rgb, limit_s=READ_LIMIT_S, cancelled=cancelled):
            lines += part.lines
            if part.more:
                break  # the next frame is a better second look
        # Part of a frame, because nobody wants it any more, must not count as said.
        rows = () if cancelled() else self._live.see(lines)
        if not rows or not has_words(lines):
            return None
        return weighed(reading.new_rows([row.pieces for row in rows]), lines)

    def navigate(self, order: str, argument: str) -> tuple[str, str]:
        """Move in the text that was read last; see `session.protocols.Answering`.

        Raises:
            UsageError: nothing was read, or there is nothing in that direction.
        """
        told = self._told if order == "spell" else None
        if told is not None and not told.found:
            raise UsageError(
                "there is nothing to spell in my last answer",
                "say what to spell, such as: spell the name",
            )
        value = spellable(told) if told is not None else None
        if value is not None:
            lines = self._scenes[0].known_lines if self._scenes else ()
            note = marks_of(value.value, lines)
            doubt = "" if note is None else f". {marks(note.detail)}"
            return f"{spelled(value.value)}{doubt}", value.value
        if self._reading is None:
            raise UsageError("there is no text yet; read something first")
        place = _moved(self._reading, order, argument)
        self._aloud, self._told = True, None
        if order != "spell":
            self._moved = Answer("line", (Found(place.text),), Basis.READ)
        return place.text, place.where

    def whole_text(self, frame: Frame, cancelled: Cancelled = never) -> str:
        """All text of a frame in reading order; "" where there is none, or too little to see.

        Raises:
            OcrError: text recognition cannot start or failed.
        """
        scene = self._scene(frame)
        return "" if scene.cause is not None else page_text(reading_order(scene.lines(cancelled)))

    def examples(self, frame: Frame | None, cancelled: Cancelled = never) -> tuple[str, ...]:
        """Ten things to ask; see `session.protocols.Answering`.

        Raises:
            AssistantError: text recognition or the reader of barcodes failed.
        """
        return examples(None if frame is None else self._scene(frame), cancelled)

    def leave_picture(self) -> None:
        """Another picture is looked at from now on: nothing moves in the text of this one."""
        self._reading, self._reading_of, self._aloud = None, (), False
        self._told = self._moved = None

    def heard(self, sentence: str) -> None:
        """Note the sentence that was spoken last, so that `continue` goes on there."""
        if self._reading is not None and self._aloud:
            self._reading.heard(sentence)

    def _pieces(self, scene: Scene, asked: Asked, cancelled: Cancelled) -> Iterator[Piece]:
        is_read = asked.skill == reading.SKILL.name
        if is_read and refusal_cause(reading.SKILL, asked, scene) is None:
            yield from self._read_aloud(scene, asked, cancelled)
            if scene.known_lines or cancelled():
                return
        yield from self._answerer.answers(scene, asked, cancelled=cancelled)

    def _read_aloud(self, scene: Scene, asked: Asked, cancelled: Cancelled) -> Iterator[Piece]:
        """A page as it is read; one that was left off goes on there. Nothing without text."""
        lines: list[TextLine] = []
        in_parts, count = False, 0
        self._aloud = True
        try:
            for part in scene.parts(READ_LIMIT_S, cancelled):
                count += 1
                if cancelled():
                    return
                if count <= scene.told_parts:
                    continue
                told = _but_its_number(part.lines, scene.sheet)
                lines += told
                if part.mirrored and not in_parts:
                    yield reading.remark(Note(NoteKind.MIRRORED), scene)
                in_parts = in_parts or part.remaining > 0 or part.more
                rows = rows_of(reading_order(told))
                if in_parts and rows:
                    yield "\n".join(row.text for row in rows)
        finally:
            # Also where the listener said stop: "continue" goes on there.
            self._note(scene, from_start=scene.told_parts == 0)
        if cancelled():
            return
        scene.told_parts = 0 if scene.is_read else count
        if scene.is_read and not lines:
            lines += scene.known_lines
        if lines and scene.known_lines:
            page = weighed(reading.page(scene.doubted(lines)), scene.known_lines)
            yield as_overruled(page, reading.SKILL, asked, scene)
        if scene.unread:
            yield reading.still_unread(scene.unread)
        height, width = scene.rgb.shape[:2]
        if scene.is_read and scene.known_lines:
            for note in doubts(scene):
                if note.kind is not NoteKind.MIRRORED:
                    yield reading.remark(note, scene)
        edge = cut_off(scene.known_lines, width, height)
        if edge is not None and scene.is_read:
            yield with_way_on(reading.cut_off_at(edge), scene)

    def _scene(self, frame: Frame) -> Scene:
        return self._known(frame) or self._remember(self._answerer.scene(frame.rgb, frame.sheet))

    def _known(self, frame: Frame) -> Scene | None:
        return next((scene for scene in self._scenes if scene.rgb is frame.rgb), None)

    def _remember(self, scene: Scene) -> Scene:
        if scene not in self._scenes:
            self._scenes = [scene, *self._scenes][:MOST_SCENES]
        return scene

    def _note(self, scene: Scene, *, from_start: bool = False) -> None:
        """Let orders such as "next line" be about this text; its place is kept if it was before."""
        lines = scene.known_lines
        if lines and (from_start or lines != self._reading_of):
            self._reading, self._reading_of = Reading.of(reading_order(lines)), lines

    def _last(self, scene: Scene, asked: Asked, cancelled: Cancelled) -> Answer | None:
        pieces = self._answerer.answers(scene, asked, two_speed=False, cancelled=cancelled)
        answers = [piece for piece in pieces if isinstance(piece, Answer)]
        return answers[-1] if answers else None

    def _age_s(self, frame: Frame) -> float:
        return self._clock() - frame.captured_at


def _but_its_number(lines: Sequence[TextLine], sheet: Sheet | None) -> list[TextLine]:
    """What is read of a page: its own number was said when it was opened."""
    return [line for line in lines if sheet is None or not sheet.is_named_by(line.text)]


def _from_before(piece: Piece) -> Piece:
    """The piece, said to be about an older picture."""
    note = Note(NoteKind.FROM_BEFORE)
    if isinstance(piece, str):
        return f"{saying.OPENINGS[note.kind]} {piece}"
    return dataclasses.replace(piece, notes=(note, *piece.notes))


def _moved(reading: Reading, order: str, argument: str) -> Place:
    unit = argument if argument in ("line", "sentence", "word") else "line"
    if order == "next":
        return reading.next(unit)  # type: ignore[arg-type]
    if order == "previous":
        return reading.previous(unit)  # type: ignore[arg-type]
    if order == "find":
        return reading.find(argument)
    moves = {"continue": reading.rest, "spell": reading.spell, "heading": reading.heading}
    if order not in moves:
        raise UsageError(f"{order}: no such move; say next, previous, spell, find or continue")
    return moves[order]()
