"""Pictures with questions and answers, in the layouts in which such data is published.

* ours: a folder with ``questions.jsonl``, see `read_questions`;
* CogVLM-SFT-311K: folders of ``images/NAME.jpg`` beside ``labels/NAME.json`` (or ``labels_en``),
  each label ``{"conversations": [{"role": "user", "content": ...}, ...]}`` or
  ``{"captions": [{"role": "caption", "content": ...}]}``
  (https://huggingface.co/datasets/THUDM/CogVLM-SFT-311K);
* LLaVA: one .json list, or .jsonl, of ``{"image": "sub/NAME.jpg", "conversations":
  [{"from": "human", "value": "<image>\\n..."}, {"from": "gpt", "value": ...}]}``
  (https://github.com/haotian-liu/LLaVA).

The layout is told by what is there, not by names: roles and fields of both kinds are read in files
of either form.
"""

import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.files.bounded import ANY_VALUES, FormatError, json_lines, parse_json, shown
from models.plain_text import beginning
from models.sequences import Turns
from quantizer.calibration.texts import read_text
from quantizer.errors import DataError

QUESTIONS_FILE = "questions.jsonl"
CAPTION_QUESTION = "Describe this picture."
"""What captions answer; they come without a question."""

_WANTED = "pictures with questions, or text"
_SUFFIXES = (".json", ".jsonl")
_LABELS = ("labels_en", "labels")
_LOOKED_AT = 100  # records, to tell pictures from text
_PICTURE_MARK = "<image>"
_ASKING = ("human", "user")
_ANSWERING = ("gpt", "assistant")


@dataclass(frozen=True, slots=True)
class PictureQuestion:
    """One line of ``questions.jsonl``: a question about a picture and its right answer.

    size: em size in the model's input pixels of the text that the answer reads, 0 if none is.
    """

    picture: Path
    question: str
    answer: str
    skill: str
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """One picture and what was said about it.

    turns: reads them; labels in files of their own are opened only where they are drawn.
    """

    picture: Path
    turns: Callable[[], Turns]


def is_picture_data(path: Path) -> bool:
    """Whether a path given as calibration data holds pictures rather than text.

    A file that cannot be read counts by its name; who reads it says what is wrong with it.
    """
    if path.is_dir():
        return True
    if path.suffix.lower() not in _SUFFIXES:
        return False
    try:
        records = _raw_records(path)
        looked_at = [raw for _, raw in itertools.islice(records, _LOOKED_AT)]
        objects = [raw for raw in looked_at if isinstance(raw, Mapping)]
        if any(raw.get(name) is not None for raw in objects for name in ("image", "picture")):
            return True
        # LLaVA's data has some conversations without a picture, and others with one behind them.
        return not all("text" in raw or "messages" in raw for raw in objects)
    except (DataError, OSError):
        return True


def read_records(path: Path) -> list[PictureRecord]:
    """Find every record of a folder or file in one of the layouts above.

    Raises:
        DataError: nothing of the kind is there, or a record cannot be used.
    """
    if not path.is_dir():
        return _checked(path, list(_file_records(path)))
    if (path / QUESTIONS_FILE).is_file():
        return [
            PictureRecord(item.picture, _fixed(((item.question, item.answer),)))
            for item in read_questions(path)
        ]
    labelled = [part for part in (path, *_subfolders(path)) if _labels(part) is not None]
    if labelled:
        return _checked(path, [record for part in labelled for record in _label_records(part)])
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in _SUFFIXES]
    if len(files) == 1:
        return _checked(files[0], list(_file_records(files[0])))
    raise DataError(
        f"{path}: has no {QUESTIONS_FILE}, no images/ beside labels/, and not one .json or .jsonl "
        "file; give a folder with pictures and one of these"
    )


def read_questions(folder: Path) -> list[PictureQuestion]:
    """Read a picture folder's ``questions.jsonl``, one JSON object a line.

    Raises:
        DataError: the folder or the file is missing, a line cannot be used, or there is none.
    """
    path = folder / QUESTIONS_FILE
    if not path.is_file():
        raise DataError(
            f"{folder}: has no {QUESTIONS_FILE}; give a folder with pictures and that file"
        )
    text = read_text(path, _WANTED)
    questions = [_question(folder, line, f"{path}:{number}") for number, line in json_lines(text)]
    if not questions:
        raise DataError(f"{path}: holds no questions; add one JSON object a line")
    return questions


def _question(folder: Path, line: str, where: str) -> PictureQuestion:
    try:
        raw = parse_json(line)
    except FormatError as error:
        raise DataError(f"{where}: is not JSON ({error}); write one object a line") from error
    fields = ("picture", "question", "answer", "skill")
    if not isinstance(raw, dict) or not all(isinstance(raw.get(name), str) for name in fields):
        raise DataError(f"{where}: needs the text fields {', '.join(fields)}; add what is missing")
    picture = _place(folder, raw["picture"])
    if picture is None:
        raise DataError(
            f"{where}: the picture {beginning(raw['picture'])} lies outside the folder; move it "
            "inside"
        )
    size = raw.get("size", 0.0)
    if isinstance(size, bool) or not isinstance(size, int | float) or not 0 <= size < math.inf:
        raise DataError(f"{where}: size is {shown(size)}; give pixels, or leave it out")
    return PictureQuestion(picture, raw["question"], raw["answer"], raw["skill"], float(size))


