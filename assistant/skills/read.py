"""All text, in reading order."""

from collections.abc import Sequence

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.seeing.layout import Paragraph, reading_order
from assistant.seeing.text import TextLine
from assistant.skills.quoting import paragraphs
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.unread import other_way_up, page_basis
from assistant.skills.wording import Wording

_NOT_A_VALUE = (
    r"^(?!.*\bwhat (?:time|date|day|number|price|temperature|year) )"
    r"(?!(?:(?:so|and) )?(?:do|does|is|are|can|will|has|have|did)\b.{9,}\bdoes it say$)(?:.*?)"
)
""" "What time does it say" asks for the time, not for all of it."""

_WRITTEN_ON = (
    r"(?:\w+ )?(?:screen|display|paper|page|label|sign|note|letter|card|receipt|sticker|poster"
    r"|board"
    r"|envelope|leaflet|monitor)"
)


class Read:
    """One value a paragraph."""

    name = "read"
    wordings = (
        Wording(
            heard="[please] read <this> [aloud] [to me] [please]",
            typed=(
                rf"^(?!how (?:long|often|much|many)\b).*\bread\b"
                rf"|{_NOT_A_VALUE}\b(?:it|this|that|sign|label|page|text|letter|package|words?"
                r"|lines?|there|here|screen|display|box|card) says?\b"
                rf"|\bwhat(?: is| does it show| is it showing| (?:message"
                rf"|text) is(?: being)? (?:displayed"
                rf"|shown|showing)) on (?:the|this|my|that) {_WRITTEN_ON}\b(?! (?:of|at|for"
                rf"|side)\b)"
                r"|\bwhat (?:this|the|that) (?:\w+ ){1,3}says\b"
                r"|\b(?:what|which) (?:is )?(?:written|the word|word)\b"
                r"|\bwhat do(?:es)? .* say\b|\bwhat is (?:all )?the text\b"
                r"|\btell me the words?\b"
            ),
        ),
        Wording(heard="[can you | could you] read (this | it) [for me]"),
        Wording(heard="what does <this> say"),
        Wording(heard="what is written (here | there | on it | on this)"),
    )
    traits = Traits(rank=72, text=True, model=ModelUse.WITHOUT_TEXT)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The whole page."""
        read = paragraphs(asked, scene)
        return _answer(read) if read else None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The page, an empty line between paragraphs; and how much is still to be read."""
        unread = answer.note(NoteKind.UNREAD)
        if unread is not None:
            return (
                f"That is not all: {unread.detail} more lines stand there. Say read, and I go on."
            )
        return "\n\n".join(answer.values)


def page(lines: Sequence[TextLine]) -> Answer:
    """Lines of a picture, at least one, as an answer in reading order."""
    return _answer(reading_order(lines))


def still_unread(lines: int) -> Answer:
    """An answer that says how many lines of a page are left."""
    return Answer(SKILL.name, basis=Basis.SEEN, notes=(Note(NoteKind.UNREAD, str(lines)),))


def cut_off_at(edge: str) -> Answer:
    """An answer that says at which edge a page that was read is cut off."""
    return Answer(SKILL.name, basis=Basis.SEEN, notes=(Note(NoteKind.CUT_OFF, edge),))


def new_rows(rows: Sequence[tuple[TextLine, ...]]) -> Answer:
    """Rows that came into view, at least one, as an answer: a line each."""
    lines = tuple(line for row in rows for line in row)
    text = "\n".join(" ".join(line.text for line in row) for row in rows)
    return Answer(SKILL.name, (Found(text, None, lines),), Basis.READ)


def remark(note: Note, scene: Scene) -> Answer:
    """An answer that says one thing beside a page that was read."""
    return Answer(SKILL.name, basis=Basis.SEEN, notes=(note,), unread=scene.unread_places)


def _answer(read: Sequence[Paragraph]) -> Answer:
    found = tuple(
        Found(each.text, None, tuple(piece for row in each.rows for piece in row.pieces))
        for each in read
    )
    lines = [line for each in found for line in each.lines]
    basis = page_basis(lines, ambiguous=other_way_up(lines) is not None)
    return Answer(SKILL.name, found, basis)


SKILL = Read()
