"""What help offers for a picture is answered on that picture: over the documents of the exam."""

import sys
from pathlib import Path

import pytest

from tests.assistant.session.typed import Typed

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

from exam.documents import Document, parse_print, read_documents  # noqa: E402

DOCUMENTS = read_documents(ROOT / "scripts" / "exam" / "documents_dev.txt")
OURS = ("You can say, for example:", "/help lists all commands.")
EVERY = 25
"""Each so many-th document is enough for a quick look."""


def rows_of(document: Document) -> list[str]:
    """A document as rows of text; cells that are parted there are parted here."""
    rows = []
    for line in document.lines:
        if line.startswith("!") or line.strip() and not line.strip("-= "):
            continue
        first, *others = parse_print(line).cells if line.strip() else ("",)
        rows.append(first.ljust(34) + "".join(f"  {each:14}" for each in others))
    return [row.rstrip() for row in rows]


def refused(document: Document) -> list[str]:
    """The examples of help that tell nothing about a document."""
    found = []
    with Typed(*rows_of(document)) as typed:
        # Help is about what was looked at.
        typed("read this")
        examples = [line for line in typed("help").splitlines() if line not in OURS]
        assert len(examples) == 10
        for example in examples:
            told = typed(example)
            if not told or "I can't tell" in told or "I do not find" in told:
                found.append(f"{document.name}: {example} -> {told[:80]}")
    return found


@pytest.mark.parametrize("document", DOCUMENTS[::EVERY], ids=lambda each: str(each.name))
def test_what_help_offers_is_answered(document: Document) -> None:
    assert refused(document) == []


@pytest.mark.slow
def test_what_help_offers_is_answered_on_all_documents() -> None:
    assert [line for each in DOCUMENTS for line in refused(each)] == []


@pytest.mark.slow
def test_the_dose_is_offered_of_medicines_only() -> None:
    offered = set()
    for document in DOCUMENTS:
        with Typed(*rows_of(document)) as typed:
            typed("read this")
            if "What is the dose?" in typed("help"):
                offered.add(document.kind)
    assert offered <= {"medicine"}, offered
