"""What must hold at one moment: which frame is asked about, how silence is bridged, a pause."""

import dataclasses
import io
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from assistant.frames import Frame
from assistant.hearing.listener import HeardKind
from assistant.session import phrases
from assistant.session.events import AnswerGiven, ErrorSaid, State, StatusSaid
from assistant.session.orders import Action, Order
from assistant.session.state import EARCON_AFTER_S, WORDS_AFTER_S, WORDS_EVERY_S, Waiting
from assistant.speech.speaker import Earcon
from assistant.ui.lines import run_lines
from tests.assistant.fakes_session import PATIENCE_S, Clock, Scene, picture_file
from tests.assistant.fakes_sound import wait_until

HOURS_S = 8 * 3600.0


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene().start()
    yield made
    made.answering.go.set()
    made.session.close()


# The frame of the talk key


def talk(scene: Scene) -> Frame:
    """Press the talk key, and return the frame that was taken for what will be said."""
    before = len(scene.answering.prepared)
    scene.session.talk()
    scene.until_state(State.LISTENING)
    wait_until(lambda: len(scene.answering.prepared) > before)
    scene.settle()
    return scene.answering.prepared[-1]


def answered_from(scene: Scene) -> Frame:
    """Wait for the answer, and return the frame that it was found in."""
    scene.until(lambda event: isinstance(event, AnswerGiven))
    return scene.answering.frames[-1]


def test_the_frame_of_a_talk_key_serves_only_the_question_that_was_spoken_then(
    scene: Scene,
) -> None:
    ahead = talk(scene)
    scene.listener.hear(HeardKind.FINAL, "what is the total")
    assert answered_from(scene) is ahead
    scene.session.ask("what is the date")
    assert answered_from(scene) is not ahead, "a question later, another thing may be in view"
    assert scene.camera.taken == 2


@pytest.mark.parametrize("kind", [HeardKind.REJECTED, HeardKind.FAILED, None])
def test_a_talk_key_without_a_question_leaves_no_frame_behind(
    scene: Scene, kind: HeardKind | None
) -> None:
    ahead = talk(scene)
    if kind is None:
        scene.session.stop()
    else:
        scene.listener.hear(kind, message="I heard nothing.")
    scene.until_state(State.IDLE)
    scene.session.ask("what is the total")
    assert answered_from(scene) is not ahead


def test_each_talk_key_takes_a_frame_of_its_own(scene: Scene) -> None:
    first = talk(scene)
    scene.session.stop()
    scene.until_state(State.IDLE)
    second = talk(scene)
    scene.listener.hear(HeardKind.FINAL, "what is the total")
    assert second is not first and answered_from(scene) is second


def test_a_talk_key_without_a_frame_does_not_fall_back_on_the_one_before(scene: Scene) -> None:
    first = talk(scene)
    scene.session.stop()
    scene.until_state(State.IDLE)
    scene.camera.error = "the camera is lost"
    scene.session.talk()
    scene.until_state(State.LISTENING)
    scene.settle()
    scene.camera.error = None
    scene.listener.hear(HeardKind.FINAL, "what is the total")
    assert answered_from(scene) is not first


def test_a_question_that_took_too_long_is_about_what_is_in_view_now(scene: Scene) -> None:
    real = scene.camera.latest

    def long_ago(max_age_s: float) -> Frame:
        return dataclasses.replace(real(max_age_s), captured_at=time.monotonic() - 60.0)

    scene.camera.latest = long_ago  # type: ignore[method-assign]
    ahead = talk(scene)
    scene.camera.latest = real  # type: ignore[method-assign]
    scene.listener.hear(HeardKind.FINAL, "what is the total")
    used = answered_from(scene)
    assert used is not ahead and time.monotonic() - used.captured_at < 2.0


