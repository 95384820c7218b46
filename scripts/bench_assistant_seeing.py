#!/usr/bin/env python3
"""Measure the eyes of the assistant on photographs, receipts and spoilt copies of them; JSON out.

Every degradation is made here, from the same photographs that the thresholds of the quality gate
were chosen with: recall and false alarms describe this set, they promise nothing for another.
"""

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from assistant.answering.grounding import Basis, digits_are_read
from assistant.answering.intents import understand
from assistant.answering.text_answers import answer_from_text
from assistant.seeing.framing import cut_off
from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.quality import Cause, check_quality
from assistant.seeing.text import TextLine
from models.pictures import load_picture

Picture = Any
Spoil = Callable[[Picture, np.random.Generator], Picture]

WORKING_SIDE = 512
"""Copies are spoilt at this size, so that a blur means the same in every picture."""


def main(argv: list[str] | None = None) -> int:
    """Measure and write; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds vision/")
    parser.add_argument("--out", type=Path, help="JSON file (default: standard output)")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=("gate", "receipts", "cuts"),
        default=["gate"],
        help="receipts and cuts take minutes; cuts are read beside the whole receipts",
    )
    options = parser.parse_args(argv)
    vision = options.data / "vision"
    report: dict[str, Any] = {"schema": 1}
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
    """Part of the good pictures refused, and of the spoilt ones refused, by cause."""
    good = {path: shrunk(load_picture(path)) for path in photographs(vision)}
    began = time.perf_counter()
    causes = {path: check_quality(rgb) for path, rgb in good.items()}
    seconds = time.perf_counter() - began
    refused = {path.name: cause.value for path, cause in causes.items() if cause is not None}
    spoilt = {}
    for name, spoil in SPOILT.items():
        found = [
            check_quality(spoil(rgb, np.random.default_rng(seed)))
            for seed, rgb in enumerate(good.values())
        ]
        spoilt[name] = {
            "pictures": len(found),
            "refused": sum(cause is not None for cause in found) / len(found),
            "causes": {
                cause.value: sum(each is cause for each in found)
                for cause in Cause
                if cause in found
            },
        }
    return {
        "good": len(good),
        "good_refused": len(refused) / len(good),
        "good_refused_names": refused,
        "ms_per_picture": round(1000 * seconds / len(good), 1),
        "spoilt": spoilt,
    }


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
                answer = answer_from_text(understand(f"what is the {field}"), lines)
                right = figures(key[field]) in figures(answer.text)
                found.append((answer.basis is Basis.READ, right))
                if answer.basis is Basis.READ:
                    found_in_lines.append(digits_are_read(answer.text, lines))
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


def photographs(vision: Path) -> list[Path]:
    """Every picture of the data."""
    kinds = (".jpg", ".jpeg", ".png")
    return [path for path in sorted(vision.rglob("*")) if path.suffix in kinds]


def shrunk(rgb: Picture) -> Picture:
    """At most WORKING_SIDE pixels a side."""
    image = Image.fromarray(rgb)
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return np.array(image)


def figures(text: str) -> str:
    """Digits only, so that 1,234.50 and RM1234.50 are the same amount."""
    return re.sub(r"\D", "", text)


def scaled(factor: float) -> Spoil:
    """More or less light, without the noise of a sensor."""
    return lambda rgb, rng: to_bytes(rgb.astype(float) * factor)


def blurred(share: float) -> Spoil:
    """Out of focus, or moved: a Gaussian of a share of the longer side, at least 4 pixels."""

    def spoil(rgb: Picture, rng: np.random.Generator) -> Picture:
        sigma = max(share * WORKING_SIDE, 4.0)
        soft = np.array(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(sigma)), float)
        return to_bytes(soft + rng.normal(0, 3, rgb.shape))

    return spoil


def glare(size: float) -> Spoil:
    """The reflection of a lamp, fading out like a Gaussian of a share of the longer side."""

    def spoil(rgb: Picture, rng: np.random.Generator) -> Picture:
        height, width = rgb.shape[:2]
        y, x = np.mgrid[:height, :width]
        x0, y0 = width * rng.uniform(0.3, 0.7), height * rng.uniform(0.3, 0.7)
        distance = ((x - x0) ** 2 + (y - y0) ** 2) / (size * max(height, width)) ** 2
        spot = np.clip(1.8 * np.exp(-distance / 2), 0, 1)[..., None]
        return to_bytes(rgb * (1 - spot) + 255 * spot)

    return spoil


def covered(share: float) -> Spoil:
    """A finger that comes in from one side, out of focus, with light shining through it."""

    def spoil(rgb: Picture, rng: np.random.Generator) -> Picture:
        height, width = rgb.shape[:2]
        y, x = np.mgrid[:height, :width]
        angle = rng.uniform(0, 2 * np.pi)
        along = (x - width / 2) * np.cos(angle) + (y - height / 2) * np.sin(angle)
        edge = along - np.quantile(along, share)
        hidden = 1 / (1 + np.exp(np.clip(edge / (0.04 * max(height, width)), -50, 50)))[..., None]
        skin = np.array((90, 45, 35)) * (1 + 0.3 * (y / height)[..., None])
        return to_bytes(rgb * (1 - hidden) + skin * hidden + rng.normal(0, 3, rgb.shape))

    return spoil


def finger(rgb: Picture, rng: np.random.Generator) -> Picture:
    """Nothing but a finger."""
    return to_bytes(np.array((110, 50, 40)) + rng.normal(0, 3, rgb.shape))


def plain(level: int) -> Spoil:
    """A wall or a sheet, with the noise of a sensor."""
    return lambda rgb, rng: to_bytes(level + rng.normal(0, 4, rgb.shape))


def noise(rgb: Picture, rng: np.random.Generator) -> Picture:
    """What a sensor gives in the dark at its highest gain."""
    return to_bytes(rng.normal(110, 50, rgb.shape))


def to_bytes(values: Any) -> Picture:
    """Levels from 0 to 255."""
    return np.clip(values, 0, 255).astype(np.uint8)


SPOILT: dict[str, Spoil] = {
    "black": scaled(0.0),
    "dark_0.05": scaled(0.05),
    "blurred_1.5_percent": blurred(0.015),
    "blurred_3_percent": blurred(0.03),
    "blank_grey": plain(128),
    "blank_white": plain(250),
    "noise": noise,
    "covered_60_percent": covered(0.6),
    "covered_80_percent": covered(0.8),
    "covered_95_percent": covered(0.95),
    "covered_whole": finger,
    "too_bright_4": scaled(4.0),
    "glare_0.12": glare(0.12),
    "glare_0.18": glare(0.18),
    "glare_0.25": glare(0.25),
}


if __name__ == "__main__":
    sys.exit(main())
