#!/usr/bin/env python3
"""Quantize the pocket model three ways, compare, and answer spoken questions about pictures."""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.errors import FontsError, ModelsError
from models.pocket import pocket_bf16_folder
from models.pocket.training.export import write_skills
from models.pocket.training.fonts import held_out_fonts
from models.pocket.training.pictures import Split, render, write_dataset

METHODS = ("rtn", "gptq", "rpiq")
# Without book covers, whose titles stand in a listing that this project does not carry.
DEMO_SKILLS = ("colour", "count", "compare", "word", "lines", "field", "decline")
CALIBRATION_PICTURES = 64
HELD_OUT_PICTURES = 120
MARKER = "made-by-sightline-demo"  # only a folder that holds this file is ever deleted
LABEL = ("OAT DRINK", "1 litre, no added sugar", "Best before 14.08.2027", "Price 1.89 EUR")


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture of the demo, the question that is spoken, and the right answer."""

    name: str
    picture: Path
    question: str
    right: str


class DemoError(Exception):
    """A step failed; the message is the step's own."""


def run(*command: str, accepted: tuple[int, ...] = (0,)) -> str:
    """Run one of the project's commands from this virtual environment and return its output."""
    print(f"$ {' '.join(command)}", flush=True)
    program = Path(sys.executable).parent / command[0]
    done = subprocess.run([str(program), *command[1:]], capture_output=True, text=True)
    said = done.stderr.strip()
    if done.returncode not in accepted:
        raise DemoError(said or f"{command[0]} ended with {done.returncode}")
    if done.returncode:
        print(said)
    return done.stdout


def prepare(out: Path) -> None:
    """Make an empty output folder, deleting only what an earlier demo made."""
    if out.exists() and not (out / MARKER).is_file():
        raise DemoError(f"{out} exists and was not made by the demo; give another --out")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARKER).write_text("The demo deletes this folder when it runs again.\n")


def draw_sets(out: Path) -> None:
    """Draw the pictures that calibrate and those that judge; they share no seed."""
    calibration = range(CALIBRATION_PICTURES)
    try:
        write_dataset(out / "calibration", calibration, Split.TRAIN, DEMO_SKILLS)
    except FontsError:
        print("The training fonts are not installed: calibrating on pictures in held-out fonts.")
        shutil.rmtree(out / "calibration", ignore_errors=True)
        write_dataset(out / "calibration", calibration, Split.HELD_OUT, DEMO_SKILLS)
    judged = range(1_000_000, 1_000_000 + HELD_OUT_PICTURES)
    write_dataset(out / "held-out", judged, Split.HELD_OUT, DEMO_SKILLS)


def quantize_and_compare(out: Path) -> None:
    """Print one line per model: size, accuracy per skill, seconds."""
    bf16 = str(pocket_bf16_folder())
    rows = [("bf16", Path(bf16), 0.0)]
    for method in METHODS:
        folder, started = out / method, time.monotonic()
        run(
            "quantizer", "run", bf16, "--out", str(folder), "--method", method,
            "--bits", "4", "--group-size", "32", "--calibration", str(out / "calibration"),
            "--samples", str(CALIBRATION_PICTURES),
        )  # fmt: skip
        rows.append((method, folder, time.monotonic() - started))
    table = [("model", "megabytes", *DEMO_SKILLS, "seconds to quantize")]
    for name, folder, seconds in rows:
        result = out / f"eval-{name}.json"
        run(
            "quantizer", "eval", str(folder), "--task", "pictures",
            "--data", str(out / "held-out"), "--json", str(result),
        )  # fmt: skip
        skills = json.loads(result.read_text())["skills"]
        if folder.is_relative_to(out):
            # What was just measured decides whether the assistant calls an answer seen or a guess.
            write_skills(folder, skills)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6
        shares = [f"{skills[skill]['value']:.0%}" for skill in DEMO_SKILLS]
        table.append((name, f"{size:.1f}", *shares, f"{seconds:.1f}" if seconds else "-"))
    print(f"\nShare of right answers on {HELD_OUT_PICTURES} held-out pictures:")
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def draw_label(path: Path) -> None:
    """Draw a package label as a camera would see it."""
    image = Image.new("RGB", (960, 640), (236, 229, 214))
    pen, fonts = ImageDraw.Draw(image), held_out_fonts()
    for row, line in enumerate(LABEL):
        font = ImageFont.truetype(str(fonts[-1 if row == 0 else -2]), 84 if row == 0 else 48)
        pen.text((90, 80 + 130 * row), line, font=font, fill=(32, 36, 52))
    image.rotate(1.5, expand=False, fillcolor=(236, 229, 214)).save(path)


