"""What a recognizer of print makes of something else: readings that are taken back or doubted.

Dots and segments that lie on their side come out as single Chinese characters and as one figure
again and again; lines in a script that the models do not know as Latin letters, with less
confidence than print, beside others of which the script was told.
"""

from collections.abc import Sequence
from dataclasses import replace

from assistant.seeing.pieces import LEAST_LATIN, Reading
from assistant.seeing.scripts import is_chinese
from assistant.seeing.text import LEAST_SURE, UNSURE

LONE_SURE = 0.95
"""Confidence from which a single Chinese character, or one figure again and again, is one."""

AGAIN = 4
"""So many times the same character are the dots of a line, or the bars of a fence."""


def taken_back(readings: Sequence[Reading], *, print_known: bool = False) -> list[Reading]:
    """Readings of one look at a picture, without what nothing else speaks for.

    print_known: whether another look has read something surely.
    """
    has_chinese = any(is_chinese(e.text) and len(e.text) > 1 and e.confidence >= LEAST_SURE
                      for e in readings)  # fmt: skip
    told = [each if has_chinese else _alone(each) for each in readings]
    if not print_known and not any(map(is_print, told)):
        told = [_foreign(each, "") if each.alien else each for each in told]
    foreign = [each for each in told if each.foreign and each.script]
    sure = sum(map(is_print, told))
    if not foreign or len(foreign) < sure:
        return told
    names = [each.script for each in foreign]
    name = max(names, key=names.count)
    return [
        _foreign(each, name)
        if each.confidence < LEAST_LATIN and any(map(str.isalpha, each.text))
        else each
        for each in told
    ]


def is_print(reading: Reading) -> bool:
    """True for what was read as surely as print is."""
    return bool(reading.text) and reading.confidence >= LEAST_LATIN


def _foreign(reading: Reading, script: str) -> Reading:
    return replace(reading, text="", confidence=0.0, foreign=True, script=script)


def _alone(reading: Reading) -> Reading:
    """One reading, without text if it is a doubtful character alone; doubted if it is one again
    and again."""
    characters = list(filter(str.isalnum, reading.text))
    if reading.confidence >= LONE_SURE or len(set(characters)) != 1:
        return reading
    if len(characters) == 1 and is_chinese(reading.text):
        return replace(reading, text="")
    if len(characters) >= AGAIN:
        return replace(reading, confidence=min(reading.confidence, UNSURE))
    return reading
