"""Tokenizers that are published as vocab.json and merges.txt alone: byte-level BPE.

The two files hold pieces and merges, but not how text is split before merging nor which tokens
are special; that differs by model family. Format: https://github.com/openai/gpt-2 (encoder.py).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    normalizers,
    pre_tokenizers,
    processors,
)
from tokenizers.models import BPE

from models.errors import ModelFolderError
from models.files.checkpoint import read_json

VOCABULARY_FILE = "vocab.json"
MERGES_FILE = "merges.txt"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"


@dataclass(frozen=True, slots=True)
class ByteLevelRules:
    """What a family adds to vocab.json and merges.txt.

    split:          regular expression of the parts that are merged on their own; None for GPT-2's.
    compose:        bring text into Unicode's composed form (NFC) first.
    special_tokens: are never split; those that vocab.json lacks get the next ids in this order.
    start:          token that stands before every text, None for none.
    """

    split: str | None = None
    compose: bool = False
    special_tokens: tuple[str, ...] = ()
    start: str | None = None


def has_byte_level_files(folder: Path) -> bool:
    """Tell whether a folder holds both files."""
    return (folder / VOCABULARY_FILE).is_file() and (folder / MERGES_FILE).is_file()


def read_byte_level(folder: Path, rules: ByteLevelRules) -> Tokenizer:
    """Build the tokenizer of vocab.json and merges.txt.

    Special tokens come from ``added_tokens_decoder`` of tokenizer_config.json where that is
    there, and from the rules.

    Raises:
        ModelFolderError: a file is damaged, or the two or tokenizer_config.json do not fit.
    """
    vocabulary, merges = folder / VOCABULARY_FILE, folder / MERGES_FILE
    try:
        tokenizer = Tokenizer(BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:  # the library raises bare Exception for a damaged file
        reason = str(error).splitlines()[0]
        raise ModelFolderError(
            f"{vocabulary} and {merges.name} cannot be read ({reason}): copy both again"
        ) from error
    if rules.compose:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _pre_tokenizer(rules.split)
    tokenizer.decoder = decoders.ByteLevel()
    add_published_tokens(tokenizer, folder / TOKENIZER_CONFIG_FILE)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in rules.special_tokens]
    )
    if rules.start is not None:
        start_id = tokenizer.token_to_id(rules.start)
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{rules.start} $A",
            pair=f"{rules.start} $A {rules.start} $B",
            special_tokens=[(rules.start, start_id)],
        )
    return tokenizer


def _pre_tokenizer(split: str | None) -> pre_tokenizers.PreTokenizer:
    """Split text, then write its bytes as the letters that vocab.json is made of."""
    if split is None:
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def add_published_tokens(tokenizer: Tokenizer, path: Path) -> None:
    published = read_json(path).get("added_tokens_decoder") if path.is_file() else None
    if not published:
        return
    try:
        tokens = sorted((int(index), dict(fields)) for index, fields in published.items())
        for index, fields in tokens:
            token = _added_token(fields)
            tokenizer.add_tokens([token])
            if tokenizer.token_to_id(token.content) != index:
                raise ModelFolderError(
                    f"{path} gives {token.content} the id {index}, but by {VOCABULARY_FILE} it is "
                    f"{tokenizer.token_to_id(token.content)}: copy both from the same source"
                )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"{path} has no usable added_tokens_decoder: restore the file"
        ) from error


def _added_token(fields: dict[str, Any]) -> AddedToken:
    return AddedToken(
        fields["content"],
        single_word=bool(fields.get("single_word", False)),
        lstrip=bool(fields.get("lstrip", False)),
        rstrip=bool(fields.get("rstrip", False)),
        normalized=bool(fields.get("normalized", False)),
        special=bool(fields.get("special", False)),
    )
