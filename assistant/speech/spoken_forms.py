"""Printed text as a speech engine shall say it; the printed line itself stays as it is.

An engine reads "(714) 879-3574" as eight hundred seventy-nine and three thousand, "$60.44" as
dollar sixty, and ends a sentence behind "Dr.". So the values of a line are told apart by
`assistant.text.tokens`, and each kind is written in a way that every engine says right.
"""

import re
from collections.abc import Iterator

from assistant.speech.spoken_numbers import (
    LONGEST_READ_AS_NUMBER,
    digits,
    figure,
    fraction_parts,
    measure,
    money,
    number,
    unit_name,
)
from assistant.speech.spoken_prose import prose
from assistant.speech.spoken_ranges import in_words
from assistant.speech.spoken_words import SpokenWords, spoken_words
from assistant.text.dates import Doubt, PrintedDate, find_dates, month_number
from assistant.text.tokens import Kind, Token, tokens

__all__ = ["digits", "spoken", "spoken_value"]

LONGEST_LINE = 400
"""Characters that are cut into values at once; the search for them grows faster than a line."""

_VALUES = (Kind.TIME, Kind.MEASURE, Kind.PERCENT, Kind.MONEY, Kind.NUMBER, Kind.DATE)


def spoken(text: str, language: str = "en") -> str:
    """Return a text as it is to be spoken: telephone numbers in digits, money as money, and so on.

    text:     any number of lines.
    language: of the voice, such as "en" or "pt-BR". For one whose words are not known, only
              numbers that are said digit by digit are written anew.

    A text without figures, units and abbreviations comes back as it is.
    """
    words = spoken_words(language)
    return "".join(_spoken_piece(piece, words) for piece in _pieces(text))


def spoken_value(text: str, kind: Kind, language: str = "en") -> str:
    """Return a value of a known kind as it is to be spoken, whatever its characters look like.

    text:     the whole value as printed.
    language: as for `spoken`.
    """
    words = spoken_words(language)
    printed = text.strip()
    alone = tokens(printed)
    # Where the characters show the kind, they also show what else is known, such as a currency.
    fits = len(alone) == 1 and alone[0].kind is kind and alone[0].text == printed
    value = alone[0] if fits else Token(kind, printed, 0, len(printed))
    return _value(value, printed, words)


def _pieces(text: str) -> Iterator[str]:
    """Cut a text at its line ends, and long lines between words that belong to no value."""
    for line in text.splitlines(keepends=True):
        rest = line
        while len(rest) > LONGEST_LINE:
            window = rest[: LONGEST_LINE + 1]
            ends = [match.end() for match in re.finditer(r"[^\W\d_]{2}[,;.]? (?=[^\W\d_])", window)]
            cut = ends[-1] if ends else LONGEST_LINE
            yield rest[:cut]
            rest = rest[cut:]
        yield rest


def _spoken_piece(piece: str, words: SpokenWords) -> str:
    line = piece.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
    ending = piece[len(line) :]
    if not words.signs:
        return _joined(line, tokens(line), words) + ending
    if not any(character.isnumeric() for character in line):
        found = tokens(line) if re.search(r"[@.]\w", line) else []
        return _joined(line, found, words) + ending
    line = in_words(line, words)
    return _joined(line, _values(line, words), words) + ending


def _values(line: str, words: SpokenWords) -> list[Token]:
    """The tokens of a line, and what else it shows to be dates: 05/2027, Nov 14."""
    found = tokens(line)
    months = [
        Token(Kind.DATE, date.text, date.start, date.end)
        for date in find_dates(line)
        if date.needs_label and (_is_month(line, date) or _is_day(date, words))
    ]
    free = [
        token
        for token in found
        if all(token.end <= month.start or token.start >= month.end for month in months)
    ]
    return sorted([*free, *months], key=lambda token: token.start)


_DATE_LABEL = re.compile(
    r"(?:exp\w*|bbe?|best before|best by|use by|sell by|valid(?: thru| until| to)?|mf[gd]|mhd|"
    r"haltbar bis|gültig bis|scad\w*|cad\w*|val\w*|tht)\W*(?:end\W*|date\W*)?$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?:n[or]\.?|n[°º]|number|invoice|inv\.?|ref\.?|order|rechnung|facture|factura|fattura|#)"
    r"[\s:]*$",
    re.IGNORECASE,
)


def _is_month(line: str, date: PrintedDate) -> bool:
    """True for 05/2027, unless it numbers an invoice, and for 05/27 behind "EXP"."""
    before = line[: date.start]
    if date.has_day or any(character.isalpha() for character in date.text):
        return False
    if re.fullmatch(r"\d{1,2} ?[/-] ?(?:19|20)\d\d|\d\d ?\. ?20\d\d", date.text):
        return _NUMBERED.search(before) is None
    return re.fullmatch(r"\d\d ?[/-] ?\d\d", date.text) is not None and (
        _DATE_LABEL.search(before) is not None
    )


