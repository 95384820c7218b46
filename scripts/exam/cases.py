"""The questions of the exam: read, sorted by picture, and their pictures found."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exam.documents import Document, read_documents
from exam.paper import draw_paper
from exam.photograph import photograph

FOLDER = Path(__file__).parent
HALVES = (
    *("dev", "held", "dev2", "sealed", "dev3a", "dev3b"),
    *("dev4a", "dev4b", "dev5a", "dev5b"),
)
"""The sets of cases: dev2 and sealed are a second hand's dev and held, 3a and 3b a third's, 4a and
4b a fourth's, 5a and 5b a fifth's."""

TOGETHER = {
    "both": ("dev", "held"),
    "dev3": ("dev3a", "dev3b"),
    "dev4": ("dev4a", "dev4b"),
    "dev5": ("dev5a", "dev5b"),
}
"""Names under which two sets are asked for at once."""

SECRET = frozenset({"sealed", "dev4b", "dev5b"})
"""Those of which only totals are ever shown."""

DRAWING = ("documents.py", "paper.py", "photograph.py")
"""The files that decide what a drawing looks like."""

Case = dict[str, Any]

FIELDS = {
    "total": "what is the total",
    "date": "what is the date",
    "phone": "what is the telephone number",
    "tax": "how much is the tax",
    "change": "how much change was given",
    "cash": "how much cash was paid",
    "shop": "what is the name of the shop",
}
"""What is asked about each shared receipt."""

MOST_AMOUNTS = 2
"""Amounts that an answer about a receipt may name."""


def read_cases(path: Path) -> list[Case]:
    """The cases of a JSONL file; lines that begin with // are comments.

    Raises:
        OSError: there is no such file.
        ValueError: a line is not JSON.
    """
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("//"):
            case = json.loads(line)
            case.setdefault("id", f"{path.stem}-{number}")
            case.setdefault("kind", "other")
            cases.append(case)
    return cases


def receipt_cases(path: Path) -> list[Case]:
    """Seven questions about each receipt; what is not printed must be declined."""
    cases = []
    for receipt in read_cases(path):
        for name, question in FIELDS.items():
            printed = receipt[name]
            cases.append(
                {
                    "id": f"{Path(receipt['picture']).stem}-{name}",
                    "kind": name if printed else f"{name}, not printed",
                    "picture": receipt["picture"],
                    "ask": question,
                    "must": [printed] if printed else [],
                    "decline": not printed,
                    "amounts": MOST_AMOUNTS,
                }
            )
    return cases


def by_picture(cases: Sequence[Case]) -> list[tuple[str, list[Case]]]:
    """Cases of the same picture together: it is opened once, as a person would."""
    ordered = sorted(cases, key=lambda case: str(case["picture"]))
    groups = itertools.groupby(ordered, key=lambda case: str(case["picture"]))
    return [(picture, list(group)) for picture, group in groups]


def documents() -> list[Document]:
    """Every document that can be drawn, of all sets."""
    return [
        document for half in HALVES for document in read_documents(FOLDER / f"documents_{half}.txt")
    ]


def draw_missing(pictures: Sequence[str], folder: Path) -> None:
    """Draw those of the named pictures that are to be drawn; the folder is the parent of drawn/.

    One that lies there from the same document and the same code is left.

    Raises:
        KeyError: a picture is to be drawn, but no document has its name.
    """
    known = {document.picture: document for document in documents()}
    index = folder / "drawn.json"
    drawn: dict[str, str] = json.loads(index.read_text()) if index.exists() else {}
    code = b"".join((FOLDER / name).read_bytes() for name in DRAWING)
    for name in pictures:
        if name.startswith("drawn/"):
            document, path = known[name], folder / name
            made_of = hashlib.sha256(code + repr(document).encode()).hexdigest()
            if drawn.get(name) != made_of or not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(photograph(draw_paper(document), document.name))
                drawn[name] = made_of
    if drawn:
        index.write_text(json.dumps(drawn, indent=0))


def place_of(picture: str, folders: Sequence[Path]) -> Path:
    """Where a picture lies: in the first folder that has it.

    Raises:
        FileNotFoundError: none has it.
    """
    for folder in folders:
        if (folder / picture).is_file():
            return (folder / picture).resolve()
    raise FileNotFoundError(f"{picture} is in none of {', '.join(map(str, folders))}")
