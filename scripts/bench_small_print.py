#!/usr/bin/env python3
"""Measure what a second reader does for small print: drawn pages, with it and without; JSON out.

Even seeds are there to choose thresholds with, odd ones to report ("--half report"). Words are
compared as they are printed, without case, with those of the line at the same height. "Sure" are
those of lines that count as read; "wrong" are those of them that do not stand in that line. Pages
are drawn in those languages that the installed Tesseract has a pack for.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_reading import LIMIT_S, is_sure, words
from twins.hard_text import Twin
from twins.small_print import FIRST_WORDS, passages, small_print

from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.tesseract import installed
from assistant.text.languages import page_language

SIZES = (9, 10, 11, 12, 14, 18)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write; returns 0, or 2 where there is no second reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds text/")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--half", choices=("choose", "report"), default="choose")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="of letters, px")
    parser.add_argument("--pages", type=int, default=4, help="of each size")
    parser.add_argument("--rows", type=int, default=30, help="lines of a page")
    options = parser.parse_args(argv)
    second = installed()
    languages = [each for each in FIRST_WORDS if second is not None and second.reads(each)]
    if not languages:
        print("Tesseract is not installed, or has no pack for Latin letters", file=sys.stderr)
        return 2
    given = passages(options.data / "text")
    page_language(["The language of a page is told by a model that is loaded first."])
    readers = {
        "alone": RapidOcrReader(threads=1, second_look_s=600.0),
        "both": RapidOcrReader(
            threads=1, second_look_s=600.0, open_other=lambda: second, language_of=page_language
        ),
    }
    for reader in readers.values():
        reader.load()
    sizes = {}
    for size in options.sizes:
        marks: dict[str, list[dict[str, float]]] = {name: [] for name in readers}
        for number in range(options.pages):
            seed = 2 * number + (options.half == "report")
            language = languages[(number + size) % len(languages)]
            page = small_print(given[language], size, seed, rows=options.rows)
            names = list(readers) if number % 2 else list(readers)[::-1]
            for name in names:
                marks[name].append(measured(readers[name], page))
        sizes[str(size)] = {name: summed(each) for name, each in marks.items()}
        print(size, json.dumps(sizes[str(size)]), file=sys.stderr, flush=True)
    report = {
        "schema": 1, "half": options.half, "pages": options.pages, "rows": options.rows,
        "languages": languages, "sizes": sizes,
    }  # fmt: skip
    text = json.dumps(report, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def measured(reader: Any, page: Twin) -> dict[str, float]:
    """Counts for one page."""
    began, first_s = seconds(), 0.0
    lines: list[Any] = []
    for part in reader.parts(page.rgb, limit_s=LIMIT_S):
        lines += part.lines
        first_s = first_s or (seconds() - began if lines else 0.0)
    whole_s = seconds() - began
    middles = [(top + bottom) / 2 for _, top, _, bottom in page.boxes]
    wanted = [Counter(words(line)) for line in page.lines]
    left = [Counter(each) for each in wanted]
    counts: Counter[str] = Counter()
    for line in lines:
        at = min(range(len(middles)), key=lambda n: abs(middles[n] - line.centre[1]))
        said = Counter(words(line.text))
        hit = (said & left[at]).total()
        left[at] -= said
        counts["read"] += hit
        if is_sure(line):
            counts["sure"] += hit
            counts["wrong"] += said.total() - hit
    return {
        "words": sum(each.total() for each in wanted), "first_s": first_s, "whole_s": whole_s,
        **{name: counts[name] for name in ("read", "sure", "wrong")},
    }  # fmt: skip


def seconds() -> float:
    """Those of the processor, of the programs that were started, too."""
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + own.ru_utime + own.ru_stime


def summed(marks: Sequence[dict[str, float]]) -> dict[str, float]:
    """Shares over all pages of a size, and median times."""
    total = {name: sum(mark[name] for mark in marks) for name in ("words", "read", "sure", "wrong")}
    return {
        "words": int(total["words"]),
        "recall": round(total["read"] / total["words"], 4),
        "sure_recall": round(total["sure"] / total["words"], 4),
        "sure_precision": round(total["sure"] / max(total["sure"] + total["wrong"], 1), 4),
        "wrong_sure": int(total["wrong"]),
        "first_s": round(statistics.median(mark["first_s"] for mark in marks), 2),
        "whole_s": round(statistics.median(mark["whole_s"] for mark in marks), 2),
    }


if __name__ == "__main__":
    sys.exit(main())
