"""Which models fit this machine, told with size, licence and time; nothing pulls them here."""

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from assistant.machine import SPARE_BYTES, memory_bytes, size_text
from assistant.models_store.installed import (
    installed_picture_model,
    installed_text_model,
    is_half_pulled,
    is_installed,
    models_folder,
)
from models import cards
from models.catalog import (
    CatalogModel,
    ModelKind,
    WheelSource,
    comes_as_gguf,
    find_model,
    known_models,
)

LARGE_CARD_BYTES, CARD_BYTES = 24 * 10**9, 8 * 10**9
"""Cards on which the large model in 4 bits, and the middle one as it comes, leave room."""

LAPTOP_BYTES, LEAST_BYTES = 7 * 10**9, 3 * 10**9
"""Memory of a machine on whose processor a small model and the rest of its programs have room."""

TEXT_BYTES = 12 * 10**9
"""The same for the text model: as it is imported, its weights have 16 bits and take 3.1 GB."""

UNPACKED_SHARE, IMPORTED_SHARE = 3, 3
"""Room for packages and what they grow to, and for the folder made of a GGUF file of 4 bits, as
multiples of the download."""

LINE_BITS_S = 10e6
"""A slow line in a house; times are told for it."""

WITHOUT_PICTURES = (
    "Without it I read text, find what you ask for in it, scan barcodes, and tell colours and "
    "light. The model that comes with me knows drawings only."
)
WITHOUT_TEXTS = "Without it my own rules answer, and say what they do not find."


@dataclass(frozen=True, slots=True)
class Offered:
    """A model that one key pulls, and that can be used when it has come.

    larger: one that the machine has room for once it is made small, which takes a command.
    """

    model: CatalogModel
    larger: CatalogModel | None = None

    @property
    def key(self) -> str:
        """Its name in the catalog."""
        return self.model.name

    @property
    def name(self) -> str:
        """What it is called."""
        return self.model.title.partition(",")[0]

    @property
    def use(self) -> str:
        """What it is for."""
        return _USES[self.model.kind]

    @property
    def without(self) -> str:
        """What can be done without it."""
        return WITHOUT_PICTURES if self.model.kind is ModelKind.VISION else WITHOUT_TEXTS

    def words(self) -> str:
        """The offer in one sentence: what for, name, size, licence and time."""
        size = self.model.download_bytes
        begun = is_half_pulled(self.model.name)
        return (
            f"For {self.use} I can {'go on to get' if begun else 'get'} {self.name}: "
            f"{size_text(size)}, licence {self.model.licence}, {_time_text(self.model)}."
            f"{self._better()}"
        )

    def _better(self) -> str:
        """What the card has room for besides, and no key brings."""
        if self.larger is None:
            return ""
        name = self.larger.title.partition(",")[0]
        return (
            f" The graphics card has room for {name}, which sees more: "
            f"{size_text(self.larger.download_bytes)}, licence {self.larger.licence}, "
            f"{_time_text(self.larger)}. The command scripts/quantize {self.larger.name} brings "
            "it and makes it small."
        )


_USES = {
    ModelKind.VISION: "questions about photographs",
    ModelKind.TEXT: "questions about texts that my rules do not understand",
}


def _time_text(model: CatalogModel) -> str:
    """How long a download takes, and on which line."""
    return f"about {minutes_text(model.download_bytes)} on a line of 10 megabits a second"


def minutes_text(size_bytes: int) -> str:
    """How long a download takes on a slow line: "14 minutes", "2 hours"."""
    minutes = max(1, round(8 * size_bytes / LINE_BITS_S / 60))
    if minutes < 90:
        return "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"{round(minutes / 60)} hours"


def ask_driver() -> tuple[str, int]:
    """The name of the NVIDIA card and its memory in bytes; PyTorch takes too long to load for it.

    Raises:
        FileNotFoundError: there is no driver.
        subprocess.SubprocessError, OSError, ValueError, IndexError: it gives no answer.
    """
    first = cards.ask_driver().cards[0]
    return first.name, first.total_bytes


def fitting_model(memory: int, card: int) -> CatalogModel | None:
    """The picture model for a machine, or None for one that has too little memory for any.

    memory: bytes of the machine. card: bytes of its graphics card, 0 without one.
    """
    if card >= LARGE_CARD_BYTES:
        return find_model("cogvlm2-19b")
    if card >= CARD_BYTES:
        return find_model("qwen3-vl-2b")
    if memory >= LAPTOP_BYTES:
        return find_model("smolvlm-500m")
    return find_model("smolvlm-256m") if memory >= LEAST_BYTES else None


def offer_of_this_machine() -> str:
    """What to pull for questions about photographs, as part of a sentence; "" where one is there,
    and where none fits or the system does not say how much memory there is.
    """
    if any(model.kind is ModelKind.VISION and is_installed(model.name) for model in known_models()):
        return ""
    try:
        memory, _ = memory_bytes()
    except (OSError, ValueError, AttributeError):
        return ""
    card = 0
    with contextlib.suppress(subprocess.SubprocessError, OSError, ValueError, IndexError):
        card = ask_driver()[1]
    model = fitting_model(memory, card)
    return "" if model is None else offer_text(model)


def offer_text(model: CatalogModel) -> str:
    """An offer of one model: name, size, licence, time, and the command."""
    smaller = ", then quantizer run" if model.memory_bytes < model.download_bytes else ""
    return (
        f"for photographs this machine has room for {model.title.partition(',')[0]}, "
        f"{size_text(model.download_bytes)} to download, licence {model.licence}, "
        f"{_time_text(model)}, with: assistant models pull {model.name}{smaller}"
    )


def offers(*, pictures: bool = True, texts: bool = True) -> tuple[Offered, ...]:
    """What one key could pull on this machine; slow where there is a card to be asked.

    pictures, texts: False where another model was chosen for them.
    """
    try:
        memory, _ = memory_bytes()
    except (OSError, ValueError, AttributeError):
        return ()  # this system does not say how much there is
    card = 0
    if pictures and installed_picture_model() is None:
        with contextlib.suppress(subprocess.SubprocessError, OSError, ValueError, IndexError):
            card = ask_driver()[1]
    return fitting_offers(memory, card, free_bytes(), pictures=pictures, texts=texts)


def fitting_offers(
    memory: int, card: int, free: int, *, pictures: bool = True, texts: bool = True
) -> tuple[Offered, ...]:
    """The models to offer that are not here yet, and can be used as they come.

    memory, card: as in `fitting_model`. free: bytes on the disk.
    """
    wanted: list[Offered] = []
    if pictures and installed_picture_model() is None:
        best = fitting_model(memory, card)
        fitting = fitting_model(memory, min(card, LARGE_CARD_BYTES - 1))
        if fitting is not None:
            wanted.append(Offered(fitting, None if best is fitting else best))
    if texts and memory >= TEXT_BYTES and installed_text_model() is None:
        wanted.append(Offered(find_model("qwen2.5-coder-1.5b")))
    return tuple(each for each in wanted if room_bytes(each.model) <= free)


def room_bytes(model: CatalogModel) -> int:
    """Room on the disk that a pull takes at most, whatever source it comes from."""
    share = 1
    if any(isinstance(source, WheelSource) for source in model.sources):
        share = UNPACKED_SHARE
    if comes_as_gguf(model):
        share += IMPORTED_SHARE
    return share * model.download_bytes + SPARE_BYTES


def free_bytes() -> int:
    """Room on the disk where models lie, also before their folder is there."""
    folder: Path = models_folder()
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
