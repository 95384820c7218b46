"""Texts out of files of records: JSON lines, a JSON list, CSV.

A record has ``text``, or ``messages`` (also ``conversations``) that the model's chat template turns
into a text. What a file is, is told by what is in it and not by its name alone: text that begins
with a JSON object is never measured as it stands.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from models.errors import ModelFolderError
from models.files.bounded import ANY_VALUES, FormatError, json_lines, parse_json
from models.text.chat_template import ChatTemplate, Turn
from quantizer.errors import DataError

Template = Callable[[], ChatTemplate | None]
"""Reads the model's chat template, which only records of messages need."""

_JSON_SUFFIXES = (".jsonl", ".json", ".ndjson")
_CSV_SUFFIXES = {".csv": ",", ".tsv": "\t"}
_DELIMITERS = (",", ";", "\t")  # a spreadsheet writes the second where the comma is decimal
_CONVERSATIONS = ("messages", "conversations")
_ROLES = {"human": "user", "gpt": "assistant"}
_PICTURES = ("image", "images", "picture")
_PARTS = ("text", "input_text", "output_text")  # types of parts of a message that are text
_SHOWN = 8  # names of columns that a message repeats

# An object with a name in it, or a list of such; damaged or not, it is no text.
_JSON_START = re.compile(r'\s*(?:\[\s*)?\{\s*"(?:[^"\\\n]|\\.)*"\s*:')


def has_records(path: Path, text: str) -> bool:
    """Whether a file holds records rather than a text."""
    return path.suffix.lower() in (*_JSON_SUFFIXES, *_CSV_SUFFIXES) or _begins_with_json(text)


def read_records(path: Path, text: str, template: Template) -> list[str]:
    """The text of every record, without those that are empty.

    Raises:
        DataError: a record is damaged, has no text, is about a picture, or has messages that the
            model has no chat template for; with its line.
    """
    suffix = path.suffix.lower()
    if suffix in _CSV_SUFFIXES:
        found = list(_csv_texts(path, text, _CSV_SUFFIXES[suffix]))
    else:
        filled = _Filled(template)
        found = [filled(record, where) for where, record in _json_records(path, text)]
    return [one for one in found if one.strip()]


def _begins_with_json(text: str) -> bool:
    if _JSON_START.match(text):
        return True
    start = text.lstrip()[:1]
    if start == "[" and isinstance(_parsed(text), list):
        return True
    line = next((line for _, line in json_lines(text[: 1 << 20])), "")
    return start == "{" and isinstance(_parsed(line), dict)


def _parsed(text: str) -> Any:
    """What a text is as JSON; None where it is none."""
    try:
        return parse_json(text, most_values=ANY_VALUES)
    except FormatError:
        return None


def _json_records(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    first = next((line for _, line in json_lines(text)), "")
    if first.lstrip().startswith("{") and _parsed(first) is None:
        whole = _parsed(text)  # one object over several lines
        if whole is not None:
            yield str(path), whole
            return
    if text.lstrip().startswith("["):
        try:
            records = parse_json(text, most_values=ANY_VALUES)
        except FormatError as error:
            raise DataError(
                f"{path}: is not JSON ({error}); write a list of objects, or one object a line"
            ) from error
        yield from ((f"{path}: record {n}", one) for n, one in enumerate(records, start=1))
        return
    for number, line in json_lines(text):
        where = f"{path}:{number}"
        try:
            yield where, parse_json(line)
        except FormatError as error:
            raise DataError(f"{where}: is not JSON ({error}); write one object a line") from error


def _csv_texts(path: Path, text: str, delimiter: str) -> Iterator[str]:
    reader = csv.DictReader(StringIO(text, newline=""), delimiter=_delimiter(text, delimiter))
    try:
        columns = list(reader.fieldnames or ())
        if "text" not in columns:
            shown = ", ".join(map(str, columns[:_SHOWN])) or "none"
            raise DataError(f"{path}: has no column text but {shown}; name the column text")
        for record in reader:
            value = record["text"]
            if not isinstance(value, str):
                raise DataError(f"{path}:{reader.line_num}: lacks its text; complete the row")
            yield value
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: is not CSV ({error}); repair it") from error


def _delimiter(text: str, usual: str) -> str:
    """What parts the columns: by the first line, where one is called text."""
    head = text.partition("\n")[0].rstrip("\r")
    for one in (usual, *_DELIMITERS):
        if "text" in (column.strip('"') for column in head.split(one)):
            return one
    return usual


class _Filled:
    """Makes a text of a record; the chat template is read for the first that needs it."""

    def __init__(self, template: Template) -> None:
        self._read = template
        self._template: ChatTemplate | None = None

    def __call__(self, record: Any, where: str) -> str:
        if not isinstance(record, Mapping):
            raise DataError(f"{where}: is no object; write text or messages as one object a line")
        if isinstance(record.get("text"), str):
            return str(record["text"])
        if any(record.get(name) is not None for name in _PICTURES):
            raise DataError(
                f"{where}: is about a picture, where only text can be read; give records with text"
            )
        messages = next((record[n] for n in _CONVERSATIONS if record.get(n) is not None), None)
        if messages is None:
            raise DataError(f"{where}: has neither text nor messages; name what is to be read text")
        return self._filled(_turns(messages, where), where)

    def _filled(self, turns: Sequence[Turn], where: str) -> str:
        self._template = self._template or self._read()
        if self._template is None:
            raise DataError(
                f"{where}: has messages, and the model's folder has no chat template that says how "
                "it reads them; give records with text"
            )
        try:
            return self._template.whole(turns)
        except ModelFolderError as error:
            raise DataError(f"{where}: {error}") from error


def _turns(messages: Any, where: str) -> list[Turn]:
    turns = []
    for entry in messages if isinstance(messages, list) else ():
        role = text = None
        if isinstance(entry, Mapping):
            role = entry.get("role", entry.get("from"))
            text = _said(entry.get("content", entry.get("value")), where)
        if not isinstance(role, str) or not isinstance(text, str):
            raise DataError(f"{where}: a message has no role with its text; write role and content")
        turns.append(Turn(_ROLES.get(role, role), text))
    if not turns:
        raise DataError(f"{where}: has messages without a message; remove the record")
    return turns


def _said(content: Any, where: str) -> Any:
    """The text of a message, which may come in parts; anything else as it is."""
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        return content
    kinds = {part.get("type") for part in content}
    if any(isinstance(kind, str) and "image" in kind for kind in kinds):
        raise DataError(
            f"{where}: is about a picture, where only text can be read; give records with text"
        )
    texts = [part.get("text") for part in content if part.get("type") in _PARTS]
    whole = len(texts) == len(content) and all(isinstance(text, str) for text in texts)
    return "".join(texts) if whole else None
