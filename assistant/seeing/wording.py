"""The characters of a recognizer as they are printed in the languages of its users."""

import re
import unicodedata

_FRACTIONS = re.compile(r"([\u00bc-\u00be\u2150-\u215e])")


def plain_width(text: str) -> str:
    """A text with letters and marks of usual width; a fraction such as ½ stays one character.

    Taken apart, "1½ tablets" would become "11⁄2 tablets".
    """
    parts = _FRACTIONS.split(text)
    return "".join(
        part if _FRACTIONS.fullmatch(part) else unicodedata.normalize("NFKC", part)
        for part in parts
    )
