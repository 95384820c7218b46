"""Llama 3's tokenizer from ``tokenizer.model``, the file of ranks that Meta publishes.

Each line holds a piece of bytes in base64 and its rank, which is its id; of two neighbours that
could be joined, the pair whose joined piece has the lower rank is joined first. How text is split
before and which special tokens follow the ranks is not in the file.
Source: llama/tokenizer.py of https://github.com/meta-llama/llama3.
"""

import base64
import itertools
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE

from models.errors import ModelFolderError

RANK_FILE = "tokenizer.model"

_RANKS = 128000
_START = "<|begin_of_text|>"
_NAMED = (
    _START,
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|reserved_special_token_2|>",
    "<|reserved_special_token_3|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|reserved_special_token_4|>",
    "<|eot_id|>",
)
_SPECIAL = 256
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)


def has_ranks(folder: Path) -> bool:
    """Tell whether a folder's tokenizer.model holds ranks; SentencePiece's has the same name."""
    path = folder / RANK_FILE
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline(100) == b"IQ== 0\n"  # "!", the first piece of every such file


def read_ranks(path: Path) -> Tokenizer:
    """Build the tokenizer of a file of Llama 3's ranks.

    Raises:
        ModelFolderError: the file is damaged, or holds the ranks of another model.
    """
    ranks = _parse(path)
    if len(ranks) != _RANKS or sorted(ranks.values()) != list(range(_RANKS)):
        raise ModelFolderError(
            f"{path} holds {len(ranks)} ranks but Llama 3 has {_RANKS}: give the tokenizer.json "
            "of this model"
        )
    letters = _letters()
    written = {piece: "".join(map(letters.__getitem__, piece)) for piece in ranks}
    merges = [(written[left], written[right]) for left, right in _merges(ranks)]
    vocabulary = {written[piece]: rank for piece, rank in ranks.items()}
    # A part that is one piece is taken whole, even where no chain of merges leads to it.
    tokenizer = Tokenizer(BPE(vocabulary, merges, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special_tokens()))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_START} $A",
        pair=f"{_START} $A {_START} $B",
        special_tokens=[(_START, tokenizer.token_to_id(_START))],
    )
    return tokenizer


def special_tokens() -> tuple[str, ...]:
    """Name the 256 special tokens, whose ids follow the ranks in this order."""
    reserved = (f"<|reserved_special_token_{number}|>" for number in range(5, _SPECIAL))
    return (*_NAMED, *itertools.islice(reserved, _SPECIAL - len(_NAMED)))


def _parse(path: Path) -> dict[bytes, int]:
    ranks = {}
    try:
        for line in path.read_bytes().splitlines():
            piece, rank = line.split()
            ranks[base64.b64decode(piece, validate=True)] = int(rank)
    except (OSError, ValueError) as error:
        raise ModelFolderError(f"{path} cannot be read ({error}): copy it again") from error
    return ranks


def _merges(ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """List every pair of pieces that makes a piece, the lowest rank of what it makes first."""
    merges = []
    for piece in sorted(ranks, key=ranks.__getitem__):
        pairs = ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)))
        known = [pair for pair in pairs if pair[0] in ranks and pair[1] in ranks]
        merges += sorted(known, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    return merges


def _letters() -> dict[int, str]:
    """Give every byte the letter that stands for it in a byte-level vocabulary (GPT-2's)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = {byte: chr(byte) for byte in shown}
    return letters | {byte: chr(256 + index) for index, byte in enumerate(hidden)}
