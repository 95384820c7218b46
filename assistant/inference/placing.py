"""Where the models of this machine are computed, and what happens where a card fails or is full."""

import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from assistant.errors import VisionError
from assistant.machine import memory_bytes, size_text
from models.cards import Card, Choice, Refusal, Why, choose, find_cards
from models.footprint import card_bytes, host_bytes

IDLE_S = 900.0
"""A model that nobody asked for so long gives its card back; loading it again takes seconds."""

SMALL_BYTES = 100_000_000
"""Weights that are not worth a card by themselves: opening it takes longer than their answers."""

log = logging.getLogger(__name__)

Model = TypeVar("Model")

FindCards = Callable[[], tuple[Iterator[Card], Refusal | None]]
"""Gives the cards one by one, or why there is none."""


class Resident(Protocol):
    """A model that may lie on a card."""

    def let_go(self, idle_s: float) -> bool:
        """Give the memory back if nobody has asked for so long, nor is just asking.

        Returns whether it did.
        """
        ...


class Placing:
    """Chooses a device for each model; shared by the models of one start."""

    def __init__(
        self,
        wanted: str = "cpu",
        notice: Callable[[str], None] = lambda text: None,
        *,
        cards: FindCards = find_cards,
    ) -> None:
        """Nothing is asked of the machine yet.

        wanted: the setting `device`.
        notice: told, once, in one sentence with what helps, why a card is not used any more, or
            not at all.
        """
        self._wanted, self._notice, self._cards = wanted, notice, cards
        self._residents: weakref.WeakSet[Resident] = weakref.WeakSet()
        self._lock = threading.Lock()  # models are loaded and let go of in several threads
        self._told: set[str] = set()
        self._card_failed = False

    def device_for(self, folder: Path, model: Resident, *, refused: bool) -> str:
        """The device for a model that is about to be loaded.

        model:   what will hold it; others on a full card are let go of for it.
        refused: True where the card has run out of memory under it.

        Raises:
            VisionError: the processor is to compute, and memory is too small.
        """
        wanted = "cpu" if refused or self._card_failed else self._wanted
        choice = place(wanted, folder, self._cards)
        if choice.refusal is not None and choice.refusal.why is Why.MEMORY:
            others = [each for each in self._all() if each is not model]
            # All of them: one alone may not be enough.
            if any([each.let_go(0.0) for each in others]):
                choice = place(wanted, folder, self._cards)
        if choice.device == "cpu":
            if choice.refusal is not None:
                cause = choice.refusal.cause
                self.tell(f"The graphics card is not used: {cause}; {choice.refusal.way_out}.")
            check_memory(folder)
        else:
            with self._lock:
                self._residents.add(model)
        log.info("%s is computed by %s", folder, choice.device)
        return choice.device

    def card_failed(self, *, memory: bool) -> str:
        """Note that a card gave up in the middle of something; returns what is to be said of it.

        memory: it has too little of it; else its driver will not go on in this process.
        """
        if memory:
            return "The graphics card has no memory left"
        self._card_failed = True
        return "The graphics card failed"

    def tell(self, text: str) -> None:
        """Say something, the first time only."""
        if text not in self._told:
            self._told.add(text)
            self._notice(text)

    def let_go_idle(self, idle_s: float = IDLE_S) -> None:
        """Give back the card's memory that models hold for whom nobody has asked for long."""
        for each in self._all():
            each.let_go(idle_s)

    def _all(self) -> list[Resident]:
        with self._lock:
            return list(self._residents)


