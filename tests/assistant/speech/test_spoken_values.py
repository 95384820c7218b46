"""Values of a known kind as they are spoken: made at random, no figure may be lost or invented.

What is spoken is turned back into figures by tables of this file, and must be those on the paper.
"""

import random
import re

import pytest

from assistant.speech.spoken_forms import spoken_value
from assistant.text.tokens import Kind

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")
MONTHS = {
    "en": "January February March April May June "
          "July August September October November December",
    "de": "Januar Februar März April Mai Juni "
          "Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin "
          "juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio "
          "julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno "
          "luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart april mei juni "
          "juli augustus september oktober november december",
    "pt": "janeiro fevereiro março abril maio junho "
          "julho agosto setembro outubro novembro dezembro",
}  # fmt: skip
FIRST = {"premier", "primo", "primeiro", "primero"}
GERMAN_DAYS = (
    "erster zweiter dritter vierter fünfter sechster siebter achter neunter zehnter elfter "
    "zwölfter dreizehnter vierzehnter fünfzehnter sechzehnter siebzehnter achtzehnter neunzehnter "
    "zwanzigster einundzwanzigster zweiundzwanzigster dreiundzwanzigster vierundzwanzigster "
    "fünfundzwanzigster sechsundzwanzigster siebenundzwanzigster achtundzwanzigster "
    "neunundzwanzigster dreißigster einunddreißigster"
)
ROUNDS = 150


def figures(text: str) -> str:
    return re.sub(r"\D", "", text)


@pytest.fixture
def chance() -> random.Random:
    return random.Random(2026)


@pytest.mark.parametrize("language", LANGUAGES)
def test_amounts_keep_their_figures(language: str, chance: random.Random) -> None:
    for _ in range(ROUNDS):
        whole, cents = chance.choice([0, 1, 7, 42, 999, 1204, 98765]), chance.randint(0, 99)
        mark, thousands = chance.choice([(".", ","), (",", "."), (",", " "), (".", "'")])
        printed = f"{whole:,}".replace(",", thousands) + f"{mark}{cents:02}"
        sign = chance.choice(["€", "$", "£", "CHF", "EUR"])
        printed = chance.choice([f"{sign} {printed}", f"{printed} {sign}", printed])
        said = spoken_value(printed, Kind.MONEY, language)
        heard = [int(group) for group in re.findall(r"\d+", said.replace(",", "."))]
        has_currency = sign in printed
        if not has_currency:
            assert heard == [whole, cents], (printed, said)
        else:
            wanted = [each for each in (whole, cents) if each] or [0]
            assert heard in (wanted, [whole, cents]), (printed, said)
            assert not any(each in said for each in "€$£"), said


@pytest.mark.parametrize("language", LANGUAGES)
def test_telephone_and_account_numbers_are_said_figure_by_figure(
    language: str, chance: random.Random
) -> None:
    for _ in range(ROUNDS):
        groups = ["".join(chance.choices("0123456789", k=chance.randint(2, 4))) for _ in range(3)]
        phone = chance.choice(["", "+49 ", "("]) + chance.choice([" ", "-", "/"]).join(groups)
        code = chance.choice(["", "DE", "GB"]) + " ".join(groups)
        for printed, kind in ((phone, Kind.PHONE), (code, Kind.CODE)):
            said = spoken_value(printed, kind, language)
            assert figures(said) == figures(printed), (printed, said)
            if kind is Kind.PHONE or len(figures(printed)) > 6:
                assert not re.search(r"\d\d", said), (printed, said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_dates_keep_day_month_and_year(language: str, chance: random.Random) -> None:
    months = [name.lower() for name in MONTHS[language].split()]
    for _ in range(ROUNDS):
        day, month, year = chance.randint(13, 28), chance.randint(1, 12), chance.randint(1990, 2039)
        printed = chance.choice(
            [f"{day:02}.{month:02}.{year}", f"{day}/{month}/{year}", f"{year}-{month:02}-{day:02}"]
        )
        said = spoken_value(printed, Kind.DATE, language).lower()
        words = re.findall(r"\w+", said)
        assert [months.index(word) + 1 for word in words if word in months] == [month], said
        numbers = [int(word) for word in words if word.isdecimal()]
        if language == "de":
            numbers = [GERMAN_DAYS.split().index(words[0]) + 1, *numbers]
        assert numbers == [day, year], (printed, said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_of_a_month_is_a_day(language: str) -> None:
    words = spoken_value("01.12.2026", Kind.DATE, language).lower().split()
    open_date = ["1,", "12,", "2026"]
    named = words[0] in ({"1", "erster"} | FIRST) and words[-1] == "2026"
    assert words == open_date or named, words


@pytest.mark.parametrize("language", LANGUAGES)
def test_times_measures_and_shares_keep_their_figures(language: str, chance: random.Random) -> None:
    for _ in range(ROUNDS):
        hours, minutes = chance.randint(1, 23), chance.randint(1, 59)
        said = spoken_value(f"{hours:02}:{minutes:02}", Kind.TIME, language)
        assert [int(each) for each in re.findall(r"\d+", said)] == [hours, minutes], said
        amount, tenth = chance.randint(1, 900), chance.randint(1, 9)
        mark = chance.choice(".,")
        unit = chance.choice(["mg", "ml", "kg", "kWh", "°C", "cm"])
        for printed, kind in (
            (f"{amount} {unit}", Kind.MEASURE),
            (f"{amount}{mark}{tenth} {unit}", Kind.MEASURE),
            (f"{amount}{mark}{tenth} %", Kind.PERCENT),
            (f"{amount}%", Kind.PERCENT),
        ):
            said = spoken_value(printed, kind, language)
            assert figures(said) == figures(printed), (printed, said)
            assert unit not in said.split() and "%" not in said, (printed, said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_half_tablets_are_no_eleven_halves(language: str) -> None:
    for printed in ("1½ mg", "1 1/2 mg", "11/2 mg"):
        said = spoken_value(printed, Kind.MEASURE, language)
        assert "11" not in said and "/" not in said and "½" not in said, (printed, said)
        assert figures(said) in ("1", ""), said


@pytest.mark.parametrize("language", LANGUAGES)
def test_addresses_are_said_with_their_marks(language: str, chance: random.Random) -> None:
    for _ in range(30):
        name = "".join(chance.choices("abcdefgh0123456789", k=6))
        said = spoken_value(f"{name}.x-1@mail.example", Kind.EMAIL, language)
        assert figures(said) == figures(name) + "1", said
        assert not any(mark in said for mark in "@._"), said
        said = spoken_value(f"https://www.{name}.org/a/7", Kind.WEB, language)
        assert figures(said) == figures(name) + "7" and "http" not in said, said


def test_the_kind_decides_where_the_characters_leave_it_open() -> None:
    assert spoken_value("5551234", Kind.PHONE) == "5 5 5, 1 2 3 4"
    assert spoken_value("05/27", Kind.DATE) == "May 2027"
    assert spoken_value("05/27", Kind.NUMBER) != "May 2027"
    assert spoken_value("2026", Kind.NUMBER) == "2026"
    assert spoken_value("2026", Kind.CODE) == "2 0 2 6"


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("printed", ["", " ", "-", "abc", "1", "12 34", "€", "½", "٣", "a" * 500])
def test_what_is_of_another_kind_is_said_as_well_as_it_goes(kind: Kind, printed: str) -> None:
    for language in (*LANGUAGES, "fi", "zh"):
        said = spoken_value(printed, kind, language)
        letters = sum(map(str.isalpha, printed))
        assert sum(map(str.isalpha, said)) >= letters or letters > 6, (kind, printed, said)
