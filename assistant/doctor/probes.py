"""What `assistant doctor` looks at on this machine: devices, recognizer, models, and the rest.

Drivers are opened inside the probes, by what the caller gives: one that hangs is left behind.
"""

import contextlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assistant.doctor.checks import Finding, Probe, State
from assistant.doctor.machine import (
    look_at_device_id,
    look_at_disk,
    look_at_gpu,
    look_at_memory,
    look_at_models,
    look_at_network,
    look_at_saved_things,
    look_at_server,
    look_at_settings,
)
from assistant.doctor.other_scripts import look_at_tesseract
from assistant.errors import CameraError, RecognizerError, SettingsError
from assistant.frames import Frame, FrameSource
from assistant.hearing.speech_models import Library, check_speech_model, spoken_language
from assistant.hearing.voice_listener import Microphone
from assistant.models_store.installed import pulled_speech_models
from assistant.settings.file import load_settings
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings
from assistant.speech.engine import Synthesizer
from assistant.text.languages import name_of
from models.socket_filter import Offline

SILENT_BLOCKS = 8
SILENT_PEAK = 4
"""Largest sample of a microphone that is muted: what converting its rate adds to nothing."""

BLANK_SPREAD = 8
"""Brightest minus darkest value of a picture in which nothing can be seen; of 255."""

_NO_CAMERA = "plug one in, or open picture files"
_NO_MICROPHONE = "plug one in, or type your questions"
_NO_LOUDSPEAKER = "plug in a loudspeaker or headphones; all is printed meanwhile"
_SLOW_OCR = Finding(
    State.LIMITED,
    "it takes long to start",
    "the machine is slow, or busy now",
    "close other programs; the first reading takes a while",
)
_PULL = "get it with: assistant models pull"
_ENGLISH = "vosk-small-en, or, where its server does not answer, whisper-tiny-en"


class Closable(Protocol):
    """A device that is given back."""

    def close(self) -> None:
        """Give it back."""
        ...


@dataclass(frozen=True, slots=True)
class Openers:
    """How each device is opened; each raises the AssistantError of its kind where it is missing.

    synthesizer:  with the voice of the settings.
    speech_model: the folder of the recognizer that the next start uses, None for PocketSphinx.
    text_reader:  loads what reads text.
    server:       calls the model server and names its model; None where none may be asked.
    """

    camera: Callable[[str], FrameSource]
    microphone: Callable[[], Microphone]
    player: Callable[[], Closable]
    synthesizer: Callable[[Settings], Synthesizer]
    speech_model: Callable[[Settings], Path | None]
    text_reader: Callable[[], None]
    server: Callable[[], str] | None = None


def this_machine(openers: Openers, *, delete_id: str, offline: Offline) -> list[Probe]:
    """The probes of this machine, with the user's settings.

    delete_id: what deletes the identifier that a library left, as a sentence without its end.
    offline:   what came of giving up internet sockets.
    """
    try:
        settings, wrong = load_settings(settings_file())
    except SettingsError as error:
        settings, wrong = Settings(), [error]
    speaks = settings.speech_mode in ("voice", "ask")
    return [
        Probe(
            "camera", lambda: look_at_camera(settings.camera_source, openers.camera), fix=_NO_CAMERA
        ),
        Probe("microphone", lambda: look_at_microphone(openers.microphone()), fix=_NO_MICROPHONE),
        Probe(
            "loudspeaker",
            lambda: look_at_loudspeaker(openers.player),
            matters=speaks,
            fix=_NO_LOUDSPEAKER,
        ),
        Probe("voice", lambda: look_at_voice(openers.synthesizer(settings)), matters=speaks),
        Probe(
            "recognizer",
            lambda: look_at_recognizer(openers.speech_model(settings), settings.hearing_language),
        ),
        Probe("text recognition", lambda: look_at_ocr(openers.text_reader), late=_SLOW_OCR),
        Probe("other scripts", lambda: look_at_tesseract(settings.tesseract_packs), matters=False),
        Probe("models", lambda: look_at_models(settings)),
        *_server_probes(settings, openers.server),
        Probe("graphics card", lambda: look_at_gpu(settings), matters=False),
        Probe("memory", look_at_memory),
        Probe("disk", look_at_disk),
        Probe("saved things", lambda: look_at_saved_things(settings), matters=False),
        Probe("offline", lambda: look_at_network(offline, settings, os.environ), matters=False),
        Probe("device identifier", lambda: look_at_device_id(delete_id), matters=False),
        Probe("settings", lambda: look_at_settings(wrong), matters=False),
    ]


