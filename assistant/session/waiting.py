"""How a silence is bridged: a sound by 2 s, words at 10 s, then words at most every 30 s."""

from collections.abc import Callable
from typing import Literal

EARCON_AFTER_S = 1.9
"""Under the promised 2 s by more than a thread takes to wake."""

WORDS_AFTER_S, WORDS_EVERY_S = 10.0, 30.0


class Waiting:
    """Tells what is due while the user waits; knows nothing of sound or threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: seconds, never going back."""
        self._clock = clock
        self._began_s: float | None = None
        self._earcon_given = False
        self._next_words_s = WORDS_AFTER_S

    @property
    def running(self) -> bool:
        """True while the user waits."""
        return self._began_s is not None

    def start(self) -> None:
        """The user waits from now on."""
        self._began_s = self._clock()
        self._earcon_given = False
        self._next_words_s = WORDS_AFTER_S

    def stop(self) -> None:
        """The user hears or reads something again."""
        self._began_s = None

    def due(self) -> Literal["earcon", "words"] | None:
        """What must be given now; each only once."""
        if self._began_s is None:
            return None
        waited_s = self._clock() - self._began_s
        if waited_s >= self._next_words_s:
            self._earcon_given = True
            # A machine that slept does not catch up on what it left out.
            self._next_words_s = waited_s + WORDS_EVERY_S
            return "words"
        if waited_s >= EARCON_AFTER_S and not self._earcon_given:
            self._earcon_given = True
            return "earcon"
        return None

    def seconds_to_next(self) -> float | None:
        """Seconds until something is due, or None while nobody waits."""
        if self._began_s is None:
            return None
        waited_s = self._clock() - self._began_s
        due_s = self._next_words_s if self._earcon_given else EARCON_AFTER_S
        return max(0.0, due_s - waited_s)

    @property
    def waited_s(self) -> float:
        """Seconds the user has waited."""
        return 0.0 if self._began_s is None else self._clock() - self._began_s
