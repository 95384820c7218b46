"""Orders about the memory, and what is said about each. Nothing is deleted before a yes."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from assistant.errors import UsageError
from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.orders import Action
from assistant.session.protocols import Kept, Notebook
from assistant.text.words import bare_words

MOST_NAMED = 5
"""Things that one sentence lists; more cannot be kept in mind by ear."""

OPENS_WITHIN_S = 15.0

UNNAMED = "no name"

SHOWN = re.compile(r"(?:this|that|it)(?: (?:thing|picture))?(?: before)?")
"""What is asked about by showing it rather than by naming it."""

NOTHING_LIKE_IT = "Nothing that I saved looks like this. I may have saved it from another side."

LONGEST_BEGINNING = 80
"""Characters of a text that a listing gives."""

_ASKED_BY_NAME = re.compile(
    r"(?P<way>where|read|find)(?: is| me)? (?P<mine>my |the )?(?P<thing>.+)"
    r"|what does (?P<whose>my |the )(?P<said>.+) say"
)

_PLACES = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip
_WHICH = re.compile(
    rf"(?P<place>{'|'.join(_PLACES)}|last)(?: (?:one|thing|note))?|(?:that|this)(?: one)?|it"
)
"""One of what was listed, by its place."""

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, slots=True)
class ByName:
    """A question that may be about a saved thing: "read my doctor letter"."""

    way: str
    thing: str

    @property
    def is_search(self) -> bool:
        """True for words to look for in all that was saved."""
        return self.way == "find"


def asked_by_name(question: str) -> ByName | None:
    """What a question asks of a thing that may have been saved; None for any other."""
    asked = _ASKED_BY_NAME.fullmatch(bare_words(question).removesuffix(" please"))
    if asked is None:
        return None
    if asked["said"]:
        return ByName("read", asked["said"])
    return ByName(asked["way"], asked["thing"]) if asked["mine"] or asked["way"] == "find" else None


@dataclass(frozen=True, slots=True)
class Deletion:
    """What would be deleted: asked about once, then done."""

    question: str
    done: str
    delete: Callable[[], None]


class Notes:
    """The memory behind words; orders are followed by the session's worker only."""

    ACTIONS = frozenset({Action.REMEMBER, Action.SAVED, Action.WHERE, Action.RECALL, Action.FORGET})

    def __init__(self, opens_within_s: float = OPENS_WITHIN_S) -> None:
        """opens_within_s: how long an order waits for a memory that is just being opened."""
        self._opens_within_s = opens_within_s
        self._memory: Notebook | None = None
        self._missing = phrases.MEMORY_OPENS
        self._tried = threading.Event()
        self._last: list[Kept] = []
        """What was listed last, in that order: "the second one" is one of it."""

    def use(self, memory: Notebook) -> None:
        """The memory is open; called by any thread."""
        self._memory = memory
        self._tried.set()

    def cannot_open(self, why: str) -> None:
        """The memory cannot be opened; the reason is told whenever it is needed."""
        self._missing = why
        self._tried.set()

    def follow(
        self,
        action: Action,
        argument: str,
        shown: Callable[[], tuple[str, Frame | None]],
        look: Callable[[], Frame] | None = None,
    ) -> str | Deletion:
        """Follow an order and return what to say, or what to ask before anything is deleted.

        shown: gives the text to remember, "" for none, and the frame that it is of.
        look:  gives what is in view now, or raises CameraError; None where there is no picture.

        Raises:
            UsageError: memory is not open, or there is nothing to remember, compare or delete.
        """
        memory = self._opened()
        if action is Action.REMEMBER:
            text, frame = shown()
            if not text:
                raise UsageError(phrases.NOTHING_TO_REMEMBER)
            memory.remember(argument or UNNAMED, text, frame)
            return f"I remember this as {argument}." if argument else "I remember this."
        if action is Action.SAVED:
            return self._listed(memory.everything(), "I have saved nothing.")
        if action is Action.WHERE and SHOWN.fullmatch(argument.strip().lower()):
            if look is None:
                raise UsageError(phrases.NO_PICTURE_TO_COMPARE)
            return self._listed(memory.seen_before(look()), NOTHING_LIKE_IT)
        if action is Action.WHERE:
            return self._listed(memory.search(argument), f"I find no {argument} in what I saved.")
        if action is Action.RECALL:
            found = memory.named(argument)
            return _read(found[0]) if found else f"I saved nothing under the name {argument}."
        return self._deletion(memory, argument)

    def by_name(self, asked: ByName, *, search: bool) -> str:
        """What is told of a saved thing that a question names; "" if nothing of that name is saved.

        search: whether words are looked for in all that was saved.
        """
        if self._memory is None:
            return ""
        found = self._memory.named(asked.thing)
        if asked.is_search and search:
            nothing = f"I find no {asked.thing} in what I saved."
            return self._listed(self._memory.search(asked.thing), nothing)
        if not found or asked.is_search:
            return ""
        if asked.way == "read":
            return _read(found[0])
        return f"{self._listed(found, '')}\nSay: read my {found[0].name}."

    def _listed(self, found: list[Kept], nothing: str) -> str:
        self._last = found
        return _listed(found, nothing)

    def _opened(self) -> Notebook:
        # Switched on just now, it is opened in a thread of its own.
        self._tried.wait(self._opens_within_s)
        if self._memory is None:
            raise UsageError(self._missing)
        return self._memory

    def _deletion(self, memory: Notebook, argument: str) -> Deletion:
        wanted = re.sub(r"^(?:number|my|the) ", "", argument.lower()).strip()
        if wanted in ("all", "everything", "all of it", "all of them"):
            return Deletion(
                "Delete everything that I remember? It cannot be undone. Say yes or no.",
                "Everything I remembered is deleted.",
                memory.forget_all,
            )
        which = _WHICH.fullmatch(wanted)
        if which is not None:
            return _asked_before(self._one_of_the_last(memory, which["place"]), memory)
        number = _NUMBERS.index(wanted) if wanted in _NUMBERS else None
        if number is None and wanted.isdecimal():
            number = int(wanted)
        if number is None:
            found = memory.named(wanted)
            if not found:
                raise UsageError(
                    f"{argument}: not a number, and nothing is saved under that name",
                    "say /saved to hear the numbers",
                )
        else:
            found = [each for each in memory.everything() if each.number == number]
            if not found:
                raise UsageError(
                    f"nothing is saved under the number {number}", "say /saved to hear the numbers"
                )
        return _asked_before(found[0], memory)

    def _one_of_the_last(self, memory: Notebook, place: str | None) -> Kept:
        """One of what was listed last, else of all that is saved.

        place: such as "second", or None for the only one.

        Raises:
            UsageError: it is not known which one.
        """
        still = {each.number: each for each in memory.everything()}
        listed = [each for each in self._last if each.number in still] or list(still.values())
        if place is None:
            at = 0 if len(listed) == 1 else len(listed)
        else:
            at = len(listed) - 1 if place == "last" else _PLACES.index(place)
        if not 0 <= at < len(listed):
            raise UsageError(
                "I do not know which one you mean",
                "give its number; say /saved to hear the numbers",
            )
        return listed[at]


