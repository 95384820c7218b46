"""A question as bare words: what patterns and small models compare."""

import re

_CONTRACTIONS = {"what's": "what is", "where's": "where is", "who's": "who is", "it's": "it is", "when's": "when is",
                 "how's": "how is", "that's": "that is", "whats": "what is", "wheres": "where is"}


def bare_words(question: str) -> str:
    """The words in lower case, British spelling of colour, no punctuation, no contractions."""
    text = question.lower().replace("\u2019", "'").replace("color", "colour")
    words = re.findall(r"[\w']+", text)
    return " ".join(_CONTRACTIONS.get(word, word) for word in words)
