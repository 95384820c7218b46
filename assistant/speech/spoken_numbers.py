"""Printed figures as a speech engine shall say them: numbers, amounts, measures, single digits."""

import re
from dataclasses import dataclass

from assistant.speech.spoken_words import SpokenWords, spoken_words

LONGEST_GROUP = 6
"""Digits that are said without a pause; a longer group is cut into threes."""

LONGEST_READ_AS_NUMBER = 4
"""Digits of a bare number that is read as one; a longer one names something, as a ZIP code does."""

_MARKS = ".,"
_GROUPING = r"['’\s\u00a0\u202f]"
_MINUS = "-−–"

_GLYPHS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5",
    "⅗": "3/5", "⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8",
}  # fmt: skip
_SIGNS = "".join(_GLYPHS)
_COMMON_PARTS = "234568"
"""Denominators that are printed as one sign."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A printed number taken apart.

    whole:    its digits before the decimals, without separators; may be empty, as in .5.
    decimals: those behind, or empty.
    negative: True with a minus before or behind it.
    positive: True with a plus.
    """

    whole: str
    decimals: str
    negative: bool = False
    positive: bool = False

    def words(self, words: SpokenWords) -> str:
        """The number as an engine reads it: no thousands separators, the language's own mark."""
        if not self.decimals:
            number = self.whole
        elif not self.whole:
            number = f"{words.sign('point', words.decimal)} {self.decimals}"
        else:
            number = f"{self.whole}{words.decimal}{self.decimals}"
        return self.sign(words) + number

    def sign(self, words: SpokenWords) -> str:
        """The word for its sign with a space, or nothing."""
        if self.negative:
            return words.sign("minus", "-") + " "
        return words.sign("plus", "+") + " " if self.positive else ""


def figure(printed: str, words: SpokenWords, *, grouped: bool = False) -> Figure | None:
    """Take a printed number apart, or None if it holds none.

    A single mark before three figures parts thousands, unless it is the language's own decimal
    mark; with `grouped` it parts thousands in any case, as it does in money.
    """
    match = re.search(rf"[.,]?\d(?:(?:{_GROUPING}|[.,])?\d)*", printed)
    if match is None:
        return None
    before, behind = printed[: match.start()], printed[match.end() :]
    digits = re.sub(_GROUPING, "", match[0])
    marks = [character for character in digits if character in _MARKS]
    whole, decimals = digits, ""
    if len(set(marks)) == 2 or len(marks) == 1:
        head, mark, tail = digits.rpartition(marks[-1])
        thousands = len(marks) == 1 and re.fullmatch(r"[1-9]\d{0,2}", head) and len(tail) == 3
        if not thousands or (mark == words.decimal and not grouped):
            whole, decimals = head, tail
    return Figure(
        re.sub(r"[.,]", "", whole),
        decimals,
        negative=_has_minus(before, behind),
        positive="+" in before,
    )


def _has_minus(before: str, behind: str) -> bool:
    # A dash with a gap behind it parts words; one behind a decimal mark stands for no cents.
    leads = re.search(rf"[{_MINUS}](?:\(?\S*)$", before) is not None
    return leads or re.match(r"-", behind) is not None


def number(printed: str, words: SpokenWords) -> str:
    """A bare number: read as one if it is short, else, and with leading zeros, digit by digit."""
    if re.fullmatch(r"0\d+", printed) or re.fullmatch(
        rf"\d{{{LONGEST_READ_AS_NUMBER + 1},}}", printed
    ):
        return digits(printed, words.language)
    read = figure(printed, words)
    if read is None:
        return printed
    return read.words(words)


def money(printed: str, words: SpokenWords, *, by_volume: bool = False) -> str:
    """An amount with its currency's name, cents behind it; without a currency as a number.

    by_volume: True for the price of fuel, which has three decimals.
    """
    inside = re.fullmatch(r"(\(?)(.*?)(\)?)", printed)
    if inside is not None and (inside[1] or inside[3]):
        return inside[1] + money(inside[2], words, by_volume=by_volume) + inside[3]
    found = next((key for key in _currencies(words) if _holds(printed, key)), None)
    letters = re.sub(r"[\d\s.,'’()+−–-]", "", printed)
    if found is None and letters:
        return _unknown_currency(printed, words)
    rest = printed if found is None else re.sub(re.escape(found), "", printed, count=1, flags=re.I)
    rest = re.sub(r"(?<=\d)[.,][-–—]+", "", rest).strip()
    own_mark = words.decimal == "." and found in ("$", "£", "US$")
    read = figure(rest, words, grouped=found is not None and not own_mark and not by_volume)
    if read is None:
        return printed
    if found is None:
        return read.words(words)
    return read.sign(words) + _amount(read, words.currencies[found], words)


def _amount(read: Figure, forms: tuple[str, ...], words: SpokenWords) -> str:
    unit = forms[0] if read.whole.lstrip("0") == "1" else forms[1]
    if len(read.decimals) not in (0, 2):
        return f"{Figure(read.whole, read.decimals).words(words)} {forms[1]}"
    if not read.decimals.strip("0"):
        return f"{read.whole} {unit}"
    if not read.whole.strip("0"):
        if len(forms) < 4:
            return f"{Figure('0', read.decimals).words(words)} {forms[1]}"
        part = read.decimals.lstrip("0")
        return f"{part} {forms[2] if part == '1' else forms[3]}"
    return words.money.format(whole=read.whole, unit=unit, part=read.decimals)


