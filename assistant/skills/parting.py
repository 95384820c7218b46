"""One question or several: what people ask in one breath, without courtesy and asides.

"Hi, what is this, and what colour is it? Thank you." asks two things. "What is the total and the
date" does too, if both are things that can be asked for. "No, I meant the subtotal" asks for one.
"""

import re
from collections.abc import Callable, Iterator

from assistant.text.containment import names_of_kinds
from assistant.text.meaning import content_words, is_telling
from assistant.text.question import asks_whether
from assistant.text.sentences import sentence_spans
from assistant.text.words import bare_words, with_context

MOST_PARTS = 4
"""Questions of one breath that are answered; more answers cannot be told apart by ear."""

_ASKS = (
    r"(?:what|when|where|who|whose|which|why|how|is|are|was|does|do|did|can|could|has|have|will|"
    r"would|read|tell|find|count|describe|spell|show|scan|identify)"
)
_BEGINS = re.compile(
    rf"^(?:(?:hi|hello|hey|ok|okay|please|so|well|excuse me|yes|and|also|oh|um|now|then)[ ,.!]+)*"
    rf"(?:(?:can|could|would|will) (?:you|u|someone|somebody|anyone) (?:please |also |kindly )*)?"
    rf"{_ASKS}\b",
    re.IGNORECASE,
)
_JOINS = re.compile(
    r"(?:,|;)? +(?:and|also|plus|and also|as well as|and then) +"
    rf"(?=(?:please +)?(?:{_ASKS}|(?:by|until|since) when"
    r"|(?:by|until|on|from) (?:what|which) (?:day|date|time))\b(?! (?:of|to)\b))",
    re.IGNORECASE,
)
_BARE_TAIL = re.compile(
    r"^(?:how (?:much|many|long|often|big|old)|when|where|who|why|how|what time|what"
    r"|(?:what|how much|when|where|who) (?:is|was|were|are) (?:it|that|this|they))[ ?.!]*$",
    re.IGNORECASE,
)
"""A question that says nothing without the one before it: "and how long", "what was it"."""

_WHAT_IT_IS = re.compile(
    r"^(?:and |so )?what(?:'s| is| was| are| were) (?:it|that|this|they|those|these)[ ?.!]*$",
    re.IGNORECASE,
)
"""Asks for what was named in the same breath: "a plate of calamari, what is it"."""

_LIST = re.compile(
    r"^(?P<lead>(?:.*?\b)?(?:what(?: is|'s| are|s)|tell me|give me|read(?: me)?|find|say) )"
    r"(?P<first>.+?)(?:,? and |, )(?!or )(?P<second>(?:what |also )?.+)$",
    re.IGNORECASE,
)
_MEANT = re.compile(
    r"^(?:no|nope|sorry|wait)?[ ,.]*(?:i (?:meant|mean|wanted|want)|not [\w ]+[,;] (?:but )?)[ ,]*"
    r"(?P<thing>.+)$",
    re.IGNORECASE,
)

_WHAT_IF = re.compile(
    r"^(?:(?:and|so|ok|but) )*(?:what (?:happens )?)?if (?P<case>[^,?]+?)[,?]+ ?(?:and |then )?"
    r"(?P<asks>(?:how|what|when|where|who|which)\b[^?]*?)(?: then)?[ ?.!]*$",
    re.IGNORECASE,
)
"""A case and what is asked of it, which is one question: "what if I pay late, how much is it"."""

Known = Callable[[str], bool]
"""Whether a question is one that some skill answers."""


def parts(question: str, is_known: Known) -> list[str]:
    """The questions of one breath, in order; the question itself if it is one.

    is_known: whether some skill knows a question; "cheese and pepperoni" is one thing, "the total
              and the date" are two.
    """
    question = _WHAT_IF.sub(r"\g<asks> if \g<case>", " ".join(question.split()))
    meant = _MEANT.match(question)
    if meant:
        return [_asked_for(meant["thing"], is_known)]
    sentences = [question[begin:end] for begin, end in sentence_spans(question)]
    asking = [each for each in sentences if _is_question(each) or "allerg" in each.lower()]
    found: list[str] = []
    for sentence in _with_what_they_name(asking or [question]):
        asks, said = _in_context(sentence, sentences)
        for each in _questions_of(asks, is_known):
            found.append(with_context(each, said) if said else each)
    found = [part for part in found if part.strip(" ?.!,")]
    return list(dict.fromkeys(found))[:MOST_PARTS] or [question]


def _questions_of(sentence: str, is_known: Known) -> Iterator[str]:
    """The questions of one sentence."""
    for part in _whole(sentence):
        for each in _contained(part.strip(" ,;")):
            yield from _listed(each, is_known)


