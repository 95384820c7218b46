"""What `assistant doctor` looks at of the machine itself: models, card, memory, disk, settings."""

import importlib.metadata
import importlib.util
import os
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from assistant.devices.streams import is_address
from assistant.doctor.checks import Finding, State
from assistant.doctor.device_id import left_behind
from assistant.errors import AssistantError, SettingsError
from assistant.inference.opening import usual_folder
from assistant.inference.placing import place
from assistant.inference.server_address import parse_address
from assistant.inference.server_opening import may_ask
from assistant.machine import memory_bytes, size_text
from assistant.models_store.installed import installed_text_model, is_installed, read_record
from assistant.models_store.offer import offer_of_this_machine
from assistant.settings.paths import data_folder, settings_file
from assistant.settings.settings import Settings
from models import cards
from models.catalog import known_models
from models.files.bounded import parse_json
from models.pocket import pocket_int4_folder
from models.socket_filter import Offline

LEAST_MEMORY_BYTES, GOOD_MEMORY_BYTES = 1_000_000_000, 2_000_000_000
LEAST_DISK_BYTES, GOOD_DISK_BYTES = 100_000_000, 2_000_000_000
CARD_BYTES = 24 * 10**9
"""A card of this size holds both large models in 4 bits."""


def look_at_models(settings: Settings) -> Finding:
    """Check the folders of the models, by their files' headers alone."""
    folder = Path(settings.model_folder).expanduser() if settings.model_folder else None
    fault = model_fault(folder or usual_folder())
    if fault:
        return Finding(
            State.MISSING,
            "no vision model; text is still read",
            fault,
            "set model.folder to a whole model folder, or reinstall the program",
        )
    words = [f"pictures: {folder}"] if folder else [_usual_model()]
    chosen = settings.text_model_folder
    text_folder = Path(chosen).expanduser() if chosen else installed_text_model()
    if text_folder is not None:
        fault = model_fault(text_folder)
        if fault:
            return Finding(
                State.LIMITED,
                words[0],
                f"the text model cannot be used: {fault}",
                "set text_model.folder to a whole model folder",
            )
        words.append(f"texts: {text_folder}")
    pulled = [model.name for model in known_models() if is_installed(model.name)]
    for name in pulled:
        read_record(name)
    words.append(f"pulled: {', '.join(pulled)}" if pulled else "none pulled")
    return Finding(State.OK, "; ".join(words))


def look_at_server(settings: Settings, find: Callable[[], str] | None) -> Finding:
    """Call the model server of the settings.

    find: calls it, and names its model; None where it may not be asked.
    """
    address = parse_address(settings.server_address)
    if find is None:
        return Finding(
            State.LIMITED,
            "it is not asked; models of this computer answer",
            f"{address.named} is another computer",
            "to send your pictures and texts there, set server.elsewhere to true",
        )
    about = "pictures and texts" if settings.server_answers == "both" else settings.server_answers
    text = f"answers about {about} come from {find()}"
    return Finding(State.OK, text if address.is_here else f"{text}, which is another computer")


def _usual_model() -> str:
    """The picture model that is used where none was chosen; ours, and what could be had instead."""
    if usual_folder() != pocket_int4_folder():
        return f"pictures: {usual_folder()}"
    offered = offer_of_this_machine()
    more = f"; {offered}" if offered else ""
    return f"the pocket model, which is small and made for drawings{more}"


def model_fault(folder: Path) -> str | None:
    """Why a model folder cannot be used, or None; reads headers, and loads nothing."""
    if not (folder / "config.json").is_file() and _is_gguf(folder):
        return f"{folder} is a GGUF file; make a model folder of it with quantizer import"
    if not (folder / "config.json").is_file():
        return f"{folder} holds no config.json"
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        return f"{folder} holds no safetensors file"
    for path in weights:
        fault = _weights_fault(path)
        if fault:
            return f"{path} {fault}"
    return None


def _is_gguf(folder: Path) -> bool:
    """True for such a file, and for a folder of one."""
    return folder.suffix == ".gguf" or any(folder.glob("*.gguf"))


