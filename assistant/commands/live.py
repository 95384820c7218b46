"""The conversation: options and settings, a front end, and the end of it."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Mapping

from assistant.commands.exits import ANSWERED
from assistant.commands.first_start import may_offer, offer_models
from assistant.commands.offering import on_terminal
from assistant.devices.portaudio import keep_libraries_quiet
from assistant.errors import UsageError
from assistant.hearing.speech_models import check_speech_model
from assistant.models_store.puller import Puller
from assistant.session.session import Session
from assistant.settings.file import load_settings, remove_left_overs, wrong_text
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings, set_value
from assistant.wiring import Live, keep_server, keep_stream

MODEL_WAY_OUT = "give a model with --model"


def run(options: argparse.Namespace) -> int:
    """Run a conversation until the user ends it; return the exit code.

    Raises:
        AssistantError: an option that cannot be used.
    """
    remove_left_overs(settings_file())
    settings, wrong = load_settings(settings_file())
    settings = with_options(settings, options)
    front = choose_front(options, os.environ, settings, on_terminal=on_terminal())
    # Before the first library is loaded; a test's own standard error is left alone.
    if not options.verbose and sys.stderr is sys.__stderr__:
        keep_libraries_quiet()
    stream = keep_stream(settings.camera_source)
    server, of_server = keep_server(settings, for_pictures=options.model is None)
    # Programs and scripts are not asked; they have --no-speech and /set.
    is_asked = front != "json" and sys.stdin.isatty()
    puller = Puller() if is_asked and may_offer(settings) else None
    # Before the first thread and the first process: all of them inherit it.
    options.go_offline()
    live = Live(
        settings,
        speech=not options.no_speech,
        way_out=MODEL_WAY_OUT,
        stream=stream,
        server=server,
        puller=puller,
    )
    session = live.session
    if wrong:
        session.fail(wrong_text(settings_file(), wrong))
    try:
        live.start(ask_how_to_speak=is_asked, has_picture=options.picture is not None)
        if of_server:
            session.report(of_server)
        if puller is not None:
            served = (None, None) if server is None else (server.pictures, server.texts)
            offer_models(
                session,
                puller,
                pictures=not settings.model_folder and served[0] is None,
                texts=not settings.text_model_folder and served[1] is None,
                only_begun=settings.speech_mode != "ask",
            )
        if options.picture is not None:
            session.open_picture(options.picture)
        _run_front(front, session)
    finally:
        live.close()
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
            raise UsageError(f"{options.model}: no model folder", "it holds no config.json")
        changes["model_folder"] = str(options.model)
    if options.vosk_model is not None:
        check_speech_model(options.vosk_model)
        changes["vosk_folder"] = str(options.vosk_model)
    settings = dataclasses.replace(settings, **changes)  # type: ignore[arg-type]
    return settings if options.device is None else set_value(settings, "device", options.device)


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
            raise UsageError("--tui needs a terminal", "use --plain here")
        return "tui"
    accessible = environment.get("ACCESSIBLE", "") not in ("", "0")
    if accessible or environment.get("TERM") == "dumb" or not on_terminal:
        return "plain"
    return "plain" if settings.interface == "plain" else "tui"


def _run_front(front: str, session: Session) -> None:
    if front == "tui":
        from assistant.ui.tui import run_tui

        run_tui(session)
        return
    from assistant.ui.lines import run_lines

    run_lines(session, sys.stdin, sys.stdout, as_json=front == "json")
