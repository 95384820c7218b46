"""What a skill is: its wordings, how it finds an answer, how it says it; one file each.

A new skill is a new file in this folder that holds `SKILL`, an object with the attributes of
`Skill`. Nothing else need be told of it: the grammar, the router, what is said and `--json` follow.
"""

import datetime
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from assistant.answers import Answer, Cancelled, Detail
from assistant.seeing.quality import Cause
from assistant.seeing.text import never
from assistant.skills.scene import Scene
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

EVERY_CAUSE = frozenset(Cause)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what it asks for.

    question:  as it was asked.
    words:     in lower case, without punctuation and contractions; what a small model was
               trained on.
    skill:     the name of the skill that answers it.
    subject:   what is counted, found, or has the colour; the words to look for; or "".
    context:   what was said beside it, in bare words: "my son is four", "I lost that card"; or "".
    last:      what was answered before it, which "spell that" and "the second one" are about.
    today:     the day on which it is asked: what has expired depends on it.
    rephrased: the question in other words, for a general model that is asked again; or "".
    cancelled: asked between the steps of a search; once it is true, nobody wants the answer.
    """

    question: str
    words: str
    skill: str
    subject: str = ""
    context: str = ""
    last: Answer | None = field(default=None, compare=False, repr=False)
    today: datetime.date = field(default_factory=datetime.date.today, compare=False)
    rephrased: str = ""
    cancelled: Cancelled = field(default=never, compare=False, repr=False)

    @property
    def for_model(self) -> str:
        """What a general model, or one of text, is asked."""
        question = self.rephrased or self.question
        said = self.context[:1].upper() + self.context[1:]
        is_new = bool(said) and self.context not in self.words
        return f"{said}. {question}" if is_new else question


class ModelUse(enum.Enum):
    """When a model is asked, beside what a skill finds by itself."""

    NEVER = enum.auto()
    OF_TEXT = enum.auto()
    """A text model, where one is installed, adds to what is quoted."""
    WITHOUT_TEXT = enum.auto()
    """A vision model, where no text is found; what it reads is a guess."""
    WHERE_UNKNOWN = enum.auto()
    """A vision model that may be asked this, where the text does not tell."""
    WHERE_GENERAL = enum.auto()
    """A general vision model adds to what is found; a small one only where nothing is."""
    ALWAYS = enum.auto()
    """A vision model answers; what is found by itself is told before it."""


Look = Callable[[Asked, Scene], Answer | None]


@dataclass(frozen=True, slots=True)
class Traits:
    """How a skill is treated, beside what it does itself.

    rank:    typed wordings are tried from the lowest rank to the highest: about 20 where the
             words mean one thing only, 50 where they may mean another, 80 where they mean many.
    gives:   the kinds of values that it tells; a question that wants another kind is not its own.
    text:    it tells what stands in the picture: a model's impression of it is never enough.
    careful: it costs to be wrong about it, as with medicine and money.
    counts:  its figures count things, so that they need not stand in the picture.
    model:   when a model is asked.
    bears:   what may be wrong with a picture without spoiling the answer.
    quick:   what is told before a model answers; empty for what the skill itself finds.
    """

    rank: int = 50
    gives: frozenset[Kind] = frozenset()
    text: bool = False
    careful: bool = False
    counts: bool = False
    model: ModelUse = ModelUse.NEVER
    bears: frozenset[Cause] = frozenset()
    quick: tuple[Look, ...] = ()


class Skill(Protocol):
    """Answers one kind of question."""

    @property
    def name(self) -> str:
        """Its name in `Answer.skill` and in JSON."""
        ...

    @property
    def wordings(self) -> Sequence[Wording]:
        """How it is asked for."""
        ...

    @property
    def traits(self) -> Traits:
        """How it is treated."""
        ...

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """What pixels and recognized text tell; None where they have nothing to say.

        Raises:
            AssistantError: text recognition or another reader failed.
        """
        ...

    def say(self, answer: Answer, detail: Detail) -> str:
        """An answer of this skill in English, without what every answer may have beside it
        (`skills.saying`); "" where nothing of its own is to be said.
        """
        ...
