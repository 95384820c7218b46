"""The subject rule: a value is given only if every word of the question is accounted for.

"How much is the tax" must never be answered with the total. A word of the question is accounted
for by the skill's own words, or by the lines that the answer rests on; courtesy and place words
ask for nothing. Where one is left over, the question goes on to the lines that hold its words.
"""

import functools
import re
from collections.abc import Sequence

from assistant.answers import Answer
from assistant.skills.router import wordings
from assistant.skills.skill import Asked
from assistant.skills.trades import DOCUMENTS, trade_of
from assistant.skills.wording import RULES, words_of
from assistant.text.calendar_names import weekday
from assistant.text.matching import accounts_for, names_one_of_many
from assistant.text.meaning import best_match, content_words, is_telling, words
from assistant.text.page import Page, Place
from assistant.text.question import Form, asks_whether, is_everyday, wish
from assistant.text.tokens import Kind


def unaccounted(asked: Asked, answer: Answer) -> tuple[str, ...]:
    """The words of a question that neither its skill nor the evidence of an answer accounts for."""
    own = (*own_words(asked.skill), *own_words(answer.skill))
    left = [word for word in wish(asked.question).asked if best_match(word, own) == 0]
    printed = [word for line in answer.evidence for word in words(line.text)]
    days = any(weekday(word) is not None or word in _EVERY_DAY for word in printed)
    return tuple(
        word
        for word in left
        if best_match(word, printed) == 0 and not (days and weekday(word) is not None)
    )


_EVERY_DAY = frozenset(("day", "days", "daily", "täglich", "tag"))
"""Who asks for one day is told by what is said of all days."""


def foreign(asked: Asked, answer: Answer, page: Page) -> tuple[str, ...]:
    """Those of them that make the question one about something else.

    A word that names the thing in view does not, be it "the ticket" or what its largest words
    say, nor what people do.
    """
    told = words(asked.context)
    # What somebody tells before they ask counts where the paper speaks of it.
    left = tuple(
        word
        for word in unaccounted(asked, answer)
        if word not in told
        or any(best_match(word, page.words(row)) > 0 for row in range(len(page.rows)))
    )
    title = _title_words(page) if left else ()
    kinds = {each.kind for each in answer.found} | wish(asked.question).kinds
    for_money = Kind.MONEY in kinds
    elsewhere = _named_elsewhere(asked, answer, page)
    if elsewhere:
        return elsewhere
    if for_money and _LATE.search(asked.words) and _is_dearer_late(answer, page):
        return ("late",)
    return tuple(
        word
        for word in left
        if is_telling(word)
        and (not is_everyday(word) or names_one_of_many(word, page, for_money=for_money))
        and word not in _FRAMES
        and best_match(word, title) == 0
        and not (answer.found and is_shown(word, page))
    )


def _named_elsewhere(asked: Asked, answer: Answer, page: Page) -> tuple[str, ...]:
    """The words that name another amount of the page: "the fee" is no total where a fee is printed.

    A skill knows them only as words of the same sense as its own.
    """
    own = (*own_words(asked.skill), *own_words(answer.skill))
    said = words(_BESIDE.sub(" ", asked.words))
    kinds = {each.kind for each in answer.found} & {Kind.MONEY}
    valued = {place.row for place in page.places if place.token.kind in kinds}
    told = {
        row for row in valued if any(piece in answer.evidence for piece in page.rows[row].pieces)
    }
    return tuple(
        word
        for word in wish(asked.question).asked
        if word in said
        and is_telling(word)
        and 0 < best_match(word, own) < 1
        and not any(best_match(word, page.words(row)) > 0 for row in told)
        and any(best_match(word, page.words(row)) == 1 for row in valued - told)
    )


_BESIDE = re.compile(
    r"\b(?:after|before|with|without|including|excluding|plus|less|minus|by|for) "
    r"(?:the |any |my )?\w+"
)
"""What is named beside the amount that is asked for: "after savings"."""


def is_in_doubt(asked: Asked, answer: Answer, page: Page) -> bool:
    """True where a word of the question is accounted for by nothing, however everyday it is.

    "How much was the rice" may be asked of a meal that was not rice, "what did I pay last time"
    of a bill that is new. Of several values any such word might choose one.
    """
    left = unaccounted(asked, answer)
    ways = (is_told_beside, _is_of_another_deed, _tells_whether_by_an_amount)
    if any(each(asked, answer) for each in ways):
        return True
    if len(answer.found) > 1:
        return bool(left)
    title = _title_words(page) if left else ()
    return any(
        is_telling(word) and word not in DOCUMENTS and best_match(word, title) == 0 for word in left
    )


def is_told_beside(asked: Asked, answer: Answer) -> bool:
    """True where something is said beside the question that the row of a value does not speak of.

    "He is only five. How much for him?" has no price without an age for its sure answer.
    """
    printed = [word for line in answer.evidence for word in words(line.text)]
    said = [word for word in content_words(asked.context) if is_telling(word)]
    return any(best_match(word, printed) == 0 for word in said)


def _tells_whether_by_an_amount(asked: Asked, answer: Answer) -> bool:
    """True for an amount that is told to "do I have to pay": it may be another's, or paid."""
    is_whether = asks_whether(asked.words) and not _IS_THERE.match(asked.words)
    return is_whether and any(each.kind is Kind.MONEY for each in answer.found)


_IS_THERE = re.compile(r"(?:is|are|was|were) there\b")


