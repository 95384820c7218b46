#!/usr/bin/env python3
"""What the text reader does with scripts that it cannot read, and with each accented letter.

    python scripts/bench_scripts.py [--parts accents shapes scripts] [--half choose] [--out FILE]
        [--table FILE]

Everything is drawn, from words that Babel carries, in Debian's fonts: besides those of
scripts/setup, `fonts-noto-core fonts-noto-cjk fonts-thai-tlwg fonts-hosny-amiri fonts-kacst culmus
fonts-nanum fonts-deva-extra fonts-beng-extra fonts-sil-abyssinica fonts-lohit-taml`. One half of
words and fonts was there to train and choose with; by default the other one is reported.
`--table` writes the Markdown table of all that stands in the report.
"""

import argparse
import collections
import difflib
import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from babel import Locale

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from twins.hard_text import finished, inked, paper  # noqa: E402
from twins.writing import (  # noqa: E402
    KNOWN,
    LANGUAGES,
    RARE,
    drawn_line,
    half_of,
    seen_line,
    some_writing,
)

from assistant.seeing.ocr import RapidOcrReader  # noqa: E402
from assistant.seeing.script_shapes import script_shares  # noqa: E402
from assistant.seeing.scripts import likeliest  # noqa: E402
from assistant.seeing.text import TextPart  # noqa: E402

SCHEMA = 1
RESULTS = ROOT / "scripts/results/scripts.json"

HALVES = {"choose": 0, "report": 1}
ACCENT_FONTS = {
    "choose": ("dejavu/DejaVuSans", "liberation/LiberationSerif-Regular", "lato/Lato-Bold"),
    "report": ("liberation/LiberationSans-Regular", "dejavu/DejaVuSerif", "freefont/FreeSansBold"),
}
ACCENT_LANGUAGES = (
    "af", "az", "bs", "ca", "cs", "cy", "da", "de", "es", "et", "eu", "fi", "fo", "fr", "ga", "gl",
    "hr", "hu", "is", "it", "lb", "lt", "lv", "mt", "nb", "nl", "pl", "pt", "ro", "sk", "sl", "sq",
    "sv", "tr", "vi",
)  # fmt: skip
MORE_WORDS = {
    "de": ("straße", "größe", "gruß", "weiß", "schließen", "spaß", "süßigkeit"),
    "fr": ("cœur", "sœur", "bœuf", "œuvre", "nœud", "vœux"),
    "hu": ("fűtés", "gyűrű", "szűrő", "műszak", "egyszerű", "fűszer"),
    "pl": ("łódź", "źródło", "październik", "jaźń", "bieźnia", "wyraźny"),
    "sk": ("vŕba", "zŕn", "sŕn", "kĺb", "stĺp", "tĺk"),
}
"""Words with letters that no country's name has."""

MOST_WORDS, LONGEST = 6, 16
"""Words for each letter and size, and letters of a word."""

LEAST_LETTERS = 3
LINES = 2
"""Of each picture."""

KINDS = ("named", "unnamed", "misnamed", "unread", "unsure", "sure", "silent")
"""What may become of a line in a script that cannot be read: it is told to be in its script, or in
one that cannot be read; in a wrong one; not to be read; it comes out as letters in doubt, or as
letters that are told as read; nothing is said."""


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, read, count, print, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=("accents", "shapes", "scripts"), default=[])
    parser.add_argument("--half", choices=tuple(HALVES), default="report")
    parser.add_argument("--count", type=int, default=4, help="pictures of each script")
    parser.add_argument("--out", type=Path, help="JSON; parts of it that are not measured stay")
    parser.add_argument("--table", type=Path, help="Markdown made from the report")
    options = parser.parse_args(argv)
    out = options.out or RESULTS
    report = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    report["schema"] = SCHEMA
    reader = RapidOcrReader(threads=1)
    if "accents" in options.parts:
        report[f"accents_{options.half}"] = bench_accents(reader, options.half)
    if "shapes" in options.parts:
        report[f"shapes_{options.half}"] = bench_shapes(options.half, options.count)
    if "scripts" in options.parts:
        report[f"scripts_{options.half}"] = bench_scripts(reader, options.half, options.count)
    if options.out is not None:
        text = json.dumps(report, indent=1, ensure_ascii=False)
        options.out.write_text(text + "\n", encoding="utf-8")
    if options.table is not None:
        options.table.write_text(table_of(report), encoding="utf-8")
    return 0


