"""Figures and addresses in a line as whole tokens, each of one kind.

A value may be told only as it is printed: with its sign, its thousands separators, its fraction,
its currency. So a line is cut once, from left to right, into tokens that share no character, and a
token begins and ends where the paper has a gap or a mark. A pattern that would cover a part of a
longer figure does not match: "1,000,000 IU" is one measure and no amount of "000,000".
"""

import enum
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import phonenumbers
from phonenumbers import Leniency, PhoneNumberMatcher

from assistant.text.dates import find_dates


class Kind(enum.Enum):
    """What a token is."""

    MONEY = "money"
    DATE = "date"
    TIME = "time"
    PHONE = "phone"
    EMAIL = "email"
    WEB = "web"
    PERCENT = "percent"
    MEASURE = "measure"
    CODE = "code"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Token:
    """A value in a line.

    text:        the characters as printed.
    start, end:  where they stand in the line.
    currency:    True for money with its currency beside it.
    needs_label: True for figures that are of this kind only where a label says so, such as 05/27
                 for a month, or 1980 for yen.
    """

    kind: Kind
    text: str
    start: int
    end: int
    currency: bool = False
    needs_label: bool = False


REGIONS = ("GB", "US", "DE", "FR", "ES", "IT", "NL", "PT", "MY", "IN", "AU", "SG")
"""Whose national forms of telephone numbers are known; numbers with a + are known of all."""

_SYMBOL = r"(?:US\$|S\$|A\$|C\$|R\$|RM|Rs\.?|Fr\.|[$£€¥₹₩₽])"
_CODE = r"(?:EUR|USD|GBP|CHF|MYR|SGD|INR|JPY|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|BRL)"
_BEFORE = rf"(?:{_SYMBOL}|{_CODE})"
_AFTER = rf"(?:{_CODE}|[€£$¥₹]|円|yen|euros?|pounds?|dollars?|kr\.?)"

_YEARS = r"(?:19|20)\d\d/(?:19|20)\d\d(?!\d)"
"""A season, and no number of anything."""

_GROUPED = r"\d{1,3}(?:(?:,\d{3})+|(?:\.\d{3})+|(?:['’]\d{3})+|(?:[  ]\d{3})+)"
_EXACT = (
    # The mark between thousands is never the one before the decimals: 88.104.27 is no amount.
    r"(?:\d{1,3}(?:,\d{3})+\.\d{2}|\d{1,3}(?:\.\d{3})+,\d{2}"
    r"|\d{1,3}(?:['’ \u00a0\u202f]\d{3})+[.,]\d{2}|\d+[.,]\d{2})"
)
_WHOLE = rf"(?:{_GROUPED}|\d+)"
_ANY_NUMBER = rf"(?:{_GROUPED}|\d+)(?:[.,]\d+)?"
_SIGN = r"[-−–+]? ?"
_BEHIND = r"(?:-| ?CR(?!\w))?"
"""A sign behind an amount: statements print a credit as "7.00 CR"."""

_UNITS = (
    "kg|g|mg|mcg|µg|μg|ug|micrograms?|milligrams?|grams?|kilograms?|kilos?|lbs?|oz|fl\\.? ?oz|"
    "l|L|ml|mL|cl|dl|litres?|liters?|Liter|pints?|gallons?|kcal|Kcal|calories|cal|kJ|KJ|"
    "W|kW|kWh|V|A|mA|mAh|Hz|GHz|MHz|GB|MB|TB|GiB|"
    "mm|cm|m|km|inch(?:es)?|in|ft|m²|m2|m³|m3|sqm|°C|°F|℃|℉|°|C|F|"
    "min(?:ute)?s?|mins?\\.?|hours?|hrs?|h|days?|weeks?|months?|years?|sec(?:ond)?s?|s|"
    "tablets?|tabs?|capsules?|caps?|drops?|puffs?|sachets?|teaspoons?|tbsp|tsp|cups?|slices?|"
    "servings?|pieces?|pcs|items?|sheets?|rolls?|people|pers(?:on|\\.)?s?|"
    "patches|packs?|bags?|bottles?|cans?|guests?|seats?|persons?|lessons?|classes|nights?|"
    "Tropfen|Tabletten?|Kapseln?|Stück|St\\.|Stk|Tage?n?|Minuten?|Stunden?|Wochen?|Monate?n?"
    "|Jahre?n?|"
    "Personen|Esslöffel|Teelöffel|EL|TL|gouttes|comprimés?|gélules?|jours?|heures?|mois|semaines?|"
    "personnes|ans|gotas|comprimidos|días?|minutos?|horas?|semanas?|meses|años?|personas|dientes|"
    "cucharad\\w+|gocce|compress[ae]|giorni|minuti|ore|settimane|mesi|anni|persone|cucchiai\\w*|"
    "druppels|dagen|minuten|uur|weken|maanden|jaar|personen|dias|anos|pessoas|gigabytes?"
    "|megabytes?|"
    "points?|pts|km/h|mph|bpm|mmHg|bar|psi|ppm|IU|I\\.U\\.|units?|mmol(?:/l)?"
)
_UNITS += (
    "|KG|MG|MCG|G|OZ|LBS?|FL\\.? ?OZ|ML|CL|KCAL|CM|MM|KM|TABLETS?|CAPSULES?|DROPS?|PUFFS?|"
    "MIN(?:UTE)?S?|HOURS?|HRS?|DAYS?|WEEKS?|MONTHS?|YEARS?|SECONDS?|PIECES?|PCS|SERVINGS?|PACKS?"
)
"""Labels and receipts print them in capitals, too."""

