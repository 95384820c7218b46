#!/usr/bin/env python3
"""Measure how long a person waits from the end of a spoken question to the first spoken word.

    python scripts/bench_assistant_latency.py DATA [--repeats 5] [--out FILE]

The whole assistant runs: recognizer, text recognition, pocket model, speech engine. Where
PulseAudio and PortAudio are installed, the question is played into a virtual microphone and the
answer is recorded from a virtual loudspeaker (tests/sound/sound_server.py). Elsewhere blocks of a
recording are handed over at the speed of speech, and the first clip given to a loudspeaker counts.
"""

import argparse
import contextlib
import ctypes.util
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from assistant.audio import AudioClip, read_question  # noqa: E402
from assistant.devices.portaudio import keep_libraries_quiet  # noqa: E402
from assistant.devices.synthesizer import Pyttsx3Synthesizer  # noqa: E402
from assistant.frames import Frame  # noqa: E402
from assistant.hearing.listener import Heard, HeardKind  # noqa: E402
from assistant.hearing.recognizer import AudioChunk  # noqa: E402
from assistant.hearing.voice_activity import SileroVoiceActivity  # noqa: E402
from assistant.hearing.voice_listener import VoiceListener  # noqa: E402
from assistant.inference.opening import ModelOpener  # noqa: E402
from assistant.session.events import AnswerGiven, Closed, ErrorSaid  # noqa: E402
from assistant.session.session import Session  # noqa: E402
from assistant.settings.settings import Settings  # noqa: E402
from assistant.skills.conversation import Conversation  # noqa: E402
from assistant.speech.sentence_speaker import SentenceSpeaker  # noqa: E402
from assistant.wiring import open_recognizer, text_reader  # noqa: E402
from models.pictures import load_picture  # noqa: E402
from models.pocket.training.pictures import Split, render  # noqa: E402

FAST, MODEL = "what is the total", "how many circles are there"
BEFORE_SPEECH_S = 1.2
"""From the talk key to the first word: the signal, and a breath."""

PATIENCE_S = 30.0
BLOCK = 512


