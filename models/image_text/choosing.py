"""The chat about pictures that a loaded model can have, whatever its family."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelFolderError
from models.generate import GeneratedToken, PictureChat
from models.image_text.chat import EYES, ImageTextChat
from models.loading import LoadedModel

_OWN_CHAT = "cogvlm2"  # asked by `PictureChat`, not by way of `EYES`


class Chat(Protocol):
    """Answers questions about pictures."""

    def look(self, rgb: NDArray[np.uint8]) -> Any:
        """Encode a picture (H, W, 3) once; any number of questions can follow."""
        ...

    def answer(
        self,
        scene: Any,
        question: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        max_new_tokens: int = 64,
        detailed: bool = False,
        begun: Sequence[int] = (),
    ) -> Iterator[GeneratedToken]:
        """Stream the greedy answer to one question.

        detailed: look at the picture in more pixels first, where the model can.
        begun:    tokens of the answer that were given already; what follows them is streamed.
        """
        ...

    def embed(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What is seen in a picture (H, W, 3) as one vector (D,)."""
        ...


def sees_pictures(family: str) -> bool:
    """Tell whether models of a family look at pictures; all others are text models."""
    return family == _OWN_CHAT or family in EYES


def picture_chat(loaded: LoadedModel) -> Chat:
    """Choose by the model's family.

    Raises:
        ModelFolderError: the model cannot look at pictures, or a file of its folder cannot be
            used.
    """
    if loaded.family in EYES:
        return ImageTextChat(loaded)
    if not sees_pictures(loaded.family):
        raise ModelFolderError(
            f"{loaded.folder} holds a text model, which cannot look at pictures; give the folder "
            f"of a model of the families {_OWN_CHAT}, {', '.join(EYES)}"
        )
    return PictureChat(loaded)
