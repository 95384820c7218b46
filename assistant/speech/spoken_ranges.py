"""Signs between figures, written as words before a line is cut: 1-2, 10x15 cm, 1.20/100g, $5m."""

import functools
import re

from assistant.speech.spoken_words import SpokenWords
from assistant.text.calendar_names import weekday

_NUMBER = r"\d+(?:[.,]\d+)*"
_CURRENCY = r"(?:[£$€¥]|US\$|EUR|USD|GBP|CHF)"
_CLOCK = r"\d{1,2}(?:[:.h]\d\d)?(?: ?[ap]\.?m\b\.?)?"
_DASH = "[-–—]"
_FREE = r"(?<![\w.,/:-])(?<!\d )(?<!\) )"

_TIMES = re.compile(rf"{_FREE}({_CLOCK})( ?){_DASH}( ?)({_CLOCK})(?![\w/:-]|[.,]\d)", re.IGNORECASE)
_NUMBERS = re.compile(
    rf"{_FREE}({_CURRENCY} ?)?({_NUMBER})( ?){_DASH}( ?)({_CURRENCY} ?)?({_NUMBER})"
    r"(?!\d|[-/:.,–]\d|[-–]\w)"
)
_SAME_UNIT = re.compile(
    rf"{_FREE}({_NUMBER}) ?(%|°[CF]?|[^\W\d_]{{1,5}}[²³]?) ?{_DASH} ?(?={_NUMBER} ?\2(?!\w))"
)
_PRESSURE = re.compile(r"(?<![\w/])(\d{2,3}) ?/ ?(?=\d{2,3} ?mmHg)")
_TIMESTAMP = re.compile(r"(?<=\d\d-\d\d)T(?=\d\d:\d\d)")
_GLUED_DATE = re.compile(r"(?<=\d[/.-](?:19|20)\d\d)(?=[A-Z]{3})")
_YEAR = r"(?:1[5-9]|20)\d\d"
_CHAIN = re.compile(
    rf"(?<![\w.,])({_NUMBER}(?: ?[xX×] ?{_NUMBER})+)( ?([^\W\d_²³°%]+[²³]?))?(?![\w])"
)
_STRENGTH = re.compile(
    r"(\d ?(?:mg|mcg|[µμ]g|g|IU|kcal|kJ|mmol)) ?/ ?(?=\d+(?:[.,]\d+)? ?(?:ml|mL|l|L|dl|k?g)(?!\w))"
)
_GLUED_UNITS = re.compile(r"(\d ?[^\W\d_]{1,4})/(?=\d+(?:[.,]\d+)? ?[^\W\d_])")
_COMPARED = re.compile(r"(?<![\w<>=~≈≤≥-])([<>≤≥~≈]) ?(?=[.,]?\d)")
_PER = re.compile(r"(?<=[\w€£$]) ?/ ?(?=(?:1|10|100|1000) ?(?:g|kg|ml|mL|l|L|cl|dl|m|km)(?!\w))")
_DOSE = (
    r"(?:tab(?:let)?s?|pills?|capsules?|tsp|tbsp|teaspoons?|tablespoons?|cups?|Tabletten?|"
    r"comprim[éi]\w*|compress[ae]|tabletten|comprimidos?|EL|TL)(?!\w)"
)
_GLUED_FRACTION = re.compile(rf"(?<![\d/.,])(\d{{1,2}})(\d)/([2348])(?= ?{_DOSE})")


def in_words(line: str, words: SpokenWords) -> str:
    """Return the line with ranges, products, prices per amount and scaled amounts in words."""
    line = _GLUED_DATE.sub(" ", line)
    if "/" in line:
        line = _GLUED_FRACTION.sub(_mixed, line)
        line = _PRESSURE.sub(rf"\1 {words.sign('over', '/')} ", line)
        line = _STRENGTH.sub(rf"\1 {words.sign('per', '/')} ", line)
        line = _PER.sub(f" {words.sign('per', '/')} ", line)
        line = _GLUED_UNITS.sub(r"\1 / ", line)
    line = _COMPARED.sub(lambda match: f"{words.sign(match[1], match[1])} ", line)
    line = _scaled(line, words)
    if any(dash in line for dash in "-–—"):
        line = _TIMESTAMP.sub(" ", line)
        line = _SAME_UNIT.sub(rf"\1 \2 {words.sign('to', '-')} ", line)
        line = _TIMES.sub(lambda match: _times(match, words), line)
        line = _NUMBERS.sub(lambda match: _numbers(match, words), line)
    if any(cross in line for cross in "xX×"):
        line = _CHAIN.sub(lambda match: _product(match, words), line)
        # "2 x daily", but not the x of a size or of a code.
        times = words.sign("times", "x")
        line = re.sub(r"(?<![\w.,])(\d{1,2}) ?[x×] (?=[^\W\d_])", rf"\1 {times} ", line)
    return line


