"""Dates, amounts, doses and telephone numbers in recognized text, each with its line.

Nothing is computed or corrected here: a value is what stands in a line, and that line is its
evidence. Rows come in reading order, so that a label stands before its value.
"""

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assistant.seeing.layout import Row

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?:{'|'.join(_MONTHS)})[a-z]*"
_YEAR = r"(?:(?:19|20)\d\d|\d\d(?!\d))"

_DATES: tuple[tuple[str, str], ...] = (
    ("ymd", r"(?<!\d)(?P<y>(?:19|20)\d\d)[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)"),
    ("dmy", rf"(?<![\d/.-])(?P<d>\d{{1,2}})[-/.](?P<m>\d{{1,2}})[-/.](?P<y>{_YEAR})"),
    ("named", rf"(?<!\d)(?P<d>\d{{1,2}})[ .-]?(?P<name>{_MONTH})[ .,-]*(?P<y>{_YEAR})"),
    ("named", rf"\b(?P<name>{_MONTH})[ .]?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? ?(?P<y>(?:20)\d\d)"),
    ("month", rf"\b(?P<name>{_MONTH})[ ./-]*(?P<y>{_YEAR})"),
    ("month", r"(?<![\d/-])(?<!\d\.)(?P<m>\d{1,2})[/.:-](?P<y>20\d\d|\d\d(?![\d:]))"),
)
"""From the most to the least telling form; the last is a date only behind a label."""

_EXPIRY_LABEL = r"exp(?:iry|ires?|iration)?\b|best (?:before|by)|use (?:by|before)|\bbbe?\b"
_OTHER_LABEL = r"mfd|mfg|manufactur|packed|pkd|prod(?:uced|uction)?\b|print(?:ed)?\b|\bdob\b"
_DATE_LABEL = r"\bdate\b|\bdated\b"

_CURRENCY = r"(?:RM|MYR|USD|EUR|GBP|INR|SGD|S\$|Rs\.?|\$|£|€)"
_NUMBER = r"\d{1,3}(?:,\d{3})+[.:]\d\d|\d+[.:,]\d\d"
_AMOUNT = (
    rf"(?P<currency>{_CURRENCY} ?)?(?P<sign>-)?(?<![\d:])(?<!\d[.,])"
    rf"(?P<number>{_NUMBER})(?![\d:])(?P<after> ?(?:EUR|USD|GBP|MYR|INR|SGD|€)(?!\w))?"
)
_WHOLE_AMOUNT = rf"(?P<currency>(?<!\w){_CURRENCY} ?)(?P<number>\d{{1,6}})(?![\d%]|[.,:/-]\d)"
"""Without decimals only behind a currency; anything else may be a count or a year."""

_NOT_THE_TOTAL = (
    r"excl|\btotal (?:gst|tax|vat|qty|quantity|item|discount|saving)|\bqty|\bquantit|before|"
    r"change\b|^\W*(?:gst|tax|vat)\b|item\(s\)"
)
_SUMMARY = r"(?:gst|tax|vat) (?:summary|code|analysis)"
_TOTAL_LABELS: tuple[tuple[int, str], ...] = (
    (6, r"total.*round|round.*total|payable|amount due|balance due|to pay"),
    (5, r"grand ?total|net+ ?tot"),
    (2, r"sub[ -]?total"),
    (4, r"total"),
)
_PRICE_LABEL = r"\bprice|\bm\.?r\.?p\b|\bm\.?p\.?p\b|\bonly\b|\bnow\b"

_STRENGTH = r"(?<![\d.])\d+(?:[.,]\d+)? ?(?:mg|mcg|µg|ml|iu|g)\b(?:/\d* ?(?:ml|tablet))?"
_INSTRUCTION = r"\bdos(?:e|age)|\btake\b|\bdirected\b|\btimes (?:a|per) day|\bdaily\b|\bswallow\b"

_PHONE_LABEL = r"\b(?:tel(?:ephone)?|phone|mobile|hotline|call|ph|hp)\b"
_PHONE = r"(?<![\d.,])\+?\(?\d[\d ()/.-]{5,17}\d(?![\d.,]\d)"
_BARE_PHONE = r"\+[\d ()/.-]+|\(\d{3}\) ?\d{3}-\d{4}|\(?0\d{1,3}\)?[ -]\d{3,4}[ -]?\d{3,4}"


