"""What a question wants: the kind of value or words, and the words its answer must account for.

"When" wants a date or a time, "who" a name, "how long" a span of time. A line that holds such a
thing answers better than one that only holds the question's words.
"""

import enum
import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from assistant.text.meaning import content_words, is_telling
from assistant.text.tokens import Kind
from assistant.text.words import bare_words


class Form(enum.Enum):
    """The question word, as far as it says what the answer looks like."""

    WHEN = "when"
    DURATION = "how long"
    MANY = "how many"
    WHO = "who"
    WHERE = "where"
    OTHER = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a question wants.

    asked: the words that its answer must account for, sayings put into plain words.
    kinds: the kinds of values that it asks for; empty if it asks for words.
    form:  what the answer looks like where that is no single value.
    """

    asked: tuple[str, ...]
    kinds: frozenset[Kind]
    form: Form

    def is_open(self, word: str) -> bool:
        """True for a word that only says what kind of value is asked for, or narrows it down."""
        if self.form is Form.WHERE and word in _PLACE_WORDS:
            return True
        return not is_telling(word) or word in KIND_WORDS


_WANTED: tuple[tuple[frozenset[Kind], str], ...] = (
    (frozenset({Kind.TIME}), r"\bwhat time\b|\bwhen does it (?:open|close|start|end|leave)\b"),
    (
        frozenset({Kind.DATE, Kind.TIME, Kind.MEASURE, Kind.NUMBER}),
        r"\bhow long (?:is|are|does|do|will|can|has|have)\b.*\b(?:good|keep|keeps|valid|fresh|date)\b",
    ),
    (
        frozenset({Kind.MEASURE, Kind.NUMBER}),
        r"\bhow (?:long|many (?:days|weeks|months|years|hours|minutes|times))\b",
    ),
    (
        frozenset({Kind.DATE, Kind.TIME}),
        r"\bwhen\b|\bby when\b|\b(?:what|which) (?:date|day)\b|\bdates?\b|\bdeadline\b|\buntil\b"
        r"|\bhow old is\b",
    ),
    (
        frozenset({Kind.MONEY}),
        r"\bhow much (?:is|are|was|were|does|do|did|for|money|would|will|to)\b|\bprices?\b"
        r"|\bcosts?\b|\bfee\b|\bwhat (?:do|did|does|will|must|should) (?:i|we|it|they) (?:pay|owe)\b"
        r"|\bpayment\b|\bbalance\b|\bowe\b|\bpremium\b|\brent\b|\bfare\b|\bcharged?\b",
    ),
    (frozenset({Kind.PHONE, Kind.NUMBER}), r"\bwho\b.*\b(?:call|ring|phone)\b"),
    (
        frozenset({Kind.PHONE}),
        r"\b(?:tele)?phone\b|\bnumber (?:to|do i|should i|can i) (?:call|ring)\b|\bcall\b|\bring\b"
        r"|\bhotline\b|\bhelpline\b|\bfax\b|\bmobile\b",
    ),
    (frozenset({Kind.EMAIL}), r"\be ?-?mail\b"),
    (frozenset({Kind.WEB}), r"\bweb ?-?(?:site|page|address)?\b|\burl\b|\bonline\b"),
    (
        frozenset({Kind.MEASURE, Kind.NUMBER, Kind.PERCENT, Kind.MONEY}),
        r"\bhow much\b",
    ),
    (
        frozenset({Kind.MEASURE, Kind.NUMBER, Kind.PERCENT}),
        r"\bhow (?:many|hot|big|heavy|strong|far|tall|wide|often|old)\b|\bpercent\w*\b"
        r"|\btemperature\b|\bsize\b|\bweigh\w*\b|\bvolume\b|\bcalories\b",
    ),
    (
        frozenset({Kind.CODE, Kind.NUMBER, Kind.PHONE}),
        r"\b(?:number|code|reference|ref|id|iban|pin|password|postcode|zip)\b(?! \d)",
    ),
)
"""What kind of value a question asks for, by its words; the first that fits."""

KIND_WORDS = frozenset(
    {"number", "date", "day", "time", "price", "cost", "costs", "amount", "phone", "telephone",
     "code", "website", "web", "site", "address", "email", "mail"}
)  # fmt: skip
"""Words that only say what kind of value is asked for: a row with one accounts for them."""

_PLACE_WORDS = frozenset(
    {"city", "town", "street", "place", "venue", "location", "road", "building", "held", "located"}
)

_FORMS: tuple[tuple[Form, str], ...] = (
    (Form.DURATION, r"\bhow long\b|\bhow many (?:days|weeks|months|years|hours|minutes)\b"),
    (Form.MANY, r"\bhow many\b"),
    (Form.WHEN, r"\bwhen\b|\bwhat (?:time|day|date)\b|\bwhich (?:day|date)\b"),
    (Form.WHO, r"^(?:\w+ ){0,2}(?:who|whom|whose)\b"),
    (
        Form.WHERE,
        r"^(?:\w+ ){0,2}where\b|\b(?:which|what) (?:floor|room|platform|gate|street|road|town|city"
        r"|place|hall|building|door|entrance|address|stop|station)\b",
    ),
)


def wish(question: str) -> Wish:
    """What a question wants."""
    text = plain(_without_excluded(question))
    if _AT_AN_HOUR.search(text):
        text = _AT_AN_HOUR.sub(r"\g<asks>", text)
    return Wish(content_words(text), wanted(question), form(question))


def wanted(question: str) -> frozenset[Kind]:
    """The kinds of values that a question asks for; empty if it asks for words."""
    text = _main_clause(question)
    if _AT_AN_HOUR.search(text):
        return frozenset({Kind.TIME})
    return next((kinds for kinds, pattern in _WANTED if re.search(pattern, text)), frozenset())


def form(question: str) -> Form:
    """What the answer of a question looks like."""
    text = _main_clause(question)
    return next((found for found, pattern in _FORMS if re.search(pattern, text)), Form.OTHER)


def plain(question: str) -> str:
    """A question in lower case with its sayings put into words that paper prints.

    "When do they get back" asks for the return.
    """
    text = bare_words(question)
    sayings = _data()["sayings"]
    for saying in sorted(sayings, key=len, reverse=True):
        if saying in text:
            text = re.sub(rf"\b{re.escape(saying)}\b", sayings[saying], text)
    return text


def _main_clause(question: str) -> str:
    """A question as bare words without a clause that says when or if it holds.

    "Where can I return books when it is closed" asks for a place.
    """
    text = bare_words(question)
    clause = re.search(r" (?:when|if|because|while) ", text)
    if clause is None or not _MAIN.match(text) or _LEADS.search(text[: clause.start()]):
        return text
    return text[: clause.start()]


_MAIN = re.compile(r"(?:and |so |please )*(?:what|where|who|which|how|can|may|do|does|is|are|should)\b")
_LEADS = re.compile(
    r"\b(?:by|until|since|from|and|or|say|says|said|know|me|out|see|tell|read|find|on)$"
)
"""What a question has before its "when": "until when", "does it say when"."""

_AT_AN_HOUR = re.compile(
    r"^(?P<asks>(?:so |and |please )*(?:can|could|may|is|are|will|do|does|should)\b.*?) (?:at|by|after"
    r"|before|around|until|from) \d{1,2}(?:[:.]?\d\d)?(?: ?(?:am|pm|o'clock|h|uhr|in the (?:morning"
    r"|afternoon|evening)))?\b"
)
"""A question whether something holds at an hour is answered by the hours that are printed."""


def is_everyday(word: str) -> bool:
    """True for a word that names what is in view, or what people do: its absence says little."""
    return word in _everyday()


def _without_excluded(question: str) -> str:
    """A question without what it does not want: "the phone number, not the fax"."""
    return re.sub(r"\b(?:not|except|but not|without) (?:the |my |any )?\w+", " ", question.lower())


@functools.cache
def _data() -> Mapping[str, Any]:
    text = resources.files("assistant.text").joinpath("questions.toml").read_text("utf-8")
    return tomllib.loads(text)


@functools.cache
def _everyday() -> frozenset[str]:
    data = _data()
    return frozenset((*data["everyday"].split(), *data["verbs"].split()))
