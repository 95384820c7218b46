"""Where marks stand between documents, and which tokens of a row are predicted.

The usual figure follows the tokenizer: a text starts with BOS where the tokenizer puts one there
by itself, and never because config.json names one. A mark that is put in is no text, so it is read
and never predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.errors import ModelFolderError
from models.text.tokenization import text_start
from quantizer.errors import SettingsError

BosChoice = Literal["auto", "none", "sequence", "document"]
DocumentChoice = Literal["auto", "whole", "blank-lines"]
BOS_CHOICES: tuple[BosChoice, ...] = get_args(BosChoice)
DOCUMENT_CHOICES: tuple[DocumentChoice, ...] = get_args(DocumentChoice)

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Marks:
    """Ids that are put into a stream of documents.

    each:          "document", "sequence", or "none" where nothing is put in.
    before, after: ids in front of and behind each of them.
    """

    each: str = "none"
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    def in_words(self, tokenizer: Tokenizer) -> str:
        """What reports say: ``<s> before each document``."""
        if self.each == "none":
            return "none"
        ids, place = (self.before, "before") if self.before else (self.after, "after")
        pieces = " ".join(str(tokenizer.id_to_token(one)) for one in ids)
        return f"{pieces} {place} each {self.each}"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of token ids, and which of them were put in.

    ids:    (n,) int64 each.
    put_in: (n,) bool each; such a token is read and not predicted.
    """

    ids: tuple[Tensor, ...]
    put_in: tuple[Tensor, ...]

    def first(self, limit: int | None) -> "Rows":
        """The first rows alone."""
        return Rows(self.ids[:limit], self.put_in[:limit])


def marks_for(asked: str, tokenizer: Tokenizer, bos_token_id: int | None, documents: int) -> Marks:
    """Choose the marks.

    asked:        one of `BOS_CHOICES`. ``auto`` is BOS before each document where the tokenizer
        puts one before a text by itself; else ``<|endoftext|>`` after each of several documents,
        where the tokenizer has that mark; else none.
    bos_token_id: what config.json names, for who asks for marks of a tokenizer that puts none.
    documents:    how many there are.

    Raises:
        SettingsError: ``asked`` is no such choice, or asks for a mark that the model has not.
        ModelFolderError: several documents, and neither tokenizer nor config.json has any mark.
    """
    start, end = text_start(tokenizer), tokenizer.token_to_id(END_OF_TEXT)
    if asked == "none":
        return Marks()
    if asked == "auto":
        if start is not None:
            return Marks("document", before=(start,))
        if documents < 2:
            return Marks()
        if end is not None:
            return Marks("document", after=(end,))
        if bos_token_id is None:
            raise no_marks()
        return Marks()
    if asked not in BOS_CHOICES:
        raise SettingsError(
            lambda name: f"{name('bos')} {asked} is unknown; give one of {', '.join(BOS_CHOICES)}"
        )
    start = bos_token_id if start is None else start
    if start is not None:
        return Marks(asked, before=(start,))
    if asked == "document" and end is not None:
        return Marks(asked, after=(end,))
    raise SettingsError(
        lambda name: (
            f"{name('bos')} {asked} needs a mark that starts a text, and neither the tokenizer nor "
            f"config.json names one; give {name('bos')} none"
        )
    )


def no_marks() -> ModelFolderError:
    """What to say of a model that has nothing to tell documents apart by."""
    return ModelFolderError(
        "nothing marks where a document starts or ends: config.json has no bos_token_id and "
        f"the tokenizer no {END_OF_TEXT}; add the id that starts a text to config.json"
    )


def joined(documents: Sequence[Sequence[int]], marks: Marks) -> tuple[Tensor, Tensor]:
    """Concatenate documents with their marks: ids (n,) and what was put in (n,)."""
    each = marks.each == "document"
    before, after = (marks.before, marks.after) if each else ((), ())
    ids: list[int] = []
    put_in: list[bool] = []
    for document in documents:
        ids += [*before, *document, *after]
        put_in += [True] * len(before) + [False] * len(document) + [True] * len(after)
    return torch.tensor(ids, dtype=torch.int64), torch.tensor(put_in, dtype=torch.bool)


def windows_of(ids: Tensor, put_in: Tensor, length: int, marks: Marks) -> Rows:
    """Cut a stream (n,) into rows of ``length`` tokens, marks of each sequence included.

    A shorter rest is left out, unless it is all there is.
    """
    before = torch.tensor(marks.before if marks.each == "sequence" else (), dtype=torch.int64)
    room = length - len(before)
    count = len(ids) // room
    parts = ids[: count * room].view(count, room) if count else ids[None]
    own = put_in[: count * room].view(count, room) if count else put_in[None]
    marked = torch.ones(len(before), dtype=torch.bool)
    return Rows(
        tuple(torch.cat((before, part)) for part in parts),
        tuple(torch.cat((marked, part)) for part in own),
    )