def scenes(out: Path) -> list[Scene]:
    """Draw the pictures that are asked about."""
    folder = out / "asked"
    folder.mkdir()
    found = []
    for name, skill, stem in (
        ("shapes to count", "count", "how many"),
        ("coloured shapes", "colour", "what colour is the"),
    ):
        seed = 2_000_000
        while True:  # the first drawn picture with a question the grammar knows
            example = render(seed, Split.HELD_OUT, skill)
            pairs = [
                p for p in example.questions
                if p.skill == skill and plain(p.question).startswith(stem)
                and plain(p.question).split()[-2:] != ["the", "picture"]
            ]  # fmt: skip
            if pairs:
                break
            seed += 1
        path = folder / f"{skill}.png"
        Image.fromarray(example.rgb).save(path)
        found.append(Scene(name, path, plain(pairs[0].question), pairs[0].answer))
    blank = folder / "blank.png"
    Image.new("RGB", (640, 480), (201, 204, 208)).save(blank)
    label = folder / "label.png"
    draw_label(label)
    return [
        *found,
        Scene("a blank picture", blank, "how many circles are there", "it cannot tell"),
        Scene("a package label", label, "read this", ". ".join(LABEL)),
        Scene("the same label", label, "when does it expire", "14.08.2027"),
    ]


def plain(question: str) -> str:
    """Write a question as it is spoken: lower case, no marks."""
    return question.lower().strip(" .?!")


def speak_question(scene: Scene, path: Path) -> bool:
    """Let flite ask the question; False where it is not installed."""
    if shutil.which("flite") is None:
        return False
    command = ["flite", "-voice", "slt", "-t", scene.question, "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return True


def ask(out: Path, scene: Scene, answer: Path, *question: str) -> str:
    """Put one question to the assistant; empty where the spoken question was not understood."""
    # 3: answered, but there is no voice; 2: the spoken question was not understood.
    accepted = (0, 2, 3) if "--question-audio" in question else (0, 3)
    return run(
        "assistant", "ask", str(scene.picture), *question, "--json",
        "--answer-audio", str(answer), "--model", str(out / "rpiq"), accepted=accepted,
    )  # fmt: skip


def ask_all(out: Path) -> None:
    """Speak each question to the assistant and print what it heard, said and took."""
    answers = out / "answers"
    answers.mkdir()
    for number, scene in enumerate(scenes(out), start=1):
        question, answer = answers / f"{number}-question.wav", answers / f"{number}-answer.wav"
        print(f"\nQuestion {number}, about {scene.name} ({scene.picture})")
        said = ""
        if speak_question(scene, question):
            said = ask(out, scene, answer, "--question-audio", str(question))
            if not said:
                print("The same question, typed:")
        else:
            print("flite is not installed, so the question is typed.")
        result = json.loads(said or ask(out, scene, answer, scene.question))
        print(f"asked: {scene.question}")
        print(f"you: {result['question']}")
        print(f"answer: {result['answer']} ({result['basis']})")
        print(f"right answer: {scene.right}")
        times = ", ".join(f"{k} {v:.0f} ms" for k, v in result["timings_ms"].items())
        print(f"times: {times}")
        if answer.exists():
            print(f"spoken answer: {answer}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; problems are one line, never a traceback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo-output"))
    arguments = parser.parse_args(argv)
    started = time.monotonic()
    try:
        prepare(arguments.out)
        draw_sets(arguments.out)
        quantize_and_compare(arguments.out)
        ask_all(arguments.out)
    except (DemoError, ModelsError, OSError, subprocess.CalledProcessError) as error:
        print(f"error: {str(error).removeprefix('error: ')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(f"\nThe demo took {time.monotonic() - started:.0f} seconds. All of it: {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
