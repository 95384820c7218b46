"""Documents of the exam as text: what stands on each, and how it is laid out.

A file holds many documents. One begins with a line

    === name | kind | style

and goes on until the next one. Each further line is a line of print:

    #^ TITLE            larger and bold (## a little, #, most; ~ small), ^ centred, > at the right
    Milk 2 l || 1.29    one text at the left edge, another at the right
    Tea | 2 | 1.10      cells of the columns that `!cols` set
    ---                 a rule
    (empty)             a gap

A text that is too long for its line goes on in the next one. Marks between the lines:

    !cols 0 60r 100r    where cells stand, in percent of the width; r ends there, c is centred there
    !bold, !plain       the weight of the lines below
    !size 1.5           their size, in parts of the style's
    !ink 200,0,0        their colour
    !band 0,60,120      a filled bar behind the next line
    !width 60           lines go on after so many percent of the width
    !box ... !endbox    a frame around the lines between
    !bars               a barcode, which says nothing
    !split, !next, !end two columns of text, side by side
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Document:
    """One thing to photograph: its lines of print and marks, as written in the file."""

    name: str
    kind: str
    style: str
    lines: tuple[str, ...]

    @property
    def picture(self) -> str:
        """Where cases look for it: a file of the folder of drawn pictures."""
        return f"drawn/{self.name}.jpg"


def read_documents(path: Path) -> list[Document]:
    """All documents of a file, in its order.

    Raises:
        OSError: there is no such file.
        ValueError: a header lacks a part, or a name is there twice.
    """
    found: list[Document] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("=== "):
            parts = [part.strip() for part in line.removeprefix("=== ").split("|")]
            if len(parts) != 3 or not all(parts):
                raise ValueError(f"{path}:{number}: a header is `=== name | kind | style`")
            if any(parts[0] == document.name for document in found):
                raise ValueError(f"{path}:{number}: {parts[0]} is there twice")
            found.append(Document(parts[0], parts[1], parts[2], ()))
        elif found:
            last = found[-1]
            found[-1] = Document(last.name, last.kind, last.style, (*last.lines, line.rstrip()))
        elif line.strip() and not line.startswith("//"):
            raise ValueError(f"{path}:{number}: a line before the first header")
    return found


@dataclass(frozen=True, slots=True)
class Print:
    """A line of print without its marks: how large (0 small, 1, 2, 3), where, and its cells."""

    level: int
    place: str
    cells: tuple[str, ...]
    ends: bool
    """True where two cells stand at the two edges."""


def parse_print(line: str) -> Print:
    """Take a line of print apart."""
    level = 1
    for mark, size in (("##", 2), ("#", 3), ("~", 0)):
        if line.startswith(mark):
            line, level = line.removeprefix(mark), size
            break
    place = "left"
    if line[:1] in ("^", ">"):
        place, line = ("centre" if line[0] == "^" else "right"), line[1:]
    if " || " in line:
        return Print(level, place, tuple(cell.strip() for cell in line.split(" || ")), True)
    return Print(level, place, tuple(cell.strip() for cell in re.split(r" \|(?= |$)", line)), False)


def text_of(document: Document) -> str:
    """The words that stand on it, in reading order: rows from left to right, columns in turn."""
    rows = []
    for line in document.lines:
        if line.strip() and line != "---" and not line.startswith("!"):
            rows.append(" ".join(cell for cell in parse_print(line).cells if cell))
    return " ".join(rows)
