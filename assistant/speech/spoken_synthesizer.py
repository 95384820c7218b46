"""A synthesizer that is given printed text, and says it as people do."""

from assistant.audio import AudioClip
from assistant.speech.engine import Synthesizer


class SpokenSynthesizer:
    """Writes each sentence anew for the ear and hands it on; what is shown stays as printed."""

    def __init__(self, synthesizer: Synthesizer, language: str = "en") -> None:
        """language: of the voice, such as "en"."""
        self._synthesizer = synthesizer
        self._language = language

    def start(self) -> None:
        """Begin to start the engine, without waiting for it."""
        self._synthesizer.start()

    def synthesize(self, text: str) -> AudioClip:
        """Return the sound of one sentence.

        Raises:
            SynthesizerError: the engine failed.
        """
        # Its tables are needed with the first words, not when the program starts.
        from assistant.speech.spoken_forms import spoken

        return self._synthesizer.synthesize(spoken(text, self._language))

    def set_rate(self, wpm: int) -> None:
        """Set the speed of the next sentences in words per minute."""
        self._synthesizer.set_rate(wpm)

    def set_voice(self, name: str | None) -> None:
        """Set the voice of the next sentences."""
        self._synthesizer.set_voice(name)

    def close(self) -> None:
        """End the engine."""
        self._synthesizer.close()
