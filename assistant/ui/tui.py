"""The full screen: what was asked, what was answered and on what basis, and what is going on.

It only renders the session's events and turns keys into orders. The terminal's own cursor stays
visible on the focused panel, because screen readers and braille displays follow it.
"""

import functools
import os
import queue
import re
from typing import ClassVar

from textual import events as keys
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.driver import Driver
from textual.message import Message
from textual.widgets import Input, Static

from assistant.answers import Basis
from assistant.errors import AssistantError
from assistant.session.events import (
    AnswerGiven,
    AnswerPart,
    CameraBack,
    CameraLost,
    Closed,
    ErrorSaid,
    Event,
    QuestionHeard,
    ReadingMoved,
    SettingsChanged,
    State,
    StateChanged,
    StatusSaid,
)
from assistant.session.fetching import KEYS
from assistant.session.orders import TOGGLE, Action, Order
from assistant.session.session import Session
from assistant.settings.settings import Settings
from assistant.speech.rendering import LABELS
from assistant.text.printable import printable
from assistant.ui.announcing import TOLD_AFTER_S, WAITS
from assistant.ui.key_help import ORDER_OF, key_name, keys_text, unbound_text
from assistant.ui.lines import Question, parse_line
from assistant.ui.plain import STATES

TAKE_UP_TO_S = 0.5
"""How long the event thread waits before it looks whether the screen was closed."""

MOST_NOTICES = 20
"""Notices that stay on the screen until the next question."""

_ALWAYS = frozenset({"talk", "stop", "type", "open", "help", "quit"})
"""Actions whose keys count while the first question is open; other keys are no answer to it."""

_FUNCTION_KEY = re.compile(r"f\d\d?")


def run_tui(session: Session) -> None:
    """Show the full screen until the user quits."""
    AssistantScreen(session).run()


