"""Hearing what was said before a pause while it is still waited for more."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from assistant.hearing.recognizer import Transcript


@dataclass(frozen=True, slots=True)
class Understood:
    """What a sound comes to, and the words that were read in it."""

    transcript: Transcript | None = None
    words: str = ""


class Ahead(threading.Thread):
    """Hears what was said before a pause, which mostly is the question's end."""

    def __init__(self, hear: Callable[[], Understood], until: int, *, is_whole: bool) -> None:
        """Hear on another thread.

        until:    the sample up to which speech is.
        is_whole: True if soft endings in the pause behind it are heard too.
        """
        super().__init__(name="hearing ahead", daemon=True)
        self._hear = hear
        self.until, self.is_whole = until, is_whole
        self._heard: Understood | None = None

    def run(self) -> None:
        """Hear; what is heard too late is not asked for."""
        self._heard = self._hear()

    @property
    def is_done(self) -> bool:
        """True once it has heard; never, if it failed."""
        return self._heard is not None

    @property
    def transcript(self) -> Transcript | None:
        """What was said; None where nothing can be believed."""
        return None if self._heard is None else self._heard.transcript

    @property
    def is_sure(self) -> bool:
        """True if what was said is believed."""
        return self.transcript is not None and not self.transcript.doubt

    @property
    def words(self) -> str:
        """The words so far."""
        return "" if self._heard is None else self._heard.words