_GLYPHS = "½¼¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_FRACTION = (
    rf"(?:\d+ ?[{_GLYPHS}]|[{_GLYPHS}]|\d+[ -]\d/\d|\d/\d|\d+ ?\d[⁄]\d+|\d?[⁄]\d+|\d+[⁄]\d+)"
)

_QUANTITY = rf"(?:{_FRACTION}|[.,]\d+|{_ANY_NUMBER})"

_IBAN = r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?(?!\w)"
_LETTERS_AND_FIGURES = (
    r"(?=[A-Z0-9./-]*\d)(?=[A-Z0-9./-]*[A-Z])[A-Z0-9]+(?:[/-]?[A-Z0-9]+)*(?![\w.])"
)

_CLOCK = r"(?:[01]?\d|2[0-4])[:.][0-5]\d(?::[0-5]\d)?"
_HALF_DAY = r" ?(?:[ap]\.?m\b\.?|Uhr|h\b|hrs\b)"

_NO_MORE = r"(?![\w]|[.,:'’]\d|/\d|-\d)"


@functools.cache
def _patterns() -> tuple[tuple[Kind, re.Pattern[str], bool, bool], ...]:
    """(kind, pattern, has currency, needs a label), in the order in which they are tried."""
    money_end = rf"(?:{_NO_MORE}|(?=-(?:\s|$)))"
    forms: tuple[tuple[Kind, str, bool, bool], ...] = (
        (Kind.EMAIL, r"[\w.+-]+ ?@ ?[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}", False, False),
        (Kind.WEB, r"(?:https?://|www\.)[\w./~%?=&#-]*[\w/]", False, False),
        (
            Kind.WEB,
            r"(?:[a-z0-9-]+\.)+(?:com|org|net|info|edu|gov|io|eu|[a-z]{2})(?:/[\w./-]*)?"
            r"(?![\w@.])(?<![0-9])",
            False,
            False,
        ),
        (Kind.PERCENT, rf"{_SIGN}{_ANY_NUMBER} ?%", False, False),
        (Kind.TIME, rf"{_CLOCK}{_HALF_DAY}", False, False),
        (Kind.TIME, r"(?:1[0-2]|0?\d) ?[ap]\.?m\b\.?", False, False),
        (Kind.TIME, r"(?:[01]?\d|2[0-4]) ?Uhr\b", False, False),
        (Kind.TIME, r"(?:[01]?\d|2[0-4])h[0-5]\d\b", False, False),
        (Kind.MONEY, rf"\(?{_SIGN}{_BEFORE} ?{_SIGN}{_EXACT}{_BEHIND}\)?{money_end}", True, False),
        (Kind.MONEY, rf"\(?{_SIGN}{_EXACT}-? ?{_AFTER}(?!\w)", True, False),
        # A worn decimal point is taken for a colon; behind a currency it is no clock.
        (Kind.MONEY, rf"{_SIGN}{_BEFORE} ?\d+:\d\d(?!\d)", True, False),
        (Kind.MONEY, rf"{_SIGN}{_BEFORE} ?{_WHOLE}(?:[.,][-–—]+)?{money_end}(?! ?%)", True, False),
        (Kind.MONEY, rf"{_SIGN}{_WHOLE}(?:[.,][-–—]+)? ?{_AFTER}(?!\w)", True, False),
        # The letter behind an amount of a column names its tax, no amperes.
        (Kind.MONEY, rf"(?<![\s\S]){_SIGN}{_EXACT}(?= ?[A-E]\s*$)", False, False),
        (Kind.MEASURE, rf"{_QUANTITY} ?(?:{_UNITS})(?!\w)", False, False),
        (Kind.MEASURE, rf"{_FRACTION}(?!\w|/)", False, False),
        (Kind.TIME, rf"{_CLOCK.replace('[:.]', ':')}{_NO_MORE}", False, False),
        (Kind.MONEY, rf"\(?{_SIGN}{_EXACT}{_BEHIND}\)?{money_end}", False, False),
        (Kind.MONEY, rf"{_SIGN}\d+[.,][-–—]{{1,2}}(?!\d)", False, False),
        (Kind.MONEY, rf"{_SIGN}{_GROUPED}{_NO_MORE}", False, True),
        (Kind.CODE, _IBAN, False, False),
        (Kind.CODE, r"\d{2,}(?:[ -]\d{2,})+(?!\w)", False, False),
        (Kind.CODE, rf"(?!{_YEARS})\d{{3,}}(?:/\d{{3,}})+(?![\w/])", False, False),
        (Kind.CODE, r"\d+(?:\.\d+){2,}(?![\w])", False, False),
        (Kind.CODE, _LETTERS_AND_FIGURES, False, False),
        (Kind.NUMBER, rf"{_SIGN}{_ANY_NUMBER}{_NO_MORE}(?!-[^\W\d_])", False, False),
    )  # fmt: skip
    cased = (Kind.CODE, Kind.MEASURE)
    return tuple(
        (kind, re.compile(form, 0 if kind in cased else re.IGNORECASE), currency, label)
        for kind, form, currency, label in forms
    )


