"""The session's voice: what is spoken, by whom, and whether an answer is still being spoken."""

from collections.abc import Sequence

from assistant.answers import Said
from assistant.speech.speaker import (
    Earcon,
    Speaker,
    SpeechEvent,
    SpeechEventKind,
    SpeechPriority,
    Utterance,
)
from assistant.text.printable import printable

OWN_VOICE = ("voice", "ask")
"""Speech modes in which Sightline speaks; until the user has chosen, silence would help nobody."""

SILENT = "none"


class Voice:
    """Owned by the session's thread."""

    def __init__(self) -> None:
        self.speaker: Speaker | None = None
        self.mode = "ask"
        self.speaking = False
        """True while an answer is being spoken; notices between answers do not count."""
        self.paused = False
        """True from `pause` to `resume`, or until it is silenced."""
        self.waits_for_choice = False
        """True while the user was asked who shall speak: until then only that is spoken."""
        self._lost = False

    @property
    def speaks(self) -> bool:
        """True if Sightline is the one who speaks."""
        return self.speaker is not None and self.mode in OWN_VOICE

    @property
    def has_speech(self) -> bool:
        """True while anything is spoken, waits to be, or is held by a pause."""
        return self.speaker is not None and (self.speaking or self.speaker.is_speaking)

    def say(
        self,
        text: str,
        priority: SpeechPriority = SpeechPriority.NEXT,
        said: Sequence[Said] = (),
    ) -> None:
        """Speak, if Sightline is the one who speaks; said: as in `Utterance`."""
        if not self.waits_for_choice:
            self._say(text, priority, said)

    def ask(self, text: str) -> None:
        """Speak a question that decides who speaks."""
        self._say(text, SpeechPriority.NEXT, ())

    def _say(self, text: str, priority: SpeechPriority, said: Sequence[Said]) -> None:
        if self.speaker is not None and self.speaks:
            self.speaker.say(Utterance(printable(text), priority, tuple(said)))

    def say_answer(self, text: str, said: Sequence[Said] = ()) -> None:
        """Speak what the user asked for; where another voice reads it, signal that it is there."""
        if not self.speaks or self.waits_for_choice:
            self.signal(Earcon.FOUND)
            return
        # Also without sound: that is how it is found again.
        self.say(text, SpeechPriority.NORMAL, said)
        self.speaking = not self._lost

    def signal(self, earcon: Earcon) -> None:
        """Give a short sound, unless the user wants none."""
        if self.speaker is not None and self.mode != SILENT and not self.waits_for_choice:
            self.speaker.earcon(earcon)

    def stop(self) -> None:
        """Be silent now."""
        self.speaking = self.paused = False
        if self.speaker is not None:
            self.speaker.stop()

    def pause(self) -> None:
        """Be silent and keep the place."""
        if self.speaker is not None:
            self.speaker.pause()
            self.paused = True

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        self.paused = False
        if self.speaker is not None:
            self.speaker.resume()

    def follow(self, event: SpeechEvent) -> str:
        """Take in what became of speech; return what to show of it, or ""."""
        if event.kind is not SpeechEventKind.FINISHED:
            self._lost = event.kind is SpeechEventKind.FAILED
        # Asked now: a sentence that was said after this event was sent is still to come.
        still = self.speaker is not None and self.speaker.is_speaking
        self.speaking = self.speaking and still and not self._lost
        is_news = event.kind in (SpeechEventKind.FAILED, SpeechEventKind.BACK)
        return event.text if is_news else ""
