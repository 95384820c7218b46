"""The models that tell meanings, where they are installed: each opened once, none needed."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from assistant.errors import VisionError
from assistant.inference.cross_encoder import CrossEncoder
from assistant.inference.sentence_embedder import SentenceEmbedder
from assistant.models_store.installed import installed_embedder, installed_relevance_model
from assistant.text.meaning_models import MeaningModels

Model = TypeVar("Model")


class InstalledOpener(Generic[Model]):
    """Opens a model that tells meanings, in the folder where it is installed, once.

    Everything works without it: where it cannot be opened, `find` says so, and words alone lead
    to the answers.
    """

    def __init__(self, folder: Callable[[], Path | None], open_in: Callable[[Path], Model]) -> None:
        """folder: where the model is now, or None where none is installed.

        open_in: opens the model of a folder, or raises VisionError.
        """
        self._folder, self._open_in = folder, open_in
        self._opened: tuple[Path, Model] | None = None
        self._broken: Path | None = None

    def __call__(self) -> Model | None:
        """The model, or None where none is installed or it could not be opened."""
        folder = self._folder()
        if folder is None or folder == self._broken:
            return None
        if self._opened is None or self._opened[0] != folder:
            with contextlib.suppress(VisionError):
                self.find()
        return None if self._opened is None else self._opened[1]

    def find(self) -> None:
        """Open it, if there is one.

        Raises:
            VisionError: its folder lacks a file, or one of them cannot be used.
        """
        folder = self._folder()
        if folder is None:
            return
        try:
            self._opened = (folder, self._open_in(folder))
        except VisionError:
            self._opened, self._broken = None, folder
            raise


class InstalledMeanings:
    """Those that were pulled."""

    def __init__(
        self,
        embedder: Callable[[], Path | None] = installed_embedder,
        relevance_model: Callable[[], Path | None] = installed_relevance_model,
        open_relevance_model: Callable[[Path], CrossEncoder] = CrossEncoder,
    ) -> None:
        """embedder, relevance_model: where each model is now, or None where none is installed."""
        self._embed = InstalledOpener(embedder, SentenceEmbedder)
        self._rank = InstalledOpener(relevance_model, open_relevance_model)
        self.models = MeaningModels(self._embed, self._rank)

    def find(self) -> None:
        """Open what is there.

        Raises:
            VisionError: a folder lacks a file, or one of them cannot be used; the other is open.
        """
        try:
            self._embed.find()
        finally:
            self._rank.find()
