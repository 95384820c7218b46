"""One conversation as a state machine: idle, listening, looking, thinking, speaking.

Everything that happens (a key, a typed line, a word heard, a sentence spoken, an answer found)
is a message in one bounded queue, and one thread takes them out. So no state has two owners, and
no order of arrival can leave it between two states. Looking and thinking happen in the worker's
thread; what it still says about a question that was given up is dropped by its ticket.

The session knows protocols only. It emits typed events; front ends render them and must keep
taking them out, in a thread that sends no orders. Its parts are joined here and know each other
only where their constructors say so; all that they say goes through one `Port`.
"""

import datetime
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from assistant.errors import AssistantError
from assistant.frames import FrameSource
from assistant.hearing.listener import Heard, HeardKind, Listener
from assistant.session import phrases
from assistant.session.asked_of_me import told_of_me
from assistant.session.ear import Ear
from assistant.session.events import (
    CameraBack,
    CameraLost,
    Closed,
    QuestionHeard,
    State,
    StatusSaid,
)
from assistant.session.fetching import KEYS, Fetching, Offer, Pulling
from assistant.session.jobs import Jobs
from assistant.session.looking import Eyes
from assistant.session.notes import Notes
from assistant.session.open_questions import OpenQuestions
from assistant.session.orders import EXAMPLES, HELP, TOGGLE, Action, Order, spoken_order
from assistant.session.port import Reporting
from assistant.session.protocols import Answering, Notebook
from assistant.session.settings import SessionSettings
from assistant.session.state import StateKeeper, Waiting
from assistant.session.tasks import Tasks
from assistant.session.voice import Voice
from assistant.settings.settings import Settings, Value
from assistant.speech.speaker import Earcon, Speaker, SpeechEvent, SpeechEventKind
from models.system_errors import OUT_OF_MEMORY, is_out_of_memory

MOST_MESSAGES = 1000
"""Messages that may wait; the session's thread does nothing slow, so few ever do."""

_KEEP_OPEN = frozenset(
    {Action.YES, Action.NO, Action.TALK, Action.PAUSE, Action.RESUME, Action.SLOWER, Action.FASTER,
     Action.QUIETER, Action.LOUDER}
)  # fmt: skip
"""Orders after which a question of ours is still to be answered; any other deletes nothing."""

VOICE_STEPS = frozenset({Action.SLOWER, Action.FASTER, Action.QUIETER, Action.LOUDER})