def _in_context(asking: str, sentences: list[str]) -> tuple[str, str]:
    """A question, and what was said right before it if it leans on that; else "".

    "I think I lost that card. Who do I call?"
    """
    at = sentences.index(asking) if asking in sentences else 0
    before: list[str] = []
    while at > 0 and not _is_question(sentences[at - 1]):
        at -= 1
        before.insert(0, sentences[at].rstrip(" .!"))
    told = [each for each in before if any(is_telling(word) for word in content_words(each))]
    if not told or not _leans(asking):
        return asking, ""
    return asking, ", ".join(told)


def _is_question(sentence: str) -> bool:
    """False for what is told, be it with a tag: "They've moved it, haven't they?"."""
    if _TAG.search(sentence):
        return False
    return sentence.endswith("?") or _BEGINS.match(sentence) is not None


_TAG = re.compile(
    r"[^\s,], (?:is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|should|must"
    r"|isn|aren|wasn|weren|don|doesn|didn|hasn|haven|hadn|couldn|won|wouldn|shouldn)(?:['’]?t)? "
    r"(?:i|you|he|she|it|we|they|there)[ ?.!]*$",
    re.IGNORECASE,
)


def _leans(question: str) -> bool:
    """True for a question that says little without what was said before it."""
    said = content_words(question)
    only_asks = bool(said) and not any(map(is_telling, said))
    return only_asks or _POINTS.search(bare_words(question)) is not None


_POINTS = re.compile(
    r"\b(?:it|that|this|these|those|them|he|she|him|her|they|one|some|there|then|i|we|me|us)\b"
)
"""Words for what was named before, and for who has told of themselves."""


def _with_what_they_name(sentences: list[str]) -> list[str]:
    """The sentences, without a "what is it" that asks for what stands before it."""
    told: list[str] = []
    for sentence in sentences:
        before, comma, tail = sentence.rpartition(",")
        if comma and _WHAT_IT_IS.match(tail.strip()) and _is_named(before):
            told.append(f"{before} and {tail.strip()}" if _is_whether(before) else before)
        elif not (told and _WHAT_IT_IS.match(sentence) and _is_named(told[-1])):
            told.append(sentence)
    return told


def _is_whether(text: str) -> bool:
    """Whether it wants yes or no: its bare tail asks for the figure of the same thing."""
    return asks_whether(bare_words(text))


def _is_named(text: str) -> bool:
    """Whether it names a thing, and is no question of its own that "it" may not be about.

    "Hi" and "excuse me" name none. "Has the number changed" wants no figure, so "what is it" does.
    """
    asks = _BEGINS.match(text) is not None and not _is_whether(text)
    return not asks and any(is_telling(word) for word in content_words(text))


def _whole(sentence: str) -> list[str]:
    """The questions that "and" joins; one that says nothing alone stays with the one before."""
    told: list[str] = []
    for part in _JOINS.split(sentence):
        if told and _is_whether(told[-1]) and _BARE_TAIL.match(part.strip(" ,;")):
            told[-1] = f"{told[-1]} and {part.strip(' ,;')}"
        else:
            told.append(part)
    return told


def _contained(part: str) -> list[str]:
    """Whether there is milk and egg, as two questions: what is found and what is not differ.

    Only of what people must not eat: "does it say terms and conditions" looks for one phrase.
    """
    kinds = "|".join(map(re.escape, names_of_kinds()))
    more = rf"(?:(?:,? (?:and|or) |, ?)(?:any |some )?(?:{kinds}))+"
    run = re.search(rf"\b(?:{kinds}){more}\b", part, re.IGNORECASE)
    if run is None or not _FOR_CONTENTS.search(part):
        return [part]
    things = re.split(r",? (?:and|or) (?:any |some )?|, ?", run[0])
    before, behind = part[: run.start()], part[run.end() :]
    return [f"{before}{thing}{behind}" for thing in things][:MOST_PARTS]


_FOR_CONTENTS = re.compile(
    r"^(?!(?:\w+ ){0,2}(?:how|when|where|who|why|what|which)\b).*(?:\ballerg|\bintoleran"
    r"|\b(?:contains?|have|has|any|free|includes?|is there|are there)\b)",
    re.IGNORECASE,
)
"""What asks whether something is in a thing that is eaten."""


def _asked_for(thing: str, is_known: Known) -> str:
    """What somebody meant, as a question of its own."""
    thing = thing.strip(" ?.!")
    if _BEGINS.match(thing):
        return thing
    asked = (
        f"what is {thing}" if re.match(r"(?:the|my|its|a|an)\b", thing) else f"what is the {thing}"
    )
    # What no skill knows takes the place of what was asked for before.
    return asked if is_known(asked) else f"and {thing}"


