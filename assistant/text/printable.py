"""Text that a terminal, a screen reader or a braille display may get."""


def printable(text: str) -> str:
    """Drop what a terminal, a screen reader or a braille display must not get.

    That is control and format characters, and drawings: lines and boxes, blocks, braille
    patterns. Every kind of space becomes a plain one.
    """
    kept = (c if c == "\n" or not c.isspace() else " " for c in text)
    return "".join(c for c in kept if c == "\n" or (c.isprintable() and not _is_drawing(c)))


def _is_drawing(character: str) -> bool:
    """True in Unicode's blocks Box Drawing, Block Elements and Braille Patterns."""
    return "\u2500" <= character <= "\u259f" or "\u2800" <= character <= "\u28ff"


def one_line(text: str) -> str:
    """The same text without line breaks."""
    return printable(" ".join(text.split()))
