"""Lines in, lines out: plain and JSON, through a pipe, in order, and one event a line."""

import contextlib
import io
import json
import queue
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from assistant.answers import Basis
from assistant.errors import UsageError
from assistant.session.events import (
    AnswerPart,
    CameraLost,
    Closed,
    ErrorSaid,
    QuestionHeard,
    ReadingMoved,
    SettingsChanged,
    State,
    StateChanged,
    StatusSaid,
)
from assistant.session.orders import Action, Order
from assistant.ui.lines import LONGEST_LINE, Question, parse_line, run_lines
from assistant.ui.plain import event_line
from tests.assistant.fakes_session import PATIENCE_S, Scene, picture_file
from tests.assistant.made_answers import answered, given


def served(lines: str, *, as_json: bool = False, scene: Scene | None = None) -> list[str]:
    scene = scene or Scene(speech=False)
    scene.session.start()
    out = io.StringIO()
    run_lines(scene.session, io.StringIO(lines), out, as_json=as_json)
    scene.session.close()
    return out.getvalue().splitlines()


def test_lines_through_a_pipe_are_answered_one_after_the_other() -> None:
    scene = Scene(speech=False)
    lines = served("what is the total\n\n/nonsense\nand the date\n/quit\nnever\n", scene=scene)
    assert lines == [
        "status: Ready. Ask a question. For help: question mark, or /help.",
        "you: what is the total", "answer: The total is 5.50. (read)",
        "error: /nonsense: no such command; /help lists them",
        "you: and the date", "answer: The total is 5.50. (read)",
    ]  # fmt: skip
    assert [asked for asked, _ in scene.answering.asked] == ["what is the total", "and the date"]


def test_json_has_one_object_a_line_and_takes_questions_as_objects(tmp_path: Path) -> None:
    picture = picture_file(tmp_path)
    lines = served(
        json.dumps({"question": "what is the total", "picture": str(picture)})
        + '\n{"command": "set", "argument": "verbosity 2"}\nread this\n{"what": 1}\n[1\n',
        as_json=True,
    )
    found = [json.loads(line) for line in lines]
    assert [each["event"] for each in found].count("answer_given") == 3
    assert {"event": "settings_changed", "name": "verbosity", "value": 2} in found
    assert found[-1]["event"] != "closed"
    [error] = [each["text"] for each in found if each["event"] == "error_said"]
    assert error.startswith("the object has other fields than these")
    answers = [each for each in found if each["event"] == "answer_given"]
    assert answers[0]["answer"] == "The total is 5.50." and answers[0]["basis"] == "read"


@pytest.mark.parametrize("after", ["", "what is the total\n"])
def test_reading_as_you_go_through_a_pipe_ends_with_the_input(after: str) -> None:
    scene = Scene(speech=False)
    scene.answering.new_texts = ["EXIT"]
    lines = served("/live\n" + after, scene=scene)
    assert "answer: EXIT (read)" in lines
    assert ("answer: The total is 5.50. (read)" in lines) == bool(after)


