"""What a thing is, by what is printed on it: its largest words, and the line of its kind."""

import re

from assistant.answers import Answer, Basis, Detail, Found
from assistant.skills import quote
from assistant.skills.quoting import in_sentence, paragraphs
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording
from assistant.text.addresses import largest_text
from assistant.text.question import is_everyday
from assistant.text.retrieval import places_for

_NOT = r"(?!colou?rs?\b|times?\b|days?\b|dates?\b|sizes?\b|numbers?\b|shapes?\b|lines?\b|years?\b)"


_NOUN = re.compile(
    r"\b(?:what|which) (\w+) (?:is|are)\b|\bwhat (?:is|are) (?:the|her|his|their) (\w+) called\b"
    r"|\bname of the (\w+)\b"
)
_ASPECTS = frozenset(
    ("breed", "publisher", "edition", "gender", "sex", "age", "species", "nationality", "religion")
)
"""What may be asked of a thing, and is none itself: no largest letters answer it."""

_SORTS = frozenset(
    ("kind", "type", "sort", "brand", "flavour", "flavor", "make", "model", "variety")
)


class Identify:
    """The largest text names most things; the row with the noun of the question says the rest."""

    name = "identify"
    wordings = (
        Wording(
            typed=(
                r"\bwhat (?:kind|type|sort|brand|flavou?r|make|model|variety) (?:of )?\w*"
                rf"|\bwhat {_NOT}(?:\w+ )?{_NOT}\w+ is (?:this|it|that|in (?:this|here|it))\b"
                r"|\bwhat (?:\w+ ){0,2}(?:have i got|do i have|am i holding)"
                r"(?: here| in my hands?| in front of me)?$"
                r"|\bwhat is (?:this|the|it) ?\w* called\b|\bname of (?:the|this) \w+\b"
                r"|\b(?:item|product|brand) name\b|\bbrand\b"
                r"|\bwhat is in(?:side)? (?:this|the|it)"
                r"(?: box| can| bottle| package| packet| jar| bag| tin)?$"
            ),
        ),
    )
    traits = Traits(rank=77, text=True, model=ModelUse.WITHOUT_TEXT)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The largest text, and the best line for the question's own words."""
        read = paragraphs(asked, scene)
        if not read:
            return None
        page = scene.page(asked.cancelled)
        hits = places_for(page, asked.words)[:1]
        noun = _NOUN.search(asked.words)
        named = "" if noun is None else next(filter(None, noun.groups()), "")
        is_for = re.search(r"\b(?:is|are) (?:it|this|that|these|they) (?:for|from)$", asked.words)
        if is_for or named in _ASPECTS:
            return quote.SKILL.find(asked, scene)
        if hits and named and not is_everyday(named) and named not in _SORTS:
            # "What factor is it" asks for what stands beside that word, not for the thing.
            return quote.SKILL.find(asked, scene)
        if not re.search(r"\b(?:kind|type|sort|variety) of\b", asked.words):
            hits = [hit for hit in hits if not hit.passage.text.rstrip().endswith(".")]
        found = [Found(" ".join(hit.passage.text.split()), None, hit.passage.lines) for hit in hits]
        largest = largest_text(read)
        title = largest.row.pieces if largest is not None else page.rows[0].pieces
        words = " ".join(piece.text for piece in title)
        if not any(words in each.value for each in found):
            found = [Found(words, None, title), *(e for e in found if e.value not in words)]
        # Nothing but its size says that it is what the thing is called.
        return Answer(self.name, tuple(found), Basis.GUESS)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The words as they stand."""
        return in_sentence(answer, detail, "I read: {}")


SKILL = Identify()