def _mixed(match: re.Match[str]) -> str:
    proper = int(match[2]) < int(match[3])
    return f"{match[1]} {match[2]}/{match[3]}" if proper else match[0]


def _times(match: re.Match[str], words: SpokenWords) -> str:
    first, second = match[1], match[4]
    half_day = r"[ap]\.?m"
    clocks = all(re.search(rf"[:h]|{half_day}", each, re.IGNORECASE) for each in (first, second))
    opening = re.search(half_day, second, re.IGNORECASE) and int(re.split(r"\D", first)[0]) <= 12
    if not (clocks or opening) or bool(match[2]) != bool(match[3]):
        return match[0]
    return f"{first} {words.sign('to', '-')} {second}"


def _numbers(match: re.Match[str], words: SpokenWords) -> str:
    first, second = match[2], match[6]
    spaced = bool(match[3])
    day = re.search(r"([^\W\d_]+)[.:]* $", match.string[: match.start()])
    if day is not None and weekday(day[1]) is not None and _are_hours(first, second):
        return f"{first} {words.sign('to', '-')} {second}"  # "Mon-Fri 9-5"
    if spaced != bool(match[4]) or any(re.match(r"0\d", each) for each in (first, second)):
        return match[0]
    years = all(re.fullmatch(_YEAR, each) for each in (first, second))
    values = [_value(each) for each in (first, second)]
    if values[0] >= values[1] or not (years or max(map(_whole_digits, (first, second))) <= 3):
        return match[0]  # a telephone number, a score, a code
    priced = bool(match[5]) and not match[1]
    if spaced and (priced or _has_decimals(first) != _has_decimals(second)):
        return match[0]  # "Table 2 - 3.50" is a name and its price
    to = words.sign("to", "-")
    return f"{match[1] or ''}{first} {to} {match[5] or ''}{second}"


def _are_hours(*printed: str) -> bool:
    return all(each.isdecimal() and int(each) <= 24 for each in printed)


def _value(printed: str) -> float:
    whole, _, rest = printed.replace(",", ".").partition(".")
    return float(f"{whole}.{rest.replace('.', '')}")


def _whole_digits(printed: str) -> int:
    return len(re.split(r"[.,]", printed)[0])


def _has_decimals(printed: str) -> bool:
    return re.search(r"[.,]", printed) is not None


def _product(match: re.Match[str], words: SpokenWords) -> str:
    chain, unit = match[1], match[3]
    glued = " " not in chain
    if chain.startswith("0") and not re.match(r"0[.,]", chain) or ("X" in chain and glued):
        return match[0]  # a code
    known = unit is None or unit in words.units or unit in words.lengths
    if not known and match[2] == unit:
        return match[0]  # "2x3abc" is a code
    sizes = unit in words.lengths if unit is not None and known else glued
    word = words.sign("by", "x") if sizes else words.sign("times", "x")
    return re.sub(r" ?[xX×] ?", f" {word} ", chain) + (match[2] or "")


@functools.cache
def _scale_pattern(words: SpokenWords) -> re.Pattern[str]:
    scales = sorted(words.scales, key=len, reverse=True)
    alternatives = "|".join(re.escape(each) for each in scales)
    return re.compile(rf"(?<!\w)([£$€]) ?({_NUMBER}) ?({alternatives})(?!\w)")


def _scaled(line: str, words: SpokenWords) -> str:
    """ "$1.5m" into "1.5 million dollars"."""
    if not words.scales or not any(sign in line for sign in "£$€"):
        return line

    def replace(match: re.Match[str]) -> str:
        currency = words.currencies.get(match[1])
        if currency is None:
            return match[0]
        return f"{match[2]} {words.scales[match[3]]} {currency[1]}"

    return _scale_pattern(words).sub(replace, line)
