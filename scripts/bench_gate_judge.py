#!/usr/bin/env python3
"""Find out which spoilt pictures can still be read; `bench_assistant_seeing.py` needs the answer.

Whether refusing a spoilt picture helps is for OCR to say: glare that hides no text need not be
refused. Each picture is read clean and spoilt, and the part of the clean text that is still read
is kept, picture by picture, so that the work of an hour can be interrupted and go on.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rapidfuzz import fuzz
from spoilt_pictures import SPOILT, Picture, photographs

from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.text import TextReader
from models.pictures import load_picture

READ_SIDE = 800
"""Pixels of the longer side at which pictures are read."""

LEAST_LETTERS = 8
"""A picture with fewer holds no text worth a judgement."""

SURE, ALIKE = 0.6, 75
"""OCR confidence of what counts, and percent of equal letters in words that count as the same."""

LOST = 0.5
"""Less of the text than this is not worth reading out; a refusal with a fix helps more."""

JUDGED = (
    "too_bright_2.5", "too_bright_4", "glare_0.12", "glare_0.18", "glare_0.25",
    "covered_60_percent", "covered_80_percent",
)  # fmt: skip
JUDGED_HELD_OUT = ("tube_0.3_0.12", "tube_0.4_0.2", "washed_5")
"""What no threshold was chosen with."""


def is_held_out(number: int) -> bool:
    """True for the photographs, by their place in the list, that no threshold was chosen with."""
    return number % 2 == 1


def main(argv: list[str] | None = None) -> int:
    """Judge what is not yet judged; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds vision/")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, gone on with")
    options = parser.parse_args(argv)
    vision = options.data / "vision"
    known: dict[str, dict[str, float]] = {}
    if options.out.exists():
        known = json.loads(options.out.read_text(encoding="utf-8"))["pictures"]
    reader = RapidOcrReader(threads=1)
    for number, path in enumerate(photographs(vision)):
        name = str(path.relative_to(vision))
        if name in known:
            continue
        spoils = (*JUDGED, *JUDGED_HELD_OUT) if is_held_out(number) else JUDGED
        known[name] = judged(fitted(load_picture(path)), spoils, number, reader)
        options.out.write_text(as_text(known), encoding="utf-8")
    return 0


def judged(rgb: Picture, spoils: Sequence[str], seed: int, reader: TextReader) -> dict[str, float]:
    """The part of a picture's text that is read in each spoilt copy; nothing without text."""
    clean = words(reader, rgb)
    if sum(map(len, clean)) < LEAST_LETTERS:
        return {}
    copies = ((name, SPOILT[name](rgb, np.random.default_rng(seed))) for name in spoils)
    return {name: round(still_read(clean, words(reader, copy)), 3) for name, copy in copies}


def words(reader: TextReader, rgb: Picture) -> list[str]:
    """The words of two letters and more that are read with some certainty, in lower case."""
    lines = [line.text for line in reader.read(rgb) if line.confidence > SURE]
    return [word.lower() for line in lines for word in re.findall(r"\w\w+", line)]


def still_read(clean: Sequence[str], spoilt: Sequence[str]) -> float:
    """The part of the letters whose words are found again; each found word counts once."""
    left, found = list(spoilt), 0
    for word in clean:
        alike = [fuzz.ratio(word, other) for other in left]
        if alike and max(alike) >= ALIKE:
            found += len(word)
            left.pop(alike.index(max(alike)))
    return found / sum(map(len, clean))


def fitted(rgb: Picture) -> Picture:
    """At most READ_SIDE pixels a side."""
    image = Image.fromarray(rgb)
    image.thumbnail((READ_SIDE, READ_SIDE), Image.Resampling.LANCZOS)
    return np.array(image)


def as_text(known: dict[str, dict[str, float]]) -> str:
    """JSON with a line for each picture."""
    rows: list[Any] = [f" {json.dumps(name)}: {json.dumps(known[name])}" for name in sorted(known)]
    return '{"schema": 1, "pictures": {\n' + ",\n".join(rows) + "\n}}\n"


if __name__ == "__main__":
    sys.exit(main())
