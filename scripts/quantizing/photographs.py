"""Pictures to calibrate with, and pictures that only judge: the user's own, or drawn ones."""

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import FontsError
from models.pocket.training.pictures import Split, write_dataset
from models.sequences import Turns
from quantizer.calibration.pictures import QUESTIONS_FILE, is_picture_data, read_records
from quantizing.errors import NotDone

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".heic")

MOST_JUDGING = 40
JUDGING_SHARE = 5
"""Every fifth picture judges, but no more than forty."""

SPARE = 4
"""Pictures that are kept for each that is wanted, as some may not be readable."""

SHORT_WORDS = 4
"""Longer answers are never given word for word, so whether they are right cannot be counted."""

SKILLS = ("colour", "count", "compare", "word", "lines", "field", "decline")
"""What is drawn: all but book covers, whose titles stand in a listing of somebody else's."""

Records = Mapping[Path, Callable[[], Turns]]
"""What was said about each picture, read where it is wanted."""

QUESTIONS = (
    "Describe this picture.",
    "What is in front of me?",
    "What does the text say?",
    "How many people are there?",
    "What colour is it?",
)
"""What is asked about pictures that come without questions."""

_JUDGING_SEEDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """Pictures in two folders.

    judging: None where nothing can be counted on them.
    remarks: what the user should know.
    """

    fitting: Path
    judging: Path | None
    remarks: tuple[str, ...]


def own_pictures(path: Path, place: Path, samples: int) -> Chosen:
    """Copy pictures out of the user's folder, with what was said about each.

    path:    a folder in one of the layouts of `quantizer.calibration.pictures`, LLaVA's file, or
             any folder of pictures, which are then asked about without answers.
    place:   for the two folders.
    samples: pictures to calibrate with.

    Raises:
        NotDone: there is no picture.
        DataError: a record cannot be read.
    """
    records, there = find_pictures(path)
    remarks: list[str] = []
    if not _has_records(path):
        remarks.append(
            f"{path} has pictures without questions and answers: the parts of the model that read "
            "and write words see little. A file questions.jsonl beside them would help; "
            "quantizer/README.md describes it."
        )
    random.Random(0).shuffle(there)
    judging = there[: min(MOST_JUDGING, len(there) // JUDGING_SHARE)]
    fitting = there[len(judging) :][: SPARE * samples]
    _write_conversations(place / "fitting", fitting, records)
    asked = _write_questions(place / "judging", judging, records)
    if not asked:
        remarks.append("None of the answers kept apart is short enough to count the right ones.")
    return Chosen(place / "fitting", place / "judging" if asked else None, tuple(remarks))


def find_pictures(path: Path) -> tuple[Records, list[Path]]:
    """What was said about the pictures of a folder or file, and those that are there, sorted.

    Raises:
        NotDone: there is no picture.
        DataError: a record cannot be read.
    """
    if not is_picture_data(path):
        raise NotDone(
            f"{path}: is no folder of pictures and no file about them",
            "this model looks at pictures: give another --calibration",
        )
    records: Records = (
        {record.picture: record.turns for record in reversed(read_records(path))}
        if _has_records(path)
        else _unasked(path)
    )
    there = sorted(picture for picture in records if picture.is_file())
    if not there:
        raise NotDone(f"{path}: none of its pictures is there", "give another --calibration")
    return records, there


def drawn_pictures(place: Path, samples: int) -> Chosen:
    """Draw pictures; those that judge share nothing with the others, not even the fonts.

    Raises:
        FontsError: no fonts are installed.
    """
    fitting, judging = place / "fitting", place / "judging"
    remarks = [
        "WARNING: drawn pictures calibrate. They are the weakest choice: drawings of shapes and "
        "words are not what a camera sees. Give pictures of your own with --calibration FOLDER, "
        "or an unpacked public set such as CogVLM-SFT-311K."
    ]
    try:
        write_dataset(fitting, range(samples), Split.TRAIN, SKILLS)
    except FontsError:
        shutil.rmtree(fitting)
        write_dataset(fitting, range(samples), Split.HELD_OUT, SKILLS)
        remarks.append("The training fonts are not installed: both parts are in the same fonts.")
    seeds = range(_JUDGING_SEEDS, _JUDGING_SEEDS + min(MOST_JUDGING, samples))
    write_dataset(judging, seeds, Split.HELD_OUT, SKILLS)
    return Chosen(fitting, judging, tuple(remarks))


def _has_records(path: Path) -> bool:
    """True unless a folder holds nothing that could say something about its pictures."""
    if not path.is_dir():
        return True
    places = [path, *(part for part in path.iterdir() if part.is_dir())]
    if any((place / labels).is_dir() for place in places for labels in ("labels", "labels_en")):
        return True
    return any(file.suffix.lower() in (".json", ".jsonl") for file in path.iterdir())


def _unasked(path: Path) -> dict[Path, Callable[[], Turns]]:
    """Pictures below a folder, each with one of the usual questions and no answer."""
    pictures = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES]
    if not pictures:
        raise NotDone(
            f"{path}: holds no pictures ({', '.join(SUFFIXES)})", "give another --calibration"
        )

    def asked(number: int) -> Callable[[], Turns]:
        return lambda: ((QUESTIONS[number % len(QUESTIONS)], ""),)

    return {picture: asked(number) for number, picture in enumerate(pictures)}


def _copy(picture: Path, folder: Path, number: int) -> str:
    name = f"{number:05d}{picture.suffix.lower()}"
    shutil.copyfile(picture, folder / name)
    return name


def _write_conversations(folder: Path, pictures: Sequence[Path], records: Records) -> None:
    folder.mkdir(parents=True)
    entries = []
    for number, picture in enumerate(pictures):
        said = [
            {"from": who, "value": text}
            for question, answer in records[picture]()
            for who, text in (("human", question), ("gpt", answer))
        ]
        entries.append({"image": _copy(picture, folder, number), "conversations": said})
    (folder / "conversations.json").write_text(json.dumps(entries), encoding="utf-8")


def _write_questions(folder: Path, pictures: Sequence[Path], records: Records) -> int:
    """Write the questions whose answers are short; return how many there are."""
    folder.mkdir(parents=True)
    lines = []
    for number, picture in enumerate(pictures):
        for question, answer in records[picture]()[:1]:
            if 0 < len(answer.split()) <= SHORT_WORDS:
                name = _copy(picture, folder, number)
                item = {"picture": name, "question": question, "answer": answer, "skill": "own"}
                lines.append(json.dumps(item))
    (folder / QUESTIONS_FILE).write_text("\n".join(lines), encoding="utf-8")
    return len(lines)
