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
from assistant.text.tokens import Kind, tokens

MOST_SENTENCES = 2

_SAYS = (
    r"used? (?:for|to)\b|uses?:|indications?\b|indicated\b|relie(?:ves|f)\b|treats?\b|treatment of"
    r"|for (?:the )?(?:relief|treatment|prevention|pain|cleaning|removing)\b|helps? (?:to|with)\b"
    r"|to (?:treat|relieve|clean|remove)\b|zur (?:behandlung|linderung|vorbeugung|pflege|reinigung)"
    r"|anwendungsgebiete?|wird angewendet|traitement d|soulage|pour (?:soulager|traiter|nettoyer)"
    r"|indiqué|indicad[oa]|para (?:aliviar|tratar|limpiar)|alivi[ao]|indicazion|per (?:alleviare"
    r"|trattare|pulire)|trattamento d|verlicht|behandeling van|indicaç|tratamento d"
)
"""How a label says what it is for, in seven languages."""

_MAY_SAY = (
    r"for (?!(?:adults|children|use|best|more|further|external|oral|sale|information|questions"
    r"|details|help|customers?|ages?|recycling|your|a|an)\b)[a-z]+|in [a-z]+ pain"
    r"|bei (?!fragen|bedarf|störung|reklamation|verdacht|auftreten)[a-zäöü]+|gegen [a-zäöü]+"
    r"|contre (?:le|la|les)\b|pour (?:le|la|les)\b|contra (?:el|la|los|las)\b|contro (?:il|la|i"
    r"|le)\b"
    r"|voor (?:de|het)\b|bij [a-z]+|tegen [a-z]+"
)
"""How a sentence begins that may say it."""

_SURE = re.compile(rf"\b(?:{_SAYS})", re.IGNORECASE)
_LIKELY = re.compile(rf"^\W*(?:{_MAY_SAY})", re.IGNORECASE)
_ELSEWHERE = frozenset({Kind.PHONE, Kind.WEB, Kind.EMAIL, Kind.MONEY})
"""Values of sentences that say where to turn or what to pay."""


class Purpose:
    """The sentence that says it; a guess where several do, or where one only begins like that."""

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
        sure, likely = _of_the_purpose(page, _SURE), _of_the_purpose(page, _LIKELY)
        told = (sure or likely)[:MOST_SENTENCES]
        if not told:
            return quote.SKILL.find(asked, scene)
        found = tuple(Found(" ".join(each.text.split()), None, each.lines) for each in told)
        is_read = bool(sure) and len(found) == 1
        return Answer(self.name, found, ground_read(found) if is_read else Basis.GUESS)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The sentences as they stand."""
        if not answer.found:
            return ""
        told = listed(answer)
        return told if detail is Detail.SHORT else f"I read: {told}"


def _of_the_purpose(page: Page, says: re.Pattern[str]) -> list[Passage]:
    """The sentences that say what something is for."""
    return [
        each
        for each in page.statements
        if says.search(each.text) and not _ELSEWHERE & {t.kind for t in tokens(each.text)}
    ]


SKILL = Purpose()