def _weights_fault(path: Path) -> str | None:
    """A safetensors file is 8 bytes of length, a JSON header, and what the header announces."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if not 0 < length <= min(size, 100_000_000):
            return "is damaged"
        try:
            header = parse_json(file.read(length))
            end = max(
                int(entry["data_offsets"][1])
                for name, entry in header.items()
                if name != "__metadata__"
            )
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return "is damaged"
    return None if size == 8 + length + end else "is cut short; copy it again"


def look_at_gpu(settings: Settings | None = None) -> Finding:
    """Ask the driver for the card; PyTorch itself takes too long to load for this.

    settings: say what is to be computed by which device; None leaves that out.
    """
    no_card = "answers about pictures are computed by the processor, which is slower"
    found = cards.look_for_driver(cards.ask_driver)
    if isinstance(found, cards.Refusal):
        fix = "" if found.why is cards.Why.NO_CARD else found.way_out
        return Finding(State.LIMITED, no_card, found.cause, fix)
    card = found.cards[0]
    name = f"{card.name}, {size_text(card.total_bytes)}"
    if len(found.cards) > 1:
        name += f", and {len(found.cards) - 1} more"
    is_cpu_build = importlib.metadata.version("torch").endswith("+cpu")
    build = None if is_cpu_build else cards.cuda_of_build() or ""
    refusal = cards.why_unusable(build, found.version, os.environ)
    if refusal is not None:
        return Finding(State.LIMITED, f"{name}, is not used", refusal.cause, refusal.way_out)
    if settings is not None:
        return _which_computes_what(name, found, settings)
    return _size_finding(name, card.total_bytes)


def _size_finding(text: str, total_bytes: int) -> Finding:
    if total_bytes < CARD_BYTES:
        cause = "the two large models together need a card with 24 gigabytes"
        return Finding(State.LIMITED, text, cause)
    return Finding(State.OK, text)


def _which_computes_what(name: str, driver: cards.Driver, settings: Settings) -> Finding:
    """Say of each model by what it is computed, and why not by the card."""
    chosen = settings.model_folder
    folders = {"pictures": Path(chosen).expanduser() if chosen else usual_folder()}
    texts = settings.text_model_folder or installed_text_model()
    if texts:
        folders["texts"] = Path(texts).expanduser()
    said, refusals = [], []
    for about, folder in folders.items():
        choice = place(settings.device, folder, lambda: (iter(driver.cards), None))
        number = choice.device.partition(":")[2]
        said.append(f"{about}: {f'card {number}' if number else 'the processor'}")
        if choice.refusal is not None:
            refusals.append(choice.refusal)
    text = f"{name}; {', '.join(said)}"
    if refusals:
        return Finding(State.LIMITED, text, refusals[0].cause, refusals[0].way_out)
    return _size_finding(text, max(card.total_bytes for card in driver.cards))


def look_at_memory(read: Callable[[], tuple[int, int]] | None = None) -> Finding:
    """Compare the memory that is free with what the small models need.

    read: gives the total and the free bytes; None asks this machine.
    """
    try:
        total, free = (read or memory_bytes)()
    except (OSError, ValueError, AttributeError):
        return Finding(State.OK, "this system does not say how much there is")
    text = f"{size_text(free)} of {size_text(total)} are free"
    if free < LEAST_MEMORY_BYTES:
        return Finding(
            State.MISSING, text, "this is too little to answer questions", "close other programs"
        )
    if free < GOOD_MEMORY_BYTES:
        return Finding(State.LIMITED, text, "answers may be slow", "close other programs")
    return Finding(State.OK, text)


def look_at_disk(folder: Path | None = None) -> Finding:
    """Compare the room for models and saved things with what they need."""
    place = folder or data_folder()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{size_text(free)} are free at {place}"
    if not os.access(place, os.W_OK):
        return Finding(
            State.MISSING,
            text,
            f"{place} cannot be written",
            "set SIGHTLINE_HOME to a folder of your own",
        )
    fix = "free space, or set SIGHTLINE_HOME to a larger disk"
    if free < LEAST_DISK_BYTES:
        return Finding(State.MISSING, text, "nothing can be saved or installed", fix)
    if free < GOOD_DISK_BYTES:
        return Finding(State.LIMITED, text, "there is no room for large models", fix)
    return Finding(State.OK, text)


def look_at_saved_things(settings: Settings) -> Finding:
    """Say whether things are saved, and whether they could be; opens nothing."""
    missing = [name for name in ("sqlcipher3", "sqlite_vec") if not importlib.util.find_spec(name)]
    if missing:
        raise AssistantError(f"the package {missing[0]} is missing", "run scripts/setup again")
    from assistant.memory.keys import keyring_trouble

    if not settings.history_enabled:
        return Finding(State.OK, "switched off, as it is until you want it")
    trouble = keyring_trouble()
    if trouble is None:
        return Finding(State.OK, "switched on; the key lies in the system's keyring")
    return Finding(
        State.LIMITED, "switched on; a passphrase is needed", trouble.cause, trouble.way_out
    )


def look_at_network(
    offline: Offline, settings: Settings, environment: Mapping[str, str]
) -> Finding:
    """Say whether the kernel keeps this program from the network; it never matters for answers.

    offline:     what came of giving up internet sockets.
    environment: may name a sound server on another computer, which is then out of reach.
    """
    if not offline.enforced:
        return Finding(
            State.LIMITED,
            "kept by this program and its libraries alone, not enforced by the kernel",
            offline.why_not,
            "nothing need be done; assistant/PRIVACY.md says what is kept how",
        )
    text = "enforced by the kernel"
    if is_address(settings.camera_source):
        text += "; one process alone may go online, to read the camera's stream"
    if may_ask(settings):
        text += "; one process alone may call the model server"
    if offline.why_not:
        return Finding(State.LIMITED, text, offline.why_not, "start it without that connection")
    server = environment.get("PULSE_SERVER", "")
    if server and not any(mark in server for mark in ("unix:", "/")):
        return Finding(
            State.LIMITED,
            text,
            f"the sound server {server}, which PULSE_SERVER names, is reached by the network only",
            "use a sound server of this computer, through a Unix socket",
        )
    return Finding(State.OK, text)


def look_at_device_id(way_out: str) -> Finding:
    """Say whether an identifier of this computer is kept; it never matters for the answers.

    way_out: how the user deletes it.
    """
    files = left_behind()
    if not files:
        return Finding(State.OK, "no identifier of this computer is kept for telemetry")
    return Finding(
        State.LIMITED,
        f"{files[0]} is there"
        + (f", with {len(files) - 1} more of the same library" if files[1:] else ""),
        "the library onnxruntime wrote it while its telemetry was on, in Sightline 0.3.0 or in "
        "another program; Sightline does not use it, and sends nothing",
        f"{way_out}; other programs with this library share it, and make a new one if they need it",
    )


def look_at_settings(wrong: list[SettingsError]) -> Finding:
    """Say what is wrong in the settings file."""
    path = settings_file()
    if wrong:
        many = f"{len(wrong)} mistakes, of which this is the first" if wrong[1:] else "a mistake"
        return Finding(
            State.LIMITED, f"their file has {many}", f"{path}: {wrong[0].cause}", wrong[0].way_out
        )
    return Finding(State.OK, f"{path}" if path.is_file() else "as they are at a first start")