class Doubt(enum.Enum):
    """What the reader should know about a value."""

    DAY_OR_MONTH = "which part is the day and which the month is ambiguous"
    DAY_MONTH_OR_YEAR = "which part is the day, the month or the year is ambiguous"
    SUBTOTAL = "that is the subtotal; I found no total"


@dataclass(frozen=True, slots=True)
class Value:
    """Something read from a line.

    text:  as it stands in the line.
    row:   the line; the evidence.
    doubt: what the reader should know, such as that a date is ambiguous; or None.
    """

    text: str
    row: Row
    doubt: Doubt | None = None

    @property
    def note(self) -> str:
        """The doubt in words, or ""."""
        return "" if self.doubt is None else self.doubt.value

    @property
    def label(self) -> str | None:
        """What stands before the value on its line, as printed, without colons; or None.

        Of a line with several values, what stands behind the one before.
        """
        start = self.row.text.find(self.text)
        before = re.split(r"\d", self.row.text[: max(start, 0)])[-1].strip(" \t.:;,=-")
        return before if before and len(before) <= LONGEST_LABEL else None


LONGEST_LABEL = 40
"""Characters; what is longer is a sentence with a value in it."""


def find_dates(rows: Iterable[Row]) -> list[Value]:
    """Every full date, labelled ones first."""
    found: list[tuple[int, Value]] = []
    for row in rows:
        for start, value in _dates_of(row, with_month_only=False):
            label = _nearest_label(row.text[:start])
            rank = {"date": 0, "": 1, "expiry": 2, "other": 3}[label]
            found.append((rank, value))
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]


def find_expiry(rows: Sequence[Row]) -> list[Value]:
    """Dates behind an expiry label, in the same row or the one below it."""
    found = []
    for index, row in enumerate(rows):
        if not re.search(_EXPIRY_LABEL, row.text, re.IGNORECASE):
            continue
        here = [
            value
            for start, value in _dates_of(row, with_month_only=True)
            if _nearest_label(row.text[:start]) == "expiry"
        ]
        if not here and index + 1 < len(rows):
            below = rows[index + 1]
            here = [
                value
                for start, value in _dates_of(below, with_month_only=True)
                if _nearest_label(below.text[:start]) == ""
            ]
        found += here
    return found


def find_total(rows: Sequence[Row]) -> Value | None:
    """The amount to pay: of the best label the last one, tax summaries left out."""
    best: tuple[int, Value] | None = None
    in_summary = False
    for index, row in enumerate(rows):
        in_summary = in_summary or bool(re.search(_SUMMARY, row.text, re.IGNORECASE))
        rank = _total_rank(row.text)
        if rank == 0:
            continue
        amounts = find_amounts([row])
        if not amounts and index + 1 < len(rows) and _is_only_amount(rows[index + 1]):
            amounts = find_amounts([rows[index + 1]])
        if len(amounts) != 1 or (in_summary and best is not None):
            continue
        if best is None or rank >= best[0]:
            doubt = Doubt.SUBTOTAL if rank == 2 else None
            best = (rank, Value(amounts[0].text, amounts[0].row, doubt))
    return None if best is None else best[1]


def find_price(rows: Sequence[Row]) -> list[Value]:
    """The amount behind a price label, else the total, else every amount."""
    labelled = [
        value
        for row in rows
        if re.search(_PRICE_LABEL, row.text, re.IGNORECASE)
        for value in find_amounts([row])
    ]
    if labelled:
        return labelled
    total = find_total(rows)
    return [total] if total is not None else find_amounts(rows)


def find_amounts(rows: Iterable[Row]) -> list[Value]:
    """Every amount of money: with two decimals, or with a currency in front."""
    found = []
    for row in rows:
        matches = [
            match
            for pattern in (_AMOUNT, _WHOLE_AMOUNT)
            for match in re.finditer(pattern, row.text, re.IGNORECASE)
        ]
        for match in sorted(matches, key=re.Match.start):
            parts = match.groupdict()
            currency = (parts["currency"] or "").strip()
            # A worn decimal point is often taken for a colon; the digits stay as they stand.
            number = (parts.get("sign") or "") + parts["number"].replace(":", ".")
            gap = " " if currency and currency[-1].isalnum() else ""
            found.append(Value(currency + gap + number + (parts.get("after") or ""), row))
    return found


