#!/usr/bin/env python3
"""Measure the eyes of the assistant on photographs, receipts and spoilt copies of them; JSON out.

The thresholds of the quality gate were chosen with these photographs, those against glare and too
much light with every other one of them: "judged" says how the others fare. There, a spoilt copy is
lost if OCR finds less than half of the text that it finds in the good picture; only of those it is
sure that refusing them helps.
"""

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_gate_judge import LOST, is_held_out
from PIL import Image
from spoilt_pictures import SPOILT, WORKING_SIDE, Picture, photographs

from assistant.answers import Basis
from assistant.seeing.framing import cut_off
from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.quality import Cause, check_quality
from assistant.seeing.text import TextLine, TextPart
from assistant.skills.grounding import digits_are_read
from assistant.skills.router import say, skill_named, understand
from assistant.skills.scene import Scene
from assistant.stopwatch import Stopwatch
from models.pictures import RgbPicture, load_picture

READABLE = Path(__file__).parent / "results/assistant_seeing_readable.json"
"""How much text OCR still finds in spoilt copies; `bench_gate_judge.py` writes it."""

CAMERA_SIDE = 200
"""Pixels of the longer side; no camera gives fewer. Smaller pictures are cut-out words."""


def main(argv: list[str] | None = None) -> int:
    """Measure and write; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds vision/")
    parser.add_argument("--out", type=Path, help="JSON file; other parts that it holds stay")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=("gate", "receipts", "cuts"),
        default=["gate"],
        help="receipts and cuts take minutes; cuts are read beside the whole receipts",
    )
    options = parser.parse_args(argv)
    vision = options.data / "vision"
    report: dict[str, Any] = {}
    if options.out is not None and options.out.exists():
        report = json.loads(options.out.read_text(encoding="utf-8"))
    report["schema"] = 1
    if "gate" in options.parts:
        report["gate"] = bench_gate(vision)
    if "receipts" in options.parts or "cuts" in options.parts:
        report["receipts"] = bench_receipts(vision / "sroie", with_cuts="cuts" in options.parts)
    text = json.dumps(report, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def bench_gate(vision: Path) -> dict[str, Any]:
    """Part of the good pictures refused, and of the spoilt ones, by cause and by what is lost."""
    good = {path: shrunk(load_picture(path)) for path in photographs(vision)}
    began = time.perf_counter()
    causes = {path: check_quality(rgb) for path, rgb in good.items()}
    seconds = time.perf_counter() - began
    refused = {path.name: cause.value for path, cause in causes.items() if cause is not None}
    large = [max(rgb.shape[:2]) >= CAMERA_SIDE for rgb in good.values()]
    readable = json.loads(READABLE.read_text(encoding="utf-8"))["pictures"]
    spoilt, judged = {}, {}
    for name, spoil in SPOILT.items():
        found = [
            check_quality(spoil(rgb, np.random.default_rng(seed)))
            for seed, rgb in enumerate(good.values())
        ]
        spoilt[name] = {
            "pictures": len(found),
            "refused": _mean([cause is not None for cause in found]),
            "refused_of_camera_size": _mean(
                [cause is not None for cause, fits in zip(found, large, strict=True) if fits]
            ),
            "causes": {
                cause.value: sum(each is cause for each in found)
                for cause in Cause
                if cause in found
            },
        }
        names = [str(path.relative_to(vision)) for path in good]
        outcome = judge(names, found, {each: readable[each].get(name) for each in readable})
        if any(outcome.values()):
            judged[name] = outcome
    return {
        "good": len(good),
        "good_refused": len(refused) / len(good),
        "good_refused_names": refused,
        "ms_per_picture": round(1000 * seconds / len(good), 1),
        "spoilt": spoilt,
        "judged": judged,
    }


def judge(
    names: list[str], found: list[Cause | None], recall: Mapping[str, float | None]
) -> dict[str, dict[str, int]]:
    """How many of the lost and of the kept copies are refused, in either half of the photographs.

    recall: by picture, the part of its text that is still read; None or absent where unknown.
    """
    halves: dict[str, dict[str, int]] = {}
    for half, others in (("chosen_with", False), ("held_out", True)):
        marks = [
            (recall[name] < LOST, cause is not None)  # type: ignore[operator]
            for number, (name, cause) in enumerate(zip(names, found, strict=True))
            if is_held_out(number) == others and recall.get(name) is not None
        ]
        if marks:
            halves[half] = {
                "lost": sum(lost for lost, _ in marks),
                "lost_refused": sum(lost and refused for lost, refused in marks),
                "kept": sum(not lost for lost, _ in marks),
                "kept_refused": sum(not lost and refused for lost, refused in marks),
            }
    return halves


class KnownLines:
    """A reader that has read already."""

    def __init__(self, lines: Sequence[TextLine]) -> None:
        self._lines = tuple(lines)

    def load(self) -> None: ...

    def read(self, rgb: RgbPicture) -> tuple[TextLine, ...]:
        return self._lines

    def parts(self, rgb: RgbPicture, **options: object) -> Iterator[TextPart]:
        yield TextPart(self._lines, 0)


def bench_receipts(folder: Path, *, with_cuts: bool) -> dict[str, Any]:
    """Totals and dates against their keys, seconds to the first lines, and cut pages."""
    reader = RapidOcrReader(threads=1)
    reader.load()
    marks: dict[str, list[tuple[bool, bool]]] = {"total": [], "date": []}
    found_in_lines: list[bool] = []
    first_s, whole_s = [], []
    cut: dict[str, list[bool]] = {"whole": [], "right": [], "left": []}
    for path in sorted(folder.glob("*.key.json")):
        picture = load_picture(path.with_name(path.name.replace(".key.json", ".jpg")))
        key = json.loads(path.read_text(encoding="utf-8"))
        began = time.perf_counter()
        lines: list[TextLine] = []
        for number, part in enumerate(reader.parts(picture, limit_s=120)):
            if number == 0:
                first_s.append(time.perf_counter() - began)
            lines += part.lines
        whole_s.append(time.perf_counter() - began)
        for field, found in marks.items():
            if key.get(field):
                asked = understand(f"what is the {field}")
                scene = Scene(picture, KnownLines(lines), Stopwatch())
                answer = skill_named(asked.skill).find(asked, scene)
                is_read = answer is not None and answer.basis is Basis.READ
                text = "" if answer is None else say(answer)
                found.append((is_read, figures(key[field]) in figures(text)))
                if is_read:
                    found_in_lines.append(digits_are_read(text, lines))
        if not with_cuts:
            continue
        for name, edge, rgb in cuts(picture, lines):
            height, width = rgb.shape[:2]
            said = cut_off(reader.read(rgb) if name != "whole" else lines, width, height)
            cut[name].append(said is not None if edge is None else said == edge)
    report: dict[str, Any] = {
        "receipts": len(whole_s),
        "fields": {field: _shares(found) for field, found in marks.items()},
        "read_digits_found_in_lines": _mean(found_in_lines),
        "first_lines_s": round(statistics.median(first_s), 2),
        "whole_s": round(statistics.median(whole_s), 2),
    }
    if with_cuts:
        report["cut_off"] = {
            "called_cut_though_whole": _mean(cut["whole"]),
            "right_found": _mean(cut["right"]),
            "left_found": _mean(cut["left"]),
        }
    return report


def _shares(found: list[tuple[bool, bool]]) -> dict[str, float | int]:
    read = [right for is_read, right in found if is_read]
    return {
        "asked": len(found),
        "answered_read": len(read),
        "read_and_right": _mean(read),
        "right_of_all": _mean([is_read and right for is_read, right in found]),
    }


def _mean(marks: list[bool]) -> float:
    return round(sum(marks) / len(marks), 4) if marks else float("nan")


def cuts(picture: Picture, lines: list[TextLine]) -> Iterator[tuple[str, str | None, Picture]]:
    """The whole receipt, and parts that end in the middle of its lines."""
    yield "whole", None, picture
    left = statistics.median(min(x for x, _ in line.box) for line in lines)
    right = statistics.median(max(x for x, _ in line.box) for line in lines)
    middle = round((left + right) / 2)
    if len(lines) % 2:
        yield "right", "right", np.ascontiguousarray(picture[:, :middle])
    else:
        yield "left", "left", np.ascontiguousarray(picture[:, middle:])


def shrunk(rgb: Picture) -> Picture:
    """At most WORKING_SIDE pixels a side."""
    image = Image.fromarray(rgb)
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return np.array(image)


def figures(text: str) -> str:
    """Digits only, so that 1,234.50 and RM1234.50 are the same amount."""
    return re.sub(r"\D", "", text)


if __name__ == "__main__":
    sys.exit(main())
