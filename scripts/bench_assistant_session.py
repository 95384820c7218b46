#!/usr/bin/env python3
"""Live through eight hours of questions in minutes: does memory stay flat, is all said once?

    python scripts/bench_assistant_session.py DATA [--questions 2000] [--out FILE]

The session, the conversation, the speaking and the listening thread and the pocket model are those
of the product. Stand-ins are the drivers below them: a camera that shows receipts and drawings, a
text recognizer that gives the receipts' published lines, a microphone, a recognizer, a speech
engine and a loudspeaker. The clock that the session reads jumps ahead between the questions.
"""

import argparse
import gc
import json
import os
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_assistant_fakes import (
    Camera,
    Clock,
    Loudspeaker,
    Microphone,
    RecordedReader,
    Scripted,
    SpeechEngine,
    Sure,
    Witness,
    notebook,
)

HOURS = 8
PATIENCE_S = 60.0
WARM_UP = 0.25
"""Share of the questions after which everything has been used, and memory should stay flat."""

SAMPLES = 200
"""Of memory, spread over the questions."""

SETTINGS = "config/settings.toml"
"""What a user who changes settings by voice expects to be kept; nothing else may be."""

ABOUT_RECEIPTS = (
    "what is the total", "what is the date", "and the total", "what is the phone number",
    "read this", "does it say cash", "how much do i have to pay", "what is the first line",
    "is the light on", "what colour is this", "scan the barcode", "describe the picture",
    "summarize this", "where are my keys", "when does it expire", "who wrote this",
)  # fmt: skip
ORDERS = (
    "repeat", "next line", "next word", "spell it", "previous sentence", "continue", "slower",
    "faster", "louder", "quieter", "more detail", "less detail", "double check", "help",
    "remember this as my receipt", "what did i save", "where did i see my receipt",
    "forget everything", "go to total", "next heading",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds vision/")
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--limit-s", type=float, default=240.0, help="stop asking after this time")
    parser.add_argument("--out", type=Path, help="JSON file (default: standard output)")
    options = parser.parse_args(argv)
    # Before the working folder changes, in which relative names would be looked for.
    data: Path = options.data.resolve()
    out: Path | None = options.out.resolve() if options.out is not None else None
    with tempfile.TemporaryDirectory(prefix="session-") as name:
        folder = Path(name)
        # Whatever a part of the assistant writes anywhere sensible is found here afterwards.
        for variable in ("TMPDIR", "HOME", "XDG_RUNTIME_DIR", "SIGHTLINE_HOME"):
            os.environ[variable] = name
        tempfile.tempdir = None
        os.chdir(folder)
        day = Day(data, options.questions)
        try:
            report = day.live(options.limit_s)
        finally:
            day.close()
        left = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
        left = [path for path in left if path != SETTINGS]
        report.update(files_left=len(left), names_left=left[:10])
        os.chdir("/")
    text = json.dumps(report, indent=1)
    if out is None:
        print(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
    return 0


class Day:
    """A session on stand-ins, and a person who uses it."""

    def __init__(self, data: Path, questions: int) -> None:
        from assistant.hearing.voice_listener import VoiceListener
        from assistant.inference.opening import ModelOpener
        from assistant.session.session import Session
        from assistant.settings.file import save_setting
        from assistant.settings.paths import settings_file
        from assistant.settings.settings import Settings
        from assistant.skills.conversation import Conversation
        from assistant.speech.sentence_speaker import SentenceSpeaker

        self.clock = Clock()
        self._questions = questions
        self._camera = Camera(data / "vision" / "sroie", self.clock)
        self._recognizer = Scripted()
        self._opener = ModelOpener("")
        self._speaker = SentenceSpeaker(SpeechEngine(), Loudspeaker)
        self._listener = VoiceListener(Microphone(), lambda: self._recognizer, Sure)
        self._session = Session(
            Conversation(RecordedReader(self._camera), self._opener, clock=self.clock),
            settings=Settings(speech_mode="voice", history_enabled=True),
            speaker=self._speaker,
            listener=self._listener,
            frames=self._camera,
            memory=notebook(),
            save=lambda settings, name: save_setting(settings_file(), settings, name),
            clock=self.clock,
        )
        self._witness = Witness(self._session.events)
        self._asked = self._ordered = self._given_up = self._late = 0
        self._unannounced = self._notices_wrong = 0

    def live(self, limit_s: float) -> dict[str, Any]:
        """Ask everything, with interruptions; return what was seen."""
        began = time.monotonic()
        self._session.start()
        self._idle()
        sampled: list[tuple[int, float]] = []
        hours = 0.0
        every = max(1, self._questions // SAMPLES)
        for number in range(self._questions):
            if time.monotonic() - began > limit_s:
                break
            if number % 7 == 0:
                self._camera.turn_to_next()
            self._ask(number)
            if number % 2 == 0:
                self._order(number // 2)
            if number % 97 == 50:
                self._lose_camera()
            if number % 61 == 30:
                self._watch()
            self._settle()
            self.clock.jump(HOURS * 3600 / self._questions)
            hours = HOURS * (number + 1) / self._questions
            if number % every == 0:
                sampled.append((number, resident_mib()))
        seconds = time.monotonic() - began
        return {
            "questions": self._asked,
            "simulated_hours": round(hours, 2),
            "seconds": round(seconds, 1),
            "model": getattr(self._opener(), "name", "none"),
            "memory": flatness(sampled),
            "threads": threading.active_count(),
            "interrupted": self._given_up,
            "states_not_announced": self._unannounced,
            "notices_not_once": self._notices_wrong
            + abs(self._witness.questions - self._asked - self._ordered),
            "pieces_after_stop": self._late,
            **self._witness.report(),
        }

    def close(self) -> None:
        """End the session and its devices."""
        self._session.close()
        self._speaker.close()
        self._listener.close()

    def _ask(self, number: int) -> None:
        """One question, by voice or typed; every ninth is given up before its answer ends."""
        about = self._camera.questions or ABOUT_RECEIPTS
        text = about[(number // 7 + number) % len(about)]
        before = self._witness.questions
        if number % 3:
            self._recognizer.say(text)
            self._session.talk()
        else:
            self._session.ask(text)
        self._asked += 1
        if number % 9 == 4:
            self._witness.wait_for_question(before + 1, PATIENCE_S)
            self._witness.wait_for_answer(PATIENCE_S)
            self._stop()
        elif number % 9 == 8:
            # A newer question gives up the older one.
            self._witness.wait_for_question(before + 1, PATIENCE_S)
            self._session.ask("what is the total")
            self._asked += 1
            self._given_up += 1
        self._settle()

    def _order(self, number: int) -> None:
        self._session.ask(ORDERS[number % len(ORDERS)])
        self._ordered += 1
        self._settle()

    def _stop(self) -> None:
        self._given_up += 1
        self._session.stop()
        self._settle()
        pieces = self._witness.pieces
        # What was computed for a question that was given up must not be heard later.
        time.sleep(0.02)
        self._late += self._witness.pieces - pieces

    def _watch(self) -> None:
        """Live text for a moment."""
        from assistant.session.orders import Action, Order

        self._session.do(Order(Action.KEEP_READING))
        time.sleep(0.05)
        self._stop()

    def _lose_camera(self) -> None:
        """The driver says it twice; the user hears it once, and the question waits."""
        lost, back = self._witness.cameras()
        self._camera.lost = True
        for _ in range(2):
            self._session.camera_lost("The camera is lost: it was unplugged.")
        self._session.ask("is the light on")
        self._asked += 1
        self._settle()
        self._camera.lost = False
        for _ in range(2):
            self._session.camera_back("The camera is back.")
        self._settle()
        if self._witness.cameras() != (lost + 1, back + 1):
            self._notices_wrong += 1

    def _idle(self) -> None:
        done: queue.Queue[None] = queue.Queue(1)
        self._session.when_idle(done)
        done.get(timeout=PATIENCE_S)

    def _settle(self) -> None:
        """Wait until nothing is done; the last state that was announced must be that."""
        self._idle()
        if not self._witness.has_caught_up_idle():
            self._unannounced += 1


def flatness(sampled: list[tuple[int, float]]) -> dict[str, Any]:
    """Resident memory at the start, after warm-up and at the end, and how much it spreads."""
    warm = [mib for number, mib in sampled if number >= WARM_UP * sampled[-1][0]]
    tenth = max(1, len(warm) // 10)
    first, last = (sorted(part)[len(part) // 2] for part in (warm[:tenth], warm[-tenth:]))
    gc.collect()
    return {
        "samples": len(sampled),
        "at_first_question_mib": round(sampled[0][1], 1),
        "after_warm_up_mib": round(first, 1),
        "at_the_end_mib": round(last, 1),
        "growth_percent": round(100 * (last / first - 1), 2),
        "spread_percent": round(100 * (max(warm) / min(warm) - 1), 2),
        "after_collecting_mib": round(resident_mib(), 1),
    }


def resident_mib() -> float:
    """Memory of this process that is in use now; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
