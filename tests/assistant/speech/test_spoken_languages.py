"""Each kind of value in each language, heard through eSpeak against words spelled out by hand.

The engine says a figure and its word with the least of differences, such as the length of a vowel;
figures said in another way, a sign, or another language are far off.
"""

import pytest
from rapidfuzz import fuzz

from assistant.speech.spoken_forms import spoken, spoken_value
from assistant.text.tokens import Kind
from tests.assistant.speech.test_spoken_forms import heard, needs_espeak

ALIKE = 85
"""Percent of equal phonemes."""

VALUES = [
    ("en", Kind.PHONE, "020 7946", "zero two zero, seven nine four six"),
    ("en", Kind.MONEY, "£12.50", "twelve pounds fifty"),
    ("en", Kind.MEASURE, "1½ oz", "one and a half ounces"),
    ("en", Kind.DATE, "05/27", "May two thousand twenty seven"),
    ("en", Kind.PERCENT, "7.5%", "seven point five percent"),
    ("en", Kind.TIME, "9:15", "nine fifteen"),
    ("de", Kind.PHONE, "0761 5562", "null sieben sechs eins, fünf fünf sechs zwei"),
    ("de", Kind.MONEY, "1.234,56 €", "eintausend zwei hundert vierunddreißig Euro sechsundfünfzig"),
    ("de", Kind.MEASURE, "2½ l", "zwei ein halb Liter"),
    ("de", Kind.PERCENT, "7,5 %", "sieben Komma fünf Prozent"),
    ("de", Kind.TIME, "9:15", "neun Uhr fünfzehn"),
    ("fr", Kind.PHONE, "03 83 55", "zéro trois, huit trois, cinq cinq"),
    ("fr", Kind.MONEY, "20,70 EUR", "vingt euros soixante-dix"),
    ("fr", Kind.MEASURE, "1/2 l", "demi litre"),
    ("fr", Kind.PERCENT, "5,5 %", "cinq virgule cinq pour cent"),
    ("fr", Kind.TIME, "9h15", "neuf heures quinze"),
    ("es", Kind.PHONE, "915 55", "nueve uno cinco, cinco cinco"),
    ("es", Kind.DATE, "27/10/2026", "veintisiete de octubre de dos mil veintiséis"),
    ("es", Kind.MEASURE, "1/2 kg", "medio kilogramo"),
    ("es", Kind.PERCENT, "21 %", "veintiuno por ciento"),
    ("it", Kind.PHONE, "011 55", "zero uno uno, cinque cinque"),
    ("it", Kind.DATE, "30.09.2028", "trenta settembre due mila ventotto"),
    ("it", Kind.MEASURE, "500 g", "cinquecento grammi"),
    ("it", Kind.MONEY, "2,70 €", "due euro e settanta"),
    ("nl", Kind.PHONE, "030 55", "nul drie nul, vijf vijf"),
    ("nl", Kind.DATE, "14-12-2026", "veertien december tweeduizend zesentwintig"),
    ("nl", Kind.MEASURE, "2,5 kg", "twee komma vijf kilogram"),
    ("nl", Kind.PERCENT, "9 %", "negen procent"),
    ("pt", Kind.PHONE, "55 678", "cinco cinco, seis sete oito"),
    ("pt", Kind.DATE, "25/10/2026", "vinte e cinco de outubro de dois mil e vinte e seis"),
    ("pt", Kind.MONEY, "6,50 €", "seis euros e cinquenta"),
    ("pt", Kind.PERCENT, "13 %", "treze por cento"),
]

SHORT = [
    ("en", "approx. 5 min.", "approximately five minutes."),
    ("de", "ca. 5 min", "circa fünf Minuten"),
    ("fr", "env. 5 min", "environ cinq minutes"),
    ("es", "aprox. 5 min", "aproximadamente cinco minutos"),
    ("it", "ca. 5 min", "circa cinque minuti"),
    ("nl", "ca. 5 min", "circa vijf minuten"),
    ("pt", "aprox. 5 min", "aproximadamente cinco minutos"),
]


def sounds_like(said: str, words: str, language: str) -> bool:
    """True if the engine makes nearly the same of both, with the same pauses."""
    one, other = heard(said, language), heard(words, language)
    return len(one) == len(other) and fuzz.ratio("".join(one), "".join(other)) >= ALIKE


@needs_espeak
@pytest.mark.parametrize(("language", "kind", "printed", "words"), VALUES)
def test_a_value_sounds_like_its_words(language: str, kind: Kind, printed: str, words: str) -> None:
    said = spoken_value(printed, kind, language)
    assert sounds_like(said, words, language), said


@needs_espeak
@pytest.mark.parametrize(
    ("language", "wrong", "words"),
    [
        ("en", "879", "eight seven nine"),
        ("de", "0761 5562", "null sieben sechs eins, fünf fünf sechs zwei"),
        ("fr", "20,70 EUR", "vingt euros soixante-dix"),
        ("es", "27/10/2026", "veintisiete de octubre de dos mil veintiséis"),
        ("it", "2.70", "due euro e settanta"),
        ("nl", "2,5", "twee komma vijf kilogram"),
        ("pt", "6,50 €", "seis euros e cinquenta"),
    ],
)
def test_what_is_said_in_another_way_does_not_sound_like_it(
    language: str, wrong: str, words: str
) -> None:
    assert not sounds_like(wrong, words, language)


@needs_espeak
@pytest.mark.parametrize(("language", "printed", "words"), SHORT)
def test_an_abbreviation_sounds_like_its_words(language: str, printed: str, words: str) -> None:
    assert sounds_like(spoken(printed, language), words, language)
