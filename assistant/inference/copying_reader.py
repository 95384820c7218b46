"""A text model as a second reader of a page: it answers by copying what is printed, or not at all.

Whatever the model wants to write, only runs of the page's words can come out, or that the text does
not state it. So nothing is misspelt, translated or made up, and each answer stands in lines of the
picture. Which run is the right one is still a guess of the model's.
"""

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from assistant.errors import VisionError
from assistant.inference.text_model import LocalTextModel, TextModel
from assistant.seeing.layout import Paragraph, page_text
from assistant.seeing.text import TextLine, never
from assistant.text.copying import Copies, runs_of
from assistant.text.page import Page
from assistant.text.window import window
from models.errors import ModelsError

if TYPE_CHECKING:
    from models.copying import HeldText

Result = TypeVar("Result")

MOST_CHARACTERS = 6000
"""Of a page that are read at once, about two printed pages."""

LONGEST_ANSWER = 30
"""Tokens."""

LEAST_WIDTH = 1536
"""Hidden size of the smallest model that was measured to know better than a guess of the rules."""

NOT_STATED = "not stated"
"""What the model writes where the text does not tell."""

INSTRUCTION = (
    "You answer questions about a printed text, briefly, only with words and figures that stand "
    "in it."
)
ASKED = (
    "Answer in a few words copied from the text; if the text does not say it, answer: "
    f"{NOT_STATED}."
)


@dataclass(frozen=True, slots=True)
class Copied:
    """What a model would answer with a text's own words.

    places:  where the likeliest run of words stands, in reading order: the run as printed, and the
             recognized lines that it stands in; none where it would not answer at all.
    chance:  the probability of it in the model's eyes, 0 to 1.
    refusal: that of answering that the text does not state it, 0 to 1.
    """

    places: tuple[tuple[str, tuple[TextLine, ...]], ...]
    chance: float
    refusal: float


@dataclass(slots=True, weakref_slot=True)
class Studied:
    """What a model holds of the text of one picture; it goes with the picture."""

    held: "HeldText | None" = None


class Copier(Protocol):
    """A text model that can be asked for printed words only."""

    name: str

    def study(self, studied: Studied, page: Page, cancelled: Callable[[], bool] = never) -> None:
        """Read a page before anybody asks; a question about it is then answered sooner.

        Raises:
            VisionError: the model cannot be loaded or failed.
        """
        ...

    def copy(
        self, studied: Studied, page: Page, question: str, cancelled: Callable[[], bool] = never
    ) -> Copied | None:
        """The run of words that answers best; None without words, or where it was cancelled.

        Raises:
            VisionError: the model cannot be loaded or failed.
        """
        ...


def copier_of(model: TextModel) -> Copier | None:
    """A text model as a second reader; None for one that cannot be held to the printed words.

    That takes the model itself: a server tells what it writes, not what else it might have
    written. A model that was never taught to take turns goes on with the text instead of answering,
    and a small one picks words by chance.
    """
    if not isinstance(model, LocalTextModel) or not model.knows_turns:
        return None
    from models.copying import can_follow_several

    network = model.placed.get().model
    if getattr(network.config, "hidden_size", 0) < LEAST_WIDTH or not can_follow_several(network):
        return None
    return CopyingReader(model)


