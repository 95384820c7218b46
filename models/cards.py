"""Which graphics card can compute a model, or why none does and what helps.

What is there is asked in two ways: PyTorch knows what it can use, and the driver's own program,
nvidia-smi, what PyTorch cannot see. The choice between them is a pure function.
"""

import enum
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LEAST_CAPABILITY = (8, 0)
"""Cards before it have neither bfloat16 nor PyTorch's int4 kernel: Ampere (RTX 30) is the first."""

LEAST_DRIVERS = {11: (450, 80), 12: (525, 60), 13: (580, 65)}
"""The oldest driver on Linux with which programs of a CUDA version run.
Source: https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html"""

SETUP = "run scripts/setup again, which installs the build for NVIDIA cards"

PCI = Path("/sys/bus/pci/devices")

_NVIDIA, _DISPLAY = "0x10de", "0x03"  # PCI: the maker, and the class of display controllers


class Why(enum.Enum):
    """Why no card computes."""

    NO_CARD = "no_card"
    NO_DRIVER = "no_driver"
    NO_ANSWER = "no_answer"
    CPU_BUILD = "cpu_build"
    OLD_DRIVER = "old_driver"
    HIDDEN = "hidden"
    OLD_CARD = "old_card"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no card computes, as a clause, and what the user can do about it."""

    why: Why
    cause: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Card:
    """One NVIDIA card.

    index:       its number as PyTorch counts.
    capability:  (major, minor), or None where the driver does not say.
    free_bytes:  or None where the driver does not say.
    """

    index: int
    name: str
    total_bytes: int
    free_bytes: int | None = None
    capability: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Driver:
    """What nvidia-smi knows; version: such as (580, 65), or () where it does not say."""

    cards: tuple[Card, ...]
    version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A device by its name in PyTorch, and why it is no card; None where nobody would miss one."""

    device: str
    refusal: Refusal | None = None


def choose(
    wanted: str, needed_bytes: int, cards: Iterable[Card], missing: Refusal | None = None
) -> Choice:
    """Choose the first card that can compute a model, else the processor.

    wanted:       ``auto``, ``cpu``, ``cuda``, or ``cuda:1`` for one of several.
    needed_bytes: free memory of the card that the model takes.
    cards:        in the order of preference; asked for one after the other, since asking PyTorch
                  for a card's memory takes some of it.
    missing:      why there is no card, where there is none.
    """
    if wanted == "cpu":
        return Choice("cpu")
    number = wanted.partition(":")[2]
    refusals = []
    for card in cards:
        if number and card.index != int(number):
            continue
        refusal = _refusal(card, needed_bytes)
        if refusal is None:
            return Choice(f"cuda:{card.index}")
        refusals.append(refusal)
    # Too little memory can be helped; an old card cannot.
    refusals.sort(key=lambda refusal: refusal.why is not Why.MEMORY)
    if refusals:
        return Choice("cpu", refusals[0])
    if missing is None:
        what = f"there is no card number {number}" if number else "no NVIDIA card was found"
        missing = Refusal(Why.NO_CARD, what, "set device to auto")
    is_missed = wanted != "auto" or missing.why is not Why.NO_CARD
    return Choice("cpu", missing if is_missed else None)


def _refusal(card: Card, needed_bytes: int) -> Refusal | None:
    if card.capability is not None and card.capability < LEAST_CAPABILITY:
        major, minor = card.capability
        return Refusal(
            Why.OLD_CARD,
            f"{card.name} is too old: it has compute capability {major}.{minor}, and 8.0 is needed",
            "the processor computes",
        )
    if needed_bytes > card.total_bytes:
        return Refusal(
            Why.MEMORY,
            f"{card.name} has {_size(card.total_bytes)}, and the model needs {_size(needed_bytes)}",
            "use a smaller model, or make this one smaller with quantizer run",
        )
    free = card.free_bytes
    if free is not None and needed_bytes > free:
        return Refusal(
            Why.MEMORY,
            f"{card.name} has only {_size(free)} free of {_size(card.total_bytes)}, and the model "
            f"needs {_size(needed_bytes)}",
            "end the programs that use the card; nvidia-smi lists them",
        )
    return None


def explain_none(
    build: str | None,
    driver: Callable[[], Driver],
    *,
    environment: Mapping[str, str],
    devices: Path = PCI,
) -> Refusal:
    """Say why PyTorch sees no card.

    build, environment: as in `why_unusable`; driver, devices: as in `look_for_driver`.
    """
    found = look_for_driver(driver, devices)
    if isinstance(found, Refusal):
        return found
    return why_unusable(build, found.version, environment) or Refusal(
        Why.NO_ANSWER,
        "PyTorch cannot use the card, and the driver does",
        "restart the computer, or run scripts/setup again",
    )


