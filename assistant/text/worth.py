"""What a printed amount is worth: 1.234,56 and 1,234.56 and 1'234.56 are the same number."""

import re
from decimal import Decimal

_FIGURES = re.compile(r"\d(?:[\d.,'’\u00a0\u202f ]*\d)?")
_FRACTION = re.compile(r"[.,:](\d{1,2})$")


def worth(printed: str) -> Decimal | None:
    """The number that an amount prints, None where it prints none.

    A mark before the last one or two figures parts the fraction; all others part thousands. The
    sign may stand before or behind, where a statement prints CR for it, too.
    """
    found = _FIGURES.search(printed)
    if found is None:
        return None
    fraction = _FRACTION.search(found[0])
    whole = found[0][: fraction.start()] if fraction else found[0]
    digits = re.sub(r"\D", "", whole)
    value = Decimal(f"{digits or 0}.{fraction[1] if fraction else 0}")
    signed = printed[: found.start()] + printed[found.end() :]
    return -value if re.search(r"[-−–]|\bCR\b", signed) else value
