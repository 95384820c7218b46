"""Which states are printed: only what a user would otherwise not know, and only when it is late."""

from assistant.session.events import (
    Event,
    QuestionHeard,
    SettingsChanged,
    State,
    StateChanged,
    StatusSaid,
)
from assistant.ui.announcing import Announcer
from tests.assistant.fakes_session import Clock
from tests.assistant.made_answers import given, total

ASKED = QuestionHeard("what is the total")
ANSWER = given(total())


def states(*names: str) -> list[StateChanged]:
    return [StateChanged(State(name)) for name in names]


LOOKING, THINKING, SPEAKING, IDLE, LISTENING = states(
    "looking", "thinking", "speaking", "idle", "listening"
)


def shown(announcer: Announcer, *events: Event) -> list[Event]:
    return [event for event in map(announcer.take, events) if event is not None]


def test_a_quick_answer_stands_alone() -> None:
    announcer = Announcer(Clock())
    told = shown(announcer, ASKED, LOOKING, THINKING, ANSWER, SPEAKING, IDLE)
    assert told == [ASKED, ANSWER]
    assert announcer.seconds_to_next() is None and announcer.due() is None


def test_a_long_wait_is_told_once_it_is_long_and_its_next_step_at_once() -> None:
    clock = Clock()
    announcer = Announcer(clock)
    assert shown(announcer, ASKED, LOOKING) == [ASKED]
    clock.now_s += 1.5
    assert announcer.due() is None and announcer.seconds_to_next() == 0.5
    clock.now_s += 0.5
    assert announcer.due() == LOOKING and announcer.due() is None
    assert shown(announcer, THINKING) == [THINKING]
    # The answer says itself that it is the user's turn.
    assert shown(announcer, ANSWER, IDLE) == [ANSWER]


def test_the_wait_begins_with_the_first_of_its_states() -> None:
    clock = Clock()
    announcer = Announcer(clock)
    shown(announcer, ASKED, LOOKING)
    clock.now_s += 1.9
    shown(announcer, THINKING)
    clock.now_s += 0.2
    assert announcer.due() == THINKING


def test_what_was_given_up_is_ready_again() -> None:
    announcer = Announcer(Clock())
    assert shown(announcer, ASKED, LOOKING, IDLE) == [ASKED, IDLE]
    assert shown(announcer, LISTENING, IDLE) == [LISTENING, IDLE]
    assert shown(announcer, StatusSaid("Ready."), LOOKING, IDLE) == [StatusSaid("Ready.")]


def test_a_setting_or_half_a_question_breaks_no_silence() -> None:
    clock = Clock()
    announcer = Announcer(clock)
    shown(announcer, ASKED, LOOKING, SettingsChanged("verbosity", 1), QuestionHeard("wh", True))
    clock.now_s += 2
    assert announcer.due() == LOOKING
