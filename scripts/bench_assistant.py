#!/usr/bin/env python3
"""Measure the assistant against its bars, part by part, into one JSON file.

    python scripts/bench_assistant.py DATA [--parts session plain ...] [--out FILE]

Each part runs in a process of its own. A part that was not asked for keeps what the file says of
it, so that slow parts can be measured on another day; each says when, and how busy the machine was.
"""

import argparse
import ctypes.util
import datetime
import json
import operator
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent
SOUND_PROGRAMS = ("pulseaudio", "pactl", "pacat", "paplay", "parec", "flite")


@dataclass(frozen=True, slots=True)
class Part:
    """One measurement.

    command:  the script and its arguments; {data} is the folder of shared data, {limit_s} the
              seconds after which it should come to an end by itself.
    programs: what must be installed; "portaudio" is the library.
    data:     what must be in the folder of shared data.
    """

    command: tuple[str, ...]
    programs: tuple[str, ...] = ()
    data: str = ""


PARTS: dict[str, Part] = {
    "plain": Part(("bench_assistant_plain.py",)),
    "session": Part(
        ("bench_assistant_session.py", "{data}", "--limit-s", "{limit_s}"), data="vision/sroie"
    ),
    "orders": Part(("bench_assistant_orders.py", "{data}"), data="speech/picovoice"),
    "hearing": Part(
        ("bench_assistant_hearing.py", "{data}", "--limit-s", "{limit_s}"),
        ("flite",),
        "speech/picovoice",
    ),
    "latency": Part(
        ("bench_assistant_latency.py", "{data}"), ("flite", "espeak-ng"), "vision/sroie"
    ),
    "receipts": Part(
        ("bench_assistant_seeing.py", "{data}", "--parts", "receipts"), data="vision/sroie"
    ),
    "gate": Part(("bench_assistant_seeing.py", "{data}", "--parts", "gate"), data="vision"),
    "sound": Part(
        ("bench_assistant_sound.py", "--repeats", "6"), (*SOUND_PROGRAMS, "portaudio", "espeak-ng")
    ),
}

