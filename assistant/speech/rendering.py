"""How answers are spoken: their basis first, then sentence by sentence; and how it is labelled."""

import dataclasses
from collections.abc import Sequence

from assistant.answers import Basis, Said
from assistant.text.printable import printable
from assistant.text.sentences import sentences

SPOKEN_BASIS = {Basis.READ: "Read: ", Basis.SEEN: "Seen: ", Basis.GUESS: "Guess: "}
OWN_LANGUAGE = "own"
"""Of a voice: each text is read in the language that it is printed in."""

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


def spoken_parts(basis: Basis, told: Sequence[Said], voice: str = OWN_LANGUAGE) -> tuple[Said, ...]:
    """The parts of the same, for `Utterance.said`.

    voice: the language in which all that is quoted is read, or `OWN_LANGUAGE`.
    """
    return (Said(SPOKEN_BASIS.get(basis, "")), *in_voice(told, voice))


def in_voice(told: Sequence[Said], voice: str) -> tuple[Said, ...]:
    """The parts with all that is quoted in one language; as they are with `OWN_LANGUAGE`."""
    if voice == OWN_LANGUAGE:
        return tuple(told)
    return tuple(
        dataclasses.replace(part, language=voice) if part.quoted else part for part in told
    )
