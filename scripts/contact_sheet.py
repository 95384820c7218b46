"""Draw a grid of synthetic pictures into one PNG and print their questions and answers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from models.pocket.questions import CHARACTERS
from models.pocket.training.drawing.canvas import GRID, SIZE, Example
from models.pocket.training.drawing.crowded import render_crowded
from models.pocket.training.pictures import SKILLS, Split, render

_GAP = 4  # pixels
_CROWDED = "crowded"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the PNG file to write")
    parser.add_argument("--seed", type=int, default=0, help="of the first picture")
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--split", choices=[split.value for split in Split], default="train")
    parser.add_argument(
        "--skill",
        choices=[*SKILLS, _CROWDED],
        help="crowded: the pictures without questions, of the training split",
    )
    parser.add_argument("--difficulty", type=float, default=1.0)
    parser.add_argument("--labels", action="store_true", help="print the character labels too")
    options = parser.parse_args(argv)
    sheet = Image.new(
        "RGB", ((SIZE + _GAP) * options.columns, (SIZE + _GAP) * options.rows), "magenta"
    )
    for index in range(options.rows * options.columns):
        example = _draw(options.seed + index, options)
        row, column = divmod(index, options.columns)
        sheet.paste(Image.fromarray(example.rgb), (column * (SIZE + _GAP), row * (SIZE + _GAP)))
        _describe(f"row {row + 1} column {column + 1}", example, options.labels)
    sheet.save(options.output)
    return 0


def _draw(seed: int, options: argparse.Namespace) -> Example:
    if options.skill == _CROWDED:
        return render_crowded(seed, options.difficulty)
    return render(seed, Split(options.split), options.skill, options.difficulty)


def _describe(place: str, example: Example, with_labels: bool) -> None:
    print(place)
    for item in example.questions:
        print(f"  [{item.skill}] {item.question} -> {item.answer!r}")
    if with_labels:
        for row in range(GRID):
            print("  " + "".join((" " + CHARACTERS)[i] for i in example.labels.letter[row]))


if __name__ == "__main__":
    raise SystemExit(main())
