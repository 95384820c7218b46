"""Answers from recognized text: what each question about text is told."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assistant.seeing.layout import Paragraph, Row, page_text, reading_order, rows_of
from assistant.seeing.text import TextLine
from assistant.skills.grounding import Basis, ground_read
from assistant.skills.intents import Intent, Request
from assistant.text import addresses, extraction
from assistant.text.extraction import Value

MOST_NAMED = 5
"""Values that one sentence lists; more cannot be kept in mind by ear."""

NO_TEXT = (
    "I can't tell: I find no text in this picture. Move closer, or turn the page to the light."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said, what it rests on, and the lines it was read from."""

    text: str
    basis: Basis
    evidence: tuple[TextLine, ...] = ()
    model: str | None = None


def answer_from_text(request: Request, lines: Sequence[TextLine]) -> Answer:
    """Answer a question about text from the lines of a picture, at least one."""
    paragraphs = reading_order(lines)
    rows = rows_of(paragraphs)
    if request.intent is Intent.FIND_WORD:
        return _find_word(request.subject, paragraphs)
    if request.intent is Intent.ANY_TEXT:
        return _read([Value(row.text, row) for row in rows], "Yes. It says: {}")
    if request.intent is Intent.BLANK:
        return _read([Value(rows[0].text, rows[0])], "It is not blank. It says: {}")
    if request.intent is Intent.ABOUT:
        return _find_word(request.subject, paragraphs)
    if request.intent is Intent.TITLE:
        return _title(paragraphs)
    if request.intent in _FINDERS:
        return _FINDERS[request.intent](rows)
    if "first line" in request.words:
        return _read([Value(rows[0].text, rows[0])], "{}")
    pieces = tuple(piece for row in rows for piece in row.pieces)
    return Answer(page_text(paragraphs), Basis.READ, pieces)


def _total(rows: Sequence[Row]) -> Answer:
    total = extraction.find_total(rows)
    if total is None:
        return _missing("total", "Ask me to read the text, or show the whole receipt.")
    if total.note:
        return _read([total], "The subtotal is {}; I find no total.")
    return _read([total], "The total is {}.")


def _price(rows: Sequence[Row]) -> Answer:
    prices = _different(extraction.find_price(rows))
    if not prices:
        return _missing("price", "Ask me to read the text, or show the price tag.")
    total = extraction.find_total(rows)
    if total is not None and prices == [total]:
        return _total(rows)
    return _read(prices, "The price is {}." if len(prices) == 1 else "I read several amounts: {}.")


def _date(rows: Sequence[Row]) -> Answer:
    dates = _different(extraction.find_dates(rows))
    if not dates:
        return _missing("date", "Ask me to read the text, or show the other side.")
    first = _read(dates[:1], "The date is {}.")
    if len(dates) == 1:
        return first
    others = _read(dates[1:], "I also read {}.")
    return Answer(f"{first.text} {others.text}", first.basis, first.evidence + others.evidence)


def _expiry(rows: Sequence[Row]) -> Answer:
    dates = _different(extraction.find_expiry(rows))
    if not dates:
        return _missing("expiry date", "Turn the package and try again.")
    return _read(dates, "The expiry date is {}." if len(dates) == 1 else "Expiry dates: {}.")


def _dose(rows: Sequence[Row]) -> Answer:
    doses = extraction.find_doses(rows)
    if not doses:
        return _missing("dose", "Turn the package and try again.")
    return _read(doses, "The label says, and I cannot check it: {}.")


def _phone(rows: Sequence[Row]) -> Answer:
    phones = _different(extraction.find_phones(rows))
    if not phones:
        return _missing("phone number", "Ask me to read the text, or show the other side.")
    return _read(phones, "The phone number is {}." if len(phones) == 1 else "Phone numbers: {}.")


def _email(rows: Sequence[Row]) -> Answer:
    found = _different(addresses.find_emails(rows))
    if not found:
        return _missing("e-mail address", "Ask me to read the text, or show the other side.")
    return _read(found, "The e-mail address is {}." if len(found) == 1 else "I read: {}.")


def _web(rows: Sequence[Row]) -> Answer:
    found = _different(addresses.find_web(rows))
    if not found:
        return _missing("web address", "Ask me to read the text, or show the other side.")
    return _read(found, "The web address is {}." if len(found) == 1 else "I read: {}.")