def _asked_before(kept: Kept, memory: Notebook) -> Deletion:
    return Deletion(
        f"Delete number {kept.number}, {_name_and_day(kept)}? Say yes or no.",
        f"Number {kept.number} is deleted.",
        lambda: memory.forget(kept.number),
    )


def _name_and_day(kept: Kept) -> str:
    return f"{kept.name}, {kept.saved}" if kept.saved else kept.name


def _read(kept: Kept) -> str:
    saved = f", saved {kept.saved}" if kept.saved else ""
    return f"{kept.name}{saved}:\n{kept.text}"


def _beginning(text: str) -> str:
    """The first line of a text, not more than can be told in a list."""
    first, _, more = text.strip().partition("\n")
    if len(first) > LONGEST_BEGINNING:
        first, more = first[:LONGEST_BEGINNING].rpartition(" ")[0] or first, "more"
    return f"{first} \u2026" if more.strip() else first


def _listed(found: list[Kept], nothing: str) -> str:
    if not found:
        return nothing
    lines = [
        f"{each.number}: {_name_and_day(each)}. {_beginning(each.text)}\n{each.why}".rstrip()
        for each in found[:MOST_NAMED]
    ]
    if len(found) > MOST_NAMED:
        lines.append(f"And {len(found) - MOST_NAMED} more.")
    return "\n".join(lines)