class Placed(Generic[Model]):
    """One model of a folder: loaded where there is room, again when it was let go of, and on the
    processor when a card fails under it."""

    def __init__(
        self,
        folder: Path,
        load: Callable[[str], Model],
        placing: Placing,
        *,
        on_let_go: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is loaded yet.

        load:      loads the model onto a device; raises VisionError.
        on_let_go: forgets everything else that lies on the device.
        """
        self._folder, self._load, self._placing = folder, load, placing
        self._on_let_go = on_let_go
        self._model: Model | None = None
        self._device = "cpu"
        self._refused = ""  # what befell the card
        self._users, self._used_s = 0, time.monotonic()
        self._lock = threading.RLock()

    @property
    def device(self) -> str:
        """Where it was loaded last."""
        return self._device

    def get(self) -> Model:
        """The model, loaded if it is not.

        Raises:
            VisionError: it cannot be loaded, or memory is too small.
        """
        with self._lock:
            if self._model is None:
                try:
                    self._model = self._loaded()
                except RuntimeError as error:
                    self._fail(error)
            if self._model is None:  # behind the handler, whose error holds on to what was loaded
                return self.get()
            return self._model

    def _loaded(self) -> Model:
        if not self._refused:
            self._device = self._placing.device_for(self._folder, self, refused=False)
            return self._load(self._device)
        _empty_card()
        try:
            self._device = self._placing.device_for(self._folder, self, refused=True)
            model = self._load(self._device)
        except VisionError as error:
            cause = f"{self._refused}, and the processor cannot go on: {error.cause}"
            raise VisionError(cause, error.way_out) from error
        self._placing.tell(f"{self._refused}; the processor goes on, slower.")
        return model

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Keep it from being let go of in the meantime."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                self._used_s = time.monotonic()

    def fail(self, error: RuntimeError) -> None:
        """Note that the card failed; `get` then loads the model for the processor.

        Raises:
            RuntimeError: the same error, if it is no failure of a card.
        """
        with self._lock:
            self._fail(error)

    def _fail(self, error: RuntimeError) -> None:
        kind = failure_of_card(error)
        if kind is None or self._device == "cpu":
            raise error
        log.warning("%s failed under %s: %s", self._device, self._folder, error)
        self._refused = self._placing.card_failed(memory=kind == "memory")
        self._forget()

    def let_go(self, idle_s: float) -> bool:
        """As `Resident` says; models that the processor computes stay."""
        # Whoever is loading or asking it holds the lock, and may be waiting for another model.
        if not self._lock.acquire(blocking=False):
            return False
        try:
            idle = time.monotonic() - self._used_s >= idle_s
            if self._model is None or self._users or self._device == "cpu" or not idle:
                return False
            self._forget()
        finally:
            self._lock.release()
        _empty_card()
        log.info("%s was let go of", self._folder)
        return True

    def _forget(self) -> None:
        self._model = None
        self._on_let_go()


def place(wanted: str, folder: Path, cards: FindCards) -> Choice:
    """The device for the model of a folder.

    wanted: the setting `device`.
    cards:  asked only where a card may be used.
    """
    if wanted == "cpu":
        return Choice("cpu")
    try:
        if wanted == "auto" and host_bytes(folder) < SMALL_BYTES:
            return Choice("cpu")
        needed = card_bytes(folder)
    except (OSError, ValueError):
        # Whoever loads it says what is wrong with it.
        return Choice("cpu")
    return choose(wanted, needed, *cards())


def failure_of_card(error: RuntimeError) -> str | None:
    """ "memory" or "fault" for what PyTorch raises where a card fails, None for all else."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return "memory"
    text = str(error)
    # cuBLAS and cuDNN take memory of their own, and say so in their own words.
    if "CUBLAS_STATUS_ALLOC_FAILED" in text or "CUDNN_STATUS_ALLOC_FAILED" in text:
        return "memory"
    is_fault = isinstance(error, torch.AcceleratorError) or "CUDA error" in text
    return "fault" if is_fault or "CUDNN_STATUS" in text else None


def check_memory(folder: Path) -> None:
    """Refuse a model that would not fit: the system would end the whole assistant for it.

    Raises:
        VisionError: less memory is free than the weights take.
    """
    needed = host_bytes(folder)
    try:
        _, free = memory_bytes()
    except (OSError, ValueError, AttributeError):
        return  # this system does not say how much there is
    if needed > free:
        raise VisionError(
            f"{folder}: the model needs {size_text(needed)} of memory and {size_text(free)} are "
            "free",
            "close other programs, or make it smaller with quantizer run",
        )


def _empty_card() -> None:
    """Return what PyTorch keeps of freed memory to the card, if that still answers."""
    import torch

    with contextlib.suppress(RuntimeError):
        torch.cuda.empty_cache()