def _unknown_currency(printed: str, words: SpokenWords) -> str:
    """The currency as it stands, and only the number made easier to read."""
    match = re.search(rf"\d(?:(?:{_GROUPING}|[.,])?\d)*", printed)
    read = None if match is None else figure(match[0], words, grouped=True)
    if match is None or read is None or not words.signs:
        return printed
    return printed[: match.start()] + read.words(words) + printed[match.end() :]


def _currencies(words: SpokenWords) -> list[str]:
    return sorted(words.currencies, key=len, reverse=True)


def _holds(printed: str, currency: str) -> bool:
    word = r"(?<![^\W\d_]){}(?![^\W\d_])" if currency[0].isalpha() else "{}"
    return re.search(word.format(re.escape(currency)), printed, re.IGNORECASE) is not None


def measure(printed: str, words: SpokenWords) -> str:
    """A quantity with its unit's name, in the number that the quantity asks for."""
    match = re.fullmatch(rf"([\d\s.,'’/⁄{_SIGNS}-]*[\d{_SIGNS}])(\s*)(\D.*)?", printed)
    if match is None or re.fullmatch(r"\d*\d0s", printed):
        return printed  # "the 1980s", "in his 50s"
    quantity, gap, unit = match[1], match[2], match[3] or ""
    parts = fraction_parts(quantity)
    if parts is not None:
        between = unit_name(unit, words, single=parts[0] == "1") if parts[0] else None
        name = words.fractions.get(parts[1])
        if between is not None and name is not None and words.mixed_measure:
            return words.mixed_measure.format(whole=parts[0], unit=between, fraction=name)
        spoken = fraction(*parts, words)
        single = not parts[0]
    else:
        read = figure(quantity, words)
        if read is None:
            return printed
        spoken, single = read.words(words), read.whole == "1" and not read.decimals
    if spoken is None:
        return printed.replace("⁄", f" {words.sign('over', '/')} ")
    name = unit_name(unit, words, single=single)
    if name is None:
        return spoken + gap + unit
    return f"{spoken} {name}"


def unit_name(unit: str, words: SpokenWords, *, single: bool) -> str | None:
    """The name of a unit as printed, or None for one that the language does not know."""
    forms = words.units.get(unit) or words.units.get(unit.rstrip("."))
    return None if forms is None else forms[0 if single else 1]


def fraction_parts(printed: str) -> tuple[str, str] | None:
    """(whole number or nothing, "1/2") of a printed fraction, or None if it is none.

    Recognition turns 1½ into 11⁄2 or 11/2: nobody prints eleven halves of a tablet, so what stands
    before the last figure of the numerator is the whole number.
    """
    text = printed.strip()
    if text[-1:] in _GLYPHS:
        whole = text[:-1].strip()
        return (whole, _GLYPHS[text[-1]]) if whole == "" or whole.isdecimal() else None
    match = re.fullmatch(r"(?:(\d+)[ -])?(\d+)[/⁄](\d+)", text)
    if match is None:
        return None
    whole, upper, lower = match[1] or "", match[2], match[3]
    if not whole and len(upper) > 1 and lower in _COMMON_PARTS and int(upper[-1]) < int(lower):
        whole, upper = upper[:-1], upper[-1]
    return whole, f"{upper}/{lower}"


def fraction(whole: str, part: str, words: SpokenWords) -> str | None:
    """A number with a fraction in words, or None for one without a name of its own."""
    name = words.fractions.get(part)
    if name is None or not words.mixed:
        return None
    if whole and f"{whole} {part}" in words.fractions:
        return words.fractions[f"{whole} {part}"]
    return words.mixed.format(whole=whole, fraction=name) if whole else name


def digits(text: str, language: str = "en") -> str:
    """Spell a number: digit by digit, letter by letter, with pauses where it is printed in groups.

    Marks that only part groups are pauses; a plus, a minus before the number and its decimal mark
    are said. "(714) 879-3574" is "7 1 4, 8 7 9, 3 5 7 4".
    """
    words = spoken_words(language)
    groups = re.findall(r"[^\W_]+", text)
    spoken = [_group(group, words) for group in groups]
    decimals = re.fullmatch(r"\D*\d+(?:[ ,.'’]\d{3})*[.,]\d{1,2}\D*", text)
    said = ", ".join(spoken[:-1] if decimals else spoken)
    if decimals and len(spoken) > 1:
        said += f" {words.sign('point', words.decimal)} {spoken[-1]}"
    lead = re.match(r"[\s(]*([+−-])\s?[^\W_]", text)
    if lead:
        sign = ("plus", "+") if lead[1] == "+" else ("minus", "-")
        said = f"{words.sign(*sign)} {said}"
    return said


def _group(group: str, words: SpokenWords) -> str:
    pieces = [group]
    if len(group) > LONGEST_GROUP and group.isdecimal():
        cuts = list(range(0, len(group), 3))
        # A single digit at the end goes with those before it.
        if len(group) % 3 == 1:
            cuts.pop()
        pieces = [group[a:b] for a, b in zip(cuts, [*cuts[1:], len(group)], strict=True)]
    return ", ".join(" ".join(_letters(piece, words)) for piece in pieces)


def _letters(piece: str, words: SpokenWords) -> list[str]:
    # An English engine takes a lone A before something for the article.
    last = len(piece) - 1
    return [
        "A," if letter in "Aa" and words.language == "en" and place < last else letter
        for place, letter in enumerate(piece)
    ]
