"""Tokenizers that are published as ``tokenizer.model`` of SentencePiece alone, as Llama 2's is.

Converted to what `tokenizers` reads; pieces that were added after training stand in
tokenizer_config.json or, of older tools, in added_tokens.json.
"""

from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from models.errors import ModelFolderError
from models.files.checkpoint import read_json
from models.files.llama2c import build_tokenizer, read_vocabulary
from models.text.byte_level import TOKENIZER_CONFIG_FILE, add_published_tokens
from models.text.rank_tokenizer import RANK_FILE, has_ranks

ADDED_TOKENS_FILE = "added_tokens.json"

_WAY_OUT = (
    "make a tokenizer.json of it with transformers' AutoTokenizer.from_pretrained and "
    "save_pretrained"
)


def has_pieces(folder: Path) -> bool:
    """Tell whether a folder's tokenizer.model is SentencePiece's; Llama 3's ranks are not."""
    return (folder / RANK_FILE).is_file() and not has_ranks(folder)


def read_pieces(folder: Path) -> Tokenizer:
    """Build the tokenizer of a SentencePiece BPE model.

    Raises:
        ModelFolderError: the file is damaged or no BPE model, or added pieces do not fit.
    """
    path = folder / RANK_FILE
    try:
        tokenizer = build_tokenizer(read_vocabulary(path))
    except ModelFolderError as error:
        raise ModelFolderError(f"{error}; or {_WAY_OUT}") from error
    add_published_tokens(tokenizer, folder / TOKENIZER_CONFIG_FILE)
    _add_older(tokenizer, folder / ADDED_TOKENS_FILE)
    return tokenizer


def _add_older(tokenizer: Tokenizer, path: Path) -> None:
    """Add the pieces of added_tokens.json, which names their ids, in the order of these."""
    if not path.is_file():
        return
    added = read_json(path)
    if not all(type(index) is int for index in added.values()):
        raise ModelFolderError(f"{path} names ids that are no numbers: copy it again")
    for piece in sorted(added, key=added.__getitem__):
        tokenizer.add_special_tokens([AddedToken(piece, special=True, normalized=False)])
        if tokenizer.token_to_id(piece) != added[piece]:
            raise ModelFolderError(
                f"{path} gives {piece!r} the id {added[piece]}, where the tokenizer has "
                f"{tokenizer.token_to_id(piece)}: restore the files that belong together"
            )
