"""A part of a text that is asked for by name: what stands under a heading, or one entry."""

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.skills.quote import as_found
from assistant.skills.quoting import listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.meaning import best_match, content_words, words
from assistant.text.page import Page
from assistant.text.retrieval import Hit, places_for
from assistant.text.tokens import Kind

MOST_ENTRIES = 8
LONGEST_HEADING = 4
"""Words."""


_WHOLE = (
    "this|it|that|all|everything|text|page|label|aloud|out|to me|for me|sign|letter|whole|what|"
    "please|words?|lines?|every|here|there|any|printed|written"
)
"""What is read whole."""


class ReadPart:
    """ "Read only the drinks", "read me the IBAN"."""

    name = "read_part"
    wordings = (
        Wording(
            typed=(
                r"\bread (?:me |us |out |only |just |aloud )*"
                rf"(?!(?:the |my )?(?:{_WHOLE})\b)(?:the |my )?(?P<subject>\w.*)$"
                r"|\bonly the (?P<part>\w.*)$"
            ),
        ),
    )
    traits = Traits(rank=71, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The rows under the heading; else the best places; else that nothing is about it."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        rows = _under(page, asked.subject)
        if rows:
            found = tuple(Found(page.rows[row].text, None, page.rows[row].pieces) for row in rows)
            return Answer(self.name, found, Basis.READ)
        hits = places_for(page, asked.subject, most=MOST_ENTRIES)
        if not hits:
            return Answer(self.name, notes=(Note(NoteKind.NOT_ABOUT, asked.subject),))
        if hits[0].cell is not None or hits[0].is_one_of_many and not _is_price(hits[0]):
            hits = hits[:1]
        told = tuple(
            as_found(hit)
            if hit.cell is not None or hit.is_one_of_many and not _is_price(hit)
            else Found(hit.passage.text, None, hit.passage.lines)
            for hit in hits
        )
        return Answer(self.name, told, Basis.READ)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The rows as they stand."""
        nothing = answer.note(NoteKind.NOT_ABOUT)
        if nothing is not None:
            return f"I can't tell: I see text but nothing about {nothing.detail}. Shall I read it?"
        return "\n".join(answer.values) if answer.found else listed(answer)


def _is_price(hit: Hit) -> bool:
    """True for an entry of a list of goods, which is read with its price."""
    return hit.value is not None and hit.value.token.kind is Kind.MONEY


def _under(page: Page, subject: str) -> list[int]:
    """The rows under the heading that a subject names, up to the next heading."""
    asked = content_words(subject)
    heads = [row for row in range(len(page.rows)) if _is_heading(page, row)]
    named = [
        row
        for row in heads
        if asked and all(best_match(word, words(page.rows[row].text)) > 0 for word in asked)
    ]
    if not named:
        return []
    end = next((row for row in heads if row > named[0]), len(page.rows))
    return list(range(named[0] + 1, end))


def _is_heading(page: Page, row: int) -> bool:
    """A short row without values, larger than the one below it or followed by rows with values."""
    few = len(words(page.rows[row].text)) <= LONGEST_HEADING and not page.has_values(row)
    if not few or row + 1 >= len(page.rows):
        return False
    height = max(piece.height for piece in page.rows[row].pieces)
    below = max(piece.height for piece in page.rows[row + 1].pieces)
    return height > 1.1 * below or page.has_values(row + 1)


SKILL = ReadPart()
