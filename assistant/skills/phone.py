"""Telephone numbers."""

import re

from assistant.answers import Answer, Detail, Note, NoteKind
from assistant.skills import quote, vocabulary
from assistant.skills.quoting import (
    READ_TEXT,
    ended,
    found_places,
    in_sentence,
    labelled,
    not_found,
)
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.subject import narrowed
from assistant.skills.wording import Wording
from assistant.text.meaning import words
from assistant.text.page import Page, Place
from assistant.text.tokens import Kind, is_phone

MOST_NUMBERS = 4

LONGEST_TITLE = 2
"""Words of a paper's name, as in "Cash bill"; more are a sentence."""

_CALLED = (
    r"\b(?:tel(?:e(?:f(?:ono?|oon)?|phone))?|telf|tfno|tlf|t[eé]l|fon|ph\.?|phone|mobile|cell"
    r"|hotline|helpline|call|ph|hp|contact|service|line"
    r"|ring)\b"
)
_KINDS = (
    (
        r"\bemergenc|\burgent|\bat night\b|\bafter hours\b|\bout of hours\b|\bweekends?\b",
        r"emergenc|urgent|24 ?(?:h|hour|ore|stunden)|night|after hours|out of hours"
        r"|not(?:dienst|ruf|fall)|urgence|astreinte|urgencia|guardia|emergenz|urgenz|spoed|nood"
        r"|emerg[êe]ncia"
        r"|urg[êe]ncia|piquet",
    ),
    (
        r"\bburst\b|\bflood\w*\b|\bwater (?:is |are )?(?:coming|pouring|running)\b"
        r"|\bfaults?\b|\bbreakdowns?\b|\bbroken\b|\bpower cut\b|\bleaks?\b",
        r"fault|breakdown|leak|power cut|st[öo]rung|panne|d[ée]pannage|aver[íi]a|guast|storing"
        r"|avaria|defe[ck]t",
    ),
    (r"\b(?:text|sms|whats ?app)\b", r"\btext|\bsms\b|whats ?app"),
)
"""What a number is wanted for, and how its label says that in seven languages."""

_FAX = r"\b(?:tele)?fax\b|\bf\b(?=[.:])"


_OF_A_PAPER = re.compile(
    r"\b(?:bill|invoice|receipt|order|account|acct|ref|reference|policy|slip|doc|document|gst|vat"
    r"|tax|reg|registration|rechnung|beleg|bon|konto|kunden|facture|commande|compte|factura|recibo"
    r"|pedido|cuenta|fattura|ordine|conto|factuur|bestelling|rekening|fatura|encomenda|conta)"
    r"[-. ]?(?P<number>no|nr|number|nummer|num|id|#)?[\s:.#]*$",
    re.IGNORECASE,
)
"""A label that names the number of a paper, which may look like a telephone's."""


