"""A synthesizer that is given printed text, and says it as people do."""

from collections.abc import Callable, Sequence
from typing import Protocol

from assistant.answers import Said
from assistant.audio import AudioClip, join_clips

PAUSE_S = 0.03
"""Between two voices in one sentence; each clip ends with a moment of silence of its own."""

LANGUAGES_NAMED_OTHERWISE = {"zh": "cmn", "no": "nb"}
"""Where the engine has another code than the texts."""


class Engine(Protocol):
    """What makes sound; see `assistant.devices.synthesizer`."""

    def start(self) -> None:
        """Begin to start, without waiting for it."""
        ...

    def languages(self) -> frozenset[str]:
        """The languages of its voices, two or three letters; raises SynthesizerError."""
        ...

    def synthesize(self, text: str, language: str | None = None) -> AudioClip:
        """Return the sound of one sentence in the usual voice or one of a language that it has."""
        ...

    def set_rate(self, wpm: int) -> None:
        """Set the speed of the next sentences in words per minute."""
        ...

    def set_voice(self, name: str | None) -> None:
        """Set the usual voice."""
        ...

    def close(self) -> None:
        """End."""
        ...


def _ignored(notice: str) -> None:
    """For callers whom nobody listens to."""


class SpokenSynthesizer:
    """Writes each sentence anew for the ear and hands it on; what is shown stays as printed.

    Parts in another language are spoken by a voice of that language, where there is one.
    """

    def __init__(
        self,
        engine: Engine,
        language: str = "en",
        *,
        notice: Callable[[str], None] = _ignored,
    ) -> None:
        """language: of the usual voice, such as "en".

        notice: told, from any thread, which language has no voice; once for each.
        """
        self._engine = engine
        self._language = language
        self._notice = notice
        self._missing: set[str] = set()

    def start(self) -> None:
        """Begin to start the engine, without waiting for it."""
        self._engine.start()

    def synthesize(self, text: str, said: Sequence[Said] = ()) -> AudioClip:
        """Return the sound of one sentence.

        said: its parts, where some are in another language or of a known kind.

        Raises:
            SynthesizerError: the engine failed.
        """
        # Its tables are needed with the first words, not when the program starts.
        from assistant.speech.spoken_forms import spoken

        if not said:
            return self._engine.synthesize(spoken(text, self._language))
        clips = [
            self._engine.synthesize(words)
            if language is None
            else self._engine.synthesize(words, language)
            for language, words in self._runs(said)
        ]
        if len({clip.rate_hz for clip in clips}) > 1:
            # Voices of different makers cannot be joined: the usual one says all of it.
            return self._engine.synthesize(spoken(text, self._language))
        return join_clips(clips, PAUSE_S)

    def set_rate(self, wpm: int) -> None:
        """Set the speed of the next sentences in words per minute."""
        self._engine.set_rate(wpm)

    def set_voice(self, name: str | None) -> None:
        """Set the voice of the next sentences."""
        self._engine.set_voice(name)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def _runs(self, said: Sequence[Said]) -> list[tuple[str | None, str]]:
        """Neighbours of one voice together, written for the ear; None for the usual voice."""
        from assistant.speech.spoken_forms import spoken, spoken_value

        runs: list[tuple[str | None, str]] = []
        for part in said:
            voice = self._voice(part.language)
            if not any(map(str.isalnum, part.text)):
                # A full stop is no reason to change voices.
                words, voice = part.text, runs[-1][0] if runs else voice
            elif part.kind is not None:
                words = spoken_value(part.text, part.kind, voice or self._language)
            else:
                words = spoken(part.text, voice or self._language)
            if runs and runs[-1][0] == voice:
                runs[-1] = (voice, runs[-1][1] + words)
            else:
                runs.append((voice, words))
        return [(voice, words) for voice, words in runs if any(map(str.isalnum, words))]

    def _voice(self, language: str | None) -> str | None:
        """The language that the engine shall speak in; None for its usual voice."""
        if language is None or language == self._language:
            return None
        code = LANGUAGES_NAMED_OTHERWISE.get(language, language)
        known = self._engine.languages()
        found = next((each for each in (language, code) if each in known), None)
        if found is None and language not in self._missing:
            self._missing.add(language)
            self._notice(no_voice(language))
        return found


def no_voice(language: str) -> str:
    """What is said once of a language that no voice speaks."""
    from babel import Locale

    name = Locale("en").languages.get(language, language)
    return f"There is no {name} voice here; I read {name} with the usual one."
