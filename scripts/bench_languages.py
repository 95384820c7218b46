#!/usr/bin/env python3
"""How often the language of a printed line is told right, line by line, beside its page.

    python scripts/bench_languages.py DATA [--show] [--out FILE]

Pages with known languages: those of scripts/exam/passages.txt, the dev documents of the exam, and
from DATA short lines cut from an encyclopedia in eight languages and from English web pages, the 25
receipts, and single titles of books. Half of the pages, by their names, chose the thresholds of
assistant/text/languages.py; the other half is reported under "report". A line that is not told at
all is spoken in the user's voice, here English.
"""

import argparse
import collections
import csv
import json
import random
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from exam.documents import parse_print, read_documents  # noqa: E402

from assistant.text.languages import page_language, passage_language  # noqa: E402

SCHEMA = 1
USER = "en"
FOREIGN = {
    "de_": "de", "oat_de": "de", "ch_": "de", "fr_": "fr", "bistro_fr": "fr", "boulangerie": "fr",
    "es_": "es", "nl_": "nl", "pt_": "pt", "pasta_it": "it", "raffle_it": "it",
}  # fmt: skip
"""Beginnings of the names of the exam's documents that are not English."""

PARAGRAPHS = {
    "zh": (1, 32), "it": (33, 48), "de": (49, 74), "ru": (75, 84), "fr": (86, 94),
    "es": (102, 120), "nl": (121, 129), "da": (130, 136),
}  # fmt: skip
"""Where each language stands in the encyclopedia's file, by paragraphs."""

MOST_LINES = 10
"""Lines of a page that are cut from running text."""

SEED = 5

Page = list[tuple[str, str]]
"""(language, line) each."""


def main(argv: Sequence[str] | None = None) -> int:
    """Tell the language of each line, count, print, and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds text/ and vision/")
    parser.add_argument("--show", action="store_true", help="list what is wrong in the first half")
    parser.add_argument("--out", type=Path, help="JSON report")
    options = parser.parse_args(argv)
    pages = dict(pages_of(options.data))
    report: dict[str, Any] = {"schema": SCHEMA, "user": USER}
    for half in ("choose", "report"):
        mine = {name: page for name, page in pages.items() if half_of(name) == half}
        report[half] = counted(mine, show=options.show and half == "choose")
        print(f"\n{half}: {len(mine)} pages")
        for group, counts in report[half].items():
            print(f"  {group:24}{counts['right']:>6} of {counts['lines']:<6}{counts['share']:.3f}")
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def half_of(name: str) -> str:
    """The half in which a page counts."""
    return "report" if zlib.crc32(name.encode()) % 2 else "choose"


def counted(pages: dict[str, Page], *, show: bool) -> dict[str, dict[str, Any]]:
    """Lines that are told right, by kind of page and by language."""
    lines: collections.Counter[str] = collections.Counter()
    right: collections.Counter[str] = collections.Counter()
    for name, page in pages.items():
        whole = page_language(line for _, line in page)
        mixed = len({language for language, _ in page}) > 1
        for language, line in page:
            told = passage_language(line, whole) or USER
            kind = "mixed pages" if mixed else f"pages of {name.split()[0]}"
            for group in (kind, f"lines in {language}"):
                lines[group] += 1
                right[group] += told == language
            if show and told != language:
                print(f"{name}: {language} told as {told}: {line}")
    return {
        group: {
            "lines": lines[group],
            "right": right[group],
            "share": round(right[group] / lines[group], 4),
        }
        for group in sorted(lines)
    }


def pages_of(data: Path) -> Iterator[tuple[str, Page]]:
    """All pages with their names; the first word of a name is its kind."""
    yield from own_pages(ROOT / "scripts" / "exam" / "passages.txt")
    yield from document_pages(ROOT / "scripts" / "exam" / "documents_dev.txt")
    chance = random.Random(SEED)
    text = (data / "text" / "exllamav2_cal_multilingual.utf8").read_text(encoding="utf-8")
    paragraphs = re.split(r"\n\s*\n", text)
    for language, (first, last) in PARAGRAPHS.items():
        for number in range(first, last + 1):
            page = [(language, line) for line in cut(paragraphs[number], chance)]
            if page:
                yield f"encyclopedia {number}", page
    web = (data / "text" / "c4_sample_part1.txt").read_text(encoding="utf-8").split()
    for number in range(60):
        words = " ".join(web[number * 160 : number * 160 + 60])
        yield f"web {number}", [(USER, line) for line in cut(words, chance)]
    for path in sorted((data / "vision" / "sroie").glob("*.box.csv")):
        boxes = path.read_text(encoding="utf-8", errors="replace").splitlines()
        page = [(USER, ",".join(box.split(",")[8:]).strip()) for box in boxes]
        yield f"receipts {path.stem}", [each for each in page if has_word(each[1])]
    titles = data / "vision" / "bookcover30" / "book30-listing-test.csv"
    with titles.open(encoding="latin-1", newline="") as file:
        for number, row in enumerate(list(csv.reader(file))[::30]):
            yield f"titles {number}", [(USER, row[3])]


def own_pages(path: Path) -> Iterator[tuple[str, Page]]:
    """The pages of the exam's file of passages."""
    for block in path.read_text(encoding="utf-8").split("\n=== ")[1:]:
        name, *lines = block.strip().splitlines()
        parted = (line.partition(" ") for line in lines)
        yield f"notes {name}", [(language, line) for language, _, line in parted]


def document_pages(path: Path) -> Iterator[tuple[str, Page]]:
    """The rows of print of the exam's documents, but for those without a word."""
    for document in read_documents(path):
        language = next(
            (each for start, each in FOREIGN.items() if document.name.startswith(start)), USER
        )
        printed = (
            " ".join(cell for cell in parse_print(line).cells if cell)
            for line in document.lines
            if line.strip() and line != "---" and not line.startswith("!")
        )
        yield (
            f"documents {document.name}",
            [(language, row) for row in printed if has_word(row)],
        )


def cut(text: str, chance: random.Random) -> list[str]:
    """Short lines of a text, as many words as lines of print have."""
    words, lines = text.split(), list[str]()
    while words and len(lines) < MOST_LINES:
        count = chance.randint(2, 8)
        line = " ".join(words[:count])[:60]
        words = words[count:]
        if has_word(line):
            lines.append(line)
    return lines


def has_word(line: str) -> bool:
    """True for a line with at least two letters."""
    return sum(letter.isalpha() for letter in line) > 1


if __name__ == "__main__":
    sys.exit(main())
