#!/usr/bin/env python3
"""Put a trained pocket model into the package: bf16, int4 by RPIQ, measured skills and card."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from photo_questions import main as write_photographs
from pocket_curve import draw, read_curve

from models.errors import CheckpointError, ModelsError
from models.pocket import pocket_bf16_folder, pocket_int4_folder
from models.pocket.training.checkpoints import latest, read
from models.pocket.training.export import write_skills
from models.pocket.training.pictures import SKILLS, Split, write_dataset
from quantizer.cli import main as quantizer
from quantizer.evaluate.intervals import accuracy
from quantizer.evaluate.paired import paired
from quantizer.evaluate.pictures import character_error

# Far from the training seeds, which count up from zero, and from the demo's.
CALIBRATION = range(10**8, 10**8 + 256)
HELD_OUT = range(3_000_000, 3_000_700)
RESULTS = Path("scripts/results")
METHODS = {"rtn": "RTN", "gptq": "GPTQ", "rpiq": "RPIQ"}
GROUP_SIZE = 32

Result = dict[str, Any]

CARD = """# The pocket model, version 1

A CogVLM2 of {parameters:.1f} million parameters, trained by this project on pictures that it draws
itself. It is the assistant's default where no larger model is installed.

## What it can do
It sees 192 by 192 pixels, whatever the picture's size. It was trained on these skills and
answers nothing else:

- colour: the colour of a drawn object; it knows sixteen kinds of objects;
- count: how many of them there are, from 0 to 9;
- compare: which of two is larger or smaller, what is leftmost or rightmost;
- word and lines: one printed word, or a label of up to four lines; answers are in capitals;
- title, author, category: what a drawn book cover says;
- field: the total, price, date, dose or year on a drawn receipt, label, medicine box or cover;
- decline: it says "I can't tell." about pictures that show nothing readable.

It was never shown a photograph; see below how it fails on them. Do not ask it about rooms,
people, medicines or money.

## How often it is right
Exact answers on {pictures} held-out drawn pictures ({questions} questions): other seeds, fonts,
words, titles and authors than in training, kinds of objects that training never showed in some of
the counts, and a fifth of the questions in other wordings. In brackets the 95 % interval
(bootstrap over questions). int4 means groups of {group_size}.

{skills}

Character error of what it read (edits by characters), by the em size of the text in its own
192 pixels:

{reading}

{bars}

RPIQ against bf16 on the same questions: {paired}.

## Real photographs
The same model, bf16, on the photographs of the test data ({photos} questions):

{photographs}

This is why the assistant calls every answer about a photograph a guess. It does the same for
every skill below 70 % in the first table.

## How it was made
{training}

Learning curve: `scripts/results/pocket_curve.png`, `pocket_curve.csv` and
`pocket_curve_tower.csv`. {curve}

Training pictures: `models/pocket/drawing/`, seeds from 0. Calibration: {calibration} drawn pictures
of the training split. Size: bf16 {bf16_mb:.1f} MB, int4 {int4_mb:.1f} MB. Repeat it with:

    python scripts/train_pocket.py tower --pictures {tower_pictures}
    python scripts/train_pocket.py answers --tower runs/tower --pictures {answer_pictures} \\
      {answer_options}
    python scripts/release_pocket.py runs/answers --tower runs/tower

Licence: Apache-2.0, like the rest of the project.
"""


def call(*arguments: str) -> None:
    """Run the quantizer; its one-line error ends this script too."""
    if quantizer(arguments):
        raise SystemExit(2)


def evaluate(model: Path, data: Path) -> Result:
    """Measure a model folder on a picture folder, in a process of its own with one thread."""
    path = model.parent / f"{model.name}-{data.name}.json"
    program = str(Path(sys.executable).parent / "quantizer")
    command = ["eval", str(model), "--task", "pictures", "--data", str(data), "--json", str(path)]
    done = subprocess.run([program, *command], env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(2)
    result: Result = json.loads(path.read_text())
    return result


def keep(result: Result, name: str, data: str) -> None:
    """Leave a result under scripts/results, its single answers left out."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    told = {key: value for key, value in result.items() if key != "answers"}
    told |= {"model": name, "data": data}
    (RESULTS / f"pocket_{name}.json").write_text(json.dumps(told, indent=1) + "\n")


def add_bars(result: Result) -> None:
    """Add what the model was built for to a result, under ``bars``."""
    answers = result["answers"]
    counts = [a for a in answers if a["skill"] == "count"]
    large = [a for a in answers if a["skill"] == "word" and a["size"] >= 40]
    read = [a for a in answers if a["size"] >= 24]
    result["bars"] = {
        "count 0 to 5": accuracy([a["right"] for a in counts if int(a["expected"]) <= 5]),
        "count 0 to 9": accuracy([a["right"] for a in counts]),
        "one word of 40 pixels and more, character error": character_error(large),
        "text of 24 pixels and more, character error": character_error(read),
        "readable pictures declined": result["false_declines"],
    }


