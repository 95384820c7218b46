"""What speaks: sentences with a priority, short signals, and what is reported back about both."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from assistant.answers import Said

SLOWEST_WPM, FASTEST_WPM = 80, 600


class SpeechPriority(enum.IntEnum):
    """Who speaks first.

    NORMAL waits its turn. NEXT speaks before all that waits, after the sentence being spoken.
    NOW breaks into that sentence, which is then spoken again from its beginning.
    """

    NORMAL = 0
    NEXT = 1
    NOW = 2


@dataclass(frozen=True, slots=True)
class Utterance:
    """One or more sentences to speak.

    said: the same words part by part, where some are in another language or of a known kind.
    """

    text: str
    priority: SpeechPriority = SpeechPriority.NORMAL
    said: tuple[Said, ...] = ()


class Earcon(enum.Enum):
    """A short sound with one meaning each."""

    LISTENING = "listening"
    WORKING = "working"
    FOUND = "found"
    ERROR = "error"
    NEAR = "near"
    """What is looked for is in view; it comes the faster, the nearer it is."""


class SpeechEventKind(enum.Enum):
    """What happened to speech."""

    STARTED = "started"
    """A sentence begins to sound; `text` is the sentence."""
    FINISHED = "finished"
    """Nothing more waits to be spoken: all was said, or stopped, or could not be said."""
    FAILED = "failed"
    """There is no sound; `text` is one sentence with the cause and the way out, said once."""
    BACK = "back"
    """Sound works again; `text` says so."""


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """What a speaker reports back; see `SpeechEventKind` for `text`."""

    kind: SpeechEventKind
    text: str = ""


SpeechCallback = Callable[[SpeechEvent], None]
"""Called on the speaker's own thread: put the event into a queue and return."""


class Speaker(Protocol):
    """Anything that speaks; every method returns at once and may be called from any thread."""

    on_event: SpeechCallback | None

    @property
    def is_speaking(self) -> bool:
        """True while something sounds, is paused, or waits to be spoken."""
        ...

    def say(self, utterance: Utterance) -> None:
        """Speak, sentence by sentence, in its turn."""
        ...

    def stop(self) -> None:
        """Fall silent now, and forget what waits."""
        ...

    def pause(self) -> None:
        """Fall silent now, and keep the place."""
        ...

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        ...

    def set_rate(self, wpm: int) -> None:
        """Set the speed in words per minute, from the next sentence on.

        Raises:
            SynthesizerError: outside 80 to 600.
        """
        ...

    def set_volume(self, percent: int) -> None:
        """Set the loudness of everything, at once.

        Raises:
            PlayerError: outside 0 to 100.
        """
        ...

    def set_voice(self, name: str | None) -> None:
        """Choose a voice by the engine's id; None is the engine's own choice."""
        ...

    def earcon(self, earcon: Earcon) -> None:
        """Sound a short signal over whatever is being spoken."""
        ...

    def close(self) -> None:
        """Fall silent and give up the loudspeaker and the speech engine."""
        ...
