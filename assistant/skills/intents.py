"""What a question asks for, found in its words."""

import enum
import re
from dataclasses import dataclass


class Intent(enum.Enum):
    """The kinds of questions that are answered in different ways."""

    READ_TEXT = "read_text"
    FIND_WORD = "find_word"
    DATE = "date"
    EXPIRY = "expiry"
    TOTAL = "total"
    PRICE = "price"
    DOSE = "dose"
    PHONE = "phone"
    EMAIL = "email"
    WEB = "web"
    YEAR = "year"
    TITLE = "title"
    AUTHOR = "author"
    CATEGORY = "category"
    SUMMARY = "summary"
    ABOUT = "about"
    BLANK = "blank"
    ANY_TEXT = "any_text"
    BARCODE = "barcode"
    LIGHT = "light"
    COUNT = "count"
    COMPARE = "compare"
    COLOUR = "colour"
    FIND_THING = "find_thing"
    DESCRIBE = "describe"
    OTHER = "other"


TEXT_INTENTS = frozenset(
    {
        Intent.READ_TEXT,
        Intent.FIND_WORD,
        Intent.DATE,
        Intent.EXPIRY,
        Intent.TOTAL,
        Intent.PRICE,
        Intent.DOSE,
        Intent.PHONE,
        Intent.EMAIL,
        Intent.WEB,
        Intent.YEAR,
        Intent.TITLE,
        Intent.AUTHOR,
        Intent.CATEGORY,
        Intent.SUMMARY,
        Intent.ABOUT,
        Intent.ANY_TEXT,
    }
)
"""Answered from recognized text, never from a model's impression of it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A question and what it asks for.

    question: as it was asked.
    words:    in lower case, without punctuation and contractions; what a small model was
              trained on.
    subject:  what is counted, found, or has the colour; the word to look for; or "".
    """

    question: str
    words: str
    intent: Intent
    subject: str = ""


_ARTICLE = r"(?:all )?(?:the |my |a |an |any |this |these |that |those )?"

_SOME = r"\b(?:any|some) (?:printed |written )?"
_WRITING = r"(?:text|writing|words|letters|(?:any|some)thing written)"