class Session:
    """Takes orders from any thread, emits events; `start` starts its two threads."""

    def __init__(
        self,
        answerer: Answering,
        *,
        settings: Settings,
        speaker: Speaker | None = None,
        listener: Listener | None = None,
        frames: FrameSource | None = None,
        memory: Notebook | None = None,
        save: Callable[[Settings, str], None] = lambda settings, name: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime.datetime] = datetime.datetime.now,
    ) -> None:
        """Join the parts; each device may be missing, and may come later with `attach`.

        save:  keeps one changed setting; raises SettingsError.
        clock: seconds, for what is said while the user waits.
        now:   the day and the time of this machine, which it can be asked for.
        """
        self._now = now
        self._inbox: queue.Queue[Callable[[], None]] = queue.Queue(MOST_MESSAGES)
        self._voice, self._ear, self._eyes, self._notes = Voice(), Ear(), Eyes(), Notes()
        self._port = Reporting(self._voice)
        self.events = self._port.events
        self._settings = SessionSettings(settings, save, self._port, self._voice)
        self._jobs = Jobs(self.post, self._port.fail)
        self._waiting = Waiting(clock)
        self._state = StateKeeper(
            self._ear, self._voice, self._jobs, self._waiting, self._port.emit
        )
        self._tasks = Tasks(
            self._port,
            self._jobs,
            answerer=answerer,
            eyes=self._eyes,
            notes=self._notes,
            waiting=self._waiting,
            settings=lambda: self._settings.now,
            post=self.post,
        )
        self._fetching = Fetching(
            self._port,
            decline=lambda: self._settings.change("models.offer", "no"),
            post=self.post,
            clock=clock,
            is_at_rest=lambda: self._state.now is State.IDLE,
        )
        self._questions = OpenQuestions(
            self._port,
            self._settings,
            self._tasks,
            self._fetching,
            read=lambda: self._do(Order(Action.READ)),
        )
        self._running = True
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)
        self._attach(speaker, listener, frames, memory)

    # Orders: called from any thread, they return at once.

    def start(self, *, ask_how_to_speak: bool = False) -> None:
        """Start the threads; at a first start, ask who shall speak."""
        self.post(lambda: self._begin(ask_how_to_speak))
        self._thread.start()

    def ask(self, text: str) -> None:
        """Answer a question, or follow an order said in words; gives up any older question."""
        self.post(lambda: self._ask(text))

    def do(self, order: Order) -> None:
        """Follow one order."""
        self.post(lambda: self._do(order))

    def talk(self) -> None:
        """The talk key: begin to listen, or end the question that is being spoken."""
        self.do(Order(Action.TALK))

    def stop(self) -> None:
        """Be silent and give up everything, in any state."""
        self.do(Order(Action.STOP))

    def open_picture(self, path: Path) -> None:
        """Look at a picture file from now on."""
        self.do(Order(Action.OPEN, str(path)))

    def set(self, name: str, value: Value) -> None:
        """Change a setting."""
        self.post(lambda: self._settings.change(name, value))

    def report(self, text: str) -> None:
        """Say something about the program, the first time only, such as what is missing."""
        self.post(lambda: self._port.say_once(text))

    def offer(self, offers: Sequence[Offer], puller: Pulling) -> None:
        """Offer models, which are pulled after a yes; not before it is known who speaks."""
        self.post(lambda: None if self.choosing else self._fetching.offer(offers, puller))

    def say(self, text: str) -> None:
        """Say something that the user asked for, such as the keys."""
        self.post(lambda: self._port.say(text))

    def fail(self, text: str) -> None:
        """Say an error that a front end found, such as an unknown command."""
        self.post(lambda: self._port.fail(text))

    def when_idle(self, reply: "queue.Queue[None]") -> None:
        """Put None into a queue as soon as nobody waits for anything any more."""
        self.post(lambda: self._state.when_at_rest(reply))

    def quit(self) -> None:
        """End; `Closed` is the last event."""
        self.do(Order(Action.QUIT))

    def close(self, timeout_s: float = 2.0) -> None:
        """End and wait for the threads, but not longer than a time. Devices stay open."""
        if self._thread.is_alive():
            self.quit()
            self._thread.join(timeout_s)
        self._jobs.close()

    # What the devices report, from their threads.

    def attach(
        self,
        *,
        speaker: Speaker | None = None,
        listener: Listener | None = None,
        frames: FrameSource | None = None,
        memory: Notebook | None = None,
    ) -> None:
        """Give the session devices that took longer to open, or came back."""
        self.post(lambda: self._attach(speaker, listener, frames, memory))

    def without_memory(self, why: str, *, is_known: bool = False) -> None:
        """The memory was switched on and cannot be opened; orders about it say why.

        is_known: True if the user was told at an earlier start, and need not hear it again.
        """
        self._notes.cannot_open(why)
        if not is_known:
            self.fail(why)

    def heard(self, heard: Heard) -> None:
        """What the listener heard."""
        self.post(lambda: self._heard(heard))

    def spoke(self, event: SpeechEvent) -> None:
        """What became of speech."""
        self.post(lambda: self._spoke(event))

    def camera_lost(self, text: str) -> None:
        """No new frames come."""
        self.post(lambda: self._camera_changed(True, text))

    def camera_back(self, text: str) -> None:
        """Frames come again."""
        self.post(lambda: self._camera_changed(False, text))

    def post(self, message: Callable[[], None]) -> None:
        """Run a message in the session's thread, after all that was sent before it."""
        self._inbox.put(message)

    # What front ends may know; it changes in the session's thread.

    @property
    def running(self) -> bool:
        """False once the session ends."""
        return self._running

    @property
    def choosing(self) -> bool:
        """True while the first question, who shall speak, has no answer."""
        return self._voice.waits_for_choice

    @property
    def offering(self) -> bool:
        """True while a model is offered that one key pulls."""
        return self._fetching.is_open

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self._settings.now

    @property
    def state(self) -> State:
        """What the session is doing."""
        return self._state.now

    # The session's thread.

    def _run(self) -> None:
        while self._running:
            try:
                message = self._inbox.get(timeout=self._waiting.seconds_to_next())
            except queue.Empty:
                message = _nothing
            self._handle(message)
        self._port.emit(Closed())

    def _handle(self, message: Callable[[], None]) -> None:
        """Handle one message and settle the state."""
        try:
            message()
        except AssistantError as error:
            self._port.fail(str(error))
        except Exception as error:
            # The last line of defence: a session that dies leaves its user in silence.
            logging.getLogger(__name__).info("unexpected failure", exc_info=True)
            said = f"unexpected failure ({type(error).__name__}: {error}); go on, or restart"
            self._port.fail(OUT_OF_MEMORY if is_out_of_memory(error) else said)
        self._bridge_silence()
        self._state.settle()
        if self._inbox.empty():
            self._remind()
            self._state.release()

    def _remind(self) -> None:
        """Come back to an offer once all that was asked before its answer is told."""
        is_at_rest = self._state.now is State.IDLE and not self._jobs.running
        if is_at_rest and not self._tasks.offers_reading:
            self._fetching.remind()
            self._state.settle()

    def _bridge_silence(self) -> None:
        due = self._waiting.due()
        if due == "earcon":
            self._port.signal(Earcon.WORKING)
        elif due == "words":
            self._port.say(phrases.waiting_words(self._waiting.waited_s))

    def _begin(self, ask_how_to_speak: bool) -> None:
        self._voice.waits_for_choice = ask_how_to_speak and self.settings.speech_mode == "ask"
        if self.choosing:
            self._port.ask(phrases.FIRST_QUESTION)
        else:
            self._port.say(phrases.READY)

    def _ask(self, text: str, *, was_heard: bool = False) -> None:
        if not text.strip():
            return
        self._port.emit(QuestionHeard(text))
        if self.choosing and self._questions.choose(text):
            return
        order = spoken_order(text)
        if self._fetching.is_open and text.strip() in KEYS:
            # Its keys mean the offer, whatever was asked since.
            (self._fetching.yes if text.strip() == KEYS[0] else self._fetching.no)()
            return
        if order is not None and order.action is Action.HELP:
            # Who asks in words wants words to say; the commands are for who types them.
            self._do(Order(Action.HELP, EXAMPLES))
            return
        if order is not None:
            self._do(order)
            return
        self._questions.drop()
        if phrases.is_thanks(text):
            self._port.say(phrases.WELCOME)
            return
        told = told_of_me(text, self._now())
        if told:
            self._give_up()
            self._tasks.tell(told)
            return
        self._answer(text, was_heard=was_heard)

    def _answer(self, text: str, *, was_heard: bool) -> None:
        if self._tasks.is_opening:
            self._tasks.when_opened(lambda: self._answer(text, was_heard=was_heard))
            return
        self._give_up()
        self._tasks.ask(text, was_heard=was_heard)

    def _do(self, order: Order) -> None:
        action, argument = order.action, order.argument
        if action not in _KEEP_OPEN:
            self._questions.drop(keep_offer=action in (Action.STOP, Action.REPEAT))
        if action is Action.REPEAT and self._fetching.is_last:
            self._fetching.ask_again()
        elif action is Action.YES:
            self._questions.yes()
        elif action is Action.NO:
            self._questions.no()
        elif action is Action.TALK:
            self._talk()
        elif action is Action.STOP:
            self._stop()
        elif action is Action.QUIT:
            self._give_up()
            self._running = False
        elif action is Action.PAUSE:
            self._pause(or_resume=argument == TOGGLE)
        elif action is Action.RESUME:
            self._resume()
        elif action is Action.HELP:
            self._help(with_examples=argument == EXAMPLES)
        elif action in VOICE_STEPS and argument:
            # "Say that slower": the voice changes, then the same is said in it.
            self._give_up()
            if action is not Action.SLOWER or not self._tasks.say_slowly():
                self._settings.follow(action, "")
                self._tasks.follow(Action.REPEAT, "")
        elif self._settings.follow(action, argument):
            return
        elif self._tasks.is_opening and action is not Action.OPEN:
            self._tasks.when_opened(lambda: self._do(order))
        else:
            self._give_up()
            self._tasks.follow(action, argument, order.page)

    def _stop(self) -> None:
        """Give up everything; where nothing is done or said, what is being pulled."""
        is_quiet = self._state.now is State.IDLE and not self._voice.has_speech
        self._give_up()
        self._tasks.forget_question()
        if is_quiet:
            self._fetching.stop_or_ask()

    def _help(self, *, with_examples: bool) -> None:
        if not with_examples:
            self._port.say("\n".join(HELP.values()))
        elif self._tasks.is_opening:
            self._tasks.when_opened(lambda: self._help(with_examples=True))
        else:
            self._give_up()
            self._tasks.help()

    def _pause(self, *, or_resume: bool) -> None:
        """Hold the speech; a key that does both goes on where it is held already."""
        if or_resume and self._voice.paused:
            self._resume()
        elif self._voice.has_speech or self._jobs.running:
            self._voice.pause()
        else:
            self._port.say(phrases.NOTHING_TO_PAUSE)

    def _resume(self) -> None:
        if self._voice.paused:
            self._voice.resume()
        else:
            self._port.say(phrases.NOTHING_PAUSED)

    def _talk(self) -> None:
        if self._ear.listening:
            self._ear.finish()
            return
        self._give_up()
        if self._ear.listener is None:
            self._port.fail(phrases.NO_LISTENER)
            return
        self._voice.signal(Earcon.LISTENING)
        try:
            self._ear.start()
        except AssistantError as error:
            self._port.fail(str(error))
            return
        self._tasks.look_ahead()

    def _heard(self, heard: Heard) -> None:
        asked = self._ear.listening
        if not self._ear.follow(heard):
            return
        text = heard.transcript.text if heard.transcript is not None else ""
        if heard.kind is HeardKind.PARTIAL:
            self._port.emit(QuestionHeard(text, partial=True))
        elif heard.kind is HeardKind.STOP:
            self._port.emit(QuestionHeard(text))
            self._do(Order(Action.STOP))
        elif heard.kind is HeardKind.FINAL and text:
            self._ask(text, was_heard=True)
        elif not asked:
            # Only a spoken stop cannot be heard; what is being said goes on.
            self._port.say_once(heard.message)
        else:
            self._jobs.cancel()
            self._port.fail(heard.message or phrases.NOT_UNDERSTOOD)

    def _give_up(self) -> None:
        """Leave every state for IDLE: no microphone, silence, no job."""
        self._ear.cancel()
        self._voice.stop()
        self._jobs.cancel()
        self._waiting.stop()

    def _spoke(self, event: SpeechEvent) -> None:
        if event.kind is SpeechEventKind.STARTED and self._voice.speaking:
            self._tasks.note_spoken(event.text)
        if event.kind is SpeechEventKind.STARTED and self.settings.speech_headphones:
            self._ear.listen_for_stop()
        elif not self._ear.listening:
            self._ear.cancel()
        shown = self._voice.follow(event)
        if shown:
            self._port.emit(StatusSaid(shown))

    def _camera_changed(self, lost: bool, text: str) -> None:
        if lost is not self._eyes.is_lost:
            self._eyes.is_lost = lost
            self._port.emit(CameraLost(text) if lost else CameraBack(text))
            self._voice.say(text)
        if not lost:
            self._tasks.answer_kept()

    def _attach(
        self,
        speaker: Speaker | None,
        listener: Listener | None,
        frames: FrameSource | None,
        memory: Notebook | None,
    ) -> None:
        if speaker is not None:
            self._voice.speaker = speaker
            speaker.on_event = self.spoke
            self._settings.apply_all()
        if listener is not None:
            self._ear.listener = listener
            listener.on_heard = self.heard
        if frames is not None:
            self._eyes.frames = frames
        if memory is not None:
            self._notes.use(memory)


def _nothing() -> None:
    """The message of a time that has come."""
