#!/usr/bin/env python3
"""Measure what is read, invented and left out in silence on self-made hard pictures; JSON out.

Even seeds are there to choose thresholds with, odd ones to report ("--half report"). Words are
compared as they are printed, without case. A word is a silent omission if it was not read and no
place that was said to be unread lies near it. The same file measures an older checkout: put that
first in PYTHONPATH, and what it does not tell counts as not told.
"""

import argparse
import inspect
import json
import re
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spoilt_pictures import photographs
from twins.hard_text import KINDS, Twin, twin

from assistant.seeing.ocr import RapidOcrReader
from models.pictures import load_picture

SURE = 0.75
"""The confidence from which a line counts as read, for checkouts that do not say so."""

LIMIT_S = 3600.0
"""On a busy machine seconds pass that are not those of the processor."""

WITHOUT_TEXT = ("darknet", "fsc147", "mmpose_coco", "llava")
"""Folders of photographs in which next to no text stands."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder that holds vision/: photographs, too")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--half", choices=("choose", "report"), default="choose")
    parser.add_argument("--count", type=int, default=12, help="pictures of each kind")
    parser.add_argument("--skip", type=int, default=0, help="pictures of each kind left out before")
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=list(KINDS))
    parser.add_argument("--photos", type=int, default=10, help="photographs of each folder")
    parser.add_argument("--show", action="store_true", help="print what is wrong")
    options = parser.parse_args(argv)
    # Seconds are those of the processor, so that a busy machine measures the same.
    knows = "second_look_s" in inspect.signature(RapidOcrReader).parameters
    more = {"second_look_s": 600.0} if knows else {}
    reader = RapidOcrReader(threads=1, **more)
    reader.load()
    first = 2 * options.skip + (options.half == "report")
    seeds = range(first, first + 2 * options.count, 2)
    report: dict[str, Any] = {"schema": 1, "half": options.half, "first_seed": first, "kinds": {}}
    for kind in options.kinds:
        marks = [measured(reader, twin(kind, seed), kind, options.show) for seed in seeds]
        report["kinds"][kind] = summed(marks)
        print(kind, json.dumps(report["kinds"][kind]), file=sys.stderr, flush=True)
    if options.data is not None:
        report["photographs"] = bench_photographs(
            reader, options.data / "vision", options.photos, options.show
        )
    text = json.dumps(report, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def measured(reader: RapidOcrReader, made: Twin, kind: str, show: bool) -> dict[str, float]:
    """Counts for one picture."""
    lines, unread, mirrored, first_s, whole_s = looked_at(reader, made.rgb)
    wanted = [(word, box) for line, box in zip(made.lines, made.boxes, strict=False)
              for word in words(line)]  # fmt: skip
    found = [word for line in lines for word in words(line.text)]
    surely = [word for line in lines if is_sure(line) for word in words(line.text)]
    known = {word for word, _ in wanted}
    missed = [(word, box) for word, box in wanted if word not in found]
    silent = [word for word, box in missed if not any(near(box, each.box) for each in unread)]
    invented = [word for word in surely if word not in known]
    foreign = [box for box in made.boxes[: len(made.unreadable)]] if made.unreadable else []
    told = sum(any(near(box, each.box) and each.foreign for each in unread) for box in foreign)
    if show and (missed or invented or (not made.lines and unread) or told < len(foreign)):
        print(kind, made.lines, made.unreadable, "->",
              [(line.text, round(line.confidence, 2)) for line in lines],
              [(each.script, [round(x) for x in each.box]) for each in unread],
              file=sys.stderr)  # fmt: skip
    return {
        "words": len(wanted), "read": len(wanted) - len(missed), "invented": len(invented),
        "silent": len(silent), "unread": len(unread), "foreign": len(foreign), "told": told,
        "as_mirrored": float(mirrored == made.mirrored), "first_s": first_s, "whole_s": whole_s,
    }  # fmt: skip


def looked_at(reader: RapidOcrReader, rgb: Any) -> tuple[list[Any], list[Any], bool, float, float]:
    """Lines, unread places, whether mirrored, seconds to the first lines and to the end."""
    began, first_s = time.process_time(), 0.0
    lines: list[Any] = []
    unread: list[Any] = []
    mirrored = False
    for part in reader.parts(rgb, limit_s=LIMIT_S):
        lines += part.lines
        if lines:
            first_s = first_s or time.process_time() - began
        unread += getattr(part, "unread", ())
        mirrored = mirrored or getattr(part, "mirrored", False)
    whole_s = time.process_time() - began
    return lines, unread, mirrored, first_s or whole_s, whole_s


def summed(marks: Sequence[dict[str, float]]) -> dict[str, float]:
    """Shares over all pictures of a kind, and median times."""
    total = {name: sum(mark[name] for mark in marks) for name in marks[0]}
    count = max(total["words"], 1)
    return {
        "pictures": len(marks),
        "recall": round(total["read"] / count, 4),
        "silent": round(total["silent"] / count, 4),
        "invented": int(total["invented"]),
        "unread": int(total["unread"]),
        "foreign_told": f"{total['told']:.0f}/{total['foreign']:.0f}",
        "mirror_right": round(total["as_mirrored"] / len(marks), 3),
        "first_s": round(statistics.median(mark["first_s"] for mark in marks), 3),
        "whole_s": round(statistics.median(mark["whole_s"] for mark in marks), 3),
    }


def bench_photographs(
    reader: RapidOcrReader, vision: Path, most: int, show: bool
) -> dict[str, Any]:
    """Per folder: words that were read, unread places, times; words where there is no text."""
    sets: dict[str, list[dict[str, Any]]] = {}
    for path in photographs(vision):
        name = path.parent.name
        if len(sets.get(name, ())) >= most:
            continue
        lines, unread, mirrored, first_s, whole_s = looked_at(reader, load_picture(path))
        found = [word for line in lines if is_sure(line) for word in words(line.text)]
        if show:
            print(path.name, [(line.text, round(line.confidence, 2)) for line in lines][:40]
                  if name in WITHOUT_TEXT else len(lines), mirrored,
                  [(each.script, each.foreign, [round(x) for x in each.box]) for each in unread],
                  file=sys.stderr)  # fmt: skip
        truth = truth_of(path)
        all_words = [word for line in lines for word in words(line.text)]
        sets.setdefault(name, []).append(
            {
                "words": len(found),
                "unread": len(unread),
                "mirrored": mirrored,
                "first_s": first_s,
                "whole_s": whole_s,
                "truth": len(truth),
                "hit": sum(word in all_words for word in truth),
            }  # fmt: skip
        )
    return {
        name: {
            "pictures": len(each),
            "sure_words": sum(one["words"] for one in each),
            "recall": round(sum(o["hit"] for o in each) / max(sum(o["truth"] for o in each), 1), 4),
            "with_unread": sum(one["unread"] > 0 for one in each),
            "unread": sum(one["unread"] for one in each),
            "mirrored": sum(one["mirrored"] for one in each),
            "first_s": round(statistics.median(one["first_s"] for one in each), 3),
            "whole_s": round(statistics.median(one["whole_s"] for one in each), 3),
        }
        for name, each in sets.items()
    }


def truth_of(path: Path) -> list[str]:
    """The words of a photograph whose text the data holds, else nothing."""
    boxes = path.with_name(path.stem + ".box.csv")
    if boxes.exists():
        rows = boxes.read_text(encoding="utf-8", errors="replace").splitlines()
        return [word for row in rows for word in words(row.split(",", 8)[-1])]
    for label in (path.parent / "labels.json", path.parent / "expected_texts.json"):
        if label.exists():
            return words(str(json.loads(label.read_text(encoding="utf-8")).get(path.name, "")))
    return []


def words(text: str) -> list[str]:
    """Words and figures in small letters, marks inside kept."""
    return [word for each in text.lower().split() if (word := re.sub(r"^\W+|\W+$", "", each))]


def is_sure(line: Any) -> bool:
    """True if a line counts as read."""
    return float(line.confidence) >= SURE


def near(box: Sequence[float], other: Sequence[float]) -> bool:
    """True if two places (left, top, right, bottom) touch, or nearly."""
    reach = 0.5 * max(box[3] - box[1], 10)
    return (
        box[0] - reach < other[2] and other[0] < box[2] + reach
        and box[1] - reach < other[3] and other[1] < box[3] + reach
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
