"""From a picture and a question to answers: quality gate, quick looks, text, then the model."""

import re
from collections.abc import Callable, Iterator, Sequence

from assistant.errors import UsageError
from assistant.inference.pocket import is_named, measured_accuracy, own_wording, refusal
from assistant.inference.text_model import TextModelOpener
from assistant.inference.vision_model import Token, VisionLanguageModel
from assistant.seeing.framing import FIXES, cut_off
from assistant.seeing.layout import page_text, reading_order
from assistant.seeing.quality import SENTENCES
from assistant.seeing.scene import Scene
from assistant.seeing.text import TextLine, TextReader, never
from assistant.skills.grounding import Basis, digits_are_read, ground_model, is_decline
from assistant.skills.intents import TEXT_INTENTS, Intent, Request, understand
from assistant.skills.problems import code_answer, no_text, spoilt
from assistant.skills.quick_looks import (
    asks_for_colour,
    barcode_answer,
    colour_answer,
    light_answer,
)
from assistant.skills.text_answers import Answer, answer_from_text
from assistant.skills.wording import careful
from assistant.speech.streaming import SentenceSplitter
from assistant.stopwatch import Stopwatch
from models.pictures import RgbPicture

NOT_PLAIN = (
    "I can't tell: I find no text, but the picture is not plain. Ask me to describe the picture."
)
NO_SUMMARY = (
    "I can't tell: there is no model for summaries on this machine. Ask me to read the text, or "
    "set text_model.folder."
)

MODEL_MAY_HELP = frozenset({Intent.TITLE, Intent.AUTHOR, Intent.CATEGORY, Intent.YEAR})
"""What a model may tell from a cover where no rule about its text does."""

MOST_FAST_LINES = 3

ModelOpener = Callable[[], VisionLanguageModel | str]
"""Gives the model, or the reason, in words, why there is none."""

Cancelled = Callable[[], bool]
Piece = Answer | str