def letters_of_languages() -> dict[str, tuple[list[str], list[str]]]:
    """For each letter beyond A to Z the languages whose names have it, and words with it."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for language in ACCENT_LANGUAGES:
        locale = Locale.parse(language)
        names = [*locale.territories.values(), *locale.languages.values()]
        names += MORE_WORDS.get(language, ())
        words = {word for name in names for word in str(name).lower().split() if word.isalpha()}
        for word in sorted(word for word in words if 4 <= len(word) <= LONGEST):
            for letter in set(unicodedata.normalize("NFC", word)):
                if not letter.isascii() and unicodedata.name(letter, "").startswith("LATIN"):
                    languages, examples = found.setdefault(letter, ([], []))
                    if language not in languages:
                        languages.append(language)
                    examples.append(unicodedata.normalize("NFC", word))
    return {
        letter: (languages, examples)
        for letter, (languages, examples) in sorted(found.items())
        if len(examples) >= LEAST_LETTERS
    }


def bench_accents(reader: RapidOcrReader, half: str) -> dict[str, Any]:
    """For each letter beyond A to Z how often it is read, small and as a capital."""
    from assistant.seeing.pieces import PieceReader

    reader.load()
    pieces = PieceReader(reader._engine)
    rng = np.random.default_rng(21)
    fonts = [f"/usr/share/fonts/truetype/{name}.ttf" for name in ACCENT_FONTS[half]]
    report: dict[str, Any] = {}
    for letter, (languages, examples) in letters_of_languages().items():
        mine = [word for word in examples if half_of(word) == HALVES[half]] or examples
        row: dict[str, Any] = {"languages": languages}
        for size, change in (("small", str.lower), ("capital", str.upper)):
            wanted = change(letter)
            words = [change(str(each)) for each in rng.permutation(sorted(set(mine)))[:MOST_WORDS]]
            if len(wanted) != 1 or wanted.isascii():
                continue
            drawn = [(word, font) for word in words for font in fonts]
            crops = [crop_of(word, font, rng) for word, font in drawn]
            counts: collections.Counter[str] = collections.Counter()
            rest = 0
            for (word, _), (text, _) in zip(drawn, pieces.recognize(crops), strict=True):
                read = unicodedata.normalize("NFC", text.strip())
                counts.update(read_for(word, read, wanted))
                rest += bare(read) == bare(word)
            total = sum(counts.values())
            row[size] = {
                "read": round(counts[wanted] / total, 3),
                "times": total,
                "as": [each for each, _ in counts.most_common(3) if each != wanted],
                "rest_right": round(rest / len(drawn), 3),
            }
        print(letter, row, flush=True)
        report[letter] = row
    return report


def crop_of(word: str, font: str, rng: np.random.Generator) -> Any:
    """A word as it is cut out of a photograph, BGR (H, W, 3)."""
    ink, (left, top, right, low) = drawn_line(word, font, int(rng.integers(30, 46)))
    margin = 5
    ink = ink[top - margin : low + margin, left - margin : right + margin]
    ground = paper(rng, ink.shape[1], ink.shape[0])
    return np.ascontiguousarray(finished(inked(ground, ink, (30, 30, 30)), rng)[:, :, ::-1])


def read_for(word: str, read: str, letter: str) -> Iterator[str]:
    """What was read in each place where a word has a letter; "" for nothing."""
    if len(word) == len(read):
        yield from (read[n] for n, each in enumerate(word) if each == letter)
        return
    found = difflib.SequenceMatcher(None, word, read, autojunk=False).get_opcodes()
    for kind, start, end, begin, stop in found:
        for place in range(start, end):
            if word[place] == letter:
                at = begin + place - start
                yield read[at] if kind != "delete" and at < stop else ""


def bare(text: str) -> str:
    """Letters without their marks, small."""
    special = str.maketrans("ıłøđðħŧŋœæß", "ilodohtnooB")
    plain = unicodedata.normalize("NFD", text.lower().translate(special))
    return "".join(each for each in plain if not unicodedata.combining(each) and each.isalnum())


def bench_shapes(half: str, count: int) -> dict[str, Any]:
    """For each script how many cut-out lines are named right, wrongly, or not.

    That they are in none that can be read is taken as known; lines of the two that can be read are
    counted by what their shapes are likeliest.
    """
    report: dict[str, Any] = {}
    rare = [name for number, name in enumerate(RARE) if number % 2 == HALVES[half]]
    for script in (*LANGUAGES, *rare):
        rng = np.random.default_rng([41, HALVES[half], *script.encode()])
        names: collections.Counter[str] = collections.Counter()
        for _ in range(count if script in LANGUAGES else max(1, count // 4)):
            shares = script_shares(seen_line(script, HALVES[half], rng)[:, :, ::-1])
            if script in KNOWN:
                names["" if max(shares, key=lambda name: shares[name]) in KNOWN else "other"] += 1
            else:
                names[likeliest(shares)] += 1
        right = names[script]
        report[script] = {
            "lines": sum(names.values()),
            "named": right,
            "misnamed": sum(names.values()) - right - names[""],
            "as": [name for name, _ in names.most_common(3) if name not in ("", script)],
        }
        print(script, report[script], flush=True)
    return report


def bench_scripts(reader: RapidOcrReader, half: str, count: int) -> dict[str, Any]:
    """For each script what becomes of its lines; of rare ones and of known ones, too."""
    report: dict[str, Any] = {}
    rare = [name for number, name in enumerate(RARE) if number % 2 == HALVES[half]]
    for script in (*LANGUAGES, *rare):
        rng = np.random.default_rng([31, *script.encode()])
        counts: collections.Counter[str] = collections.Counter()
        names: collections.Counter[str] = collections.Counter()
        wanted = script if script in LANGUAGES else ""
        for _ in range(count if script in LANGUAGES else 1 + count // 2):
            rgb, boxes = picture(script, HALVES[half], rng)
            parts = list(reader.parts(rgb, limit_s=60))
            for box in boxes:
                kind, name = outcome(box, parts, wanted)
                counts[kind] += 1
                names[name] += bool(name)
        report[script] = {kind: counts[kind] for kind in KINDS if counts[kind]}
        print(script, dict(counts), dict(names), flush=True)
    return report


def picture(script: str, half: int, rng: np.random.Generator) -> tuple[Any, list[Any]]:
    """A small picture (H, W, 3) with a few lines in a script, and where they stand."""
    lines = []
    while len(lines) < LINES:
        line, font = some_writing(script, half, rng)
        ink, box = drawn_line(line, font, int(rng.integers(26, 42)))
        if box[2] - box[0] < 600 and box[3] - box[1] > 8 and len(line) > 3:
            lines.append(ink[box[1] : box[3], box[0] : box[2]])
    height = sum(len(line) for line in lines) + 40 * (LINES + 1)
    page, boxes, y = np.zeros((height, 680), np.float32), [], 40
    for line in lines:
        page[y : y + line.shape[0], 40 : 40 + line.shape[1]] = line
        boxes.append((40, y, 40 + line.shape[1], y + line.shape[0]))
        y += line.shape[0] + 40
    ground = paper(rng, 680, height)
    return finished(inked(ground, page, (30, 30, 40)), rng), boxes


def outcome(box: Any, parts: Sequence[TextPart], script: str) -> tuple[str, str]:
    """What became of a line, and the name that was said for it; "" for no script is a name, too."""
    lines = [line for part in parts for line in part.lines if meets(box, bounds(line.box))]
    unread = [place for part in parts for place in part.unread if meets(box, place.box)]
    if any(line.is_sure for line in lines):
        return "sure", ""
    foreign = [place for place in unread if place.foreign]
    for place in foreign:
        if place.script:
            return ("named" if place.script == script else "misnamed"), place.script
    if foreign:
        return "unnamed", ""
    return ("unread" if unread else "unsure" if lines else "silent"), ""


def bounds(corners: Any) -> tuple[float, float, float, float]:
    """The upright rectangle around corners."""
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def meets(box: Any, other: Any) -> bool:
    """True if another place takes up a part of a line's."""
    across = min(box[2], other[2]) - max(box[0], other[0])
    down = min(box[3], other[3]) - max(box[1], other[1])
    return bool(across > 0 and down > 0.3 * min(box[3] - box[1], other[3] - other[1]))