def _is_day(date: PrintedDate, words: SpokenWords) -> bool:
    """True for "Nov 14" in the language of the voice, with its capital."""
    return date.has_day and date.text[0].isupper() and _names_month(date.text, words)


def _names_month(printed: str, words: SpokenWords) -> bool:
    """True if a month is named in this language; "5 out" is no date but in Portuguese."""
    names = [name.lower() for name in re.findall(r"[^\W\d_]{3,}", printed)]
    return any(month.lower().startswith(name) for month in words.months for name in names)


def _joined(line: str, found: list[Token], words: SpokenWords) -> str:
    said: list[str] = []
    at = 0
    before: Token | None = None
    for token in [*found, None]:
        start = len(line) if token is None else token.start
        gap = _between(line[at:start], before, token, words, line)
        said.append(gap)
        if token is not None:
            said.append(_value(token, line, words))
            at = token.end
        before = token
    return _with_gaps(said)


def _with_gaps(said: list[str]) -> str:
    """Join, with a space where a value would run into what stands beside it."""
    text = ""
    for piece in said:
        glued = text[-1:].isalnum() and piece[:1].isalnum()
        text += (" " if glued else "") + piece
    return text


def _between(
    gap: str, before: Token | None, behind: Token | None, words: SpokenWords, line: str
) -> str:
    """What stands between two values, or at an end of the line."""
    if not words.signs:
        return gap
    if before is not None and behind is not None:
        joined = _joint(gap, before, behind, words)
        if joined is not None:
            return joined
    lead = ""
    if before is not None and before.kind is Kind.MEASURE:
        # "12 oz., boxed" goes on behind its full stop.
        gap = re.sub(r"^\.(?=\s*[,;:)]|\s+[a-z])", "", gap)
    if before is not None:
        lead, gap = _unit_behind(gap, before, words)
    said = []
    first = before is None and not lead
    parts = re.split(_BARE_FIGURES, gap)
    for place, part in enumerate(parts):
        if place % 2 and "." in part:
            said.append(part.replace(".", f" {words.sign('dot', '.')} "))
        elif place % 2:
            said.append(digits(part, words.language))
        else:
            last = place + 1 == len(parts)
            said.append(
                prose(
                    part,
                    words,
                    before_figure=not last or behind is not None,
                    before_time=last and behind is not None and _is_time(behind, line, words),
                    first=first and place == 0,
                )
            )
    return lead + _with_gaps(said)


_BARE_FIGURES = r"((?<![\w.,])\d+(?:-\d+){2,}|(?<![\w.,])\d+(?:\.\d+){2,}(?!\w)|\d{5,})"
"""Figures that are no value of any kind: ISBNs, network addresses, long numbers."""


def _is_time(token: Token, line: str, words: SpokenWords) -> bool:
    """True for a date, a clock time, and the first of the hours "9 to 5"."""
    hours = re.match(rf"\d{{1,2}} {words.sign('to', '-')} \d{{1,2}}\b", line[token.start :])
    return token.kind in (Kind.TIME, Kind.DATE) or hours is not None


def _joint(gap: str, before: Token, behind: Token, words: SpokenWords) -> str | None:
    """A gap that holds nothing but a sign, or None."""
    sign = gap.strip()
    if not sign and before.kind is Kind.MEASURE and re.search(r"\bin$", before.text):
        return gap  # "1 in 5"
    if not sign:
        return ", "  # two columns are two values
    if re.fullmatch(r"[xX×]", sign):
        length = any(behind.text.endswith(unit) for unit in words.lengths)
        sizes = length and behind.kind is Kind.MEASURE
        return f" {words.sign('by' if sizes else 'times', sign)} "
    if re.fullmatch(r"[-–—]", sign) and before.kind in _VALUES and behind.kind in _VALUES:
        mixed = before.kind is not behind.kind and behind.kind is Kind.MONEY
        return gap if mixed else f" {words.sign('to', sign)} "
    if sign == "/" and before.kind in _VALUES and behind.kind in _VALUES and gap != "/":
        return ", "
    return None


