"""Whom something is from: what stands at its top, where names and addresses do."""

import dataclasses
import re
from collections.abc import Sequence

from assistant.answers import Answer, Basis, Detail, Found
from assistant.skills import vocabulary
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import as_read, in_sentence, row_values, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.calendar_names import weekdays
from assistant.text.dates import find_dates
from assistant.text.fitting import VENUE
from assistant.text.letters import head, salutation, sender, signature
from assistant.text.page import Page
from assistant.text.plain_letters import unaccented
from assistant.text.tokens import Kind, tokens

MOST_ROWS = 3

_BUSINESS = (
    r"(?:shop|store|company|firm|business|place|bar|pub|restaurant|caf[eé]|diner|hotel|hostel"
    r"|pharmacy|chemist|supermarket|grocery|bakery|butcher|florist|bookshop|garage|salon)'?s?"
)
"""What people call who has written a receipt; the word need not stand on it."""


class Letterhead:
    """The first rows, quoted and called no more than that."""

    name = "letterhead"
    wordings = (
        Wording(
            heard="<is> the (name | address | company"
            " | name of the (shop | store | company | medicine))",
            typed=r"\b(?:name|address) of (?:the|this) (?:shop|store|company|sender|medicine)\b",
        ),
        Wording(
            heard="who is (this | it | the letter) from",
            typed=(
                r"\bwho (?:is|are|was) (?:it|this|these|(?:the|this|that) \w+) (?:\w+ )?from\b"
                r"|\bwho(?: has| have)? sent (?:it|this|that|(?:me )?(?:the|this|that) \w+)$"
                r"|\bwho(?: has| have)? sent (?:me |us )?(?:it|this|that|these)\b"
                r"|\b(?:which|what) (?:company|firm|shop|store|bank|office|organi[sz]ation|school"
                r"|hospital|council|charity|business|surgery|place) "
                r"(?:is|are|was|sent|wrote|issued|does|did)\b"
                r"(?=.*\b(?:from|sent|send|wrote|write|issued?|come)\b)"
                r"|\bwho(?: is| has| have)? (?:written|writing|wrote)(?: to)? (?:me|us)\b"
                r"|\bwho (?:is|does|did) (?:it|this|that) (?:come )?from\b|\bfrom (?:who|whom)\b"
                r"|\b(?:the|a) sender\b|\bsent (?:it|this)(?: to)?(?: me)?$"
                r"|\bwho (?:wrote|signed) (?:it|this|that|the|me)(?: letter| note| card| e ?mail)?$"
                r"|\bwho (?:has )?signed\b"
            ),
        ),
        Wording(
            typed=(
                rf"\b(?:which|what) {_BUSINESS} (?:is|was) (?:it|this|that)$"
                r"|^where (?:did|have|had) (?:i|we) (?:\w+ )?"
                r"(?:shop|shopped|buy|bought|pay|paid|eat|eaten|ate)(?: (?:it|this|that|these))?$"
                r"|^where (?:was|were) (?:it|this|that|these) (?:bought|sold)$"
                r"|\bwho sold (?:(?:it|this|that|these) to )?(?:me|us)\b"
            ),
        ),
    )
    traits = Traits(rank=49, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The sender by its label, or who signed; else the first rows."""
        read = rows(asked, scene)
        if not read:
            return None
        page = scene.page(asked.cancelled)
        named = None
        if not re.search(r"\b(?:name|address) of\b|^what", asked.words):
            wrote = re.search(_WROTE, unaccented(asked.words))
            named = (signature(page) if wrote else sender(page)) or sender(page)
            if named is None and _has_no_head(page):
                named = signature(page)
        if named is not None:
            found = (Found(" ".join(named.text.split()), "From", named.lines),)
            return Answer(self.name, found, ground_read(found))
        before = _head_rows([row.text for row in read[: MOST_ROWS + 1]])
        top = read[: min(head(page, len(read)), before)]
        if "address" in asked.words.split():
            # Hours and numbers to call stand under an address, and are none of it.
            other = (Kind.TIME, Kind.PHONE, Kind.WEB, Kind.EMAIL)
            held = [
                bool(weekdays(row.text)) or any(e.kind in other for e in tokens(row.text))
                for row in top
            ]
            top = top[: held.index(True)] if True in held[1:] and not held[0] else top
        answer = as_read(self.name, row_values(top), most=MOST_ROWS, labelled=False)
        # A carrier stands at the top of its slip and has sent nothing; who signs stands elsewhere.
        is_of_a_deed = re.search(r"\b(?:sen[dt]|signed|wrote|written|issued?)\b", asked.words)
        if is_of_a_deed or any(_ADDRESSES.search(row.text) for row in top[:MOST_ROWS]):
            return dataclasses.replace(answer, basis=Basis.GUESS)
        return answer

    def say(self, answer: Answer, detail: Detail) -> str:
        """The rows, and where they stand."""
        if answer.found and answer.found[0].label and detail is not Detail.SHORT:
            return f"It is from: {answer.values[0]}."
        return in_sentence(answer, detail, "At the top I read: {}.")


def _has_no_head(page: Page) -> bool:
    """True for a letter that names nobody before it addresses its reader: a day, a wish."""
    dear = salutation(page)
    if dear is None:
        return False
    above = [page.rows[row].text for row in range(dear)]
    return all(find_dates(text) or _WISH.search(text) for text in above)


_WISH = re.compile(
    r"\b(?:happy|merry|get well|congratulations|best wishes|good luck|thinking of you|thank you"
    r"|sympathy|condolences?|birthday|anniversary|christmas|wedding|new baby|retirement|farewell"
    r"|alles gute|herzlich\w*|frohe[sn]?|geburtstag|beileid|weihnachten|joyeux|joyeuse"
    r"|félicitations|anniversaire|condoléances|noël|feliz|felicidades|cumpleaños|navidad|pésame"
    r"|auguri|buon\w*|compleanno|natale|condoglianze|gefeliciteerd|van harte|verjaardag|kerst"
    r"|parabéns|aniversário|natal)\b",
    re.IGNORECASE,
)
"""What a greeting card says in large letters: the name of nobody."""


def _head_rows(texts: Sequence[str]) -> int:
    """How many of the first rows stand before a date, a price, or what has a label: "Tenant:"."""
    for number, text in enumerate(texts[1:], 1):
        if VENUE.search(text):
            continue  # "Unit 3.20, Market Hall" is a place, whatever its figures look like
        is_priced = any(token.kind is Kind.MONEY for token in tokens(text))
        if is_priced or find_dates(text) or re.match(_LABELLED, text.strip(), re.IGNORECASE):
            return number
    return len(texts)


_ADDRESSES = re.compile(r"\b(?:we|you|your|our|dear|liebe[r]?|vous|votre|usted|caro|cara)\b", re.I)
"""Words that speak to the reader: what holds them is the name of nobody."""

_WROTE = (
    rf"\b(?:signed|wrote|written|writing|writes)\b|{vocabulary.pattern('letterhead', 'signed')}"
)

_LABELLED = r"(?:[^\W\d]+ ){0,2}[^\W\d]+ ?:"

SKILL = Letterhead()
