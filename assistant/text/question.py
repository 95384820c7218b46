"""What a question wants: the kind of value or words, and the words its answer must account for.

"When" wants a date or a time, "who" a name, "how long" a span of time. A line that holds such a
thing answers better than one that only holds the question's words.
"""

import enum
import functools
import re
from dataclasses import dataclass

from assistant.text.meaning import content_words, is_telling, number, words
from assistant.text.plain_letters import unaccented
from assistant.text.tokens import Kind
from assistant.text.word_lists import word_list
from assistant.text.words import bare_words


class Form(enum.Enum):
    """The question word, as far as it says what the answer looks like."""

    WHEN = "when"
    DURATION = "how long"
    MANY = "how many"
    OFTEN = "how often"
    WHO = "who"
    WHERE = "where"
    WHY = "why"
    TASK = "what to do"
    OTHER = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a question wants.

    asked: the words that its answer must account for, sayings put into plain words.
    said:  all of its words.
    kinds: the kinds of values that it asks for; empty if it asks for words.
    form:  what the answer looks like where that is no single value.
    is_leave: True if it asks what one may or must do.
    deeds: the verbs of a question for a value: "what time did I *pay*"; no paper need print them.
    """

    asked: tuple[str, ...]
    said: tuple[str, ...]
    kinds: frozenset[Kind]
    form: Form
    is_leave: bool = False
    deeds: frozenset[str] = frozenset()

    def is_open(self, word: str) -> bool:
        """True for a word that only says what kind of value is asked for, or narrows it down."""
        return self.names_a_place(word) or not is_telling(word) or word in KIND_WORDS

    def names_a_place(self, word: str) -> bool:
        """True for the street, the town, the building of a question that asks where."""
        return self.form is Form.WHERE and word in _PLACE_WORDS


_WANTED: tuple[tuple[frozenset[Kind], str], ...] = (
    (
        frozenset({Kind.TIME}),
        r"\bhow (?:late|early) (?:can|may|could|are|is|will|does|do they)\b|\bwhat time\b"
        r"|\bwhen does it (?:open|close|start|end|leave)\b",
    ),
    (
        frozenset({Kind.DATE, Kind.TIME, Kind.MEASURE, Kind.NUMBER}),
        r"\bhow long (?:is|are|does|do|will|can|has|have)\b.*\b(?:good|keep|keeps|valid|fresh"
        r"|date)\b",
    ),
    (
        frozenset({Kind.MEASURE, Kind.NUMBER}),
        r"\bhow (?:long|many (?:days|weeks|months|years|hours|minutes|times))\b",
    ),
    (
        frozenset({Kind.DATE, Kind.TIME}),
        r"\bwhen\b|\bby when\b|\b(?:what|which) (?:date|day)s?\b|\bdates?\b|\bdeadline\b|\buntil\b"
        r"|\bhow old is\b",
    ),
    (
        frozenset({Kind.MEASURE, Kind.NUMBER, Kind.PERCENT}),
        r"\bhow much (?:do|did|would|will|does) (?:i|we|you|he|she|they|one) "
        r"(?:use|take|give|pour|put|add|mix|drink|eat|feed|apply|swallow|spread|inject|weigh)\b"
        r"(?! home)",
    ),
    (
        frozenset({Kind.MONEY}),
        r"\bhow many (?:dollars|pounds sterling|pounds of|euros?|cents|rupees|francs|quid|bucks)\b"
        r"|\bhow much (?:is|are|was|were|does|do|did|for|money|would|will|to)\b(?! (?:in|left"
        r"|there|of)\b"
        r"|.*\b(?:weigh|hold|contain)\b)|\bprices?\b"
        r"|\bcosts?\b|\bfee\b|\bwhat (?:do|did|does|will|would|must|should) (?:i|we|it|they) "
        r"(?:have to |need to |get to )?(?:pay|owe)\b"
        r"|\bpayment\b|\bbalance\b|\bowe\b|\bpremium\b|\brent\b|\bfare\b|\bcharged?\b",
    ),
    (frozenset({Kind.PHONE, Kind.NUMBER}), r"\bwho\b.*\b(?:call|ring|phone)\b"),
    (
        frozenset({Kind.PHONE}),
        r"\b(?:tele)?phone\b|\bnumber (?:to|do i|should i|can i) (?:call|ring)\b|\bcall\b|\bring\b"
        r"|\bhotline\b|\bhelpline\b|\bfax\b|\bmobile\b|\blandline\b",
    ),
    (frozenset({Kind.EMAIL}), r"\be ?-?mail\b"),
    (frozenset({Kind.WEB}), r"\bweb ?-?(?:site|page|address)?\b|\burl\b|\bonline\b"),
    (
        frozenset({Kind.MEASURE, Kind.NUMBER, Kind.PERCENT, Kind.MONEY}),
        r"\bhow much\b",
    ),
    (
        frozenset({Kind.MEASURE, Kind.NUMBER, Kind.PERCENT}),
        r"\bhow (?:many|hot|warm|cold|big|heavy|strong|far|tall|wide|deep|high|old)\b"
        r"|\bpercent\w*\b|\btemperature\b|\bsize\b|\bweigh\w*\b|\bvolume\b|\bcalories\b",
    ),
    (
        frozenset({Kind.CODE, Kind.NUMBER, Kind.PHONE}),
        r"\b(?:number|code|reference|ref|id|iban|pin|password|postcode|zip)\b(?! \d)",
    ),
)
"""What kind of value a question asks for, by its words; the first that fits."""

KIND_WORDS = frozenset(
    {
        *("number", "date", "day", "days", "dates", "times", "time", "price", "cost", "costs"),
        *("amount", "phone", "telephone", "code", "website", "web", "site", "address", "email"),
        "mail",
    }
)
"""Words that only say what kind of value is asked for: a row with one accounts for them."""

_PLACE_WORDS = frozenset(
    {"city", "town", "street", "place", "venue", "location", "road", "building", "held", "located"}
)

_FORMS: tuple[tuple[Form, str], ...] = (
    (
        Form.WHY,
        r"^(?:\w+ ){0,2}why\b|\bhow come\b|\bwhat is the reason\b|\bfor what reason\b"
        r"|\bwhat are they \w+ (?:it|this|that) for$",
    ),
    (
        Form.TASK,
        r"\bwhat (?:do|should|must|can|am|are) (?:i|we) (?:have to |need to |supposed to |meant to "
        r"|to |got to )?do\b(?! (?:with|to|if|for|about|when|after|before|at)\b)",
    ),
    (Form.DURATION, r"\bhow long\b|\bhow many (?:days|weeks|months|years|hours|minutes)\b"),
    (Form.OFTEN, r"\bhow (?:often|frequently)\b"),
    (Form.MANY, r"\bhow many\b"),
    (Form.WHEN, r"\bwhen\b|\b(?:what|which) (?:time|day|date)s?\b"),
    (
        Form.WHO,
        r"^(?:\w+ ){0,2}(?:who|whom|whose)\b(?! (?:(?:should|can|must) ?n"
        r"|(?:should|must|may) not|cant))|\b(?:her|his|their|patient|person"
        r"|owner)(?:'s)? (?:\w+ )?"
        r"names?\b|\b(?:last|first|family) name\b|\bsurname\b",
    ),
    (
        Form.WHERE,
        r"^(?:\w+ ){0,2}where\b|\b(?:which|what) (?:floor|room|platform|gate|street|road|town|city"
        r"|place|hall|building|door|entrance|address|stop|station)\b",
    ),
)


@functools.lru_cache(maxsize=256)
def wish(question: str) -> Wish:
    """What a question wants."""
    text = plain(_without_excluded(question))
    if _AT_AN_HOUR.search(text):
        text = _AT_AN_HOUR.sub(r"\g<asks>", text)
    right = _IN_A_CONTAINER.sub("", _OF_A_SORT.sub(r"\1", english(text)))
    right = _IN_THE_PACK.sub("", right)
    named = [word for word in words(_OF_THIS.sub(" ", right)) if word in _NOUNS]
    asked = tuple(dict.fromkeys((*content_words(right), *named)))
    is_leave = re.match(r"(?:(?:so|and|please) )*(?:can|could|may|must|should|am) i\b", text)
    kinds, looks = wanted(question), form(question)
    valued = bool(kinds) or looks in (Form.WHO, Form.WHERE, Form.OFTEN)
    found = _deeds(right) if valued else frozenset()
    return Wish(asked, tuple(words(question)), kinds, looks, is_leave is not None, found)


def _deeds(text: str) -> frozenset[str]:
    """The verbs of bare words, known by their places: behind "do they", "can I", "have to"."""
    return frozenset(match["verb"] for match in _DEED.finditer(text)) - _EVENTS


_EVENTS = frozenset(
    (
        *("open", "close", "shut", "start", "begin", "end", "finish", "stop", "leave", "depart"),
        *("arrive", "land", "board", "sail", "expire", "renew", "wash", "freeze"),
    )
)
"""Verbs that papers print beside their values: the hour of one is not that of another."""


_DEED = re.compile(
    r"\b(?:(?:do|does|did|can|could|will|would|shall|should|may|might|must|have|has|had|am|are|is"
    r"|was|were) (?:i|we|you|they|he|she|it|people|one|someone|anyone)"
    r"|(?:have|has|had|need|needs|got|want|wants|able|allowed|supposed|meant|going|expected) to"
    r"|who|i have to|we have to) "
    r"(?:(?:not|really|actually|also|still|just|all|already|ever|usually|have to|need to|get to"
    r"|be) )*(?P<verb>[a-z]{3,})\b"
)


def language_of(question: str) -> str:
    """The language, by two letters, whose little words a question holds most of; else "en"."""
    said = {unaccented(word) for word in words(question)}
    counts = {
        language: len(said & frozenset(little.split()))
        for language, little in word_list("questions.toml")["little"].items()
    }
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] > counts["en"] else "en"


def wanted(question: str) -> frozenset[Kind]:
    """The kinds of values that a question asks for; empty if it asks for words."""
    text = _main_clause(question)
    if _AT_AN_HOUR.search(text):
        return frozenset({Kind.TIME})
    if asks_whether(text):
        # What answers whether something holds is a sentence, with a figure or without.
        return frozenset()
    kinds = next((kinds for kinds, pattern in _WANTED if re.search(pattern, text)), _NO_KIND)
    in_parts = _IN_PARTS.search(text) and not re.search(r"\bhow many\b", text)
    return kinds | {Kind.PERCENT} if Kind.MONEY in kinds and in_parts else kinds


_NO_KIND: frozenset[Kind] = frozenset()


def asks_whether(question: str) -> bool:
    """True for a question in lower case that wants yes or no."""
    return _WHETHER.match(question) is not None


_IN_PARTS = re.compile(r"\b(?:deposit|up front|in advance|tip|commission|interest|discount)\b")
"""Amounts that paper may print as a part of another."""


def form(question: str) -> Form:
    """What the answer of a question looks like."""
    text = _main_clause(question)
    return next((found for found, pattern in _FORMS if re.search(pattern, text)), Form.OTHER)


def plain(question: str) -> str:
    """A question in lower case with its sayings put into words that paper prints.

    "When do they get back" asks for the return.
    """
    text = re.sub(r" (?:because|cause|cos|as i|since i)\b.*", "", bare_words(question))
    text = _GOT_TO.sub(r"\1\2 to", text)
    text = _HUNDREDS.sub(lambda match: f"{number(match[1])}00", text)
    said = frozenset(text.split())
    for begins, saying, meaning in _sayings():
        if begins & said:
            text = saying.sub(meaning, text)
    return text


@functools.cache
def _sayings() -> tuple[tuple[frozenset[str], re.Pattern[str], str], ...]:
    """(forms of the first word, pattern, meaning) of each saying, the longest first."""
    forms = {
        word: f"{word} {others}".split()
        for word, others in word_list("everyday.toml")["inflected"].items()
    }
    found = []
    for saying, meaning in sorted(
        word_list("sayings.toml")["sayings"].items(), key=lambda s: -len(s[0])
    ):
        first, *others = saying.split()
        begins = forms.get(first, [first])
        pattern = _GAP.join((f"(?:{'|'.join(begins)})", *map(re.escape, others)))
        found.append((frozenset(begins), re.compile(rf"\b{pattern}\b"), meaning))
    return tuple(found)


_GOT_TO = re.compile(r"\b(have|has|had)( (?:i|we|you|they|he|she))? got to\b")
"""An order, and no getting anywhere."""

_HUNDREDS = re.compile(r"\b(one|two|three|four|five|six|seven|eight|nine) hundred\b(?! and)")

_GAP = r" (?:(?:me|us|you|him|her|it|them|my|our|the|this|that|a) )?"
"""What may stand between the words of a saying."""


def _main_clause(question: str) -> str:
    """A question as bare words without a clause that says when or if it holds.

    "Where can I return books when it is closed" asks for a place.
    """
    text = re.sub(r" (?:because|cause|cos|as i|since i)\b.*", "", english(bare_words(question)))
    clause = re.search(r" (?:when|if|because|while) ", text)
    if clause is None or not _MAIN.match(text) or _LEADS.search(text[: clause.start()]):
        return text
    return text[: clause.start()]


_MAIN = re.compile(
    r"(?:and |so |please )*(?:what|where|who|which|how|can|may|do|does|is|are|should)\b"
)
_LEADS = re.compile(
    r"\b(?:by|until|since|from|and|or|say|says|said|know|me|out|see|tell|read|find|on)$"
)
"""What a question has before its "when": "until when", "does it say when"."""

_NOUNS = frozenset(
    [
        "screen",
        "card",
        "box",
        "bottle",
        "bag",
        "page",
        "sign",
        "letter",
        "bill",
        "receipt",
        "package",
        "packet",
        "line",
        "side",
        "top",
        "item",
        "label",
        "document",
        "product",
        "paper",
    ]
)
_OF_THIS = re.compile(
    rf"\b(?:(?:on|of|in|at|for|from|to) (?:this|the|that|my|it)|this|that|my|these) "
    rf"(?:{'|'.join(sorted(_NOUNS))})s?\b"
)
"""Nouns for what is in view: "on this card" asks for nothing, "the card number" does."""

_WHETHER = re.compile(
    r"(?:(?:so|and|please|hi|hello|ok|well) )*(?:can|could|may|must|is|are|was|were|will|would"
    r"|do|does|did"
    r"|has|have|should|am)\b (?!(?:you|someone|somebody|anyone|anybody|u) (?:please |kindly "
    r"|just )*"
    r"(?:tell|say|read|find|give|help|check|look|see)\b)(?!.*\b(?:what|when|where|who|which|how)\b)"
)

_OF_A_SORT = re.compile(r"\b(?:is|was) (?:it|this|that) an? (\w+) (?:place|one|thing|kind|sort)\b")
"""A noun that says nothing: "is it a vegetarian place"."""

_IN_A_CONTAINER = re.compile(
    r"\b(?:bars?|bottles?|tins?|cans?|jars?|boxe?s?|packs?|packets?|bags?|pieces?|slices?|cups?"
    r"|glass(?:es)?|pints?|loa(?:f|ves)|tubs?|tubes?|pots?|cartons?|bunch(?:es)?|kilos?|loads?) of "
    r"(?!the\b|this\b|it\b|my\b)"
)
"""What goods come in: "a bar of soap" is printed as soap."""

_IN_THE_PACK = re.compile(
    r"(?<=\w) in (?:the|this|that|a|one|each|every) (?:whole |full )?"
    r"(?:pack(?:et|age)?|box|bottle|tin|can|jar|bag|tub|tube|carton|pouch|sachet)\b"
)
"""The thing in view, in which what is asked about is: "how many tablets are in the pack"."""

_AT_AN_HOUR = re.compile(
    r"^(?P<asks>(?:so |and |please )*(?:can|could|may|is|are|will|do|does|should)\b.*?) (?:at|by"
    r"|after"
    r"|before|around|until|from) \d{1,2}(?:[:.]?\d\d)?(?: ?(?:am|pm|o'clock|h|uhr|in the (?:morning"
    r"|afternoon|evening)))?\b"
)
"""A question whether something holds at an hour is answered by the hours that are printed."""


def english(text: str) -> str:
    """Bare words of a question in which question words are spelt right and in English.

    "Waht time", "wann", "combien coûte": what a question wants is decided by these words alone.
    """
    found = []
    for word in text.split():
        right = _respelt(word)
        found.append(word if right is None else right)
    text = " ".join(found)
    plain_text = unaccented(text)
    for phrase, meaning in word_list("questions.toml")["elsewhere"].items():
        if re.search(rf"\b{phrase}\b", plain_text):
            plain_text = re.sub(rf"\b{phrase}\b", meaning, plain_text)
            text = plain_text
    return text


def _respelt(word: str) -> str | None:
    """The question word that has the same letters and begins alike; None if there is none."""
    if len(word) < 4 or word in _ASKING:
        return None
    same = (each for each in _ASKING if sorted(each) == sorted(word) and each[0] == word[0])
    return next(same, None)


_ASKING = (
    "what",
    "when",
    "where",
    "which",
    "whose",
    "much",
    "many",
    "long",
    "does",
    "time",
    "date",
)


def is_everyday(word: str) -> bool:
    """True for a word that names what is in view, or what people do: its absence says little."""
    return word in _everyday() or word in _NOUNS


def is_goods(word: str) -> bool:
    """True for an everyday word for what is sold with other things: a magazine, a cream."""
    return word in word_list("questions.toml")["goods"].split()


def siblings(word: str) -> tuple[str, ...]:
    """The other things of a kind that papers list beside each other: the other meals of dinner."""
    kinds = (group.split() for group in word_list("questions.toml")["siblings"])
    return next((tuple(w for w in kind if w != word) for kind in kinds if word in kind), ())


def _without_excluded(question: str) -> str:
    """A question without what it does not want: "the phone number, not the fax"."""
    return re.sub(r"\b(?:not|except|but not|without) (?:the |my |any )?\w+", " ", question.lower())


@functools.cache
def _everyday() -> frozenset[str]:
    data = word_list("questions.toml")
    listed = (data["everyday"], data["verbs"], word_list("everyday.toml")["said"])
    return frozenset(word for words_of in listed for word in words_of.split())
