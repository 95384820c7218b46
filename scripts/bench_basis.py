#!/usr/bin/env python3
"""How sure a line of text must be to be called read: chosen on one half, reported on the other.

    python scripts/bench_basis.py DATA [--show] [--out FILE]

Lines whose true text is known: the exam's dev documents and the 25 shared receipts, each as it is
and worn in one of three ways (small, out of focus, dim with noise). A line is right if each of its
words stands on the paper. Half of the papers, by their names, choose the least confidence at which
`PRECISION` of the lines are right; the other half says what that is worth.

Photographs without text, cut and turned into many views, say how often letters are seen where there
are none, and how often that is told as read.

Recognized lines are kept in runs/basis; delete that folder when the reader changes.
"""

import argparse
import json
import re
import sys
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from exam import cases as exam_cases  # noqa: E402
from exam.documents import read_documents, text_of  # noqa: E402
from exam.lines import KeptLines  # noqa: E402

from assistant.seeing.text import TextLine  # noqa: E402
from assistant.skills.evidence import LEAST_CONFIDENCE, has_words  # noqa: E402

SCHEMA = 1
PRECISION = 0.98
RUNS = ROOT / "runs" / "basis"

WITHOUT_TEXT = (
    "darknet/dog.jpg", "darknet/eagle.jpg", "darknet/giraffe.jpg", "darknet/scream.jpg",
    "mmpose_coco/000000000785.jpg", "llava/waterview.jpg", "fsc147/orange.jpg", "cogvlm2/demo.jpg",
    "qwen_vl/Beijing_Small.jpeg", "qwen_vl/Chongqing_Small.jpeg", "qwen_vl/Shanghai_Small.jpeg",
    "qwen_vl/demo.jpeg",
)  # fmt: skip
"""Shared photographs in which nobody can read anything, looked through by eye."""


