"""The conversation: settings, devices and models joined to a session, and a front end on it."""

import argparse
import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.commands.exits import ANSWERED
from assistant.devices.quiet import keep_libraries_quiet
from assistant.errors import AssistantError, UsageError, VisionError
from assistant.frames import Frame, FrameSource
from assistant.hearing.late_listener import LateListener
from assistant.hearing.listener import Listener
from assistant.hearing.recognizer import Recognizer
from assistant.hearing.vosk_recognizer import (
    VoskRecognizer,
    check_model_folder,
    configured_model,
)
from assistant.inference.text_model import TextOpener
from assistant.inference.vision_model import LocalVisionModel, VisionLanguageModel, model_name
from assistant.memory.notebook import open_notebook
from assistant.models_store.installed import installed_speech_model, installed_text_model
from assistant.seeing.ocr import RapidOcrReader
from assistant.session import phrases
from assistant.session.session import Session
from assistant.settings.file import load_settings, save_setting, wrong_text
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings
from assistant.skills.conversation import Conversation
from assistant.speech.speaker import Speaker
from models.pocket import pocket_int4_folder

CLOSE_WITHIN_S = 0.5
"""How long the end waits for a device that is just being opened."""


def run(options: argparse.Namespace) -> int:
    """Run a conversation until the user ends it; return the exit code.

    Raises:
        AssistantError: an option that cannot be used.
    """
    settings, wrong = load_settings(settings_file())
    settings = with_options(settings, options)
    front = choose_front(options, os.environ, settings, on_terminal=_on_terminal())
    # Before the first library is loaded; a test's own standard error is left alone.
    if not options.verbose and sys.stderr is sys.__stderr__:
        keep_libraries_quiet()
    reader = RapidOcrReader(threads=ocr_threads())
    session: Session  # the conversation asks it for settings that change while it runs
    vision = ModelOpener(settings.model_folder)
    conversation = Conversation(
        reader,
        vision,
        open_text_model=TextOpener(lambda: text_model_folder(session.settings.text_model_folder)),
        mirrored=lambda: session.settings.camera_mirrored,
    )
    session = Session(
        conversation, settings=settings, save=lambda changed, name: keep(changed, name)
    )
    if wrong:
        session.complain(wrong_text(settings_file(), wrong))
    devices = Devices(
        session, settings, models=vision, load=reader.load, speech=not options.no_speech
    )

    def keep(changed: Settings, name: str) -> None:
        devices.setting_changed(changed, name)
        save_setting(settings_file(), changed, name)

    devices.start()
    # Programs and scripts are not asked; they have --no-speech and /set.
    session.start(ask_how_to_speak=front != "json" and sys.stdin.isatty())
    if options.picture is not None:
        session.open_picture(options.picture)
    try:
        _run_front(front, session)
    finally:
        session.close()
        devices.close()
    return ANSWERED


def ocr_threads() -> int:
    """Half of the cores, at least one.

    Text is read while the user speaks: on two busy cores, two threads of it cost the microphone
    words, and the question was not understood.
    """
    return max(1, (os.cpu_count() or 2) // 2)


def with_options(settings: Settings, options: argparse.Namespace) -> Settings:
    """The settings as the options of this one start change them; nothing of it is kept."""
    changes: dict[str, str] = {}
    if options.no_speech:
        changes["speech_mode"] = "none"
    if options.camera is not None:
        changes["camera_source"] = options.camera
    if options.model is not None:
        if not (options.model / "config.json").is_file():
            raise UsageError(f"{options.model}: no model folder; it holds no config.json")
        changes["model_folder"] = str(options.model)
    if options.vosk_model is not None:
        check_model_folder(options.vosk_model)
        changes["vosk_folder"] = str(options.vosk_model)
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]


def choose_front(
    options: argparse.Namespace,
    environment: Mapping[str, str],
    settings: Settings,
    *,
    on_terminal: bool,
) -> str:
    """Return "json", "plain" or "tui": a flag beats the environment, which beats the settings.

    Raises:
        UsageError: the full screen was asked for where there is no terminal.
    """
    if options.json or options.plain:
        return "json" if options.json else "plain"
    if options.tui:
        if not on_terminal:
            raise UsageError("--tui needs a terminal; use --plain here")
        return "tui"
    accessible = environment.get("ACCESSIBLE", "") not in ("", "0")
    if accessible or environment.get("TERM") == "dumb" or not on_terminal:
        return "plain"
    return "plain" if settings.interface == "plain" else "tui"


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _run_front(front: str, session: Session) -> None:
    if front == "tui":
        from assistant.ui.tui import run_tui

        run_tui(session)
        return
    from assistant.ui.lines import run_lines

    run_lines(session, sys.stdin, sys.stdout, as_json=front == "json")


def model_folder(chosen: str) -> Path:
    """The folder of the vision-language model: the chosen one, else the built-in one."""
    return Path(chosen).expanduser() if chosen else pocket_int4_folder()


def text_model_folder(chosen: str) -> Path | None:
    """The folder of the text model: the chosen one, else one that was pulled; None without one."""
    return Path(chosen).expanduser() if chosen else installed_text_model()


