"""By when something must be paid or done: dates behind a label that sets a term."""

import re

from assistant.answers import Answer, Basis, Detail, Found
from assistant.skills import quote, vocabulary
from assistant.skills.dating import MOST_DATES, as_dates, judgement, verdict
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import READ_TEXT, ended, in_sentence, labelled, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.date_roles import Dated, Labels, dated
from assistant.text.meaning import best_match, content_words, is_telling, words
from assistant.text.page import Page
from assistant.text.tokens import Kind

_TERM = (
    r"\bdue\b|\bpay(?:able|ment)? (?:by|before|until|no later than|on or before)\b|\bdeadline\b"
    r"|\bpay(?:ment)? (?:is |must be |should be )?(?:made |received )?(?:by|before|until)\b"
    r"|\b(?:no|not) later than\b|\blast (?:day|date)\b|\bcollect(?:ed|ion)? on\b|\bdebited on\b"
    r"|\b(?:reply|respond|apply|return|register|rsvp|answer|appeal|book) by\b|\bclosing date\b"
)
_OF_PAYING = r"\bpay|\bdue\b|\bsettle|\binvoice|\bbill\b"
_WITHIN = re.compile(
    r"\bwithin (?:the (?:next )?)?\w+ (?:working |business )?(?:day|week|month)s?\b"
    r"|\bnet \d+(?: days)?\b|\bon receipt\b|\binnerhalb (?:von )?\w+ (?:tage|wochen)"
    r"|\bsous \d+ jours|\ben \d+ d[íi]as|\bentro \d+ giorni|\bbinnen \d+ dagen|\bem \d+ dias",
    re.IGNORECASE,
)
_PAYING = re.compile(
    r"\bpa(?:y|id|yable|yment)\b|\bzahl|\bpa(?:yer|iement|ar|go|gamento|gar)\b|\bbetal",
    re.IGNORECASE,
)


_LATE = (
    r"\boverdue\b|\bpast due\b|\btoo late to pay\b|\bdeadline (?:has |is |already )*"
    r"(?:passed|over|gone)\b"
    r"|\bis (?:it|this|that|the|my) (?:(?:bill|invoice|payment|rent|letter) )?(?:already )?late$"
    r"|\bam i (?:too |already )*late$"
)
"""Asks what today makes of the day."""


class Due:
    """The dates that a term sets; else the sentence with the days that one has."""

    name = "due"
    wordings = (
        Wording(
            heard="when (is it due | do i have to pay | is the payment due)",
            typed=(
                r"\bdue (?:date|by|on)\b"
                r"|^(?!.*\b(?:amount|total|balance|payment|sum|much)\b).*\bdue$"
                r"|\b(?:when|what (?:day|date))\b.*\bdue$|\bdeadline\b"
                r"|\b(?:when|what (?:day|date)|how long)\b.*\b(?:have|need|got|must|should|do) "
                r"(?:i |we |to )*(?:have |need |got )?(?:to )?pay\b"
                r"|\bwhen\b.*\b(?:be|is|being) (?:paid|due)\b|\bpay (?:it |this |that )?by$"
                r"|\b(?:when|by what (?:day|date)|by when)\b.*\bwants? (?:the|their|my|our) money\b"
                rf"|{_LATE}|^by (?:when|(?:what|which) (?:day|date))$"
                r"|\blast (?:day|date) (?:to|for) pay|\bpayment date\b|\bdate of payment\b"
            ),
        ),
    )
    traits = Traits(
        gives=frozenset({Kind.DATE, Kind.TIME, Kind.MEASURE, Kind.NUMBER, Kind.MONEY}),
        rank=25,
        text=True,
        careful=True,
    )

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The dates with their labels; where there are none, the days that one has to pay."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        dates = [each for each in _due(page) if not _is_of_another(each, asked)]
        if len(dates) > 1:
            paying = [each for each in dates if re.search(_OF_PAYING, each.place.label, re.I)]
            dates = paying or dates
        if 0 < len(dates) <= MOST_DATES:
            is_judged = len(dates) == 1 and re.search(_LATE, asked.words)
            return as_dates(self.name, dates, *(judgement(dates[0], asked) if is_judged else ()))
        within = [
            each
            for each in page.statements
            if _WITHIN.search(each.text) and _PAYING.search(each.text)
        ]
        if within:
            found = tuple(
                Found(" ".join(each.text.split()), None, each.lines) for each in within[:2]
            )
            return Answer(self.name, found, ground_read(found) if len(within) == 1 else Basis.GUESS)
        quoted = quote.SKILL.find(asked, scene)
        if quoted is not None and quoted.found and _tells_a_term(quoted, page):
            return quoted
        return not_found(self.name, "date by which it is due")

    def say(self, answer: Answer, detail: Detail) -> str:
        """One date, several with their labels, or the sentence."""
        if len(answer.found) > 1 and detail is not Detail.SHORT:
            return ended(f"I read: {labelled(answer)}")
        if answer.found and answer.found[0].kind is not Kind.DATE and detail is not Detail.SHORT:
            return f"I read: {answer.values[0]}"
        told = in_sentence(answer, detail, "It is due: {}.", missing=READ_TEXT)
        return " ".join(filter(None, (told, verdict(answer))))


def _due(page: Page) -> list[Dated]:
    """The dates whose label sets a term, each once."""
    terms = Labels(
        expiry=f"{_TERM}|{vocabulary.pattern('due', 'term')}", production=r"(?!)", other=r"(?!)"
    )
    found = [each for each in dated(page, terms) if each.role == "expiry"]
    return list({each.printed.text: each for each in reversed(found)}.values())[::-1]


def _is_of_another(each: Dated, asked: Asked) -> bool:
    """True for "next inspection due", unless the question names it: nothing is to be paid then."""
    label = each.place.label
    if re.search(r"\bdue\b", label, re.IGNORECASE) is None:
        return False
    named = [word for word in content_words(label) if is_telling(word) and word not in _MONEYED]
    said = words(asked.words)
    return any(best_match(word, said) == 0 for word in named)


_MONEYED = frozenset(
    (
        *("due", "date", "payment", "pay", "payable", "amount", "balance", "total", "bill", "rent"),
        *("invoice", "premium", "instalment", "fee", "fees", "minimum", "account", "statement"),
    )
)
"""Words in the label of a date by which money is due."""


def _tells_a_term(quoted: Answer, page: Page) -> bool:
    """True if what is quoted speaks of paying or of a term, and holds a date or a time."""
    text = " ".join(f"{each.label or ''} {each.value}" for each in quoted.found)
    kinds = (Kind.DATE, Kind.TIME)
    dates = any(
        place.token.kind in kinds and place.line in quoted.evidence for place in page.places
    )
    return dates and re.search(f"{_TERM}|{_PAYING.pattern}", text, re.IGNORECASE) is not None


SKILL = Due()