def tokens(text: str) -> list[Token]:
    """The values of a line, from left to right; they share no character."""
    if not any(character.isnumeric() or character in "@./" for character in text):
        return []
    return list(_found_in(text))


# Every question looks at the same lines again.
@functools.lru_cache(maxsize=4096)
def _found_in(text: str) -> tuple[Token, ...]:
    found = list(_dates_and_phones(text))
    taken = [(token.start, token.end) for token in found]
    at = 0
    for start in _starts(text):
        if start < at or any(first <= start < last for first, last in taken):
            continue
        token = _token_at(text, start, taken)
        if token is not None:
            found.append(token)
            at = token.end
    return tuple(sorted(found, key=lambda token: token.start))


def _dates_and_phones(text: str) -> Iterator[Token]:
    dates = find_dates(text)
    sure = [date for date in dates if not date.needs_label]
    for date in sure:
        yield Token(Kind.DATE, date.text, date.start, date.end)
    spans = [(date.start, date.end) for date in sure]
    unread = text
    for start, end in spans:
        unread = unread[:start] + "," * (end - start) + unread[end:]
    # The library looks closely at every row of figures, for each region: dates are none of its.
    for start, end in find_phones(text) if _MAY_CALL.search(unread) else ():
        if all(end <= first or start >= last for first, last in spans):
            number = text[start:end]
            # A run of figures without any mark may be a barcode, too.
            bare = number.isdigit() or re.match(_SURE_PHONE, number) is None
            yield Token(Kind.PHONE, text[start:end], start, end, needs_label=bare)


_MAY_CALL = re.compile(r"(?:\d(?:[^\w\s,;:$€£%]|\s(?!\s\s)){0,4}){6}\d")
"""Seven figures with nothing between them that ends a telephone number, as a column does."""

_SURE_PHONE = r"\+|\(?0|\(\d{3}\)|(?:1[-. ])?\d{3}[-.]\d{3}[-.]\d{4}$"
"""A number that begins so is one to call; 4471 2209 8830 may also be an account."""


def find_phones(text: str) -> list[tuple[int, int]]:
    """Where telephone numbers stand in a line, in the national forms of `REGIONS` or with a +."""
    found: list[tuple[int, int]] = []
    left = text
    for region in REGIONS:
        # The library is slow where it finds nothing: what another region knows is not asked again.
        if not _MAY_CALL.search(left):
            break
        for match in PhoneNumberMatcher(left, region, leniency=Leniency.VALID):
            number = match.raw_string
            start = match.start
            # A run of digits without any mark may be anything: an account, a code, a barcode.
            bare = re.fullmatch(r"\d+", number) is not None and not number.startswith("0")
            longer = text[start - 1 : start].isalnum() or text[match.end : match.end + 1].isalnum()
            if bare or longer or any(start < last and first < match.end for first, last in found):
                continue
            found.append((start, match.end))
            left = left[:start] + "," * (match.end - start) + left[match.end :]
    return sorted(found)


def is_phone(text: str) -> bool:
    """True if a text is a possible telephone number of one of the regions."""
    for region in REGIONS:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return True
    return False


_GLUE = re.compile(
    r"(?:EXP|BBE?|MFG|MFD|LOT|BATCH|TOTAL|TEL|PH|FAX|NO|REF|RM|EUR|USD|GBP|CHF)[.:]?(?=[\d.$£€])",
    re.IGNORECASE,
)


def _starts(text: str) -> Iterator[int]:
    """Where a token may begin: at the line's start, behind a gap or mark, behind a glued label."""
    glued = {match.end() for match in _GLUE.finditer(text)}
    for at in range(len(text)):
        if text[at].isspace():
            continue
        before = text[at - 1] if at else " "
        if before.isspace() or before in '([|:=*@#"“/–—-×x' or at in glued:
            # A mark between two figures joins them: 12/05, 020-7946.
            inside = before in "/:-–x" and at > 1 and text[at - 2].isalnum()
            inside = inside and text[at].isalnum()
            if not inside or at in glued:
                yield at


def _token_at(text: str, start: int, taken: list[tuple[int, int]]) -> Token | None:
    limit = min((first for first, _ in taken if first >= start), default=len(text))
    for kind, pattern, currency, needs_label in _patterns():
        match = pattern.match(text, start)
        if match is None or match.end() > limit or not match[0].strip():
            continue
        if kind is Kind.TIME and not re.search(r"[:hapU]", match[0]):
            continue
        return Token(
            kind, match[0].rstrip(), start, start + len(match[0].rstrip()), currency, needs_label
        )
    return None
