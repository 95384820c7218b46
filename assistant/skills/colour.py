"""The colour of what is in view: from the pixels, and from a model that knows the thing."""

import re

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.inference.pocket import is_named
from assistant.seeing.color import LEAST_SHARE, Caveat, name_colours
from assistant.seeing.quality import Cause
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import ARTICLE, Wording
from models.pictures import RgbPicture

LABEL = "colour"
"""The label of what a colour is."""

DOUBTS = {
    Caveat.DIM: "It is dim here, so the colour may be lighter than I say.",
    Caveat.LIT: "The light here may be coloured and change the colour.",
}

_PLAIN_COLOUR = (
    r"(?:what|which) colour (?:is|are|has|does) (?:the |my |this |these |that |a |an )?"
    r"(?P<thing>\w+)(?: have)?(?: here)?|what is the colour(?: of (?:this|it|that))?"
)
_THIS = ("this", "it", "that", "these", "those", "")


class Colour:
    """Pixels name the colour in the middle; only a model knows what the thing there is."""

    name = "colour"
    wordings = (
        Wording(
            heard="(which | what) colour is (the | my | this) {<thing> | <shape>}",
            typed=(
                rf"\bcolour (?:is |are |of |does |do )?{ARTICLE}(?P<subject>\w+)?(?: have)?"
                r"|\bcolour\b"
            ),
        ),
        Wording(heard="what colour is (this | it)"),
        Wording(heard="what colour are (the | my | these) {<things> | <shapes>}"),
    )
    # A cloth that fills the picture shows no edge, and has a colour all the same.
    traits = Traits(
        rank=76,
        model=ModelUse.WHERE_GENERAL,
        bears=frozenset({Cause.BLANK, Cause.BLURRED}),
    )

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The colour in the middle, where it is asked for in plain words."""
        thing = asks_for_colour(asked.words)
        if thing is not None and not is_named(thing):
            return seen_colour(scene.rgb, thing)
        if scene.cause is not None:
            return Answer(self.name, notes=(Note(NoteKind.SPOILT, scene.cause.value),))
        return None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The colour, and how sure it is that this is the thing and the colour."""
        if not answer.found:
            return ""
        named = " and ".join(answer.values)
        many = answer.note(NoteKind.MANY_COLOURS) is not None
        if detail is Detail.SHORT:
            said = f"Mostly {named}." if many else f"{named}."
        elif many:
            said = f"The middle of the picture has many colours; most of it is {named}."
        else:
            said = f"The middle of the picture is {named}."
        thing = answer.note(NoteKind.NOT_SURE_OF)
        doubt = answer.note(NoteKind.COLOUR_DOUBT)
        parts = (
            said,
            "" if thing is None else f"I can't tell whether that is the {thing.detail}.",
            "" if doubt is None else DOUBTS[Caveat(doubt.detail)],
        )
        return " ".join(part for part in parts if part)


def asks_for_colour(words: str) -> str | None:
    """The thing whose colour is asked in plain words, "" for what is in view; else None."""
    match = re.fullmatch(_PLAIN_COLOUR, words)
    if match is None:
        return None
    thing = match["thing"] or ""
    return "" if thing in _THIS else thing


def seen_colour(rgb: RgbPicture, thing: str) -> Answer:
    """The colour in the middle of a picture (H, W, 3); pixels do not know what the thing is."""
    seen = name_colours(rgb)
    names, notes = seen.names, list[Note]()
    if seen.share < LEAST_SHARE:
        names = names[:1]
        notes.append(Note(NoteKind.MANY_COLOURS))
    if thing:
        notes.append(Note(NoteKind.NOT_SURE_OF, thing))
    if seen.caveat is not Caveat.NONE:
        notes.append(Note(NoteKind.COLOUR_DOUBT, seen.caveat.value))
    basis = Basis.GUESS if seen.caveat is not Caveat.NONE or thing else Basis.SEEN
    return Answer(SKILL.name, tuple(Found(name, LABEL) for name in names), basis, tuple(notes))


SKILL = Colour()
