"""What a session tells: events for the front end, and the same in speech and short sounds."""

import queue

from assistant.session.events import CameraBack, CameraLost, ErrorSaid, Event, StatusSaid
from assistant.session.voice import Voice
from assistant.speech.speaker import Earcon

MOST_EVENTS = 4000
"""Events that may wait for a slow terminal before the session waits for it."""


class Telling:
    """Owned by the session's thread; front ends take the events out."""

    def __init__(self, voice: Voice) -> None:
        self.events: queue.Queue[Event] = queue.Queue(MOST_EVENTS)
        self._voice = voice
        self._told: set[str] = set()
        self.camera_lost = False
        """True from when the user was told so until it is back."""

    def emit(self, event: Event) -> None:
        """Hand an event to the front end."""
        self.events.put(event)

    def say(self, text: str) -> None:
        """Show and say something about the program."""
        self.emit(StatusSaid(text))
        self._voice.say(text)

    def say_once(self, text: str) -> None:
        """Show and say something, the first time only."""
        if text not in self._told:
            self._told.add(text)
            self.say(text)

    def fail(self, text: str) -> None:
        """Show and say one sentence about what failed."""
        self.emit(ErrorSaid(text))
        self._voice.signal(Earcon.ERROR)
        self._voice.say(text)

    def camera_changed(self, lost: bool, text: str) -> None:
        """Show and say that the camera is lost or back, if that is new."""
        if lost is not self.camera_lost:
            self.camera_lost = lost
            self.emit(CameraLost(text) if lost else CameraBack(text))
            self._voice.say(text)
