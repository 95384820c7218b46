"""`assistant doctor`: what works here, what does not, why, and what to do about it."""

import argparse
import contextlib
import enum
import json
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.doctor import device_id
from assistant.errors import AssistantError, PlayerError, SynthesizerError
from assistant.speech.rendering import sentences
from assistant.text.printable import printable
from models.errors import ModelsError

FINE, SOMETHING_MISSING = 0, 1

LIMIT_S = 5.0
"""One device that hangs must not keep the others from being looked at."""

EXIT_CODES = """\
exit codes:
  0  everything that matters is there
  1  something that matters is missing; its line names the cause and what to do
"""

log = logging.getLogger(__name__)


class State(enum.Enum):
    """How something is; words that can be spoken."""

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found.

    text:  what is there, in words.
    cause: why it is limited or missing; empty if it is neither.
    fix:   what the user can do about it; empty if nothing need be done.
    """

    state: State
    text: str
    cause: str = ""
    fix: str = ""


LATE = Finding(
    State.MISSING,
    "it does not answer",
    "there was no answer in time",
    "close other programs that may use it, unplug it and plug it in again",
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to look at.

    matters: False for what is welcome but not needed: its absence does not change the exit code.
    fix:     what to do where an error names none.
    late:    the finding where there is no answer in time.
    """

    name: str
    look: Callable[[], Finding]
    matters: bool = True
    fix: str = ""
    late: Finding = LATE


@dataclass(frozen=True, slots=True)
class Examined:
    """A probe's finding, and how long it took."""

    name: str
    finding: Finding
    matters: bool
    seconds: float

    @property
    def is_bad(self) -> bool:
        """True if something is missing that matters."""
        return self.matters and self.finding.state is State.MISSING

    def words(self) -> str:
        """The line that is printed and spoken."""
        finding = self.finding
        parts = [finding.state.value, finding.text, finding.cause, finding.fix]
        told = [part[0].upper() + part[1:].rstrip(". ") for part in parts if part]
        return f"{self.name}: " + ". ".join(told) + "."

    def to_json(self) -> dict[str, object]:
        """The finding for programs."""
        return {
            "name": self.name,
            "state": self.finding.state.value,
            "matters": self.matters,
            "text": self.finding.text,
            "cause": self.finding.cause,
            "fix": self.finding.fix,
            "seconds": round(self.seconds, 3),
        }


def examine(probes: Iterable[Probe], *, limit_s: float = LIMIT_S) -> Iterator[Examined]:
    """Look at one thing after the other; none takes longer than the limit, and none can fail."""
    for probe in probes:
        started = time.monotonic()
        finding = _within(probe, limit_s)
        yield Examined(probe.name, finding, probe.matters, time.monotonic() - started)


def _within(probe: Probe, limit_s: float) -> Finding:
    replies: queue.Queue[Finding] = queue.Queue(1)

    def look() -> None:
        try:
            replies.put_nowait(probe.look())
        except (AssistantError, ModelsError) as error:
            replies.put_nowait(_missing(str(error), probe.fix))
        except Exception as error:  # a probe looks at foreign code; its failure is the finding
            log.info("the probe %s failed", probe.name, exc_info=True)
            replies.put_nowait(_missing(f"it failed ({type(error).__name__}: {error})", probe.fix))

    # A thread that hangs in a driver cannot be ended; the program's end does not wait for it.
    threading.Thread(target=look, name=f"probe {probe.name}", daemon=True).start()
    try:
        return replies.get(timeout=limit_s)
    except queue.Empty:
        return probe.late


def _missing(message: str, usual_fix: str) -> Finding:
    """A finding from an error, whose message holds the cause and then the way out."""
    cause, _, fix = message.partition("; ")
    return Finding(State.MISSING, "", cause, fix or usual_fix)


def add_parsers(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command `doctor` to those of `assistant`."""
    doctor = commands.add_parser(
        "doctor",
        help="say what works here, what does not, and what to do",
        description="Looks at camera, sound, voice, recognizer, models, and the machine.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument(
        "--delete-device-id",
        action="store_true",
        help="delete the identifier that a library left, and look at nothing else",
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.add_argument("--speak", action="store_true", help="also say each line aloud")
    doctor.add_argument("--verbose", action="store_true", help="log what is done")
    doctor.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Examine this machine, print and perhaps speak what was found; return the exit code."""
    if options.delete_device_id:
        return delete_device_id(as_json=options.json)
    # The drivers are loaded by their probes, not by the start of every other command.
    from assistant.doctor.probes import this_machine

    with contextlib.closing(_Voice()) as voice:
        return report(
            examine(this_machine()),
            as_json=options.json,
            say=voice.say if options.speak else None,
        )


def delete_device_id(*, as_json: bool) -> int:
    """Delete what onnxruntime's telemetry left, and print what was deleted; return the exit code.

    Raises:
        AssistantError: something cannot be deleted.
    """
    deleted: list[str] = []

    def tell(path: Path) -> None:
        deleted.append(str(path))
        if not as_json:
            print(printable(f"Deleted: {path}"), flush=True)

    if not device_id.delete(tell) and not as_json:
        print("There is no device identifier.")
    if as_json:
        print(json.dumps({"schema_version": 1, "deleted": deleted}))
    return FINE


def report(
    examined: Iterable[Examined], *, as_json: bool, say: Callable[[str], None] | None = None
) -> int:
    """Print each finding as soon as it is there, and at the end what they come to."""
    found: list[Examined] = []

    def tell(text: str) -> None:
        if not as_json:
            print(printable(text), flush=True)
        if say is not None:
            say(text)

    for one in examined:
        found.append(one)
        tell(one.words())
    bad = [one.name for one in found if one.is_bad]
    tell(f"Missing: {', '.join(bad)}." if bad else "Everything that matters is there.")
    if as_json:
        entries = [one.to_json() for one in found]
        print(json.dumps({"schema_version": 1, "fine": not bad, "findings": entries}))
    return SOMETHING_MISSING if bad else FINE


class _Voice:
    """Speaks lines where there is a voice and a loudspeaker; says once where there is none."""

    def __init__(self) -> None:
        self._synthesizer: Any = None
        self._mute = False

    def say(self, text: str) -> None:
        """Speak a line and wait until it was heard."""
        if self._mute:
            return
        try:
            player = self._open()
            # Given back after each line: the probes look at the same devices.
            with contextlib.closing(player):
                for sentence in sentences(printable(text)):
                    player.play(self._synthesizer.synthesize(sentence))
        except (SynthesizerError, PlayerError) as error:
            self._mute = True
            print(f"status: {error}; the findings are in text only", file=sys.stderr)

    def _open(self) -> Any:
        from assistant.devices.player import SoundDevicePlayer
        from assistant.devices.synthesizer import Pyttsx3Synthesizer

        player = SoundDevicePlayer()
        if self._synthesizer is None:
            self._synthesizer = Pyttsx3Synthesizer()
        return player

    def close(self) -> None:
        """End the speech worker."""
        if self._synthesizer is not None:
            self._synthesizer.close()
