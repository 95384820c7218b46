"""Text of files as a message repeats it: names and values of others, on one line, harmless.

A tensor, a key or a file can have any name. Printed raw it could move the cursor, change colours
or hide what stands before it.
"""

LONGEST = 12_000
"""Characters of a message: more than any path, and far less than what a hostile name can have."""

LONGEST_CAUSE = 400
"""Characters of a value of a file that are repeated, and of another library's message."""


def beginning(text: str) -> str:
    """A value of a file, or what another library said of it, as far as anybody reads it."""
    return text if len(text) <= LONGEST_CAUSE else f"{text[:LONGEST_CAUSE]}…"


def escaped(text: str) -> str:
    """The same text with control and format characters written as in Python: ``\\x1b``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """A message as one line: line breaks become spaces, what does not print is escaped."""
    return shortened(escaped(" ".join(text.split())))


def shortened(text: str) -> str:
    """A message of bearable length; of a longer one the middle is left out: the way out is last."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"
