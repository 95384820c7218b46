"""Reading labelled short texts: the three files of TweetEval, JSON lines, or CSV."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from models.files.bounded import FormatError, parse_json, shown
from quantizer.calibration.texts import read_text
from quantizer.errors import DataError

LABELS = ("negative", "neutral", "positive")

_MAPPING_FILE = "mapping.txt"
_TEXT_ENDING = "_text.txt"
_LABEL_ENDING = "_labels.txt"
_PARTS = ("test", "val")  # the first that is there is taken
# Data sets that number the labels do so in this order.
_BY_NUMBER = {str(number): label for number, label in enumerate(LABELS)}
_FORMS = "a folder with mapping.txt, val_text.txt and val_labels.txt, or a .jsonl or .csv file"


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and which of `LABELS` is right."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class SentimentData:
    """Labelled texts and the files that they stand in."""

    items: tuple[LabelledText, ...]
    files: tuple[Path, ...]


def read_sentiment(path: Path) -> SentimentData:
    """Read labelled texts.

    - A folder of TweetEval (https://github.com/cardiffnlp/tweeteval): ``mapping.txt`` with a
      number and a label a line, ``test_text.txt`` with one text a line, ``test_labels.txt`` with
      one number a line; or the same with ``val``. ``test`` goes first where both are there. One
      of the text files, given itself, chooses its part.
    - ``.jsonl``: an object a line with ``text`` and ``label``.
    - ``.csv``: columns ``text`` and ``label``, named in the first line.

    In the last two a label is its name or its number, 0 to 2 from negative to positive.

    Raises:
        DataError: a file is missing or cannot be used, with the line where one is to blame.
    """
    if path.is_dir():
        present = [part for part in _PARTS if (path / f"{part}{_TEXT_ENDING}").is_file()]
        if not present:
            raise DataError(f"{path}: has no test_text.txt or val_text.txt; give {_FORMS}")
        return _read_tweeteval(path, present[0])
    if path.name.endswith(_TEXT_ENDING):
        return _read_tweeteval(path.parent, path.name.removesuffix(_TEXT_ENDING))
    if path.suffix == ".jsonl":
        records = _json_records(path)
    elif path.suffix == ".csv":
        records = _csv_records(path)
    else:
        raise DataError(f"{path}: is no labelled text; give {_FORMS}")
    items = tuple(_from_record(record, where) for where, record in records)
    return SentimentData(_not_empty(items, path), (path,))


def _read_tweeteval(folder: Path, part: str) -> SentimentData:
    mapping_file = folder / _MAPPING_FILE
    text_file, label_file = folder / f"{part}{_TEXT_ENDING}", folder / f"{part}{_LABEL_ENDING}"
    names = _read_mapping(mapping_file)
    texts, labels = _lines(text_file), _lines(label_file)
    if len(texts) != len(labels):
        raise DataError(
            f"{text_file} has {len(texts)} lines but {label_file.name} has {len(labels)}; give "
            "files that belong together, one label for each line of text"
        )
    items = []
    for number, (text, label) in enumerate(zip(texts, labels, strict=True), start=1):
        if label.strip() not in names:
            raise DataError(
                f"{label_file}:{number}: label {shown(label.strip())} is not in {_MAPPING_FILE}; "
                f"give one of {', '.join(names)}"
            )
        items.append(_item(text, names[label.strip()], f"{text_file}:{number}"))
    return SentimentData(_not_empty(tuple(items), text_file), (mapping_file, text_file, label_file))


def _read_mapping(path: Path) -> dict[str, str]:
    names = {}
    for where, line in _numbered(path):
        fields = line.split()
        if len(fields) != 2 or fields[1].lower() not in LABELS:
            found = shown(line.strip())
            raise DataError(
                f"{where}: needs a number and one of {', '.join(LABELS)}, found {found}"
            )
        names[fields[0]] = fields[1].lower()
    if not names:
        raise DataError(f"{path}: names no labels; give a number and a label a line")
    return names


def _json_records(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    for where, line in _numbered(path):
        try:
            record = parse_json(line)
        except FormatError as error:
            raise DataError(f"{where}: is not JSON ({error}); write one object a line") from error
        if not isinstance(record, dict):
            raise DataError(f"{where}: is no object; write text and label as one object a line")
        yield where, record


def _csv_records(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    # The csv module finds line ends itself: a quoted text may hold some.
    reader = csv.DictReader(StringIO(read_text(path, _FORMS, newline=""), newline=""))
    try:
        for record in reader:
            yield f"{path}:{reader.line_num}", record
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: is not CSV ({error}); repair it") from error


def _from_record(record: Mapping[str, object], where: str) -> LabelledText:
    text, label = record.get("text"), record.get("label")
    if not isinstance(text, str) or not isinstance(label, str | int):
        raise DataError(f"{where}: needs a text and a label; name them text and label")
    given = str(label).strip().lower()
    name = _BY_NUMBER.get(given, given)
    if name not in LABELS:
        raise DataError(
            f"{where}: label {shown(label)} is unknown; give one of {', '.join(LABELS)}"
        )
    return _item(text, name, where)


def _item(text: str, label: str, where: str) -> LabelledText:
    if not text.strip():
        raise DataError(f"{where}: is without text; remove it and its label")
    return LabelledText(text.strip(), label)


def _not_empty(items: tuple[LabelledText, ...], path: Path) -> tuple[LabelledText, ...]:
    if not items:
        raise DataError(f"{path}: holds no texts; give a file with labelled texts in it")
    return items


def _numbered(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            yield f"{path}:{number}", line


def _lines(path: Path) -> list[str]:
    # Not splitlines: tweets hold characters that it takes for line ends.
    lines = read_text(path, _FORMS, newline="").replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
