"""A question as bare words: what patterns and small models compare."""

import re

_ASKING = ("what", "where", "who", "how", "when")
_CONTRACTIONS = {
    "it's": "it is",
    "that's": "that is",
    "i'm": "i am",
    "he's": "he is",
    "she's": "she is",
    **{f"{word}'s": f"{word} is" for word in _ASKING},
    # As it is typed in haste.
    **{f"{word}s": f"{word} is" for word in ("what", "where", "who", "how")},
}


_NEGATED = re.compile(
    r"^((?:(?:so|and|but|well|ok|okay) )*)(is|are|was|were|does|do|did|has|have|can|could|should"
    r"|will|would)(?:n't|nt| not)? (there|it|they|this|that|these|you|i|we|the \w+)"
    r"((?: (?:really|actually|maybe|perhaps|possibly|definitely|even|still|not|say|says|mention"
    r"|have|contain|include|tell|me|us))*) (?:anything|nothing|something|any thing) "
    r"(?=(?:about|on|for|with|of|in|that|to)\b)"
)
_NOTHING = re.compile(r"^(?:(?:so|and|but) )*nothing (?=(?:about|on|for) )")
_AT_THE_END = re.compile(r"(?: (?:at all|whatsoever|then|though|anywhere|by any chance))+$")
_FILLERS = re.compile(r" (?:really|actually|maybe|perhaps|possibly|definitely|even|still|not)\b")


def asked_plainly(question: str) -> str:
    """A question whether there is nothing about something, as whether there is anything.

    "Isn't there anything about parking at all" is answered by what "is there anything about
    parking" is. Every other question stays as it is.
    """
    words = " ".join(re.findall(r"[\w']+", question.lower().replace("\u2019", "'")))
    if _NOTHING.match(words):
        words = _NOTHING.sub("is there anything ", words)
    found = _NEGATED.match(words)
    if found is None:
        return question
    lead, verb, who, more = found.groups()
    rest = _AT_THE_END.sub("", words[found.end() :])
    return f"{lead}{verb} {who}{_FILLERS.sub('', more)} anything {rest}"


def bare_words(question: str) -> str:
    """The words in lower case, British spelling of colour, no punctuation, no contractions.

    Words that only ask are spelt right: they decide what is asked for, and stand on no paper.
    """
    text = question.lower().replace("\u2019", "'").replace("color", "colour")
    words = re.findall(r"[\w']+", text)
    return " ".join(_CONTRACTIONS.get(word, _RESPELT.get(word, word)) for word in words)


def with_context(question: str, said: str) -> str:
    """A question with what was said beside it, in the form that `without_context` takes apart."""
    return f"{question.strip().rstrip('.!?')} because {said.strip(' .,;!?')}"


def without_context(question: str) -> tuple[str, str]:
    """A question, and what is said beside it: behind a "because", or ""."""
    found = _BESIDE.search(question)
    if found is None:
        return question, ""
    return question[: found.start()], question[found.end() :].strip(" .,;!?")


_BESIDE = re.compile(r",? (?:because|cos|as i|since i)\b(?! of\b)", re.IGNORECASE)


def told_before(question: str) -> str:
    """What somebody tells in the clause before what they ask; "" where they do not.

    "I bought this ages ago, is it still good?" names nothing that a paper would have to print.
    """
    found = _TELLS.match(question.strip())
    return found["said"] if found and len(found["said"].split()) > 2 else ""


_TELLS = re.compile(
    r"^(?:(?:well|so|oh|and|but) )?(?P<said>(?:i|i['’]m|i['’]ve|i['’]d|my|we|we['’]ve|he"
    r"|he['’]s|she|she['’]s|they|they['’]ve|if i|if we|someone|somebody|there['’]s"
    r"|there is)\b[^?,]*), "
    r"(?:so |and |but |then )?(?:what|when|where|who|whose|which|why|how|is|are|was|does|do|did|can"
    r"|could|may|must|should|has|have|will|would)\b[^?]*\?*$",
    re.IGNORECASE,
)


def without_courtesy(words: str) -> str:
    """Bare words without the courtesy around them; those of a whole courtesy stay."""
    return _COURTESY_AFTER.sub("", _COURTESY_BEFORE.sub("", words)) or words


_COURTESY_BEFORE = re.compile(r"^(?:(?:please|hi|hello|hey|excuse me) )+(?=\w)")
_COURTESY_AFTER = re.compile(
    r"(?<!\bsay)(?<!\bsays)(?<!\bword)(?<!\bwords)(?<!\bmention)(?<!\bfind)(?<!\bspell)"
    r"(?: (?:please|thanks|thank you))+$"
)
"""What is looked for may be a courtesy itself: "does it say thank you"."""

_OFTEN_MISSPELT = """
what when where which whose how much many does should would could please number first second third
total amount
"""
_SEEMING_SLIPS = """
cold des does doe dose dos fist firs hoe man manny may numer tota wat wen were who wold
"""
_OTHER_WORDS = frozenset(_SEEMING_SLIPS.split())
"""What looks like a slip, and is a word or a name of its own, also in another language."""


def _slips(word: str) -> set[str]:
    """What is typed for a word when a letter is left out, doubled, or changes its place.

    Its first letter stands: a slip there makes another word too often.
    """
    inner = range(1, len(word))
    left_out = {word[:at] + word[at + 1 :] for at in inner}
    doubled = {word[:at] + word[at] + word[at:] for at in inner}
    swapped = {
        word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 1)
    }
    return {slip for slip in left_out | doubled | swapped if len(slip) >= LEAST_SLIP} - {word}


LEAST_SLIP = 3
"""Letters of a slip; shorter ones could be meant for anything."""

_RESPELT = {
    slip: word
    for word in reversed(_OFTEN_MISSPELT.split())
    for slip in _slips(word) - _OTHER_WORDS
    if slip not in _OFTEN_MISSPELT.split()
}
