"""The session's ear: one question at a time, from the talk key to its words."""

from assistant.listening import Heard, HeardKind, Listener


class Ear:
    """Owned by the session's thread."""

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self.listening = False
        self._finishing = False

    def start(self) -> None:
        """Begin to listen.

        Raises:
            AssistantError: the microphone cannot be opened.
        """
        assert self.listener is not None
        self.listener.start()
        self.listening, self._finishing = True, False

    def finish(self) -> None:
        """End the question; a second time does nothing."""
        if self.listener is not None and not self._finishing:
            self._finishing = True
            self.listener.finish()

    def cancel(self) -> None:
        """Stop listening and forget what was said."""
        if self.listening and self.listener is not None:
            self.listener.cancel()
        self.listening = False

    def follow(self, heard: Heard) -> bool:
        """Take in what was heard; False if the user went on to something else before it came."""
        if not self.listening:
            return False
        if heard.kind is not HeardKind.PARTIAL:
            self.listening = False
        return True
