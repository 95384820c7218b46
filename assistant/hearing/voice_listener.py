"""The listening thread: microphone, end of speech and recognizer, one question at a time."""

import contextlib
import enum
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from assistant.errors import MicrophoneError, RecognizerError
from assistant.hearing.endpoint import Endpoint, EndpointSettings
from assistant.hearing.listener import Heard, HeardCallback, HeardKind
from assistant.hearing.orders import order_in
from assistant.hearing.question import SpokenQuestion, VoiceActivity
from assistant.hearing.recognizer import AudioChunk, Recognizer, Transcript

MOST_ORDERS = 16

NOT_UNDERSTOOD = "I did not understand that; say help to hear what you can ask."
NOTHING_HEARD = "I heard nothing; press the talk key and ask again."
YES, YES_WITHIN_S = ("yes", ""), 20.0
"""The order that takes up what was asked back, and how long: a later one answers something else."""

MUTED = "The microphone gives no sound at all; switch it on, or type the question."


class Microphone(Protocol):
    """What captures sound; see `assistant.devices.microphone`."""

    def open(self) -> None:
        """Begin to capture, or raise MicrophoneError."""
        ...

    def read(self) -> AudioChunk:
        """Wait for the next piece, or raise MicrophoneError."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


class _Order(enum.Enum):
    START = 0
    FINISH = 1
    CANCEL = 2
    CLOSE = 3
    LISTEN_FOR_STOP = 4


_ENDING = (_Order.START, _Order.LISTEN_FOR_STOP, _Order.CANCEL, _Order.CLOSE)
"""Orders that end what is being heard."""

STOP_ENDS = EndpointSettings(end_s=0.25, longest_s=4.0)
"""A stop is a word or two: silence soon shows that it is over, and who speaks on says no stop."""


class VoiceListener:
    """A `Listener` whose own thread owns the microphone, the detector and the recognizer.

    The detector and the recognizer are loaded there too, so nothing waits for them; what fails
    in that is told at the first question, and tried again at each.
    """

    def __init__(
        self,
        microphone: Microphone,
        open_recognizer: Callable[[], Recognizer],
        open_activity: Callable[[], VoiceActivity],
        *,
        settings: EndpointSettings | None = None,
        on_heard: HeardCallback | None = None,
    ) -> None:
        """Start the thread.

        open_recognizer, open_activity: load what they name, or raise RecognizerError.
        """
        self.on_heard = on_heard
        self._microphone = microphone
        self._open_recognizer, self._open_activity = open_recognizer, open_activity
        self._recognizer: Recognizer | None = None
        self._activity: VoiceActivity | None = None
        self._settings = settings
        # Each start and cancel makes a new number: what an older question still gives is dropped.
        self._wanted = 0
        self._closing = False
        self._finished_at = 0.0
        self._doubted: Transcript | None = None
        self._doubted_at = 0.0
        self._loading = threading.Lock()
        self._orders: queue.Queue[_Order] = queue.Queue(MOST_ORDERS)
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def start(self) -> None:
        """Begin to listen."""
        self._wanted += 1
        self._give_up()
        self._order(_Order.START)

    def listen_for_stop(self) -> None:
        """Begin to listen for a stop."""
        self._wanted += 1
        self._give_up()
        self._order(_Order.LISTEN_FOR_STOP)

    def finish(self) -> None:
        """End the question now."""
        self._finished_at = time.monotonic()
        self._order(_Order.FINISH)

    def cancel(self) -> None:
        """Stop listening and tell nothing more of this question."""
        self._wanted += 1
        self._give_up()
        self._order(_Order.CANCEL)

    def close(self) -> None:
        """Give up the microphone and the recognizer."""
        self._wanted += 1
        self._closing = True
        self._give_up()
        self._order(_Order.CLOSE)
        # A device that hangs must not keep the program from ending.
        self._thread.join(timeout=2.0)
        if self._recognizer is not None:
            self._recognizer.close()

    def _give_up(self) -> None:
        """Stop decoding at once; the listener's thread may be waiting for the last words."""
        if self._recognizer is not None:
            self._recognizer.cancel()

    def _order(self, order: _Order) -> None:
        while True:
            try:
                self._orders.put_nowait(order)
                return
            except queue.Full:
                # Sixteen keys pressed while one question is decoded: the newest one counts.
                self._next_order()

    def _run(self) -> None:
        threading.Thread(target=self._preload, name="recognizer", daemon=True).start()
        order: _Order | None = None
        while not self._closing:
            order = order or self._orders.get()
            if order is _Order.START:
                order = self._attend(self._listen)
            elif order is _Order.LISTEN_FOR_STOP:
                order = self._attend(self._hear_stop)
            else:
                order = None

    def _preload(self) -> None:
        # What fails now fails again, and is reported, at the first question.
        with contextlib.suppress(RecognizerError):
            self._load()

    def _load(self) -> tuple[Recognizer, VoiceActivity]:
        with self._loading:
            if self._recognizer is None:
                self._recognizer = self._open_recognizer()
            if self._activity is None:
                self._activity = self._open_activity()
            return self._recognizer, self._activity

    def _attend(self, listen: Callable[[int], _Order | Callable[[], Heard]]) -> _Order | None:
        """Listen in one way, and report what was heard; return the order that ended it, if any."""
        question = self._wanted
        try:
            # First, so that what is said while the recognizer is still loading is not lost.
            self._microphone.open()
            try:
                ended = listen(question)
            finally:
                self._microphone.close()
            if isinstance(ended, _Order):
                return ended
            self._report(question, ended())
        except (MicrophoneError, RecognizerError) as error:
            self._report(question, Heard(HeardKind.FAILED, message=str(error)))
        return None

    def _listen(self, question: int) -> _Order | Callable[[], Heard]:
        """Hear one question."""
        recognizer, activity = self._load()
        hearing = SpokenQuestion(recognizer, activity, Endpoint(self._settings))
        finishing = False
        while True:
            order = self._next_order()
            if order in _ENDING:
                recognizer.cancel()
                return order
            finishing = finishing or order is _Order.FINISH
            chunk = self._microphone.read()
            if hearing.accept(chunk):
                break
            if finishing and chunk.captured_at >= self._finished_at:
                # All that was said until the key went down has been heard.
                break
            words = hearing.new_words()
            if words:
                partial = Transcript(words, 0.0, recognizer.name)
                self._report(question, Heard(HeardKind.PARTIAL, partial))
        return lambda: self._heard(hearing)

    def _heard(self, question: SpokenQuestion) -> Heard:
        """What a question that is over has come to; "yes" is the one that was asked back."""
        doubted, self._doubted = self._doubted, None
        is_late = time.monotonic() - self._doubted_at > YES_WITHIN_S
        if question.is_silent:
            return Heard(HeardKind.REJECTED, message=MUTED if question.is_muted else NOTHING_HEARD)
        transcript = question.transcript()
        if transcript is None:
            return Heard(HeardKind.REJECTED, message=NOT_UNDERSTOOD)
        if transcript.doubt:
            self._doubted, self._doubted_at = replace(transcript, doubt=""), time.monotonic()
            return Heard(HeardKind.REJECTED, message=transcript.doubt)
        if doubted is not None and not is_late and order_in(transcript.text) == YES:
            transcript = doubted
        return Heard(HeardKind.FINAL, transcript, speech_ended_at=question.speech_ended_at)

    def _hear_stop(self, question: int) -> _Order | Callable[[], Heard]:
        """Hear whatever is said, piece by piece, until one of them is a stop."""
        recognizer, activity = self._load()
        said: Transcript | None = None
        while said is None:
            hearing = SpokenQuestion(recognizer, activity, Endpoint(STOP_ENDS), stop_only=True)
            over = False
            while not over:
                order = self._next_order()
                if order in _ENDING:
                    recognizer.cancel()
                    return order
                over = hearing.accept(self._microphone.read())
            said = None if hearing.is_silent else hearing.transcript()
        return lambda: Heard(HeardKind.STOP, said)

    def _next_order(self) -> _Order | None:
        try:
            return self._orders.get_nowait()
        except queue.Empty:
            return None

    def _report(self, question: int, heard: Heard) -> None:
        if question == self._wanted and self.on_heard is not None:
            self.on_heard(heard)
