"""Use the whole assistant for eight simulated hours, and see whether anything grows or slows down.

    scripts/soak [--hours 8] [--out FILE]

The program is the real one, in a process of its own: a camera that is a stream, a sound server with
null devices, the recognizer, the speech engine, text recognition, the pocket model, two small text
models, and the memory. A round stands for twelve minutes of a day, with three or four questions.
The time in which a person would ask nothing is left out, and speech is fast: eight hours take about
twenty minutes. The camera therefore gives a twentieth of the frames of a real day.

In the rounds: typed questions, questions by voice file, reading as you go, things remembered and
found, one text model given up for another, the camera lost (the stream breaks off, or the process
that reads it is killed) and back, all sound devices unplugged and plugged in.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from soak_scene import Scene, StreamCamera, scenes, speak_questions, write_text_model  # noqa: E402
from soak_watch import (  # noqa: E402
    MOST_SLOWER_PERCENT,
    Taken,
    descendants,
    drift,
    flatness,
    is_running,
    judged,
    like_rounds,
    taken,
)

from tests.sound.sound_server import SoundServer  # noqa: E402

ROUND_MINUTES, ROUNDS_AN_HOUR = 12, 5
PERIOD = 24
"""Rounds after which every kind of round has come round again."""

PATIENCE_S = 90.0
SETTLED_S = 0.3
"""Without another change of state the assistant is at rest."""

CAMERA_TURNS_S = 1.0
"""After it no frame of the scene before is among those that a question may get."""

SETTINGS = """\
camera.source = "{address}"
history.enabled = true
verbosity = 0
[speech]
mode = "voice"
rate = 600
[text_model]
folder = "{folder}"
"""

Event = dict[str, Any]
Wanted = Callable[[Event], bool]


def main(argv: Sequence[str] | None = None) -> int:
    """Live through the hours, print and write the report; 1 if something is not flat."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=8.0, help="simulated (default 8)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "scripts/results/soak.json", metavar="FILE"
    )
    options = parser.parse_args(argv)
    rounds = max(1, round(options.hours * 60 / ROUND_MINUTES))
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f"ended by signal {number}"))
    # A short path: the name of a socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        (folder / "sound").mkdir()
        server = SoundServer(folder / "sound")
        camera = StreamCamera(scenes())
        try:
            day = Day(folder, server, camera)
            try:
                report = day.live(rounds)
            finally:
                day.close()
        finally:
            camera.close()
            server.close()
    text = json.dumps(report, indent=1)
    print(text)
    options.out.write_text(text + "\n", encoding="utf-8")
    return 0 if report["all_flat"] else 1


def by_hour(samples: Sequence[Taken], loads: Sequence[float]) -> list[dict[str, float]]:
    """Medians of each simulated hour, and the processor's time that the program took in it."""
    found = []
    for start in range(0, len(samples), ROUNDS_AN_HOUR):
        hour = samples[start : start + ROUNDS_AN_HOUR]
        found.append(
            {
                "program_mib": round(median(each.main_mib for each in hour), 1),
                "all_processes_mib": round(median(each.tree_mib for each in hour), 1),
                "handles": median(each.handles for each in hour),
                "threads": median(each.threads for each in hour),
                "processor_s": round(hour[-1].cpu_s - (samples[start - 1].cpu_s if start else 0)),
                "load_average": round(median(loads[start : start + ROUNDS_AN_HOUR]), 1),
            }
        )
    return found


