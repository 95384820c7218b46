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


def bare_words(question: str) -> str:
    """The words in lower case, British spelling of colour, no punctuation, no contractions."""
    text = question.lower().replace("\u2019", "'").replace("color", "colour")
    words = re.findall(r"[\w']+", text)
    return " ".join(_CONTRACTIONS.get(word, word) for word in words)