def table_of(report: dict[str, Any]) -> str:
    """All of a report, as Markdown."""
    lines = [
        "# What the built-in reader can read",
        "",
        "Made by `scripts/bench_scripts.py` from `scripts/results/scripts.json`. Words and fonts"
        " fall into two halves: with one of them thresholds were chosen and shapes learnt; the"
        " other one tells what that is worth.",
        "",
    ]
    for part, heading, make in (
        ("accents", "Letters with marks", _accent_lines),
        ("shapes", "Names of scripts by their shapes", _shape_lines),
        ("scripts", "Scripts in whole pictures", _script_lines),
    ):
        for half, which in (("report", "the other half"), ("choose", "the half to choose with")):
            if f"{part}_{half}" in report:
                lines += [f"## {heading}: {which}", "", *make(report[f"{part}_{half}"]), ""]
                break
    return "\n".join(lines).rstrip() + "\n"


def _accent_lines(accents: dict[str, Any]) -> Iterator[str]:
    def share(row: dict[str, Any], size: str) -> str:
        return f"{row[size]['read']:.2f}" if size in row else "–"

    yield (
        "Parts of their occurrences that are read right, small and as capitals; what they are"
        " mostly read as otherwise; and languages, by their codes, whose names have them."
    )
    yield ""
    yield "| letter | small | capital | else | languages |"
    yield "|---|---|---|---|---|"
    for letter, row in accents.items():
        sizes = [row[size] for size in ("small", "capital") if size in row]
        others = dict.fromkeys(each or "nothing" for size in sizes for each in size["as"])
        yield (
            f"| {letter} | {share(row, 'small')} | {share(row, 'capital')} |"
            f" {' '.join(others)} | {' '.join(row['languages'])} |"
        )


def _shape_lines(shapes: dict[str, Any]) -> Iterator[str]:
    yield (
        "Cut-out lines, of which it is known that nobody can read them; of Latin and Chinese ones,"
        " how many look like neither. The last ones are scripts that have no name here."
    )
    yield ""
    yield "| script | lines | named | named wrongly | as |"
    yield "|---|---|---|---|---|"
    for script, row in shapes.items():
        names = " ".join(row["as"])
        yield f"| {script} | {row['lines']} | {row['named']} | {row['misnamed']} | {names} |"


def _script_lines(scripts: dict[str, Any]) -> Iterator[str]:
    yield "Lines by what becomes of them."
    yield ""
    yield "| script | " + " | ".join(KINDS) + " |"
    yield "|---|" + "---|" * len(KINDS)
    for script, counts in scripts.items():
        yield f"| {script} | " + " | ".join(str(counts.get(kind, 0)) for kind in KINDS) + " |"


if __name__ == "__main__":
    sys.exit(main())
