"""A question as bare words: what patterns and small models compare."""

import re

_ASKING = ("what", "where", "who", "how", "when")
_CONTRACTIONS = {
    "it's": "it is",
    "that's": "that is",
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
    """The words in lower case, British spelling of colour, no punctuation, no contractions."""
    text = question.lower().replace("\u2019", "'").replace("color", "colour")
    words = re.findall(r"[\w']+", text)
    return " ".join(_CONTRACTIONS.get(word, word) for word in words)
