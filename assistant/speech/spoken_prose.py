"""What stands between the figures of a line: abbreviations, ranges of days, signs that join."""

import functools
import re

from assistant.speech.spoken_words import SpokenWords

_ALONE = (
    "kcal", "kJ", "mcg", "µg", "μg", "mg", "kg", "ml", "mL", "kWh", "km/h", "mmHg", "mmol/l",
    "mmol/L", "mAh", "°C", "°F", "cm", "mm", "km",
)  # fmt: skip
"""Units that are no words, so that they are units also where no figure stands before them."""

_DASH = "–—-"


def prose(
    text: str, words: SpokenWords, *, before_figure: bool, before_time: bool, first: bool
) -> str:
    """A text without figures as it is spoken.

    before_figure: True if a figure follows it.
    before_time:   True if that figure is a clock time, hours from one to another, or a date.
    first:         True if it begins its line.
    """
    if not any(character.isalpha() or character in "&#°" for character in text):
        return text
    text = _days(text, words, before_time=before_time, first=first and not before_figure)
    text = _abbreviations(text, words, before_figure=before_figure)
    for suffix, whole in words.suffixes.items():
        text = re.sub(rf"(?<=[^\W\d_]{{2}}){re.escape(suffix)}(?!\w)", whole, text)
    if words.language == "en":
        text = _saints(text)
    text = re.sub(r"(?<=\s)&(?=\s)", words.sign("and", "&"), text)
    return _units_alone(text, words)


@functools.cache
def _pattern(keys: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))
    return re.compile(
        rf"(?<![\w.&'’-])(?:{alternatives or '(?!)'})(?![\w@]|\.\w|\.(?=\.))", re.IGNORECASE
    )


def _abbreviations(text: str, words: SpokenWords, *, before_figure: bool) -> str:
    def plain(match: re.Match[str]) -> str:
        return _like(match[0], words.short[match[0].lower()])

    def title(match: re.Match[str]) -> str:
        follows = re.match(r"\s+[^\W\d_]", text_now[match.end() :])
        is_name = follows is not None and follows[0][-1].isupper()
        return words.titles[match[0].lower()] if is_name else match[0]

    def may_end(match: re.Match[str]) -> str:
        rest = text_now[match.end() :]
        ends = re.match(r"\s+[^\W\d_]", rest)
        # "Co. Ltd." goes on with another abbreviation.
        if ends is not None and _pattern(tuple(words.short_at_end)).match(rest.lstrip()):
            ends = None
            rest = "-"
        is_end = rest.strip() == "" if ends is None else ends[0][-1].isupper()
        word = _like(match[0], words.short_at_end[match[0].lower()])
        return word + "." if is_end and not (before_figure and not rest.strip()) else word

    def figure_follows(match: re.Match[str]) -> str:
        rest = text_now[match.end() :]
        near = re.match(r"[\s:.#]*$", rest) is not None and before_figure
        near = near or re.match(r"[\s:#]*\d", rest) is not None
        return _like(match[0], words.before_figures[match[0].lower()]) if near else match[0]

    for table, replace in (
        (words.before_figures, figure_follows),
        (words.titles, title),
        (words.short, plain),
        (words.short_at_end, may_end),
    ):
        text_now = text
        text = _pattern(tuple(table)).sub(replace, text_now)
    number = words.signs.get("number")
    if number and before_figure:
        text = re.sub(r"#\s?$", f"{number} ", text)
    return text


def _like(printed: str, word: str) -> str:
    """The word with a capital where the print has one: it may begin a sentence."""
    return word[0].upper() + word[1:] if printed[0].isupper() and word else word


