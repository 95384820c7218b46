"""What a text is about: what is printed for that, and what says most, quoted.

Asked what it is about: the subject line of a letter, else how it begins; of another page the
largest print. Asked to sum it up: its title and the places that say most. A text model, where one
is installed, adds to it in its own words.
"""

import re

from assistant.answers import Answer, Detail, Found, Note, NoteKind
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import ended
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording
from assistant.text.addresses import largest_text
from assistant.text.gist import gist
from assistant.text.letters import beginning, subject
from assistant.text.page import Page, Passage
from assistant.text.sections import is_heading

_THIS = (
    r"(?:it|this|that|these|(?:the|this|that|my) (?:\w+ )?(?:text|letters?|page|e ?mail|mail|note"
    r"|message|notice|paper|document|memo|leaflet|flyer|bill|statement|thing|post))"
)

SUBJECT, BEGINS, LARGEST, TOP = "Subject", "Beginning", "Largest print", "Top"
SAID = {
    SUBJECT: "It is about: {}.",
    BEGINS: "I find no subject line. It begins: {}.",
    LARGEST: "The largest print says: {}. Ask me to read the text for more.",
    TOP: "At the top I read: {}. Ask me to read the text for more.",
}
"""By what was found."""


class Summary:
    """Quotes the text: nothing is told that does not stand there."""

    name = "summary"
    wordings = (
        Wording(
            heard="(summarize | sum up) (this | it | the text | the letter)",
            typed=(
                r"\bsummar|\bsum (?:it|this|that) up\b|\bsum up\b|\bgist\b|\bmain points?\b"
                rf"|\bwhat (?:is|are|was) {_THIS} (?:all )?(?:about|regarding|concerning|in aid of)"
                r"(?: please)?$"
                rf"|\bwhat (?:is|was) {_THIS} (?:\w+ )?(?:saying|telling me)(?: please)?$"
                rf"|\bwhat (?:is|was) the (?:subject|topic)(?: line)?(?: of {_THIS})?(?: please)?$"
                rf"|^(?:so |and )*why (?:did|have|has|are|do|is) (?:they|he|she|{_THIS}) "
                r"(?:been |be )?(?:writ\w+|sen[dt]\w*|contact\w*|wrote)(?: (?:it|this|that))?"
                r"(?: to)?(?: me| us)?$"
                rf"|^(?:so |and )*what (?:do|does|did) (?:they|he|she|{_THIS}) want"
                r"(?: (?:from|of|with) (?:me|us)| me to do)?$"
            ),
        ),
    )
    traits = Traits(rank=52, text=True, model=ModelUse.OF_TEXT)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """What is printed for it, else the places that say most."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        named = None if _SUM.search(asked.words) else _named(page)
        if named is None:
            return self._summed_up(page)
        label, passage = named
        found = (Found(" ".join(passage.text.split()), label, passage.lines),)
        return Answer(self.name, found, ground_read(found))

    def _summed_up(self, page: Page) -> Answer | None:
        """The subject or the title, and what says most."""
        places = gist(page, subject(page))
        if not places:
            return None
        found = tuple(Found(" ".join(place.text.split()), None, place.lines) for place in places)
        told = {line for place in places for line in place.lines}
        rest = any(piece not in told for row in page.rows for piece in row.pieces)
        return Answer(self.name, found, ground_read(found), (Note(NoteKind.MORE),) if rest else ())

    def say(self, answer: Answer, detail: Detail) -> str:
        """What stands there, and where."""
        if not answer.found:
            return ""
        label = answer.found[0].label
        if label is not None:
            told = re.sub(r"\.$", "", answer.values[0])
            said = (words for name, words in SAID.items() if name in label)
            return next(said, "I read: {}.").format(told)
        quoted = "; ".join(answer.values)
        if detail is Detail.SHORT:
            return ended(quoted)
        more = f" {MORE}" if answer.note(NoteKind.MORE) else ""
        return f"{ended(f'In its own words: {quoted}')}{more}"


MORE = "There is more; ask me to read the text."
_SUM = re.compile(r"\bsum|\bgist\b|\bmain points?\b")


def _named(page: Page) -> tuple[str, Passage] | None:
    """What a page says it is about, and what that is; None where nothing stands out."""
    line = subject(page)
    if line is not None:
        return SUBJECT, line
    begins = beginning(page)
    if begins is not None:
        return BEGINS, begins
    largest = largest_text(page.paragraphs)
    if largest is not None:
        return LARGEST, Passage(largest.text, (), largest.row.pieces)
    return (TOP, page.passage(0)) if is_heading(page, 0) else None


SKILL = Summary()
