"""The amount to pay."""

import dataclasses
import re

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.skills import quote
from assistant.skills.amounts import BESIDE, MOST_AMOUNTS, SUBTOTAL_RANK, AmountSkill, label_of
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import ended, found_places, labelled, listed, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.subject import own_words
from assistant.skills.wording import Wording
from assistant.text.amounts import named_amounts
from assistant.text.meaning import best_match, is_telling, words
from assistant.text.page import Page, Place
from assistant.text.question import is_everyday, wish
from assistant.text.retrieval import sums_under_a_head
from assistant.text.tokens import Kind

_TOTAL = AmountSkill(
    name="total",
    called="total",
    english=(
        (7, "amount due;balance due;total due;total payable;amount payable;payable;to pay;pay"),
        (
            7,
            "balance owing;balance now owing;now owing;still owing;amount owing;total owing;"
            "left to pay;still to pay;total outstanding;balance outstanding;amount outstanding;"
            "gap payable;total to pay;please pay;net payable;total amount due;new balance;"
            "amount to pay;total now due;now due;amount now due",
        ),
        (7, "total refund;refund total;refund;amount refunded"),
        (6, "total rounded;rounded total;total round;rounded;net total;nett total"),
        (5, "grand total;nett;total incl;total charge;total cost;total price;total fare"),
        (4, "total;totals;sum"),
        (SUBTOTAL_RANK, "subtotal;sub total"),
        (1, "now;now only;reduced;reduced to;reduced to clear;special price;offer price"),
        (1, "balance;paid;total paid;amount paid"),
    ),
    beside=BESIDE,
    wordings=(
        Wording(
            heard="<is> the (total | sum | amount) [of this | of the bill | on the receipt]",
            typed=(
                # What is paid first, or each month, is no total.
                # What others have to pay is asked about them.
                r"^(?!(?:(?:so|and) )?(?:do|does|did|will) (?!i\b|we\b).*\bpay$)"
                r"(?!.*\b(?:up ?front|in advance|deposit|down|first|now|today|monthly|later|extra"
                r"|more|late|(?:a|per|each|every) (?:month|week|year|day|person|night|hour))\b)"
                r".*(?:\b(?:have|need|got|supposed) to pay\b|\b(?:must|should|do) i pay\b"
                r"|\bdid i pay\b(?!(?: for)?(?: it| this| that)? with$))"
                r"|\btotal\b|\bsum\b(?! (?:it |this |that )?up)"
                r"|\b(?:final|overall|full|whole|grand|entire|end) (?:amount|price|cost|bill|sum)\b"
                r"|\b(?:with|including|after|incl) (?:the |all )*(?:sales )?"
                r"(?:tax(?:es)?|vat|gst)\b"
                r"|\bhow much\b.*\bwants? (?:from|off) (?:me|us)\b|\bthe damage\b"
                r"|\bamount\b|\bthe bill\b|\bcomes? to\b|\bal(?:together|l together)\b"
                r"|\bin all\b|\ball in\b"
                r"|\b(?:do|did) (?:i|we) owe\b"
                r"|\bhow much (?:do|does|did|are|is) (?:they|he|she|it) (?:wants?|ask|asking"
                r"|after|wanting)(?: for)?(?: (?:from|off|of) (?:me|us))?(?: for (?:it|the) ?\w*)?$"
                r"|\b(?:for|was|is|of) (?:the (?:whole )?lot|everything)$|\ball up$"
            ),
        ),
        Wording(heard="<is> the total (amount | price | cost)"),
        Wording(heard="how much (is the total | do i have to pay)"),
    ),
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=36, text=True, careful=True),
)


class Total:
    """The amount of the best label; a subtotal only where there is nothing else."""

    name, wordings, traits = _TOTAL.name, _TOTAL.wordings, _TOTAL.traits

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The total; a subtotal where there is nothing else, and then called so."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        places = total_places(page)
        if not places or len(places) > MOST_AMOUNTS:
            if is_of_another_row(asked, page) or sums_under_a_head(page, asked.words):
                return quote.SKILL.find(asked, scene)
            return only_amount(self.name, page, asked) or not_found(self.name, _TOTAL.called)
        if re.search(r"\b(?:pay|owe|due)\b", asked.words):
            least = _least_to_pay(page, places)
            places = least if least and _LEAST.search(asked.words) else [*least, *places]
        answer = found_places(self.name, places)
        if not is_subtotal(page):
            return answer
        return dataclasses.replace(answer, notes=(*answer.notes, Note(NoteKind.SUBTOTAL)))

    def say(self, answer: Answer, detail: Detail) -> str:
        """The amount, or that there is none."""
        if answer.note(NoteKind.QUOTED):
            return f"I read: {listed(answer)}"
        if any(_PAID_BACK.search(each.label or "") for each in answer.found):
            # Money that comes back is not to be paid.
            return ended(f"I read: {labelled(answer)}")
        return _TOTAL.say(answer, detail)


