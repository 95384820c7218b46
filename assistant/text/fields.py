"""Rows that hold several values, each behind its label, as plates, cards and tickets print them.

"Model BX-640 S  Serial no. 2219 0047 81" says two things. Whoever asks for one of them is told
that one, as printed, with its label.
"""

import re
from dataclasses import dataclass

from assistant.text.tokens import tokens

LONGEST = 20
"""Words of such a row; a longer one is running text."""

LONGEST_LABEL = 4
"""Words."""

_JOINS = re.compile(r"(?:[-–—~=/|&+,;:×x]|to|bis|à|au|tot|al|a|til|until|ca\.?|no\.?|nr\.?)", re.I)
"""What may stand between the parts of one value."""

_PROSE = re.compile(r"[^\W\d_]{2,}[.!?]$|(?<!\b[Nn])(?<!\b[Tt]e)[^\W\d_][.!?] [A-Z]")
"""A sentence ends here, or within: what stands beside it goes on from the row above."""

_TEXT_LABEL = re.compile(
    r"(?<!\S)(?:[^\W\d_][\w./'-]*(?: (?:no|nr|number|code|name|by|date)\.?)?):(?=\s|$|\w)",
    re.IGNORECASE,
)
"""A label before its colon."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a row with its label.

    label: the words before the value.
    text:  label and value, a part of the row as printed.
    """

    label: str
    text: str


def fields(text: str) -> tuple[Field, ...]:
    """The labelled values of a row, from left to right; none if it holds only one, or prose."""
    said = text.split()
    if not 2 <= len(said) <= LONGEST or _PROSE.search(text.strip()):
        return ()
    found = _with_colons(text) or _by_values(text)
    usable = len(found) > 1 and all(
        each.label and each.text.count("(") == each.text.count(")") for each in found
    )
    return found if usable else ()


def _with_colons(text: str) -> tuple[Field, ...]:
    """The fields of "Bill No: 7741  Table: 3", where each label ends with a colon."""
    starts = [match.span() for match in _TEXT_LABEL.finditer(text)]
    if len(starts) < 2 or text[: starts[0][0]].strip():
        return ()
    ends = [*(first for first, _ in starts[1:]), len(text)]
    return tuple(
        Field(text[first:last].rstrip(" :"), text[first:end].strip(" ,;"))
        for (first, last), end in zip(starts, ends, strict=True)
    )


def _by_values(text: str) -> tuple[Field, ...]:
    """The fields of "INPUT 240 V ~ 1.5 A  OUTPUT 20 V": a label begins behind a value's end."""
    spans = [(token.start, token.end) for token in tokens(text)]
    found: list[Field] = []
    begin, label_end, in_value = 0, 0, False
    for match in re.finditer(r"\S+", text):
        first, last = match.span()
        word = match[0]
        is_value = any(start < last and first < end for start, end in spans)
        is_value = is_value or any(map(str.isdigit, word))
        if is_value:
            label_end = label_end if in_value else first
            in_value = True
            continue
        letters = re.sub(r"\W", "", word)
        if in_value and (len(letters) < 2 or _JOINS.fullmatch(word)):
            continue
        if in_value:
            if not letters[0].isupper():
                # "10.30, floor 1", "4 eggs": what goes on in small letters is no label.
                continue
            found.append(_field(text, begin, label_end, first))
            begin, in_value = first, False
    if in_value:
        found.append(_field(text, begin, label_end, len(text)))
    elif found:
        rest = text[begin:].strip()
        if len(rest.split()) > 1:
            # "Dogs free"
            found.append(Field(rest, rest))
        else:
            # "Platz 81 Gang"
            found[-1] = Field(found[-1].label, f"{found[-1].text} {rest}")
    return tuple(found)


def _field(text: str, begin: int, label_end: int, end: int) -> Field:
    label = text[begin:label_end].strip(" .:;,=-–")
    named = label if len(label.split()) <= LONGEST_LABEL else ""
    return Field(named, text[begin:end].strip(" ,;"))
