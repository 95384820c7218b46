"""From a text file to tokens: the one reader of text for calibration and for every evaluation."""

import io
import re
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from torch import Tensor, nn

from models.errors import ModelFolderError
from models.families import text_limits
from models.files.bounded import MOST_DATA_BYTES, BoundError, open_regular, parse_json
from quantizer.errors import DataError, SettingsError

END_OF_TEXT = "<|endoftext|>"

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
        with (
            open_regular(path, MOST_DATA_BYTES) as opened,
            io.TextIOWrapper(opened, encoding="utf-8-sig", newline=newline) as file,
        ):
            return file.read()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; give {wanted}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; convert it first") from error
    except BoundError as error:
        raise DataError(f"{path}: {error}; give {wanted}") from error


def read_documents(path: Path) -> list[str]:
    """Read a UTF-8 text file as documents, without the marks between them.

    Documents are separated by ``<|endoftext|>`` where the file has that mark, otherwise by
    blank lines.

    Raises:
        DataError: the file is missing, is a folder, is not UTF-8 text, or holds no text.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give a text file")
    text = read_text(path, "a text file or a picture folder")
    parts = text.split(END_OF_TEXT) if END_OF_TEXT in text else re.split(r"\n[ \t]*\n", text)
    documents = [part.strip() for part in parts if part.strip()]
    if not documents:
        raise DataError(f"{path}: holds no text; give a file with documents in it")
    return documents


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
    before = [] if bos_token_id is None else [bos_token_id]
    after = [_end_of_text(tokenizer)] if bos_token_id is None else []
    unknown = _unknown_id(tokenizer)
    ids: list[int] = []
    characters = unknown_characters = 0
    for document in documents:
        encoded = tokenizer.encode(document, add_special_tokens=False)
        ids += [*before, *encoded.ids, *after]
        characters += len(document)
        if unknown in encoded.ids:
            # Characters rather than tokens: some tokenizers join unknown neighbours into one.
            spans = zip(encoded.ids, encoded.offsets, strict=True)
            unknown_characters += sum(end - start for id_, (start, end) in spans if id_ == unknown)
    share = unknown_characters / max(characters, 1)
    if share > _MOST_UNKNOWN:
        raise DataError(
            f"the text is unknown to the model's tokenizer ({share:.0%} of its characters); "
            "give text in a language that the model was trained on"
        )
    return torch.tensor(ids, dtype=torch.int64)


def _end_of_text(tokenizer: Tokenizer) -> int:
    end: int | None = tokenizer.token_to_id(END_OF_TEXT)
    if end is None:
        raise ModelFolderError(
            "nothing marks where a document starts or ends: config.json has no bos_token_id and "
            f"the tokenizer no {END_OF_TEXT}; add the id that starts a text to config.json"
        )
    return end


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
