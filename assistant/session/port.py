"""What the parts of a session may say, and how it is said: for the eye, the ear, or both."""

import queue
from collections.abc import Sequence
from typing import Protocol

from assistant.answers import Said
from assistant.session.events import ErrorSaid, Event, StatusSaid
from assistant.session.voice import Voice
from assistant.speech.speaker import Earcon

MOST_EVENTS = 4000
"""Events that may wait for a slow terminal before the session waits for it."""


class Port(Protocol):
    """The way from a session's parts to its user; they know nothing else of the session."""

    def emit(self, event: Event) -> None:
        """Hand an event to the front end, without a word."""
        ...

    def say(self, text: str) -> None:
        """Show and say something about the program."""
        ...

    def ask(self, text: str) -> None:
        """Show and say a question to the user."""
        ...

    def fail(self, text: str) -> None:
        """Show and say one sentence about what failed."""
        ...

    def say_answer(self, text: str, said: Sequence[Said] = ()) -> None:
        """Say what the user asked for; its event is the caller's. said: as in `Utterance`."""
        ...

    def signal(self, earcon: Earcon) -> None:
        """Give a short sound."""
        ...


class Reporting:
    """The `Port` of a session with a voice; owned by its thread. Front ends take the events out."""

    def __init__(self, voice: Voice) -> None:
        self.events: queue.Queue[Event] = queue.Queue(MOST_EVENTS)
        self._voice = voice
        self._said: set[str] = set()

    def emit(self, event: Event) -> None:
        """Hand an event to the front end."""
        self.events.put(event)

    def say(self, text: str) -> None:
        """Show and say something about the program."""
        self.emit(StatusSaid(text))
        self._voice.say(text)

    def ask(self, text: str) -> None:
        """Show and say a question to the user."""
        self.emit(StatusSaid(text, is_question=True))
        self._voice.ask(text)

    def say_once(self, text: str) -> None:
        """Show and say something, the first time only."""
        if text not in self._said:
            self._said.add(text)
            self.say(text)

    def fail(self, text: str) -> None:
        """Show and say one sentence about what failed."""
        self.emit(ErrorSaid(text))
        self._voice.signal(Earcon.ERROR)
        self._voice.say(text)

    def say_answer(self, text: str, said: Sequence[Said] = ()) -> None:
        """Say what the user asked for; where another voice reads it, signal that it is there."""
        self._voice.say_answer(text, said)

    def signal(self, earcon: Earcon) -> None:
        """Give a short sound, unless the user wants none."""
        self._voice.signal(earcon)