def look_for_driver(driver: Callable[[], Driver], devices: Path = PCI) -> Driver | Refusal:
    """What the driver says, or why there is none.

    driver:  asks nvidia-smi; raises what `ask_driver` does.
    devices: where Linux lists what is plugged in.
    """
    try:
        return driver()
    except FileNotFoundError:
        if not _is_plugged_in(devices):
            return Refusal(Why.NO_CARD, "no NVIDIA card was found", "the processor computes")
        return Refusal(
            Why.NO_DRIVER,
            "an NVIDIA card is there, and its driver is not",
            "install the NVIDIA driver, then run scripts/setup again",
        )
    except (subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
        return Refusal(
            Why.NO_ANSWER,
            f"the NVIDIA driver gives no answer ({type(error).__name__})",
            "restart the computer, or install the driver again",
        )


def why_unusable(
    build: str | None, version: tuple[int, ...], environment: Mapping[str, str]
) -> Refusal | None:
    """Why PyTorch cannot use a card whose driver works, as far as that can be told beforehand.

    build:       the CUDA version that PyTorch was built for, None for a build without, "" where
        that is not known.
    version:     of the driver.
    environment: may hide cards.
    """
    if build is None:
        return Refusal(Why.CPU_BUILD, "PyTorch is installed without CUDA", SETUP)
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return Refusal(
            Why.HIDDEN,
            "the environment variable CUDA_VISIBLE_DEVICES hides it",
            "start without that variable",
        )
    return driver_refusal(version, build)


def driver_refusal(version: tuple[int, ...], build: str) -> Refusal | None:
    """Why a driver is too old for what PyTorch was built for; None if it is not.

    version: of the driver; () is not judged. build: CUDA's version, such as "13.0", or "".
    """
    least = LEAST_DRIVERS.get(int(build.partition(".")[0] or 0))
    if not version or least is None or version[: len(least)] >= least:
        return None
    have, need = (".".join(map(str, each)) for each in (version, least))
    return Refusal(
        Why.OLD_DRIVER,
        f"its driver, version {have}, is older than PyTorch for CUDA {build} needs",
        f"install the NVIDIA driver {need} or newer",
    )


def find_cards() -> tuple[Iterator[Card], Refusal | None]:
    """The cards that PyTorch can use, or why there is none; imports PyTorch.

    Each card is asked for its memory when it is its turn.
    """
    import torch

    with warnings.catch_warnings():
        # A driver that is too old is told by a warning, in words that are no help; ours are.
        warnings.simplefilter("ignore")
        is_there = torch.cuda.is_available()
    if not is_there:
        return iter(()), explain_none(torch.version.cuda, ask_driver, environment=os.environ)

    def each() -> Iterator[Card]:
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            capability = torch.cuda.get_device_capability(index)
            yield Card(index, torch.cuda.get_device_name(index), total, free, capability)

    return each(), None


def ask_driver() -> Driver:
    """Ask nvidia-smi for the cards.

    Raises:
        FileNotFoundError: there is no driver.
        subprocess.SubprocessError, OSError, ValueError, IndexError: it gives no answer.
    """
    lines = _query("name,memory.total")
    try:
        # Drivers of 2020 and before do not know all of these, and then say nothing at all.
        details = _query("memory.free,compute_cap,driver_version")
    except (subprocess.SubprocessError, OSError):
        details = []
    cards: list[Card] = []
    version: tuple[int, ...] = ()
    for index, (name, megabytes) in enumerate(line.rsplit(",", 1) for line in lines):
        free, capability, version = _details(details[index] if index < len(details) else "")
        cards.append(Card(index, name.strip(), int(megabytes) * 2**20, free, capability))
    if not cards:
        raise IndexError("no cards")
    return Driver(tuple(cards), version)


def _query(fields: str) -> list[str]:
    reply = subprocess.run(
        ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        timeout=2.0,
        check=True,
    )
    return reply.stdout.strip().splitlines()


def _details(line: str) -> tuple[int | None, tuple[int, int] | None, tuple[int, ...]]:
    """Free bytes, compute capability and driver of "1024, 8.9, 580.65.06", as far as known."""
    found = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\.(\d+)\s*,\s*(\d+(?:\.\d+)+)\s*", line)
    if found is None:
        return None, None, ()
    free, major, minor, version = found.groups()
    return int(free) * 2**20, (int(major), int(minor)), tuple(map(int, version.split(".")))


def cuda_of_build() -> str | None:
    """The CUDA version of the PyTorch that is installed, without importing it; None without."""
    if importlib.metadata.version("torch").endswith("+cpu"):
        return None
    spec = importlib.util.find_spec("torch")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        text = (Path(folder) / "version.py").read_text(encoding="utf-8")
        found = re.search(r"^cuda\b.*=\s*['\"]([\d.]+)['\"]", text, re.MULTILINE)
        if found:
            return found[1]
    return None


def _is_plugged_in(devices: Path) -> bool:
    """True if Linux lists an NVIDIA display controller."""

    def read(path: Path) -> str:
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    return devices.is_dir() and any(
        read(device / "vendor") == _NVIDIA and read(device / "class").startswith(_DISPLAY)
        for device in devices.iterdir()
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} gigabytes"