def _unit_behind(gap: str, before: Token, words: SpokenWords) -> tuple[str, str]:
    """(words, rest) of a gap that begins with a unit, or with a price's or a speed's "per"."""
    per = re.match(r"\s?/\s?([^\W\d_]+[²³]?)(?!\w)", gap)
    if per is not None and before.kind in (Kind.MONEY, Kind.MEASURE, Kind.NUMBER):
        unit = unit_name(per[1], words, single=True)
        if unit is None and before.kind is Kind.MONEY and per[1].islower():
            unit = per[1]
        if unit is not None:
            return f" {words.sign('per', '/')} {unit}", gap[per.end() :]
    behind = re.match(r"\s?(°\s?[CF]|[^\W\d_]+[²³]?|°)(?!\w)", gap)
    bare = before.kind is Kind.NUMBER or (before.kind is Kind.MONEY and not before.currency)
    if behind is not None and bare:
        single = before.text.lstrip("+-−") == "1"
        name = unit_name(behind[1].replace(" ", ""), words, single=single)
        # Lower case words such as "day" are said as they stand.
        if name is not None and behind[1] not in (name, name + "s"):
            return f" {name}", gap[behind.end() :]
    return "", gap


def _value(token: Token, line: str, words: SpokenWords) -> str:
    """A value as it is spoken, by its kind."""
    if token.kind is Kind.PHONE:
        return _phone(token.text, words)
    if token.kind is Kind.CODE:
        return _code(token.text, words)
    if not words.signs:
        return token.text
    dash = re.match(r"[-–−] ", token.text)
    if dash is not None:
        # A dash between words, such as between a dish and its price, is no minus.
        rest = Token(token.kind, token.text[2:], token.start + 2, token.end, token.currency)
        return dash[0] + _value(rest, line, words)
    if token.kind is Kind.MONEY:
        return _money(token, line, words)
    if token.kind is Kind.MEASURE:
        return _measure(token, line, words)
    if token.kind is Kind.PERCENT:
        read = figure(token.text, words)
        return token.text if read is None else f"{read.words(words)} {words.sign('percent', '%')}"
    if token.kind is Kind.DATE:
        return _date(token.text, words)
    if token.kind is Kind.TIME:
        # The full stop of "2 p.m." may end a sentence, too.
        ends = re.match(r"\s*$|\s+[A-Z]", line[token.end :]) and token.text.endswith(".")
        return _time(token.text, words) + ("." if ends else "")
    if token.kind in (Kind.EMAIL, Kind.WEB):
        return _address(token.text, words)
    if re.fullmatch(r"[1-9]\d{4,5}", token.text) and re.match(r"\s[a-z]{3}", line[token.end :]):
        return token.text  # "39982 people" are counted
    return number(token.text, words)


def _phone(printed: str, words: SpokenWords) -> str:
    called, *behind = re.split(r"(ext|x|#)[. :]*", printed, maxsplit=1, flags=re.IGNORECASE)
    said = digits(called, words.language)
    if behind:
        name = words.before_figures.get("ext.", behind[0])
        said += f", {name} {digits(behind[1], words.language)}"
    return said


def _code(printed: str, words: SpokenWords) -> str:
    """A code letter by letter, but B12, A4, 1ST and 3D as they are, and words as words."""
    glued = re.fullmatch(r"([\d.,]+)([A-Z]{1,4})", printed)
    if glued is not None and words.signs:
        if re.fullmatch(r"ST|ND|RD|TH", glued[2]):
            return printed.lower()
        if unit_name(glued[2], words, single=False) and len(glued[2]) > 1:
            return measure(f"{glued[1]} {glued[2]}", words)
    if re.fullmatch(r"[A-Z]\d{1,2}|\d{1,4}[A-Z]", printed):
        return printed
    if re.search(r"[A-Z]{5}", printed):
        # Words that lost their gaps: 2621ORANGEAVE.
        return re.sub(r"(?<=\d)(?=[A-Z])|(?<=[A-Z])[-/]?(?=\d)", " ", printed)
    word = re.fullmatch(r"([A-Z]*[AEIOUY][A-Z]*)[-/]?(\d+)", printed)
    if word is not None and (len(word[1]) >= 4 or (len(word[1]) == 3 and len(word[2]) == 1)):
        figures = word[2]
        short = len(figures) <= LONGEST_READ_AS_NUMBER and not figures.startswith("0")
        return f"{word[1]} {figures if short else digits(figures, words.language)}"
    return digits(printed, words.language)


def _money(token: Token, line: str, words: SpokenWords) -> str:
    if token.needs_label and re.search(r"\d\s\d", token.text):
        return token.text  # "Flat 12 345 Main Street"
    volume = re.match(r"\s?(?:/|per|pro|par|al)\s?(?:l|L|litre|liter|gal)\b", line[token.end :])
    return money(token.text, words, by_volume=volume is not None)


_PAGE = re.compile(r"(?:page|part|step|sheet|seite|teil|página|pagina|foglio)\W*$", re.IGNORECASE)


