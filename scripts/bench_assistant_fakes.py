"""Stand-ins for the devices of a session, for a simulation that must be quick and repeatable."""

import collections
import itertools
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.audio import AudioClip
from assistant.errors import CameraError
from assistant.frames import Frame
from assistant.hearing.recognizer import AudioChunk, Transcript
from assistant.seeing.quality import check_quality
from assistant.seeing.text import TextLine, TextPart, never
from assistant.session.events import (
    AnswerGiven,
    AnswerPart,
    Closed,
    ErrorSaid,
    Event,
    QuestionHeard,
    State,
    StateChanged,
)
from assistant.session.protocols import Kept
from models.pictures import load_picture
from models.pocket.training.pictures import Example, Split, render

RECEIPTS, DRAWINGS = 4, 4
AT_ONCE = 8
"""Lines that a text recognizer gives at once."""

CLIP_S = 0.001
"""How long a sentence sounds here."""

Picture = NDArray[np.uint8]


class Clock:
    """Seconds that only grow, and jump ahead when told so."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead_s

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead_s += seconds


class Camera:
    """Shows one picture until it is turned to the next; each frame is a new one, as a camera's."""

    def __init__(self, receipts: Path, clock: Clock) -> None:
        self._clock = clock
        self.lost = False
        shown: list[tuple[Picture, tuple[TextLine, ...], tuple[str, ...]]] = []
        for listed in sorted(receipts.glob("*.box.csv"))[:RECEIPTS]:
            picture = load_picture(listed.with_name(listed.name.replace(".box.csv", ".jpg")))
            shown.append((picture, recorded_lines(listed), ()))
        for drawn in itertools.islice(good_drawings(), DRAWINGS):
            asked = tuple(item.question for item in drawn.questions)
            shown.append((drawn.rgb, (), asked))
        self._shown = itertools.cycle(shown)
        self.turn_to_next()

    def turn_to_next(self) -> None:
        """Look at the next picture."""
        self._picture, self.lines, self.questions = next(self._shown)

    def latest(self, max_age_s: float) -> Frame:
        """A new frame of the picture."""
        if self.lost:
            raise CameraError("The camera is lost: it was unplugged")
        return Frame(self._picture.copy(), self._clock())

    def close(self) -> None: ...


def good_drawings() -> Iterator[Example]:
    """Drawings that the pocket model is asked about; before a bad one, a question would wait."""
    for seed in itertools.count():
        drawn = render(seed, Split.HELD_OUT, ("count", "colour")[seed % 2])
        if check_quality(drawn.rgb) is None:
            yield drawn


def recorded_lines(listed: Path) -> tuple[TextLine, ...]:
    """The lines of a receipt with their boxes, as they are published with it."""
    found = []
    for row in listed.read_text(encoding="utf-8", errors="replace").splitlines():
        values = row.split(",", 8)
        if len(values) == 9:
            x0, y0, x1, y1, x2, y2, x3, y3 = (float(value) for value in values[:8])
            box = ((x0, y0), (x1, y1), (x2, y2), (x3, y3))
            found.append(TextLine(values[8], box, 0.95))
    return tuple(found)


