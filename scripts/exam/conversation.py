"""Put the questions to the product as a program would: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from exam.cases import Case
from exam.judge import Given

PATIENCE_S = 240.0
"""Without any line from the product; a dense page is read in a fraction of it."""

Line = tuple[float, str]
Asker = Callable[[Sequence[str]], Iterator[Line]]
"""Takes all lines in, gives the lines out with the time at which each came, in seconds."""


def marker(number: int) -> str:
    """A command that does not exist: the complaint about it says that all before is answered."""
    return f"exam{number:05d}"


def lines_for(
    groups: Sequence[tuple[str, list[Case]]], place: Callable[[str], Path]
) -> tuple[list[str], list[Case]]:
    """What is written to the product, and the cases in the order in which they are asked."""
    lines: list[str] = []
    asked: list[Case] = []
    for picture, cases in groups:
        opened = False
        for case in cases:
            for question in case.get("asks", [case.get("ask")]):
                line = {"question": question}
                if not opened:
                    line["picture"] = str(place(picture))
                    opened = True
                lines.append(json.dumps(line))
            lines.append(json.dumps({"command": marker(len(asked))}))
            asked.append(case)
    return lines, asked


def answers_in(stream: Iterator[Line], cases: Sequence[Case]) -> dict[str, Given]:
    """What was said to each case, by its id; of several questions in a row, to the last.

    A case is over when its marker comes back. One that never does has no answer here.
    """
    found: dict[str, Given] = {}
    position, given, heard_at = 0, Given(), None
    for at, line in stream:
        event = json.loads(line)
        kind = event.get("event")
        if kind == "question_heard" and not event.get("partial"):
            given, heard_at = Given(), at
        elif kind == "answer_given":
            given.text = f"{given.text} {event['answer']}".strip()
            given.basis.append(str(event["basis"]))
            if heard_at is not None:
                given.seconds = at - heard_at
        elif kind == "reading_moved":
            # An order such as "read the last line" moves in the text, which is read aloud.
            given.text = f"{given.text} {event['text']}".strip()
            given.basis.append("read")
        elif kind == "error_said" and marker(position) in event["text"]:
            found[str(cases[position]["id"])] = given
            position, given, heard_at = position + 1, Given(), None
            if position == len(cases):
                break
        elif kind == "error_said" and not given.basis:
            given.text = f"{given.text} {event['text']}".strip()
            given.basis.append("error")
    return found


def asked_of_process(command: Sequence[str], environment: dict[str, str]) -> Asker:
    """Ask a process that is started for it, and ended when all is answered."""

    def ask(lines: Sequence[str]) -> Iterator[Line]:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        assert process.stdin is not None and process.stdout is not None
        came: queue.Queue[Line | None] = queue.Queue()
        into, out = process.stdin, process.stdout

        def read() -> None:
            for line in out:
                came.put((time.monotonic(), line))
            came.put(None)

        def write() -> None:
            # A process that died takes no more; its missing answers say so.
            with contextlib.suppress(BrokenPipeError):
                into.write("".join(line + "\n" for line in lines))
                into.close()

        threads = [threading.Thread(target=work, daemon=True) for work in (read, write)]
        for thread in threads:
            thread.start()
        try:
            while (line := came.get(timeout=PATIENCE_S)) is not None:
                yield line
        finally:
            process.kill()
            process.wait()
            for thread in threads:
                thread.join()
            out.close()

    return ask
