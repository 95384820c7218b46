"""What is in view: what is quickly known, then what a model sees."""

import dataclasses
import statistics

from assistant.answers import Answer, Detail, Found, Note, NoteKind
from assistant.seeing.text import TextLine
from assistant.skills.barcode import codes_in_view
from assistant.skills.colour import LABEL as COLOUR_LABEL
from assistant.skills.colour import SKILL as colour
from assistant.skills.colour import seen_colour
from assistant.skills.grounding import ground_read
from assistant.skills.saying import ended
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.thing_kind import thing_kind
from assistant.skills.way_on import CODE
from assistant.skills.wording import Wording
from assistant.text.page import Page

LEAST_LETTERS = 3
STANDS_OUT = 1.4
"""Times the usual height of a line from which words are a heading."""

NO_PRINT = "I find no text and no barcode, so I can't tell what it is."

LOOKS_LIKE = "looks like"
"""The label of the kind of thing that a text seems to be from."""


def _thing(asked: Asked, scene: Scene) -> Answer | None:
    """What kind of thing it is and its most telling line; else its codes; None without either."""
    page = scene.page(asked.cancelled)
    if not page.rows:
        return codes_in_view(asked, scene)
    line = _telling_row(page)
    telling = Found(" ".join(piece.text for piece in line), None, line)
    notes = (Note(NoteKind.MORE),) if len(page.rows) > 1 else ()
    if scene.codes():
        notes = (*notes, Note(NoteKind.CAN, CODE))
    kind = thing_kind(page)
    found = (telling,) if kind is None else (Found(kind[0], LOOKS_LIKE, kind[1]), telling)
    return Answer(SKILL.name, found, ground_read((telling,)), notes)


def _telling_row(page: Page) -> tuple[TextLine, ...]:
    """The words that stand out by their size, else the first; figures tell nobody what it is."""
    worded = [
        number
        for number, row in enumerate(page.rows)
        if sum(map(str.isalpha, row.text)) >= LEAST_LETTERS and not page.has_values(number)
    ]
    rows = [page.rows[number] for number in worded] or list(page.rows)
    heights = [max(piece.height for piece in row.pieces) for row in rows]
    highest = max(heights)
    stands_out = highest >= STANDS_OUT * statistics.median_low(heights)
    return rows[heights.index(highest) if stands_out else 0].pieces


def _colour(asked: Asked, scene: Scene) -> Answer | None:
    """The colour, of what has neither text nor codes."""
    if scene.known_lines or scene.codes():
        return None
    return dataclasses.replace(seen_colour(scene.rgb, ""), skill=SKILL.name)


class Describe:
    """One answer, the best: the kind of thing and its most telling line, else a code, else a
    colour. A general model adds what it sees.
    """

    name = "describe"
    wordings = (
        Wording(
            heard="describe (<picture> | this | it | the room | the scene)",
            typed=(
                r"\bdescribe\b|\bwhat do you see\b|\bin front of me\b|\bwhat is (?:this|that|it)$"
                r"|\bwhat is (?:in (?:the\b|this (?:picture|photo|image)\b)|on (?:the"
                r"|this) (?:picture|photo|image)\b)"
                r"|\b(?:explain|tell me) what (?:you (?:can )?see|this is|it is|that is)\b"
            ),
        ),
        Wording(heard="(<is> | what do you see) in (<picture> | front of me)"),
        Wording(heard="<is> this"),
        Wording(heard="what do you see"),
    )
    traits = Traits(rank=82, model=ModelUse.ALWAYS, quick=(_thing, _colour))

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """What is known without a model."""
        return _thing(asked, scene)

    def say(self, answer: Answer, detail: Detail) -> str:
        """What it looks like, and what it says in the largest letters."""
        if answer.found and answer.found[0].label == COLOUR_LABEL:
            return f"{NO_PRINT} {colour.say(answer, detail)}"
        telling = [each.value for each in answer.found if each.label != LOOKS_LIKE]
        kinds = [each.value for each in answer.found if each.label == LOOKS_LIKE]
        if not telling:
            return ""
        says = f"It says: {'; '.join(telling)}"
        if detail is Detail.SHORT:
            return ". ".join((*kinds, *telling)) + "."
        more = " And more." if answer.note(NoteKind.MORE) else ""
        kind = f"This looks like {kinds[0]}. " if kinds else ""
        return f"{kind}{ended(says) if more else says}{more}"


SKILL = Describe()