def _is_of_another_deed(asked: Asked, answer: Answer) -> bool:
    """True for a date that is told of a deed which neither its row nor its skill speaks of.

    "What day do we get the house" has the date of something else for its answer.
    """
    printed = [word for line in answer.evidence for word in words(line.text)]
    known = (*printed, *own_words(asked.skill), *own_words(answer.skill))
    deeds = wish(asked.question).deeds
    return answer.skill == "date" and any(best_match(deed, known) == 0 for deed in deeds)


def asks_otherwise(asked: Asked, answer: Answer) -> bool:
    """True for a value that is told where a question asks for something else about it.

    "Where do I find the date" asks for no date, "how do I pay" for no amount.
    """
    kinds = {each.kind for each in answer.found}
    if not kinds & {Kind.MONEY, Kind.DATE}:
        return False
    if wish(asked.question).form in (Form.WHERE, Form.WHY):
        return True
    return Kind.MONEY in kinds and _IN_WHICH_WAY.match(asked.words) is not None


_IN_WHICH_WAY = re.compile(
    r"(?:\w+ ){0,2}how (?:do|does|did|can|could|should|shall|must|may|would|will|am|are)\b"
)


_FRAMES = frozenset(("lautet", "lauten", "heisst", "heißt", "heet", "heten", "chiama", "llama"))
"""Verbs of other languages that only ask, as in "wie lautet die Nummer"."""


def is_shown(word: str, page: Page) -> bool:
    """True for a trade or a document that a paper is of, though it may be called otherwise.

    "How much was the vet" is asked of a bill with vaccines, "how long is the permit good" of a
    paper that calls itself one.
    """
    trade = trade_of(word)
    if trade is None and word not in DOCUMENTS:
        return False
    text = " ".join(row.text for row in page.rows)
    rows = [row for row in range(len(page.rows)) if best_match(word, page.words(row)) > 0]
    if trade is None:
        return bool(rows)
    # "Water 2.50" among dishes is one of the things on the bill.
    amounts = {place.row for place in page.places_of(Kind.MONEY)}
    return trade.search(text) is not None and amounts.isdisjoint(rows)


def _title_words(page: Page) -> tuple[str, ...]:
    """The words of the first row and of the largest rows: what the thing is called."""
    heights = [max(piece.height for piece in row.pieces) for row in page.rows]
    large = [row for row, height in enumerate(heights) if height >= LARGE * max(heights)]
    return tuple(word for row in dict.fromkeys((0, *large[:2])) for word in page.words(row))


LARGE = 0.9
"""Part of the highest letters from which a row is as large as the largest."""


def narrowed(places: Sequence[Place], asked: Asked) -> list[Place]:
    """Of several values those whose label holds what the question names beyond its skill."""
    own = own_words(asked.skill)
    named = [
        word
        for word in wish(asked.question).asked
        if is_telling(word) and best_match(word, own) == 0
    ]
    held = [place for place in places if named and accounts_for(named, place.label)]
    return held or list(places)


_LATE = re.compile(r"\b(?:late|too late|overdue|after (?:the )?(?:due|deadline)|miss(?:ed)? the)\b")
_PRINTED_LATE = re.compile(
    r"\blate\b|\boverdue\b|\bafter (?:the )?(?:due|deadline)|verspät|verzug|nach fälligkeit"
    r"|\bretard|après (?:l'|la )?échéance|recargo|vencid|después del? vencimiento"
    r"|ritardo|dopo la scadenza|te laat|na de vervaldatum|atras|após o vencimento",
    re.IGNORECASE,
)
"""What is paid by whoever pays late, as it is asked and as bills print it."""


def _is_dearer_late(answer: Answer, page: Page) -> bool:
    """True where a bill prints another amount for whoever pays late than the one that is told."""
    rows = {place.row for place in page.places_of(Kind.MONEY)}
    return any(
        _PRINTED_LATE.search(page.rows[row].text)
        and not any(piece in answer.evidence for piece in page.rows[row].pieces)
        for row in rows
    )


def _without_excluded(pattern: str) -> str:
    """A pattern without what it excludes, which is no word of its skill: "(?!.*late)"."""
    while (begin := re.search(r"\(\?<?!", pattern)) is not None:
        depth, end = 0, begin.start()
        for end in range(begin.start(), len(pattern)):
            escaped = pattern[end - 1 : end] == "\\"
            depth += 0 if escaped else {"(": 1, ")": -1}.get(pattern[end], 0)
            if depth == 0:
                break
        pattern = f"{pattern[: begin.start()]} {pattern[end + 1 :]}"
    return pattern


@functools.cache
def own_words(skill: str) -> tuple[str, ...]:
    """The words by which a skill is asked for, from its wordings."""
    found: set[str] = set()
    for wording in wordings(skill):
        found |= words_of([wording.heard])
        # The short words of other languages are of no other list.
        word = r"[a-z']{2,}" if wording.plain else r"[a-z]{3,}"
        typed = re.sub(r"\\\w|\(\?P<\w+>", " ", _without_excluded(wording.typed))
        # "lae?uft" is two words: with the letter, and without.
        for each in (re.sub(r"(?<=[a-z])\?", "", typed), re.sub(r"[a-z]\?", "", typed)):
            found |= set(re.findall(word, each))
    heard = " ".join(wording.heard for wording in wordings(skill))
    for rule in re.findall(r"<(\w+)>", heard):
        found |= words_of([RULES[rule]]) if rule in RULES else set()
    return tuple(sorted(found))