class Answerer:
    """Answers questions about one picture at a time."""

    def __init__(
        self,
        reader: TextReader,
        open_model: ModelOpener,
        stopwatch: Stopwatch,
        *,
        open_text_model: TextModelOpener = lambda: None,
        mirrored: Callable[[], bool] = lambda: False,
    ) -> None:
        """mirrored: whether the camera faces the user, so that left and right change places."""
        self._reader = reader
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
        pieces = self.answers(self.scene(rgb), understand(question), two_speed=False)
        return [piece for piece in pieces if isinstance(piece, Answer)][-1]

    def read(self, rgb: RgbPicture) -> Answer:
        """Read all text of a picture (H, W, 3) in reading order.

        Raises:
            OcrError: text recognition cannot be loaded or failed.
        """
        scene = self.scene(rgb)
        if scene.cause is not None:
            return Answer(SENTENCES[scene.cause], Basis.UNKNOWN)
        lines = scene.lines()
        if not lines:
            return no_text(rgb)
        return answer_from_text(understand("read this"), lines)

    def scene(self, rgb: RgbPicture) -> Scene:
        """A picture about which questions can follow each other."""
        return Scene(rgb, self._reader, self._stopwatch)

    def look_ahead(self, scene: Scene, cancelled: Cancelled = never) -> None:
        """Read a picture, and let the model look at it if one was used before.

        No model is opened for this: most questions are about text.

        Raises:
            AssistantError: text recognition or the model failed.
        """
        if scene.cause is not None:
            return
        scene.lines(cancelled)
        if self._opened is not None and not cancelled():
            scene.look(self._opened)

    def answers(
        self,
        scene: Scene,
        request: Request,
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
        if not request.question.strip():
            raise UsageError("the question is empty; ask something, such as: what does it say")
        if request.intent is Intent.LIGHT:
            yield light_answer(scene.rgb, mirrored=self._mirrored())
            return
        if request.intent is Intent.BARCODE:
            yield code_answer(scene)
            return
        cause = scene.cause
        if cause is not None:
            yield spoilt(scene.rgb, request, cause)
        elif request.intent in TEXT_INTENTS or request.intent is Intent.BLANK:
            for piece in self._from_text(scene, request, cancelled):
                yield careful(piece, request.intent) if isinstance(piece, Answer) else piece
        elif request.intent is Intent.COLOUR and not self._model_knows(request):
            yield self._plain_colour(scene, request)
        else:
            yield from self._from_looking(scene, request, two_speed, cancelled)

    def _from_text(self, scene: Scene, request: Request, cancelled: Cancelled) -> Iterator[Piece]:
        lines = scene.lines(cancelled)
        if cancelled():
            return
        if not lines:
            yield self._without_lines(scene, request)
            return
        if request.intent in (Intent.SUMMARY, Intent.ABOUT):
            model = self._open_text_model()
            if model is not None:
                pieces = model.answer(_page(lines), request.question, cancelled)
                yield from _told_by_text_model(pieces, lines, model.name)
                return
            if request.intent is Intent.SUMMARY:
                yield Answer(NO_SUMMARY, Basis.UNKNOWN)
                return
        answer = answer_from_text(request, lines)
        if answer.basis is Basis.UNKNOWN and request.intent in MODEL_MAY_HELP:
            by_model = self._if_it_can(scene, request, cancelled)
            answer = answer if by_model is None else by_model
        yield _with_fix(answer, lines, scene.rgb)

    def _without_lines(self, scene: Scene, request: Request) -> Answer:
        if request.intent is Intent.BLANK:
            return Answer(NOT_PLAIN, Basis.UNKNOWN)
        if request.intent is Intent.READ_TEXT:
            # What only a model reads is never more than a guess.
            answer = self._asked_at_once(scene, request)
            if answer.basis is not Basis.UNKNOWN:
                return answer
            return no_text(scene.rgb, answer.model)
        return no_text(scene.rgb)

    def _model_knows(self, request: Request) -> bool:
        """True if the model, and not the pixels in the middle, shall tell a colour."""
        thing = asks_for_colour(request)
        if thing is None or is_named(thing):
            return True
        model = self._open_model()
        return not isinstance(model, str) and model.skills is None

    def _plain_colour(self, scene: Scene, request: Request) -> Answer:
        return colour_answer(scene.rgb, asks_for_colour(request) or "")

    def _from_looking(
        self, scene: Scene, request: Request, two_speed: bool, cancelled: Cancelled
    ) -> Iterator[Piece]:
        said = ""
        if two_speed:
            for answer in self._fast_tier(scene, request, cancelled):
                said += f" {answer.text}"
                yield answer
        if cancelled():
            return
        for piece in self._ask_model(scene, request, cancelled, stream=two_speed):
            # What the fast tier has said is not said again.
            if not _adds_nothing(piece if isinstance(piece, str) else piece.text, said):
                yield piece

    def _fast_tier(self, scene: Scene, request: Request, cancelled: Cancelled) -> Iterator[Answer]:
        thing = asks_for_colour(request)
        if thing is not None and not is_named(thing):
            yield self._plain_colour(scene, request)
        if request.intent is not Intent.DESCRIBE:
            return
        codes = scene.codes()
        if codes:
            yield barcode_answer(codes)
        lines = scene.lines(cancelled)
        if lines and not cancelled():
            rows = [row for paragraph in reading_order(lines) for row in paragraph.rows]
            first = rows[:MOST_FAST_LINES]
            more = " and more" if len(rows) > len(first) else ""
            text = "; ".join(row.text for row in first)
            evidence = tuple(piece for row in first for piece in row.pieces)
            yield Answer(f"I read: {text}{more}", Basis.READ, evidence)
        yield colour_answer(scene.rgb, "")

    def _if_it_can(self, scene: Scene, request: Request, cancelled: Cancelled) -> Answer | None:
        model = self._open_model()
        if isinstance(model, str) or refusal(model, request) is not None or cancelled():
            return None
        answer = self._asked_at_once(scene, request)
        return None if answer.basis is Basis.UNKNOWN else answer

    def _asked_at_once(self, scene: Scene, request: Request) -> Answer:
        pieces = self._ask_model(scene, request, never, stream=False)
        return [piece for piece in pieces if isinstance(piece, Answer)][-1]

    def _ask_model(
        self, scene: Scene, request: Request, cancelled: Cancelled, *, stream: bool = False
    ) -> Iterator[Piece]:
        with self._stopwatch.stage("load_model"):
            model = self._open_model()
        if isinstance(model, str):
            yield Answer(f"I can't tell: {model}", Basis.UNKNOWN)
            return
        refused = refusal(model, request)
        if refused is not None:
            yield Answer(refused, Basis.UNKNOWN, model=model.name)
            return
        self._opened = model
        handle = scene.look(model)
        asked = None if model.skills is None else own_wording(request.words)
        # A small model knows its own wordings only; a large one gets the question as it is.
        wording = request.question if asked is None else asked.wording
        tokens: list[Token] = []
        sentences = SentenceSplitter()
        with self._stopwatch.stage("answer"):
            for token in model.answer(handle, wording):
                if cancelled():
                    return
                tokens.append(token)
                for sentence in sentences.add(token.text):
                    # A model that begins by declining has nothing to say before its end.
                    if stream and not is_decline(sentences.text):
                        yield sentence
        text = sentences.text.strip()
        if stream and sentences.has_told and not is_decline(text) and sentences.rest():
            yield sentences.rest()
        if is_decline(text):
            yield Answer(
                "I can't tell: the model finds no answer in this picture. Try another view.",
                Basis.UNKNOWN,
                model=model.name,
            )
            return
        accuracy = None
        if asked is not None:
            # What was not measured, or on other pictures, is no ground for more than a guess.
            accuracy = measured_accuracy(model, asked, max(scene.rgb.shape[:2]))
        # A general model may state digits that it claims to see: only recognized ones count.
        is_claim = model.skills is None and _has_digits(text, request)
        lines = scene.lines() if is_claim or request.intent in MODEL_MAY_HELP else ()
        shares = [token.probability for token in tokens]
        basis = ground_model(text, shares, request.intent, lines, accuracy)
        yield Answer(text, basis, model=model.name)


def _told_by_text_model(
    pieces: Iterator[str], lines: Sequence[TextLine], name: str
) -> Iterator[Piece]:
    """Sentences as they come, then the whole with its basis."""
    sentences = SentenceSplitter()
    for piece in pieces:
        yield from sentences.add(piece)
    if sentences.has_told and sentences.rest():
        yield sentences.rest()
    text = sentences.text
    if not text.strip():
        yield Answer("I can't tell: the model gives no answer. Ask in other words.", Basis.UNKNOWN)
        return
    basis = Basis.SEEN if digits_are_read(text, lines) else Basis.GUESS
    yield Answer(text.strip(), basis, tuple(lines), name)


def _with_fix(answer: Answer, lines: Sequence[TextLine], rgb: RgbPicture) -> Answer:
    """Where a text lacks what was asked for, say that it is cut off, if it is."""
    if answer.basis is not Basis.UNKNOWN:
        return answer
    height, width = rgb.shape[:2]
    edge = cut_off(lines, width, height)
    if edge is None:
        return answer
    return Answer(f"{answer.text} {FIXES[edge]}", answer.basis, answer.evidence, answer.model)


def _page(lines: Sequence[TextLine]) -> str:
    return page_text(reading_order(lines))


def _adds_nothing(text: str, said: str) -> bool:
    known = set(re.findall(r"\w+", said.lower()))
    return bool(known) and set(re.findall(r"\w+", text.lower())) <= known


def _has_digits(text: str, request: Request) -> bool:
    return request.intent is not Intent.COUNT and any(character.isdigit() for character in text)
