"""Which skill each of the questions goes to that blind people asked about their own photographs."""

from __future__ import annotations

import collections
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ABOUT_TEXT = re.compile(
    r"\b(?:read|say|says|text|write|writing|written|word|letters?|label|title|name|number|expir\w+|date"
    r"|cook\w*|instructions?|ingredients?|calories|price|temperature|flavou?r|brand|card|screen|display"
    r"|time|page|message|medicine|how much|how long|kind of)\b",
    re.IGNORECASE,
)
"""A question with one of these may be answered by text in view."""


def read_questions(file: Path) -> list[tuple[str, str]]:
    """(type, question) of each line of a table; a line that begins with # is a remark."""
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t", 1) for line in lines if line.strip() and not line.startswith("#"))
    return [(kind, question) for kind, question in pairs]


def routed(questions: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """How many questions go to which skill, each with its parts, and those about text that
    would be refused as unknown although text is in view.

    One breath may ask several things: each part is counted.
    """
    from assistant.answers import Answer, Context, NoteKind
    from assistant.seeing.text import TextLine
    from assistant.skills.parting import parts
    from assistant.skills.router import is_known, understand

    counts: collections.Counter[str] = collections.Counter()
    by_type: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    listed = []
    refused = []
    line = TextLine("Store in a cool place", ((0, 0), (200, 0), (200, 20), (0, 20)), 0.99)
    conversation, frame = _over((line,))
    for kind, question in questions:
        skills = [understand(part).skill for part in parts(question, is_known)]
        counts.update(skills)
        by_type[kind].update(skills)
        listed.append({"type": kind, "question": question, "skills": skills})
        if not ABOUT_TEXT.search(question):
            continue
        for piece in conversation.answer(frame, question, Context()):
            if isinstance(piece, Answer) and piece.note(NoteKind.REFUSED):
                refused.append(question)
    return {
        "questions": len(questions),
        "parts": sum(counts.values()),
        "skills": dict(counts.most_common()),
        "by_type": {kind: dict(found.most_common()) for kind, found in sorted(by_type.items())},
        "about_text_refused_as_unknown": refused,
        "routed": listed,
    }


def _over(lines: Sequence[Any]) -> tuple[Any, Any]:
    """A conversation about a picture that holds these lines, and its frame."""
    import numpy as np
    from exam.in_process import GivenReader

    from assistant.frames import Frame
    from assistant.inference.opening import ModelOpener
    from assistant.skills.conversation import Conversation

    rgb = np.full((400, 400, 3), 235, np.uint8)
    rgb[::7, ::3] = 20
    rgb[100:140] = 90
    return Conversation(GivenReader(tuple(lines)), ModelOpener("")), Frame(rgb, 0.0)
