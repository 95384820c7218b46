"""Lines from standard input to a session, and its events to standard output.

Two threads: this one reads lines, another writes events, so that a slow reader at the other end
never keeps an order from the session.
"""

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from assistant.errors import AssistantError, UsageError
from assistant.session.events import Closed, Event
from assistant.session.orders import Action, Order, parse_command
from assistant.session.session import Session
from assistant.ui.announcing import Announcer
from assistant.ui.plain import print_event
from models.files.bounded import parse_json

LONGEST_LINE = 2000
"""Characters; a longer line is no question, and its echo would be read aloud for minutes."""

MOST_READ = 100_000
"""Characters of one line that are kept, so that a line without end does not fill the memory."""

MOST_LINES = 1000
"""Lines that are read ahead."""

LOOK_EVERY_S = 0.2
"""How often a wait looks whether the session has ended."""

_AT_ONCE = frozenset({Action.STOP, Action.PAUSE, Action.RESUME})
"""Orders that never wait for a line before them."""

Write = Callable[[Event, TextIO], None]


@dataclass(frozen=True, slots=True)
class Question:
    """A line that is no order."""

    text: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that cannot be followed, and why."""

    text: str


def run_lines(session: Session, source: TextIO, out: TextIO, *, as_json: bool) -> None:
    """Serve a session until `/quit`, the end of the input, or Ctrl+C.

    At a terminal a new line gives up what is being done. Through a pipe all lines are there at
    once, so each waits until the one before is answered; `/stop` never waits. Reading as you go
    is ended by the next line, or by the end of the input, once it has looked for the first time.

    Raises:
        OSError: events cannot be written, as on a full disk; a reader that has gone is none.
    """
    write: Write = write_json if as_json else print_event
    lost: list[OSError] = []
    announcer = None if as_json else Announcer()
    writer = threading.Thread(
        target=_write_events, args=(session, out, write, announcer, lost), daemon=True
    )
    writer.start()
    try:
        _serve(session, source, as_json, in_turn=not source.isatty())
    finally:
        session.quit()
        writer.join()
    if lost:
        raise lost[0]


def write_json(event: Event, out: TextIO) -> None:
    """Write an event as one JSON object a line."""
    unicode = (getattr(out, "encoding", None) or "").lower().startswith("utf")
    out.write(json.dumps(event.to_json(), ensure_ascii=not unicode) + "\n")
    out.flush()


def parse_line(line: str, *, as_json: bool) -> list[Order | Question]:
    """What a line asks for; an empty line asks for nothing.

    With as_json, a line may be an object: {"question": "...", "picture": "..."},
    with "page": 2 for a page of a PDF, or {"command": "open", "argument": "..."}.

    Raises:
        UsageError: no such command, or an object of another form.
    """
    text = line.strip()
    if len(text) > LONGEST_LINE:
        raise UsageError(f"the line has {len(text)} characters", f"give at most {LONGEST_LINE}")
    if not text:
        return []
    if text == "?":
        # The key for help of the full screen, where it is a line.
        return [Order(Action.HELP)]
    if as_json and text.startswith("{"):
        return _parse_object(text)
    return [parse_command(text)] if text.startswith("/") else [Question(text)]


def _parse_object(text: str) -> list[Order | Question]:
    form = 'give {"question": "..."} or {"command": "open", "argument": "..."}'
    try:
        given: dict[str, Any] = parse_json(text)
    except ValueError as error:
        raise UsageError(f"the line is not JSON ({error})", form) from error
    page = given.pop("page", 1)
    unknown = set(given) - {"question", "picture", "command", "argument"}
    texts = all(isinstance(value, str) for value in given.values())
    if unknown or not texts or ("question" in given) == ("command" in given):
        raise UsageError("the object has other fields than these", form)
    if type(page) is not int or page < 1 or (page > 1 and "picture" not in given):
        raise UsageError('"page" is a whole number from 1, beside "picture"', form)
    found: list[Order | Question] = []
    if "picture" in given:
        found.append(Order(Action.OPEN, str(Path(given["picture"])), page))
    if "question" in given:
        if not given["question"].strip():
            # A program would wait for the answer to nothing.
            raise UsageError("the question is empty", form)
        return [*found, Question(given["question"])]
    return [*found, parse_command(f"/{given['command']} {given.get('argument', '')}")]


def _serve(session: Session, source: TextIO, as_json: bool, *, in_turn: bool) -> None:
    """Pass lines on until the input ends, or the session does, such as by a spoken "quit".

    A thread of its own waits for input. in_turn: each line waits for the one before, but for
    orders such as `/stop`, which the thread passes on at once.
    """
    lines: queue.Queue[Order | Question | Wrong | None] = queue.Queue(MOST_LINES)

    def read_ahead() -> None:
        for line in _lines_of(source):
            for asked in _parsed(line, as_json):
                if isinstance(asked, Order) and asked.action in _AT_ONCE:
                    session.do(asked)
                else:
                    lines.put(asked)
        lines.put(None)

    threading.Thread(target=read_ahead, name="input", daemon=True).start()
    if in_turn:
        # A first line must not give up what the session does at its start.
        _wait_until_idle(session)
    while session.running:
        with contextlib.suppress(queue.Empty):
            asked = lines.get(timeout=LOOK_EVERY_S)
            if asked is None or (isinstance(asked, Order) and asked.action is Action.QUIT):
                return
            _pass_on(session, asked)
            if in_turn:
                _wait_until_idle(session)


def _lines_of(source: TextIO) -> Iterator[str]:
    """The lines of the input, each cut where nobody would listen on; none where it is closed."""
    with contextlib.suppress(OSError, ValueError):
        while line := source.readline(MOST_READ):
            yield line
            while len(line) == MOST_READ and not line.endswith("\n"):
                line = source.readline(MOST_READ)


def _wait_until_idle(session: Session) -> None:
    idle: queue.Queue[None] = queue.Queue(1)
    session.when_idle(idle)
    while session.running:
        with contextlib.suppress(queue.Empty):
            return idle.get(timeout=LOOK_EVERY_S)


def _parsed(line: str, as_json: bool) -> Iterator[Order | Question | Wrong]:
    try:
        yield from parse_line(line, as_json=as_json)
    except AssistantError as error:
        yield Wrong(str(error))


def _pass_on(session: Session, asked: Order | Question | Wrong) -> None:
    if isinstance(asked, Order):
        session.do(asked)
    elif isinstance(asked, Question):
        session.ask(asked.text)
    else:
        session.fail(asked.text)


def _shown(session: Session, announcer: Announcer | None) -> Iterator[Event]:
    """The session's events as they come, those that an announcer holds back later or never."""
    while True:
        event: Event | None
        try:
            event = session.events.get(timeout=announcer.seconds_to_next() if announcer else None)
        except queue.Empty:
            event = announcer.due() if announcer else None
        else:
            if isinstance(event, Closed):
                return
            event = announcer.take(event) if announcer else event
        if event is not None:
            yield event


def _write_events(
    session: Session,
    out: TextIO,
    write: Write,
    announcer: Announcer | None,
    lost: list[OSError],
) -> None:
    reader_is_gone = False
    for event in _shown(session, announcer):
        if reader_is_gone:
            continue
        try:
            write(event, out)
        except (OSError, ValueError) as error:
            # Whoever read the output has seen enough, or nothing more can be written: the session
            # ends, its events go nowhere.
            reader_is_gone = True
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                lost.append(error)
            session.quit()