# The first pattern that is found decides, so that the narrower ones come first.
_PATTERNS: tuple[tuple[Intent, str], ...] = (
    (Intent.BARCODE, r"\b(?:bar|qr|product) ?codes?\b|\bscan (?:it|this|the code)\b"),
    (
        Intent.LIGHT,
        r"\b(?:is|are) (?:the|a|any) (?:room )?(?:lights?|lamps?) (?:still )?(?:on|off)\b"
        r"|\bhow (?:bright|dark)\b"
        r"|\bis it (?:still )?(?:dark|bright|light)\b|\b(?:light level|daylight)\b"
        r"|\b(?:is|are) (?:there|the) (?:any )?lights? on\b",
    ),
    (
        Intent.EXPIRY,
        r"\bexpir|\bbest before|\buse by\b|\bstill good\b|\bgo(?:es)? off\b|\buntil when\b",
    ),
    (Intent.PHONE, r"\b(?:tele)?phone number|\bnumber (?:to|do i) call|\btelephone\b"),
    (Intent.EMAIL, r"\be ?mail\b"),
    (Intent.WEB, r"\bweb ?(?:site|page|address)|\binternet address\b|\burl\b"),
    (
        Intent.DOSE,
        r"\bdos(?:e|age|es)\b|\bstrength\b|\bhow strong\b|\bdo i take\b|\bshould i take\b"
        r"|\bhow many milligrams",
    ),
    (
        Intent.TOTAL,
        r"\btotal\b|\bsum\b(?! (?:it |this |that )?up)|\bhave to pay\b|\bdid i pay\b"
        r"|\bamount\b|\bthe bill\b|\bcomes? to\b|\baltogether\b",
    ),
    (Intent.PRICE, r"\bprice\b|\bcosts?\b|\bhow much (?:is|are|for)\b"),
    (Intent.YEAR, r"\b(?:what|which|the) year\b|\bpublished\b"),
    (Intent.DATE, r"\bdate\b|\bwhat day\b"),
    (
        Intent.CATEGORY,
        r"\bcategory\b|\bgenre\b|\b(?:kind|sort|type) of book\b",
    ),
    (
        Intent.AUTHOR,
        r"\bauthors?\b|\bwriter\b|\bwho (?:wrote|has written)\b|\bwho is \w+ book by\b",
    ),
    (
        Intent.TITLE,
        r"\btitle\b|\b(?:what|which) book is\b|\bwhat is this book\b|\bbook is called\b"
        r"|\bbook called\b|\bname of (?:the|this) book\b",
    ),
    (
        Intent.SUMMARY,
        r"\bsummar|\bsum (?:it|this|that) up\b|\bsum up\b|\bwhat (?:is|are) (?:it|this|that|the "
        r"(?:text|letter|page)) (?:all )?about\b|\bgist\b|\bmain points?\b",
    ),
    (
        Intent.ABOUT,
        r"\bwhat does (?:it|this|that|the \w+) (?:say|tell|write|mention) about (?P<subject>.+)$",
    ),
    (
        Intent.COMPARE,
        r"\b(?:larger|bigger|largest|biggest|smaller|smallest|further left|further right"
        r"|furthest|more to the (?:left|right)|first object (?:from|on) the (?:left|right))\b"
        r"|\bsmaller size\b",
    ),
    (Intent.BLANK, r"\bblank\b"),
    (
        Intent.ANY_TEXT,
        rf"(?:\b(?:is|are) there (?:{_SOME})?{_WRITING}|(?<!\bread )(?:{_SOME}){_WRITING}"
        r"|\b(?:have|has|contain|is|see|find) (?:text|writing|(?:any|some)thing written))\b"
        # Text of some content is another question.
        r"(?! (?:that |which )?(?:say|saying|says|about|with)\b)",
    ),
    (
        Intent.FIND_WORD,
        r"\b(?:does|do) (?:it|this|that|the \w+) (?:say|mention|contain) (?P<subject>.+)$"
        r"|\bis the word (?P<word>\w+)",
    ),
    (
        Intent.READ_TEXT,
        r"\bread\b|\b(?:it|this|that|sign|label|page|text|letter|package|words?|lines?|there"
        r"|here) says?\b"
        r"|\b(?:what|which) (?:is )?(?:written|the word|word)\b|\bfirst line\b"
        r"|\bwhat do(?:es)? .* say\b|\bwhat is (?:all )?the text\b|\btell me the words?\b",
    ),
    (
        Intent.COUNT,
        rf"\bhow many (?P<subject>\w+)|\bfind {_ARTICLE}(?P<counted>\w+) and count"
        rf"|\bcount {_ARTICLE}(?P<word>\w+)"
        r"|\bnumber of (?P<other>\w+)",
    ),
    (
        Intent.COLOUR,
        rf"\bcolour (?:is |are |of |does |do )?{_ARTICLE}(?P<subject>\w+)?(?: have)?|\bcolour\b",
    ),
    (
        Intent.FIND_THING,
        rf"\bwhere (?:is|are) {_ARTICLE}(?P<subject>\w+)|\b(?:find|look for) "
        rf"{_ARTICLE}(?P<word>\w+)|\b(?:is|are) there {_ARTICLE}(?P<other>\w+)",
    ),
    (
        Intent.DESCRIBE,
        r"\bdescribe\b|\bwhat do you see\b|\bin front of me\b|\bwhat is (?:this|that|it)$"
        r"|\bwhat is in the\b",
    ),
)

_CONTRACTIONS = {"what's": "what is", "where's": "where is", "who's": "who is", "it's": "it is"}


def understand(question: str) -> Request:
    """Sort a question, typed or heard, by what it asks for."""
    words = bare_words(question)
    for intent, pattern in _PATTERNS:
        found = re.search(pattern, words)
        if found:
            named = (value for value in found.groupdict().values() if value)
            return Request(question, words, intent, next(named, ""))
    return Request(question, words, Intent.OTHER)


def bare_words(question: str) -> str:
    """The words in lower case, British spelling of colour, no punctuation, no contractions."""
    text = question.lower().replace("\u2019", "'").replace("color", "colour")
    words = re.findall(r"[\w']+", text)
    return " ".join(_CONTRACTIONS.get(word, word) for word in words)
