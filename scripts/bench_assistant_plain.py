#!/usr/bin/env python3
"""Count bytes in plain output that no screen reader or braille display should get.

    python scripts/bench_assistant_plain.py [--out FILE]

`assistant --plain` is driven through a script of commands, once over a pipe and once at a terminal
of its own, with questions and file names that try to smuggle such bytes in. The terminal is set to
pass output as it is, so that a carriage return in it is the program's.
"""

import argparse
import json
import os
import pty
import queue
import re
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

QUIET_S = 0.35
"""A program that is ready and has written nothing for so long has nothing more to say."""

PATIENCE_S = 40.0
"""For one line; the first question waits until text recognition is loaded."""

FORBIDDEN = {
    "escape": r"[\x1b\x9b]",
    "carriage return": r"\r",
    "bell": r"\x07",
    "other control": r"[\x00-\x06\x08\x0b-\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9a\x9c-\x9f]",
    "box drawing": "[\u2500-\u259f]",
    "braille": "[\u2800-\u28ff]",
}
LABELS = ("you: ", "answer: ", "status: ", "error: ", "  ")
ENDLESS = ("/live",)
"""Commands that go on until the next line stops them."""

SILENT = ("/pause", "/resume", "/stop")
"""Commands that are followed without a word, where nothing is being said."""

STATES = "ready|listening|looking|thinking|speaking|paused"

LETTER = ("OAT DRINK", "Best before 12 May 2027", "Total 4.50 EUR", "Call 555 0199", "www.oat.org")
EVIL = "what\x1b[31m does\u2503 it\u2588 say\x07\x08\u28ff"


