"""`assistant doctor`: what works here, what does not, why, and what to do about it."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from assistant.commands.offering import offer_by_line, on_terminal
from assistant.doctor import device_id
from assistant.doctor.checks import Examined, examine
from assistant.errors import PlayerError, SynthesizerError
from assistant.inference.server_opening import OwnServer
from assistant.models_store.offer import offers
from assistant.models_store.puller import Puller
from assistant.settings.file import load_settings, save_setting
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings, set_value
from assistant.speech.engine import Synthesizer
from assistant.text.printable import printable
from assistant.text.sentences import sentences
from assistant.wiring import (
    ClipPlayer,
    doctor_probes,
    keep_server,
    keep_stream,
    open_player,
    open_synthesizer,
)

FINE, SOMETHING_MISSING = 0, 1

DELETE_ID = "assistant doctor --delete-device-id deletes it"
"""What the finding about the identifier of this computer tells to do."""

EXIT_CODES = """\
exit codes:
  0  everything that matters is there
  1  something that matters is missing; its line names the cause and what to do
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `assistant doctor`."""
    parser.description = "Looks at camera, sound, voice, recognizer, models, and the machine."
    parser.epilog = EXIT_CODES
    parser.add_argument(
        "--delete-device-id",
        action="store_true",
        help="delete the identifier that a library left, and look at nothing else",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--speak", action="store_true", help="also say each line aloud")
    parser.add_argument("--verbose", action="store_true", help="log what is done")
    parser.set_defaults(run=run, goes_offline_itself=True)


def run(options: argparse.Namespace) -> int:
    """Examine this machine, print and perhaps speak what was found; return the exit code."""
    settings, _ = load_settings(settings_file())
    stream = keep_stream(settings.camera_source)
    server, _ = keep_server(settings)
    # Programs and scripts are not asked.
    is_asked = not (options.json or options.delete_device_id) and on_terminal()
    puller = Puller() if is_asked and settings.models_offer == "ask" else None
    offline = options.go_offline()
    if options.delete_device_id:
        return delete_device_id(as_json=options.json)
    with contextlib.ExitStack() as at_the_end:
        lines = at_the_end.enter_context(contextlib.closing(SpokenLines(_open_voice, open_player)))
        for kept in (stream, server, puller):
            if kept is not None:
                at_the_end.callback(kept.close)
        speak = lines.say if options.speak else None
        code = report(
            examine(
                doctor_probes(delete_id=DELETE_ID, offline=offline, stream=stream, server=server)
            ),
            as_json=options.json,
            say=speak,
        )
        if puller is not None:
            offer_models(settings, puller, server, speak)
        return code


def offer_models(
    settings: Settings,
    puller: Puller,
    server: OwnServer | None,
    speak: Callable[[str], None] | None,
) -> None:
    """Offer what fits this machine and is not here; nothing where the user chose other models."""

    def say(text: str) -> None:
        print(printable(text), flush=True)
        if speak is not None:
            speak(text)

    offer_by_line(
        offers(
            pictures=not settings.model_folder and (server is None or server.pictures is None),
            texts=not settings.text_model_folder and (server is None or server.texts is None),
        ),
        puller,
        ask=input,
        say=say,
        decline=lambda: save_setting(
            settings_file(), set_value(settings, "models.offer", "no"), "models.offer"
        ),
    )


def _open_voice() -> Synthesizer:
    """The usual voice at the usual speed: settings may be what is wrong."""
    return open_synthesizer(Settings())


def delete_device_id(*, as_json: bool) -> int:
    """Delete what onnxruntime's telemetry left, and print what was deleted; return the exit code.

    Raises:
        AssistantError: something cannot be deleted.
    """
    deleted: list[str] = []

    def show(path: Path) -> None:
        deleted.append(str(path))
        if not as_json:
            print(printable(f"Deleted: {path}"), flush=True)

    if not device_id.delete(show) and not as_json:
        print("There is no device identifier.")
    if as_json:
        print(json.dumps({"schema_version": 1, "deleted": deleted}))
    return FINE


def report(
    examined: Iterable[Examined], *, as_json: bool, say: Callable[[str], None] | None = None
) -> int:
    """Print each finding as soon as it is there, and at the end what they come to."""
    found: list[Examined] = []

    def say_line(text: str) -> None:
        if not as_json:
            print(printable(text), flush=True)
        if say is not None:
            say(text)

    for one in examined:
        found.append(one)
        say_line(one.words())
    bad = [one.name for one in found if one.is_bad]
    say_line(f"Missing: {', '.join(bad)}." if bad else "Everything that matters is there.")
    if as_json:
        entries = [one.to_json() for one in found]
        print(json.dumps({"schema_version": 1, "fine": not bad, "findings": entries}))
    return SOMETHING_MISSING if bad else FINE


class SpokenLines:
    """Speaks lines where there is a voice and a loudspeaker; says once where there is none."""

    def __init__(
        self, open_voice: Callable[[], Synthesizer], open_player: Callable[[], ClipPlayer]
    ) -> None:
        """open_voice, open_player: raise SynthesizerError and PlayerError where there is none."""
        self._open_voice, self._open_player = open_voice, open_player
        self._voice: Synthesizer | None = None
        self._mute = False

    def say(self, text: str) -> None:
        """Speak a line and wait until it was heard."""
        if self._mute:
            return
        try:
            # Given back after each line: the probes look at the same devices.
            with contextlib.closing(self._open_player()) as player:
                if self._voice is None:
                    self._voice = self._open_voice()
                for sentence in sentences(printable(text)):
                    player.play(self._voice.synthesize(sentence))
        except (SynthesizerError, PlayerError) as error:
            self._mute = True
            print(f"status: {error}; the findings are in text only", file=sys.stderr)

    def close(self) -> None:
        """End the speech worker."""
        if self._voice is not None:
            self._voice.close()