class Phone:
    """Numbers as they stand, with their labels; a fax only where nothing else is."""

    name = "phone"
    wordings = (
        Wording(
            heard="<is> the (phone | telephone) number",
            typed=(
                r"\b(?:tele)?phone numbers?|\bnumber (?:to|do i|should i|can i) call|\btelephone\b"
                r"|\bnumber (?:to|do i|should i|can i|i can|for me to) (?:ring|phone|dial)\b"
                r"|^(?!.*\b(?:how (?:much|many|old|long|big|heavy)|costs?|price|make|model|brand"
                r"|colour|who is|tone)\b).*\bphone\b"
                r"|\b(?:mobile|cell|cellphone|land ?line)(?: (?:phone )?number\b|$)"
                r"|\bnumber (?:do|should|can|must|would|could) (?:i|we|you|they) "
                r"(?:text|sms|whatsapp|call|ring|phone|dial|contact)\b"
                r"|\bnumber to (?:text|sms|whatsapp|contact)\b"
                r"|\b(?:emergency|fault|hotline|helpline|support|enquiries)"
                r" (?:\w+ )?number\b"
                r"|\b(?:which|what) number (?:is )?(?:for|in case|if)\b"
                r"|\b(?:what|which)(?: is)? (?:his|her|their) number\b"
                r"|^(?:\S+ ){4,}(?:which|what)(?: is)?(?: the| their| his| her)? number$"
            ),
            sure=True,
        ),
    )
    traits = Traits(gives=frozenset({Kind.PHONE, Kind.CODE}), rank=28, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The numbers as they stand, with their labels."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        kind = next((label for said, label in _KINDS if re.search(said, asked.words)), None)
        if kind is not None:
            of_kind = _of_kind(page, kind)
            if len(of_kind) == 1:
                return found_places(self.name, of_kind, Note(NoteKind.QUOTED))
            return quote.SKILL.find(asked, scene)
        found = _of_a_sort(narrowed(phone_places(page), asked), page, asked)
        return (
            found_places(self.name, found, most=MOST_NUMBERS)
            if found
            else not_found(self.name, "phone number")
        )

    def say(self, answer: Answer, detail: Detail) -> str:
        """One number, or all of them with their labels."""
        if len(answer.found) > 1 and detail is not Detail.SHORT:
            return ended(f"Phone numbers: {labelled(answer)}")
        return in_sentence(answer, detail, "The phone number is {}.", missing=READ_TEXT)


def phone_places(page: Page) -> list[Place]:
    """The telephone numbers of a page, each once; no fax beside a telephone."""
    called = rf"{vocabulary.pattern('phone', 'called')}|{_CALLED}"
    found = [
        place
        for place in page.places_of(Kind.PHONE, Kind.CODE)
        if (
            place.token.kind is Kind.PHONE
            and not place.token.needs_label
            and not _is_of_a_paper(place.left)
        )
        or (re.search(called, place.label, re.IGNORECASE) and is_phone(place.token.text))
    ]
    once = list({re.sub(r"\D", "", place.token.text): place for place in reversed(found)}.values())
    no_fax = [place for place in once[::-1] if not re.search(_FAX, place.label, re.IGNORECASE)]
    return no_fax or once[::-1]


def _is_of_a_paper(label: str) -> bool:
    """True for "Cash bill" and "Invoice no"; "Questions about this bill" is of a telephone."""
    named = _OF_A_PAPER.search(label)
    return named is not None and (bool(named["number"]) or len(words(label)) <= LONGEST_TITLE)


def _of_a_sort(places: list[Place], page: Page, asked: Asked) -> list[Place]:
    """Those of a mobile, or of a landline, where one is asked for and labels tell them apart."""
    mobile = [
        place
        for place in places
        if re.search(_MOBILE, f"{place.label} {_said_beside(page, place)}", re.IGNORECASE)
    ]
    others = [place for place in places if place not in mobile]
    if re.search(r"\b(?:mobile|cell|cellphone|handy)\b", asked.words):
        return mobile or others
    if re.search(r"\bland ?line\b", asked.words):
        return others or mobile
    return places


_MOBILE = (
    r"\b(?:mob(?:ile?|iel|il)?|cell|handy|portable|m[óo]vil|cellulare|telem[óo]vel|celular|natel"
    r"|gsm)\b"
    r"|(?:^|\s)[mc]:"
)
"""What the number of a mobile is called."""


def _of_kind(page: Page, label: str) -> list[Place]:
    """The numbers whose row says what they are for, or the end of the row above a bare number."""
    found = []
    for place in page.places_of(Kind.PHONE, Kind.CODE):
        if place.token.kind is Kind.CODE and not is_phone(place.token.text):
            continue
        said = _said_beside(page, place)
        if _is_bare(page, place.row):
            above = page.places_in(place.row - 1) if place.row else ()
            said = above[-1].behind if above else place.above
        elif place.row + 1 < len(page.rows) and _is_bare(page, place.row + 1):
            # What ends a row above a bare number is that number's.
            said = place.left
        if re.search(label, said, re.IGNORECASE):
            found.append(place)
    return list({re.sub(r"\D", "", each.token.text): each for each in found}.values())


def _said_beside(page: Page, place: Place) -> str:
    """What stands before a number since the one before it; and behind it, if no value follows."""
    beside = list(page.places_in(place.row))
    pieces = page.rows[place.row].pieces
    before = [piece.text for piece in pieces[: pieces.index(place.line)]]
    said = " ".join((*before, place.line.text[: place.token.start]))
    for each in beside:
        if each is not place and each.token.kind is Kind.PHONE and each.token.text in said:
            said = said.rpartition(each.token.text)[2]
    return f"{said} {place.behind}" if beside[-1] is place else said


def _is_bare(page: Page, row: int) -> bool:
    """True for a row that holds a telephone number and no letters."""
    held = any(each.token.kind is Kind.PHONE for each in page.places_in(row))
    return held and re.search(r"[^\W\d_]", page.rows[row].text) is None


SKILL = Phone()