def total_places(page: Page) -> list[Place]:
    """The amounts of the best label for a total."""
    places = _TOTAL.places(page)
    # A tax summary repeats figures below the bill; its own total is none of the bill's.
    above = [each for each in places if each.row < _summary_row(page)]
    places = above or places
    if len(places) > 1 and any(_ROUNDING.search(each.label) for each in page.places):
        # What stands behind the rounding is what is paid.
        return places[-1:]
    return places


def _least_to_pay(page: Page, beside: list[Place]) -> list[Place]:
    """What must be paid at least, where a statement prints that beside its balance."""
    amounts = {place.token.text for place in beside}
    least = [
        place
        for place in page.places_of(Kind.MONEY)
        if _MINIMUM.search(place.label) and place.token.text not in amounts
    ]
    return least if len(least) == 1 else []


_LEAST = re.compile(r"\b(?:least|minimum|smallest|lowest)\b")
"""Who asks for that alone."""

_MINIMUM = re.compile(
    r"\bmin(?:imum|\.)? (?:payment|amount|due)|\bmindest(?:betrag|zahlung|rate)|\bpaiement minimum"
    r"|\bpago m[ií]nimo|\bpagamento m[ií]nimo|\bminimale betaling|\bminimumbedrag",
    re.IGNORECASE,
)
_PAID_BACK = re.compile(
    r"\brefund|\bcredit\b|gutschrift|erstattung|\brembours|\breembols|\brimbors|\bterugbet"
    r"|\brestitu",
    re.IGNORECASE,
)
_ROUNDING = re.compile(r"\bround|\brundung|\barrondi|\bredonde|\barroton|\bafrond", re.IGNORECASE)
_SUMMARY = re.compile(r"\b(?:summary|analysis|breakdown)\b", re.IGNORECASE)


def _summary_row(page: Page) -> int:
    """The row that begins a summary, or the number of rows."""
    rows = (number for number, row in enumerate(page.rows) if _SUMMARY.search(row.text))
    return next(rows, len(page.rows))


def is_of_another_row(asked: Asked, page: Page) -> bool:
    """True if what a question names stands on a row without an amount: "Companion  free"."""
    own = own_words(asked.skill)
    named = [w for w in wish(asked.question).asked if is_telling(w) and best_match(w, own) == 0]
    money = {place.row for place in page.places_of(Kind.MONEY)}
    rows = [n for n in range(len(page.rows)) if any(best_match(w, page.words(n)) for w in named)]
    return bool(rows) and money.isdisjoint(rows)


def only_amount(skill: str, page: Page, asked: Asked) -> Answer | None:
    """The sentence with the only amount of a page: what it is the amount of, it says itself.

    It is a guess where the question names what the sentence does not.
    """
    money = [place for place in page.places_of(Kind.MONEY) if not place.token.needs_label]
    if len({place.token.text for place in money}) != 1:
        return None
    row = money[0].row
    sentence = next((each for each in page.sentences if row in each.rows), page.passage(row))
    found = (Found(sentence.text, None, sentence.lines),)
    own, printed = own_words(asked.skill), words(sentence.text)
    named = [
        word
        for word in wish(asked.question).asked
        if is_telling(word) and not is_everyday(word) and best_match(word, own) == 0
    ]
    is_named = all(best_match(word, printed) > 0 for word in named)
    basis = ground_read(found) if is_named else Basis.GUESS
    return Answer(skill, found, basis, (Note(NoteKind.QUOTED),))


def sums(page: Page) -> list[Place]:
    """Everything that is called a total, a subtotal or an amount to pay, in reading order."""
    name = label_of(_TOTAL.name, _TOTAL.english, _TOTAL.beside)
    return [each.place for each in named_amounts(page, name)]


def is_subtotal(page: Page) -> bool:
    """True if the best that a page names is a subtotal."""
    found = named_amounts(page, label_of(_TOTAL.name, _TOTAL.english, _TOTAL.beside))
    return max((each.rank for each in found), default=0) == SUBTOTAL_RANK


SKILL = Total()
