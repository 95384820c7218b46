"""What barcodes hold; a code checks itself, so that it counts as read."""

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.seeing.barcode import Barcode
from assistant.seeing.text import TextLine
from assistant.skills.scene import Scene
from assistant.skills.skill import EVERY_CAUSE, Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

NO_CODE = (
    "I can't tell: I find no barcode. Turn the package slowly, and hold it a hand's length away."
)
CODE_IN_VIEW = (
    "I can't tell: I see something like a barcode, but cannot read it. Bring it nearer, hold it "
    "straight and still."
)

NO_CODE_OF_FILE = "I can't tell: I find no barcode in this picture."
CODE_IN_FILE = (
    "I can't tell: I see something like a barcode, but cannot read it. Try another picture."
)


class ReadBarcode:
    """Tried on any picture: a code survives blur and darkness that stop everything else."""

    name = "barcode"
    wordings = (
        Wording(
            heard="scan the barcode",
            typed=r"\b(?:bar|qr|product) ?codes?\b|\bscan (?:it|this|the code)\b",
        ),
    )
    traits = Traits(rank=22, bears=EVERY_CAUSE)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """What the codes hold, or why none is read."""
        found = codes_in_view(asked, scene)
        if found is not None:
            return found
        if scene.code_nearness() is not None:
            return Answer(self.name, notes=(Note(NoteKind.CODE_IN_VIEW),))
        if scene.cause is not None:
            return Answer(self.name, notes=(Note(NoteKind.SPOILT, scene.cause.value),))
        return Answer(self.name, notes=(Note(NoteKind.NO_CODE),))

    def say(self, answer: Answer, detail: Detail) -> str:
        """The kind and the characters of each code."""
        of_file = answer.note(NoteKind.OF_FILE) is not None
        if answer.note(NoteKind.NO_CODE):
            return NO_CODE_OF_FILE if of_file else NO_CODE
        if answer.note(NoteKind.CODE_IN_VIEW):
            return CODE_IN_FILE if of_file else CODE_IN_VIEW
        if not answer.found:
            return ""
        if detail is Detail.SHORT:
            return ". ".join(answer.values) + "."
        return ". ".join(f"{code.label}: {code.value}" for code in answer.found) + "."


def codes_in_view(asked: Asked, scene: Scene) -> Answer | None:
    """What the codes hold; None where none is read.

    Raises:
        BarcodeError: their reader is missing or failed.
    """
    codes = scene.codes()
    if not codes:
        return None
    found = tuple(
        Found(
            code.text,
            _kind(code),
            (TextLine(code.text, code.box, 1.0),),
            # Of an article's number each figure counts; other codes hold anything.
            Kind.CODE if code.is_product else None,
        )
        for code in codes
    )
    return Answer(SKILL.name, found, Basis.READ)


def _kind(code: Barcode) -> str:
    return f"Product code {code.kind}" if code.is_product else code.kind


SKILL = ReadBarcode()
