"""What a medicine, a cream or a product is for, as its own words say it."""

import re

from assistant.answers import Answer, Basis, Detail, Found
from assistant.skills import quote
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.page import Page, Passage

MOST_SENTENCES = 2

_FOR = re.compile(
    r"^\W*(?:for (?:the )?(?!adults|children|use by|best|more|further|external|oral|sale"
    r"|information"
    r"|questions|customer|ages?\b|recycling|\d)[a-z]"
    r"|used? (?:for|to|in)\b|uses?:|indications?\b|relie(?:ves|f)\b|helps? (?:to |with )?[a-z]"
    r"|treats?\b|treatment of|to (?:treat|relieve|clean|remove|help)\b|purpose\b"
    r"|suitable for treating"
    r"|bei [A-ZÄÖÜ]|zur (?:behandlung|linderung|pflege|reinigung|unterstützung)|gegen [A-ZÄÖÜ]"
    r"|anwendungsgebiete?|pour (?:le|la|les|soulager|traiter|nettoyer)\b|traitement d|soulage\b"
    r"|indiqué|contre (?:le|la|les)\b|para (?:el|la|los|las|aliviar|tratar)\b|indicado|alivi[ao]"
    r"|per (?:il|la|le|i|gli|alleviare|trattare)\b|indicazioni|trattamento d|voor (?:de|het|bij)\b"
    r"|bij [a-z]|verlicht|tegen [a-z]|indicações|alívio)",
    re.IGNORECASE,
)
"""How a label begins to say what it is for, in seven languages."""


class Purpose:
    """The sentences that say it; at most a guess where several do."""

    name = "purpose"
    wordings = (
        Wording(
            typed=(
                r"\bwhat (?:is|are) (?:this|it|they|these|those|the|my)(?: \w+){0,2}? "
                r"(?:good |used |meant |taken )?for$"
                r"|\bwhat (?:do|does|would|should|did) (?:i|you|we|one|he|she|they|people|it|this) "
                r"(?:use|take|give|have|apply|treat|do|help) (?:it|this|that|them|these)? ?(?:for"
                r"|with)$"
                r"|\bwhat (?:does|do) (?:it|this|they|these) (?:treat|cure|help with|help against"
                r"|do)$"
                r"|\bwhat (?:are|is) (?:they|it|these|this) supposed to (?:do|help|be for)$"
            )
        ),
        Wording(heard="what is (this | it) for"),
    )
    traits = Traits(rank=44, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """What the label says it is for; else the lines that a question leads to."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        told = _of_the_purpose(page)[:MOST_SENTENCES]
        if not told:
            return quote.SKILL.find(asked, scene)
        found = tuple(Found(" ".join(each.text.split()), None, each.lines) for each in told)
        return Answer(self.name, found, ground_read(found) if len(found) == 1 else Basis.GUESS)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The sentences as they stand."""
        if not answer.found:
            return ""
        told = listed(answer)
        return told if detail is Detail.SHORT else f"I read: {told}"


def _of_the_purpose(page: Page) -> list[Passage]:
    """The sentences that say what something is for."""
    return [each for each in page.statements if _FOR.match(each.text)]


SKILL = Purpose()
