"""The state machine: what is announced, what is spoken, and that everything can be stopped."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.answers import Answer, Basis, Note, NoteKind
from assistant.hearing.listener import HeardKind
from assistant.session import phrases
from assistant.session.events import (
    AnswerGiven,
    AnswerPart,
    CameraBack,
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
from assistant.session.notes import NOTHING_LIKE_IT
from assistant.session.orders import Action, Order
from assistant.settings.settings import KEYS
from assistant.skills.router import say
from assistant.speech.speaker import Earcon
from tests.assistant.fakes_session import Scene, picture_file
from tests.assistant.made_answers import answered, given, total

TOTAL = total()


@pytest.fixture
def scenes() -> Iterator[list[Scene]]:
    made: list[Scene] = []
    yield made
    for scene in made:
        scene.answering.go.set()
        scene.session.close()


@pytest.fixture
def scene(scenes: list[Scene]) -> Scene:
    return begin(scenes)


def begin(scenes: list[Scene], **options: Any) -> Scene:
    scene = Scene(**options)
    scenes.append(scene)
    return scene.start()


def states(events: list[Any]) -> list[State]:
    return [event.state for event in events if isinstance(event, StateChanged)]


def test_one_question_passes_through_every_state_once(scene: Scene) -> None:
    scene.session.talk()
    scene.until_state(State.LISTENING)
    scene.listener.hear(HeardKind.PARTIAL, "what is")
    scene.session.talk()
    scene.listener.hear(HeardKind.FINAL, "what is the total")
    events = scene.until_state(State.SPEAKING)
    scene.speaker.finish()
    events += scene.until_state(State.IDLE)
    assert states(events) == [State.LOOKING, State.THINKING, State.SPEAKING, State.IDLE]
    assert [event for event in events if not isinstance(event, StateChanged)] == [
        QuestionHeard("what is", partial=True),
        QuestionHeard("what is the total"),
        given(TOTAL),
    ]
    assert scene.listener.calls == ["start", "finish"]
    assert scene.speaker.said == ["Read: The total is 5.50."]
    assert scene.speaker.earcons == [Earcon.LISTENING]


def test_the_frame_of_the_talk_key_is_read_while_the_user_speaks(scene: Scene) -> None:
    scene.session.talk()
    scene.until_state(State.LISTENING)
    while not scene.answering.prepared:
        scene.settle()
    scene.listener.hear(HeardKind.FINAL, "what is the total")
    scene.until_state(State.SPEAKING)
    assert scene.answering.frames == scene.answering.prepared and scene.camera.taken == 1


def test_two_talk_keys_end_the_question_once_and_a_third_does_nothing(scene: Scene) -> None:
    for _ in range(3):
        scene.session.talk()
    assert states(scene.settle()) == [State.LISTENING]
    assert scene.listener.calls == ["start", "finish"]


@pytest.mark.parametrize("state", [State.LISTENING, State.THINKING, State.SPEAKING])
def test_stop_leads_to_idle_from_every_state(scene: Scene, state: State) -> None:
    if state is State.THINKING:
        scene.answering.go.clear()
    if state is State.LISTENING:
        scene.session.talk()
    else:
        scene.session.ask("what is the total")
    scene.until_state(state)
    scene.session.stop()
    assert scene.until_state(State.IDLE)[-1:] == [StateChanged(State.IDLE)]
    assert scene.speaker.calls[-1] == "stop"
    scene.answering.go.set()
    scene.listener.hear(HeardKind.FINAL, "too late")
    assert scene.settle() == []
    assert ("cancel" in scene.listener.calls) == (state is State.LISTENING)
    # Another stop changes nothing, so it announces nothing.
    scene.session.stop()
    assert scene.settle() == []


def test_a_newer_question_gives_up_the_older_one(scene: Scene) -> None:
    scene.answering.go.clear()
    scene.session.ask("first")
    scene.until_state(State.THINKING)
    scene.session.ask("second")
    scene.until(lambda event: event == QuestionHeard("second"))
    scene.answering.go.set()
    events = scene.until_state(State.SPEAKING)
    assert sum(isinstance(event, AnswerGiven) for event in events) == 1
    assert [asked for asked, _ in scene.answering.asked] == ["first", "second"]


def test_a_question_during_an_answer_silences_it(scene: Scene) -> None:
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    scene.speaker.calls.clear()
    scene.session.talk()
    scene.until_state(State.LISTENING)
    assert scene.speaker.calls == ["stop"]
    scene.speaker.finish()  # the event of the silenced answer comes late
    assert scene.settle() == []


def test_what_was_said_before_goes_with_a_follow_up(scene: Scene) -> None:
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    scene.session.ask("and the date?")
    scene.until_state(State.THINKING)
    context = scene.answering.asked[-1][1]
    assert (context.question, context.answer) == ("what is the total", TOTAL)
    assert context.frame is scene.answering.frames[0]


def test_sentences_are_spoken_as_they_come_and_their_basis_after_them(scene: Scene) -> None:
    scene.answering.pieces = [
        TOTAL,
        "A cup.",
        "It is red.",
        answered("A cup. It is red.", Basis.SEEN),
    ]
    scene.session.ask("what is this")
    events = scene.until(lambda event: isinstance(event, AnswerGiven) and event.in_parts)
    told = [event for event in events if isinstance(event, AnswerGiven | AnswerPart)]
    assert told[:3] == [given(TOTAL), AnswerPart("A cup."), AnswerPart("It is red.")]
    assert scene.speaker.said == ["Read: The total is 5.50.", "A cup.", "It is red.", "seen"]
    assert states(events).count(State.SPEAKING) == 1


def test_silence_is_bridged_by_a_sound_and_then_by_words_now_and_then(scene: Scene) -> None:
    scene.answering.go.clear()
    scene.session.ask("what is the total")
    scene.until_state(State.THINKING)
    heard: dict[float, str] = {}
    for waited_s in (1, 2, 5, 9, 10, 11, 39, 40, 69, 70, 300):
        scene.clock.now_s = 100 + waited_s
        scene.speaker.earcons.clear()
        found = scene.settle()
        if found or scene.speaker.earcons:
            heard[waited_s] = " ".join(
                [earcon.value for earcon in scene.speaker.earcons]
                + [event.text for event in found if isinstance(event, StatusSaid)]
            )
    assert list(heard) == [2, 10, 40, 70, 300]
    assert heard[2] == "working"
    assert heard[10] == phrases.waiting_words(10) == scene.speaker.said[0]
    scene.answering.go.set()
    scene.until_state(State.SPEAKING)
    scene.clock.now_s += 100
    assert scene.settle() == [], "nobody waits while an answer is spoken"


def test_a_failure_is_one_spoken_sentence_and_the_session_goes_on(scene: Scene) -> None:
    scene.camera.error = "no camera answers; plug it in"
    scene.session.ask("what is the total")
    events = scene.until_state(State.IDLE)
    assert [event for event in events if isinstance(event, ErrorSaid)] == [
        ErrorSaid("no camera answers; plug it in; I keep your question")
    ]
    assert scene.speaker.said == ["no camera answers; plug it in; I keep your question"]
    assert scene.speaker.earcons == [Earcon.ERROR]
    scene.session.camera_lost("The camera is lost: it was unplugged; plug it in.")
    scene.session.ask("what is the total")
    # The cause was told already.
    events = scene.until_state(State.IDLE)
    assert [event.text for event in events if isinstance(event, ErrorSaid)] == [
        phrases.STILL_NO_PICTURE
    ]
    scene.camera.error = None
    scene.session.camera_back("The camera is back.")
    events = scene.until_state(State.SPEAKING)
    assert given(TOTAL) in events, "the question that was kept is answered"
    scene.session.camera_lost("The camera is lost.")
    scene.session.camera_back("The camera is back.")
    scene.settle()
    assert len(scene.answering.asked) == 1, "and only once"


def test_a_question_that_came_before_the_first_frame_is_answered_when_there_is_one(
    scene: Scene,
) -> None:
    scene.camera.error = "the camera gives no picture yet"
    scene.session.ask("what is the total")
    scene.until_state(State.IDLE)
    scene.camera.error = None
    scene.session.camera_back("The camera is back.")
    events = scene.until_state(State.SPEAKING)
    assert given(TOTAL) in events
    assert not any(isinstance(event, CameraBack) for event in events), "it was never lost"


def test_a_question_waits_for_a_frame_in_which_something_can_be_seen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.session.looking.LOOK_EVERY_S", 0.001)
    scene.answering.problems = ["Too dark.", "Too dark.", "Blurred.", "Too dark."]
    scene.session.ask("what is the total")
    events = scene.until(lambda event: event == given(TOTAL))
    told = [event.text for event in events if isinstance(event, AnswerGiven)]
    assert told == [f"Too dark. {phrases.KEPT_QUESTION}", "Blurred.", say(TOTAL)]
    assert scene.camera.taken == 5 and scene.speaker.earcons == [Earcon.FOUND]
    scene.session.do(Order(Action.REPEAT))
    scene.until(lambda event: isinstance(event, AnswerGiven))
    scene.session.do(Order(Action.READ))
    scene.until(lambda event: isinstance(event, AnswerGiven))
    assert scene.camera.taken == 6, "a good frame is used at once"


def test_a_question_that_waits_for_light_keeps_nobody_and_can_be_dropped(
    scenes: list[Scene],
) -> None:
    scene = begin(scenes, speech_mode="none")
    scene.answering.problems = ["Too dark."] * 1000
    scene.session.ask("what is the total")
    assert states(scene.idle()) == [State.LOOKING, State.IDLE]
    scene.session.stop()
    scene.answering.problems = []
    scene.session.ask("what is the date")
    scene.until(lambda event: isinstance(event, AnswerGiven))
    assert [asked for asked, _ in scene.answering.asked] == ["what is the date"]


def test_a_minute_without_a_good_picture_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.session.looking.MOST_KEPT_S", 0.0)
    scene.answering.problems = ["Too dark."] * 3
    scene.session.ask("what is the total")
    events = scene.until(lambda event: isinstance(event, ErrorSaid))
    assert events[-1] == ErrorSaid(phrases.NO_GOOD_PICTURE)


def test_what_was_spoken_of_an_answer_is_where_reading_goes_on(scene: Scene) -> None:
    scene.answering.pieces = [answered("First line.\nSecond line.")]
    scene.session.do(Order(Action.READ))
    scene.until_state(State.SPEAKING)
    scene.speaker.start("Read: First line.")
    scene.speaker.start("Second line.")
    scene.settle()
    scene.session.stop()
    scene.speaker.start("Too late.")
    scene.settle()
    assert scene.answering.spoken == [], "only the worker's thread touches the answerer"
    scene.session.do(Order(Action.CONTINUE))
    scene.until(lambda event: isinstance(event, ReadingMoved))
    assert scene.answering.spoken == ["First line.", "Second line."]


def test_unexpected_failures_are_told_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.answering, "pieces", None)
    scene.session.ask("what is the total")
    events = scene.until_state(State.IDLE)
    assert any(isinstance(event, ErrorSaid) and "TypeError" in event.text for event in events)
    scene.session.post(lambda: {}["no such key"])
    scene.until(lambda event: isinstance(event, ErrorSaid))
    scene.session.stop()
    assert scene.settle() == []


def test_what_was_not_understood_and_a_lost_microphone_are_told(scene: Scene) -> None:
    for kind, message, told in (
        (HeardKind.REJECTED, "", phrases.NOT_UNDERSTOOD),
        (HeardKind.FAILED, "no microphone; plug it in", "no microphone; plug it in"),
    ):
        scene.session.talk()
        scene.until_state(State.LISTENING)
        scene.listener.hear(kind, message=message)
        events = scene.until_state(State.IDLE)
        assert ErrorSaid(told) in events and scene.speaker.said[-1] == told


def test_a_question_without_a_picture_waits_for_one(scenes: list[Scene], tmp_path: Path) -> None:
    scene = begin(scenes, picture=False)
    scene.session.ask("what is the total")
    assert ErrorSaid(phrases.NO_PICTURE) in scene.settle()
    scene.session.open_picture(picture_file(tmp_path))
    events = scene.until_state(State.SPEAKING)
    assert StatusSaid("Opened a picture.png, 60 by 40 pixels.") in events
    assert scene.answering.asked[0][0] == "what is the total"
    scene.session.open_picture(tmp_path / "none.png")
    events = scene.until(lambda event: isinstance(event, ErrorSaid))
    assert "no such file" in events[-1].text  # type: ignore[union-attr]


def test_orders_are_understood_in_words(scene: Scene) -> None:
    scene.session.ask("Speak faster, please.")
    assert scene.settle() == [
        QuestionHeard("Speak faster, please."),
        SettingsChanged("speech.rate", 200),
        StatusSaid("200 words a minute."),
    ]
    assert "rate 200" in scene.speaker.calls and scene.saved == ["speech.rate"]
    for words, expected in (
        ("louder", ("speech.volume", 90)),
        ("less detail", ("verbosity", 0)),
        ("slower", ("speech.rate", 175)),
    ):
        scene.session.ask(words)
        assert SettingsChanged(*expected) in scene.settle()
    for _ in range(4):
        scene.session.ask("louder")
    assert StatusSaid("I cannot speak louder.") in scene.settle()
    assert scene.answering.asked == []


def test_wrong_settings_are_refused_in_one_sentence(scene: Scene) -> None:
    scene.session.do(Order(Action.SET, "speech.rate 1000"))
    assert scene.settle() == [
        ErrorSaid("speech.rate is 1000; it must be a whole number from 80 to 600")
    ]
    assert scene.saved == []


def test_a_setting_tells_its_value_its_meaning_and_when_it_counts(scene: Scene) -> None:
    for typed, told in (
        (
            "camera.source",
            "camera.source is 0. A number, a file, a folder, a video, a stream's address, or none. "
            "It may be a number, or text in quotes.",
        ),
        ("camera.source 1", "camera.source is 1. It is used from the next start."),
        ("camera.mirrored on", "camera.mirrored is true."),
        ("keys.read F2", "keys.read is f2."),
    ):
        scene.session.do(Order(Action.SET, typed))
        assert StatusSaid(told) in scene.settle(), typed
    scene.session.do(Order(Action.SET))
    [listed] = scene.settle()
    assert isinstance(listed, StatusSaid)
    lines = listed.text.splitlines()
    assert [line.partition(": ")[0] for line in lines[:-1]] == list(KEYS)
    assert {"camera.source: 1", "camera.mirrored: true", "speech.voice: empty"} <= set(lines)


def test_where_a_screen_reader_speaks_there_are_only_short_sounds(scenes: list[Scene]) -> None:
    scene = begin(scenes, speech_mode="screen_reader")
    scene.session.ask("what is the total")
    assert states(scene.idle()) == [State.LOOKING, State.THINKING, State.IDLE]
    assert scene.speaker.said == [] and scene.speaker.earcons == [Earcon.FOUND]
    silent = begin(scenes, speech_mode="none")
    silent.session.ask("what is the total")
    silent.idle()
    assert silent.speaker.said == [] and silent.speaker.earcons == []


@pytest.mark.parametrize(
    ("said", "mode"), [("1", "voice"), ("screen reader", "screen_reader"), ("text only", "none")]
)
def test_the_first_start_asks_who_shall_speak(scenes: list[Scene], said: str, mode: str) -> None:
    scene = Scene(speech_mode="ask")
    scenes.append(scene)
    scene.session.start(ask_how_to_speak=True)
    assert scene.idle() == [StatusSaid(phrases.FIRST_QUESTION, is_question=True)]
    assert scene.speaker.said == [phrases.FIRST_QUESTION]
    scene.session.ask(said)
    assert SettingsChanged("speech.mode", mode) in scene.settle()
    assert scene.saved == ["speech.mode"]
    assert len(scene.speaker.said) == (2 if mode == "voice" else 1)


def test_the_first_question_stays_open_in_silence_whatever_is_typed(scenes: list[Scene]) -> None:
    scene = Scene(speech_mode="ask")
    scenes.append(scene)
    scene.session.start(ask_how_to_speak=True)
    scene.idle()
    for line in ("what is the total", "what is the date", "louder", "thank you"):
        scene.session.ask(line)
        scene.idle()
    scene.session.do(Order(Action.OPEN, "nothing.png"))
    scene.idle()
    assert scene.session.choosing and len(scene.answering.asked) == 2
    assert scene.speaker.said == [phrases.FIRST_QUESTION] and scene.speaker.earcons == []
    scene.session.ask("yes please")
    assert StatusSaid(phrases.PRESS_ONE, is_question=True) in scene.settle()
    assert scene.speaker.said[1:] == [phrases.PRESS_ONE]
    scene.session.ask("I use a screen reader")
    assert SettingsChanged("speech.mode", "screen_reader") in scene.settle()
    assert not scene.session.choosing and len(scene.answering.asked) == 2


def test_the_first_question_is_answered_by_the_setting_too(scenes: list[Scene]) -> None:
    scene = Scene(speech_mode="ask")
    scenes.append(scene)
    scene.session.start(ask_how_to_speak=True)
    scene.session.ask("what is the total")
    events = scene.idle()
    assert [event for event in events if event == StatusSaid(phrases.STILL_OPEN)] != []
    scene.session.do(Order(Action.SET, "speech.mode voice"))
    scene.settle()
    assert not scene.session.choosing
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    assert scene.speaker.said[-1] == "Read: The total is 5.50."


def test_speech_that_fails_is_told_once_and_answers_go_on_in_text(scene: Scene) -> None:
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    scene.speaker.fail("no sound: no loudspeaker was found")
    events = scene.until_state(State.IDLE)
    assert events[0] == StatusSaid("no sound: no loudspeaker was found")
    scene.session.ask("what is the total")
    assert states(scene.until_state(State.IDLE)) == [State.LOOKING, State.THINKING, State.IDLE]
    scene.speaker.start()
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)


def test_repeat_double_check_and_reading(scene: Scene) -> None:
    scene.session.do(Order(Action.REPEAT))
    assert scene.settle() == [ErrorSaid(phrases.NOTHING_TO_REPEAT)]
    scene.session.do(Order(Action.DOUBLE_CHECK))
    assert scene.settle() == [ErrorSaid(phrases.NOTHING_TO_CHECK)]
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    scene.speaker.said.clear()
    scene.session.do(Order(Action.REPEAT))
    assert given(TOTAL) in scene.settle()
    assert scene.speaker.said == ["Read: The total is 5.50."]
    scene.session.ask("read it in german voice")
    assert given(TOTAL) in scene.settle()
    assert scene.speaker.said == ["Read: The total is 5.50."] * 2
    scene.session.do(Order(Action.VOICE, "klingonese"))
    assert ErrorSaid(phrases.no_such_language("klingonese")) in scene.settle()
    scene.session.do(Order(Action.DOUBLE_CHECK))
    scene.until(lambda event: isinstance(event, AnswerGiven))
    assert scene.answering.asked[-1][0] == "again: what is the total"
    assert scene.answering.frames[-1] is scene.answering.frames[0]
    scene.session.do(Order(Action.NEXT, "word"))
    moved = scene.until(lambda event: isinstance(event, ReadingMoved))[-1]
    assert moved == ReadingMoved("next word", "line 1 of 2")
    scene.session.do(Order(Action.FIND, "milk"))
    assert scene.until(lambda event: isinstance(event, ErrorSaid))[-1] == ErrorSaid(
        "milk is not in the text"
    )


def test_live_text_goes_on_until_it_is_stopped(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.session.tasks.LOOK_EVERY_S", 0.001)
    scene.session.do(Order(Action.KEEP_READING))
    scene.until(lambda event: event == given(answered("Platform 4")))
    scene.clock.now_s += 60
    assert not any(isinstance(event, StatusSaid) for event in scene.settle())
    scene.camera.error = "the camera is lost"
    scene.settle()
    scene.camera.error = None
    scene.answering.new_texts.append("Way out")
    scene.until(lambda event: event == given(answered("Way out")))
    scene.session.stop()
    scene.until_state(State.IDLE)
    assert scene.speaker.said[1:] == ["Read: EXIT", "Read: Platform 4", "Read: Way out"]


def test_things_are_remembered_and_forgotten_in_words(scene: Scene) -> None:
    scene.session.ask("what did I save")
    assert ErrorSaid(phrases.NO_MEMORY) in scene.settle()
    scene.session.set("history.enabled", True)
    assert StatusSaid(phrases.MEMORY_ON) in scene.settle()
    scene.session.ask("what is the total")
    scene.until_state(State.SPEAKING)
    for words, told in (
        ("remember this as my blue folder", "I remember this as blue folder."),
        ("remember this", "I remember this."),
        ("forget number two", "Delete number 2, no name? Say yes or no."),
        ("yes", "Number 2 is deleted."),
        ("what did I save", "1: blue folder. The total is 5.50."),
        ("where did I see my blue folder", "1: blue folder. The total is 5.50."),
        ("Where did I see this?", "1: blue folder. The total is 5.50.\nIt looks the same."),
        ("have I seen this before", "1: blue folder. The total is 5.50.\nIt looks the same."),
        ("forget number one", "Delete number 1, blue folder? Say yes or no."),
        ("yes please", "Number 1 is deleted."),
        ("what did I save", "I have saved nothing."),
        ("have I seen it before", NOTHING_LIKE_IT),
        (
            "forget everything",
            "Delete everything that I remember? It cannot be undone. Say yes or no.",
        ),
        ("yes", "Everything I remembered is deleted."),
    ):
        scene.session.ask(words)
        scene.until(lambda event, told=told: getattr(event, "text", "") == told)  # type: ignore[misc]


def test_what_is_not_there_cannot_be_compared(scenes: list[Scene]) -> None:
    scene = begin(scenes, picture=False, history_enabled=True)
    scene.session.ask("have I seen this before")
    assert ErrorSaid(phrases.NO_PICTURE_TO_COMPARE) in scene.idle()


def test_a_memory_that_cannot_be_opened_says_why_whenever_it_is_needed(
    scenes: list[Scene],
) -> None:
    scene = begin(scenes, memory=False, history_enabled=True)
    why = ErrorSaid("Nothing can be saved: there is no keyring; set a passphrase")
    scene.session.ask("what did I save")
    # It is still being opened; the answer waits for what comes of that.
    scene.session.without_memory(why.text)
    assert scene.idle().count(why) == 2
    scene.session.ask("what did I save")
    assert scene.idle().count(why) == 1


def test_a_memory_that_is_still_being_opened_is_waited_for(scenes: list[Scene]) -> None:
    scene = begin(scenes, memory=False, history_enabled=True)
    scene.session.ask("what did I save")
    assert scene.settle() == [QuestionHeard("what did I save")]
    scene.session.attach(memory=scene.notebook)
    assert scene.idle() == [StatusSaid("I have saved nothing.")]


def test_a_step_in_a_text_is_told_without_states_but_waited_for(
    scenes: list[Scene], tmp_path: Path
) -> None:
    scene = begin(scenes, speech=False)
    scene.session.do(Order(Action.NEXT, "word"))
    assert scene.idle() == [ReadingMoved("next word", "line 1 of 2")]
    scene.session.open_picture(picture_file(tmp_path))
    assert scene.idle() == [StatusSaid("Opened a picture.png, 60 by 40 pixels.")]
    # One that takes long after all, such as behind a page that is still being read.
    scene.answering.go.clear()
    scene.session.do(Order(Action.NEXT))
    scene.settle()
    scene.clock.now_s += 11
    assert scene.settle() == [StatusSaid(phrases.waiting_words(11))]
    scene.answering.go.set()
    assert scene.idle() == [ReadingMoved("next", "line 1 of 2")]


def test_the_camera_is_lost_once_and_back_once(scene: Scene) -> None:
    scene.session.camera_lost("The camera is gone; plug it in.")
    scene.session.camera_lost("The camera is gone; plug it in.")
    scene.session.camera_back("The camera is back.")
    assert scene.settle() == [
        CameraLost("The camera is gone; plug it in."),
        CameraBack("The camera is back."),
    ]
    assert scene.speaker.said == ["The camera is gone; plug it in.", "The camera is back."]


def test_back_to_the_camera_says_what_it_gives(scenes: list[Scene]) -> None:
    for picture, lost, told in (
        (True, False, phrases.CAMERA_AGAIN),
        (True, True, phrases.CAMERA_AGAIN_LOST),
        (False, False, phrases.NO_CAMERA),
    ):
        scene = begin(scenes, picture=picture)
        if lost:
            scene.session.camera_lost("There is no picture from the camera: plug it in.")
        scene.session.do(Order(Action.OPEN, "Camera"))
        assert scene.settle()[-1] == StatusSaid(told)


def test_missing_things_are_told_once(scene: Scene) -> None:
    scene.session.report("no microphone")
    scene.session.report("no microphone")
    assert scene.settle() == [StatusSaid("no microphone")]


def test_quit_is_the_last_event(scene: Scene) -> None:
    scene.answering.go.clear()
    scene.session.ask("what is the total")
    scene.until_state(State.THINKING)
    scene.session.quit()
    assert scene.until(lambda event: isinstance(event, Closed))[-1] == Closed()


def test_nothing_is_answered_from_the_picture_before_one_that_did_not_open(
    scenes: list[Scene], tmp_path: Path
) -> None:
    scene = begin(scenes, speech=False)
    scene.session.open_picture(picture_file(tmp_path))
    scene.idle()
    scene.session.open_picture(tmp_path / "missing.png")
    (error,) = [event for event in scene.idle() if isinstance(event, ErrorSaid)]
    assert "no such file" in error.text
    scene.session.ask("what is the total")
    scene.session.do(Order(Action.READ))
    events = scene.idle()
    assert [event for event in events if isinstance(event, (AnswerGiven, AnswerPart))] == []
    assert events.count(ErrorSaid(phrases.NOT_OPENED)) == 2
    assert scene.answering.asked == []
    scene.session.open_picture(picture_file(tmp_path))
    scene.idle()
    scene.session.ask("what is the total")
    assert [event for event in scene.idle() if isinstance(event, AnswerGiven)]


def test_thanks_are_no_question(scenes: list[Scene]) -> None:
    scene = begin(scenes, speech=False)
    scene.session.ask("Thank you very much!")
    assert StatusSaid(phrases.WELCOME) in scene.idle()
    assert scene.answering.asked == []


def test_help_in_words_is_things_to_say_and_the_command_is_the_list(
    scenes: list[Scene], tmp_path: Path
) -> None:
    scene = begin(scenes)
    for words in ("help", "What can I say?", "what can you do"):
        scene.session.ask(words)
        said = [each.text for each in scene.idle() if isinstance(each, StatusSaid)]
        assert said == [
            "You can say, for example:\nWhat is this?\nanything\n/help lists all commands."
        ]
        assert scene.speaker.said[-1] == said[0]
    scene.session.open_picture(picture_file(tmp_path))
    scene.session.ask("help")
    assert (
        "this picture" in [each for each in scene.idle() if isinstance(each, StatusSaid)][-1].text
    )
    scene.session.do(Order(Action.HELP))
    assert (
        "/quit: end" in [each for each in scene.settle() if isinstance(each, StatusSaid)][-1].text
    )


@pytest.mark.parametrize(("said", "reads"), [("Yes, please.", True), ("ok", True), ("no", False)])
def test_an_offer_to_read_can_be_taken(scenes: list[Scene], said: str, reads: bool) -> None:
    scene = begin(scenes, speech=False)
    nothing = Answer("quote", notes=(Note(NoteKind.NOT_ABOUT, "sodium"),))
    scene.answering.pieces = [nothing]
    scene.session.ask("how much sodium")
    scene.idle()
    scene.session.ask(said)
    events = scene.idle()
    asked = [question for question, _ in scene.answering.asked]
    assert asked == ["how much sodium", *(["read this"] if reads else [])]
    assert (StatusSaid(phrases.ALL_RIGHT) in events) is not reads
    scene.answering.pieces = [TOTAL]
    scene.session.ask("what is the total")
    scene.idle()
    scene.session.ask("yes")
    assert StatusSaid(phrases.NOTHING_ASKED) in scene.idle()
    assert scene.answering.asked[-1][0] == "what is the total"


def test_nobody_waits_for_what_is_added_to_an_answer(scenes: list[Scene]) -> None:
    scene = begin(scenes, speech=False)
    second = threading.Event()

    def pieces() -> Iterator[Answer]:
        yield TOTAL
        second.wait(5)
        yield answered("A receipt.", Basis.SEEN)

    scene.answering.pieces = pieces()  # type: ignore[assignment]
    scene.session.ask("what is this")
    scene.until(lambda event: event == given(TOTAL))
    scene.settle()
    scene.clock.now_s += 60
    assert scene.settle() == []
    second.set()
    assert [each for each in scene.idle() if isinstance(each, AnswerGiven)]
