"""A folder whose tokenizer is SentencePiece's file alone. Oracle: the sentencepiece library."""

import json
import shutil
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer

from models.errors import ModelFolderError
from models.text.tokenization import load_tokenizer

WORDS = 32_000
TEXTS = (
    "Hello world", "  two  spaces", "naïve café 12345", "日本語 text", "def f(x):\n\treturn x",
    "", "a 🎉 b", "A very ordinary sentence, with a comma; and 3.14 in it.",
)  # fmt: skip


@pytest.fixture(scope="module")
def source(data_dir: Path) -> Path:
    return data_dir / "tokenizers" / "llama2_tokenizer.model"


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    shutil.copyfile(source, tmp_path / "tokenizer.model")
    return tmp_path


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    found: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return found


@pytest.mark.weights
def test_it_cuts_text_as_sentencepiece_does(source: Path, folder: Path) -> None:
    tokenizer = load_tokenizer(folder, WORDS)
    reference = sentencepiece.SentencePieceProcessor(model_file=str(source))
    for text in TEXTS:
        assert ids(tokenizer, text) == reference.encode(text), text
    assert tokenizer.encode("a").ids[0] == reference.bos_id()


@pytest.mark.weights
@pytest.mark.parametrize("older", [False, True])
def test_added_pieces_have_their_ids(folder: Path, older: bool) -> None:
    if older:
        (folder / "added_tokens.json").write_text('{"<b>": 32001, "<a>": 32000}')
    else:
        added = {"32000": {"content": "<a>"}, "32001": {"content": "<b>", "special": True}}
        text = json.dumps({"added_tokens_decoder": added})
        (folder / "tokenizer_config.json").write_text(text)
    tokenizer = load_tokenizer(folder, WORDS + 2)
    assert ids(tokenizer, "<a><b>") == [32000, 32001]
    with pytest.raises(ModelFolderError, match=r"tokenizer\.model has ids up to 32001"):
        load_tokenizer(folder, WORDS)


@pytest.mark.weights
def test_pieces_that_do_not_fit_are_refused(folder: Path) -> None:
    (folder / "added_tokens.json").write_text('{"<a>": 40000}')
    with pytest.raises(ModelFolderError, match="the id 40000, where the tokenizer has 32000"):
        load_tokenizer(folder, 50_000)


def test_what_is_no_such_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"no tokenizer at all")
    with pytest.raises(ModelFolderError, match=r"no sentencepiece model.*AutoTokenizer"):
        load_tokenizer(tmp_path, 100)
