"""What is said instead of an answer, or beside one: why there is none, how sure it is."""

import dataclasses

from assistant.answers import Answer, Basis, Note, NoteKind
from assistant.seeing.framing import cut_off
from assistant.seeing.quality import Cause, light_hint
from assistant.skills.router import skill_named
from assistant.skills.scene import Scene
from assistant.skills.unread import nothing_read


def spoilt(skill: str, cause: Cause) -> Answer:
    """An answer about a picture in which too little can be seen."""
    return Answer(skill, notes=(Note(NoteKind.SPOILT, cause.value),))


def no_text(skill: str, scene: Scene, model: str | None = None) -> Answer:
    """An answer about a picture in which no text was read: what may be the matter, if anything.

    model: the name of a model that was asked in vain.
    """
    unread = nothing_read(skill, scene)
    if unread is not None:
        return dataclasses.replace(unread, model=model)
    hint = (Note(NoteKind.LIGHT_HINT),) if light_hint(scene.rgb) else ()
    return Answer(skill, notes=(Note(NoteKind.NO_TEXT), *hint), model=model)


def careful(answer: Answer) -> Answer:
    """The answer; a guess about medicine or money notes that nothing confirms it."""
    if answer.basis is not Basis.GUESS or not skill_named(answer.skill).traits.careful:
        return answer
    if answer.note(NoteKind.HARD_TO_READ) or answer.note(NoteKind.UNVERIFIED):
        return answer
    # What was read stands in the text; the doubt is whether it is what was asked for.
    note = Note(NoteKind.UNVERIFIED, "read" if answer.evidence else "")
    return dataclasses.replace(answer, notes=(*answer.notes, note))


def with_edge(answer: Answer, scene: Scene) -> Answer:
    """Where a text lacks what was asked for, note that it is cut off, if it is."""
    if answer.basis is not Basis.UNKNOWN:
        return answer
    height, width = scene.rgb.shape[:2]
    edge = cut_off(scene.known_lines, width, height)
    if edge is None:
        return answer
    return dataclasses.replace(answer, notes=(*answer.notes, Note(NoteKind.CUT_OFF, edge)))
