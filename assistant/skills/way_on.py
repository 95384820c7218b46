"""Where nothing is told: what can be done with this very picture, and what with a file.

A picture of a file shows nothing else a moment later: nobody can move its camera, turn its page,
or light its room. What its user can do is to ask something that it tells, or to open another one.
"""

import dataclasses

from assistant.answers import Answer, Basis, Note, NoteKind
from assistant.inference.pocket import LARGEST_DRAWING
from assistant.seeing.quality import Cause
from assistant.skills.scene import Scene

TEXT, CODE, DRAWING, PIXELS = "text", "code", "drawing", "pixels"
"""What a picture can be asked for; the details of a note `CAN`."""

OFFERS = {
    TEXT: "I see text. Shall I read it?",
    CODE: "I see a barcode; say: scan the barcode.",
    DRAWING: "Ask what colour it is, or how many circles there are.",
    PIXELS: "I find no text here. Ask what colour it is, or how light it is.",
}
"""One thing to do with a picture in which nothing is found of what was asked."""

NO_TEXT_OF_FILE = (
    "I can't tell: I find no text in this picture. Ask what colour it is, or how light it is, or "
    "try another picture."
)
TRY_ANOTHER = "Try another picture."
CUT_OFF = "The text seems cut off at the {}; the rest is not in this picture."

SPOILT_FILES: dict[Cause, str] = {
    Cause.BLACK: "the picture is black",
    Cause.DARK: "the picture is too dark",
    Cause.BLANK: "the picture is blank",
    Cause.BLURRED: "the picture is blurred",
    Cause.NOISE: "I see only noise in the picture",
    Cause.COVERED: "something covered the lens",
    Cause.BRIGHT: "the picture is too bright",
    Cause.GLARE: "a reflection hides the picture",
}

_OFFERED_TO = frozenset(
    {NoteKind.REFUSED, NoteKind.NO_MODEL, NoteKind.DECLINED, NoteKind.EMPTY, NoteKind.NO_CODE}
)
"""Causes that say nothing of what the picture holds."""

_ABOUT_A_TEXT = (NoteKind.NOT_ABOUT, NoteKind.NOT_FOUND)
"""Causes that are told with the offer to read the text."""


def with_way_on(answer: Answer, scene: Scene) -> Answer:
    """An answer, with notes on what can be done where it tells nothing.

    Raises:
        AssistantError: text recognition or the reader of barcodes failed.
    """
    notes = answer.notes
    if scene.sheet is not None and _mentions_the_view(answer):
        notes = (*notes, Note(NoteKind.OF_FILE))
    if answer.basis is Basis.UNKNOWN and any(note.kind in _OFFERED_TO for note in notes):
        small_model = answer.note(NoteKind.REFUSED) is not None
        notes = (*notes, Note(NoteKind.CAN, what_it_tells(scene, drawings=small_model)))
    return answer if notes == answer.notes else dataclasses.replace(answer, notes=notes)


def what_it_tells(scene: Scene, *, drawings: bool) -> str:
    """What a picture can be asked for: the first of text, codes, and what its pixels show.

    drawings: whether there is a model that knows simple drawings.
    """
    if scene.lines():
        return TEXT
    if scene.codes():
        return CODE
    is_drawing = max(scene.rgb.shape[:2]) <= LARGEST_DRAWING
    return DRAWING if drawings and is_drawing else PIXELS


def lacks_the_subject(answer: Answer) -> bool:
    """True if a text was read and says nothing of what was asked."""
    return answer.basis is Basis.UNKNOWN and any(map(answer.note, _ABOUT_A_TEXT))


def offers_reading(answer: Answer) -> bool:
    """True if an answer ends with the question whether the text shall be read."""
    can_read = answer.basis is Basis.UNKNOWN and Note(NoteKind.CAN, TEXT) in answer.notes
    return can_read or lacks_the_subject(answer)


def _mentions_the_view(answer: Answer) -> bool:
    told = {note.kind for note in answer.notes}
    return answer.basis is Basis.UNKNOWN or NoteKind.CUT_OFF in told
