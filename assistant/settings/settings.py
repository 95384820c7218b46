"""What the user can set, which values are allowed, and what each setting means."""

import dataclasses
import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from assistant.errors import SettingsError
from assistant.inference.server_address import ADDRESS_WORDS, is_server_address
from models.plain_text import escaped

SLOWEST_WPM, FASTEST_WPM = 80, 600
LONGEST_SHOWN = 100
"""Characters of a wrong value that a message repeats."""

MOST_VERBOSITY = 2

Value = str | int | bool

DEFAULT_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "talk": "space",
        "stop": "escape",
        "read": "r",
        "repeat": "a",
        "double_check": "d",
        "keep_reading": "k",
        "next": "n",
        "previous": "p",
        "continue": "c",
        "spell": "s",
        "pause": "w",
        "slower": "comma",
        "faster": "full_stop",
        "quieter": "minus",
        "louder": "plus",
        "type": "t",
        "open": "o",
        "help": "question_mark",
        "quit": "q",
    }
)
"""One key per action, in Textual's names of keys."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; the defaults are those of a first start.

    speech_mode:   "voice" (Sightline speaks), "screen_reader" or "none" (it does not),
                   or "ask" until the user has chosen.
    speech_rate:   words per minute.
    speech_volume: percent.
    speech_voice:  the engine's id of a voice, or "" for its own choice.
    speech_texts:  "own" to read each text by a voice of its language, or the one language, such as
                   "en", whose voice reads all.
    speech_headphones: True if the microphone does not hear the loudspeaker, so that a spoken
                   "stop" can be listened for while Sightline speaks.
    hearing_recognizer, hearing_language: as in `assistant.hearing.speech_models`; "" for the
                   language of the speech model that was pulled last.
    verbosity:     0 short, 1 usual, 2 with all details.
    models_offer:  "ask" to offer models that could be pulled; "no" once the user wanted none.
    device:        what computes the models: "auto" for a graphics card with room, else the
                   processor; "cpu"; "cuda"; or "cuda:1" for one of several cards.
    server_answers: what a model server is asked about: "both", "pictures" or "texts".
    server_elsewhere: True if it may be on another computer.
    tesseract_packs: what Tesseract reads other scripts and small print with: "all" that is
                   installed, "none", or names of its packs, such as "rus eng".
    keys:          action to key, Textual's names; "" for an action that has none.
    """

    speech_mode: str = "ask"
    speech_rate: int = 175
    speech_volume: int = 80
    speech_voice: str = ""
    speech_texts: str = "own"
    speech_headphones: bool = False
    verbosity: int = 1
    camera_source: str = "0"
    camera_mirrored: bool = False
    model_folder: str = ""
    text_model_folder: str = ""
    models_offer: str = "ask"
    device: str = "auto"
    server_address: str = ""
    server_model: str = ""
    server_answers: str = "both"
    server_elsewhere: bool = False
    vosk_folder: str = ""
    tesseract_packs: str = "all"
    hearing_recognizer: str = "auto"
    hearing_language: str = ""
    history_enabled: bool = False
    interface: str = "auto"
    keys: Mapping[str, str] = field(default_factory=lambda: DEFAULT_KEYS)


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its name in the file, what is allowed, and the comment beside it.

    at_start: True if a change is used from the next start.
    """

    name: str
    comment: str
    check: Callable[[object], bool]
    allowed: str
    at_start: bool = False

    @property
    def field(self) -> str:
        """The attribute of `Settings` that holds it."""
        return self.name.replace(".", "_")


def _key(
    name: str,
    comment: str,
    allowed: str,
    check: Callable[[object], bool],
    *,
    at_start: bool = False,
) -> tuple[str, Key]:
    return name, Key(name, comment, check, allowed, at_start)


def _whole(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _one_of(*values: str) -> Callable[[object], bool]:
    return lambda value: value in values


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_voice(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"own|[a-z]{2}", value) is not None


def _is_packs(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r" *\w+(?:[ ,+]+\w+)* *", value) is not None


def _is_language(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"(?:[a-z]{2})?", value) is not None


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def is_device(value: object) -> bool:
    """True for what the setting `device` may be."""
    return isinstance(value, str) and re.fullmatch(r"auto|cpu|cuda(?::\d)?", value) is not None


DEVICES = '"auto", "cpu", "cuda", or "cuda:1" for one of several cards'

TEXT, SWITCH = "text in quotes", "true or false"

KEYS: Mapping[str, Key] = MappingProxyType(
    dict(
        (
            _key(
                "speech.mode",
                "Who speaks: Sightline, your screen reader, or nobody.",
                '"voice", "screen_reader", "none" or "ask"',
                _one_of("voice", "screen_reader", "none", "ask"),
            ),
            _key(
                "speech.rate",
                "Words per minute.",
                f"a whole number from {SLOWEST_WPM} to {FASTEST_WPM}",
                _whole(SLOWEST_WPM, FASTEST_WPM),
            ),
            _key("speech.volume", "Percent.", "a whole number from 0 to 100", _whole(0, 100)),
            _key(
                "speech.voice",
                "A voice of the speech engine; empty: its own choice.",
                TEXT,
                _is_text,
            ),
            _key(
                "speech.texts",
                'Voice of what is printed: "own": of its language; or one for all, such as "en".',
                '"own", or a language in two letters, such as "en"',
                _is_voice,
            ),
            _key(
                "speech.headphones",
                "true if you use headphones: a spoken stop works while Sightline speaks.",
                SWITCH,
                _is_switch,
            ),
            _key(
                "verbosity",
                "0: short answers. 1: usual. 2: all details.",
                f"a whole number from 0 to {MOST_VERBOSITY}",
                _whole(0, MOST_VERBOSITY),
            ),
            _key(
                "camera.source",
                "A number, a file, a folder, a video, a stream's address, or none.",
                f"a number, or {TEXT}",
                _is_text,
                at_start=True,
            ),
            _key(
                "camera.mirrored",
                "true if the camera faces you: left and right change places.",
                SWITCH,
                _is_switch,
            ),
            _key(
                "model.folder",
                "Vision-language model; empty: the built-in one.",
                TEXT,
                _is_text,
                at_start=True,
            ),
            _key("text_model.folder", "Model that adds to summaries; empty: none.", TEXT, _is_text),
            _key(
                "models.offer",
                '"ask": models that fit this machine are offered at the first start; "no": never.',
                '"ask" or "no"',
                _one_of("ask", "no"),
            ),
            _key(
                "device",
                'What computes the models; "auto": a graphics card with room, else the processor.',
                DEVICES,
                is_device,
                at_start=True,
            ),
            _key(
                "server.address",
                "A model server that answers instead, on this computer; empty: none.",
                f"empty, or {ADDRESS_WORDS}",
                is_server_address,
                at_start=True,
            ),
            _key(
                "server.model",
                "Which of the server's models; empty: the only one.",
                TEXT,
                _is_text,
                at_start=True,
            ),
            _key(
                "server.answers",
                "What the server is asked about.",
                '"both", "pictures" or "texts"',
                _one_of("both", "pictures", "texts"),
                at_start=True,
            ),
            _key(
                "server.elsewhere",
                "true: the server may be another computer, and gets your pictures and texts.",
                SWITCH,
                _is_switch,
                at_start=True,
            ),
            _key(
                "vosk.folder",
                "Folder of a Vosk or Whisper model for speech; empty: one that was pulled.",
                TEXT,
                _is_text,
                at_start=True,
            ),
            _key(
                "tesseract.packs",
                'Packs of Tesseract for other scripts, small print: "all", "none", or "rus eng".',
                '"all", "none", or names of packs in quotes, such as "rus heb"',
                _is_packs,
                at_start=True,
            ),
            _key(
                "hearing.recognizer",
                'What hears you; "auto": Vosk or Whisper where pulled, else PocketSphinx.',
                '"auto", "vosk", "whisper" or "pocketsphinx"',
                _one_of("auto", "vosk", "whisper", "pocketsphinx"),
                at_start=True,
            ),
            _key(
                "hearing.language",
                'Language that you speak, such as "en"; empty: of the speech model pulled last.',
                'a language in two letters, such as "en", or ""',
                _is_language,
                at_start=True,
            ),
            _key("history.enabled", "true to let Sightline remember things.", SWITCH, _is_switch),
            _key(
                "interface",
                "What starts: the full screen where the terminal allows it, or one of the two.",
                '"auto", "plain" or "tui"',
                _one_of("auto", "plain", "tui"),
                at_start=True,
            ),
        )
    )
)
"""Every setting but the keys, by its name in the file."""


def set_value(settings: Settings, name: str, value: object) -> Settings:
    """Return settings with one of them changed; `keys.ACTION` changes a key.

    Raises:
        SettingsError: no such setting, or a value that is not allowed.
    """
    if name.startswith("keys."):
        return _set_key(settings, name.removeprefix("keys."), value)
    key = KEYS.get(name)
    if key is None:
        raise SettingsError(f"{name}: no such setting", _nearest(name, KEYS))
    if name == "camera.source" and type(value) is int:
        # Cameras have numbers, and a number needs no quotes.
        value = str(value)
    if not key.check(value):
        raise SettingsError(f"{name} is {_shown(value)}", f"it must be {key.allowed}")
    changes: dict[str, Any] = {key.field: value}
    return dataclasses.replace(settings, **changes)


def get_value(settings: Settings, name: str) -> Value:
    """The value of one setting, by its name in the file."""
    if name.startswith("keys."):
        return settings.keys[name.removeprefix("keys.")]
    value: Value = getattr(settings, KEYS[name].field)
    return value


def value_text(settings: Settings, name: str) -> str:
    """The value of one setting in words; "empty" for an empty text."""
    value = get_value(settings, name)
    return str(value).lower() if isinstance(value, bool) else str(value) or "empty"


def parse_value(name: str, text: str) -> Value:
    """Turn what a user typed into the kind of value that a setting has; unchecked otherwise."""
    default = getattr(Settings(), KEYS[name].field, "") if name in KEYS else ""
    words = text.strip()
    if isinstance(default, bool):
        return {
            "true": True,
            "on": True,
            "yes": True,
            "false": False,
            "off": False,
            "no": False,
        }.get(words.lower(), words)
    if isinstance(default, int):
        return int(words) if words.lstrip("+-").isdecimal() else words
    return words.strip("\"'")


def set_keys(
    settings: Settings, chosen: Mapping[str, object]
) -> tuple[Settings, list[SettingsError]]:
    """Bind several keys at once, so that two actions can change places.

    Returns the settings, and one error for each key that was refused.
    """
    wanted = {**settings.keys}
    wrong: list[SettingsError] = []
    for action, key in chosen.items():
        try:
            wanted[action] = _checked_key(action, key)
        except SettingsError as error:
            wrong.append(error)
    users: dict[str, str] = {}
    # What was chosen comes before what was bound already.
    for action in sorted(wanted, key=lambda each: each not in chosen):
        other = users.setdefault(wanted[action], action)
        if other != action:
            wrong.append(_taken(action, wanted[action], other))
            wanted[action] = ""
    return dataclasses.replace(settings, keys=MappingProxyType(wanted)), wrong


def _set_key(settings: Settings, action: str, value: object) -> Settings:
    key = _checked_key(action, value)
    for other, used in settings.keys.items():
        if used == key and other != action:
            raise _taken(action, key, other)
    return dataclasses.replace(settings, keys=MappingProxyType({**settings.keys, action: key}))


def _taken(action: str, key: str, other: str) -> SettingsError:
    return SettingsError(f"keys.{action} is {_shown(key)}, the key of {other}", "choose another")


def _checked_key(action: str, value: object) -> str:
    name = f"keys.{action}"
    if action not in DEFAULT_KEYS:
        raise SettingsError(f"{name}: no such action", _nearest(action, DEFAULT_KEYS))
    key = value.strip() if isinstance(value, str) else ""
    # A capital letter is another key than the small one; names of keys are written small.
    key = key if len(key) == 1 else key.lower()
    if not _is_key(key):
        raise SettingsError(f"{name} is {_shown(value)}", 'it must be a key, such as "r" or "f2"')
    return key


_CHARACTERS = frozenset(
    re.sub(r"\W", "_", unicodedata.name(character).lower())
    for character in map(chr, range(0x180))
    if character.isprintable()
)
"""Unicode's names of the characters of Latin keyboards, as Textual writes them."""

# fmt: off
_NAMED_KEYS = _CHARACTERS | {
    "backspace", "delete", "down", "end", "enter", "escape", "home", "insert", "left", "pagedown",
    "pageup", "right", "space", "tab", "up",
    # Textual's own names of six characters.
    "at", "backslash", "minus", "plus", "slash", "underscore",
}
# fmt: on


def _is_key(key: str) -> bool:
    """True for a key in Textual's names; an action whose key does not exist could not be asked."""
    last = re.sub(r"^(?:(?:ctrl|shift|alt)\+)*(?=.)", "", key)
    if len(last) == 1:
        return last.isprintable()
    return last in _NAMED_KEYS or bool(re.fullmatch(r"f[1-9]\d?", last))


def _nearest(name: str, known: Mapping[str, object]) -> str:
    found = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {found[0]}?" if found else f"known are {', '.join(known)}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{escaped(value)}"' if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
