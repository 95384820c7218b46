"""Answers from pixels alone: colours, light, barcodes. They are there before any model."""

import re

from assistant.seeing.barcode import Barcode
from assistant.seeing.color import LEAST_SHARE, name_colours
from assistant.seeing.light import LightLevel, light_level
from assistant.seeing.quality import Cause
from assistant.seeing.text import TextLine
from assistant.skills.grounding import Basis
from assistant.skills.intents import Request
from assistant.skills.text_answers import Answer
from models.pictures import RgbPicture

NO_CODE = (
    "I can't tell: I find no barcode. Turn the package slowly, and hold it a hand's length away."
)
CODE_IN_VIEW = (
    "I can't tell: I see something like a barcode, but cannot read it. Bring it nearer, hold it "
    "straight and still."
)

COLOUR_CAUSES = (Cause.BLANK, Cause.BLURRED)
"""What spoils a picture for everything but its colour: a cloth that fills it shows no edge."""

_PLAIN_COLOUR = (
    r"(?:what|which) colour (?:is|are|has|does) (?:the |my |this |these |that |a |an )?"
    r"(?P<thing>\w+)(?: have)?(?: here)?|what is the colour(?: of (?:this|it|that))?"
)
_THIS = ("this", "it", "that", "these", "those", "")


def asks_for_colour(request: Request) -> str | None:
    """The thing whose colour is asked in plain words, "" for what is in view; else None."""
    match = re.fullmatch(_PLAIN_COLOUR, request.words)
    if match is None:
        return None
    thing = match["thing"] or ""
    return "" if thing in _THIS else thing


def colour_answer(rgb: RgbPicture, thing: str) -> Answer:
    """The colour in the middle of a picture (H, W, 3); pixels do not know what the thing is."""
    seen = name_colours(rgb)
    named = " and ".join(seen.names)
    if seen.share < LEAST_SHARE:
        said = f"The middle of the picture has many colours; most of it is {seen.names[0]}."
    else:
        said = f"The middle of the picture is {named}."
    if thing:
        said += f" I can't tell whether that is the {thing}."
    basis = Basis.GUESS if seen.caveat or thing else Basis.SEEN
    return Answer(f"{said} {seen.caveat}".strip(), basis)


def light_answer(rgb: RgbPicture, *, mirrored: bool) -> Answer:
    """How light it is in a picture (H, W, 3), and where a lamp or a window may be."""
    level = light_level(rgb)
    said = f"It is {level.name}, about {level.percent} of 100."
    if level.brightest is not None:
        said += f" The brightest place is {_direction(level, mirrored)}: a lamp or a window."
    elif level.percent == 0:
        said += " Or the lens is covered."
    return Answer(said, Basis.SEEN)


def barcode_answer(codes: tuple[Barcode, ...]) -> Answer:
    """What the barcodes hold; a code checks itself, so that it counts as read."""
    if not codes:
        return Answer(NO_CODE, Basis.UNKNOWN)
    named = [f"{_kind(code)}: {code.text}" for code in codes]
    evidence = tuple(TextLine(code.text, code.box, 1.0) for code in codes)
    return Answer(". ".join(named) + ".", Basis.READ, evidence)


def _kind(code: Barcode) -> str:
    return f"Product code {code.kind}" if code.is_product else code.kind


def _direction(level: LightLevel, mirrored: bool) -> str:
    assert level.brightest is not None
    x, y = level.brightest
    if mirrored:
        x = 1 - x
    across = "left" if x < 0.35 else "right" if x > 0.65 else ""
    down = "top" if y < 0.35 else "bottom" if y > 0.65 else ""
    where = " ".join(part for part in (down, across) if part)
    return f"at the {where}" if where else "in the middle"
