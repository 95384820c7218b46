"""From a text file to tokens: the one reader of text for calibration and for every evaluation.

A file is a plain text, or holds records with texts; see `quantizer.calibration.records`.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import Unigram
from torch import Tensor, nn

from models.families import text_limits
from models.files.bounded import MOST_DATA_BYTES, BoundError, open_regular, parse_json
from models.text.chat_template import read_chat_template
from quantizer.calibration.marking import (
    END_OF_TEXT,
    Marks,
    Rows,
    joined,
    marks_for,
    no_marks,
    windows_of,
)
from quantizer.calibration.records import Template, has_records, read_records
from quantizer.errors import DataError, SettingsError

__all__ = [
    "END_OF_TEXT",
    "read_documents",
    "read_text",
    "sequence_length",
    "tokenize",
    "tokenize_file",
]

# Files of data that are no text, by how they begin, and what to do with them.
_NO_TEXT = (
    (b"PAR1", "is Parquet", "write its texts as .jsonl, one object with text a line"),
    (b"ARROW1", "is Arrow", "write its texts as .jsonl, one object with text a line"),
    (b"\x1f\x8b", "is compressed by gzip", "unpack it first"),
    (b"PK\x03\x04", "is a ZIP archive", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed by Zstandard", "unpack it first"),
    (b"BZh", "is compressed by bzip2", "unpack it first"),
    (b"\xfd7zXZ", "is compressed by xz", "unpack it first"),
    (b"\xff\xfe", "is UTF-16 text", "write it as UTF-8"),
    (b"\xfe\xff", "is UTF-16 text", "write it as UTF-8"),
    (b"GGUF", "is a model in a GGUF file", "give text"),
    (b"%PDF", "is a PDF", "write its text as UTF-8"),
)
_LONGEST = 2048
_MOST_UNKNOWN = 0.5  # of all characters; beyond that the statistics are those of <unk>


def read_text(path: Path, wanted: str, *, newline: str | None = None) -> str:
    """Read a whole UTF-8 file, without the mark that some editors put in front.

    wanted:  what to give instead, for errors.
    newline: as `open` takes it; "" leaves line ends as they are.

    Raises:
        DataError: there is no such file, it is a folder or a pipe, or it is not UTF-8.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give {wanted}")
    try:
        with open_regular(path, MOST_DATA_BYTES) as opened:
            start = opened.read(8)
            opened.seek(0)
            for mark, kind, way_out in _NO_TEXT:
                if start.startswith(mark):
                    raise DataError(f"{path}: {kind} and no UTF-8 text; {way_out}")
            with io.TextIOWrapper(opened, encoding="utf-8-sig", newline=newline) as file:
                return file.read()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; give {wanted}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; convert it first") from error
    except BoundError as error:
        raise DataError(f"{path}: {error}; give {wanted}") from error


