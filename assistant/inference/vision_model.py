"""The vision-language model as the answerer sees it, and the local one behind it."""

import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from assistant.errors import VisionError
from assistant.inference.placing import Placed, Placing
from models.errors import ModelsError
from models.files.bounded import read_json
from models.pictures import RgbPicture

if TYPE_CHECKING:
    from models.image_text.choosing import Chat

Told = TypeVar("Told")

SMALL_HIDDEN_SIZE = 512
"""A model at most this wide is the pocket model or a kin of it, whatever its folder is called."""


class Token(Protocol):
    """A piece of an answer with the probability that the model gave it, 0 to 1."""

    @property
    def text(self) -> str: ...
    @property
    def probability(self) -> float: ...


class VisionLanguageModel(Protocol):
    """A model that looks at a picture once and then answers questions about it."""

    name: str
    skills: Mapping[str, float | None] | None
    """Accuracy by skill ("colour", "count", "word") of a model that has no others, None where it
    was not measured; or None for a general model."""
    photographs: Mapping[str, float]
    """How often a general model was right about real photographs, 0 to 1, by Sightline's skill; a
    skill that nobody measured is not in it, and what the model says there is a guess."""

    def look(self, rgb: RgbPicture) -> Any:
        """Encode a picture (H, W, 3); the handle serves any number of questions."""
        ...

    def answer(self, scene: Any, question: str) -> Iterator[Token]:
        """Stream the answer to one question."""
        ...


@dataclass(eq=False, slots=True, weakref_slot=True)
class _Looked:
    """A picture (H, W, 3) that was looked at; handle: None once it was let go of."""

    rgb: RgbPicture
    handle: Any


class LocalVisionModel:
    """A model of any family that looks at pictures, in a folder on this machine.

    Where a card fails under it, the processor goes on where it was: with the same picture, and in
    the middle of the same answer.
    """

    def __init__(self, folder: Path, placing: Placing | None = None) -> None:
        """Load the model.

        placing: chooses the device; None for the processor.

        Raises:
            VisionError: the folder or one of its files cannot be used, or memory is too small.
        """
        self.name = model_name(folder)
        self._folder = folder
        self._looked: weakref.WeakSet[_Looked] = weakref.WeakSet()
        self._placed: Placed[Chat] = Placed(
            folder,
            partial(_load, folder),
            placing or Placing(),
            on_let_go=partial(_forget, self._looked),
        )
        self._placed.get()
        self.skills: Mapping[str, float | None] | None = read_skills(folder)
        self.photographs: Mapping[str, float] = read_photographs(folder)

    @property
    def _chat(self) -> "Chat":
        return self._placed.get()

    def look(self, rgb: RgbPicture) -> Any:
        """Encode a picture (H, W, 3)."""
        looked = _Looked(rgb, None)
        self._with_chat(lambda chat: self._handle(chat, looked))
        return looked

    def answer(self, scene: Any, question: str) -> Iterator[Token]:
        """Stream the answer to one question, looking closer first where details matter."""
        said: list[int] = []
        with self._placed.used():
            while True:
                try:
                    yield from self._stream(scene, question, said)
                    return
                except ModelsError as error:
                    raise VisionError(str(error)) from error
                except RuntimeError as error:
                    self._placed.fail(error)

    def _stream(self, looked: _Looked, question: str, said: list[int]) -> Iterator[Token]:
        """Stream what follows the tokens that were said, and add to them."""
        chat = self._chat
        handle = self._handle(chat, looked)
        detailed = needs_detail(question)
        for token in chat.answer(handle, question, detailed=detailed, begun=tuple(said)):
            if token.id is not None:
                said.append(token.id)
            yield token

    def embed(self, rgb: RgbPicture) -> NDArray[np.float32]:
        """What it sees in a picture (H, W, 3) as one vector (D,)."""
        return self._with_chat(lambda chat: chat.embed(rgb))

    def _with_chat(self, act: "Callable[[Chat], Told]") -> Told:
        """Do something with the model, on the processor if a card fails."""
        with self._placed.used():
            while True:
                try:
                    return act(self._chat)
                except ModelsError as error:
                    raise VisionError(str(error)) from error
                except RuntimeError as error:
                    self._placed.fail(error)

    def _handle(self, chat: "Chat", looked: _Looked) -> Any:
        """What the model has seen of a picture; it looks again if that was let go of."""
        if looked.handle is None:
            looked.handle = chat.look(looked.rgb)
            self._looked.add(looked)
        return looked.handle


