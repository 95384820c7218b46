#!/usr/bin/env python3
"""Put a trained pocket model into the package: bf16, int4 by RPIQ, measured skills and card."""

import argparse
import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.errors import ModelsError
from models.pocket import pocket_bf16_folder, pocket_int4_folder
from models.pocket.export import write_skills
from models.pocket.pictures import SKILLS, Split, write_dataset
from quantizer.cli import main as quantizer

# Far from the training seeds, which count up from zero, and from the demo's.
CALIBRATION = range(10**8, 10**8 + 128)
HELD_OUT = range(3_000_000, 3_000_500)
RESULTS = Path("scripts/results")

CARD = """# The pocket model, version 0

A CogVLM2 of {parameters:.1f} million parameters, trained by this project on pictures that it draws
itself. It is the assistant's default where no larger model is installed.

## What it can do
It sees 128 by 128 pixels. It was trained on four skills and answers nothing else:

- colour: the colour of a drawn circle, square, triangle, star, heart or cross;
- count: how many of them there are, from 0 to 5;
- word: one printed word of capital letters;
- decline: it says "I can't tell." about blank, black and blurred pictures.

It was never shown a photograph. Do not ask it about rooms, people, medicines or money.

## How often it is right
Exact answers on {pictures} held-out drawn pictures ({questions} questions): other seeds, fonts and
words than in training, and a fifth of the questions in other wordings. In brackets the 95 %
interval (bootstrap over questions).

| skill | questions | bf16 | int4 (RPIQ, groups of 128) |
|---|---|---|---|
{rows}

Size: bf16 {bf16_mb:.1f} MB, int4 {int4_mb:.1f} MB.

## How it was made
{training}
Training pictures: `models/pocket/pictures.py`, seeds from 0. Calibration: {calibration} drawn
pictures of the training split. Repeat both with `scripts/train_pocket.py` and
`scripts/release_pocket.py`.

Licence: Apache-2.0, like the rest of the project.
"""


def call(*arguments: str) -> None:
    """Run the quantizer; its one-line error ends this script too."""
    if quantizer(arguments):
        raise SystemExit(2)


def evaluate(model: Path, data: Path, name: str) -> dict[str, Any]:
    """Measure a model folder and keep the result under scripts/results, answers left out."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"pocket_{name}.json"
    call("eval", str(model), "--task", "pictures", "--data", str(data), "--json", str(path))
    result: dict[str, Any] = json.loads(path.read_text())
    result.pop("answers", None)
    result |= {"model": name, "data": "held-out pictures, seeds 3000000 to 3000499"}
    path.write_text(json.dumps(result, indent=1) + "\n")
    return result


def megabytes(folder: Path) -> float:
    """Size of a folder's weights."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6


def cell(entry: dict[str, Any]) -> str:
    """Write an accuracy with its interval."""
    low, high = entry["interval_95"]
    return f"{entry['value']:.1%} ({low:.1%} to {high:.1%})"


def training_sentence(run: Path) -> str:
    """Say how long the training took, from its learning curve."""
    with (run / "curve.csv").open(newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    return (
        f"{int(last['pictures']):,} drawn pictures: crowded ones without questions first, then "
        "ordinary ones with three questions each; "
        f"{float(last['seconds']) / 60:.0f} minutes on two CPU cores, bf16 autocast."
    )


def build(run: Path, scratch: Path) -> dict[str, dict[str, Any]]:
    """Make bf16/ and int4/ in a scratch folder and measure both."""
    calibration, held_out = scratch / "calibration", scratch / "held-out"
    write_dataset(calibration, CALIBRATION, Split.TRAIN)
    write_dataset(held_out, HELD_OUT, Split.HELD_OUT)
    shutil.copytree(run / "bf16", scratch / "bf16")
    call(
        "run", str(scratch / "bf16"), "--out", str(scratch / "int4"), "--method", "rpiq",
        "--bits", "4", "--group-size", "128", "--calibration", str(calibration),
        "--samples", str(len(CALIBRATION)),
    )  # fmt: skip
    report = scratch / "int4" / "report.json"
    # The scratch folder is gone tomorrow; say what was read by its lasting name.
    told = json.loads(report.read_text())
    told["source"] = "models/pocket/bf16"
    told["calibration"]["path"] = "training pictures, seeds 100000000 to 100000127"
    report.write_text(json.dumps(told, indent=2) + "\n")
    results = {name: evaluate(scratch / name, held_out, name) for name in ("bf16", "int4")}
    for name, result in results.items():
        write_skills(scratch / name, result["skills"])
    return results


def main(argv: Sequence[str] | None = None) -> int:
    """Release a run folder of scripts/train_pocket.py."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run folder that holds bf16/ and curve.csv")
    parser.add_argument("--note", default="", help="a sentence about this run, for the card")
    arguments = parser.parse_args(argv)
    run: Path = arguments.run
    for name in ("bf16/model.safetensors", "curve.csv"):
        if not (run / name).is_file():
            print(f"error: {run} holds no {name}; finish the training first", file=sys.stderr)
            return 2
    try:
        with tempfile.TemporaryDirectory(dir=pocket_bf16_folder().parent) as scratch:
            results = build(run, Path(scratch))
            for folder in (pocket_bf16_folder(), pocket_int4_folder()):
                shutil.rmtree(folder, ignore_errors=True)
                (Path(scratch) / folder.name).rename(folder)
    except (ModelsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = []
    for skill in SKILLS:
        both = [results[name]["skills"][skill] for name in ("bf16", "int4")]
        rows.append(f"| {skill} | {both[0]['items']} | {cell(both[0])} | {cell(both[1])} |")
    card = CARD.format(
        parameters=megabytes(pocket_bf16_folder()) / 2,
        pictures=len(HELD_OUT),
        questions=results["bf16"]["items"],
        rows="\n".join(rows),
        bf16_mb=megabytes(pocket_bf16_folder()),
        int4_mb=megabytes(pocket_int4_folder()),
        training=" ".join((training_sentence(run), arguments.note)).strip(),
        calibration=len(CALIBRATION),
    )
    (pocket_bf16_folder().parent / "CARD.md").write_text(card)
    shutil.copy(run / "curve.csv", RESULTS / "pocket_curve.csv")
    print(card)
    return 0


if __name__ == "__main__":
    sys.exit(main())
