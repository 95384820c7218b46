"""Reading a model folder's tokenizer, in any of the forms in which models publish it."""

from pathlib import Path

from tokenizers import Tokenizer

from models.errors import ModelFolderError
from models.plain_text import beginning
from models.text.byte_level import (
    MERGES_FILE,
    VOCABULARY_FILE,
    ByteLevelRules,
    has_byte_level_files,
    read_byte_level,
)
from models.text.rank_tokenizer import RANK_FILE, has_ranks, read_ranks
from models.text.sentencepiece_tokenizer import has_pieces, read_pieces

TOKENIZER_FILE = "tokenizer.json"


def load_tokenizer(
    folder: Path, vocab_size: int, byte_level: ByteLevelRules | None = None
) -> Tokenizer:
    """Read a tokenizer for a model of ``vocab_size`` ids.

    tokenizer.json comes first, then vocab.json with merges.txt, then tokenizer.model: Llama 3's, or
    SentencePiece's.

    byte_level: the family's rules for vocab.json and merges.txt; None where they are not known.

    Raises:
        ModelFolderError: a file is missing or damaged, or has ids that the model lacks.
    """
    path = folder / TOKENIZER_FILE
    if path.is_file():
        tokenizer = _read(path)
    elif byte_level is not None and has_byte_level_files(folder):
        path = folder / VOCABULARY_FILE
        tokenizer = read_byte_level(folder, byte_level)
    elif has_ranks(folder):
        path = folder / RANK_FILE
        tokenizer = read_ranks(path)
    elif has_pieces(folder):
        path = folder / RANK_FILE
        tokenizer = read_pieces(folder)
    else:
        other = f", and {VOCABULARY_FILE} with {MERGES_FILE} too" if byte_level else ""
        raise ModelFolderError(f"{path} is missing{other}: give a model folder with all its files")
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= vocab_size:
        raise ModelFolderError(
            f"{path} has ids up to {largest} but config.json says vocab_size {vocab_size}: "
            "restore the files that belong together"
        )
    return tokenizer


def text_start(tokenizer: Tokenizer) -> int | None:
    """The token that a tokenizer puts before every text by itself; None where it puts none.

    Its own file decides; ``add_bos_token`` of tokenizer_config.json does not, in Transformers 5
    either.
    """
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    marked: list[int] = tokenizer.encode("a").ids
    starts = len(marked) > len(bare) and marked[1 : 1 + len(bare)] == bare
    return marked[0] if starts else None


def _read(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for a damaged file
        reason = beginning(str(error).splitlines()[0])
        raise ModelFolderError(f"{path} cannot be read ({reason}): copy it again") from error
