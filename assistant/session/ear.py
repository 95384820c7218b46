"""The session's ear: one question at a time, or a spoken stop while Sightline speaks."""

from assistant.hearing.listener import Heard, HeardKind, Listener


class Ear:
    """Owned by the session's thread."""

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self.listening = False
        self._finishing = False
        self._hears_stop = False
        self._deaf = False

    def start(self) -> None:
        """Begin to listen.

        Raises:
            AssistantError: the microphone cannot be opened.
        """
        assert self.listener is not None
        self.listener.start()
        self.listening, self._finishing = True, False
        self._hears_stop = self._deaf = False

    def listen_for_stop(self) -> None:
        """Hear a spoken stop from now on; not where a question is heard, or hearing failed."""
        if self.listener is not None and not (self.listening or self._hears_stop or self._deaf):
            self.listener.listen_for_stop()
            self._hears_stop = True

    def finish(self) -> None:
        """End the question; a second time does nothing."""
        if self.listener is not None and not self._finishing:
            self._finishing = True
            self.listener.finish()

    def cancel(self) -> None:
        """Stop listening and forget what was said."""
        if self.listener is not None and (self.listening or self._hears_stop):
            self.listener.cancel()
        self.listening = self._hears_stop = False

    def follow(self, heard: Heard) -> bool:
        """Take in what was heard; False if the user went on to something else before it came."""
        if self._hears_stop:
            is_over = heard.kind in (HeardKind.STOP, HeardKind.FAILED)
            self._hears_stop = not is_over
            # Until the talk key is pressed: it would fail again at each sentence that is spoken.
            self._deaf = heard.kind is HeardKind.FAILED
            return is_over
        if not self.listening or heard.kind is HeardKind.STOP:
            return False
        if heard.kind is not HeardKind.PARTIAL:
            self.listening = False
        return True
