"""What keeps libraries from calling home and from writing outside our folders.

The three packages call `stay_offline` when they are imported. The house has no work at import, and
this is its one exception: onnxruntime opens its telemetry and writes an identifier of the computer
while it is being imported, the hub's library reads its switches then and never again, and a user
of our library need not know. Processes that we start inherit the environment.

What was found in which package stands in assistant/PRIVACY.md.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from models.own_folders import cache_folder

SWITCHES = {
    # onnxruntime: no uploader, no events, no device identifier. Its function that disables
    # telemetry comes too late: the identifier is written and a first event is queued by then.
    "ORT_DISABLE_TELEMETRY": "1",
    # The hub's library and transformers: no telemetry, no list of installed packages in requests,
    # no question to the hub which program started this one; nor a look for newer versions.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    # What many programs have agreed on (https://donottrack.sh).
    "DO_NOT_TRACK": "1",
}
"""Set whatever the environment says: nobody who runs this program means to be reported on."""

OFFLINE = "HF_HUB_OFFLINE"
"""Keeps transformers from asking the hub about a folder that it was given."""

SAYS_SO_TOO = "TRANSFORMERS_OFFLINE"
"""The older name, which the hub's library reads as well; we never set it."""

OFFLINE_IS_OURS = "SIGHTLINE_SET_HF_HUB_OFFLINE"
"""Says, also to processes that we start, that the user did not ask for `OFFLINE`."""

CACHES = {
    # matplotlib's list of the fonts that are installed.
    "MPLCONFIGDIR": "matplotlib",
    # A folder that PyTorch makes as soon as its compiler is imported; else in /tmp, with the user's
    # name in its own.
    "TORCHINDUCTOR_CACHE_DIR": "torch-inductor",
    # Kernels that PyTorch and the NVIDIA driver compile for a card that they do not know.
    "PYTORCH_KERNEL_CACHE_PATH": "torch-kernels",
    "CUDA_CACHE_PATH": "cuda",
    # The quantizer's own kernels, which Triton compiles for the card.
    "TRITON_CACHE_DIR": "triton",
}
"""Folders that libraries would make in the user's home; a place that the user chose stays."""

_TRUE = ("1", "ON", "YES", "TRUE")


def stay_offline() -> None:
    """Set the switches and the folders in this process's environment; makes no folder."""
    os.environ.update(SWITCHES)
    if not is_offline_by_choice():
        os.environ[OFFLINE] = os.environ[OFFLINE_IS_OURS] = "1"
    try:
        ours = cache_folder()
    except RuntimeError:
        return  # a home folder that nobody has; whoever needs the folder says so
    # Where nothing can be made, the libraries' own ways are better: PyTorch's import would fail.
    if _can_be_made(ours):
        for name, folder in CACHES.items():
            os.environ.setdefault(name, str(ours / folder))


def _can_be_made(folder: Path) -> bool:
    """True if a folder is there, or can be made, and can be written."""
    # Not Path.exists, which raises where a folder on the way may not be entered.
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def is_offline_by_choice() -> bool:
    """True if the user set `OFFLINE` or its older name, or whoever started this program did."""
    return chosen_offline() != ""


def chosen_offline() -> str:
    """The variable by which the user keeps the hub's library offline; "" where none does."""
    if os.environ.get(OFFLINE, "").upper() in _TRUE and OFFLINE_IS_OURS not in os.environ:
        return OFFLINE
    return SAYS_SO_TOO if os.environ.get(SAYS_SO_TOO, "").upper() in _TRUE else ""


@contextlib.contextmanager
def hub_reachable() -> Iterator[None]:
    """Lift `OFFLINE` for a moment, unless the user set it; for the one command that pulls.

    The hub's library keeps what it reads when it is imported, so that is what belongs inside.
    """
    ours = not is_offline_by_choice()
    if ours:
        os.environ.pop(OFFLINE, None)
    try:
        yield
    finally:
        if ours:
            os.environ[OFFLINE] = "1"
