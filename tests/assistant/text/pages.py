"""Pages of text for tests: rows of pieces at places on a sheet, without any picture."""

from assistant.seeing.text import TextLine
from assistant.text.page import Page

LETTER_PX, ROW_PX = 10, 30


def line(text: str, column: int, row: int, confidence: float = 0.99) -> TextLine:
    """A recognized line that begins at a column of letters in a row of the sheet."""
    left, top = column * LETTER_PX, row * ROW_PX
    right, bottom = left + len(text) * LETTER_PX, top + 20
    return TextLine(text, ((left, top), (right, top), (right, bottom), (left, bottom)), confidence)


def page(*rows: str) -> Page:
    """A page of rows; two and more spaces part pieces, which keep the columns they stand in."""
    found = []
    for number, row in enumerate(rows):
        column = 0
        for piece in row.split("  "):
            if piece.strip():
                start = column + len(piece) - len(piece.lstrip())
                found.append(line(piece.strip(), start, number))
            column += len(piece) + 2
    return Page(found)
