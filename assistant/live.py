"""The conversation: settings, devices and models joined to a session, and a front end on it."""

import argparse
import dataclasses
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from assistant.answering.conversation import Conversation
from assistant.answering.notebook import open_notebook
from assistant.answering.vision import VisionLanguageModel
from assistant.config import Settings
from assistant.errors import AssistantError, PlayerError, UsageError
from assistant.exits import ANSWERED
from assistant.paths import settings_file
from assistant.seeing.ocr import RapidOcrReader
from assistant.session import Session
from assistant.settings_file import load_settings, save_setting
from assistant.speech import Speaker
from models.pocket import pocket_int4_folder


def run(options: argparse.Namespace) -> int:
    """Run a conversation until the user ends it; return the exit code.

    Raises:
        AssistantError: an option that cannot be used.
    """
    settings, wrong = load_settings(settings_file())
    settings = with_options(settings, options)
    front = choose_front(options, os.environ, settings, on_terminal=_on_terminal())
    reader = RapidOcrReader()
    session = Session(
        Conversation(reader, ModelOpener(settings.model_folder)),
        settings=settings,
        save=lambda changed, name: save_setting(settings_file(), changed, name),
    )
    for sentence in wrong:
        session.complain(sentence)
    devices = Devices(session, settings, speech=not options.no_speech)
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


class ModelOpener:
    """Opens the vision-language model at the first question that needs it, once."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).expanduser() if folder else pocket_int4_folder()
        self._model: VisionLanguageModel | None = None

    def __call__(self) -> VisionLanguageModel | str:
        if self._model is None:
            if not self._folder.is_dir():
                return (
                    f"there is no vision model at {self._folder}. Text can still be read; "
                    "or give a model with --model."
                )
            from assistant.answering.vision import LocalVisionModel

            self._model = LocalVisionModel(self._folder)
        return self._model


class Devices:
    """Opens what a session hears, speaks and sees with, in a thread: no start waits for them."""

    def __init__(self, session: Session, settings: Settings, *, speech: bool) -> None:
        self._session = session
        self._settings = settings
        self._speech = speech
        self._speaker: Speaker | None = None
        self._thread = threading.Thread(target=self._open, name="devices", daemon=True)

    def start(self) -> None:
        """Begin to open them; what is missing is told once, and the rest goes on."""
        self._thread.start()

    def close(self) -> None:
        """Give every device back."""
        self._thread.join(timeout=5.0)
        if self._speaker is not None:
            self._speaker.close()

    def _open(self) -> None:
        if self._settings.history_enabled:
            self._try(self._open_memory)
        if self._speech:
            self._try(self._open_speaker)

    def _try(self, open_one: "object") -> None:
        try:
            open_one()  # type: ignore[operator]
        except AssistantError as error:
            self._session.tell(str(error))

    def _open_speaker(self) -> None:
        raise PlayerError("no sound yet; answers are in text")

    def _open_memory(self) -> None:
        self._session.attach(memory=open_notebook())
