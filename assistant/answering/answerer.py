"""From a picture and a question to one answer: quality gate, text, then the model."""

from collections.abc import Callable

from assistant.answering.grounding import Basis, ground_model, is_decline
from assistant.answering.intents import TEXT_INTENTS, Intent, Request, understand
from assistant.answering.small_model import measured_accuracy, own_wording, refusal
from assistant.answering.text_answers import NO_TEXT, Answer, answer_from_text
from assistant.answering.vision import VisionLanguageModel
from assistant.errors import UsageError
from assistant.seeing.quality import SENTENCES, Cause, check_quality
from assistant.seeing.text import TextLine, TextReader
from assistant.stopwatch import Stopwatch
from models.pictures import RgbPicture

LOOKS_BLANK = "The picture looks blank; I can't tell more. Point the camera at something else."
NOT_PLAIN = (
    "I can't tell: I find no text, but the picture is not plain. Ask me to describe the picture."
)

ModelOpener = Callable[[], VisionLanguageModel | str]
"""Gives the model, or the reason, in words, why there is none."""


class Answerer:
    """Answers questions about one picture at a time."""

    def __init__(self, reader: TextReader, open_model: ModelOpener, stopwatch: Stopwatch) -> None:
        self._reader = reader
        self._open_model = open_model
        self._stopwatch = stopwatch

    def answer(self, rgb: RgbPicture, question: str) -> Answer:
        """Answer a question about a picture (H, W, 3).

        Raises:
            UsageError: the question is empty.
            OcrError, VisionError: a model cannot be loaded or failed.
        """
        if not question.strip():
            raise UsageError("the question is empty; ask something, such as: what does it say")
        request = understand(question)
        cause = self._gate(rgb)
        if request.intent is Intent.BLANK and cause is Cause.BLANK:
            return Answer(LOOKS_BLANK, Basis.UNKNOWN)
        if cause is not None:
            return Answer(SENTENCES[cause], Basis.UNKNOWN)
        if request.intent not in TEXT_INTENTS and request.intent is not Intent.BLANK:
            return self._ask_model(rgb, request)
        lines = self._read_lines(rgb)
        if lines:
            return answer_from_text(request, lines)
        if request.intent is Intent.READ_TEXT:
            return self._model_reads(rgb, request)
        if request.intent is Intent.BLANK:
            return Answer(NOT_PLAIN, Basis.UNKNOWN)
        return Answer(NO_TEXT, Basis.UNKNOWN)

    def read(self, rgb: RgbPicture) -> Answer:
        """Read all text of a picture (H, W, 3) in reading order.

        Raises:
            OcrError: text recognition cannot be loaded or failed.
        """
        cause = self._gate(rgb)
        if cause is not None:
            return Answer(SENTENCES[cause], Basis.UNKNOWN)
        lines = self._read_lines(rgb)
        if not lines:
            return Answer(NO_TEXT, Basis.UNKNOWN)
        return answer_from_text(understand("read this"), lines)

    def _gate(self, rgb: RgbPicture) -> Cause | None:
        with self._stopwatch.stage("quality"):
            return check_quality(rgb)

    def _read_lines(self, rgb: RgbPicture) -> tuple[TextLine, ...]:
        with self._stopwatch.stage("load_ocr"):
            self._reader.load()
        with self._stopwatch.stage("ocr"):
            return self._reader.read(rgb)

    def _model_reads(self, rgb: RgbPicture, request: Request) -> Answer:
        """Let the model read what text recognition did not find; never more than a guess."""
        answer = self._ask_model(rgb, request)
        if answer.basis is Basis.UNKNOWN:
            return Answer(NO_TEXT, Basis.UNKNOWN, model=answer.model)
        return answer

    def _ask_model(self, rgb: RgbPicture, request: Request) -> Answer:
        with self._stopwatch.stage("load_model"):
            model = self._open_model()
        if isinstance(model, str):
            return Answer(f"I can't tell: {model}", Basis.UNKNOWN)
        refused = refusal(model, request)
        if refused is not None:
            return Answer(refused, Basis.UNKNOWN, model=model.name)
        text, probabilities = self._generate(model, rgb, request)
        if is_decline(text):
            return Answer(
                "I can't tell: the model finds no answer in this picture. Try another view.",
                Basis.UNKNOWN,
                model=model.name,
            )
        accuracy = None
        asked = own_wording(request.words)
        if model.skills is not None and asked is not None:
            # What was not measured, or on other pictures, is no ground for more than a guess.
            accuracy = measured_accuracy(model, asked, max(rgb.shape[:2]))
        # A general model may state digits that it claims to see: only recognized ones count.
        lines = self._read_lines(rgb) if model.skills is None and _has_digits(text, request) else ()
        basis = ground_model(text, probabilities, request.intent, lines, accuracy)
        return Answer(text, basis, model=model.name)

    def _generate(
        self, model: VisionLanguageModel, rgb: RgbPicture, request: Request
    ) -> tuple[str, list[float]]:
        with self._stopwatch.stage("look"):
            scene = model.look(rgb)
        # A small model knows its own wordings only; a large one gets the question as it was asked.
        asked = None if model.skills is None else own_wording(request.words)
        wording = request.question if asked is None else asked.wording
        with self._stopwatch.stage("answer"):
            tokens = list(model.answer(scene, wording))
        return "".join(token.text for token in tokens).strip(), [
            token.probability for token in tokens
        ]


def _has_digits(text: str, request: Request) -> bool:
    return request.intent is not Intent.COUNT and any(character.isdigit() for character in text)
