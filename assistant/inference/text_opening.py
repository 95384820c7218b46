"""Gets at a text model without keeping anybody waiting who has an answer already.

A model of a billion weights takes many seconds to load. A thread of its own does it, one model at a
time, and gives up between two tensors what nobody wants any more.
"""

import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from assistant.errors import AssistantError
from assistant.inference.placing import Placing
from assistant.inference.text_model import LocalTextModel, TextModel
from assistant.seeing.text import never

LOOK_EVERY_S = 0.05
"""How often whoever waits for a model looks whether it is still wanted."""


class TextModels(Protocol):
    """Where a text model comes from."""

    @property
    def is_open(self) -> bool:
        """Whether calling it takes no time: the model is in memory, or there is none."""
        ...

    def begin(self) -> None:
        """Begin to load the model, if there is one, for who asks next; takes no time."""
        ...

    def __call__(self, cancelled: Callable[[], bool] = never) -> TextModel | None:
        """The model; None where none is installed, or it was not there before `cancelled` was true.

        Raises:
            VisionError: the folder or one of its files cannot be used, or memory is too small.
        """
        ...


class AtOnce:
    """A text model that is there already, or takes no time."""

    is_open = True

    def __init__(self, give: Callable[[], TextModel | None] = lambda: None) -> None:
        """give: gives the model, or None where there is none; may raise VisionError."""
        self._give = give

    def begin(self) -> None:
        """As `TextModels` says: nothing is to be loaded."""

    def __call__(self, cancelled: Callable[[], bool] = never) -> TextModel | None:
        """As `TextModels` says."""
        return self._give()


class GivenUp(Exception):
    """Nobody wants the model any more that was being loaded."""


class _Load:
    """One model on its way into memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_given_up = False

    def go_on(self) -> None:
        """Asked between two tensors; raises GivenUp."""
        if self.is_given_up:
            raise GivenUp(str(self.folder))


Load = Callable[[Path, Callable[[], None]], TextModel]
"""Loads the model of a folder. It calls the function again and again, and leaves by its error."""


class TextOpener:
    """Opens the text model of a folder that may change, in a thread of its own."""

    def __init__(
        self,
        folder: Callable[[], Path | None],
        placing: Placing | None = None,
        *,
        load: Load | None = None,
    ) -> None:
        """Nothing is loaded yet.

        folder:  where the model is now, or None where none is installed.
        placing: chooses the device; None for the processor.
        load:    what loads it; None for the usual way.
        """
        self._folder = folder
        self._load: Load = load or (lambda folder, go_on: LocalTextModel(folder, placing, go_on))
        self._changed = threading.Condition()
        # All below belongs to whoever holds it.
        self._wanted: _Load | None = None
        self._loading: threading.Thread | None = None
        self._opened: tuple[Path, TextModel] | None = None
        self._fault: tuple[Path, Exception] | None = None
        self._broken: Path | None = None
        """What could not be loaded: it is tried again for who needs it, not ahead of a need."""
        self._closed = False

    @property
    def is_open(self) -> bool:
        """As `TextModels` says; also where it is known already that it cannot be loaded."""
        folder = self._folder()
        with self._changed:
            return folder is None or self._is_known(folder)

    def begin(self) -> None:
        """As `TextModels` says."""
        folder = self._folder()
        with self._changed:
            if folder is not None and folder != self._broken and not self._is_known(folder):
                self._want(folder)

    def __call__(self, cancelled: Callable[[], bool] = never) -> TextModel | None:
        """As `TextModels` says; a load that is not waited for any longer goes on."""
        folder = self._folder()
        if folder is None:
            return None
        with self._changed:
            while not self._closed:
                if self._opened is not None and self._opened[0] == folder:
                    return self._opened[1]
                if self._fault is not None and self._fault[0] == folder:
                    error, self._fault = self._fault[1], None
                    raise error
                if cancelled():
                    return None
                self._want(folder)
                self._changed.wait(LOOK_EVERY_S)
        return None

    def close(self) -> None:
        """Give up what is being loaded, and wait for nothing."""
        with self._changed:
            self._closed = True
            if self._wanted is not None:
                self._wanted.is_given_up = True
            self._changed.notify_all()

    # All below is called by whoever holds the lock.

    def _is_known(self, folder: Path) -> bool:
        return folder in [known[0] for known in (self._opened, self._fault) if known is not None]

    def _want(self, folder: Path) -> None:
        """Have a folder loaded instead of any other; two of them may not fit into memory."""
        if self._closed or (self._wanted is not None and self._wanted.folder == folder):
            return
        if self._wanted is not None:
            self._wanted.is_given_up = True
        self._wanted, self._opened, self._fault = _Load(folder), None, None
        if self._loading is None:
            self._loading = threading.Thread(target=self._run, name="text model", daemon=True)
            self._loading.start()

    # The thread that loads.

    def _run(self) -> None:
        while True:
            with self._changed:
                load = self._wanted
                if load is None or self._closed:
                    self._loading = None
                    return
            self._take(load, *self._outcome(load))

    def _outcome(self, load: _Load) -> tuple[TextModel | None, Exception | None]:
        try:
            return self._load(load.folder, load.go_on), None
        except GivenUp:
            return None, None
        except AssistantError as error:
            # A new one: the traceback of this one holds on to what was loaded so far.
            return None, type(error)(error.cause, error.way_out)
        except Exception as error:
            # Whoever asks for the model meets it; what was loaded so far goes.
            traceback.clear_frames(error.__traceback__)
            return None, error

    def _take(self, load: _Load, model: TextModel | None, error: Exception | None) -> None:
        with self._changed:
            if self._wanted is load:
                self._wanted = None
                if model is not None:
                    self._opened, self._broken = (load.folder, model), None
                elif error is not None:
                    self._fault, self._broken = (load.folder, error), load.folder
            self._changed.notify_all()
