"""Questions that lean on the one before: "and the date?", "and on Sunday?", "when?"."""

import re
from dataclasses import dataclass

from assistant.skills.router import OTHER, skill_named, understand
from assistant.skills.skill import Asked
from assistant.text.calendar_names import weekday
from assistant.text.meaning import content_words, is_telling, number, words
from assistant.text.question import is_everyday

_LEAD = r"^(?:and|also|then|what about|how about|and what about|and how about)\b ?"
_THEM = r"^(?:and )?(?:how many|which) (?:of (?:them|these|those) )?are (?P<colour>\w+)$"
_MORE = r"^(?:what else|anything else)(?: (?:does it say|is there|do you see|is written))?$"
_NEXT_ONE = (
    r"^(?:and )?(?:what (?:is|about) |read )?(?:the )?(?P<which>next|previous|one before)(?: one)?$"
)
_BARE = (
    r"^(?:and )?(?P<asks>when|where|who|how much|how many|how long|how often|until when|by when"
    r"|(?:by|until) (?:what|which) (?:day|date))$"
)
_WHEN = (
    r"^(?:and )?(?P<prep>on|at|in|for|with|under|after|before|until|to|from|by) "
    r"(?:the |a |my )?(?P<rest>\w.*)$"
)
_THIS_FRAME = frozenset({"spell", "again", "pick"})
"""Skills that are about the last answer, and so about its picture."""

_TO_PAY = (
    r"\b(?:have|need|got|ought) to pay\b|\b(?:must|should|do|can) (?:i|we) (?:pay|owe)\b"
    r"|\bwants? (?:from|off) (?:me|us)\b"
)
"""Behind what asks for an amount that is still to be paid, "when" asks for the day it is due."""

_ANYWAY = r"(?:please )?(?:try |do |tell me |answer |say )?(?:it |that )?any ?way(?: please)?"

_ARTICLES = ("the ", "its ", "a ", "an ", "my ")
_PLAIN = frozenset({OTHER, "describe", "identify", "price", "find_word", "read"})
"""Skills that say little of what a thing is: the question before says what is wanted of it."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A question that stands alone, and whether it is about the frame of the one before."""

    asked: Asked
    same_frame: bool


def resolve(question: str, before: str) -> Resolved:
    """Complete a question with what the one before asked; `before` may be empty."""
    asked = understand(question)
    if not before:
        return Resolved(asked, False)
    earlier = understand(before)
    text = asked.words
    match = re.match(_THEM, text)
    if match and earlier.skill == "count" and earlier.subject:
        return Resolved(understand(f"how many {match['colour']} {earlier.subject} are there"), True)
    if re.match(_MORE, text):
        return Resolved(understand("read this"), True)
    if re.fullmatch(_ANYWAY, text):
        return Resolved(understand(f"{before.rstrip(' ?.!')} anyway"), True)
    stepped = _stepped(text, earlier)
    if stepped:
        return Resolved(understand(stepped), True)
    if asked.skill in _THIS_FRAME:
        return Resolved(asked, True)
    bare = re.match(_BARE, text)
    if bare and not asked.context and content_words(earlier.words):
        if bare["asks"].endswith(("when", "day", "date")) and re.search(_TO_PAY, earlier.words):
            return Resolved(understand("when do i have to pay"), True)
        subject = " ".join(content_words(earlier.words))
        return Resolved(understand(f"{bare['asks']} is the {subject}"), True)
    rest = re.sub(_LEAD, "", text)
    if rest == text or not rest:
        return Resolved(asked, False)
    beside = re.match(_WHEN, rest)
    if beside:
        return Resolved(understand(_with_place(earlier.words, rest)), True)
    if asked.skill != OTHER and re.match(r"(?:what|how|where|which|who|is|are)", rest):
        return Resolved(understand(rest), True)
    thing = rest
    for article in _ARTICLES:
        thing = thing.removeprefix(article)
    named = understand(f"what is the {thing}")
    if named.skill not in _PLAIN:
        return Resolved(named, True)
    if earlier.subject:
        replaced = re.sub(rf"\b{re.escape(earlier.subject)}\b", thing, earlier.words)
        if replaced != earlier.words:
            return Resolved(understand(replaced), True)
    swapped = _with_thing(earlier.words, thing)
    if swapped and skill_named(earlier.skill).traits.text | (earlier.skill == OTHER):
        return Resolved(understand(swapped), True)
    if named.skill not in (OTHER, "describe"):
        return Resolved(named, True)
    return Resolved(understand(rest), True)


def _stepped(text: str, earlier: Asked) -> str:
    """ "The next one" behind "the second item" as a question for the third; "" if it is not."""
    match = re.match(_NEXT_ONE, text)
    if match is None or earlier.skill not in ("item", "line"):
        return ""
    step = 1 if match["which"] == "next" else -1
    for word in words(earlier.words):
        at = number(word)
        if at is not None and int(at) + step > 0:
            return re.sub(rf"\b{word}\b", f"{int(at) + step}th", earlier.words, count=1)
    return ""


def _with_place(earlier: str, phrase: str) -> str:
    """A question with another day, place or person than the one it named."""
    days = [word for word in words(phrase) if weekday(word) is not None]
    if days:
        for word in words(earlier):
            if weekday(word) is not None:
                return re.sub(rf"\b{re.escape(word)}\b", days[0], earlier)
    prep = phrase.split()[0]
    if re.search(rf"\b{prep} \w", earlier):
        return re.sub(rf"\b{prep} .*$", phrase, earlier)
    return f"{earlier} {phrase}"


def _with_thing(earlier: str, thing: str) -> str:
    """A question with a thing in the place of the one it asks about; "" if it names none.

    "How much is the bread" becomes "how much is the milk".
    """
    said = content_words(earlier)
    telling = [word for word in said if is_telling(word) and not is_everyday(word)] or list(said)
    if re.search(r"\d", thing):
        telling = [word for word in said if re.search(r"\d", word)] or telling
    if not telling:
        return ""
    phrase = r"(?:(?:the|a|an|my|our|your|her|his|their) )?(?:[\w'-]+ )*?"
    last = re.escape(telling[-1])
    first = re.escape(telling[0]) if len(telling) > 1 else last
    article = r"(?:the|a|an|my|our|her|his)"
    # From the article that stands nearest before the thing.
    spans = list(re.finditer(rf"\b{article} (?:(?!{article}\b)[\w'-]+ )*?{last}\b", earlier))
    if spans:
        return f"{earlier[: spans[-1].start()]}the {thing}{earlier[spans[-1].end() :]}"
    swapped = re.sub(rf"\b(?:{first} {phrase})?{last}\b", thing, earlier, count=1)
    return swapped if swapped != earlier else ""
