"""Opens models at the first question that needs one, once; loads no library before that."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.errors import VisionError
from assistant.frames import Frame
from assistant.inference.text_model import LocalTextModel, TextModel
from assistant.inference.vision_model import LocalVisionModel, VisionLanguageModel, model_name
from assistant.machine import memory_bytes, size_text
from models.pocket import pocket_int4_folder

VisionModelOpener = Callable[[], VisionLanguageModel | str]
"""Gives the model, or the reason, in words, why there is none."""

TextModelOpener = Callable[[], TextModel | None]
"""Gives the model, or None where none is installed."""


def vision_model_folder(chosen: str) -> Path:
    """The folder of the vision-language model: the chosen one, else the built-in one."""
    return Path(chosen).expanduser() if chosen else pocket_int4_folder()


class ModelOpener:
    """Opens the vision-language model of a folder."""

    def __init__(
        self, folder: Path, missing: Callable[[Path], str], *, must_exist: bool = False
    ) -> None:
        """Name the folder; nothing is loaded yet.

        missing:    the reason why there is no model, in words, from the folder that is none.
        must_exist: whether a missing folder is an error, as where the user has named it.
        """
        self._folder = folder
        self._must_exist = must_exist
        self._missing = missing
        self._model: LocalVisionModel | None = None

    def __call__(self) -> VisionLanguageModel | str:
        """The model, or why there is none.

        Raises:
            VisionError: the folder or one of its files cannot be used.
        """
        if self._model is None:
            if not (self._must_exist or self._folder.is_dir()):
                return self._missing(self._folder)
            self._model = LocalVisionModel(self._folder)
        return self._model

    @property
    def name(self) -> str:
        """The model's name, also before it is opened."""
        return model_name(self._folder)

    def embed(self, frame: Frame) -> NDArray[np.float32] | None:
        """What the model sees in a frame as one vector (D,); None while it is not opened."""
        return None if self._model is None else self._model.embed(frame.rgb)


class TextOpener:
    """Opens the text model of a folder that may change."""

    def __init__(self, folder: Callable[[], Path | None]) -> None:
        """folder: where the model is now, or None where none is installed."""
        self._folder = folder
        self._opened: tuple[Path, TextModel] | None = None

    def __call__(self) -> TextModel | None:
        """The model, or None where none is installed.

        Raises:
            VisionError: the folder or one of its files cannot be used, or memory is too small.
        """
        folder = self._folder()
        if folder is None:
            return None
        if self._opened is None or self._opened[0] != folder:
            self._opened = None  # two of them may not fit into memory
            _check_memory(folder)
            self._opened = (folder, LocalTextModel(folder))
        return self._opened[1]


def _check_memory(folder: Path) -> None:
    """Refuse a model that would not fit: the system would end the whole assistant for it.

    Raises:
        VisionError: less memory is free than the weights take.
    """
    needed = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    try:
        _, free = memory_bytes()
    except (OSError, ValueError, AttributeError):
        return  # this system does not say how much there is
    if needed > free:
        raise VisionError(
            f"{folder}: the text model needs {size_text(needed)} of memory and {size_text(free)} "
            "are free; close other programs, or make it smaller with quantizer run"
        )