def test_a_kept_question_is_about_the_picture_that_was_opened_for_it(
    scene: Scene, tmp_path: Any
) -> None:
    talk(scene)
    scene.session.stop()
    scene.camera.error = "the camera is gone"
    scene.session.ask("what is the total")
    # Being idle is no sign: the stop before it was that, too.
    scene.until(lambda event: isinstance(event, ErrorSaid))
    scene.session.open_picture(picture_file(tmp_path))
    assert answered_from(scene).rgb.shape == (40, 60, 3)


# How a silence is bridged


def test_waiting_gives_one_signal_after_a_sleep_and_no_more_until_its_time() -> None:
    clock = Clock()
    waiting = Waiting(clock)
    waiting.start()
    clock.now_s += HOURS_S
    assert [waiting.due() for _ in range(50)] == ["words"] + [None] * 49
    next_s = waiting.seconds_to_next()
    assert next_s == pytest.approx(WORDS_EVERY_S)
    clock.now_s += WORDS_EVERY_S - 0.1
    assert waiting.due() is None
    clock.now_s += 0.2
    assert [waiting.due(), waiting.due()] == ["words", None]


def test_a_sleep_before_the_first_sound_gives_words_and_not_the_sound_as_well() -> None:
    clock = Clock()
    waiting = Waiting(clock)
    waiting.start()
    clock.now_s += EARCON_AFTER_S / 2
    assert waiting.due() is None
    clock.now_s += WORDS_AFTER_S
    assert [waiting.due() for _ in range(3)] == ["words", None, None]


def test_a_machine_that_wakes_up_says_once_that_it_is_still_working(scene: Scene) -> None:
    scene.answering.go.clear()
    scene.session.ask("what is the total")
    scene.until_state(State.THINKING)
    for slept_s in (HOURS_S, HOURS_S):
        scene.speaker.said.clear()
        scene.speaker.earcons.clear()
        scene.clock.now_s += slept_s
        events = [event for _ in range(20) for event in scene.settle()]
        [said] = [event.text for event in events if isinstance(event, StatusSaid)]
        assert said.startswith(phrases.STILL_WORKING)
        assert scene.speaker.said == [said] and Earcon.WORKING not in scene.speaker.earcons


# Pause and resume


def test_pause_and_resume_reach_the_speaker_while_an_answer_is_still_being_found(
    scene: Scene,
) -> None:
    scene.answering.go.clear()
    scene.session.ask("what is the total")
    scene.until_state(State.THINKING)
    scene.speaker.calls.clear()
    for action in (Action.PAUSE, Action.RESUME, Action.PAUSE):
        scene.session.do(Order(action))
    scene.settle()
    assert scene.speaker.calls == ["pause", "resume", "pause"]
    assert scene.session.state is State.THINKING, "the answer is still wanted"


class Typed(io.StringIO):
    """Lines that come through a pipe when the test lets them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.Queue[str] = queue.Queue()

    def readline(self, size: int | None = -1, /) -> str:
        return self.lines.get(timeout=PATIENCE_S)


def test_a_line_that_pauses_or_resumes_does_not_wait_for_the_answer_before_it() -> None:
    scene = Scene()
    scene.answering.go.clear()
    scene.session.start()
    typed = Typed()
    served = threading.Thread(
        target=run_lines, args=(scene.session, typed, io.StringIO()), kwargs={"as_json": False}
    )
    served.start()
    try:
        wait_until(lambda: scene.speaker.said)
        scene.speaker.finish()
        typed.lines.put("what is the total\n")
        assert scene.answering.begun.wait(PATIENCE_S)
        scene.speaker.calls.clear()
        for line in ("/pause", "/resume", "/pause"):
            typed.lines.put(f"{line}\n")
        wait_until(lambda: len(scene.speaker.calls) == 3)
        assert scene.speaker.calls == ["pause", "resume", "pause"]
        assert len(scene.answering.asked) == 1 and not scene.answering.go.is_set()
    finally:
        scene.answering.go.set()
        typed.lines.put("/stop\n")
        typed.lines.put("")
        served.join(PATIENCE_S)
        scene.session.close()
    assert not served.is_alive()