class Rig(Protocol):
    """A microphone and a loudspeaker, and a person between them."""

    what: str

    def microphone(self) -> Any: ...
    def player(self) -> Any: ...

    def say(self, wav: Path) -> None:
        """Speak, to the end."""
        ...

    def first_sound_s(self, since: float) -> float | None:
        """Seconds from a time until something was heard."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Ask aloud, wait for the answers, and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds vision/")
    parser.add_argument("--repeats", type=int, default=5, help="of each measure")
    parser.add_argument("--out", type=Path, help="JSON file (default: standard output)")
    options = parser.parse_args(argv)
    keep_libraries_quiet()
    with tempfile.TemporaryDirectory(prefix="late-") as name, rig(Path(name)) as devices:
        report = measure(devices, options.data, Path(name), options.repeats)
    text = json.dumps(report, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def measure(devices: Rig, data: Path, folder: Path, repeats: int) -> dict[str, Any]:
    """Both tiers, ended by the talk key and by silence."""
    receipt = load_picture(sorted((data / "vision" / "sroie").glob("*.jpg"))[0])
    report: dict[str, Any] = {"what": devices.what}
    person = Person(devices, folder)
    try:
        report["recognizer"] = person.recognizer_name
        for tier, question, picture in (
            ("fast_tier", FAST, receipt),
            ("pocket_model", MODEL, drawing_of(MODEL)),
        ):
            person.look_at(picture)
            first_s = person.type(question)
            by_key = [person.ask(question, by_key=True) for _ in range(repeats)]
            by_silence = [person.ask(question, by_key=False) for _ in range(max(2, repeats // 2))]
            report[tier] = {
                "question": question,
                "typed_at_start_s": round(first_s, 2) if first_s is not None else None,
                "not_understood": sum(not times for times in by_key + by_silence),
                "from_talk_key_s": summary(by_key, "key_to_word"),
                "from_last_voiced_s": summary(by_key, "voice_to_word"),
                "talk_key_to_question_s": summary(by_key, "key_to_question"),
                "question_to_word_s": summary(by_key, "question_to_word"),
                "from_last_voiced_ended_by_silence_s": summary(by_silence, "voice_to_word"),
                "answers": sorted(person.answers),
            }
            person.answers.clear()
    finally:
        person.close()
    return report


class Person:
    """Holds up pictures, asks, and waits for the first word."""

    def __init__(self, devices: Rig, folder: Path) -> None:
        self._devices, self._folder = devices, folder
        self._picture = np.zeros((8, 8, 3), np.uint8)
        self._heard: queue.Queue[tuple[Heard, float]] = queue.Queue()
        self.answers: set[str] = set()
        recognizer = open_recognizer("")
        self.recognizer_name = recognizer.name
        reader = text_reader()
        reader.load()
        self._speaker = SentenceSpeaker(Pyttsx3Synthesizer(), devices.player)
        self._listener = VoiceListener(
            devices.microphone(), lambda: recognizer, SileroVoiceActivity
        )
        self._session = Session(
            Conversation(reader, ModelOpener("")),
            settings=Settings(speech_mode="voice"),
            speaker=self._speaker,
            listener=self._listener,
            frames=self,
            # A clock that stands still: the signal that bridges a wait is not a word.
            clock=lambda: 0.0,
        )
        self._listener.on_heard = self._hears
        threading.Thread(target=self._take_events, daemon=True).start()
        self._session.start()
        self._idle()
        # What is said at the start is none of the words that are waited for.
        self._be_quiet()

    def latest(self, max_age_s: float) -> Frame:
        """A new frame of the picture, as a camera gives it."""
        return Frame(self._picture.copy(), time.monotonic())

    def look_at(self, picture: Any) -> None:
        """Hold up a picture."""
        self._picture = picture

    def type(self, question: str) -> float | None:
        """Type a question whose models are not loaded yet; seconds to the first word."""
        began = time.monotonic()
        self._session.ask(question)
        first_s = self._first_word_s(began)
        self._be_quiet()
        return first_s

    def ask(self, question: str, *, by_key: bool) -> dict[str, float]:
        """Ask aloud; the times in seconds, or nothing if it was not understood."""
        wav = self._folder / f"{'-'.join(question.split())}.wav"
        if not wav.exists():
            subprocess.run(["flite", "-voice", "rms", "-t", question, "-o", str(wav)], check=True)
        while not self._heard.empty():
            self._heard.get()
        self._session.talk()
        time.sleep(BEFORE_SPEECH_S)
        self._devices.say(wav)
        ended = time.monotonic()
        if by_key:
            self._session.talk()
        heard, known = self._heard.get(timeout=PATIENCE_S)
        first_s = self._first_word_s(ended)
        self._be_quiet()
        right = heard.transcript is not None and heard.transcript.text == question
        if not right or first_s is None or heard.speech_ended_at is None:
            return {}
        word = ended + first_s
        return {
            "key_to_word": first_s,
            "key_to_question": known - ended,
            "question_to_word": word - known,
            "voice_to_word": word - heard.speech_ended_at,
        }

    def close(self) -> None:
        """End everything."""
        self._session.close()
        self._speaker.close()
        self._listener.close()

    def _first_word_s(self, since: float) -> float | None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            first_s = self._devices.first_sound_s(since)
            if first_s is not None:
                return first_s
            time.sleep(0.02)
        return None

    def _be_quiet(self) -> None:
        self._idle()
        self._session.stop()
        self._idle()
        time.sleep(1.2)

    def _idle(self) -> None:
        done: queue.Queue[None] = queue.Queue(1)
        self._session.when_idle(done)
        done.get(timeout=PATIENCE_S)

    def _hears(self, heard: Heard) -> None:
        if heard.kind is not HeardKind.PARTIAL:
            self._heard.put((heard, time.monotonic()))
        self._session.heard(heard)

    def _take_events(self) -> None:
        while not isinstance(event := self._session.events.get(), Closed):
            if isinstance(event, AnswerGiven):
                self.answers.add(f"{event.text} ({event.answer.basis.value})")
            elif isinstance(event, ErrorSaid):
                self.answers.add(f"error: {event.text}")


class SoundRig:
    """A sound server without hardware."""

    what = "through a PulseAudio server with null sinks; a sound counts when its record arrives"

    def __init__(self, server: Any, ear: Any) -> None:
        self._server, self._ear = server, ear

    def microphone(self) -> Any:
        from assistant.devices.microphone import SoundDeviceMicrophone

        return SoundDeviceMicrophone()

    def player(self) -> Any:
        from assistant.devices.player import SoundDevicePlayer

        return SoundDevicePlayer()

    def say(self, wav: Path) -> None:
        self._server.say(wav)

    def first_sound_s(self, since: float) -> float | None:
        return self._ear.first_sound_s(since)  # type: ignore[no-any-return]


class BareRig:
    """No sound at all: blocks at the speed of speech in, the first clip out."""

    what = "without a sound server: from the end of the recording to the first clip to be played"

    def __init__(self) -> None:
        self._blocks: deque[Any] = deque()
        self._started: list[float] = []

    def microphone(self) -> Any:
        return self

    def player(self) -> Any:
        return self

    def say(self, wav: Path) -> None:
        samples = read_question(wav).samples
        self._blocks.extend(samples[at : at + BLOCK] for at in range(0, len(samples), BLOCK))
        while self._blocks:
            time.sleep(0.005)

    def first_sound_s(self, since: float) -> float | None:
        return next((at - since for at in list(self._started) if at >= since), None)

    def open(self) -> None: ...

    def read(self) -> AudioChunk:
        """The next block of 32 ms; a faint noise while nobody speaks."""
        time.sleep(BLOCK / 16_000)
        quiet = np.resize(np.array([1, -1], np.int16), BLOCK)
        return AudioChunk(self._blocks.popleft() if self._blocks else quiet, time.monotonic())

    def start(self, clip: AudioClip, when_over: Callable[[], None] | None = None) -> None:
        self._started.append(time.monotonic())
        threading.Timer(min(0.3, clip.duration_s), when_over or (lambda: None)).start()

    def signal(self, clip: AudioClip) -> None: ...
    def stop(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def set_volume(self, percent: int) -> None: ...
    def check(self) -> None: ...
    def find_again(self) -> None: ...
    def close(self) -> None: ...


@contextlib.contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """The sound server where it is installed, else none."""
    programs = ("pulseaudio", "pactl", "paplay", "parec")
    if not all(map(shutil.which, programs)) or ctypes.util.find_library("portaudio") is None:
        yield BareRig()
        return
    from tests.sound.sound_server import SoundServer

    home = folder / "sound"
    home.mkdir()
    server = SoundServer(home)
    os.environ.update(server.environment)
    try:
        with server.listener() as ear:
            yield SoundRig(server, ear)
    finally:
        server.close()


def drawing_of(question: str) -> Any:
    """A drawing about which the pocket model is asked this."""
    for seed in range(200):
        drawn = render(seed, Split.HELD_OUT, "count")
        if any(item.question.lower().rstrip("?") == question for item in drawn.questions):
            return drawn.rgb
    return render(0, Split.HELD_OUT, "count").rgb


def summary(asked: list[dict[str, float]], name: str) -> dict[str, Any]:
    """Median and worst of one time, in seconds."""
    known = sorted(times[name] for times in asked if times)
    if not known:
        return {"n": 0}
    return {
        "n": len(known),
        "median": round(float(np.median(known)), 2),
        "worst": round(known[-1], 2),
    }


if __name__ == "__main__":
    sys.exit(main())
