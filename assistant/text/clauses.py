"""The part of a long sentence that says when, who or where: a name, a day and its hour, a room.

"We have booked an appointment for you on Tuesday 15 December 2026 at 2:40 pm with Dr. A. Moreau in
Room 7" answers three questions, each by a few of its words. Nothing is cut out of a sentence that
denies, sets a condition or tells what to do: there the rest may turn its meaning.
"""

import re

from assistant.text.fitting import TASK, TITLED
from assistant.text.meaning import words
from assistant.text.question import Form, Wish
from assistant.text.tokens import Kind, tokens

LONG = 20
"""Words from which a sentence is cut."""

LONGEST_PART = 14
"""Words of a part; what is longer is no part of a sentence, but most of it."""

_TURNS = re.compile(
    r"\b(?:not|no|never|nor|none|cannot|unless|if|except|only|without|instead|cancelled|postponed"
    r"|moved|changed|nicht|kein\w*|nur|ohne|wenn|falls|außer|statt|verschoben|ne|pas|sauf"
    r"|sans|si|sinon|reporté\w*|sin|salvo|nunca|aplazad\w*|non|senza|solo|soltanto|se"
    r"|rinviat\w*"
    r"|niet|geen|alleen|tenzij|als|zonder|não|sem|apenas|adiad\w*)\b|n['’]t\b",
    re.IGNORECASE,
)
"""What may turn the meaning of the rest."""

_JOINT = re.compile(
    r"(?<=,) |(?<=;) | (?=(?:on|at|in|with|by|from|for|to|and|or|but|because|which|who|where|when"
    r"|that|via|am|um|mit|bei|im|und|oder|von|vom|zum|zur|le|à|avec|chez|dans|et|ou|el|la|con|en|y"
    r"|il|alle|presso|nel|nella|e|op|om|met|te|bij|van|das|às|com|no|na|em|as) )",
    re.IGNORECASE,
)
"""Where a sentence may be parted."""


def part_that_tells(sentence: str, wish: Wish) -> str:
    """The part of a long sentence that a question asks for; the whole sentence where none is safe.

    sentence: one row or sentence in one line.
    """
    if len(words(sentence)) < LONG or _TURNS.search(sentence) or TASK.search(sentence):
        return sentence
    wanted = _wanted(sentence, wish)
    if not wanted:
        return sentence
    first, last = min(begin for begin, _ in wanted), max(end for _, end in wanted)
    begins = [0, *(joint.end() for joint in _JOINT.finditer(sentence))]
    ends = [*(joint.start() for joint in _JOINT.finditer(sentence)), len(sentence)]
    begin = max(each for each in begins if each <= first)
    end = min(each for each in ends if each >= last)
    part = sentence[begin:end].strip(" ,;")
    return part if len(words(part)) <= LONGEST_PART else sentence


def _wanted(sentence: str, wish: Wish) -> list[tuple[int, int]]:
    """Where what is asked for stands: a day with its hours, or the only name, or the only place."""
    if wish.form is Form.WHEN:
        held = [t for t in tokens(sentence) if t.kind in (Kind.DATE, Kind.TIME)]
        spans = [(each.start, each.start + len(each.text)) for each in held]
        days = sum(each.kind is Kind.DATE for each in held)
        return spans if days == 1 and len(held) <= 3 else []
    if wish.form is Form.WHO or _TITLES & set(wish.said):
        named = [match.span() for match in TITLED.finditer(sentence)]
    elif wish.form is Form.WHERE:
        named = [match.span() for match in _NUMBERED.finditer(sentence)]
    else:
        return []
    return named if len(named) == 1 else []


_TITLES = frozenset(("doctor", "dr", "professor", "consultant", "surgeon", "dentist"))
"""Who is named behind a title: "which doctor"."""

_NUMBERED = re.compile(
    r"\b(?:room|gate|platform|hall|desk|bay|stop|stand|zimmer|raum|gleis|saal|salle|sala|quai|voie"
    r"|binario|andén|kamer|spoor) [A-Z]?\d+\w?(?:, [A-Z]\w+ (?:floor|wing|building))?",
    re.IGNORECASE,
)
"""A place that is known by its number, with the floor it is on."""
