"""Which picture model fits this machine, told with its size and licence; nothing pulls it here."""

import contextlib
import subprocess

from assistant.machine import memory_bytes, size_text
from assistant.models_store.installed import is_installed
from models import cards
from models.catalog import CatalogModel, ModelKind, find_model, known_models

LARGE_CARD_BYTES, CARD_BYTES = 24 * 10**9, 8 * 10**9
"""Cards on which the large model in 4 bits, and the middle one as it comes, leave room."""

LAPTOP_BYTES, LEAST_BYTES = 7 * 10**9, 3 * 10**9
"""Memory of a machine on whose processor a small model and the rest of its programs have room."""


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
    """An offer of one model: name, size, licence, and the command."""
    smaller = ", then quantizer run" if model.memory_bytes < model.download_bytes else ""
    return (
        f"for photographs this machine has room for {model.title.partition(',')[0]}, "
        f"{size_text(model.download_bytes)} to download, licence {model.licence}: "
        f"assistant models pull {model.name}{smaller}"
    )