def _place(folder: Path, *names: str) -> Path | None:
    """Where names that a file gives lead; None out of the folder, or where no name can."""
    if any("\0" in name for name in names):
        return None
    place = folder.joinpath(*names).resolve()
    return place if place.is_relative_to(folder.resolve()) else None


def _checked(path: Path, records: list[PictureRecord]) -> list[PictureRecord]:
    if not records:
        raise DataError(f"{path}: holds no picture with a conversation; give other data")
    return records


def _subfolders(path: Path) -> list[Path]:
    return [part for part in sorted(path.iterdir()) if part.is_dir()]


def _labels(folder: Path) -> Path | None:
    """The labels beside the pictures of one folder of CogVLM-SFT-311K."""
    found = (folder / name for name in _LABELS)
    return next((f for f in found if f.is_dir()), None) if (folder / "images").is_dir() else None


def _label_records(folder: Path) -> Iterator[PictureRecord]:
    labels = _labels(folder)
    pictures = {picture.stem: picture for picture in (folder / "images").iterdir()}
    for label in sorted(labels.glob("*.json")) if labels is not None else ():
        missing = folder / "images" / f"{label.stem}.jpg"  # counted as unreadable when it is drawn
        yield PictureRecord(pictures.get(label.stem, missing), _label_reader(label))


def _label_reader(label: Path) -> Callable[[], Turns]:
    return lambda: _turns(_parsed(read_text(label, _WANTED), str(label)), str(label))


def _fixed(turns: Turns) -> Callable[[], Turns]:
    return lambda: turns


def _parsed(text: str, where: str) -> Any:
    try:
        return parse_json(text, most_values=ANY_VALUES)
    except FormatError as error:
        raise DataError(
            f"{where}: is not JSON ({error}); write one list of objects, or one object a line"
        ) from error


def _file_records(path: Path) -> Iterator[PictureRecord]:
    """Records of one file; those without a picture, of which LLaVA's data has some, are left out.

    A list is one JSON value; anything else is one object a line.
    """
    for where, raw in _raw_records(path):
        if not isinstance(raw, Mapping):
            raise DataError(f"{where}: is no JSON object; write one for every picture")
        name = raw.get("image", raw.get("picture"))
        if name is None:
            continue
        if not isinstance(name, str):
            raise DataError(f"{where}: image is {shown(name)}; give the path of one picture")
        yield PictureRecord(_picture(path.parent, name, where), _fixed(_turns(raw, where)))


def _raw_records(path: Path) -> Iterator[tuple[str, Any]]:
    text = read_text(path, _WANTED)
    if text.lstrip().startswith("["):
        yield from ((f"{path}: record {n}", raw) for n, raw in enumerate(_parsed(text, str(path))))
    else:
        yield from ((f"{path}:{n}", _parsed(line, f"{path}:{n}")) for n, line in json_lines(text))


def _picture(folder: Path, name: str, where: str) -> Path:
    """A picture beside the file, or in ``images`` beside it."""
    places = [_place(folder, name), _place(folder, "images", name)]
    own = [place for place in places if place is not None]
    if len(own) < len(places):
        raise DataError(
            f"{where}: the picture {beginning(name)} lies outside the folder; move it inside"
        )
    # Path.is_file raises for a name that is too long for any file; that picture is not there.
    return next((place for place in own if os.path.isfile(place)), own[0])  # noqa: PTH113


def _turns(raw: Any, where: str) -> Turns:
    """The questions and answers of one record."""
    if not isinstance(raw, Mapping):
        raise DataError(f"{where}: is no JSON object; write one for every picture")
    if isinstance(raw.get("question"), str) and isinstance(raw.get("answer"), str):
        return ((raw["question"], raw["answer"]),)
    captions = raw.get("captions")
    if isinstance(captions, list) and captions:
        return ((CAPTION_QUESTION, _said(captions[0], where)[1]),)
    entries = raw.get("conversations")
    if not isinstance(entries, list):
        raise DataError(
            f"{where}: has neither conversations nor captions nor question and answer; add one"
        )
    said = [_said(entry, where) for entry in entries]
    said = [(who, text) for who, text in said if who != "system"]
    questions, answers = said[::2], said[1::2]
    orderly = all(who in _ASKING for who, _ in questions)
    if not answers or not orderly or not all(who in _ANSWERING for who, _ in answers):
        raise DataError(
            f"{where}: its conversation is not of questions with answers; roles are "
            f"{', '.join(who for who, _ in said) or 'none'}; let human and gpt take turns"
        )
    # A last question without an answer teaches nothing.
    return tuple(
        (question, answer) for (_, question), (_, answer) in zip(questions, answers, strict=False)
    )


def _said(entry: Any, where: str) -> tuple[str, str]:
    """Who says what in one entry of a conversation."""
    if isinstance(entry, Mapping):
        who, text = entry.get("from", entry.get("role")), entry.get("value", entry.get("content"))
        if isinstance(who, str) and isinstance(text, str):
            return who, text.replace(_PICTURE_MARK, "").strip()
    raise DataError(f"{where}: an entry has no text with its role; write from and value")
