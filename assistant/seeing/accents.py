"""Letters whose marks the built-in reader often loses, so that whoever spells can say so.

Small letters come out right nearly always; capitals of the eastern alphabets do not. The table is
that of scripts/bench_scripts.py, for the letters that each language uses every day; a mark that
was lost is no reason to doubt the rest of a word.
"""

from collections.abc import Mapping

ALPHABETS: Mapping[str, str] = {
    "cs": "áčďéěíňóřšťúůýž",
    "da": "æøå",
    "de": "äöüß",
    "es": "áéíñóúü",
    "fi": "äöå",
    "fr": "àâçéèêëîôùûœ",
    "hu": "áéíóöőúüű",
    "it": "àèéìòù",
    "no": "æøå",
    "pl": "ąćęłńóśźż",
    "pt": "áâãçéêíóôõú",
    "ro": "ăâîșț",
    "sk": "áäčďéíľňóôšťúýž",
    "sv": "åäö",
    "tr": "çğıöşü",
}
"""The letters beyond A to Z of languages whose pages are told apart."""

LEAST_READ = 0.9
"""Part of its occurrences from which a letter counts as known."""

WEAK: Mapping[str, str] = {
    "ď": "d", "ľ": "l", "ı": "i", "ň": "ñ", "ș": "ş",
    "Æ": "A", "Ą": "A", "Ă": "Ã", "Ď": "D", "Ę": "E", "Ě": "É", "Ğ": "ČĠĆ", "Ľ": "L", "Ń": "ÚÑN",
    "Ň": "Ñ", "Ő": "ÖÓ", "Ş": "S", "Ș": "ŞS", "Ț": "T", "Ů": "UÚ",
}  # fmt: skip
"""Letters of those alphabets that are read right more seldom, and what comes out instead."""


def lost_marks(text: str, language: str | None) -> tuple[tuple[str, str], ...]:
    """Pairs of a letter that stands in a text and the one that it may be in a language.

    language: of the page, in two letters; None, or one without weak letters, gives none.
    """
    own = ALPHABETS.get(language or "", "")
    letters = own + own.upper().replace("SS", "")
    pairs = (
        (read, letter)
        for letter in letters
        for read in WEAK.get(letter, "")
        # What a language has itself may be meant as it stands, but is as often the weak one.
        if read in text
    )
    return tuple(dict.fromkeys(pairs))
