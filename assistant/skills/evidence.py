"""What the lines under an answer are worth: whether it may be called read, and in which language.

A line that the recognizer doubts is told, but as a guess that is hard to read. The least confidence
was chosen by scripts/bench_basis.py on one half of its papers, and is reported on the other.
"""

import dataclasses
from collections.abc import Sequence

from assistant.answers import Answer, Basis, Found, Note, NoteKind
from assistant.seeing.text import TextLine
from assistant.text.languages import page_language, passage_language

LEAST_CONFIDENCE = 0.96
"""What a line must have to be called read."""

LEAST_LONE = 0.9
"""What letters that are no words must have to be text at all, where there is no other text."""

SHORTEST_WORD = 3
"""Letters and figures; fewer are seen in leaves, fences and windows, too."""

RECITES = frozenset({"read"})
"""Skills that tell a whole page: one smudged line of forty does not make all of it a guess."""


def weighed(answer: Answer, lines: Sequence[TextLine]) -> Answer:
    """The answer with the basis that its evidence earns, and the language of what it quotes.

    lines: all lines of the picture.
    """
    if not answer.evidence:
        return answer
    page = page_language(line.text for line in lines)
    found = tuple(_in_language(each, page) for each in answer.found)
    answer = dataclasses.replace(answer, found=found)
    return answer if answer.basis is not Basis.READ else _earned(answer)


def _in_language(found: Found, page: str | None) -> Found:
    if not found.lines:
        return found
    return dataclasses.replace(found, language=passage_language(found.value, page))


def _earned(answer: Answer) -> Answer:
    """An answer that was called read: a guess if one of its lines is unsure."""
    evidence = answer.evidence
    unsure = sum(not is_sure(line) for line in evidence)
    if not unsure:
        return answer
    note, basis = Note(NoteKind.HARD_TO_READ), Basis.GUESS
    if answer.skill in RECITES and len(evidence) > 1:
        note = Note(NoteKind.HARD_TO_READ, f"{unsure} of {len(evidence)}")
        basis = Basis.GUESS if 2 * unsure > len(evidence) else Basis.READ
    return dataclasses.replace(answer, basis=basis, notes=(*answer.notes, note))


def is_sure(line: TextLine) -> bool:
    """True for a line that may be called read; NaN is no confidence."""
    return line.confidence >= LEAST_CONFIDENCE


def has_words(lines: Sequence[TextLine]) -> bool:
    """True if lines are text: one of them holds a word or a number, or is quite sure."""
    return any(
        line.confidence >= LEAST_LONE or sum(map(str.isalnum, line.text)) >= SHORTEST_WORD
        for line in lines
    )
