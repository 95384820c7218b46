"""The session's parts alone: each needs a port that notes what it says, and no session."""

from collections.abc import Sequence

from assistant.answers import Answer, Basis, Found, Note, NoteKind, Said
from assistant.errors import SettingsError
from assistant.session.answers_given import Answers
from assistant.session.events import Event, SettingsChanged
from assistant.session.orders import Action
from assistant.session.port import Port, Reporting
from assistant.session.settings import SessionSettings
from assistant.session.voice import Voice
from assistant.settings.settings import Settings
from assistant.speech.speaker import Earcon
from tests.assistant.fakes_session import FakeSpeaker


class FakePort:
    """Notes what a part says, and in which way."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.said: list[tuple[str, str]] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def say(self, text: str) -> None:
        self.said.append(("status", text))

    def fail(self, text: str) -> None:
        self.said.append(("error", text))

    def say_answer(self, text: str, said: Sequence[Said] = ()) -> None:
        self.said.append(("answer", text))

    def signal(self, earcon: Earcon) -> None:
        self.said.append(("signal", earcon.value))


def test_settings_are_applied_kept_and_said_through_the_port() -> None:
    port, voice, kept = FakePort(), Voice(), []
    voice.speaker = speaker = FakeSpeaker()
    part = SessionSettings(
        Settings(speech_mode="voice"), lambda _, name: kept.append(name), port, voice
    )
    assert part.follow(Action.FASTER, "") and not part.follow(Action.READ, "")
    assert port.events == [SettingsChanged("speech.rate", 200)]
    assert port.said == [("status", "200 words a minute.")]
    assert speaker.calls == ["rate 200"] and kept == ["speech.rate"]
    part.change("speech.mode", "none")
    assert voice.mode == "none" and speaker.calls[-1] == "stop"


def test_a_setting_is_kept_before_anybody_hears_of_it() -> None:
    """Killed in between, the program would have said what does not hold."""
    port = FakePort()
    heard: list[int] = []
    keep = lambda *_: heard.append(len(port.events) + len(port.said))  # noqa: E731
    SessionSettings(Settings(), keep, port, Voice()).change("verbosity", 2)
    assert heard == [0]
    assert len(port.events) == len(port.said) == 1


def test_a_setting_that_cannot_be_kept_holds_and_that_is_said() -> None:
    def cannot(settings: Settings, name: str) -> None:
        raise SettingsError("settings.toml: cannot be written", "free space")

    port = FakePort()
    part = SessionSettings(Settings(), cannot, port, Voice())
    part.change("verbosity", 2)
    assert part.now.verbosity == 2
    assert port.said[-1] == (
        "error",
        "settings.toml: cannot be written; free space; the setting holds until you quit",
    )


def test_what_is_said_is_shown_and_spoken_once_where_that_is_wanted() -> None:
    voice = Voice()
    voice.mode, voice.speaker = "voice", FakeSpeaker()
    reporting = Reporting(voice)
    port: Port = reporting
    for _ in range(2):
        reporting.say_once("There is no camera.")
    port.fail("No sound.")
    assert reporting.events.qsize() == 2
    assert voice.speaker.said == ["There is no camera.", "No sound."]
    assert voice.speaker.earcons == [Earcon.ERROR]


def test_a_refusal_is_nothing_to_remember() -> None:
    answers = Answers(FakePort())
    answers.begin("what is the total")
    answers.say(Answer("total", notes=(Note(NoteKind.NOT_FOUND, "total"),)))
    assert answers.text == ""
    answers.say(Answer("total", (Found("5.50"),), Basis.READ))
    assert answers.text == "The total is 5.50."
