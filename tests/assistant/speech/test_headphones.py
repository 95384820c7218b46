"""With headphones a spoken stop is heard while Sightline speaks, and nothing else is."""

import time
from collections.abc import Iterator

import pytest

from assistant.hearing.listener import Heard, HeardKind
from assistant.session import phrases
from assistant.session.events import ErrorSaid, QuestionHeard, SettingsChanged, State, StatusSaid
from tests.assistant.fakes_session import Scene
from tests.assistant.fakes_sound import QUESTION_LEVEL, STOP_LEVEL, FakeMicrophone, wait_until
from tests.assistant.hearing.test_listening import Rig

MISSING = "no microphone was found; plug one in"
QUIET = 10


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene(speech_headphones=True).start()
    scene.listener.calls.clear()
    yield scene
    scene.answering.go.set()
    scene.session.close()


def speak(scene: Scene) -> None:
    """An answer is being spoken."""
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    scene.listener.calls.clear()
    scene.speaker.start("The total is 5.50.")
    scene.settle()


def test_it_is_off_until_it_is_wanted_and_switched_by_voice() -> None:
    scene = Scene().start()
    speak(scene)
    assert scene.listener.calls == []
    scene.session.ask("headphones on")
    assert scene.settle()[-2:] == [
        SettingsChanged("speech.headphones", True),
        StatusSaid(phrases.HEADPHONES_ON),
    ]
    assert scene.saved == ["speech.headphones"]
    scene.speaker.start(phrases.HEADPHONES_ON)
    scene.settle()
    assert scene.listener.calls == ["listen for stop"]
    scene.session.ask("switch off headphones")
    scene.settle()
    scene.listener.calls.clear()
    scene.speaker.start(phrases.HEADPHONES_OFF)
    scene.settle()
    assert "listen for stop" not in scene.listener.calls
    scene.session.close()


def test_a_spoken_stop_silences_at_once(scene: Scene) -> None:
    speak(scene)
    scene.speaker.start("A second sentence.")
    scene.settle()
    assert scene.listener.calls == ["listen for stop"], "once for all sentences"
    scene.speaker.calls.clear()
    scene.listener.hear(HeardKind.STOP, "be quiet")
    assert QuestionHeard("be quiet") in scene.until_state(State.IDLE)
    assert scene.speaker.calls == ["stop"]
    scene.listener.hear(HeardKind.STOP, "stop")
    assert scene.settle() == [], "nothing is listened for any more"


def test_nothing_but_a_stop_is_heard_while_it_speaks(scene: Scene) -> None:
    speak(scene)
    asked = list(scene.answering.asked)
    for kind in (HeardKind.PARTIAL, HeardKind.FINAL, HeardKind.REJECTED):
        scene.listener.hear(kind, "the total is five")
        assert scene.settle() == []
    assert scene.answering.asked == asked and scene.session.state is State.SPEAKING
    scene.listener.hear(HeardKind.STOP, "stop")
    assert QuestionHeard("stop") in scene.until_state(State.IDLE), "and then still a stop"


def test_it_listens_only_while_it_speaks_and_the_talk_key_asks(scene: Scene) -> None:
    speak(scene)
    scene.speaker.finish()
    scene.until_state(State.IDLE)
    assert scene.listener.calls == ["listen for stop", "cancel"]
    speak(scene)
    scene.session.talk()
    scene.until_state(State.LISTENING)
    scene.speaker.start("The total is 5.50.")  # the event of the silenced answer comes late
    scene.speaker.finish()
    scene.settle()
    assert scene.listener.calls == ["listen for stop", "cancel", "start"]
    scene.listener.hear(HeardKind.STOP, "stop")
    assert scene.settle() == [], "that was said before the talk key"
    scene.listener.hear(HeardKind.FINAL, "what is the date")
    assert QuestionHeard("what is the date") in scene.until_state(State.SPEAKING)


def test_a_microphone_that_is_missing_is_told_once_and_speech_goes_on(scene: Scene) -> None:
    for _ in range(2):
        speak(scene)
        scene.speaker.calls.clear()
        scene.listener.hear(HeardKind.FAILED, message=MISSING)
        events = scene.settle()
        scene.speaker.start("A second sentence.")
        assert ErrorSaid(MISSING) not in events + scene.settle()
        assert scene.session.state is State.SPEAKING
        assert scene.speaker.said.count(MISSING) == 1
        assert scene.speaker.calls == [] and scene.listener.calls == ["listen for stop"]
        scene.session.talk()
        scene.until_state(State.LISTENING)
        scene.session.stop()
        scene.until_state(State.IDLE)


def listen(*levels: int) -> Rig:
    rig = Rig(*levels)
    rig.microphone.endless = True
    rig.listener.listen_for_stop()
    return rig


def kinds(rig: Rig) -> list[HeardKind]:
    return [heard.kind for heard in rig.heard]


def test_the_listener_hears_a_stop_after_other_speech() -> None:
    question = [QUESTION_LEVEL] * 20 + [QUIET] * 12
    rig = listen(*[QUIET] * 10, *question, *question, *[STOP_LEVEL] * 8, *[QUIET] * 12)
    wait_until(lambda: rig.heard)
    assert kinds(rig) == [HeardKind.STOP]
    transcript = rig.heard[0].transcript
    assert transcript is not None and transcript.text == "stop"
    assert rig.recognizer.begun == 3 and rig.recognizer.stop_only
    assert len(rig.recognizer.levels) < 0.3 / 0.032 + 8 + 8, "it does not wait for long silence"
    wait_until(lambda: rig.microphone.closed == 1)
    rig.listener.close()


def test_the_listener_hears_no_stop_in_a_long_sentence() -> None:
    rig = listen(*([QUESTION_LEVEL] * 12 + [STOP_LEVEL] * 12) * 6, *[QUIET] * 12)
    wait_until(lambda: rig.recognizer.begun > 1)
    wait_until(lambda: rig.microphone.at == len(rig.microphone.levels))
    time.sleep(0.05)
    rig.listener.close()
    assert rig.heard == []


def test_a_question_ends_listening_for_a_stop() -> None:
    rig = listen(*[QUESTION_LEVEL] * 20, *[QUIET] * 30)
    wait_until(lambda: rig.microphone.at > 5)
    rig.listener.start()
    wait_until(lambda: HeardKind.FINAL in kinds(rig))
    assert HeardKind.STOP not in kinds(rig) and not rig.recognizer.stop_only
    rig.listener.listen_for_stop()
    wait_until(lambda: rig.recognizer.stop_only)
    rig.recognizer.given_up.clear()
    rig.listener.cancel()
    wait_until(lambda: rig.microphone.opened == rig.microphone.closed == 3)
    assert rig.recognizer.given_up.is_set()
    rig.listener.close()


def test_a_microphone_that_is_missing_is_told_to_the_session() -> None:
    rig = Rig()
    rig.microphone.missing = True
    rig.listener.listen_for_stop()
    wait_until(lambda: rig.heard)
    assert rig.heard == [Heard(HeardKind.FAILED, message=MISSING)]
    rig.listener.close()


def test_zeros_are_no_stop() -> None:
    rig = listen(*[0] * 400)
    assert isinstance(rig.microphone, FakeMicrophone)
    wait_until(lambda: rig.microphone.at == 400)
    rig.listener.close()
    assert rig.heard == []
