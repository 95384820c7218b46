#!/usr/bin/env python3
"""Compare how two checkouts read the real photographs: words, time; one picture each in turn.

Each checkout reads in a process of its own, with one thread, and its seconds are those of the
processor. Words are compared as they are printed, without case. Of street photographs only places
are known: one is found if something was read there. A set without any truth shows how many words
were read, and of those that the other checkout reads how many.
"""

import argparse
import inspect
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_reading import is_sure, looked_at, words
from spoilt_pictures import photographs

from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.quality import check_quality
from models.pictures import load_picture

Box = tuple[float, float, float, float]

HALVES = {"choose": (1,), "report": (0,), "all": (0, 1)}
"""Of the photographs, counted from 0, odd ones are there to choose with, even ones to report."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="the folder that holds vision/")
    parser.add_argument("--before", type=Path, help="the older checkout")
    parser.add_argument("--sets", nargs="+", help="only these")
    parser.add_argument("--half", choices=tuple(HALVES), default="all", help="to choose or report")
    parser.add_argument("--every", type=int, default=1, help="only every nth picture of a set")
    parser.add_argument("--out", type=Path, help="JSON file; other parts that it holds stay")
    parser.add_argument("--show", action="store_true", help="each picture, too")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        return serve()
    if options.data is None or options.before is None:
        parser.error("a folder of data and --before are needed")
    here = Path(__file__).resolve().parents[1]
    servers = {"before": started(options.before), "now": started(here)}
    sets: dict[str, list[dict[str, Any]]] = {}
    met: Counter[str] = Counter()
    for number, path in enumerate(photographs(options.data / "vision")):
        name = set_of(path)
        if number % 2 not in HALVES[options.half]:
            continue
        if options.sets and name not in options.sets:
            continue
        met[name] += 1
        if (met[name] - 1) % options.every:
            continue
        order = ["before", "now"] if number // 2 % 2 else ["now", "before"]
        found = {which: asked(servers[which], path) for which in order}
        marks = {which: marked(path, each) for which, each in found.items()}
        both = Counter(found["before"]["words"]) & Counter(found["now"]["words"])
        sets.setdefault(name, []).append({**marks, "both": both.total()})
        if options.show:
            print(path.name, json.dumps(marks), both.total(), file=sys.stderr, flush=True)
    for server in servers.values():
        server.stdin.close()
        server.wait()
    report = {name: summed(each) for name, each in sets.items()}
    kept: dict[str, Any] = {"schema": 1}
    if options.out is not None and options.out.exists():
        kept = json.loads(options.out.read_text(encoding="utf-8"))
    kept["versions"] = kept.get("versions", {}) | report
    text = json.dumps(kept, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def serve() -> int:
    """Read the pictures whose paths come in line by line; returns 0 at their end."""
    knows = "second_look_s" in inspect.signature(RapidOcrReader).parameters
    reader = RapidOcrReader(threads=1, **({"second_look_s": 600.0} if knows else {}))
    reader.load()
    for path in sys.stdin:
        rgb = load_picture(Path(path.strip()))
        lines, unread, _, first_s, whole_s = looked_at(reader, rgb)
        found = {
            "words": [word for line in lines for word in words(line.text)],
            "sure": sum(len(words(line.text)) for line in lines if is_sure(line)),
            "boxes": [extent(line.box) for line in lines],
            "unread": len(unread), "refused": check_quality(rgb) is not None,
            "first_s": first_s, "whole_s": whole_s,
        }  # fmt: skip
        print(json.dumps(found), flush=True)
    return 0


def started(checkout: Path) -> Any:
    """A process that reads with a checkout."""
    return subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=os.environ | {"PYTHONPATH": str(checkout.resolve())},
    )  # fmt: skip


def asked(server: Any, path: Path) -> dict[str, Any]:
    """What a process reads in a picture."""
    server.stdin.write(f"{path}\n")
    server.stdin.flush()
    found: dict[str, Any] = json.loads(server.stdout.readline())
    return found


def marked(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Counts for one picture."""
    places = places_of(path)
    if places:
        hit = sum(any(holds(box, place) for box in found["boxes"]) for place in places)
        truth = len(places)
    else:
        wanted = Counter(truth_of(path))
        hit, truth = (wanted & Counter(found["words"])).total(), wanted.total()
    return {"hit": hit, "truth": truth, "words": len(found["words"])} | {
        name: found[name] for name in ("sure", "unread", "refused", "first_s", "whole_s")
    }


def summed(marks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Both checkouts on one set."""
    report: dict[str, Any] = {
        "pictures": len(marks),
        "words_of_both": sum(m["both"] for m in marks),
    }
    for which in ("before", "now"):
        own = [mark[which] for mark in marks]
        truth = sum(each["truth"] for each in own)
        report[which] = {
            "recall": round(sum(each["hit"] for each in own) / truth, 4) if truth else None,
            **{name: sum(each[name] for each in own)
               for name in ("truth", "words", "sure", "unread", "refused")},
            **{name: round(statistics.median(each[name] for each in own), 3)
               for name in ("first_s", "whole_s")},
        }  # fmt: skip
    for name in ("first_s", "whole_s"):
        ratios = [mark["now"][name] / max(mark["before"][name], 0.01) for mark in marks]
        report[f"{name}_ratio"] = round(statistics.median(ratios), 3)
    return report


def set_of(path: Path) -> str:
    """The set that a photograph belongs to: its folder, those of several kinds parted."""
    if path.parent.name != "mmocr":
        return path.parent.name
    kind = path.name.split("_")[0]
    return f"mmocr_{kind}" if kind in ("icdar15", "rec", "wildreceipt") else "mmocr"


def truth_of(path: Path) -> list[str]:
    """The words of a photograph; none where they are not known."""
    boxes = path.with_name(path.stem + ".box.csv")
    if boxes.exists():
        rows = boxes.read_text(encoding="utf-8", errors="replace").splitlines()
        return [word for row in rows for word in words(row.split(",", 8)[-1])]
    kind, _, name = path.name.partition("_")
    if kind == "rec":
        rows = json.loads((path.parent / "rec_labels.json").read_text("utf-8"))["data_list"]
        return [word for row in rows if row["img_path"] == name
                for each in row["instances"] for word in words(each["text"])]  # fmt: skip
    if kind == "wildreceipt":
        text = (path.parent / "wildreceipt_data.txt").read_text("utf-8")
        rows = [json.loads(row) for row in text.splitlines()]
        return [word for row in rows if row["file_name"].endswith(f"/{name}")
                for each in row["annotations"] for word in words(each["text"])]  # fmt: skip
    for label in (path.parent / "labels.json", path.parent / "expected_texts.json"):
        if label.exists():
            return words(str(json.loads(label.read_text("utf-8")).get(path.name, "")))
    return []


def places_of(path: Path) -> list[Box]:
    """Where text stands in a street photograph, as far as the data calls it legible."""
    kind, _, name = path.name.partition("_")
    if kind != "icdar15":
        return []
    rows = json.loads((path.parent / "icdar15_textdet_test.json").read_text("utf-8"))["data_list"]
    return [tuple(each["bbox"]) for row in rows if row["img_path"].endswith(f"/{name}")
            for each in row["instances"] if not each["ignore"]]  # fmt: skip


def extent(corners: Sequence[Sequence[float]]) -> Box:
    """Left, top, right, bottom of a line."""
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def holds(box: Sequence[float], place: Box) -> bool:
    """True if the middle of a place lies within a box."""
    x, y = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


if __name__ == "__main__":
    sys.exit(main())
