"""What the user can tell the assistant besides a question: by key, by `/command`, or by voice."""

import difflib
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from assistant.errors import UsageError
from assistant.hearing.orders import order_in


class Action(enum.Enum):
    """Everything a session can be told; the value is the `/command`."""

    TALK = "talk"
    STOP = "stop"
    OPEN = "open"
    PAGE = "page"
    READ = "read"
    REPEAT = "repeat"
    VOICE = "voice"
    DOUBLE_CHECK = "check"
    KEEP_READING = "live"
    NEXT = "next"
    PREVIOUS = "previous"
    CONTINUE = "continue"
    SPELL = "spell"
    FIND = "find"
    HEADING = "heading"
    PAUSE = "pause"
    RESUME = "resume"
    SLOWER = "slower"
    FASTER = "faster"
    QUIETER = "quieter"
    LOUDER = "louder"
    LESS = "less"
    MORE = "more"
    HEADPHONES = "headphones"
    SET = "set"
    REMEMBER = "remember"
    SAVED = "saved"
    WHERE = "where"
    FORGET = "forget"
    RECALL = "recall"
    YES = "yes"
    NO = "no"
    HELP = "help"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Order:
    """One action and what it is about, such as a path, a name, or "word" after `next`.

    page: of a file to open, from 1.
    """

    action: Action
    argument: str = ""
    page: int = 1


HELP: Mapping[Action, str] = MappingProxyType(
    {
        Action.OPEN: "/open PICTURE: look at a picture file; /open camera: back to the camera",
        Action.PAGE: "/page next, /page previous, /page 3: turn to a page; /page: which it is",
        Action.TALK: "/talk: ask by voice; again, or silence, ends the question",
        Action.STOP: "/stop: be silent and forget the question",
        Action.READ: "/read: read all text",
        Action.REPEAT: "/repeat: say the last answer again",
        Action.VOICE: "/voice german: the same in that voice; /voice own: in the text's language",
        Action.DOUBLE_CHECK: "/check: ask again in another way, and compare",
        Action.KEEP_READING: "/live: read new text as it comes into view, until /stop",
        Action.NEXT: "/next: next line; also /next sentence, /next word",
        Action.PREVIOUS: "/previous: line before; also /previous sentence, /previous word",
        Action.CONTINUE: "/continue: read on from here",
        Action.SPELL: "/spell: spell the word",
        Action.FIND: "/find WORD: go to a word in the text",
        Action.HEADING: "/heading: go to the next heading",
        Action.PAUSE: "/pause and /resume: hold the speech and go on",
        Action.SLOWER: "/slower, /faster, /quieter, /louder: the speech",
        Action.LESS: "/less, /more: shorter or longer answers",
        Action.HEADPHONES: "/headphones on: a spoken stop works while I speak; /headphones off",
        Action.SET: "/set NAME VALUE: change a setting; /set alone lists them",
        Action.REMEMBER: "/remember NAME: keep what was read or answered under a name",
        Action.SAVED: "/saved: what is kept",
        Action.WHERE: "/where THING: search what is kept; /where this: by what is in view",
        Action.RECALL: "/recall NAME: read what is kept under a name",
        Action.FORGET: "/forget NUMBER, or /forget all: delete what is kept; I ask before",
        Action.YES: "/yes, /no: answer what I ask",
        Action.HELP: "/help: this list; say or type help for ten things to ask",
        Action.QUIT: "/quit: end",
    }
)
"""One line for each command; kin share a line."""

SWITCH = ("on", "off")
TOGGLE = "toggle"
"""Argument of PAUSE for a key that pauses, and goes on when it is pressed again."""

ANSWER = "answer"
"""Argument of REPEAT for the last answer; without it, what was said last, be it a line."""

EXAMPLES = "examples"
"""Argument of HELP for things to say, instead of the commands."""

STEPS = ("line", "sentence", "word")


def spoken_order(text: str) -> Order | None:
    """The order that a whole sentence is, or None for a question."""
    found = order_in(text)
    return None if found is None else Order(Action(found[0]), found[1])


def parse_command(line: str) -> Order:
    """Turn a line such as `/open receipt.jpg` into an order.

    Raises:
        UsageError: no such command, or its argument is missing or superfluous.
    """
    name, *rest = line.strip().removeprefix("/").split(maxsplit=1) or [""]
    argument = rest[0] if rest else ""
    try:
        action = Action(name.lower().replace("-", "_"))
    except ValueError:
        known = [each.value for each in Action]
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean /{near[0]}? " if near else ""
        raise UsageError(f"/{name}: no such command", f"{hint}/help lists them") from None
    if action in _NEED_ARGUMENT and not argument:
        raise UsageError(f"/{name} needs more", _usage(action))
    if action is Action.REPEAT:
        return Order(action, ANSWER)
    if action in (Action.NEXT, Action.PREVIOUS) and argument == "page":
        return Order(Action.PAGE, action.value)
    if action in (Action.NEXT, Action.PREVIOUS) and argument not in ("", *STEPS):
        raise UsageError(f"/{name} {argument}: cannot go by that", _usage(action))
    if action is Action.HEADPHONES and argument not in SWITCH:
        raise UsageError(f"/{name} {argument}: is neither on nor off", _usage(action))
    return Order(action, argument)


_NEED_ARGUMENT = frozenset(
    {
        *(Action.OPEN, Action.FIND, Action.WHERE, Action.FORGET, Action.RECALL),
        *(Action.HEADPHONES, Action.VOICE),
    }
)


def _usage(action: Action) -> str:
    return HELP[action]