def main(argv: Sequence[str] | None = None) -> int:
    """Drive both, and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file (default: standard output)")
    options = parser.parse_args(argv)
    report = {}
    for name, channel in (("pipe", Pipe), ("terminal", Terminal)):
        with tempfile.TemporaryDirectory(prefix="plain-") as folder:
            report[name] = drive(channel, Path(folder))
    text = json.dumps(report, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def script(folder: Path) -> list[str]:
    """Every command, some of them wrong, and questions."""
    letter, evil = folder / "letter.png", folder / "a\x1b[2J\u2503\u28ff.png"
    draw_letter(letter)
    draw_letter(evil)
    return [
        *("/help", "/set", "/set verbosity 2", "/set speech.rate 9000", "/set speech.rat 90"),
        *("/repeat", "/check", "/read", "/open missing.png", f"/open {evil}", f"/open {letter}"),
        *("what is the total", "and the date?", "when does it expire", "/repeat", "/check"),
        *("/read", "/next", "/next word", "/next sentence", "/previous", "/spell", "/find total"),
        *("/find zebra", "/heading", "/continue", "what colour is it", "is the light on"),
        *("scan the barcode", "describe the picture", "how many circles are there", "summarize"),
        *("/slower", "/faster", "/quieter", "/louder", "/less", "/more", "/pause", "/resume"),
        *("/remember my drink", "/saved", "/where drink", "/forget all", "/talk", "/stop"),
        *("/open camera", "/live", "/stop", "/nonsense", "/next chapter", EVIL, "/open"),
        *("wie viel kostet das", "\u2588" * 200, "x" * 3000, "please stop", "say that again"),
    ]  # fmt: skip


def draw_letter(path: Path) -> None:
    """Black print on white paper."""
    image = Image.new("RGB", (640, 480), (246, 244, 238))
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(LETTER):
        draw.text((40, 40 + 80 * number), line, fill=(20, 20, 24), font=ImageFont.load_default(36))
    image.save(path, format="PNG")


def drive(open_channel: "type[Pipe] | type[Terminal]", folder: Path) -> dict[str, Any]:
    """Send the script line by line, each when the one before is answered; judge what came."""
    lines = script(folder)
    channel = open_channel(command(folder), environment(folder))
    late = []
    try:
        if not channel.begin():
            late.append("the start")
        for line in lines:
            channel.send(line)
            if not channel.settle(endless=line in ENDLESS, silent=line in SILENT):
                late.append(line[:40])
        channel.send("/quit")
        code = channel.end()
    finally:
        channel.kill()
    return {"commands": len(lines) + 1, "exit_code": code, "late": late, **judge(channel.output())}


def command(folder: Path) -> list[str]:
    """The program, with a picture that stands for a camera."""
    camera = folder / "camera.png"
    draw_letter(camera)
    return [sys.executable, "-m", "assistant.cli", "--plain", "--camera", str(camera)]


def environment(folder: Path) -> dict[str, str]:
    """A home of its own, a terminal that could do everything, and no sound server."""
    home = folder / "home"
    home.mkdir()
    settings = home / "config"
    settings.mkdir(mode=0o700)
    return {
        **os.environ,
        "SIGHTLINE_HOME": str(home),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "FORCE_COLOR": "1",
        "LANG": "C.UTF-8",
        "PULSE_SERVER": f"unix:{folder}/none",
        "HF_HUB_OFFLINE": "1",
    }


def judge(output: bytes) -> dict[str, Any]:
    """What must not stand in the output, counted."""
    text = output.decode("utf-8", errors="replace")
    found = {name: len(re.findall(pattern, text)) for name, pattern in FORBIDDEN.items()}
    lines = text.splitlines()
    # Only "\n" ends a line of ours; a form feed would end one here too, and is counted above.
    states = [line for line in lines if re.fullmatch(f"status: ({STATES})", line)]
    return {
        "bytes": len(output),
        "lines": len(lines),
        "forbidden_bytes": sum(found.values()),
        "forbidden": found,
        "lines_without_label": [line[:80] for line in lines if not line.startswith(LABELS)],
        "states": len(states),
        "states_repeated": sum(
            one == other for one, other in zip(states, states[1:], strict=False)
        ),
    }


class _Channel:
    """A running program: lines in, bytes out, taken out by a thread of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", source: int, sink: int) -> None:
        self._process, self._source, self._sink = process, source, sink
        self._pieces: list[bytes] = []
        self._before = 0
        self._came: queue.Queue[None] = queue.Queue()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def send(self, line: str) -> None:
        """Type a line."""
        self._before = len(self.output())
        os.write(self._source, line.encode() + b"\n")

    def wait(self, text: str, limit_s: float) -> bool:
        """Wait until something was written."""
        until = time.monotonic() + limit_s
        while text.encode() not in self.output() and time.monotonic() < until:
            time.sleep(0.05)
        return text.encode() in self.output()

    def settle(self, *, endless: bool, silent: bool) -> bool:
        """Wait until a line is answered, or False after a long time."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                self._came.get(timeout=QUIET_S)
            except queue.Empty:
                output = self.output()
                works = re.search(rb"^status: (looking|thinking)\n\Z", output, re.MULTILINE)
                ready = endless or works is None
                if ready and (silent or len(output) > self._before):
                    return True
                if self._process.poll() is not None:
                    return False
        return False

    def end(self) -> int:
        """Wait for the end of the program, and return its exit code."""
        code = self._process.wait(timeout=PATIENCE_S)
        self._thread.join(5.0)
        return code

    def kill(self) -> None:
        """End a program that did not end by itself."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def output(self) -> bytes:
        """Everything that was written so far."""
        return b"".join(list(self._pieces))

    def _take(self) -> None:
        while True:
            try:
                piece = os.read(self._sink, 65536)
            except OSError:
                return  # the other end of a terminal is gone
            if not piece:
                return
            self._pieces.append(piece)
            self._came.put(None)


class Pipe(_Channel):
    """No terminal: both output streams come through one pipe."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        read_end, write_end = os.pipe()
        sink, out = os.pipe()
        process = subprocess.Popen(command, stdin=read_end, stdout=out, stderr=out, env=environment)
        os.close(read_end)
        os.close(out)
        super().__init__(process, write_end, sink)

    def begin(self) -> bool:
        """Wait for the greeting."""
        return self.wait("status: Ready", PATIENCE_S)


class Terminal(_Channel):
    """A terminal of its own, which neither echoes nor changes what is written."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        ours, theirs = pty.openpty()
        form = termios.tcgetattr(theirs)
        form[1] &= ~termios.OPOST
        # Lines longer than the 4096 bytes of its editor would be cut; control characters would
        # be signals.
        form[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        form[0] &= ~(termios.ICRNL | termios.INLCR | termios.IXON)
        termios.tcsetattr(theirs, termios.TCSANOW, form)
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        super().__init__(process, ours, ours)

    def begin(self) -> bool:
        """Answer what a first start asks at a terminal: who shall speak."""
        self.wait("Shall I speak", PATIENCE_S)
        self.send("3")
        return self.wait("I answer in text only", PATIENCE_S)


if __name__ == "__main__":
    sys.exit(main())
