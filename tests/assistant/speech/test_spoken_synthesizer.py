"""What reaches the engine is written for the ear."""

import numpy as np

from assistant.audio import AudioClip
from assistant.speech.spoken_synthesizer import SpokenSynthesizer


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
