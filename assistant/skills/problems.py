"""Why a picture tells nothing about a question: one cause and one fix."""

from assistant.inference.pocket import is_named
from assistant.seeing.quality import SENTENCES, Cause, light_hint
from assistant.seeing.scene import Scene
from assistant.skills.grounding import Basis
from assistant.skills.intents import Intent, Request
from assistant.skills.quick_looks import (
    CODE_IN_VIEW,
    COLOUR_CAUSES,
    asks_for_colour,
    barcode_answer,
    colour_answer,
)
from assistant.skills.text_answers import NO_TEXT, Answer
from models.pictures import RgbPicture

LOOKS_BLANK = "The picture looks blank; I can't tell more. Point the camera at something else."


def problem(scene: Scene, request: Request) -> str:
    """Why a picture tells nothing about a question: one cause and one fix; "" if it does.

    Raises:
        BarcodeError: the reader of barcodes is missing or failed.
    """
    if request.intent is Intent.LIGHT:
        return ""
    if request.intent is Intent.BARCODE:
        answer = code_answer(scene)
        return "" if answer.basis is Basis.READ else answer.text
    if scene.cause is None:
        return ""
    # Some questions have an answer all the same, such as the colour of a cloth.
    fault = SENTENCES[scene.cause]
    return fault if spoilt(scene.rgb, request, scene.cause).text == fault else ""


def code_answer(scene: Scene) -> Answer:
    """What the barcodes hold, or why none is read."""
    # The code is tried first: it survives blur and darkness that stop everything else.
    codes = scene.codes()
    if codes:
        return barcode_answer(codes)
    if scene.code_nearness() is not None:
        return Answer(CODE_IN_VIEW, Basis.UNKNOWN)
    if scene.cause is not None:
        return Answer(SENTENCES[scene.cause], Basis.UNKNOWN)
    return barcode_answer(())


def no_text(rgb: RgbPicture, model: str | None = None) -> Answer:
    """What is said of a picture (H, W, 3) without text: what may be the matter, if anything."""
    return Answer(f"{NO_TEXT} {light_hint(rgb)}".strip(), Basis.UNKNOWN, model=model)


def spoilt(rgb: RgbPicture, request: Request, cause: Cause) -> Answer:
    """What is said of a picture (H, W, 3) in which little can be seen."""
    if request.intent is Intent.BLANK and cause is Cause.BLANK:
        return Answer(LOOKS_BLANK, Basis.UNKNOWN)
    thing = asks_for_colour(request) if request.intent is Intent.COLOUR else None
    if thing is not None and not is_named(thing) and cause in COLOUR_CAUSES:
        return colour_answer(rgb, thing)
    return Answer(SENTENCES[cause], Basis.UNKNOWN)