def _server_probes(settings: Settings, find: Callable[[], str] | None) -> list[Probe]:
    """Nothing where no server is wanted."""
    if not settings.server_address.strip():
        return []
    return [Probe("model server", lambda: look_at_server(settings, find))]


def look_at_camera(source: str, open_source: Callable[[str], FrameSource]) -> Finding:
    """Take one picture and look whether it shows anything.

    source:      as in the settings: a number, a file, a folder, a video, an address, or "none".
    open_source: opens it.
    """
    if source.strip().lower() in ("", "none"):
        return Finding(
            State.LIMITED,
            "switched off; pictures are opened by hand",
            "the setting camera.source is none",
            "set camera.source to 0 to use a camera",
        )
    frames = open_source(source)
    try:
        rgb = _first_frame(frames).rgb
    finally:
        frames.close()
    height, width = rgb.shape[:2]
    text = f"source {source} gives pictures of {width} by {height} points"
    if int(rgb.max()) - int(rgb.min()) <= BLANK_SPREAD:
        return Finding(
            State.LIMITED,
            text,
            "the picture is blank",
            "uncover the lens, switch on a light, or choose another camera in camera.source",
        )
    return Finding(State.OK, text)


def _first_frame(frames: FrameSource) -> Frame:
    """The first frame; a second try, since a camera may take longer to start than one waits."""
    try:
        return frames.latest(max_age_s=2.0)
    except CameraError:
        return frames.latest(max_age_s=2.0)


def look_at_microphone(microphone: Microphone) -> Finding:
    """Open the microphone and listen for a moment; what comes is thrown away."""
    microphone.open()
    try:
        blocks = [microphone.read().samples for _ in range(SILENT_BLOCKS)]
    finally:
        microphone.close()
    if (
        max((int(abs(block.astype(int)).max()) for block in blocks if block.size), default=0)
        <= SILENT_PEAK
    ):
        return Finding(
            State.LIMITED,
            "it is there and gives only silence",
            "it may be switched off, or muted",
            "switch it on, and raise its level in the system's sound settings",
        )
    return Finding(State.OK, "it gives sound")


def look_at_loudspeaker(open_player: Callable[[], Closable]) -> Finding:
    """Find the output device."""
    open_player().close()
    return Finding(State.OK, "an output device is there")


def look_at_voice(synthesizer: Synthesizer) -> Finding:
    """Let the speech engine make one word."""
    with contextlib.closing(synthesizer):
        clip = synthesizer.synthesize("Ready")
    return Finding(State.OK, f"the speech engine speaks, at {clip.rate_hz} hertz")


def look_at_recognizer(folder: Path | None, language: str = "") -> Finding:
    """Say which recognizer the next start uses, and what it hears.

    folder:   of its Vosk or Whisper model; None where there is none, and PocketSphinx is used.
    language: of the settings.
    """
    if folder is not None:
        library = check_speech_model(folder)
        package = "vosk" if library is Library.VOSK else "faster_whisper"
        if importlib.util.find_spec(package) is None:
            raise RecognizerError(f"the package {package} is missing", "run scripts/setup again")
        text = f"{library.name.capitalize()} with the model {folder.absolute().name}"
        pulled = pulled_speech_models()
        # What hears in a folder of the user's own, only the user knows.
        if folder in (model.folder for model in pulled):
            spoken = name_of(spoken_language(language, pulled))
            return Finding(State.OK, f"{text}; you can ask anything, in {spoken}")
        return Finding(State.OK, f"{text}; you can ask anything")
    spec = importlib.util.find_spec("pocketsphinx")
    places = [] if spec is None else spec.submodule_search_locations or []
    if not any((Path(place) / "model" / "en-us").is_dir() for place in places):
        raise RecognizerError(
            "there is no Vosk model, and the package pocketsphinx or its English model is missing",
            f"{_PULL} {_ENGLISH}",
        )
    return Finding(
        State.LIMITED,
        "PocketSphinx; it knows commands and common questions in English only",
        "no Vosk or Whisper model is in use",
        f"to ask anything, {_PULL} {_ENGLISH}",
    )


def look_at_ocr(load: Callable[[], None]) -> Finding:
    """Load the models that read text."""
    load()
    return Finding(State.OK, "RapidOCR reads text")