class RecordedReader:
    """Gives the lines of what the camera shows; of another view of it, the same ones."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera

    def load(self) -> None: ...

    def read(self, rgb: Picture) -> tuple[TextLine, ...]:
        """All lines at once."""
        # A reader that looks at every pixel: what it touches is part of the memory in use.
        zlib.crc32(rgb)
        return self._camera.lines

    def parts(
        self, rgb: Picture, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        """A few lines at a time."""
        lines = self.read(rgb)
        if not lines:
            yield TextPart((), 0)
        for start in range(0, len(lines), AT_ONCE):
            if cancelled():
                return
            part = lines[start : start + AT_ONCE]
            yield TextPart(part, max(0, len(lines) - start - AT_ONCE))


class Microphone:
    """A room in which somebody speaks for half a second whenever the microphone is opened."""

    def __init__(self) -> None:
        self._blocks = 0

    def open(self) -> None:
        self._blocks = 0

    def read(self) -> AudioChunk:
        """The next block of 32 ms, at once."""
        self._blocks += 1
        level = 3000 if self._blocks < 16 else 1
        return AudioChunk(np.full(512, level, np.int16), time.monotonic())

    def close(self) -> None: ...


class Sure:
    """A detector that is always right about that microphone."""

    def probability(self, samples: NDArray[np.int16]) -> float:
        return 1.0 if int(samples[0]) > 1000 else 0.0

    def reset(self) -> None: ...


class Scripted:
    """A recognizer that hears what it was told to."""

    name = "scripted"

    def __init__(self) -> None:
        self._text = ""

    def say(self, text: str) -> None:
        """What will be heard next."""
        self._text = text

    def recognize(self, clip: AudioClip) -> Transcript | None:
        return Transcript(self._text, 1.0, self.name)

    def begin(self, *, stop_only: bool = False) -> None: ...

    def accept(self, chunk: AudioChunk) -> str:
        return ""

    def cancel(self) -> None: ...

    def finish(self) -> Transcript | None:
        return Transcript(self._text, 1.0, self.name)

    def close(self) -> None: ...


class SpeechEngine:
    """Every sentence sounds alike."""

    def start(self) -> None: ...

    def synthesize(self, text: str) -> AudioClip:
        # About as much sound as a sentence has, so that memory is used as it would be.
        return AudioClip(np.zeros(22_050 * 2, np.int16), 22_050)

    def set_rate(self, wpm: int) -> None: ...
    def set_voice(self, name: str | None) -> None: ...
    def close(self) -> None: ...


class Loudspeaker:
    """Plays every clip in no time, and tells from a thread of its own when it is over."""

    def __init__(self) -> None:
        self._playing: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="sound card", daemon=True)
        self._thread.start()

    def start(self, clip: AudioClip, when_over: Callable[[], None] | None = None) -> None:
        self._playing.put(when_over or (lambda: None))

    def signal(self, clip: AudioClip) -> None: ...
    def stop(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def set_volume(self, percent: int) -> None: ...
    def check(self) -> None: ...
    def find_again(self) -> None: ...

    def close(self) -> None:
        self._playing.put(None)

    def _run(self) -> None:
        while (over := self._playing.get()) is not None:
            time.sleep(CLIP_S)
            over()


class _Notebook:
    def __init__(self) -> None:
        self._kept: list[Kept] = []

    def remember(self, name: str, text: str, frame: Frame | None) -> None:
        self._kept.append(Kept(len(self._kept) + 1, name, text))

    def everything(self) -> list[Kept]:
        return self._kept

    def search(self, query: str) -> list[Kept]:
        return [kept for kept in self._kept if query in kept.name]

    def forget(self, number: int) -> None:
        self._kept = [kept for kept in self._kept if kept.number != number]

    def forget_all(self) -> None:
        self._kept = []


def notebook() -> Any:
    """A memory that is in this process only."""
    return _Notebook()


class Witness:
    """Takes the events out as a front end does, and counts them; keeps none of them."""

    def __init__(self, events: "queue.Queue[Event]") -> None:
        self._events = events
        self._state = State.IDLE
        self._lock = threading.Condition()
        self._kinds: collections.Counter[str] = collections.Counter()
        self._errors: collections.Counter[str] = collections.Counter()
        self._twice = 0
        self._broken: list[str] = []
        self._answered = False
        threading.excepthook = self._thread_broke
        threading.Thread(target=self._run, name="witness", daemon=True).start()

    @property
    def questions(self) -> int:
        """Questions and orders that were shown."""
        return self._kinds["QuestionHeard"]

    @property
    def pieces(self) -> int:
        """Answers, and sentences of answers."""
        return self._kinds["AnswerGiven"] + self._kinds["AnswerPart"]

    def cameras(self) -> tuple[int, int]:
        """How often the camera was announced as lost, and as back."""
        return self._kinds["CameraLost"], self._kinds["CameraBack"]

    def wait_for_answer(self, limit_s: float) -> bool:
        """Wait for the first piece of an answer to the question that was asked last."""
        with self._lock:
            return self._lock.wait_for(lambda: self._answered, limit_s)

    def wait_for_question(self, number: int, limit_s: float) -> bool:
        """Wait until so many questions were shown."""
        with self._lock:
            return self._lock.wait_for(lambda: self.questions >= number, limit_s)

    def has_caught_up_idle(self) -> bool:
        """Take out what is waiting; True if the state that was announced last is IDLE."""
        with self._lock:
            return self._lock.wait_for(
                lambda: not self._events.unfinished_tasks and self._state is State.IDLE,
                timeout=2.0,
            )

    def report(self) -> dict[str, Any]:
        """What was counted."""
        unexpected = [text for text in self._errors if text.startswith("unexpected failure")]
        return {
            "events": dict(self._kinds),
            "states_announced_twice": self._twice,
            "unexpected_failures": len(self._broken) + sum(self._errors[t] for t in unexpected),
            "failures": (self._broken + unexpected)[:10],
            "errors_said": dict(self._errors.most_common(12)),
        }

    def _thread_broke(self, arguments: "threading.ExceptHookArgs") -> None:
        self._broken.append(f"{arguments.exc_type.__name__}: {arguments.exc_value}")

    def _run(self) -> None:
        while not isinstance(event := self._events.get(), Closed):
            with self._lock:
                self._count(event)
                self._events.task_done()
                self._lock.notify_all()

    def _count(self, event: Event) -> None:
        self._kinds[type(event).__name__] += 1
        if isinstance(event, StateChanged):
            self._twice += event.state is self._state
            self._state = event.state
        elif isinstance(event, QuestionHeard):
            self._answered = False
        elif isinstance(event, AnswerGiven | AnswerPart):
            self._answered = True
        elif isinstance(event, ErrorSaid):
            self._errors[event.text[:100]] += 1
            self._answered = True  # nothing more comes of this question
