#!/usr/bin/env python3
"""Measure how whole pages are read: words, order, rows, numbers; drawn pages, JSON out.

The rules were chosen with even seeds; "reported" says how the odd ones fare.
"""

import argparse
import json
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_reading import LIMIT_S
from rapidfuzz.distance import LCSseq
from twins.laid_out import KINDS, LaidOut, laid_out

from assistant.seeing.layout import reading_order, rows_of
from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.text import TextLine


def main(argv: list[str] | None = None) -> int:
    """Measure and write; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="pages of each kind")
    parser.add_argument("--half", choices=("choose", "report"), help="only this half of them")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--lines", type=Path, help="folder where recognized lines are kept")
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--known-only", action="store_true", help="no page that is not kept there")
    parser.add_argument("--show", action="store_true", help="each page, too")
    options = parser.parse_args(argv)
    reader = RapidOcrReader(threads=1, second_look_s=600)
    halves: dict[str, dict[str, Any]] = {"chosen_with": {}, "reported": {}}
    for kind in options.kinds:
        marks: dict[str, list[dict[str, float]]] = {half: [] for half in halves}
        for seed in range(options.seeds):
            if options.half and (options.half == "report") != bool(seed % 2):
                continue
            path = options.lines and options.lines / f"{kind}_{seed}.json"
            if options.known_only and not (path and path.exists()):
                continue
            page = laid_out(kind, seed)
            lines, seconds = _read(reader, page, path)
            marked = judged(page, lines) | {"cpu_s": seconds}
            marks["reported" if seed % 2 else "chosen_with"].append(marked)
            if options.show:
                print(kind, seed, {name: round(value, 3) for name, value in marked.items()})
        for half, found in marks.items():
            if found:
                halves[half][kind] = _summary(found)
    text = json.dumps({"schema": 1, **halves}, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def _read(
    reader: RapidOcrReader, page: LaidOut, path: Path | None
) -> tuple[Sequence[TextLine], float]:
    if path is not None and path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
    else:
        reader.load()
        began = time.process_time()
        found = [line for part in reader.parts(page.rgb, limit_s=LIMIT_S) for line in part.lines]
        kept = {
            "cpu_s": time.process_time() - began,
            "lines": [[line.text, line.box, line.confidence] for line in found],
        }
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(kept), encoding="utf-8")
    lines = [
        TextLine(text, tuple(map(tuple, box)), confidence)  # type: ignore[arg-type]
        for text, box, confidence in kept["lines"]
    ]
    return lines, kept["cpu_s"]


def judged(page: LaidOut, lines: Sequence[TextLine]) -> dict[str, float]:
    """Word recall, order of what was found, amounts in the rows of their names, wrong numbers."""
    rows = [row.text for row in rows_of(reading_order(lines))]
    truth = [word for line in page.lines for word in words(line)]
    found = [word for row in rows for word in words(row)]
    both = Counter(truth) & Counter(found)
    # Only what was read can stand in order.
    left = both.copy()
    expected = [word for word in truth if _taken(left, word)]
    marks = {
        "recall": sum(both.values()) / len(truth),
        "order": LCSseq.similarity(expected, found) / max(len(expected), 1),
    }
    if page.pairs:
        marks["pairs"] = statistics.fmean(
            any(name in row and amount in row.split() for row in rows)
            for name, amount in page.pairs
        )
    printed = {number for line in page.lines for number in numbers(line)}
    pieces = [number for row in rows for number in numbers(row)]
    marks["numbers"] = len(printed)
    marks["strange_numbers"] = sum(number not in printed for number in pieces)
    marks["fused_numbers"] = sum(_is_fused(number, printed) for number in pieces)
    return marks


def words(text: str) -> list[str]:
    """Words and numbers in lower case, without the marks around them."""
    found = (word.strip(".,:;!?()'\"").lower() for word in text.split())
    return [word for word in found if word]


def numbers(text: str) -> list[str]:
    """Everything that holds a figure."""
    return [word for word in words(text) if re.search(r"\d", word)]


def _is_fused(number: str, printed: set[str]) -> bool:
    """True for a number that stands nowhere, and begins and ends with two that do."""
    if number in printed:
        return False
    return any(number[:at] in printed and number[at:] in printed for at in range(1, len(number)))


def _taken(left: Counter[str], word: str) -> bool:
    if left[word] <= 0:
        return False
    left[word] -= 1
    return True


def _summary(found: list[dict[str, float]]) -> dict[str, float]:
    names = [name for name in found[0]]
    totals = ("numbers", "strange_numbers", "fused_numbers")
    return {"pages": len(found)} | {
        name: sum(each[name] for each in found)
        if name in totals
        else round(statistics.fmean(each[name] for each in found), 4)
        for name in names
    }


if __name__ == "__main__":
    sys.exit(main())
