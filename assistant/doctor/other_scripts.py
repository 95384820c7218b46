"""What `assistant doctor` says of the second reader: Tesseract, its packs, and what they read."""

import shutil

from assistant.doctor.checks import Finding, State
from assistant.seeing.tesseract import (
    ALL,
    COMMAND,
    LANGUAGES,
    NONE,
    PACKS,
    chosen_of,
    packs_of,
    scripts_of,
)

INSTALL = (
    "where you meet other scripts or much small print, install the package tesseract-ocr and a pack"
    " for each language, such as tesseract-ocr-rus or tesseract-ocr-eng"
)


def look_at_tesseract(packs: str) -> Finding:
    """Name what reads scripts that the built-in models cannot, and small print once more.

    packs: the setting `tesseract.packs`.

    Raises:
        OcrError: it is installed, and does not work.
    """
    path = shutil.which(COMMAND)
    if path is None:
        return Finding(
            State.LIMITED,
            "they are named, not read",
            "Tesseract is not installed",
            INSTALL,
        )
    there = packs_of(path)
    if packs.strip() == NONE:
        return Finding(
            State.LIMITED,
            f"Tesseract is installed, with {_listed(there)}",
            "the setting tesseract.packs is none",
            'set tesseract.packs to "all" to use it',
        )
    chosen = chosen_of(packs)
    missing = [pack for pack in chosen if pack not in there]
    used = [pack for pack in (chosen or there) if pack in there]
    scripts = scripts_of(used)
    if missing:
        return Finding(
            State.LIMITED,
            f"Tesseract, with {_listed(used)}",
            f"{_listed(missing)} is not installed",
            f"install its package, or set tesseract.packs to {ALL!r}".replace("'", '"'),
        )
    # Other packs are not used.
    print_packs = [pack for pack in used if pack in LANGUAGES.values()]
    checks = f"small print is checked with {_listed(print_packs)}" if print_packs else ""
    if not scripts:
        return Finding(
            State.LIMITED,
            "; ".join(filter(None, ("they are named, not read", checks))),
            f"Tesseract has no pack for any of them, only {_listed(used)}",
            INSTALL,
        )
    mine = [pack for pack in used if any(pack in names for names in PACKS.values())]
    reads = f"Tesseract reads {', '.join(scripts)}, as guesses, with {_listed(mine)}"
    return Finding(State.OK, "; ".join(filter(None, (reads, checks))))


def _listed(packs: list[str] | tuple[str, ...]) -> str:
    return " ".join(packs) or "no packs"
