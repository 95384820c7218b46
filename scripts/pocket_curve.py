#!/usr/bin/env python3
"""Draw the learning curve of a pocket training: PNG, and in words what it shows."""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

Row = dict[str, float]


def read_curve(path: Path) -> list[Row]:
    """Read a `curve.csv` of scripts/train_pocket.py."""
    with path.open(newline="") as stream:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]


def draw(tower: Sequence[Row], answers: Sequence[Row], output: Path) -> str:
    """Draw both stages into one PNG and return what it shows in words."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 6.0), dpi=120, layout="constrained")
    losses, right = figure.subplots(2, 1, sharex=True)
    shown = tower[-1]["pictures"] if tower else 0.0
    stages = [("tower alone", tower, 0.0, "--"), ("with answers", answers, shown, "-")]
    for name, rows, before, dash in stages:
        x = [before + row["pictures"] for row in rows]
        dense = [row["dense_loss"] for row in rows]
        losses.plot(x, dense, dash, color="#0072b2", label=f"patch labels, {name}")
    x = [shown + row["pictures"] for row in answers]
    answer = [row["answer_loss"] for row in answers]
    losses.plot(x, answer, "-", color="#d55e00", label="answers")
    losses.set_ylabel("mean loss of 50 steps, nats")
    losses.set_yscale("log")
    losses.legend()
    right.plot(x, [row["token_accuracy"] for row in answers], color="#009e73")
    right.set_ylabel("share of answer tokens right")
    right.set_xlabel("pictures seen")
    for panel in (losses, right):
        panel.grid(color="#dddddd")
    figure.savefig(output)
    return describe(tower, answers)


def describe(tower: Sequence[Row], answers: Sequence[Row]) -> str:
    """Say in words what the curve shows."""
    text = ""
    if tower:
        text += (
            f"Over {tower[-1]['pictures']:,.0f} crowded pictures the loss of the patch labels fell "
            f"from {tower[0]['dense_loss']:.2f} to {tower[-1]['dense_loss']:.2f}. "
        )
    half = answers[len(answers) // 2]
    return text + (
        f"Over {answers[-1]['pictures']:,.0f} pictures with questions the loss of the answers fell "
        f"from {answers[0]['answer_loss']:.2f} to {half['answer_loss']:.2f} at half time and "
        f"{answers[-1]['answer_loss']:.2f} at the end, where {answers[-1]['token_accuracy']:.0%} "
        "of the answer tokens were right on the training pictures."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the curve of two run folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=Path, help="curve.csv of the answers stage")
    parser.add_argument("output", type=Path, help="the PNG to write")
    parser.add_argument("--tower", type=Path, help="curve.csv of the tower stage")
    options = parser.parse_args(argv)
    for path in filter(None, (options.answers, options.tower)):
        if not path.is_file():
            print(f"error: there is no {path}; give a curve.csv", file=sys.stderr)
            return 2
    tower = read_curve(options.tower) if options.tower else []
    print(draw(tower, read_curve(options.answers), options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