def read_documents(
    path: Path, template: Template = lambda: None, *, choice: str = "blank-lines"
) -> list[str]:
    """Read the documents of a file of UTF-8, without the marks between them.

    Records are documents, each one. A plain text has its documents between ``<|endoftext|>`` where
    it has that mark; otherwise between blank lines, or it is one document as it stands.

    template: reads the model's chat template, which records of messages need.
    choice:   "blank-lines" or "whole", for a plain text without marks.

    Raises:
        DataError: the file is missing, is a folder, is not UTF-8 text, holds no text, or has a
            record that cannot be read.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give a text file")
    text = read_text(path, "a text file or a picture folder")
    if has_records(path, text):
        documents = read_records(path, text, template)
    elif END_OF_TEXT in text:
        documents = _stripped(text.split(END_OF_TEXT))
    elif choice == "whole":
        documents = [text] if text.strip() else []
    else:
        documents = _stripped(re.split(r"\n[ \t]*\n", text))
    if not documents:
        raise DataError(f"{path}: holds no text; give a file with documents in it")
    return documents


def _stripped(parts: list[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def tokenize_file(path: Path, tokenizer: Tokenizer, bos_token_id: int | None) -> Tensor:
    """Read a text file to one row of token ids (n,); see ``read_documents`` and ``tokenize``.

    Raises:
        DataError: the file cannot be used, or the tokenizer does not know its text.
        ModelFolderError: the model has no token that marks a document.
    """
    documents = read_documents(path)
    try:
        return tokenize(documents, tokenizer, bos_token_id)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def tokenize(documents: list[str], tokenizer: Tokenizer, bos_token_id: int | None) -> Tensor:
    """Concatenate documents to one row of token ids (n,), marked as the model's training did.

    Each document starts with BOS. For a model without one, such as Qwen3, each ends with the
    tokenizer's ``<|endoftext|>`` instead.

    Raises:
        DataError: the tokenizer does not know the text.
        ModelFolderError: the model has neither of the two marks.
    """
    end: int | None = tokenizer.token_to_id(END_OF_TEXT)
    if bos_token_id is not None:
        marks = Marks("document", before=(bos_token_id,))
    elif end is not None:
        marks = Marks("document", after=(end,))
    else:
        raise no_marks()
    ids, _ = joined(encoded(documents, tokenizer), marks)
    return ids


def encoded(documents: Sequence[str], tokenizer: Tokenizer) -> list[list[int]]:
    """The tokens of each document, without any mark.

    Raises:
        DataError: the tokenizer does not know the text.
    """
    unknown = _unknown_id(tokenizer)
    found: list[list[int]] = []
    characters = unknown_characters = 0
    for document in documents:
        one = tokenizer.encode(document, add_special_tokens=False)
        found.append(one.ids)
        characters += _counted(document)
        if unknown in one.ids:
            # Characters rather than tokens: some tokenizers join unknown neighbours into one.
            spans = zip(one.ids, one.offsets, strict=True)
            unknown_characters += sum(
                _counted(document[start:end]) for id_, (start, end) in spans if id_ == unknown
            )
    share = unknown_characters / max(characters, 1)
    if share > _MOST_UNKNOWN:
        raise DataError(
            f"the text is unknown to the model's tokenizer ({share:.0%} of its characters); "
            "give text in a language that the model was trained on"
        )
    return found


def _counted(text: str) -> int:
    """Characters of a text without line ends, which belong to no language."""
    return len(text) - text.count("\n")


@dataclass(frozen=True, slots=True)
class ReadText:
    """A file as a model reads it. documents: tokens of each; marks: what stands between them."""

    documents: list[list[int]]
    marks: Marks

    def windows(self, length: int) -> Rows:
        """The documents in one stream, cut into rows of ``length`` tokens."""
        return windows_of(*joined(self.documents, self.marks), length, self.marks)


def read_for(
    path: Path,
    folder: Path,
    tokenizer: Tokenizer,
    bos_token_id: int | None,
    *,
    bos: str = "auto",
    documents: str = "blank-lines",
) -> ReadText:
    """Read a file for one model.

    folder:       of the model, which may have a chat template.
    bos_token_id: what config.json names.
    bos:          see `marks_for`.
    documents:    see ``choice`` of `read_documents`.

    Raises:
        DataError: the file cannot be used, or the tokenizer does not know its text.
        SettingsError, ModelsError: see `marks_for`.
    """
    texts = read_documents(path, lambda: read_chat_template(folder), choice=documents)
    marks = marks_for(bos, tokenizer, bos_token_id, len(texts))
    if marks.each == "document" and marks.before:
        # A chat template may have written the mark already.
        piece = str(tokenizer.id_to_token(marks.before[0]))
        texts = [text.removeprefix(piece) for text in texts]
    try:
        return ReadText(encoded(texts, tokenizer), marks)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """The token of text that a tokenizer does not know; None where it knows every byte."""
    model = tokenizer.model
    if isinstance(model, Unigram):
        unknown: int | None = parse_json(tokenizer.to_str())["model"]["unk_id"]
        return unknown
    token: str | None = model.unk_token
    return None if token is None else tokenizer.token_to_id(token)


def sequence_length(model: nn.Module, asked: int | None) -> int:
    """Tokens of a sequence: the smaller of 2048 and the context, or what was asked for.

    Raises:
        SettingsError: what was asked for does not fit.
    """
    context = text_limits(model).context
    if asked is None:
        return min(_LONGEST, context)
    if not 2 <= asked <= context:
        raise SettingsError(
            lambda name: (
                f"{name('seq_len')} {asked} does not fit the model's context; give 2 to {context}"
            )
        )
    return asked