class Happened(Message):
    """A session's event, on its way to the screen."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class Panel(VerticalScroll, can_focus=True):
    """A titled text that can be focused and scrolled; the cursor stands at its beginning."""

    def __init__(self, name: str, title: str) -> None:
        super().__init__(id=name)
        self._title = Static(title, classes="title")
        self._body = Static("", classes="body", markup=False)
        self.text = ""

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._body

    def show(self, text: str, title: str | None = None) -> None:
        """Replace the text, and the title with it where one is given."""
        self.text = printable(text)
        self._body.update(self.text)
        if title is not None:
            self._title.update(title)
        self.scroll_home(animate=False)

    def add(self, text: str) -> None:
        """Append a paragraph."""
        self.show(f"{self.text}\n{text}" if self.text else text)

    def put_cursor(self) -> None:
        """Put the terminal's cursor on this panel's text."""
        self.app.cursor_position = self._body.content_region.offset


class AssistantScreen(App[None]):
    """Three panels and a line to type in; one key per action."""

    CSS_PATH = "tui.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "Sightline"
    BINDINGS: ClassVar[list[tuple[str, str, str]]] = [  # type: ignore[assignment]
        ("ctrl+q", "leave", "Quit"),
        ("ctrl+c", "leave", "Quit"),
    ]

    def __init__(self, session: Session) -> None:
        # So told, Textual leaves colours out; else it would only turn them grey.
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self._session = session
        self._settings: Settings = session.settings
        self._question = Panel("question", "Question")
        self._answer = Panel("answer", "Answer")
        self._status = Panel("status", "Status")
        self._line = Input(
            placeholder="Type a question or /help, then Enter", id="line", select_on_focus=False
        )
        self._answered = False
        self._basis: Basis | None = None
        self._state = STATES[State.IDLE]
        self._now, self._waits = State.IDLE, 0
        self._notices: list[str] = []

    def compose(self) -> ComposeResult:
        yield self._question
        yield self._answer
        yield self._status
        yield self._line

    def get_driver_class(self) -> type[Driver]:
        """The usual driver of this system, with the terminal's cursor left visible."""
        return _with_cursor(super().get_driver_class())

    def on_mount(self) -> None:
        """Start to take events out, and begin on the answer."""
        self.set_focus(self._answer)
        self.run_worker(self._take_events, thread=True, exclusive=True)

    def _take_events(self) -> None:
        while self.is_running:
            try:
                event = self._session.events.get(timeout=TAKE_UP_TO_S)
            except queue.Empty:
                continue
            self.post_message(Happened(event))
            if isinstance(event, Closed):
                return

    def on_happened(self, message: Happened) -> None:
        """Render one event."""
        match message.event:
            case StateChanged(state):
                # What is answered next is about another look, and replaces the former answer.
                self._answered = self._answered and state is not State.LOOKING
                self._show_state(state)
            case QuestionHeard(text, partial):
                self._question.show(f"{text} …" if partial else text)
                if not partial:
                    self._answered = False
                    self._answer.show("", "Answer")
                    self._notices.clear()
                    self._show_status()
            case AnswerPart(text):
                self._show_answer(text, None)
            case AnswerGiven(answer, text, in_parts):
                self._show_answer("" if in_parts else text, answer.basis)
            case ReadingMoved(text, position):
                self._show_instead(text, f"Text, {position}")
            case StatusSaid(text, is_question) if is_question or "\n" in text:
                # A list that was asked for, or a question: where the cursor stands, and with room.
                self._show_instead(text, "Answer")
            case StatusSaid(text) | CameraLost(text) | CameraBack(text):
                self._notice(text)
            case ErrorSaid(text):
                self._notice(f"Error: {text}")
            case SettingsChanged():
                self._settings = self._session.settings
            case Closed():
                self.exit()
        self.call_after_refresh(self._place_cursor)

    def _notice(self, text: str) -> None:
        """Show a notice above the older ones, where the cursor stands."""
        self._notices.insert(0, text)
        del self._notices[MOST_NOTICES:]
        self._show_status()

    def _show_status(self) -> None:
        self._status.show("\n".join(self._notices), f"Status: {self._state}")

    def _show_state(self, state: State) -> None:
        """Show a state, and one that only means work once the wait is long."""
        was_waiting, self._now = self._now in WAITS, state
        if state not in WAITS:
            self._state = STATES[state]
            self._show_status()
        elif not was_waiting:
            self._waits += 1
            self.set_timer(TOLD_AFTER_S, functools.partial(self._show_wait, self._waits))
        elif self._state in (STATES[each] for each in WAITS):
            self._state = STATES[state]
            self._show_status()

    def _show_wait(self, wait: int) -> None:
        """Show what is being done, if it is still the same wait."""
        if wait == self._waits and self._now in WAITS:
            self._state = STATES[self._now]
            self._show_status()

    def _show_answer(self, text: str, basis: Basis | None) -> None:
        """Show an answer, or below it what else is known; the title tells the first one's basis.

        basis: None for a sentence of an answer that is still being found.
        """
        if not self._answered:
            self._show_instead("", "Answer")
            self._answered = True
        # An answer that is said again stands there already.
        new = "" if printable(text) in self._answer.text else text
        if basis is not None and self._basis in (None, basis):
            self._basis = basis
            self._answer.show(self._answer.text, f"Answer, {LABELS[basis]}")
        elif basis is not None and (new or not text):
            new = f"{new} ({LABELS[basis]})".lstrip()
        if new:
            self._answer.add(new)

    def _show_instead(self, text: str, title: str) -> None:
        """Show something else than the answer; the next answer replaces it."""
        self._answered, self._basis = False, None
        self._answer.show(text, title)

    async def on_event(self, event: keys.Event) -> None:
        """Follow the keys of actions before any panel gets them.

        Panels would hand them back later, when the focus may have moved: of words typed fast
        behind the key that begins a line, the first letters would be lost.
        """
        if isinstance(event, keys.Key) and not event.is_forwarded and self._follow(event):
            return
        await super().on_event(event)

    def _follow(self, event: keys.Key) -> bool:
        """Follow a key; False if it is a letter of the line, or moves about on the screen."""
        if self.focused is self._line:
            if event.key == "escape":
                self.set_focus(self._answer)
                self._session.stop()
            return event.key == "escape"
        if self._session.choosing and event.key in ("1", "2", "3"):
            self._session.ask(event.key)
            return True
        if self._session.offering and event.key in KEYS:
            self._session.ask(event.key)
            return True
        names = {event.key, event.character or ""}
        for action, key in self._settings.keys.items():
            if key and key in names and (action in _ALWAYS or not self._session.choosing):
                self._act(action)
                return True
        if event.character == "/":
            self._type("/")
            return True
        if self._session.choosing and event.is_printable:
            self._session.ask(event.character or event.key)
            return True
        unbound = event.is_printable or _FUNCTION_KEY.fullmatch(event.key) is not None
        if unbound:
            # Any other key stops speech, as the user expects of a machine that talks.
            self._session.stop()
            help_key = key_name(self._settings.keys.get("help", ""))
            self._session.report(unbound_text(event.key, help_key))
        return unbound

    def _type(self, beginning: str) -> None:
        """Open the line with what is typed already."""
        self._line.value = beginning
        self._line.cursor_position = len(beginning)
        self.set_focus(self._line)

    def _act(self, action: str) -> None:
        if action in ORDER_OF:
            self._session.do(ORDER_OF[action])
        elif action == "pause":
            self._session.do(Order(Action.PAUSE, TOGGLE))
        elif action == "type":
            self.set_focus(self._line)
        elif action == "open":
            self._type("/open ")
        elif action == "help":
            self._session.say(keys_text(self._settings.keys))
        elif action == "quit":
            self.action_leave()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Ask what was typed, or follow it."""
        self._line.value = ""
        self.set_focus(self._answer)
        try:
            for asked in parse_line(event.value, as_json=False):
                if isinstance(asked, Question):
                    self._session.ask(asked.text)
                else:
                    self._session.do(asked)
        except AssistantError as error:
            self._session.fail(str(error))

    def on_descendant_focus(self) -> None:
        """Let the terminal's cursor follow the focus."""
        self.call_after_refresh(self._place_cursor)

    def on_resize(self) -> None:
        """Let the cursor follow its panel."""
        self.call_after_refresh(self._place_cursor)

    def _place_cursor(self) -> None:
        if isinstance(self.focused, Panel):
            self.focused.put_cursor()
            # The cursor moves when something is drawn.
            self.focused.refresh()

    def action_leave(self) -> None:
        """End the session; its last event closes the screen."""
        self._session.quit()


@functools.cache
def _with_cursor(driver: type[Driver]) -> type[Driver]:
    """A driver that shows the terminal's cursor again, which full-screen programs hide."""

    def start_application_mode(self: Driver) -> None:
        driver.start_application_mode(self)
        self.write("\x1b[?25h")
        self.flush()

    return type(
        f"Visible{driver.__name__}", (driver,), {"start_application_mode": start_application_mode}
    )