def _saints(text: str) -> str:
    """ "St." before a name is a saint, behind one a street; between two names it stays open."""

    def replace(match: re.Match[str]) -> str:
        name_before = re.search(r"[A-Z][\w'’]*\s+$", text[: match.start()]) is not None
        name_behind = re.match(r"\s+[A-Z]", text[match.end() :]) is not None
        if name_behind and not name_before:
            return "Saint"
        if name_before and not name_behind:
            return "Street" if text[match.end() :].strip() else "Street."
        # Its full stop would end a sentence in the middle of an address.
        return "St" if name_behind else match[0]

    return re.sub(r"\bSt\.(?!\w)", replace, text)


@functools.cache
def _day_patterns(words: SpokenWords) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """(two days of a range, days in a list, an abbreviated day alone)."""
    short = "|".join(re.escape(each) for each in sorted(words.day_short, key=len, reverse=True))
    day = rf"(?:(?:{short})\.?|{'|'.join(words.weekdays)})(?!\w)"
    both = "|".join(re.escape(words.sign(name, sign)) for name, sign in (("and", "&"), ("to", "-")))
    joined = rf"(?: ?[,&+/] ?| (?:{both}) )"
    forms = (
        rf"(?<!\w)({day}) ?[{_DASH}] ?({day})(?![{_DASH}])",
        rf"(?<![\w-]){day}(?:{joined}{day})+(?![\w-])",
        rf"(?<![\w'’{_DASH}])(?:{short})\.?(?![\w'’{_DASH}])",
    )
    span, days, alone = (re.compile(form, re.IGNORECASE) for form in forms)
    return span, days, alone


def _days(text: str, words: SpokenWords, *, before_time: bool, first: bool) -> str:
    """Abbreviated days in full where the text shows that they are days."""
    if not words.weekdays:
        return text
    in_range, in_list, single = _day_patterns(words)

    def both(match: re.Match[str]) -> str:
        # "Sat-on" and the like: both are names of days, printed alike.
        if match[1][0].islower() != match[2][0].islower():
            return match[0]
        first_day, last_day = (_day(each, words) or each for each in match.groups())
        return f"{first_day} {words.sign('to', '-')} {last_day}"

    def every(match: re.Match[str]) -> str:
        return single.sub(lambda each: _capital_day(each[0], words), match[0])

    def alone(match: re.Match[str]) -> str:
        rest = text[match.end() :]
        near = before_time and re.fullmatch(r"[\s:.,]*", rest) is not None
        whole = first and text.strip(" .:") == match[0].strip(" .:")
        sure = match[0].lower().rstrip(".") in words.day_sure
        closed = re.match(r"[\s:]+closed\b", rest, re.IGNORECASE) is not None
        is_day = near or whole or sure or closed
        # Its full stop goes, unless the sentence may end there.
        stop = "." if match[0].endswith(".") and not rest.strip() and not before_time else ""
        return _capital_day(match[0].rstrip("."), words) + stop if is_day else match[0]

    text = in_range.sub(both, text)
    text = in_list.sub(every, text)
    return single.sub(alone, text)


def _day(word: str, words: SpokenWords) -> str | None:
    known = words.day_short.get(word.lower().rstrip("."))
    return None if known is None else words.weekdays[known]


def _capital_day(word: str, words: SpokenWords) -> str:
    """The day in full if it is printed with a capital; "sat" and "sun" are words, and "We"."""
    if words.language == "en" and len(word.rstrip(".")) < 3:
        return word
    return word if word[0].islower() else _day(word, words) or word


@functools.cache
def _unit_pattern(words: SpokenWords) -> re.Pattern[str]:
    known = sorted((key for key in _ALONE if key in words.units), key=len, reverse=True)
    alternatives = "|".join(map(re.escape, known)) or "(?!)"
    per = re.escape(words.sign("per", "/"))
    return re.compile(rf"(?<!\w)({per}\s+)?({alternatives})(?![\w/])")


def _units_alone(text: str, words: SpokenWords) -> str:
    """Units without a figure: "per kg" and the "(kcal)" over a column."""
    return _unit_pattern(words).sub(
        lambda match: f"{match[1] or ''}{words.units[match[2]][0 if match[1] else 1]}", text
    )