# Part, what, where it stands in the part's result, how it must compare, with what.
Compare = Callable[[Any, Any], bool]
BARS: tuple[tuple[str, str, str, Compare, float], ...] = (
    ("session", "questions, at least", "questions", operator.ge, 2000),
    ("session", "growth of memory after warm-up, %", "memory.spread_percent", operator.le, 5.0),
    ("session", "states announced twice", "states_announced_twice", operator.eq, 0),
    ("session", "states not announced", "states_not_announced", operator.eq, 0),
    ("session", "notices not said exactly once", "notices_not_once", operator.eq, 0),
    ("session", "unexpected failures", "unexpected_failures", operator.eq, 0),
    ("session", "files left", "files_left", operator.eq, 0),
    ("plain", "forbidden bytes, pipe", "pipe.forbidden_bytes", operator.eq, 0),
    ("plain", "forbidden bytes, terminal", "terminal.forbidden_bytes", operator.eq, 0),
    ("plain", "state lines repeated, pipe", "pipe.states_repeated", operator.eq, 0),
    ("plain", "state lines repeated, terminal", "terminal.states_repeated", operator.eq, 0),
    ("orders", "orders heard as something else", "heard_as_something_else", operator.eq, 0),
    ("hearing", "known wordings right", "known.right_share", operator.ge, 0.97),
    ("hearing", "free questions right", "free.right_share", operator.ge, 0.85),
    ("hearing", "free questions taken for another one",
     "free.another_share", operator.le, 0.01),
    ("hearing", "other people answered with something else",
     "others.something_else", operator.eq, 0),
    ("hearing", "questions where nobody speaks", "no_speech.questions", operator.eq, 0),
    ("hearing", "end of speech to its words, median s",
     "seconds.questions.last_voiced_sample_to_text_s", operator.le, 0.9),
    ("hearing", "the same for orders, median s",
     "seconds.orders.last_voiced_sample_to_text_s", operator.le, 0.4),
    ("latency", "talk key to first word, fast tier, median s",
     "fast_tier.from_talk_key_s.median", operator.le, 1.0),
    ("receipts", "totals read and right", "receipts.fields.total.right_of_all", operator.ge, 0.95),
    ("receipts", "dates read and right", "receipts.fields.date.right_of_all", operator.ge, 0.95),
    ("receipts", "digits of read answers that stand in lines",
     "receipts.read_digits_found_in_lines", operator.eq, 1.0),
    ("gate", "good pictures refused", "gate.good_refused", operator.le, 0.03),
    *(
        ("gate", f"{name} refused", f"gate.spoilt.{name}.refused", operator.eq, 1.0)
        for name in ("black", "blank_grey", "blank_white", "covered_whole", "blurred_3_percent")
    ),
    ("sound", "key to earcon, 95th percentile, ms",
     "key_to_earcon_after_silence.p95_ms_without_loop", operator.le, 100.0),
    ("sound", "stop to silence, 95th percentile, ms",
     "stop_to_silence.p95_ms_without_loop", operator.le, 100.0),
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts and write the report; returns 1 if a part failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of shared data, with speech and vision")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=f"of {', '.join(PARTS)} (default: all)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=SCRIPTS / "results/assistant.json")
    parser.add_argument("--limit-s", type=float, default=600.0, help="the most for one part")
    options = parser.parse_args(argv)
    report: dict[str, Any] = {"schema": 1, "parts": {}}
    if options.out.is_file():
        report = json.loads(options.out.read_text(encoding="utf-8"))
    for name in options.parts:
        print(f"{name} …", file=sys.stderr, flush=True)
        report["parts"][name] = run_part(PARTS[name], options.data.resolve(), options.limit_s)
        report["bars"] = bars(report["parts"])
        # After each part: a run that is stopped keeps what it has.
        text = json.dumps(report, indent=1, ensure_ascii=False)
        options.out.write_text(text + "\n", encoding="utf-8")
    for bar in report["bars"]:
        print(f"{bar['part']}: {bar['bar']}: {bar['measured']} ({bar['state']})")
    return int(any("failed" in report["parts"][name] for name in options.parts))


def run_part(part: Part, data: Path, limit_s: float) -> dict[str, Any]:
    """Run one part, and say on how busy a machine."""
    began = time.monotonic()
    facts: dict[str, Any] = {
        "measured": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "load_average_before": round(os.getloadavg()[0], 2),
    }
    missing = reason_to_skip(part, data)
    if missing:
        return {**facts, "skipped": missing}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        out = Path(folder) / "part.json"
        command = [word.format(data=data, limit_s=0.75 * limit_s) for word in part.command]
        try:
            done = subprocess.run(
                [sys.executable, str(SCRIPTS / command[0]), *command[1:], "--out", str(out)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired:
            return {**facts, "failed": f"took more than {limit_s:.0f} s"}
        facts["load_average_after"] = round(os.getloadavg()[0], 2)
        facts["seconds"] = round(time.monotonic() - began, 1)
        if done.returncode or not out.is_file():
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            print(done.stderr, file=sys.stderr)
            return {**facts, "failed": last}
        return {**facts, "result": json.loads(out.read_text(encoding="utf-8"))}


def reason_to_skip(part: Part, data: Path) -> str:
    """What a part lacks on this machine, in words, or ""."""
    find = {"portaudio": ctypes.util.find_library}
    lacking = [name for name in part.programs if find.get(name, shutil.which)(name) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    if part.data and not (data / part.data).is_dir():
        return f"there is no folder {part.data} in the shared data"
    return ""


def bars(parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Each bar with what was measured, and whether it is met."""
    found = []
    for part, what, path, compare, limit in BARS:
        facts = parts.get(part, {})
        measured: Any = facts.get("result")
        for key in path.split("."):
            measured = measured.get(key) if isinstance(measured, dict) else None
        if isinstance(measured, int | float):
            state = "met" if compare(measured, limit) else "missed"
        else:
            state = next((word for word in ("skipped", "failed") if word in facts), "not measured")
        found.append(
            {"part": part, "bar": what, "limit": limit, "measured": measured, "state": state}
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