def megabytes(folder: Path) -> float:
    """Size of a folder's weights."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6


def cell(entry: Result) -> str:
    """Write a share with its interval."""
    low, high = entry["interval_95"]
    return f"{entry['value']:.1%} ({low:.1%} to {high:.1%})"


def table(
    results: dict[str, Result], rows: Iterable[str], pick: Callable[[Result, str], Result]
) -> str:
    """Write one row a skill or size, one column a model."""
    names = {"bf16": "bf16"} | {name: f"int4, {title}" for name, title in METHODS.items()}
    lines = ["| | questions | " + " | ".join(names[name] for name in results) + " |"]
    lines.append("|---" * (2 + len(results)) + "|")
    for row in rows:
        entries = [pick(result, row) for result in results.values()]
        cells = " | ".join(map(cell, entries))
        lines.append(f"| {row} | {entries[0]['items']} | {cells} |")
    return "\n".join(lines)


def build(run: Path, scratch: Path) -> tuple[dict[str, Result], Result]:
    """Make bf16/ and one int4 folder a method in a scratch folder; measure them all."""
    calibration, held_out, photographs = (
        scratch / name for name in ("calibration", "held-out", "photographs")
    )
    write_dataset(calibration, CALIBRATION, Split.TRAIN)
    write_dataset(held_out, HELD_OUT, Split.HELD_OUT)
    if write_photographs([str(photographs)]):
        raise SystemExit(2)
    shutil.copytree(run / "bf16", scratch / "bf16")
    for method in METHODS:
        call(
            "run", str(scratch / "bf16"), "--out", str(scratch / method), "--method", method,
            "--bits", "4", "--group-size", str(GROUP_SIZE), "--calibration", str(calibration),
            "--samples", str(len(CALIBRATION)),
        )  # fmt: skip
    measured = [scratch / name for name in ("bf16", *METHODS)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        told_by = {folder.name: pool.submit(evaluate, folder, held_out) for folder in measured}
        of_photographs = pool.submit(evaluate, scratch / "bf16", photographs)
    results = {name: future.result() for name, future in told_by.items()}
    # The scratch folder is gone tomorrow; say what was read by its lasting name.
    seeds = f"training pictures, seeds {CALIBRATION[0]} to {CALIBRATION[-1]}"
    for report in ("report.json", "report.md"):
        path = scratch / "rpiq" / report
        told = path.read_text().replace(str(scratch / "bf16"), "models/pocket/bf16")
        path.write_text(told.replace(str(calibration), seeds))
    for name in ("bf16", "rpiq"):
        write_skills(scratch / name, results[name]["skills"])
    return results, of_photographs.result()


def answer_options(run: Path) -> str:
    """Name the options of the answers stage that its last checkpoint was trained with."""
    path = latest(run)
    if path is None:
        raise CheckpointError(f"{run} holds no checkpoint; finish the training first")
    settings = read(path).settings
    return f"--easy {settings['easy_pictures']} --resting {settings['resting_pictures']}"


def training_sentence(tower: list[dict[str, float]], answers: list[dict[str, float]]) -> str:
    """Say how long the training took, from its learning curves."""
    minutes = (tower[-1]["seconds"] + answers[-1]["seconds"]) / 60
    return (
        f"{tower[-1]['pictures']:,.0f} crowded pictures without questions, from which the vision "
        f"tower learned alone, then {answers[-1]['pictures']:,.0f} pictures with their "
        f"questions; {minutes:.0f} minutes on two CPU cores, bf16 autocast."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Release the run folders of scripts/train_pocket.py."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run folder of the answers stage")
    parser.add_argument("--tower", type=Path, required=True, help="run folder of the tower stage")
    parser.add_argument("--note", default="", help="a sentence about this run, for the card")
    options = parser.parse_args(argv)
    needed = (options.run / "bf16/model.safetensors", options.run / "curve.csv")
    for path in (*needed, options.tower / "curve.csv"):
        if not path.is_file():
            print(f"error: there is no {path}; finish the training first", file=sys.stderr)
            return 2
    try:
        with tempfile.TemporaryDirectory(dir=pocket_bf16_folder().parent) as name:
            scratch = Path(name)
            results, photographs = build(options.run, scratch)
            for source, folder in (("bf16", pocket_bf16_folder()), ("rpiq", pocket_int4_folder())):
                shutil.rmtree(folder, ignore_errors=True)
                (scratch / source).rename(folder)
    except (ModelsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    seeds = f"held-out pictures, seeds {HELD_OUT[0]} to {HELD_OUT[-1]}"
    for name, result in results.items():
        add_bars(result)
        keep(result, name, seeds)
    keep(photographs, "photographs", "scripts/photo_questions.py")
    tower, answers = (read_curve(folder / "curve.csv") for folder in (options.tower, options.run))
    shutil.copy(options.run / "curve.csv", RESULTS / "pocket_curve.csv")
    shutil.copy(options.tower / "curve.csv", RESULTS / "pocket_curve_tower.csv")
    curve = draw(tower, answers, RESULTS / "pocket_curve.png")
    difference = paired(results["rpiq"], results["bf16"])
    low, high = difference["difference_95"]
    card = CARD.format(
        parameters=megabytes(pocket_bf16_folder()) / 2,
        pictures=len(HELD_OUT),
        questions=results["bf16"]["items"],
        group_size=GROUP_SIZE,
        skills=table(results, SKILLS, lambda result, row: result["skills"][row]),
        reading=table(results, results["bf16"]["reading"], lambda r, row: r["reading"][row]),
        bars=table(results, results["bf16"]["bars"], lambda r, row: r["bars"][row]),
        paired=f"{difference['difference']:+.1%} (95 %: {low:+.1%} to {high:+.1%})",
        photos=photographs["items"],
        photographs=table(
            {"bf16": photographs}, photographs["skills"], lambda r, row: r["skills"][row]
        ),
        training=" ".join((training_sentence(tower, answers), options.note)).strip(),
        curve=curve,
        calibration=len(CALIBRATION),
        bf16_mb=megabytes(pocket_bf16_folder()),
        int4_mb=megabytes(pocket_int4_folder()),
        tower_pictures=int(tower[-1]["pictures"]),
        answer_options=answer_options(options.run),
        answer_pictures=int(answers[-1]["pictures"]),
    )
    (pocket_bf16_folder().parent / "CARD.md").write_text(card)
    print(card)
    return 0


if __name__ == "__main__":
    sys.exit(main())
