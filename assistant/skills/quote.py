"""Any other question about a text: the lines that hold its words, quoted."""

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.seeing.scene import Scene
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import listed
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.meaning import content_words
from assistant.text.retrieval import Hit, places_for


class Quote:
    """No wording asks for it: it is tried where no other skill accounts for the question."""

    name = "quote"
    wordings: tuple[Wording, ...] = ()
    traits = Traits(rank=98, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The best places; or that nothing comes close, with what was asked about."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        hits = places_for(page, asked.words)
        if not hits:
            return Answer(self.name, notes=(Note(NoteKind.NOT_ABOUT, _subject(asked)),))
        found = tuple(_found(hit) for hit in hits)
        return Answer(self.name, found, ground_read(found))

    def say(self, answer: Answer, detail: Detail) -> str:
        """The places as they stand."""
        nothing = answer.note(NoteKind.NOT_ABOUT)
        if nothing is not None:
            about = f" about {nothing.detail}" if nothing.detail else " that answers this"
            return f"I can't tell: I see text but nothing{about}. Shall I read it?"
        return f"{listed(answer)}." if detail is Detail.SHORT else f"I read: {listed(answer)}"


def _found(hit: Hit) -> Found:
    label = hit.value.label if hit.value is not None else None
    return Found(" ".join(hit.passage.text.split()), label or None, hit.passage.lines)


def _subject(asked: Asked) -> str:
    """What was asked about, in the user's own words, at most three of them."""
    return " ".join(content_words(asked.question)[:3])


def is_found(answer: Answer | None) -> bool:
    """True if a place was found."""
    return answer is not None and answer.basis is not Basis.UNKNOWN


SKILL = Quote()
