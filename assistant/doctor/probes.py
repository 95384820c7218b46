"""What `assistant doctor` looks at on this machine; drivers are loaded inside the probes."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

from assistant.doctor.doctor import Finding, Probe, State
from assistant.doctor.machine import (
    look_at_device_id,
    look_at_disk,
    look_at_gpu,
    look_at_memory,
    look_at_models,
    look_at_saved_things,
    look_at_settings,
)
from assistant.errors import CameraError, RecognizerError, SettingsError
from assistant.frames import Frame, FrameSource
from assistant.models_store.installed import installed_speech_model
from assistant.settings.file import load_settings
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings

SILENT_BLOCKS = 8
SILENT_PEAK = 4
"""Largest sample of a microphone that is muted: what converting its rate adds to nothing."""

BLANK_SPREAD = 8
"""Brightest minus darkest value of a picture in which nothing can be seen; of 255."""

_NO_CAMERA = "plug one in, or open picture files"
_NO_LOUDSPEAKER = "plug in a loudspeaker or headphones; all is printed meanwhile"
_SLOW_OCR = Finding(
    State.LIMITED,
    "it takes long to start",
    "the machine is slow, or busy now",
    "close other programs; the first reading takes a while",
)
_PULL = "get it with: assistant models pull"


def this_machine() -> list[Probe]:
    """The probes of this machine, with the user's settings."""
    try:
        settings, wrong = load_settings(settings_file())
    except SettingsError as error:
        settings, wrong = Settings(), [str(error)]
    speaks = settings.speech_mode in ("voice", "ask")
    return [
        Probe("camera", lambda: look_at_camera(settings.camera_source), fix=_NO_CAMERA),
        Probe("microphone", look_at_microphone, fix="plug one in, or type your questions"),
        Probe("loudspeaker", look_at_loudspeaker, matters=speaks, fix=_NO_LOUDSPEAKER),
        Probe("voice", lambda: look_at_voice(settings), matters=speaks),
        Probe("recognizer", lambda: look_at_recognizer(settings.vosk_folder)),
        Probe("text recognition", look_at_ocr, late=_SLOW_OCR),
        Probe("models", lambda: look_at_models(settings)),
        Probe("graphics card", look_at_gpu, matters=False),
        Probe("memory", look_at_memory),
        Probe("disk", look_at_disk),
        Probe("saved things", lambda: look_at_saved_things(settings), matters=False),
        Probe("device identifier", look_at_device_id, matters=False),
        Probe("settings", lambda: look_at_settings(wrong), matters=False),
    ]


def look_at_camera(source: str, open_source: Callable[[str], FrameSource] | None = None) -> Finding:
    """Take one picture and look whether it shows anything.

    source:      as in the settings: a number, a file, a folder, a video, an address, or "none".
    open_source: opens it; None opens the real one.
    """
    if source.strip().lower() in ("", "none"):
        return Finding(
            State.LIMITED,
            "switched off; pictures are opened by hand",
            "the setting camera.source is none",
            "set camera.source to 0 to use a camera",
        )
    frames = (open_source or _open_camera)(source)
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


def _open_camera(source: str) -> FrameSource:
    from assistant.devices.camera import Camera

    return Camera(source)


def _first_frame(frames: FrameSource) -> Frame:
    """The first frame; a second try, since a camera may take longer to start than one waits."""
    try:
        return frames.latest(max_age_s=2.0)
    except CameraError:
        return frames.latest(max_age_s=2.0)


def look_at_microphone() -> Finding:
    """Open the microphone and listen for a moment; what comes is thrown away."""
    from assistant.devices.microphone import SoundDeviceMicrophone

    microphone = SoundDeviceMicrophone()
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


def look_at_loudspeaker() -> Finding:
    """Find the output device."""
    from assistant.devices.player import SoundDevicePlayer

    SoundDevicePlayer().close()
    return Finding(State.OK, "an output device is there")


def look_at_voice(settings: Settings) -> Finding:
    """Let the speech engine make one word."""
    from assistant.devices.synthesizer import Pyttsx3Synthesizer

    with Pyttsx3Synthesizer(voice=settings.speech_voice or None, timeout_s=4.0) as synthesizer:
        clip = synthesizer.synthesize("Ready")
    return Finding(State.OK, f"the speech engine speaks, at {clip.rate_hz} hertz")


def look_at_recognizer(chosen: str) -> Finding:
    """Say which recognizer the next start uses.

    chosen: the Vosk folder of the settings, or "".
    """
    from assistant.hearing.vosk_recognizer import check_model_folder, configured_model

    folder = configured_model(Path(chosen) if chosen else None) or installed_speech_model()
    if folder is not None:
        if importlib.util.find_spec("vosk") is None:
            raise RecognizerError("the package vosk is missing; run scripts/setup again")
        path = check_model_folder(folder)
        return Finding(State.OK, f"Vosk with the model {path.name}; you can ask anything")
    spec = importlib.util.find_spec("pocketsphinx")
    places = [] if spec is None else spec.submodule_search_locations or []
    if not any((Path(place) / "model" / "en-us").is_dir() for place in places):
        raise RecognizerError(
            "there is no Vosk model, and the package pocketsphinx or its English model is "
            f"missing; {_PULL} vosk-small-en"
        )
    return Finding(
        State.LIMITED,
        "PocketSphinx; it knows commands and common questions in English only",
        "no Vosk model is installed",
        f"to ask anything, {_PULL} vosk-small-en",
    )


def look_at_ocr() -> Finding:
    """Load the models that read text."""
    from assistant.seeing.ocr import RapidOcrReader

    RapidOcrReader(threads=1).load()
    return Finding(State.OK, "RapidOCR reads text")
