"""What an answer owes to text that stands in the picture and was not read, or is in doubt."""

import dataclasses
from collections.abc import Iterator, Sequence

from assistant.answers import Answer, Basis, Note, NoteKind
from assistant.seeing.text import TextLine, Unread
from assistant.skills.scene import Scene

WHOLE = frozenset({"find_word", "summary", "about", "count", "superlative"})
"""Skills whose answer is only right if nothing of the text was missed."""

AMOUNTS = frozenset({"total", "subtotal", "price"})
"""Skills whose value its own label confirms, if nothing beside the two was missed."""

MOST_PLACES = 2
"""Places that one sentence names; of more, only that there are some."""

MOST_UNSURE = 0.2
"""Part of the letters of a page that may be unsure in a text that is told as read."""

SHORT_PAGE = 8
"""Lines of a page on which one unsure figure is as much as all of it."""

_TURNED = str.maketrans("01689", "01986")


def with_unread(answer: Answer, scene: Scene) -> Answer:
    """The answer, saying once what of the text was not read, and resting on less for it."""
    notes = tuple(doubts(scene))
    if not scene.unread_places:
        return dataclasses.replace(answer, notes=(*answer.notes, *notes)) if notes else answer
    depends = (
        answer.skill in WHOLE
        or len(answer.found) > 1
        or answer.basis is Basis.UNKNOWN
        or (answer.skill in AMOUNTS and not _is_confirmed(answer, scene.unread_places))
    )
    if not depends and answer.skill != "read":
        notes = tuple(note for note in notes if note.kind is NoteKind.MIRRORED)
    basis = answer.basis
    if basis is Basis.READ and depends and answer.skill != "read":
        basis = Basis.GUESS
    return dataclasses.replace(
        answer, basis=basis, notes=(*answer.notes, *notes), unread=scene.unread_places
    )


def _is_confirmed(answer: Answer, unread: Sequence[Unread]) -> bool:
    """True for a value with its label, where nothing that was not read stands in their rows."""
    if not all(found.label for found in answer.found):
        return False
    heights = [[y for _, y in line.box] for line in answer.evidence]
    return not any(
        each.box[1] < max(height) and min(height) < each.box[3]
        for height in heights
        for each in unread
    )


def doubts(scene: Scene) -> Iterator[Note]:
    """What is to be said of a picture's text, beside what it says."""
    if scene.text_is_mirrored:
        yield Note(NoteKind.MIRRORED)
    other = other_way_up(scene.known_lines)
    if other is not None:
        yield Note(NoteKind.OTHER_WAY_UP, other)
    if not scene.known_lines:
        return
    foreign = [each for each in scene.unread_places if each.foreign]
    hard = [each for each in scene.unread_places if not each.foreign]
    size = scene.rgb.shape[1], scene.rgb.shape[0]
    if foreign:
        yield Note(NoteKind.FOREIGN, f"{script_of(foreign)}|{places_of(foreign, *size)}")
    if hard:
        yield Note(NoteKind.NOT_READ, places_of(hard, *size))


def nothing_read(skill: str, scene: Scene) -> Answer | None:
    """An answer about a picture with text of which nothing could be read; None without any."""
    unread = scene.unread_places
    if not unread or scene.known_lines:
        return None
    foreign = [each for each in unread if each.foreign]
    note = Note(NoteKind.FOREIGN, f"{script_of(foreign)}|") if foreign else Note(NoteKind.NOT_READ)
    return Answer(skill, notes=(note,), unread=unread)


def script_of(unread: Sequence[Unread]) -> str:
    """The name that most places have that can be named; "" without any."""
    names = [each.script for each in unread if each.script]
    return max(names, key=lambda name: (names.count(name), name)) if names else ""


def places_of(unread: Sequence[Unread], width: int, height: int) -> str:
    """Where they are in a picture of width x height, such as "at the bottom right"; "" if all over.

    Unread places are named in the frame of the picture, as a user would move it.
    """
    named = dict.fromkeys(place_of(each.box, width, height) for each in unread)
    return " and ".join(named) if len(named) <= MOST_PLACES else ""


def place_of(box: tuple[float, float, float, float], width: int, height: int) -> str:
    """A place in words, by thirds of the picture."""
    x = (box[0] + box[2]) / 2 / max(width, 1)
    y = (box[1] + box[3]) / 2 / max(height, 1)
    row = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    side = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    return f"at the {row} {side}".replace("  ", " ").rstrip() if row or side else "in the middle"


def other_way_up(lines: Sequence[TextLine]) -> str | None:
    """What a number that stands alone says if it is upside down; None where that is no number.

    A sign with 9, 66 or 98 hangs either way; figures that only stay themselves are in no doubt.
    """
    if len(lines) != 1:
        return None
    text = lines[0].text.strip(" .")
    if not text or not set(text) <= set("01689") or not set(text) & set("69"):
        return None
    if "1" in text or len(text) > MOST_TURNED:
        return None
    turned = text.translate(_TURNED)[::-1]
    return turned if turned != text else None


MOST_TURNED = 3
"""Figures of a sign; a longer number alone is rarely one."""


def page_basis(lines: Sequence[TextLine], *, ambiguous: bool = False) -> Basis:
    """What a whole text rests on: READ unless too much of it is not sure.

    ambiguous: whether it may stand upside down.
    """
    unsure = [line for line in lines if not line.is_sure]
    letters = sum(len(line.text) for line in lines)
    share = sum(len(line.text) for line in unsure) / max(letters, 1)
    figures = len(lines) <= SHORT_PAGE and any(
        character.isdigit() for line in unsure for character in line.text
    )
    return Basis.GUESS if ambiguous or figures or share > MOST_UNSURE else Basis.READ
