"""The settings while a session runs: changed by voice, key or command, applied, and kept."""

from collections.abc import Callable

from assistant.errors import AssistantError, SettingsError
from assistant.session import phrases
from assistant.session.events import SettingsChanged
from assistant.session.orders import Action
from assistant.session.port import Port
from assistant.session.voice import Voice
from assistant.settings.settings import (
    FASTEST_WPM,
    KEYS,
    MOST_VERBOSITY,
    SLOWEST_WPM,
    Settings,
    Value,
    get_value,
    parse_value,
    set_value,
    value_text,
)

# Action: setting, step, lowest, highest, and what is said at either end.
_STEPS: dict[Action, tuple[str, int, int, int, str]] = {
    Action.SLOWER: ("speech.rate", -25, SLOWEST_WPM, FASTEST_WPM, "I cannot speak slower."),
    Action.FASTER: ("speech.rate", 25, SLOWEST_WPM, FASTEST_WPM, "I cannot speak faster."),
    Action.QUIETER: ("speech.volume", -10, 0, 100, "I cannot speak more quietly."),
    Action.LOUDER: ("speech.volume", 10, 0, 100, "I cannot speak louder."),
    Action.LESS: ("verbosity", -1, 0, MOST_VERBOSITY, "My answers are as short as they get."),
    Action.MORE: ("verbosity", 1, 0, MOST_VERBOSITY, "My answers have all details already."),
}


class SessionSettings:
    """Owned by the session's thread."""

    def __init__(
        self,
        settings: Settings,
        save: Callable[[Settings, str], None],
        port: Port,
        voice: Voice,
    ) -> None:
        """save: keeps one changed setting, or raises SettingsError; voice: follows the settings."""
        self.now = settings
        self._save = save
        self._port = port
        self._voice = voice

    def follow(self, action: Action, argument: str) -> bool:
        """Follow an order about settings; False if it is about something else."""
        if action in _STEPS:
            self._step(action)
        elif action is Action.HEADPHONES:
            self.change("speech.headphones", argument == "on")
        elif action is Action.SET:
            self._set_typed(argument)
        else:
            return False
        return True

    def change(self, name: str, value: Value) -> None:
        """Change one setting, apply it at once, keep it, and say so.

        Kept first: what was said must hold also if the program is killed in the next moment.
        """
        try:
            self.now = set_value(self.now, name, value)
            if name == "speech.mode":
                # By whatever way it was chosen: the first question is answered.
                self._voice.waits_for_choice = False
            self._apply(name)
        except AssistantError as error:
            self._port.fail(str(error))
            return
        trouble: SettingsError | None = None
        try:
            self._save(self.now, name)
        except SettingsError as error:
            trouble = error
        self._port.emit(SettingsChanged(name, value))
        self._port.say(phrases.setting_words(self.now, name))
        if trouble is not None:
            self._port.fail(f"{trouble}; the setting holds until you quit")

    def apply_all(self) -> None:
        """Tell a new speaker how to speak."""
        for name in ("speech.mode", "speech.rate", "speech.volume", "speech.voice"):
            self._apply(name)

    def _apply(self, name: str) -> None:
        self._voice.mode = self.now.speech_mode
        speaker = self._voice.speaker
        if speaker is None:
            return
        if name == "speech.rate":
            speaker.set_rate(self.now.speech_rate)
        elif name == "speech.volume":
            speaker.set_volume(self.now.speech_volume)
        elif name == "speech.voice":
            speaker.set_voice(self.now.speech_voice or None)
        elif name == "speech.mode" and self.now.speech_mode != "voice":
            speaker.stop()

    def _step(self, action: Action) -> None:
        name, step, lowest, highest, at_the_end = _STEPS[action]
        before = int(get_value(self.now, name))
        after = min(max(before + step, lowest), highest)
        if after == before:
            self._port.say(at_the_end)
        else:
            self.change(name, after)

    def _set_typed(self, argument: str) -> None:
        name, _, text = argument.partition(" ")
        if not name:
            listed = [f"{each}: {value_text(self.now, each)}" for each in KEYS]
            listed.append("/set NAME says what a setting means.")
            self._port.say("\n".join(listed))
        elif not text.strip() and name in KEYS:
            key, shown = KEYS[name], value_text(self.now, name)
            self._port.say(f"{name} is {shown}. {key.comment} It may be {key.allowed}.")
        else:
            self.change(name, parse_value(name, text))