def _load(folder: Path, device: str) -> "Chat":
    # No method: a model that is given up must go at once, not when circles are next looked for.
    # torch takes seconds to import; questions that text answers never need it.
    from models.image_text.choosing import picture_chat
    from models.loading import load_model

    try:
        return picture_chat(load_model(folder, device=device))
    except ModelsError as error:
        raise VisionError(str(error)) from error


def _forget(looked_at: weakref.WeakSet[_Looked]) -> None:
    for looked in list(looked_at):
        looked.handle = None


def read_skills(folder: Path) -> dict[str, float | None] | None:
    """What a model folder says its model can do.

    `skills.json` holds {"skills": {NAME: {"accuracy": SHARE or null}}}. Without it, a small
    model is taken to have the pocket model's skills, unmeasured, and a large one to be general.

    Raises:
        VisionError: skills.json is damaged.
    """
    path = folder / "skills.json"
    try:
        if path.is_file():
            stated = read_json(path)
            # What was measured on photographs makes no model one of few skills.
            if "skills" in stated or "photographs" not in stated:
                skills = stated["skills"].items()
                return {str(skill): _share(facts["accuracy"]) for skill, facts in skills}
        size = int(read_json(folder / "config.json").get("hidden_size", SMALL_HIDDEN_SIZE + 1))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise VisionError(f"{path}: is damaged ({error}); write it again or remove it") from error
    if size <= SMALL_HIDDEN_SIZE:
        return {"colour": None, "count": None, "word": None}
    return None


def read_photographs(folder: Path) -> dict[str, float]:
    """How often a folder's model was right about real photographs, by the assistant's skill.

    `skills.json` holds {"photographs": {SKILL: {"accuracy": SHARE}}}; nothing was measured where
    it does not.

    Raises:
        VisionError: skills.json is damaged.
    """
    path = folder / "skills.json"
    if not path.is_file():
        return {}
    try:
        stated = read_json(path).get("photographs", {})
        shares = {str(skill): _share(facts["accuracy"]) for skill, facts in stated.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise VisionError(f"{path}: is damaged ({error}); write it again or remove it") from error
    return {skill: share for skill, share in shares.items() if share is not None}


def photograph_accuracy(model: VisionLanguageModel, skill: str) -> float:
    """How often a general model was right about photographs at a skill, 0 where nobody measured."""
    return model.photographs.get(skill, 0.0)


_DETAILS = re.compile(
    r"\b(?:how many|count|reads?|writ\w*|print\w*|texts?|words?|letters?|says?|spell\w*|labels?"
    r"|signs?|titles?|names?|numbers?|digits?|prices?|costs?|dates?|times?|clocks?|brands?|logos?"
    r"|screens?|small\w*|tin\w+|details?|detailed|closely|exactly)\b",
    re.IGNORECASE,
)


def needs_detail(question: str) -> bool:
    """True for a question about something small in a picture: text, numbers, many things."""
    return _DETAILS.search(question) is not None


def _share(accuracy: Any) -> float | None:
    """A measured share of right answers, 0 to 1, or None where none was measured."""
    if accuracy is None:
        return None
    if isinstance(accuracy, bool) or not 0 <= float(accuracy) <= 1:
        raise ValueError(f"accuracy {accuracy} is no share of 1")
    return float(accuracy)


def model_name(folder: Path) -> str:
    """The last two parts of the path, such as pocket/int4."""
    return "/".join(folder.absolute().parts[-2:])


def declines(answer: str) -> bool:
    """True for an empty answer of a model, and for one that says it cannot tell."""
    words = re.sub(r"[^a-z0-9 ]", "", answer.lower().replace("\u2019", "")).strip()
    return (
        words == ""
        or re.match(r"(?:sorry )?i (?:cant|cannot|can not|do not|dont) ", words) is not None
    )
