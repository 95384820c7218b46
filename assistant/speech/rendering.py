"""How answers are worded for the ear, and labelled for the eye."""

import re

from assistant.skills.grounding import Basis
from assistant.skills.text_answers import Answer
from assistant.text.printable import printable

SPOKEN_BASIS = {Basis.READ: "Read: ", Basis.SEEN: "Seen: ", Basis.GUESS: "Guess: "}
LABELS = {
    Basis.READ: "read",
    Basis.SEEN: "seen",
    Basis.GUESS: "guess",
    Basis.UNKNOWN: "can't tell",
}


def spoken_text(answer: Answer) -> str:
    """What is spoken of an answer: its basis first, then what can be said of its text."""
    return "\n".join(spoken_sentences(answer))


def spoken_sentences(answer: Answer) -> list[str]:
    """Split an answer into what is synthesized at once: sentences, and lines of a page.

    The basis is spoken first, in one word, as a listener cannot look back.
    """
    return sentences(SPOKEN_BASIS.get(answer.basis, "") + answer.text)


def without_basis(sentence: str) -> str:
    """What `spoken_text` put the basis before."""
    for prefix in SPOKEN_BASIS.values():
        sentence = sentence.removeprefix(prefix)
    return sentence


def sentences(text: str) -> list[str]:
    """Split a text into sentences and lines that hold something to say."""
    found = []
    for line in text.splitlines():
        # A full stop inside a figure or an abbreviation such as "S.H.H." ends no sentence.
        found += re.split(r"(?<=[a-z0-9)][.!?]) +(?=[A-Z])", printable(line).strip())
    return [sentence for sentence in found if any(c.isalnum() for c in sentence)]
