"""What a text is about: its title and the places that say most, quoted.

A text model, where one is installed, adds to it in its own words.
"""

from assistant.answers import Answer, Detail, Found, Note, NoteKind
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import ended
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording
from assistant.text.gist import gist


class Summary:
    """Quotes the text: nothing is told that does not stand there."""

    name = "summary"
    wordings = (
        Wording(
            heard="(summarize | sum up) (this | it | the text | the letter)",
            typed=(
                r"\bsummar|\bsum (?:it|this|that) up\b|\bsum up\b|\bwhat (?:is|are) "
                r"(?:it|this|that|the (?:text|letter|page)) (?:all )?about\b|\bgist\b"
                r"|\bmain points?\b"
            ),
        ),
    )
    traits = Traits(rank=52, text=True, model=ModelUse.OF_TEXT)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The places that say most."""
        page = scene.page(asked.cancelled)
        places = gist(page)
        if not places:
            return None
        found = tuple(Found(" ".join(place.text.split()), None, place.lines) for place in places)
        told = {row for place in places for row in place.rows}
        more = (Note(NoteKind.MORE),) if len(told) < len(page.rows) else ()
        return Answer(self.name, found, ground_read(found), more)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The places as they stand, and whether there is more."""
        if not answer.found:
            return ""
        quoted = "; ".join(answer.values)
        if detail is Detail.SHORT:
            return ended(quoted)
        more = f" {MORE}" if answer.note(NoteKind.MORE) else ""
        return f"{ended(f'In its own words: {quoted}')}{more}"


MORE = "There is more; ask me to read the text."

SKILL = Summary()