def _year(rows: Sequence[Row]) -> Answer:
    found = _different(addresses.find_years(rows))
    if not found:
        return _missing("year", "Ask me to read the text, or show the other side.")
    return _read(found, "The year is {}." if len(found) == 1 else "I read several years: {}.")


def _author(rows: Sequence[Row]) -> Answer:
    found = _different(addresses.find_author(rows))
    if not found:
        return _missing("name marked as the author's", "Ask me to read the cover.")
    return _read(found, "It says by {}." if len(found) == 1 else "It names: {}.")


def _title(paragraphs: Sequence[Paragraph]) -> Answer:
    found = addresses.largest_text(paragraphs)
    if found is None:
        return _missing("text that stands out as a title", "Ask me to read the cover.")
    return _read([found], "The largest text is: {}")


def _category(rows: Sequence[Row]) -> Answer:
    return _missing("category", "Ask me to read the cover.")


_FINDERS: dict[Intent, Callable[[Sequence[Row]], Answer]] = {
    Intent.TOTAL: _total,
    Intent.PRICE: _price,
    Intent.DATE: _date,
    Intent.EXPIRY: _expiry,
    Intent.DOSE: _dose,
    Intent.PHONE: _phone,
    Intent.EMAIL: _email,
    Intent.WEB: _web,
    Intent.YEAR: _year,
    Intent.AUTHOR: _author,
    Intent.CATEGORY: _category,
}


def _find_word(subject: str, paragraphs: Sequence[Paragraph]) -> Answer:
    """Say where a word stands, never yes or no: "contains nuts" and "nut free" both hold it."""
    wanted = re.sub(r"^(?:(?:the|any|a|an|words?) )+(?=\w)", "", subject)
    named = f"the words {wanted}" if " " in wanted else f"the word {wanted}"
    found = _passages(re.compile(rf"\b{re.escape(wanted)}\b", re.IGNORECASE), paragraphs)
    if not found:
        return Answer(f"I do not find {named} in the text I can read.", Basis.UNKNOWN)
    stands = "stand" if " " in wanted else "stands"
    return _read(_different(found), f"T{named[1:]} {stands} here: {{}}")


def _passages(pattern: re.Pattern[str], paragraphs: Sequence[Paragraph]) -> list[Value]:
    """The rows that hold a word, each with those of its sentence directly before and behind it.

    A row is not enough: "does not" may stand at the end of the one before.
    """
    found: list[Row] = []
    for rows in (paragraph.rows for paragraph in paragraphs):
        kept: list[int] = []
        for index, row in enumerate(rows):
            if pattern.search(row.text):
                first = index - int(index > 0 and not _ends_sentence(rows[index - 1]))
                last = index + int(index + 1 < len(rows) and not _ends_sentence(row))
                kept += range(first, last + 1)
        for index in sorted(set(kept)):
            if index - 1 in kept:
                found[-1] = Row(found[-1].pieces + rows[index].pieces)
            else:
                found.append(Row(rows[index].pieces))
    return [Value(row.text, row) for row in found]


def _ends_sentence(row: Row) -> bool:
    return row.text.rstrip().endswith((".", "!", "?"))


def _read(values: Sequence[Value], sentence: str) -> Answer:
    named = values[:MOST_NAMED]
    more = " and more" if len(values) > MOST_NAMED else ""
    stated = sentence.format("; ".join(value.text for value in named) + more)
    evidence = tuple(piece for value in named for piece in value.row.pieces)
    notes = {value.note: None for value in named if value.note and "subtotal" not in value.note}
    for note in notes:
        stated += f" I read it as it stands: {note}."
    basis = ground_read(stated, [(value.text, value.row.text) for value in named])
    return Answer(stated, basis, tuple(dict.fromkeys(evidence)))


def _missing(what: str, way_out: str) -> Answer:
    return Answer(f"I can't tell: I find no {what} in the text. {way_out}", Basis.UNKNOWN)


def _different(values: Sequence[Value]) -> list[Value]:
    """The first of each text."""
    return list({value.text.lower(): value for value in reversed(values)}.values())[::-1]