class CopyingReader:
    """A text model of this machine that copies."""

    def __init__(self, model: LocalTextModel) -> None:
        """Nothing is read yet; a model that is given up is not kept in memory by this."""
        self.name = model.name
        self._weak = weakref.ref(model)
        self._last: weakref.ref[Studied] | None = None
        model.when_let_go(self._forget)

    def study(self, studied: Studied, page: Page, cancelled: Callable[[], bool] = never) -> None:
        """As `Copier` says; what was read when it was cancelled need not be read again."""
        if self._weak() is None:
            return  # it was given up; whoever asks opens another one
        from models.copying import read_on

        ids = self._ids(page.paragraphs, "")
        if len(page_text(page.paragraphs)) > MOST_CHARACTERS or len(ids) > self._room:
            return  # what is read of a long page depends on the question
        self._computed(studied, lambda model, held: read_on(model, held, ids, cancelled))

    def copy(
        self, studied: Studied, page: Page, question: str, cancelled: Callable[[], bool] = never
    ) -> Copied | None:
        """As `Copier` says."""
        from models.copying import likeliest

        part, ids = self._fitting(page, question)
        runs = runs_of(part)
        if not runs or len(ids) > self._room or cancelled():
            return None
        copies = Copies(runs, self._encode, NOT_STATED)
        found = self._computed(
            studied,
            lambda model, held: likeliest(
                model,
                held,
                ids,
                copies,
                self._ends,
                most_tokens=LONGEST_ANSWER,
                cancelled=cancelled,
            ),
        )
        refusal = sum(math.exp(each.logarithm) for each in found if copies.is_refusal(each.written))
        if not found:
            return None
        told = next((each for each in found if not copies.is_refusal(each.written)), None)
        if told is None:
            return Copied((), 0.0, refusal)
        return Copied(copies.copied(told.written), math.exp(told.logarithm), refusal)

    @property
    def _model(self) -> LocalTextModel:
        model = self._weak()
        assert model is not None, "whoever asks for a copy holds the model"
        return model

    def _fitting(self, page: Page, question: str) -> tuple[tuple[Paragraph, ...], list[int]]:
        """The part of a page that is read for a question, and the whole prompt."""
        most = MOST_CHARACTERS
        while True:
            part = window(page, question, most)
            ids = self._ids(part, question)
            if len(ids) <= self._room or most == 0:
                return part, ids
            # What stands around the text keeps its length: half of it is nearly always enough.
            most = min(most, len(page_text(part))) // 2

    @property
    def _room(self) -> int:
        """Tokens of a prompt that leave room for an answer with all that is tried beside it."""
        return self._model.context - LONGEST_ANSWER - 1

    def _ids(self, part: Sequence[Paragraph], question: str) -> list[int]:
        harmless = self._model.harmless
        text, asked = harmless(page_text(part)), harmless(question)
        try:
            return self._model.encoded(INSTRUCTION, f"Text:\n{text}\n\nQuestion: {asked}\n{ASKED}")
        except ModelsError as error:
            raise VisionError(f"{self.name}: {error}") from error

    def _encode(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """The tokens of texts, as `copying.Encode` has them."""
        encoded = self._model.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [
            [(number, end) for number, (_, end) in zip(each.ids, each.offsets, strict=True)]
            for each in encoded
        ]

    @property
    def _ends(self) -> frozenset[int]:
        """What ends an answer: also a full stop, which models like to set behind a value."""
        stop = self._model.tokenizer.encode(".", add_special_tokens=False).ids
        return self._model.ends | (frozenset(stop) if len(stop) == 1 else frozenset())

    def _held(self, studied: Studied) -> "HeldText":
        """What is held for a picture; what is held for another one is let go of."""
        from models.copying import HeldText

        last = self._last() if self._last is not None else None
        if last is not None and last is not studied:
            last.held = None
        self._last = weakref.ref(studied)
        if studied.held is None:
            studied.held = HeldText()
        return studied.held

    def _forget(self) -> None:
        last = self._last() if self._last is not None else None
        if last is not None:
            last.held = None

    def _computed(self, studied: Studied, compute: "Callable[[Any, HeldText], Result]") -> Result:
        """What a model computes, on the processor if a card fails.

        Raises:
            VisionError: the model cannot be loaded, or computes no numbers.
        """
        placed = self._model.placed
        with placed.used():
            while True:
                try:
                    model = placed.get().model  # first: where it was let go of, nothing is held
                    return compute(model, self._held(studied))
                except ModelsError as error:
                    studied.held = None
                    raise VisionError(f"{self.name}: {error}") from error
                except RuntimeError as error:
                    studied.held = None
                    placed.fail(error)