class ModelOpener:
    """Opens the vision-language model at the first question that needs it, once."""

    def __init__(self, folder: str) -> None:
        self._folder = model_folder(folder)
        self._model: LocalVisionModel | None = None

    def __call__(self) -> VisionLanguageModel | str:
        if self._model is None:
            if not self._folder.is_dir():
                return (
                    f"there is no vision model at {self._folder}. Text can still be read; "
                    "or give a model with --model."
                )
            self._model = LocalVisionModel(self._folder)
        return self._model

    @property
    def name(self) -> str:
        """The model's name, also before it is opened."""
        return model_name(self._folder)

    def embed(self, frame: Frame) -> NDArray[np.float32] | None:
        """What the model sees in a frame as one vector (D,); None while it is not opened."""
        return None if self._model is None else self._model.embed(frame.rgb)


class Devices:
    """What a session hears, speaks, sees and remembers with; no start waits for any of it.

    What is missing is told once. It is looked for again whenever it is needed.
    """

    def __init__(
        self,
        session: Session,
        settings: Settings,
        *,
        models: ModelOpener,
        load: Callable[[], None],
        speech: bool,
    ) -> None:
        """Open the camera and the speaker, which work in threads of their own.

        models: whose picture vectors are saved with what the user remembers.
        load:   loads what every question needs; the first one shall not wait for it.
        speech: False if this start shall make no sound at all.
        """
        self._load, self._models = load, models
        self._session = session
        self._settings = settings
        self._speaker = _open_speaker() if speech else None
        self._listener = LateListener()
        self._frames = _open_camera(settings.camera_source, session)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._open, name="devices", daemon=True)

    def start(self) -> None:
        """Begin to open them."""
        # These open their devices in threads of their own: the first words can be spoken.
        self._session.attach(speaker=self._speaker, listener=self._listener, frames=self._frames)
        if self._frames is None:
            self._session.tell(phrases.NO_CAMERA)
        self._thread.start()

    def setting_changed(self, settings: Settings, name: str) -> None:
        """Open what a setting has switched on."""
        if name == "history.enabled" and settings.history_enabled:
            threading.Thread(target=self._open_memory, daemon=True).start()

    def close(self) -> None:
        """Give every device back."""
        self._closing.set()
        # What is still being loaded is given up: nobody waits for it who wants to leave.
        self._thread.join(timeout=CLOSE_WITHIN_S)
        for device in (self._speaker, self._listener, self._frames):
            if device is not None:
                device.close()

    def _open(self) -> None:
        for open_one in (self._open_listener, self._find_model, self._load, self._open_memory):
            wanted = open_one != self._open_memory or self._settings.history_enabled
            if wanted and not self._closing.is_set():
                self._try(open_one)

    def _try(self, open_one: Callable[[], None]) -> None:
        try:
            open_one()
        except AssistantError as error:
            self._session.tell(str(error))

    def _open_listener(self) -> None:
        from assistant.devices.microphone import SoundDeviceMicrophone
        from assistant.hearing.voice_activity import SileroVoiceActivity
        from assistant.hearing.voice_listener import VoiceListener

        chosen = self._settings.vosk_folder

        def make() -> Listener:
            return VoiceListener(
                SoundDeviceMicrophone(), lambda: open_recognizer(chosen), SileroVoiceActivity
            )

        microphone = SoundDeviceMicrophone()
        is_there = False
        try:
            microphone.open()
            is_there = True
        finally:
            microphone.close()
            self._listener.ready(make, at_once=is_there)

    def _find_model(self) -> None:
        folder = model_folder(self._settings.model_folder)
        if not folder.is_dir():
            raise VisionError(
                f"there is no vision model at {folder}; text is read, other questions get no answer"
            )

    def _open_memory(self) -> None:
        try:
            notebook = open_notebook(embed=self._models.embed, model=self._models.name)
        except AssistantError as error:
            self._session.without_memory(f"Nothing can be saved: {error}")
            return
        self._session.attach(memory=notebook)


def _open_camera(source: str, session: Session) -> FrameSource | None:
    if source.strip().lower() in ("", "none"):
        return None
    from assistant.devices.camera import Camera

    return Camera(source, on_lost=session.camera_lost, on_back=session.camera_back)


def _open_speaker() -> Speaker:
    from assistant.devices.player import SoundDevicePlayer
    from assistant.devices.synthesizer import Pyttsx3Synthesizer
    from assistant.speech.sentence_speaker import SentenceSpeaker

    return SentenceSpeaker(Pyttsx3Synthesizer(), SoundDevicePlayer)


def open_recognizer(chosen: str) -> Recognizer:
    """The recognizer of a Vosk model that was chosen or pulled, else PocketSphinx.

    Raises:
        RecognizerError: its model is missing or damaged.
    """
    folder = configured_model(Path(chosen) if chosen else None) or installed_speech_model()
    if folder is not None:
        return VoskRecognizer(folder)
    from assistant.hearing.recognizer_process import RecognizerProcess

    return RecognizerProcess()
