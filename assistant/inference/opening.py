"""Opens models at the first question that needs one, once; loads no library before that."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.errors import VisionError
from assistant.frames import Frame
from assistant.inference.placing import Placing
from assistant.inference.vision_model import LocalVisionModel, VisionLanguageModel, model_name
from assistant.models_store.installed import installed_picture_model
from models.pocket import pocket_int4_folder

VisionModelOpener = Callable[[], VisionLanguageModel | str]
"""Gives the model, or the reason, in words, why there is none."""


class ModelOpener:
    """Opens the vision-language model at the first question that needs it, once."""

    def __init__(
        self,
        folder: str,
        *,
        way_out: str = "",
        on_missing: Callable[[Path], None] = lambda folder: None,
        placing: Placing | None = None,
    ) -> None:
        """Name the model; nothing is opened yet.

        folder:     a folder that was chosen, or "" for the picture model that was pulled last, and
            the built-in one where none was.
        way_out:    what the user can do where there is none.
        on_missing: called with the folder when a question needs the model and there is none.
        placing:    chooses the device; None for the processor.
        """
        self._chosen = Path(folder).expanduser() if folder else None
        self._folder = self._chosen or usual_folder()
        self._way_out = way_out
        self._on_missing = on_missing
        self._placing = placing
        self._model: LocalVisionModel | None = None

    def __call__(self) -> VisionLanguageModel | str:
        """The model, or the reason, in words, why there is none.

        Raises:
            VisionError: its folder or one of its files cannot be used.
        """
        self._look_again()
        if self._model is None and not self._folder.is_dir():
            self._on_missing(self._folder)
            more = f"; or {self._way_out}" if self._way_out else ""
            return f"there is no vision model at {self._folder}. Text can still be read{more}."
        return self.open()

    def open(self) -> VisionLanguageModel:
        """The model, whether or not its folder is there.

        Raises:
            VisionError: its folder or one of its files is missing, or cannot be used.
        """
        if self._model is None:
            self._model = LocalVisionModel(self._folder, self._placing)
        return self._model

    def _look_again(self) -> None:
        """Use a model that has come since, unless one was chosen."""
        folder = self._chosen or usual_folder()
        if folder != self._folder:
            self._folder, self._model = folder, None  # two of them may not fit into memory

    @property
    def name(self) -> str:
        """The model's name, also before it is opened."""
        return model_name(self._folder)

    def find(self) -> None:
        """Look whether the model is there, without opening it.

        Raises:
            VisionError: it is not.
        """
        if not self._folder.is_dir():
            raise VisionError(
                f"there is no vision model at {self._folder}",
                "text is read, other questions get no answer",
            )

    def embed(self, frame: Frame) -> NDArray[np.float32] | None:
        """What the model sees in a frame as one vector (D,); None while it is not opened."""
        return None if self._model is None else self._model.embed(frame.rgb)


def usual_folder() -> Path:
    """The picture model that is used unless another is chosen: one that was pulled, or ours."""
    return installed_picture_model() or pocket_int4_folder()