def _measure(token: Token, line: str, words: SpokenWords) -> str:
    if re.fullmatch(r"\d+/\d+", token.text):
        if _PAGE.search(line[: token.start]):
            return token.text.replace("/", f" {words.sign('of', '/')} ")
        # A bare 1/2 is a half of what follows, or the first of two.
        if re.match(r"\s+[^\W\d_]", line[token.end :].lower()) is None or (
            fraction_parts(token.text) is None
        ):
            return token.text
    behind = line[token.end :]
    if token.text.endswith("in") and re.match(r"\s+(?![x×] )\w", behind):
        return token.text  # "5 in stock", "1 in 5"
    return measure(token.text, words)


def _time(printed: str, words: SpokenWords) -> str:
    match = re.fullmatch(
        r"(\d{1,2})(?:[:.h](\d\d))?(?::(\d\d))? ?([ap])?\.?(?:m\.?|Uhr|h|hrs)?",
        printed,
        re.IGNORECASE,
    )
    if match is None:
        return printed
    hours, minutes, seconds, half = match[1], match[2], match[3], match[4]
    if half is not None:
        clock = hours if minutes in (None, "00") else f"{hours}:{minutes}"
        return f"{clock} {half.lower()}m"
    if minutes is None:
        return printed
    hours = str(int(hours))
    if seconds is not None:
        return f"{hours} {minutes} {seconds}"
    form = words.time
    if minutes == "00" and hours != "0":
        form = words.late_hour if words.late_hour and int(hours) > 12 else words.full_hour
    return form.format(hours=hours, minutes=minutes)


def _date(printed: str, words: SpokenWords) -> str:
    """A date with its month's name; where day and month are open, its figures as they stand."""
    date = next(iter(find_dates(printed)), None)
    if date is None or not words.months:
        return printed
    if any(character.isalpha() for character in printed):
        return _named_date(printed, date, words)
    groups: list[str] = re.findall(r"\d+", printed)
    if date.doubt is Doubt.IMPOSSIBLE and "-" in printed:
        return digits(printed, words.language)  # a sort code
    if date.doubt is not Doubt.NONE:
        return ", ".join(str(int(group)) for group in groups[:2]) + ", " + groups[2]
    day = date.days[0][0]
    year = next((group for group in groups if len(group) == 4), groups[-1])
    if not date.has_day:
        # "May 27" would be heard as a day.
        return _date_in_words(None, day.month, str(day.year), words)
    return _date_in_words(day.day, day.month, year, words)


def _named_date(printed: str, date: PrintedDate, words: SpokenWords) -> str:
    groups = re.findall(r"\d+|[^\W\d_]+", printed)
    months = [month_number(group) for group in groups if not group.isdecimal()]
    month = next((each for each in months if each is not None), None)
    figures = [group for group in groups if group.isdecimal()]
    if month is None or date.doubt is not Doubt.NONE:
        return printed
    if not date.has_year and not _names_month(printed, words):
        return printed
    year = figures[-1] if date.has_year else ""
    day = int(figures[0]) if date.has_day else None
    ordinal = re.search(r"\d+(?:st|nd|rd|th)\b", printed, re.IGNORECASE)
    # "November 14, 2025" keeps its order in English, where both are said.
    if words.language == "en" and date.has_day and not printed[0].isdigit():
        spoken_day = ordinal[0].lower() if ordinal else str(day)
        return ", ".join(filter(None, (f"{words.months[month - 1]} {spoken_day}", year)))
    said = _date_in_words(day, month, year, words)
    if words.language == "en" and ordinal is not None:
        said = ordinal[0].lower() + said.removeprefix(str(day))
    return said


def _date_in_words(day: int | None, month: int, year: str, words: SpokenWords) -> str:
    form = words.date if year else words.day_month
    if day is None:
        form = words.month_year
    named = words.days[day - 1] if day is not None and day <= len(words.days) else day
    return form.format(day=named, month=words.months[month - 1], year=year)


_ADDRESS_SIGNS = {".": "dot", "@": "at", "-": "dash", "_": "underscore", "/": "slash", "+": "plus"}


def _address(printed: str, words: SpokenWords) -> str:
    """An address with its marks as words: what it begins with, https or so, says nothing."""
    text = re.sub(r"^https?://", "", re.sub(r"\s", "", printed), flags=re.IGNORECASE)
    text = re.sub(r"^www(?=\.)", "w w w", text, flags=re.IGNORECASE).rstrip("/")
    pieces = re.split(r"([.@_/+-])", text)
    said = [words.sign(_ADDRESS_SIGNS[each], each) if place % 2 else each
            for place, each in enumerate(pieces)]  # fmt: skip
    return " ".join(filter(None, said))
