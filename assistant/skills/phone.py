"""Telephone numbers."""

import re

from assistant.answers import Answer, Detail
from assistant.skills import vocabulary
from assistant.skills.quoting import READ_TEXT, found_places, in_sentence, labelled, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.subject import narrowed
from assistant.skills.wording import Wording
from assistant.text.page import Page, Place
from assistant.text.tokens import Kind, is_phone

MOST_NUMBERS = 4

_CALLED = (
    r"\b(?:tel(?:e(?:f(?:ono?|oon)?|phone))?|telf|tfno|tlf|t[eé]l|fon|ph\.?|phone|mobile|cell|hotline|helpline|call|ph|hp|contact|service|line"
    r"|ring)\b"
)
_FAX = r"\b(?:tele)?fax\b|\bf\b(?=[.:])"


class Phone:
    """Numbers as they stand, with their labels; a fax only where nothing else is."""

    name = "phone"
    wordings = (
        Wording(
            heard="<is> the (phone | telephone) number",
            typed=(
                r"\b(?:tele)?phone numbers?|\bnumber (?:to|do i|should i|can i) call|\btelephone\b"
                r"|\bnumber (?:to|do i|should i|can i|i can|for me to) (?:ring|phone|dial)\b"
                r"|\bphone\b|\bmobile number\b"
            ),
        ),
        Wording(typed=vocabulary.typed("phone")),
    )
    traits = Traits(gives=frozenset({Kind.PHONE, Kind.CODE}), rank=28, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The numbers as they stand, with their labels."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        found = narrowed(phone_places(page), asked)
        return (
            found_places(self.name, found, most=MOST_NUMBERS)
            if found
            else not_found(self.name, "phone number")
        )

    def say(self, answer: Answer, detail: Detail) -> str:
        """One number, or all of them with their labels."""
        if len(answer.found) > 1 and detail is not Detail.SHORT:
            return f"Phone numbers: {labelled(answer)}."
        return in_sentence(answer, detail, "The phone number is {}.", missing=READ_TEXT)


def phone_places(page: Page) -> list[Place]:
    """The telephone numbers of a page, each once; no fax beside a telephone."""
    other = rf"{vocabulary.pattern('phone', 'called')}|{_CALLED}"
    found = [
        place
        for place in page.places_of(Kind.PHONE, Kind.CODE)
        if (place.token.kind is Kind.PHONE and not place.token.needs_label)
        or (re.search(other, place.label, re.IGNORECASE) and is_phone(place.token.text))
    ]
    once = list({re.sub(r"\D", "", place.token.text): place for place in reversed(found)}.values())
    no_fax = [place for place in once[::-1] if not re.search(_FAX, place.label, re.IGNORECASE)]
    return no_fax or once[::-1]


SKILL = Phone()
