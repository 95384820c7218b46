"""The speaking thread: sentences are synthesized one ahead, played, stopped, and reported."""

import contextlib
import functools
import queue
import threading
import time
from collections.abc import Callable

from assistant.errors import SynthesizerError
from assistant.speech.earcons import render_earcons
from assistant.speech.engine import SpeechEngine, Synthesizer
from assistant.speech.loudspeaker import Loudspeaker, Player
from assistant.speech.speaker import (
    FASTEST_WPM,
    SLOWEST_WPM,
    Earcon,
    SpeechCallback,
    SpeechEvent,
    SpeechEventKind,
    SpeechPriority,
    Utterance,
)
from assistant.speech.utterance_queue import Sentence, SpeechQueue

MOST_SIGNALS = 8
"""Signals that may wait to sound; a ninth is late, and so dropped."""

_TEND_S = 0.25
"""How often the loudspeaker is looked after."""


class SentenceSpeaker:
    """A `Speaker` whose own thread alone waits for the speech engine and the loudspeaker.

    The other methods change what is to be said under a lock that is never held while anything
    slow happens, so `stop` is immediate in every state. A generation number makes sure that a
    sentence that was being synthesized when `stop` came is not heard afterwards.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        open_player: Callable[[], Player],
        *,
        on_event: SpeechCallback | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the threads; the device is opened there, so a start never waits for it.

        open_player: makes a player, or raises PlayerError where there is no device now.
        """
        self.on_event = on_event
        self._engine = SpeechEngine(synthesizer, self._report, clock)
        self._loudspeaker = Loudspeaker(open_player, self._report, clock=clock)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._looked = threading.Event()
        self._queue = SpeechQueue()
        self._speaking: Sentence | None = None
        self._generation = 0
        self._over_generation = -1
        self._paused = False
        self._busy = False
        self._closing = False
        self._earcons = render_earcons()
        self._signals: queue.Queue[Earcon | None] = queue.Queue(MOST_SIGNALS)
        self._threads = [
            threading.Thread(target=self._run, name="speaker", daemon=True),
            threading.Thread(target=self._run_signals, name="signals", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_speaking(self) -> bool:
        """True while something sounds, is paused, or waits to be spoken."""
        with self._lock:
            return self._speaking is not None or self._queue.peek() is not None

    def say(self, utterance: Utterance) -> None:
        """Speak, sentence by sentence, in its turn."""
        with self._lock:
            self._queue.add(utterance)
            self._busy = True
            breaks_in = (
                utterance.priority is SpeechPriority.NOW
                and self._speaking is not None
                and self._speaking.priority is not SpeechPriority.NOW
            )
            if breaks_in and self._speaking is not None:
                self._queue.put_back(self._speaking)
                self._drop_current()
        if breaks_in:
            self._loudspeaker.stop()
        self._wake.set()

    def stop(self) -> None:
        """Fall silent now, and forget what waits."""
        with self._lock:
            self._queue.clear()
            self._drop_current()
            self._paused = False
        self._loudspeaker.stop()
        self._wake.set()

    def pause(self) -> None:
        """Fall silent now, and keep the place."""
        with self._lock:
            self._paused = True
        self._loudspeaker.pause()

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        with self._lock:
            self._paused = False
        self._loudspeaker.resume()
        self._wake.set()

    def set_rate(self, wpm: int) -> None:
        """Set the speed in words per minute, from the next sentence on.

        Raises:
            SynthesizerError: outside 80 to 600.
        """
        if not SLOWEST_WPM <= wpm <= FASTEST_WPM:
            raise SynthesizerError(
                f"{wpm} words per minute cannot be spoken", f"give {SLOWEST_WPM} to {FASTEST_WPM}"
            )
        self._engine.set_rate(wpm)

    def set_volume(self, percent: int) -> None:
        """Set the loudness of everything, at once.

        Raises:
            PlayerError: outside 0 to 100.
        """
        self._loudspeaker.set_volume(percent)

    def set_voice(self, name: str | None) -> None:
        """Choose a voice by the engine's id; a missing one is told, and the former kept."""
        self._engine.set_voice(name)

    def earcon(self, earcon: Earcon) -> None:
        """Sound a short signal over whatever is being spoken."""
        with contextlib.suppress(queue.Full):
            self._signals.put_nowait(earcon)

    def close(self) -> None:
        """Fall silent and give up the loudspeaker and the speech engine."""
        self.stop()
        self._closing = True
        self._wake.set()
        with contextlib.suppress(queue.Full):
            self._signals.put_nowait(None)
        for thread in self._threads:
            # A device that hangs must not keep the program from ending.
            thread.join(timeout=2.0)
        self._loudspeaker.close()
        self._engine.close()

    def _drop_current(self) -> None:
        """Forget the sentence being spoken; under the lock."""
        self._speaking = None
        self._generation += 1

    def _run(self) -> None:
        self._engine.start()
        while not self._closing:
            self._loudspeaker.tend()
            self._looked.set()
            self._advance()
            self._wake.wait(_TEND_S)
            self._wake.clear()

    def _run_signals(self) -> None:
        self._looked.wait()
        while (earcon := self._signals.get()) is not None:
            self._loudspeaker.signal(self._earcons[earcon])

    def _advance(self) -> None:
        """Speak what is due; while a sentence sounds, prepare the next."""
        while not self._closing:
            with self._lock:
                sentence = self._next()
                generation = self._generation
                upcoming = self._queue.peek() if sentence is None else None
            if sentence is None:
                if upcoming is not None and self._loudspeaker.plays:
                    self._engine.prepare(upcoming.text, upcoming.said)
                self._report_if_finished()
                return
            plays = self._loudspeaker.plays
            clip = self._engine.clip(sentence.text, sentence.said) if plays else None
            with self._lock:
                if generation != self._generation:
                    continue
                if self._holds(sentence):
                    self._queue.put_back(sentence)
                    self._drop_current()
                    continue
            over = functools.partial(self._sentence_over, generation)
            if clip is None or not self._loudspeaker.play(clip, over):
                self._give_up(generation)
                continue
            with self._lock:
                stopped = generation != self._generation
                held = self._holds(sentence)
            if stopped:
                # The stop came between the check and the sound.
                self._loudspeaker.stop()
                continue
            if held:
                self._hold()
            self._report(SpeechEvent(SpeechEventKind.STARTED, sentence.text))

    def _holds(self, sentence: Sentence) -> bool:
        """True if a pause keeps this sentence from sounding; under the lock."""
        return self._paused and sentence.priority is not SpeechPriority.NOW

    def _hold(self) -> None:
        """Pause a sentence that began to sound while the pause came, or let it go on again.

        Whoever pauses or resumes meanwhile is followed, in the order in which they did.
        """
        paused = True
        while True:
            if paused:
                self._loudspeaker.pause()
            else:
                self._loudspeaker.resume()
            with self._lock:
                if self._paused is paused:
                    return
                paused = self._paused

    def _next(self) -> Sentence | None:
        """Take the sentence that is due, if none sounds; under the lock."""
        if self._speaking is not None and self._over_generation == self._generation:
            self._drop_current()
        if self._speaking is not None and (self._loudspeaker.plays or self._paused):
            return None
        due = self._queue.peek()
        if due is None or (self._paused and due.priority is not SpeechPriority.NOW):
            return None
        if self._speaking is not None:
            self._drop_current()
        self._speaking = self._queue.take()
        return self._speaking

    def _sentence_over(self, generation: int) -> None:
        """Called on the sound card's thread, which takes no lock of ours."""
        # A clip that was stopped may tell so late, after its successor has ended.
        self._over_generation = max(self._over_generation, generation)
        self._wake.set()

    def _give_up(self, generation: int) -> None:
        """Drop a sentence that cannot be heard; it stands on the screen."""
        with self._lock:
            if generation == self._generation:
                self._drop_current()

    def _report_if_finished(self) -> None:
        with self._lock:
            finished = self._busy and self._speaking is None and self._queue.peek() is None
            if finished:
                self._busy = False
        if finished:
            self._report(SpeechEvent(SpeechEventKind.FINISHED))

    def _report(self, event: SpeechEvent) -> None:
        if self.on_event is not None:
            self.on_event(event)
