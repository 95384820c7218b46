"""What something costs."""

import dataclasses
import re
from collections.abc import Sequence

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.seeing.layout import Row
from assistant.skills import quote, total
from assistant.skills.amounts import BESIDE, label_of, under_named_heads
from assistant.skills.goods import end_of_goods
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import ended, found_places, in_sentence, labelled, listed, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.subject import own_words
from assistant.skills.wording import Wording
from assistant.text.amounts import best, named_amounts
from assistant.text.matching import accounts_for
from assistant.text.meaning import best_match, is_telling, says_opposite, words
from assistant.text.page import Page, Place
from assistant.text.quantities import quantities
from assistant.text.question import wish
from assistant.text.tokens import Kind, Token

ENGLISH = (
    (6, "price;our price;now;now only;only;sale price;special price;m r p;mrp;retail price;rrp"),
    (5, "price each;each;unit price"),
)
MOST_AMOUNTS = 3
MOST_ON_A_TAG = 4
"""Amounts from which a paper is a bill or a list rather than a price tag."""

_BOUGHT_WORDS = """
book books magazine magazines newspaper paper poster postcard envelope envelopes cards stamps
sticker snack drink drinks food dish bag bags bottle bottles box boxes can cans jar tube tin
carton pack packet roll rolls pot tub pills tablets tablet medicine cream ointment lotion
syrup spray inhaler vitamins machine device kettle vacuum laptop screen fridge washer dryer
game film movie play coach tram bus plate label calendar menu
"""
_BOUGHT = frozenset(_BOUGHT_WORDS.split())
"""Everyday words for what one buys among other things, and not for what a bill is of."""


