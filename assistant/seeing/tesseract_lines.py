"""Places in scripts that the built-in models cannot read, given to a second reader that can."""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from assistant.errors import OcrError
from assistant.seeing.pieces import PieceReader, Reading
from assistant.seeing.text import UNSURE

log = logging.getLogger(__name__)

LEAST_READ = 0.5
"""Sureness of the second reader below which a place stays unread."""


class ScriptReader(Protocol):
    """What reads cut-out lines in other scripts; `assistant.seeing.tesseract` has one."""

    def packs_for(self, script: str) -> tuple[str, ...]:
        """What it would read a script with; empty where it cannot."""
        ...

    def read(self, crops: Sequence[Any], script: str) -> list[tuple[str, float]]:
        """What stands in lines, BGR (H, W, 3) each, and how sure that is, 0 to 1."""
        ...


def read_foreign(
    reader: ScriptReader, pieces: PieceReader, bgr: Any, unread: Sequence[Reading]
) -> tuple[list[Reading], list[Reading]]:
    """What the second reader makes of unread places; and those that stay unread.

    bgr: the upright picture (H, W, 3) in which the places lie.
    """
    added: dict[int, Reading] = {}
    by_script: dict[str, list[int]] = {}
    for number, place in enumerate(unread):
        # A place without a name may be anything, also no text at all.
        if place.foreign and place.script and reader.packs_for(place.script):
            by_script.setdefault(place.script, []).append(number)
    for script, numbers in by_script.items():
        crops = pieces.crops(bgr, [unread[number].box for number in numbers])
        try:
            found = reader.read(crops, script)
        except OcrError as error:
            # They are told as text that nobody can read, as without the second reader.
            log.info("the second reader failed: %s", error)
            continue
        for number, (text, sure) in zip(numbers, found, strict=True):
            if sure >= LEAST_READ and any(map(str.isalnum, text)):
                # Of drawn names that it is surest of, one in eight is wrong: all are guesses.
                added[number] = Reading(unread[number].box, text, min(sure, UNSURE))
    left = [place for number, place in enumerate(unread) if number not in added]
    return list(added.values()), left
