"""Refusals that the user overrules: "read it anyway" is answered, as a guess."""

import dataclasses
import re

from assistant.answers import Basis, Note, NoteKind, Piece
from assistant.seeing.quality import Cause
from assistant.skills.scene import Scene
from assistant.skills.skill import EVERY_CAUSE, Asked, Skill

_ANYWAY = re.compile(r"\b(?:any ?way|even so|nevertheless|regardless|all the same)\b")


def overrules(skill: Skill, asked: Asked) -> bool:
    """True for text that is wanted whatever is the matter with the picture.

    Only for text: of a black or covered picture nothing is ever described.
    """
    return skill.traits.text and _ANYWAY.search(asked.words) is not None


def refusal_cause(skill: Skill, asked: Asked, scene: Scene) -> Cause | None:
    """Why a picture tells nothing about a question; None if it is to be looked at.

    A reflection is judged by what can be read beside it.

    Raises:
        OcrError: text recognition cannot start or failed.
    """
    bears, cause = skill.traits.bears, scene.cause
    if cause is None or bears == EVERY_CAUSE or cause in bears or overrules(skill, asked):
        return None
    if skill.traits.text and scene.is_legible(asked.cancelled):
        return None
    return cause


def as_overruled(piece: Piece, skill: Skill, asked: Asked, scene: Scene) -> Piece:
    """A piece of an answer from a picture that would have been refused: no more than a guess."""
    cause, bears = scene.cause, skill.traits.bears
    if isinstance(piece, str) or cause is None or bears == EVERY_CAUSE or cause in bears:
        return piece
    if piece.note(NoteKind.SPOILT):
        return piece
    # What is read in spite of a reflection is read; what it hides, `Scene.unread_places` tells.
    told = overrules(skill, asked) and not scene.is_legible()
    basis = Basis.GUESS if told and piece.basis is not Basis.UNKNOWN else piece.basis
    return dataclasses.replace(
        piece, basis=basis, notes=(*piece.notes, Note(NoteKind.ANYWAY, cause.value))
    )
