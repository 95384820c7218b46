"""Licence texts, notices and remarks that go with an output; its model's family knows which."""

from pathlib import Path

from models.families import Licence, OpenedModel

NOTICE_FILE = "NOTICE"
README_FILE = "README.md"

_HEADING = "## About this quantized copy"


def statements(opened: OpenedModel, form: str) -> list[str]:
    """What people must be told of an output; empty for most models."""
    told = [one.built_with for one in _licences(opened) if one.built_with]
    return [*told, *opened.family.terms.remarks(form)]


def missing_texts(opened: OpenedModel) -> list[str]:
    """What a person must add before the output may be passed on."""
    return [
        f"{opened.folder}: holds no text of the {one.title}, which must go with every copy; "
        "add it to the output before you pass it on"
        for one in _licences(opened)
        if one.text is None and not _has_text(opened.folder, one)
    ]


def write_notices(opened: OpenedModel, target: Path, form: str) -> None:
    """Add licence texts, the notice file and a section of README.md to an output folder.

    What was copied from the source is kept; only what it lacks is added.

    Raises:
        OSError: a file cannot be written, or a licence's text cannot be read.
    """
    licences = _licences(opened)
    for one in licences:
        if one.text is not None and not _has_text(target, one):
            text = one.text.read_text(encoding="utf-8")
            (target / one.text.name).write_text(text, encoding="utf-8")
    notices = [one.notice for one in licences if one.notice]
    if notices:
        _append(target / NOTICE_FILE, "\n".join(notices))
    told = statements(opened, form)
    if told:
        _append(target / README_FILE, "\n\n".join((_HEADING, *told)))


def _licences(opened: OpenedModel) -> tuple[Licence, ...]:
    return opened.family.terms.licences(opened.config)


def _has_text(folder: Path, licence: Licence) -> bool:
    """Whether one of a folder's own licence files is the licence."""
    for path in folder.iterdir():
        if "LICENSE" in path.name.upper() and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if licence.title.lower() in text.lower():
                return True
    return False


def _append(path: Path, text: str) -> None:
    """Add text to a file once, behind what it says already."""
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if text not in before:
        parts = (before.rstrip(), text) if before.strip() else (text,)
        path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
