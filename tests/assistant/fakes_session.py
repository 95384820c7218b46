"""Stand-ins for the parts of a session: they remember what they were told, and wait on command."""

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from assistant.answers import Answer, Basis, Cancelled, Context, Piece
from assistant.errors import CameraError, UsageError
from assistant.frames import Frame
from assistant.hearing.listener import Heard, HeardCallback, HeardKind
from assistant.hearing.recognizer import Transcript
from assistant.session.events import Event, State, StateChanged
from assistant.session.protocols import Kept
from assistant.session.session import Session
from assistant.settings.settings import Settings
from assistant.speech.speaker import (
    Earcon,
    SpeechCallback,
    SpeechEvent,
    SpeechEventKind,
    Utterance,
)
from tests.assistant.made_answers import answered, total

PATIENCE_S = 5.0


def frame() -> Frame:
    return Frame(np.zeros((4, 6, 3), np.uint8), time.monotonic())


class FakeCamera:
    def __init__(self) -> None:
        self.taken = 0
        self.error: str | None = None

    def latest(self, max_age_s: float) -> Frame:
        assert max_age_s <= 2
        if self.error is not None:
            raise CameraError(self.error)
        self.taken += 1
        return frame()

    def close(self) -> None: ...


class FakeAnswering:
    """Answers at once, or when `go` is set; `begun` tells that it was asked."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = [total()]
        self.go = threading.Event()
        self.go.set()
        self.begun = threading.Event()
        self.asked: list[tuple[str, Context]] = []
        self.frames: list[Frame] = []
        self.prepared: list[Frame] = []
        self.new_texts = ["EXIT", "", "Platform 4"]
        self.problems: list[str] = []
        self.near: float | None = None
        self.spoken: list[str] = []
        self.left = 0
        self.page = ""

    def prepare(self, frame: Frame, cancelled: Cancelled) -> None:
        self.prepared.append(frame)

    def problem(self, frame: Frame, question: str, context: Context) -> Answer | None:
        return answered(self.problems.pop(0), Basis.UNKNOWN) if self.problems else None

    def nearness(self, frame: Frame, question: str) -> float | None:
        return self.near

    def answer(
        self, frame: Frame, question: str, context: Context, cancelled: Cancelled
    ) -> Iterator[Piece]:
        self.asked.append((question, context))
        self.frames.append(frame)
        self.begun.set()
        for piece in self.pieces:
            assert self.go.wait(PATIENCE_S)
            yield piece

    def read(self, frame: Frame, cancelled: Cancelled) -> Iterator[Piece]:
        return self.answer(frame, "read this", Context(), cancelled)

    def double_check(
        self, frame: Frame, question: str, context: Context, cancelled: Cancelled
    ) -> Iterator[Piece]:
        return self.answer(frame, f"again: {question}", context, cancelled)

    def new_text(self, frame: Frame, cancelled: Cancelled) -> Answer | None:
        text = self.new_texts.pop(0) if self.new_texts else ""
        return answered(text) if text else None

    def whole_text(self, frame: Frame, cancelled: Cancelled) -> str:
        return self.page

    def examples(self, frame: Frame | None, cancelled: Cancelled) -> tuple[str, ...]:
        return ("What is this?", "anything" if frame is None else "this picture")

    def leave_picture(self) -> None:
        self.left += 1

    def heard(self, sentence: str) -> None:
        self.spoken.append(sentence)

    def navigate(self, order: str, argument: str) -> tuple[str, str]:
        assert self.go.wait(PATIENCE_S)
        if order == "find":
            raise UsageError(f"{argument} is not in the text")
        return f"{order} {argument}".strip(), "line 1 of 2"


class FakeSpeaker:
    """Speaks until `finish` is called."""

    def __init__(self) -> None:
        self.on_event: SpeechCallback | None = None
        self.said: list[str] = []
        self.earcons: list[Earcon] = []
        self.calls: list[str] = []
        self.is_speaking = False

    def say(self, utterance: Utterance) -> None:
        self.said.append(utterance.text)
        self.is_speaking = True

    def start(self, sentence: str = "") -> None:
        self._tell(SpeechEventKind.STARTED, sentence)

    def finish(self) -> None:
        self.is_speaking = False
        self._tell(SpeechEventKind.FINISHED)

    def fail(self, text: str) -> None:
        self.is_speaking = False
        self._tell(SpeechEventKind.FAILED, text)

    def _tell(self, kind: SpeechEventKind, text: str = "") -> None:
        assert self.on_event is not None
        self.on_event(SpeechEvent(kind, text))

    def stop(self) -> None:
        self.calls.append("stop")
        self.is_speaking = False

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def set_rate(self, wpm: int) -> None:
        self.calls.append(f"rate {wpm}")

    def set_volume(self, percent: int) -> None:
        self.calls.append(f"volume {percent}")

    def set_voice(self, name: str | None) -> None:
        self.calls.append(f"voice {name}")

    def earcon(self, earcon: Earcon) -> None:
        self.earcons.append(earcon)

    def close(self) -> None: ...


class FakeListener:
    def __init__(self) -> None:
        self.on_heard: HeardCallback | None = None
        self.calls: list[str] = []

    def hear(self, kind: HeardKind, text: str = "", message: str = "") -> None:
        assert self.on_heard is not None
        transcript = Transcript(text, 1.0, "fake") if text else None
        self.on_heard(Heard(kind, transcript, message))

    def start(self) -> None:
        self.calls.append("start")

    def listen_for_stop(self) -> None:
        self.calls.append("listen for stop")

    def finish(self) -> None:
        self.calls.append("finish")

    def cancel(self) -> None:
        self.calls.append("cancel")

    def close(self) -> None: ...


class FakeNotebook:
    def __init__(self) -> None:
        self.kept: list[Kept] = []

    def remember(self, name: str, text: str, frame: Frame | None) -> None:
        self.kept.append(Kept(len(self.kept) + 1, name, text))

    def everything(self) -> list[Kept]:
        return self.kept

    def seen_before(self, frame: Frame) -> list[Kept]:
        return [dataclasses.replace(kept, why="It looks the same.") for kept in self.kept]

    def search(self, query: str) -> list[Kept]:
        return [kept for kept in self.kept if query in kept.name]

    def named(self, name: str) -> list[Kept]:
        return [kept for kept in self.kept if kept.name == name]

    def forget(self, number: int) -> None:
        self.kept = [kept for kept in self.kept if kept.number != number]

    def forget_all(self) -> None:
        self.kept = []


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Scene:
    """A session with fakes around it, its events taken out by the test."""

    def __init__(
        self, *, picture: bool = True, speech: bool = True, memory: bool = True, **settings: Any
    ) -> None:
        self.answering = FakeAnswering()
        self.camera = FakeCamera()
        self.speaker = FakeSpeaker()
        self.listener = FakeListener()
        self.notebook = FakeNotebook()
        self.clock = Clock()
        self.saved: list[str] = []
        self.session = Session(
            self.answering,
            settings=Settings(**{"speech_mode": "voice", **settings}),
            speaker=self.speaker if speech else None,
            listener=self.listener,
            frames=self.camera if picture else None,
            memory=self.notebook if memory else None,
            save=lambda settings, name: self.saved.append(name),
            clock=self.clock,
        )

    def start(self, **options: bool) -> "Scene":
        self.session.start(**options)
        self.idle()
        self.events()
        self.speaker.calls.clear()
        self.speaker.said.clear()
        return self

    def until(self, happened: Callable[[Event], bool]) -> list[Event]:
        """Take events out until one is as wanted."""
        found = []
        while True:
            found.append(self.session.events.get(timeout=PATIENCE_S))
            if happened(found[-1]):
                return found

    def until_state(self, state: State) -> list[Event]:
        return self.until(lambda event: event == StateChanged(state))

    def events(self) -> list[Event]:
        """Take out what is there now."""
        found = []
        while not self.session.events.empty():
            found.append(self.session.events.get_nowait())
        return found

    def settle(self) -> list[Event]:
        """Let every message that was sent be handled, and take the events out."""
        self.settle_only()
        return self.events()

    def settle_only(self) -> None:
        """Let every message that was sent be handled; a front end takes the events out."""
        done: queue.Queue[None] = queue.Queue(1)
        # The state is settled after a message; the second one comes after that.
        for _ in range(2):
            self.session.post(lambda: done.put(None))
            done.get(timeout=PATIENCE_S)

    def idle(self) -> list[Event]:
        """Wait until nothing is being done."""
        done: queue.Queue[None] = queue.Queue(1)
        self.session.when_idle(done)
        done.get(timeout=PATIENCE_S)
        return self.events()


def picture_file(folder: Path) -> Path:
    from PIL import Image

    path = folder / "a picture.png"
    Image.new("RGB", (60, 40), "red").save(path)
    return path