def find_doses(rows: Iterable[Row]) -> list[Value]:
    """Instructions of use, then strengths, as they stand on the label."""
    instructions: dict[str, Value] = {}
    strengths: dict[str, Value] = {}
    for row in rows:
        for piece in row.pieces:
            single = Row((piece,))
            if re.search(_INSTRUCTION, piece.text, re.IGNORECASE):
                instructions.setdefault(piece.text.lower(), Value(piece.text, single))
            for match in re.finditer(_STRENGTH, piece.text, re.IGNORECASE):
                strengths.setdefault(match[0].lower().replace(" ", ""), Value(match[0], single))
    return [*instructions.values(), *strengths.values()]


def find_phones(rows: Iterable[Row]) -> list[Value]:
    """Telephone numbers: labelled ones, else those that look like nothing else; no fax numbers."""
    labelled, bare = [], []
    for row in rows:
        for match in re.finditer(_PHONE, row.text):
            digits = re.sub(r"\D", "", match[0])
            if not 7 <= len(digits) <= 15 or _overlaps_date(row, match.start(), match.end()):
                continue
            before = row.text[: match.start()].lower()
            number = match[0].strip()
            if re.search(rf"(?:{_PHONE_LABEL})[^\da-z]*(?:no|number)?[^\da-z]*$", before):
                labelled.append(Value(number, row))
            elif before.strip(" .:") == "" and re.fullmatch(_BARE_PHONE, number):
                bare.append(Value(number, row))
    return labelled or bare


def _dates_of(row: Row, *, with_month_only: bool) -> list[tuple[int, Value]]:
    """Dates of a row with where they start, the most telling form of each place."""
    taken: list[tuple[int, int]] = []
    found: list[tuple[int, Value]] = []
    for form, pattern in _DATES:
        if form == "month" and not with_month_only:
            continue
        for match in re.finditer(pattern, row.text, re.IGNORECASE):
            free = all(match.end() <= start or match.start() >= end for start, end in taken)
            if free and _is_possible(match):
                taken.append(match.span())
                found.append((match.start(), Value(match[0], row, _ambiguity(form, match))))
    return sorted(found, key=lambda pair: pair[0])


def _is_possible(match: re.Match[str]) -> bool:
    parts = match.groupdict()
    if parts.get("name"):
        return 1 <= int(parts.get("d") or 1) <= 31
    month, day = int(parts["m"]), int(parts.get("d") or 1)
    return (1 <= month <= 12 and 1 <= day <= 31) or (1 <= day <= 12 and 1 <= month <= 31)


def _ambiguity(form: str, match: re.Match[str]) -> Doubt | None:
    """Say what cannot be known about a date written in figures."""
    if form != "dmy":
        return None
    day, month, year = match["d"], match["m"], match["y"]
    if int(day) > 12 or int(month) > 12 or day == month:
        return None
    if len(year) == 2 and len(day) == 2:
        return Doubt.DAY_MONTH_OR_YEAR
    return Doubt.DAY_OR_MONTH


def _nearest_label(before: str) -> str:
    """What the text before a date calls it: "expiry", "other", "date" or ""."""
    nearest, name = -1, ""
    for label, pattern in (
        ("date", _DATE_LABEL),
        # "Expiry date" and "printed date" are named by their first word.
        ("other", rf"(?:{_OTHER_LABEL})(?:\W*date)?"),
        ("expiry", rf"(?:{_EXPIRY_LABEL})(?:\W*date)?"),
    ):
        for match in re.finditer(pattern, before, re.IGNORECASE):
            if match.end() >= nearest:
                nearest, name = match.end(), label
    return name


def _total_rank(text: str) -> int:
    """How surely a row holds the amount to pay; 0 for not at all."""
    if re.search(_NOT_THE_TOTAL, text, re.IGNORECASE):
        return 0
    for rank, pattern in _TOTAL_LABELS:
        if re.search(pattern, text, re.IGNORECASE):
            return rank
    return 0


def _is_only_amount(row: Row) -> bool:
    return re.fullmatch(rf"\W*{_AMOUNT}\W*", row.text, re.IGNORECASE) is not None


def _overlaps_date(row: Row, start: int, end: int) -> bool:
    return any(
        start < at + len(value.text) and at < end
        for at, value in _dates_of(row, with_month_only=False)
    )
