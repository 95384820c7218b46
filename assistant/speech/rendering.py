"""How answers are spoken: their basis first, then sentence by sentence; and how it is labelled."""

from assistant.answers import Basis
from assistant.text.printable import printable
from assistant.text.sentences import sentences

SPOKEN_BASIS = {Basis.READ: "Read: ", Basis.SEEN: "Seen: ", Basis.GUESS: "Guess: "}
LABELS = {
    Basis.READ: "read",
    Basis.SEEN: "seen",
    Basis.GUESS: "guess",
    Basis.UNKNOWN: "can't tell",
}


def spoken_text(basis: Basis, text: str) -> str:
    """What is spoken of an answer in words: its basis first, a sentence or a line each.

    One word is enough, and it comes first, as a listener cannot look back.
    """
    return "\n".join(spoken_sentences(basis, text))


def spoken_sentences(basis: Basis, text: str) -> list[str]:
    """The same as the sentences that are synthesized one by one."""
    return list(sentences(printable(SPOKEN_BASIS.get(basis, "") + text)))