class Day:
    """The assistant, and a person who uses it."""

    def __init__(self, folder: Path, server: SoundServer, camera: StreamCamera) -> None:
        self._server, self._camera = server, camera
        self._wavs = speak_questions(folder)
        self._models = [write_text_model(folder / f"text{number}", number) for number in range(2)]
        for place in ("home/sightline/config", "home/run", "home/tmp"):
            (folder / place).mkdir(parents=True, mode=0o700)
        self._home = folder / "home"
        (self._home / "sightline/config/settings.toml").write_text(
            SETTINGS.format(address=camera.address, folder=self._models[0])
        )
        self._errors = folder / "errors"
        environment = {
            **os.environ, **server.environment, "HOME": str(self._home),
            "SIGHTLINE_HOME": str(self._home / "sightline"), "TMPDIR": str(self._home / "tmp"),
            "XDG_RUNTIME_DIR": str(self._home / "run"), "OMP_NUM_THREADS": "1",
            "SIGHTLINE_PASSPHRASE": "a passphrase of a soak",
        }  # fmt: skip
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "assistant.cli", "--json"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=environment,
            )  # fmt: skip
        self._talk = Talk(self._process)
        self._latencies: dict[str, list[float]] = defaultdict(list)
        self._missed: list[str] = []
        self._done: dict[str, int] = defaultdict(int)
        self._round = 0

    def live(self, rounds: int) -> dict[str, Any]:
        """Every round, and what was seen."""
        began = time.monotonic()
        self._talk.settle()
        samples: list[Taken] = []
        loads: list[float] = []
        for self._round in range(rounds):
            self._one_round(self._round)
            self._talk.settle()
            samples.append(taken(self._process.pid))
            loads.append(os.getloadavg()[0])
            hours = (self._round + 1) * ROUND_MINUTES / 60
            print(f"{hours:.2f} h: {samples[-1]}, missed {self._missed}", file=sys.stderr)
        spent = [0.0, *(each.cpu_s for each in samples)]
        cpu = [after - before for before, after in itertools.pairwise(spent)]
        report = judged(samples)
        slower = {kind: drift(values) for kind, values in sorted(self._latencies.items())}
        work = like_rounds(cpu, PERIOD)
        no_drift = work["growth_percent"] <= MOST_SLOWER_PERCENT
        seconds = time.monotonic() - began
        left = self._end()
        return {
            "what": "the whole assistant in compressed time; see scripts/soak.py",
            "simulated_hours": round(rounds * ROUND_MINUTES / 60, 2),
            "seconds": round(seconds),
            "machine": f"{os.cpu_count()} CPU cores, shared with other programs",
            "load_average": flatness(loads),
            "done": dict(sorted(self._done.items())),
            "frames_sent": self._camera.sent,
            "by_hour": by_hour(samples, loads),
            **report,
            "processor_seconds_a_round": work,
            "latency": slower,
            "work_does_not_grow": no_drift,
            "missed": self._missed,
            **left,
            "all_flat": bool(
                report["memory_is_flat"]
                and report["handles_are_flat"]
                and report["threads_are_flat"]
                and no_drift
            ),
        }

    def close(self) -> None:
        """End the program, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _one_round(self, number: int) -> None:
        scene = self._turn(number)
        self._ask("what colour is this" if scene.question else "what is the total", "typed")
        if scene.question:
            self._ask(scene.question, "about a drawing")
        else:
            self._order({"command": "read"}, "read")
        if number % 3 == 0:
            self._ask_aloud(number // 3)
        if number % 4 == 1:
            self._read_as_you_go(number)
        if number % 4 == 2:
            self._remember(number)
        if number % 6 == 3:
            self._change_text_model(number)
        if number % 8 == 5:
            self._lose_camera(number)
        if number % 8 == 7:
            self._lose_sound()
        self._order({"command": ("repeat", "slower", "faster", "next word")[number % 4]}, "order")

    def _turn(self, number: int) -> Scene:
        scene = self._camera.show(number)
        time.sleep(CAMERA_TURNS_S)
        return scene

    def _ask(self, question: str, kind: str) -> None:
        """Ask in writing; the time is that to the first words of the answer."""
        since, sent_s = self._talk.send({"question": question})
        self._answered(since, sent_s, kind)
        self._talk.settle()

    def _answered(self, since: int, sent_s: float, kind: str) -> None:
        self._done[kind] += 1
        came_s = self._talk.wait(since, _is_answer)
        if came_s is None:
            came = ", ".join(self._talk.names(since)) or "nothing"
            self._missed.append(f"{kind}: no answer in round {self._round}, but {came}")
        else:
            self._latencies[kind].append(came_s - sent_s)

    def _order(self, line: dict[str, str], kind: str) -> None:
        self._done[kind] += 1
        self._talk.send(line)
        self._talk.settle()

    def _ask_aloud(self, number: int) -> None:
        """A question by voice file; the time is that from its last sound to the answer."""
        since, _ = self._talk.send({"command": "talk"})
        self._expect(since, _is_state("listening"), "listening")
        time.sleep(0.7)
        self._server.say(self._wavs[number % len(self._wavs)])
        self._answered(since, time.monotonic(), "by voice")
        self._talk.settle()

    def _read_as_you_go(self, number: int) -> None:
        self._done["reading as you go"] += 1
        # What was read once is not read again, so the pages are new.
        self._camera.show_page((f"Notice {number}", "The lift is out of order", "Use the stairs"))
        time.sleep(CAMERA_TURNS_S)
        since, _ = self._talk.send({"command": "live"})
        self._expect(since, _is_answer, "new text")
        since = self._talk.now()
        self._camera.show_page((f"Platform {100 + number}", f"Train {300 + number} to the coast"))
        self._expect(since, _is_answer, "text that came into view")
        self._talk.send({"command": "stop"})
        self._talk.settle()

    def _remember(self, number: int) -> None:
        self._order({"command": "remember", "argument": f"thing {number}"}, "remember")
        self._order({"command": "where", "argument": "this"}, "find by picture")
        self._order({"command": "where", "argument": "bread"}, "find by words")
        if number % 8 == 6:
            # What is kept may not grow without end, or searching it would take longer rightly.
            self._order({"command": "forget", "argument": "all"}, "forget")
            self._order({"command": "yes"}, "agree")

    def _change_text_model(self, number: int) -> None:
        """Another text model: the one before is given up when the next question needs one."""
        folder = self._models[number // 6 % 2]
        self._turn(0)
        self._order({"command": "set", "argument": f"text_model.folder {folder}"}, "change model")
        self._ask("summarize this", "to a text model just loaded")

    def _lose_camera(self, number: int) -> None:
        self._done["camera lost"] += 1
        since = self._talk.now()
        if number % 16 == 5:
            self._camera.lose()
        else:
            for process in descendants(self._process.pid):
                if _is_reader(process):
                    os.kill(process, signal.SIGKILL)
        self._expect(since, _is_kind("camera_lost"), "camera lost")
        self._camera.bring_back()
        self._expect(since, _is_kind("camera_back"), "camera back")
        self._talk.settle()

    def _lose_sound(self) -> None:
        self._done["sound lost"] += 1
        self._server.unplug()
        self._ask("what colour is this", "without sound")
        self._server.plug_in()
        self._ask("what colour is this", "with sound again")

    def _expect(self, since: int, wanted: Wanted, what: str) -> None:
        if self._talk.wait(since, wanted) is None:
            self._missed.append(f"{what}: not said in round {self._round}")

    def _end(self) -> dict[str, Any]:
        """Leave as a user leaves; nothing may stay behind."""
        children = descendants(self._process.pid)
        self._talk.send({"command": "quit"})
        try:
            code: int | None = self._process.wait(15)
        except subprocess.TimeoutExpired:
            code = None
        time.sleep(1.0)
        return {
            "exit_code": code,
            "processes_left": sum(is_running(each) for each in children),
            "files_left": sorted(
                str(path.relative_to(self._home))
                for place in ("tmp", "run")
                for path in (self._home / place).rglob("*")
                if path.is_file()
            ),
            "lines_of_errors": len(self._errors.read_text().splitlines()),
        }


class Talk:
    """Lines to the program, and the events that it prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._events: list[tuple[float, Event]] = []
        self._changed = threading.Condition()
        self._state, self._state_since_s = "idle", time.monotonic()
        threading.Thread(target=self._listen, daemon=True).start()

    def now(self) -> int:
        """How many events there were; `wait` looks at those after it."""
        return len(self._events)

    def names(self, since: int) -> list[str]:
        """What happened after so many events, as texts or names."""
        return [str(event.get("text") or event["event"]) for _, event in self._events[since:]]

    def send(self, line: dict[str, str]) -> tuple[int, float]:
        """Send a line; return how many events there were before it, and when it was sent (s)."""
        assert self._process.stdin is not None
        since = self.now()
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        return since, time.monotonic()

    def wait(self, since: int, wanted: Wanted) -> float | None:
        """When the first such event came (s), or None if none did."""
        until_s = time.monotonic() + PATIENCE_S
        at = since
        with self._changed:
            while True:
                for came_s, event in self._events[at:]:
                    if wanted(event):
                        return came_s
                at = len(self._events)
                if time.monotonic() > until_s:
                    return None
                self._changed.wait(0.5)

    def settle(self) -> None:
        """Wait until the program is at rest, or time is up."""
        began_s = time.monotonic()
        # The line that was sent last is to be taken first.
        time.sleep(SETTLED_S)
        while time.monotonic() - began_s < PATIENCE_S:
            if self._state == "idle" and time.monotonic() - self._state_since_s > SETTLED_S:
                return
            time.sleep(0.05)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            with self._changed:
                self._events.append((time.monotonic(), event))
                if event["event"] == "state_changed":
                    self._state, self._state_since_s = event["state"], time.monotonic()
                self._changed.notify_all()


def _is_answer(event: Event) -> bool:
    return event["event"] in ("answer_given", "answer_part")


def _is_kind(name: str) -> Wanted:
    return lambda event: bool(event["event"] == name)


def _is_state(name: str) -> Wanted:
    return lambda event: bool(event["event"] == "state_changed" and event["state"] == name)


def _is_reader(process: int) -> bool:
    try:
        return b"stream_reader" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