def _bare_list(part: str, is_known: Known) -> list[str]:
    """ "Total and date please" as two questions, if each thing is one that can be asked for."""
    bare = re.sub(r"^(?:and )?(?:please )?|(?: please)?[?.! ]*$", "", part)
    things = [each for each in re.split(r",? and (?:the )?|, ", bare) if each]
    asked = [f"what is the {re.sub('^the ', '', each)}" for each in things]
    several = len(things) > 1 and not _BEGINS.match(part)
    known = (
        is_known(each) or _is_a_field(thing) for each, thing in zip(asked, things, strict=True)
    )
    return asked if several and all(known) else [part]


def _is_a_field(thing: str) -> bool:
    """True for what papers print a label for: "seat", "the credit limit", "customer number"."""
    named = thing.lower().split()
    return bool(named) and len(named) <= LONGEST_LABEL and named[-1] in _FIELDS


LONGEST_LABEL = 4
"""Words, an article included."""


_FIELD_WORDS = """
row seat screen gate platform coach carriage wagon flight terminal zone floor room door stand
block section aisle level bay entrance name surname address postcode number code reference
size colour weight model serial batch lot username password network date time price
temperature pressure payment balance limit fee deposit rent premium rate
"""
_FIELDS = frozenset(_FIELD_WORDS.split())
"""What tickets, labels and cards have beside each other: "row and seat" asks for two things."""


_PRICED = re.compile(
    r"^(?P<lead>(?:.*?\b)?how much (?:is|are|was|were|for|does|do|did) )"
    r"(?P<things>(?:the|a|an|my) .+? and (?:the|a|an|my) .+?)"
    r"(?P<behind> costs?| here| each)?[ ?.!]*$",
    re.IGNORECASE,
)
"""Two things with an article each have a price each; "fish and chips" are one."""


_DAY_AND_TIME = re.compile(
    r"\b(?P<which>new|next|old|first|last|other|exact) (?:day|date)s? and (?:the )?times?\b",
    re.IGNORECASE,
)
"""When one thing is; "the date and the time" of a receipt are two."""

_SHARED = re.compile(
    r"^(?P<lead>(?:.*?\b)?(?:what(?: is|'s| are|s)|tell me|give me|read(?: me)?) "
    r"(?:the |my |our )?)?(?:the |my )?(?P<one>[a-z]+) and (?:the |my )?(?!the |my )"
    r"(?P<other>[a-z]+) (?P<noun>[a-z]+?)s?(?: please)?[ ?.!]*$",
    re.IGNORECASE,
)
"""Two things that share their noun: "opening and closing balance" asks for two balances."""


_OF_GOODS = frozenset(("price", "size", "weight", "colour"))
"""What a thing of two words has one of: the price of fish and chips."""


def _shares(shared: re.Match[str], is_known: Known) -> bool:
    """Whether the first of two things needs the noun, as "total and due date" does not."""
    one = shared["one"].lower()
    return (
        shared["noun"].lower() in _FIELDS - _OF_GOODS
        and one not in _FIELDS
        and not is_known(f"what is the {one}")
    )


def _listed(part: str, is_known: Known, most: int = MOST_PARTS) -> list[str]:
    """ "What is the total and the date" as two questions, if both of them are known."""
    priced = _PRICED.match(part) if most > 1 else None
    if priced and not re.search(r"\b(?:between|together|altogether)\b", part):
        things = re.split(r",? and (?=(?:the|a|an|my) )|, (?=(?:the|a|an|my) )", priced["things"])
        return [f"{priced['lead']}{each}{priced['behind'] or ''}" for each in things][:most]
    if _DAY_AND_TIME.search(part):
        return [_DAY_AND_TIME.sub(r"\g<which> date and time", part)]
    shared = _SHARED.match(part) if most > 1 else None
    if shared and _shares(shared, is_known):
        lead = shared["lead"] or "what is the "
        return [f"{lead}{shared[each]} {shared['noun']}" for each in ("one", "other")]
    match = _LIST.match(part) if most > 1 else None
    if match is None:
        return _bare_list(part, is_known)
    lead = match["lead"]
    first = lead + match["first"].strip(" ,")
    seconds = _listed(lead + match["second"].strip(" ,"), is_known, most - 1)
    asked = [first, *seconds]
    known = (
        is_known(each) or each.startswith(lead) and _is_a_field(each[len(lead) :].rstrip(" ?.!"))
        for each in asked
    )
    return asked if all(known) else [part]
