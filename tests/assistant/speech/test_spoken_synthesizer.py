"""What reaches the engine is written for the ear."""

import numpy as np

from assistant.answers import Said
from assistant.audio import AudioClip
from assistant.speech.spoken_synthesizer import SpokenSynthesizer
from assistant.text.tokens import Kind


class Engine:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def start(self) -> None:
        self.told.append("start")

    def synthesize(self, text: str) -> AudioClip:
        self.told.append(text)
        return AudioClip(np.zeros(1, np.float32), 16000)

    def set_rate(self, wpm: int) -> None:
        self.told.append(wpm)

    def set_voice(self, name: str | None) -> None:
        self.told.append(name)

    def close(self) -> None:
        self.told.append("close")


def test_a_telephone_number_is_said_in_digits_and_the_rest_is_handed_on() -> None:
    engine = Engine()
    voice = SpokenSynthesizer(engine)
    voice.start()
    voice.set_rate(200)
    voice.set_voice("anna")
    voice.synthesize("The phone number is (714) 879-3574.")
    voice.close()
    start, rate, name, said, close = engine.told
    assert (start, rate, name, close) == ("start", 200, "anna", "close")
    assert isinstance(said, str)
    digits = [letter for letter in said if letter.isdigit()]
    assert "".join(digits) == "7148793574" and "714" not in said
    assert "-" not in said and "(" not in said


def test_plain_words_are_said_as_they_stand() -> None:
    engine = Engine()
    SpokenSynthesizer(engine).synthesize("I see no text here.")
    assert engine.told == ["I see no text here."]


class Polyglot(Engine):
    """Has voices for some languages, and remembers which one said what."""

    def languages(self) -> frozenset[str]:
        return frozenset({"en", "de", "cmn"})

    def synthesize(self, text: str, language: str | None = None) -> AudioClip:
        self.told.append((language, text))
        return AudioClip(np.zeros(10, np.int16), 16000)


def test_what_is_quoted_is_said_by_a_voice_of_its_language() -> None:
    engine = Polyglot()
    said = (
        Said("The total is "),
        Said("25,99 €", "de", Kind.MONEY, quoted=True),
        Said(". "),
        Said("禁止停车", "zh", quoted=True),
        Said("."),
    )
    clip = SpokenSynthesizer(engine).synthesize("The total is 25,99 €. 禁止停车.", said)
    assert engine.told == [
        (None, "The total is "),
        ("de", "25 Euro 99. "),
        ("cmn", "禁止停车."),
    ]
    assert len(clip.samples) > 30, "the pieces follow each other"


def test_one_voice_says_a_sentence_in_one_piece_with_values_by_their_kind() -> None:
    engine = Polyglot()
    said = (Said("It expires "), Said("05/27", "en", Kind.DATE, quoted=True), Said("."))
    SpokenSynthesizer(engine).synthesize("It expires 05/27.", said)
    assert engine.told == [(None, "It expires May 2027.")]


def test_a_language_without_a_voice_is_told_once_and_read_by_the_usual_one() -> None:
    engine, notices = Polyglot(), list[str]()
    voice = SpokenSynthesizer(engine, notice=notices.append)
    for _ in range(2):
        voice.synthesize("I read: 7,50 €", (Said("I read: "), Said("7,50 €", "fr", Kind.MONEY)))
    assert notices == ["There is no French voice here; I read French with the usual one."]
    assert engine.told == [(None, "I read: 7 euros 50")] * 2


def test_voices_of_different_rates_are_not_joined() -> None:
    class Odd(Polyglot):
        def synthesize(self, text: str, language: str | None = None) -> AudioClip:
            super().synthesize(text, language)
            return AudioClip(np.zeros(10, np.int16), 16000 if language is None else 22050)

    engine = Odd()
    SpokenSynthesizer(engine).synthesize("I read: Danke", (Said("I read: "), Said("Danke", "de")))
    assert engine.told[-1] == (None, "I read: Danke")