class Price:
    """The amount behind a price label; of a receipt the total; else the only amount there is."""

    name = "price"
    wordings = (
        Wording(
            heard="<is> the (price | cost) [of this | of the bill | on the receipt]",
            typed=(
                r"\bset (?:me|us|you) back\b|\bprice\b|\bcosts?\b|\bhow much (?:is|are|was|for)\b"
                r"(?! (?:in|inside|there|left(?! to pay))\b)"
                r"|\bhow much$"
            ),
        ),
        Wording(heard="how much (does (this | it) cost | is (this | it))"),
    )
    traits = Traits(gives=frozenset({Kind.MONEY}), rank=38, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The price; of a receipt the total, and then called so."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        named = best(named_amounts(page, label_of(self.name, ENGLISH, BESIDE)))
        called = self._called(asked, page)
        if _OF_ONE.search(asked.words):
            one = _of_one(called, page)
            if one:
                return found_places(self.name, one[:MOST_AMOUNTS])
            if re.search(_BARE_ONE, asked.words):
                return not_found(self.name, "price of a single one")
        if len(called) == 1 and (_RATE.match(called[0].behind) or _goes_on(called[0], page)):
            return _with_its_statement(self.name, called[0], page)
        free = [] if called else self._free(asked, page)
        if len(free) == 1:
            found = (Found(free[0].text, None, free[0].pieces),)
            return Answer(self.name, found, ground_read(found), (Note(NoteKind.QUOTED),))
        if called:
            told = called[:MOST_AMOUNTS]
            end = end_of_goods(page)
            # What stands among the sums, such as the rounding, is no price.
            notes = (Note(NoteKind.QUOTED),) if all(each.row >= end for each in told) else ()
            return found_places(self.name, told, *notes)
        if named:
            return found_places(self.name, named[:MOST_AMOUNTS])
        if self._is_of_an_item(asked, page) or _is_of_an_empty_field(asked, page):
            return quote.SKILL.find(asked, scene)
        if total.total_places(page):
            return total.SKILL.find(asked, scene)
        alone = total.only_amount(self.name, page, asked)
        if alone is not None:
            return alone
        # Without label and currency, 9.04 may be a time of the day.
        money = [place for place in page.places_of(Kind.MONEY) if not place.token.needs_label]
        if all(_may_be_a_clock(place.token) for place in money):
            money = []
        if 0 < len(money) <= MOST_AMOUNTS:
            answer = found_places(self.name, money)
            # All amounts of a paper are told apart by their labels, and none is called the price.
            return answer if len(money) == 1 else dataclasses.replace(answer, basis=Basis.GUESS)
        if money:
            several = not_found(self.name, "price")
            return dataclasses.replace(several, notes=(Note(NoteKind.MORE),))
        return _of_a_board(asked, scene) or not_found(self.name, "price")

    def _is_of_an_item(self, asked: Asked, page: Page) -> bool:
        """True where a thing is named that one buys: the sum of a bill is not its price.

        Of a bill with one entry it is, and a price tag names nothing else.
        """
        bought = [word for word in wish(asked.question).asked if word in _BOUGHT]
        if not bought or len(page.places_of(Kind.MONEY)) < MOST_ON_A_TAG:
            return False
        return not any(
            best_match(word, page.words(row)) == 1
            for word in bought
            for row in range(2)
            if row < len(page.rows)
        )

    def _called(self, asked: Asked, page: Page) -> list[Place]:
        """The amounts whose label holds every telling word of the question; none without any."""
        own = own_words(self.name)
        money = [each for each in page.places_of(Kind.MONEY) if not each.token.needs_label]
        # "The fee" asks what something costs, and is the name of an amount where it is printed.
        labels = [word for each in money for word in words(each.left)]
        named = [
            word
            for word in wish(asked.question).asked
            if is_telling(word)
            and not _OF_ONE.fullmatch(word)
            and (
                best_match(word, own) == 0 or best_match(word, own) < 1 == best_match(word, labels)
            )
        ]
        called = [each for each in money if named and accounts_for(named, each.left)]
        literal = [e for e in called if all(best_match(w, words(e.left)) == 1 for w in named)]
        called = literal or called
        said = words(asked.words)
        called = [e for e in called if not says_opposite(said, words(e.left))] or called
        if called or not named:
            return under_named_heads(called, wish(asked.question).said)
        # "The large Funghi" is named by its row and by its column.
        crossed = [
            each
            for each in money
            if each.left
            and each.head
            and any(best_match(word, words(each.left)) > 0 for word in named)
            and accounts_for(named, f"{each.left} {each.head}")
        ]
        return under_named_heads(crossed, wish(asked.question).said)

    def _free(self, asked: Asked, page: Page) -> list[Row]:
        """The rows that say that what is named costs nothing: "dogs free"."""
        own = own_words(self.name)
        named = [
            word
            for word in wish(asked.question).asked
            if is_telling(word) and best_match(word, own) == 0
        ]
        return [
            row
            for row in page.rows
            if named
            and any(
                all(best_match(word, words(found["what"])) > 0 for word in named)
                for found in _FREE.finditer(row.text)
            )
        ]

    def say(self, answer: Answer, detail: Detail) -> str:
        """The price, or several amounts with their labels."""
        if answer.note(NoteKind.QUOTED):
            told = listed(answer) if detail is Detail.SHORT else labelled(answer)
            return ended(f"I read: {told}")
        if answer.note(NoteKind.MORE) and not answer.found:
            return "I can't tell which price you mean; there are several. Say what it is of."
        if any(each.value[:1] in "-−–(" for each in answer.found) and detail is not Detail.SHORT:
            # What is taken off is no price: its label says what it is.
            return ended(f"I read: {labelled(answer)}")
        if len(answer.found) > 1 and detail is not Detail.SHORT:
            return ended(f"I read several amounts: {labelled(answer)}")
        return in_sentence(
            answer,
            detail,
            "The price is {}.",
            missing="Ask me to read the text, or show the price tag.",
        )


def _is_of_an_empty_field(asked: Asked, page: Page) -> bool:
    """True where a label that the question names has no value: "Rounding :"."""
    named = [word for word in wish(asked.question).asked if is_telling(word)]
    money = {place.row for place in page.places_of(Kind.MONEY)}
    return any(
        row.text.rstrip().endswith(":")
        and number not in money
        and any(best_match(word, page.words(number)) == 1 for word in named)
        for number, row in enumerate(page.rows)
    )


def _of_a_board(asked: Asked, scene: Scene) -> Answer | None:
    """What stands beside the thing on a paper that prints "3.7" for a price; at most a guess."""
    page = scene.page(asked.cancelled)
    named = [word for word in wish(asked.question).asked if is_telling(word)]
    figures = {
        place.row
        for place in page.places_of(Kind.NUMBER)
        if re.fullmatch(r"\d+[.,]\d", place.token.text)
    }
    if not any(best_match(word, page.words(row)) > 0 for word in named for row in figures):
        return None
    thing = dataclasses.replace(asked, words=_PRICE_OF.sub("", asked.words))
    answer = quote.SKILL.find(thing, scene)
    return dataclasses.replace(answer, basis=Basis.GUESS) if answer and answer.found else None


_PRICE_OF = re.compile(
    r"\bhow much (?:is|are|was|were|for|does|do)?\b|\b(?:the )?prices?\b|\bcosts?\b"
)

_OF_ONE = re.compile(
    r"\b(?:one|each|apiece|a piece|unit|individual(?:ly)?|per (?:piece|item|unit))\b"
)
_BARE_ONE = (
    r"^(?:(?:what is|how much is|and|so|the|a|unit|single) )*(?:price (?:of|for|per) )?"
    r"(?:one|each|a single one|unit|unit price|price each)$"
)


_FREE = re.compile(
    r"(?P<what>[^\W\d_]+(?: [^\W\d_]+){0,3}?)\W{1,3}(?:is |are |goe?s? |travels? |enters? )*"
    r"(?:free|gratis|gratuite?s?|kostenlos|kostenfrei|frei)\b(?! (?:from|of|von|de)\b|-)",
    re.IGNORECASE,
)
"""What costs nothing, and says so behind its name."""

_RATE = re.compile(
    r"(?:an?|per|each|every|pro|je|par|al|por) (?:half )?(?:hour|day|night|week|month|year|minute"
    r"|person|head|page|kilo\w*|kg|litre|liter|mile|km|stunde|tag|nacht|woche|monat|heure|jour"
    r"|nuit|mois|personne|hora|d[íi]a|noche|persona|ora|giorno|notte|uur|dag|nacht)\b",
    re.IGNORECASE,
)
"""What follows an amount that is paid again and again; without it the amount says too little."""


def _goes_on(place: Place, page: Page) -> bool:
    """True for an amount in the middle of a sentence, whose end may say what it does not hold for.

    "The excess is £150 for each claim, and £450 for claims caused by water."
    """
    return any(
        place.row in each.rows
        and each.text.rstrip().endswith((".", "!"))
        and len(words(each.text.partition(place.token.text)[2])) >= LEAST_BEHIND
        for each in page.statements
    )


LEAST_BEHIND = 2
"""Words of a sentence behind an amount, from which the amount alone does not tell it."""


def _with_its_statement(skill: str, place: Place, page: Page) -> Answer:
    """The whole statement of an amount that says too little alone."""
    statements = (each for each in page.statements if place.row in each.rows)
    holding = [each for each in statements if place.token.text in each.text]
    said = holding[0] if holding else page.passage(place.row)
    found = (Found(" ".join(said.text.split()), None, said.lines),)
    return Answer(skill, found, ground_read(found), (Note(NoteKind.QUOTED),))


def _of_one(called: Sequence[Place], page: Page) -> list[Place]:
    """What one costs of what is named; of anything, where nothing is named and few are bought."""
    entries = [each for each in quantities(page) if each.each is not None]
    rows = {place.row for place in called}
    held = [each for each in entries if each.row in rows] if rows else entries
    if not rows and len(held) > MOST_AMOUNTS:
        return []
    return [each.each for each in held if each.each is not None]


def _may_be_a_clock(token: Token) -> bool:
    return not token.currency and re.fullmatch(_CLOCK, token.text) is not None


_CLOCK = r"(?:[01]?\d|2[0-4])[.:,][0-5]\d"

SKILL = Price()
