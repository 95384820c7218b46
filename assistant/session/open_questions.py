"""The questions that Sightline itself has asked, and what a word of the user answers them with."""

from collections.abc import Callable

from assistant.session import phrases
from assistant.session.fetching import Fetching
from assistant.session.port import Reporting
from assistant.session.settings import SessionSettings
from assistant.session.tasks import Tasks


class OpenQuestions:
    """Whether to speak, to delete, to pull a model, to read: which of them a word answers."""

    def __init__(
        self,
        port: Reporting,
        settings: SessionSettings,
        tasks: Tasks,
        fetching: Fetching,
        *,
        read: Callable[[], None],
    ) -> None:
        """Nothing is asked yet. read: reads the text in view, where a yes asks for that."""
        self._port, self._settings = port, settings
        self._tasks, self._fetching, self._read = tasks, fetching, read
        self._has_reminded = False

    def choose(self, text: str) -> bool:
        """Take a line as the answer to the first question; False if it is about something else.

        That is followed in text, and the question stays open.
        """
        mode = phrases.choice_of_speech(text)
        if mode is not None:
            self._settings.change("speech.mode", mode)
        elif phrases.is_wrong_choice(text):
            self._port.ask(phrases.PRESS_ONE)
        else:
            if not self._has_reminded:
                self._has_reminded = True
                self._port.say(phrases.STILL_OPEN)
            return False
        return True

    def yes(self) -> None:
        """Do what was asked last."""
        if self._tasks.asks_to_delete:
            self._tasks.delete()
        elif self._fetching.is_last:
            self._fetching.yes()
        elif self._tasks.offers_reading:
            self._read()
        elif self._fetching.is_open:
            # Long after an offer, a yes may be meant for anything: it is not pulled for that.
            self._fetching.ask_again(in_short=True)
        else:
            self._port.say(phrases.NOTHING_ASKED)

    def no(self) -> None:
        """Leave what was asked last."""
        if self._tasks.asks_to_delete:
            self.drop()
        elif self._fetching.is_last or self._fetching.is_open and not self._tasks.offers_reading:
            self._fetching.no()
        else:
            offered = self._tasks.offers_reading
            self._port.say(phrases.ALL_RIGHT if offered else phrases.NOTHING_ASKED)

    def drop(self, *, keep_offer: bool = False) -> None:
        """Delete and pull nothing: who says something else than yes has not agreed.

        keep_offer: for who only wants silence, or to hear the offer again; behind anything else
                    it is the older of two questions.
        """
        if self._tasks.asks_to_delete:
            self._tasks.keep_all()
            self._port.say(phrases.NOTHING_DELETED)
        if not keep_offer:
            self._fetching.leave_open()