class Pipe(io.StringIO):
    """Lines that come when the test sends them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.Queue[str] = queue.Queue()

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        with contextlib.suppress(queue.Empty):
            return self.lines.get(timeout=PATIENCE_S)
        return ""


class Terminal(Pipe):
    def isatty(self) -> bool:
        return True


def test_stop_through_a_pipe_does_not_wait_for_the_answer() -> None:
    scene, pipe, out = Scene(speech=False), Pipe(), io.StringIO()
    scene.answering.go.clear()
    scene.session.start()
    thread = threading.Thread(
        target=run_lines, args=(scene.session, pipe, out), kwargs={"as_json": False}
    )
    thread.start()
    pipe.lines.put("what is the total\n")
    assert scene.answering.begun.wait(PATIENCE_S)
    pipe.lines.put("/stop\n")
    pipe.lines.put("")
    thread.join(PATIENCE_S)
    scene.answering.go.set()
    assert not thread.is_alive()
    assert "answer:" not in out.getvalue() and out.getvalue().endswith("status: ready\n")
    scene.session.close()


def test_at_a_terminal_a_new_question_gives_up_the_old_one() -> None:
    scene, pipe, out = Scene(speech=False), Terminal(), io.StringIO()
    scene.answering.go.clear()
    scene.session.start()
    thread = threading.Thread(
        target=run_lines, args=(scene.session, pipe, out), kwargs={"as_json": False}
    )
    thread.start()
    pipe.lines.put("first\n")
    assert scene.answering.begun.wait(PATIENCE_S)
    pipe.lines.put("/help\n")
    pipe.lines.put("second\n")
    while "second" not in out.getvalue():
        scene.settle_only()
    scene.answering.go.set()
    while "answer:" not in out.getvalue():
        scene.settle_only()
    pipe.lines.put("/quit\n")
    thread.join(PATIENCE_S)
    assert out.getvalue().count("answer:") == 1
    assert "\n  /quit: end\n" in out.getvalue()
    scene.session.close()


def test_a_reader_that_went_away_ends_the_session() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    scene, pipe = Scene(speech=False), Pipe()
    scene.session.start()
    run_lines(scene.session, pipe, Gone(), as_json=False)
    assert not scene.session.running
    pipe.lines.put("")
    scene.session.close()


@pytest.mark.parametrize(
    "trouble", [OSError(28, "No space left on device"), OSError(5, "Input/output error")]
)
def test_events_that_cannot_be_written_end_the_session(trouble: OSError) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise trouble

    scene, pipe = Scene(speech=False), Pipe()
    scene.session.start()
    with pytest.raises(OSError) as caught:
        run_lines(scene.session, pipe, Full(), as_json=True)
    assert caught.value is trouble
    assert not scene.session.running
    pipe.lines.put("")
    scene.session.close()


def test_a_line_without_end_is_read_in_parts() -> None:
    """A pipe from /dev/zero must not fill the memory."""

    class Endless(io.StringIO):
        asked: ClassVar[list[int]] = []

        def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
            assert size is not None and 0 < size <= 1_000_000
            self.asked.append(size)
            return "\0" * size if len(self.asked) < 50 else ""

    scene, out = Scene(speech=False), io.StringIO()
    scene.session.start()
    run_lines(scene.session, Endless(), out, as_json=False)
    assert len(Endless.asked) >= 50
    assert out.getvalue().count("give at most 2000") == 1
    scene.session.close()


def test_input_that_breaks_ends_the_session() -> None:
    class Broken(io.StringIO):
        def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
            raise OSError(5, "Input/output error")

    scene = Scene(speech=False)
    scene.session.start()
    run_lines(scene.session, Broken(), io.StringIO(), as_json=False)
    assert not scene.session.running
    scene.session.close()


@pytest.mark.parametrize(
    "line",
    ['{"question": 1}', '{"question": "a", "command": "b"}', "{}", "{", '{"question": " "}']
    + ['{"a":' * 399],
)
def test_objects_of_another_form_are_refused(line: str) -> None:
    with pytest.raises(UsageError, match="give"):
        parse_line(line, as_json=True)


def test_lines_are_questions_unless_they_begin_with_a_slash() -> None:
    assert parse_line(" what is it \n", as_json=False) == [Question("what is it")]
    assert parse_line("{what}\n", as_json=False) == [Question("{what}")]
    assert parse_line("/read\n", as_json=True) == [Order(Action.READ)]
    assert parse_line("?\n", as_json=False) == [Order(Action.HELP)]
    assert parse_line(" \n", as_json=True) == []
    assert parse_line('{"command": "find", "argument": "milk"}', as_json=True) == [
        Order(Action.FIND, "milk")
    ]
    with pytest.raises(UsageError, match="2001 characters; give at most 2000"):
        parse_line("x" * (LONGEST_LINE + 1), as_json=False)


def test_the_line_of_each_event() -> None:
    seen = answered("A cup.\nIt is red.", Basis.SEEN)
    for event, line in (
        (StateChanged(State.IDLE), "status: ready"),
        (QuestionHeard("what"), "you: what"),
        (QuestionHeard("wh", partial=True), None),
        (AnswerPart("A cup."), "answer: A cup."),
        (given(seen), "answer: A cup.\n  It is red. (seen)"),
        (given(seen, in_parts=True), "status: That was all; it is what the model sees."),
        (ReadingMoved("milk", "line 1 of 2"), "answer: milk (line 1 of 2)"),
        (StatusSaid("no\x1b[2Jsound\rx"), "status: no[2Jsound x"),
        (CameraLost("gone"), "status: gone"),
        (ErrorSaid("two\nlines"), "error: two\n  lines"),
        (SettingsChanged("verbosity", 1), None),
        (Closed(), None),
    ):  # fmt: skip
        assert event_line(event) == line


def test_plain_lines_tell_a_state_only_after_two_seconds_and_json_always(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not [line for line in served("what is the total\n") if line in STATE_LINES]
    found = [json.loads(line) for line in served("what is the total\n", as_json=True)]
    assert {"event": "state_changed", "state": "thinking"} in found
    monkeypatch.setattr("assistant.ui.announcing.TOLD_AFTER_S", 0.2)
    scene = Scene(speech=False)
    scene.answering.go.clear()
    threading.Timer(0.8, scene.answering.go.set).start()
    lines = served("what is the total\n", scene=scene)
    assert lines[1:] == [
        "you: what is the total", "status: thinking", "answer: The total is 5.50. (read)"
    ]  # fmt: skip


STATE_LINES = {f"status: {state}" for state in ("looking", "thinking", "ready", "speaking")}


def test_no_answer_is_an_empty_line() -> None:
    scene = Scene(speech=False)
    scene.answering.pieces = ["Dear Sir.", "Pay.", answered("Dear Sir. Pay.", Basis.READ)]
    assert served("/read\n", scene=scene)[1:] == [
        "answer: Dear Sir.", "answer: Pay.", "status: That was all; it is read from the picture."
    ]  # fmt: skip