def main(argv: Sequence[str] | None = None) -> int:
    """Read, judge, choose, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds vision/")
    parser.add_argument("--show", action="store_true", help="list wrong lines of the first half")
    parser.add_argument("--out", type=Path, help="JSON report")
    options = parser.parse_args(argv)
    RUNS.mkdir(parents=True, exist_ok=True)
    kept = KeptLines(RUNS / "lines.json")
    judged: dict[str, list[tuple[float, bool]]] = {"choose": [], "report": []}
    for name, picture, truth in papers(options.data):
        half = half_of(name.split(" ")[0])
        for line in lines_of(kept, picture):
            right = is_right(line.text, truth)
            judged[half].append((line.confidence, right))
            if options.show and half == "choose" and not right:
                print(f"{name}: {line.confidence:.3f} {line.text}")
    chosen = least_confidence(judged["choose"])
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "precision_wanted": PRECISION,
        "chosen": chosen,
        "used": LEAST_CONFIDENCE,
        "papers": {half: at(judged[half], LEAST_CONFIDENCE) for half in judged},
        "curve_of_report": [at(judged["report"], least) for least in CURVE],
        "photographs_without_text": {},
    }
    views = dict(photographs(options.data))
    for half in judged:
        mine = {name: picture for name, picture in views.items() if half_of(name[:8]) == half}
        report["photographs_without_text"][half] = false_text(kept, mine, show=options.show)
    print(json.dumps(report, indent=1))
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


CURVE = (0.5, 0.8, 0.9, 0.94, 0.96, 0.98, 0.99)


def half_of(name: str) -> str:
    """The half in which a paper or a photograph counts, with all of its views."""
    return "report" if zlib.crc32(name.encode()) % 2 else "choose"


def lines_of(kept: KeptLines, picture: Path) -> tuple[TextLine, ...]:
    """The recognized lines of a picture that hold a letter or a figure."""
    ((_, lines),) = kept.read_all([picture])
    return tuple(line for line in lines if bare(line.text))


def bare(text: str) -> str:
    """Letters and figures alone, without accents, in small letters."""
    plain = unicodedata.normalize("NFKD", text)
    return re.sub(r"[\W_]", "", plain).lower()


def is_right(line: str, truth: str) -> bool:
    """True if each word of a line stands on the paper, wherever spaces fell."""
    return all(bare(word) in truth for word in line.split())


def least_confidence(judged: Sequence[tuple[float, bool]]) -> float:
    """The least confidence, in steps of a hundredth, at which enough lines are right."""
    steps = [step / 100 for step in range(50, 100)]
    return next((step for step in steps if at(judged, step)["precision"] >= PRECISION), 1.0)


def at(judged: Sequence[tuple[float, bool]], least: float) -> dict[str, Any]:
    """What a least confidence does to some lines."""
    above = [right for sure, right in judged if sure >= least]
    below = [right for sure, right in judged if sure < least]
    return {
        "least": least,
        "lines": len(judged),
        "right": round(float(np.mean([right for _, right in judged])), 4),
        "kept": round(len(above) / max(1, len(judged)), 4),
        "precision": round(float(np.mean(above)), 4) if above else 1.0,
        "right_below": round(float(np.mean(below)), 4) if below else None,
    }


def papers(data: Path) -> Iterator[tuple[str, Path, str]]:
    """(name and wear, picture, true text without spaces) of each paper in each state."""
    documents = read_documents(ROOT / "scripts" / "exam" / "documents_dev.txt")
    exam_cases.draw_missing([document.picture for document in documents], RUNS)
    for document in documents:
        for wear, picture in worn(RUNS / document.picture):
            yield f"{document.name} {wear}", picture, bare(text_of(document))
    for boxes in sorted((data / "vision" / "sroie").glob("*.box.csv")):
        rows = boxes.read_text(encoding="utf-8", errors="replace").splitlines()
        truth = bare(" ".join(",".join(row.split(",")[8:]) for row in rows))
        name = boxes.name.split(".")[0]
        for wear, picture in worn(boxes.with_name(f"{name}.jpg")):
            yield f"{name} {wear}", picture, truth


def worn(picture: Path) -> Iterator[tuple[str, Path]]:
    """A picture as it is, and as one of several poor cameras takes it."""
    yield "clear", picture
    wears = (("small", _small), ("soft", _soft), ("dim", _dim))
    wear, change = wears[zlib.crc32(picture.stem.encode()) // 2 % len(wears)]
    path = RUNS / "worn" / f"{picture.stem}_{wear}.jpg"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        change(Image.open(picture).convert("RGB"), picture.stem).save(path, quality=70)
    yield wear, path


def _small(picture: Image.Image, name: str) -> Image.Image:
    scale = 520 / max(picture.size)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)))


def _soft(picture: Image.Image, name: str) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 550))


def _dim(picture: Image.Image, name: str) -> Image.Image:
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    levels = np.asarray(picture, np.float32) * 0.35 + 20
    levels += chance.normal(0, 14, levels.shape)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def photographs(data: Path) -> Iterator[tuple[str, Path]]:
    """Views of photographs without text: whole, cut into parts, enlarged, turned."""
    for name in WITHOUT_TEXT:
        whole = Image.open(data / "vision" / name).convert("RGB")
        whole.thumbnail((1600, 1600))
        width, height = whole.size
        views = {"whole": whole, "mirrored": whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT)}
        for row in range(2):
            for column in range(2):
                box = (width * column // 2, height * row // 2)
                part = whole.crop((*box, box[0] + width // 2, box[1] + height // 2))
                views[f"part{row}{column}"] = part.resize((part.width * 2, part.height * 2))
        views["turned"] = whole.rotate(90, expand=True)
        for view, picture in views.items():
            stem = name.replace("/", "_").rsplit(".", 1)[0]
            path = RUNS / "views" / f"{stem}_{view}.png"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                picture.save(path)
            yield f"{zlib.crc32(name.encode()):08x} {name} {view}", path


def false_text(kept: KeptLines, views: Mapping[str, Path], *, show: bool) -> dict[str, Any]:
    """How many views show letters that are not there, before and after the rules of evidence."""
    lines = {name: lines_of(kept, picture) for name, picture in views.items()}
    if show:
        for name, seen in lines.items():
            for line in seen:
                print(f"{name}: {line.confidence:.3f} {line.height:.0f} {line.text}")
    return {
        "photographs": len({name[:8] for name in views}),
        "views": len(views),
        "with_lines": sum(bool(seen) for seen in lines.values()),
        "told_as_text": sum(has_words(seen) for seen in lines.values()),
        "told_as_read": sum(
            has_words(seen) and all(line.confidence >= LEAST_CONFIDENCE for line in seen)
            for seen in lines.values()
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
