"""In whose voice a text is read: its own language, one for all, or what was asked for."""

from collections.abc import Sequence

import pytest

from assistant.answers import Answer, Basis, Found, Said
from assistant.errors import SettingsError
from assistant.hearing.orders import order_in
from assistant.seeing.text import TextLine
from assistant.session.answers_given import Answers
from assistant.session.orders import Action, Order, parse_command, spoken_order
from assistant.settings.settings import Settings, set_value
from tests.assistant.session.test_parts import FakePort

LINE = TextLine("Summe 20,70", ((0, 0), (9, 0), (9, 9), (0, 9)), 0.99)
GERMAN = Answer("total", (Found("20,70", "Summe", (LINE,), language="de"),), Basis.READ)
UNKNOWN = Answer("total", (Found("20,70", "Summe", (LINE,)),), Basis.READ)


class HearingPort(FakePort):
    """Keeps the parts of what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[tuple[Said, ...]] = []

    def say_answer(self, text: str, said: Sequence[Said] = ()) -> None:
        super().say_answer(text, said)
        self.parts.append(tuple(said))

    def voices(self) -> list[tuple[str, str | None]]:
        return [(part.text, part.language) for part in self.parts[-1] if part.text.strip()]


def test_a_quoted_value_is_in_its_language_and_the_sentence_in_the_users() -> None:
    port = HearingPort()
    answers = Answers(port)
    answers.say(GERMAN)
    assert port.said == [("answer", "Read: The total is 20,70.")]
    assert port.voices() == [
        ("Read: ", None),
        ("The total is ", None),
        ("20,70", "de"),
        (".", None),
    ]
    answers.repeat()
    assert ("20,70", "de") in port.voices()


def test_a_setting_reads_all_in_one_language() -> None:
    port = HearingPort()
    answers = Answers(port, lambda: "en")
    answers.say(GERMAN)
    assert ("20,70", "en") in port.voices() and ("The total is ", None) in port.voices()


@pytest.mark.parametrize("answer", [GERMAN, UNKNOWN])
def test_an_order_holds_until_the_next_question(answer: Answer) -> None:
    port = HearingPort()
    answers = Answers(port)
    answers.say(answer)
    answers.use_voice("fr")
    answers.repeat()
    assert ("20,70", "fr") in port.voices() and ("The total is ", None) in port.voices()
    answers.use_voice("own")
    answers.repeat()
    assert ("20,70", answer.found[0].language) in port.voices()
    answers.use_voice("fr")
    answers.begin("what is the tax")
    answers.say(answer)
    assert ("20,70", answer.found[0].language) in port.voices()


def test_a_page_that_is_still_being_read_is_read_line_by_line_in_its_language() -> None:
    port = HearingPort()
    answers = Answers(port)
    answers.deliver("Bitte überweisen Sie den Betrag\nbis zum Ende des Monats.")
    assert {language for _, language in port.voices()} == {"de"}
    answers.deliver("Summe 148,20")
    assert port.voices() == [("Summe 148,20", "de")], "the page decides of short lines"
    answers.deliver("Please pay before the end of the month.")
    assert {language for _, language in port.voices()} == {"en"}
    assert [kind for kind, _ in port.said] == ["answer"] * 3


@pytest.mark.parametrize(
    ("words", "argument"),
    [
        ("read it in English voice", "english"),
        ("please read this in a German voice", "german"),
        ("in French voice", "french"),
        ("read it again with an Italian voice", "italian"),
        ("use the Dutch voice", "dutch"),
        ("Read it in its own language.", "its own language"),
        ("in its own voice", "own"),
    ],
)
def test_a_voice_is_asked_for_in_words(words: str, argument: str) -> None:
    assert order_in(words) == ("voice", argument)
    assert spoken_order(words) == Order(Action.VOICE, argument)


@pytest.mark.parametrize("words", ["whose voice is that", "read the voice mail number", "voice"])
def test_other_talk_of_voices_is_no_order(words: str) -> None:
    assert order_in(words) is None


def test_the_command_and_the_setting() -> None:
    assert parse_command("/voice german") == Order(Action.VOICE, "german")
    assert Settings().speech_texts == "own"
    assert set_value(Settings(), "speech.texts", "de").speech_texts == "de"
    for wrong in ("", "German", "deu", 5, "DE"):
        with pytest.raises(SettingsError, match="speech.texts"):
            set_value(Settings(), "speech.texts", wrong)
