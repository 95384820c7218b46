"""What each key does, in words; keys are bound in the settings."""

from collections.abc import Mapping
from types import MappingProxyType

from assistant.session.orders import ANSWER, Action, Order

ORDER_OF: Mapping[str, Order] = MappingProxyType(
    {
        "talk": Order(Action.TALK),
        "stop": Order(Action.STOP),
        "read": Order(Action.READ),
        "repeat": Order(Action.REPEAT, ANSWER),
        "double_check": Order(Action.DOUBLE_CHECK),
        "keep_reading": Order(Action.KEEP_READING),
        "next": Order(Action.NEXT),
        "previous": Order(Action.PREVIOUS),
        "continue": Order(Action.CONTINUE),
        "spell": Order(Action.SPELL),
        "slower": Order(Action.SLOWER),
        "faster": Order(Action.FASTER),
        "quieter": Order(Action.QUIETER),
        "louder": Order(Action.LOUDER),
    }
)
"""The order of each action that is one; the others are the screen's own."""

_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "talk": "ask by voice",
        "stop": "be silent, and forget the question",
        "read": "read the text",
        "repeat": "say the last answer again",
        "double_check": "ask again in another way, and compare",
        "keep_reading": "read new text as it comes into view",
        "next": "next line",
        "previous": "previous line",
        "continue": "read on",
        "spell": "spell the word",
        "pause": "pause, or go on",
        "slower": "slower",
        "faster": "faster",
        "quieter": "quieter",
        "louder": "louder",
        "type": "type a question",
        "open": "open a picture",
        "help": "say these keys",
        "quit": "quit",
    }
)

_MOVING = (
    "slash: type a command",
    "tab: go to the next part of the screen",
    "up and down: scroll it",
    "control and q: quit, also while you type",
)
"""Keys that the screen itself follows; they cannot be bound anew."""

_SPOKEN_KEYS = {
    "question_mark": "question mark",
    "full_stop": "full stop",
    "escape": "escape",
}


def key_name(key: str) -> str:
    """A key as it is spoken, such as "question mark"."""
    return _SPOKEN_KEYS.get(key, key.replace("_", " ").replace("+", " and "))


def unbound_text(key: str, help_key: str) -> str:
    """What is said of a key that does nothing; help_key: the name of the one that tells all."""
    way_out = f"Press {help_key} to hear the keys." if help_key else "Type /help for all commands."
    return f"The key {key_name(key)} does nothing. {way_out}"


def keys_text(keys: Mapping[str, str]) -> str:
    """All keys and what they do, one a line."""
    bound = [
        f"{key_name(keys[action])}: {meaning}"
        for action, meaning in _MEANINGS.items()
        if keys.get(action)
    ]
    return "\n".join((*bound, *_MOVING))
