"""Reading the data that people hand in: text files, and folders of pictures with questions."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from quantizer.errors import DataError

END_OF_TEXT = "<|endoftext|>"
QUESTIONS_FILE = "questions.jsonl"


@dataclass(frozen=True, slots=True)
class PictureQuestion:
    """One line of ``questions.jsonl``: a question about a picture and its right answer."""

    picture: Path
    question: str
    answer: str
    skill: str


def read_documents(path: Path) -> list[str]:
    """Read a UTF-8 text file as documents, without the marks between them.

    Documents are separated by ``<|endoftext|>`` where the file has that mark, otherwise by
    blank lines.

    Raises:
        DataError: the file is missing, is a folder, is not UTF-8 text, or holds no text.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give a text file")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; give a text file or a picture folder") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; convert it first") from error
    parts = text.split(END_OF_TEXT) if END_OF_TEXT in text else re.split(r"\n[ \t]*\n", text)
    documents = [part.strip() for part in parts if part.strip()]
    if not documents:
        raise DataError(f"{path}: holds no text; give a file with documents in it")
    return documents


def tokenize(documents: list[str], tokenizer: Tokenizer, bos_token_id: int) -> Tensor:
    """Concatenate documents to one row of token ids (n,), each document starting with BOS."""
    ids: list[int] = []
    for document in documents:
        ids.append(bos_token_id)
        ids.extend(tokenizer.encode(document, add_special_tokens=False).ids)
    return torch.tensor(ids, dtype=torch.int64)


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
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; convert it first") from error
    questions = [
        _question(folder, line, f"{path}:{number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not questions:
        raise DataError(f"{path}: holds no questions; add one JSON object a line")
    return questions


def _question(folder: Path, line: str, where: str) -> PictureQuestion:
    try:
        raw = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: is not JSON ({error.msg}); write one object a line") from error
    fields = ("picture", "question", "answer", "skill")
    if not isinstance(raw, dict) or not all(isinstance(raw.get(name), str) for name in fields):
        raise DataError(f"{where}: needs the text fields {', '.join(fields)}")
    picture = (folder / raw["picture"]).resolve()
    if not picture.is_relative_to(folder.resolve()):
        raise DataError(f"{where}: the picture {raw['picture']} lies outside the folder")
    return PictureQuestion(picture, raw["question"], raw["answer"], raw["skill"])
