"""The words that stand for printed signs when they are spoken: units, currencies, abbreviations.

English stands here; every other language is one file of `languages/`, with the same names. What a
language does not name is spoken as it is printed.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any

from babel import UnknownLocaleError
from babel.dates import get_day_names, get_month_names

from models.files.bounded import parse_toml

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class SpokenWords:
    """How one language speaks what is printed in signs.

    language:      two letters.
    decimal:       the mark before decimals that the language's voices understand.
    signs:         words for single signs, by name: minus, plus, percent, point, to, times, by, and,
                   per, number, of, over, those that compare (< > ≤ ≥ ~ ≈), and those of
                   addresses: dot, at, dash, underscore, slash.
    units:         symbol as printed -> (one, several).
    lengths:       units between which an x is spoken as "by".
    currencies:    symbol or code as printed -> (one, several), or these and those of its hundredth.
    money:         form of an amount, of {whole}, {unit} and {part}.
    fractions:     "1/2" -> words, "1 1/2" where that has a word of its own.
    mixed, mixed_measure: forms of a number with a fraction, of {whole} and {fraction}; the second
                   with a {unit} between, in languages that put it there.
    date, day_month, month_year: forms of a date, of {day}, {month} and {year}.
    days:          ordinals of the days of a month, from the first; a number where it ends.
    time, full_hour, late_hour: forms of a clock time, of {hours} and {minutes}: any, one without
                   minutes, and one without minutes after 12.
    titles:        abbreviations before a name; no full stop of theirs ends a sentence.
    short:         abbreviations that end no sentence.
    short_at_end:  abbreviations whose full stop may end a sentence, too.
    before_figures: abbreviations that are such only before a figure: "No. 5".
    suffixes:      abbreviated ends of words: "str." -> straße.
    scales:        what multiplies an amount of money: "m" -> million.
    day_short:     abbreviations of days beside those of the calendar -> 0 Monday to 6 Sunday.
    day_sure:      abbreviations of days that are no words of their own, wherever they stand.
    weekdays, months: their full names, from Monday and from January.
    """

    language: str
    decimal: str = "."
    signs: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    units: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NOTHING)
    lengths: tuple[str, ...] = ()
    currencies: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NOTHING)
    money: str = "{whole} {unit} {part}"
    fractions: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    mixed: str = ""
    mixed_measure: str = ""
    date: str = ""
    day_month: str = ""
    month_year: str = ""
    days: tuple[str, ...] = ()
    time: str = "{hours} {minutes}"
    full_hour: str = "{hours} {minutes}"
    late_hour: str = ""
    titles: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    short: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    short_at_end: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    before_figures: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    suffixes: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    scales: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    day_short: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    day_sure: tuple[str, ...] = ()
    weekdays: tuple[str, ...] = ()
    months: tuple[str, ...] = ()

    def sign(self, name: str, printed: str) -> str:
        """The word for a sign, or the sign as printed where the language has none."""
        return self.signs.get(name, printed)


@functools.cache
def spoken_words(language: str) -> SpokenWords:
    """The words of a language, such as "de" or "de-AT"; none of a language without a file."""
    short = language.replace("_", "-").split("-")[0].lower()
    if short == "en":
        return _with_calendar("en", _ENGLISH)
    file = resources.files("assistant.speech") / "languages" / f"{short}.toml"
    if not short.isalpha() or not file.is_file():
        return SpokenWords(short)
    return _with_calendar(short, parse_toml(file.read_text(encoding="utf-8")))


def _with_calendar(language: str, data: Mapping[str, Any]) -> SpokenWords:
    words: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
    }
    for name in ("units", "currencies"):
        words[name] = {key: tuple(forms) for key, forms in words.get(name, {}).items()}
    try:
        months = get_month_names("wide", locale=language)
        days = get_day_names("wide", locale=language)
    except UnknownLocaleError:
        return SpokenWords(language, **words)
    words["months"] = tuple(months[number] for number in range(1, 13))
    words["weekdays"] = tuple(days[number] for number in range(7))
    printed = {
        get_day_names(width, locale=language)[number].lower().rstrip("."): number
        for width in ("abbreviated", "short")
        for number in range(7)
    }
    words["day_short"] = printed | words.get("day_short", {})
    return SpokenWords(language, **words)


_ENGLISH: Mapping[str, Any] = {
    "decimal": ".",
    "signs": {
        "minus": "minus", "plus": "plus", "percent": "percent", "point": "point", "to": "to",
        "times": "times", "by": "by", "and": "and", "per": "per", "number": "number", "of": "of",
        "dot": "dot", "at": "at", "dash": "dash", "underscore": "underscore", "slash": "slash",
        "over": "over",
        "<": "less than", ">": "more than", "≤": "at most", "≥": "at least", "~": "about",
        "≈": "about",
    },
    "units": {
        "kg": ("kilogram", "kilograms"), "KG": ("kilogram", "kilograms"),
        "g": ("gram", "grams"), "mg": ("milligram", "milligrams"),
        "MG": ("milligram", "milligrams"), "mcg": ("microgram", "micrograms"),
        "MCG": ("microgram", "micrograms"), "µg": ("microgram", "micrograms"),
        "μg": ("microgram", "micrograms"), "ug": ("microgram", "micrograms"),
        "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
        "OZ": ("ounce", "ounces"), "fl oz": ("fluid ounce", "fluid ounces"),
        "fl. oz": ("fluid ounce", "fluid ounces"), "fl.oz": ("fluid ounce", "fluid ounces"),
        "FL OZ": ("fluid ounce", "fluid ounces"), "fl. oz.": ("fluid ounce", "fluid ounces"),
        "l": ("litre", "litres"), "L": ("litre", "litres"), "Liter": ("litre", "litres"),
        "ml": ("millilitre", "millilitres"), "mL": ("millilitre", "millilitres"),
        "ML": ("millilitre", "millilitres"), "cl": ("centilitre", "centilitres"),
        "dl": ("decilitre", "decilitres"), "dL": ("decilitre", "decilitres"),
        "kcal": ("kilocalorie", "kilocalories"), "Kcal": ("kilocalorie", "kilocalories"),
        "KCAL": ("kilocalorie", "kilocalories"), "cal": ("calorie", "calories"),
        "kJ": ("kilojoule", "kilojoules"), "KJ": ("kilojoule", "kilojoules"),
        "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"),
        "kWh": ("kilowatt hour", "kilowatt hours"), "KWH": ("kilowatt hour", "kilowatt hours"),
        "V": ("volt", "volts"), "mA": ("milliamp", "milliamps"),
        "mAh": ("milliamp hour", "milliamp hours"), "Hz": ("hertz", "hertz"),
        "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"),
        "MB": ("megabyte", "megabytes"), "GB": ("gigabyte", "gigabytes"),
        "TB": ("terabyte", "terabytes"), "GiB": ("gibibyte", "gibibytes"),
        "mm": ("millimetre", "millimetres"), "cm": ("centimetre", "centimetres"),
        "m": ("metre", "metres"), "km": ("kilometre", "kilometres"), "ft": ("foot", "feet"),
        "in": ("inch", "inches"), "gal": ("gallon", "gallons"),
        "m²": ("square metre", "square metres"), "m2": ("square metre", "square metres"),
        "sqm": ("square metre", "square metres"), "m³": ("cubic metre", "cubic metres"),
        "m3": ("cubic metre", "cubic metres"),
        "km/h": ("kilometre per hour", "kilometres per hour"),
        "mph": ("mile per hour", "miles per hour"),
        "°C": ("degree Celsius", "degrees Celsius"), "℃": ("degree Celsius", "degrees Celsius"),
        "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
        "℉": ("degree Fahrenheit", "degrees Fahrenheit"), "°": ("degree", "degrees"),
        "min": ("minute", "minutes"), "mins": ("minute", "minutes"), "h": ("hour", "hours"),
        "hr": ("hour", "hours"), "hrs": ("hour", "hours"), "s": ("second", "seconds"),
        "sec": ("second", "seconds"), "secs": ("second", "seconds"),
        "tab": ("tablet", "tablets"), "tabs": ("tablet", "tablets"),
        "cap": ("capsule", "capsules"), "caps": ("capsule", "capsules"),
        "tsp": ("teaspoon", "teaspoons"), "tbsp": ("tablespoon", "tablespoons"),
        "pcs": ("piece", "pieces"), "pts": ("point", "points"),
        "bpm": ("beat per minute", "beats per minute"),
        "mmHg": ("millimetre of mercury", "millimetres of mercury"),
        "psi": ("pound per square inch", "pounds per square inch"),
        "ppm": ("part per million", "parts per million"),
        "IU": ("international unit", "international units"),
        "I.U.": ("international unit", "international units"),
        "mmol": ("millimole", "millimoles"),
        "mmol/l": ("millimole per litre", "millimoles per litre"),
        "mmol/L": ("millimole per litre", "millimoles per litre"),
        "day": ("day", "days"), "week": ("week", "weeks"), "month": ("month", "months"),
        "year": ("year", "years"), "hour": ("hour", "hours"), "minute": ("minute", "minutes"),
        "dose": ("dose", "doses"), "serving": ("serving", "servings"),
        "night": ("night", "nights"), "person": ("person", "people"),
        "tablet": ("tablet", "tablets"),
    },
    "lengths": ("mm", "cm", "m", "km", "ft", "inch", "inches", "in"),
    "currencies": {
        "£": ("pound", "pounds", "penny", "pence"), "GBP": ("pound", "pounds", "penny", "pence"),
        "pound": ("pound", "pounds", "penny", "pence"),
        "pounds": ("pound", "pounds", "penny", "pence"),
        "$": ("dollar", "dollars", "cent", "cents"),
        "dollar": ("dollar", "dollars", "cent", "cents"),
        "dollars": ("dollar", "dollars", "cent", "cents"),
        "US$": ("US dollar", "US dollars", "cent", "cents"),
        "USD": ("US dollar", "US dollars", "cent", "cents"),
        "S$": ("Singapore dollar", "Singapore dollars", "cent", "cents"),
        "SGD": ("Singapore dollar", "Singapore dollars", "cent", "cents"),
        "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
        "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
        "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
        "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
        "NZD": ("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
        "€": ("euro", "euros", "cent", "cents"), "EUR": ("euro", "euros", "cent", "cents"),
        "euro": ("euro", "euros", "cent", "cents"), "euros": ("euro", "euros", "cent", "cents"),
        "CHF": ("Swiss franc", "Swiss francs"), "Fr.": ("franc", "francs"),
        "¥": ("yen", "yen"), "JPY": ("yen", "yen"), "円": ("yen", "yen"), "yen": ("yen", "yen"),
        "₹": ("rupee", "rupees", "paisa", "paise"), "Rs": ("rupee", "rupees", "paisa", "paise"),
        "Rs.": ("rupee", "rupees", "paisa", "paise"),
        "INR": ("Indian rupee", "Indian rupees", "paisa", "paise"),
        "RM": ("ringgit", "ringgit", "sen", "sen"), "MYR": ("ringgit", "ringgit", "sen", "sen"),
        "R$": ("real", "reais"), "BRL": ("real", "reais"), "₩": ("won", "won"),
        "₽": ("rouble", "roubles"), "PLN": ("zloty", "zloty"), "CZK": ("koruna", "koruna"),
        "kr": ("krone", "kroner"), "kr.": ("krone", "kroner"),
        "SEK": ("Swedish krona", "Swedish kronor"), "NOK": ("Norwegian krone", "Norwegian kroner"),
        "DKK": ("Danish krone", "Danish kroner"),
    },
    "fractions": {
        "1/2": "a half", "1/3": "a third", "2/3": "two thirds", "1/4": "a quarter",
        "3/4": "three quarters", "1/5": "a fifth", "2/5": "two fifths", "3/5": "three fifths",
        "4/5": "four fifths", "1/6": "a sixth", "5/6": "five sixths", "1/8": "an eighth",
        "3/8": "three eighths", "5/8": "five eighths", "7/8": "seven eighths",
    },
    "mixed": "{whole} and {fraction}",
    "date": "{day} {month} {year}", "day_month": "{day} {month}", "month_year": "{month} {year}",
    "full_hour": "{hours} o'clock", "late_hour": "{hours} hundred",
    "titles": {
        "dr.": "Doctor", "prof.": "Professor", "rev.": "Reverend",
    },
    "short": {
        "mr.": "Mister", "mrs.": "Missus", "ms.": "Ms", "messrs.": "Messrs",
        "approx.": "approximately", "e.g.": "for example", "i.e.": "that is", "vs.": "versus",
        "incl.": "including", "excl.": "excluding", "qty.": "quantity", "dept.": "department",
        "max.": "maximum", "temp.": "temperature", "govt.": "government", "w/o": "without",
        "w/": "with", "a/c": "account", "acct.": "account", "c/o": "care of", "ref.": "reference",
        "viz.": "namely", "min.": "minimum", "attn.": "attention", "tel.": "telephone",
    },
    "short_at_end": {
        "etc.": "et cetera", "inc.": "incorporated", "ltd.": "limited", "co.": "company",
        "corp.": "corporation", "ave.": "Avenue", "rd.": "Road", "blvd.": "Boulevard",
        "bldg.": "building", "jr.": "Junior",
    },
    "before_figures": {
        "no.": "number", "nos.": "numbers", "nr.": "number", "n°": "number", "nº": "number",
        "№": "number", "p.": "page", "pp.": "pages", "tel": "telephone", "tel.": "telephone",
        "ph.": "phone", "ext.": "extension", "fig.": "figure", "vol.": "volume", "ch.": "chapter",
        "apt.": "apartment", "qty": "quantity", "exp": "expiry", "exp.": "expiry",
        "bbe": "best before end", "mfg": "manufactured", "mfd": "manufactured",
        "ca.": "about",
    },
    "scales": {
        "thousand": "thousand", "million": "million", "billion": "billion", "k": "thousand",
        "m": "million", "bn": "billion", "mn": "million",
    },
    "day_short": {"tues": 1, "weds": 2, "thur": 3, "thurs": 3},
    "day_sure": ["tue", "tues", "weds", "thu", "thur", "thurs", "fri"],
}  # fmt: skip
