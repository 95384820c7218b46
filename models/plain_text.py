"""Text of files as a message repeats it: names and values of others, on one line, harmless.

A tensor, a key or a file can have any name. Printed raw it could move the cursor, change colours
or hide what stands before it.
"""

LONGEST = 2000
"""Characters of a message; nobody listens to more."""


def escaped(text: str) -> str:
    """The same text with control and format characters written as in Python: ``\\x1b``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """A message as one line: line breaks become spaces, what does not print is escaped."""
    line = escaped(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
