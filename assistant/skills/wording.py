"""Ways to ask, each written once: the recognizer's grammar and the router both read it.

What can be heard is written in JSGF's notation, with one addition: words in `( | )` are
alternatives, words in `[ ]` may be left out, `<name>` is one of `RULES`, and braces hold what the
question is about: `where (is | are) (my | the) {<thing> | <things>}`.
JSGF: https://www.w3.org/TR/jsgf/
"""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from assistant.text.plain_letters import unaccented
from models.pocket.questions import COLOURS, SHAPES, plural

THINGS = (
    "bottle", "box", "book", "cup", "glass", "plate", "phone", "key", "chair", "table", "door",
    "window", "bag", "shirt", "coat", "shoe", "sock", "hat", "car", "bus", "dog", "cat", "bird",
    "person", "orange", "apple", "banana", "coin", "pill", "wallet", "light", "object", "shape",
)  # fmt: skip
IRREGULAR_PLURALS = {"person": "people", "box": "boxes", "glass": "glasses", "bus": "buses"}


ARTICLE = r"(?:all )?(?:the |my |a |an |any |this |these |that |those )?"
"""What may stand before a thing, as a regular expression for `Wording.typed`."""


def alternatives(bodies: Iterable[str]) -> str:
    """Join bodies into one alternative."""
    return " | ".join(f"({body})" if " " in body else body for body in bodies)


RULES: Mapping[str, str] = MappingProxyType(
    {
        "is": "what is | what's",
        "picture": "(the | this) (picture | photo | image)",
        "this": "this | it | the text | the label | the page | the letter | the sign | the package",
        "thing": alternatives(THINGS),
        "things": alternatives(IRREGULAR_PLURALS.get(thing, thing + "s") for thing in THINGS),
        "shape": alternatives(SHAPES),
        "shapes": alternatives(plural(shape) for shape in SHAPES),
        "colour": alternatives(COLOURS),
    }
)
"""What wordings name in angle brackets; none names another."""

_TOKEN = re.compile(r"<\w+>|[a-z']+|[()\[\]{}|]")
_AS_PATTERN = {"(": "(?:", "[": "(?:", "]": ")?", ")": ")", "|": "|", "{": "(", "}": ")"}


@dataclass(frozen=True, slots=True)
class Wording:
    """One way, or several kindred ways, to ask for the same thing.

    heard: whole sentences in the notation above, which the recognizer can hear; "" for none.
    typed: a regular expression for what is typed or freely recognized, in lower case without
           punctuation ("" for none). Its first group, if it has one, is what is asked about.
    sure:  what is typed says the kind of value, whatever kind other words of it name.
    plain: `typed` is written without accents, and compared with words without them.
    """

    heard: str = ""
    typed: str = ""
    sure: bool = False
    plain: bool = False

    def is_whole(self, words: str) -> str | None:
        """What bare words are about ("" for nothing) if they are such a sentence; else None."""
        return _subject(pattern(self.heard).fullmatch(f"{words} ")) if self.heard else None

    def typed_whole(self, words: str) -> str | None:
        """The same for `typed`, which must match all the words."""
        return _subject(re.fullmatch(self.typed, words)) if self.typed else None

    def is_part(self, words: str) -> str | None:
        """The same for `typed`, which may stand anywhere in the words."""
        if not self.typed:
            return None
        return _subject(re.search(self.typed, unaccented(words) if self.plain else words))


def _subject(found: re.Match[str] | None) -> str | None:
    if found is None:
        return None
    return next((group.strip() for group in found.groups() if group), "")


def jsgf(body: str) -> str:
    """A body as JSGF has it, where braces mean something else."""
    return body.replace("{", "(").replace("}", ")")


@functools.cache
def pattern(body: str) -> re.Pattern[str]:
    """A pattern that fully matches each sentence of a body, and nothing else.

    A word becomes the word and one space, so match against words with a space behind the last.
    """
    return re.compile(as_pattern(body, RULES))


def as_pattern(body: str, rules: Mapping[str, str]) -> str:
    """A body as a regular expression; groups and alternatives are the same in both notations."""
    written = []
    for token in _TOKEN.findall(body):
        if token.startswith("<"):
            # What a rule holds is no subject by itself.
            written.append(f"(?:{as_pattern(jsgf(rules[token[1:-1]]), rules)})")
        else:
            written.append(_AS_PATTERN.get(token, token + " "))
    return "".join(written)


def expand(body: str) -> list[str]:
    """Every sentence of a body; names in angle brackets stay as they are."""
    tokens = _TOKEN.findall(jsgf(body))
    found, end = _expand(tokens, 0)
    assert end == len(tokens), f"a bracket is closed that was not opened: {body}"
    return list(dict.fromkeys(" ".join(words) for words in found))


def _expand(tokens: list[str], at: int) -> tuple[list[list[str]], int]:
    """The sentences up to the bracket that closes here, and its place."""
    finished: list[list[str]] = []
    open_: list[list[str]] = [[]]
    while at < len(tokens) and tokens[at] not in ")]":
        token = tokens[at]
        if token == "|":
            finished, open_ = finished + open_, [[]]
        elif token in "([":
            inner, at = _expand(tokens, at + 1)
            inner += [[]] if token == "[" else []
            open_ = [before + after for before in open_ for after in inner]
        else:
            open_ = [[*before, token] for before in open_]
        at += 1
    return finished + open_, at


def words_of(bodies: Iterable[str]) -> set[str]:
    """All words of bodies, without names in angle brackets and notation."""
    found: set[str] = set()
    for body in bodies:
        found.update(re.findall(r"[a-z']+", re.sub(r"<\w+>", " ", body)))
    return found
