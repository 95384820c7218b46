"""What is paid before the rest: a deposit, a down payment."""

import re

from assistant.answers import Answer, Basis, Detail, Found
from assistant.skills import quote, vocabulary
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import ended, listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

MOST_SENTENCES = 2
"""Sentences that are told; more are an account's entries rather than one deposit."""

_CALLED = (
    r"\bdeposits?\b|\bdown ?payments?\b|\bup ?front\b|\bin advance\b|\badvance payments?\b"
    r"|\bpre-?pa(?:id|yment)\b|\bbooking fee\b|\bdue (?:on|at) (?:order|booking|signing)\b"
)


class Deposit:
    """The sentences that name it with an amount or a part of the whole."""

    name = "deposit"
    wordings = (
        Wording(
            heard="how much (is the deposit | do i pay up front)",
            typed=(
                r"\bdeposit\b|\bdown ?payment\b|\bup ?front\b|\bpay\b.*\b(?:in advance|now|first|on"
                r" (?:order|booking))\b"
            ),
        ),
    )
    traits = Traits(gives=frozenset({Kind.MONEY, Kind.PERCENT}), rank=29, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The sentences as they stand; where none names a deposit, the best places of the text."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        called = re.compile(rf"{_CALLED}|{vocabulary.pattern('deposit', 'called')}", re.IGNORECASE)
        kinds = (Kind.MONEY, Kind.PERCENT)
        told = [
            each
            for each in page.statements
            if called.search(each.text)
            and any(p.token.kind in kinds for row in each.rows for p in page.places_in(row))
        ]
        if not 0 < len(told) <= MOST_SENTENCES:
            return quote.SKILL.find(asked, scene)
        found = tuple(Found(" ".join(each.text.split()), None, each.lines) for each in told)
        return Answer(self.name, found, ground_read(found) if len(told) == 1 else Basis.GUESS)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The sentences themselves."""
        if not answer.found:
            return ""
        return ended(listed(answer)) if detail is Detail.SHORT else f"I read: {listed(answer)}"


SKILL = Deposit()
