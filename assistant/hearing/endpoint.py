"""When is a question over? Silence after speech, within limits."""

import enum
from dataclasses import dataclass


class EndpointState(enum.Enum):
    """How far a question has come."""

    WAITING = "waiting"
    """Nobody has spoken yet."""
    SPEAKING = "speaking"
    """Somebody speaks, or breathes between two words."""
    ENDED = "ended"
    """The question is over."""
    NOTHING = "nothing"
    """Nobody spoke in time."""
    TOO_LONG = "too long"
    """Somebody speaks without end, or a television does."""


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Times in seconds, and when sound counts as speech.

    start_probability: speech begins at this; a cough or a key press stays below it.
    go_on_probability: speech goes on above this; the lower one keeps soft endings of words.
    shortest_speech_s: less than this is a click, not a word ("stop" takes 0.3 s).
    end_s:             silence that ends the question; people pause up to about half a second
                       inside a sentence, but not inside a word.
    wait_s:            how long to wait for the first word.
    longest_s:         the longest question.
    """

    start_probability: float = 0.5
    go_on_probability: float = 0.35
    shortest_speech_s: float = 0.13
    end_s: float = 0.7
    wait_s: float = 8.0
    longest_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0.2 <= self.end_s <= 1.0:
            raise ValueError(f"end_s is {self.end_s}, not 0.2 to 1.0 s")


class Endpoint:
    """Follows the probability of speech, block by block; pure logic, no clock and no device."""

    def __init__(self, settings: EndpointSettings | None = None) -> None:
        """Wait for the first word."""
        self._settings = settings or EndpointSettings()
        self.reset()

    def reset(self) -> None:
        """Begin a new question."""
        self._total_s = self._voiced_s = self._silent_s = 0.0
        self._began = False
        self.state = EndpointState.WAITING

    @property
    def began(self) -> bool:
        """True once somebody has spoken."""
        return self._began

    @property
    def silent_s(self) -> float:
        """Silence since the last voiced sound."""
        return self._silent_s

    def accept(self, probability: float, duration_s: float) -> EndpointState:
        """Take the probability of speech in the next block, and say how far the question is."""
        settings = self._settings
        self._total_s += duration_s
        threshold = settings.go_on_probability if self._began else settings.start_probability
        if probability >= threshold:
            self._voiced_s += duration_s
            self._silent_s = 0.0
            self._began = self._began or self._voiced_s >= settings.shortest_speech_s
        else:
            self._silent_s += duration_s
            if not self._began:
                self._voiced_s = 0.0
        self.state = self._judge()
        return self.state

    def _judge(self) -> EndpointState:
        settings = self._settings
        if not self._began:
            late = self._total_s >= settings.wait_s
            return EndpointState.NOTHING if late else EndpointState.WAITING
        if self._silent_s >= settings.end_s:
            return EndpointState.ENDED
        if self._total_s >= settings.longest_s:
            return EndpointState.TOO_LONG
        return EndpointState.SPEAKING
