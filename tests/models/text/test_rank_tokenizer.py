"""Llama 3's ranks against byte-pair merging written out in plain loops."""

import base64
import json
from pathlib import Path

import pytest
import regex
from tokenizers import Tokenizer

from models.errors import ModelFolderError
from models.text import rank_tokenizer
from models.text.rank_tokenizer import has_ranks, read_ranks, special_tokens
from models.text.tokenization import load_tokenizer

pytestmark = pytest.mark.weights

TEXTS = (
    "Question: What is written on the sign? Short answer:",
    "  Two  spaces,\ttabs\r\n\r\nand lines \n end ",
    "I'LL we've 1234567 12 prices: €3.50 & naïve café 北京 東京 🙂👍🏽 Ünïcödé",
    "def f(x):\n    return x**2  # 99%\n",
    "",
    " ",
)
PARTS = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def plain_ids(text: str, ranks: dict[bytes, int]) -> list[int]:
    ids = []
    for part in PARTS.findall(text):
        whole = part.encode()
        pieces = [whole] if whole in ranks else [bytes([byte]) for byte in whole]
        while True:
            joined = [ranks.get(a + b, 10**9) for a, b in zip(pieces, pieces[1:], strict=False)]
            if not joined or min(joined) == 10**9:
                break
            at = joined.index(min(joined))
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        ids += [ranks[piece] for piece in pieces]
    return ids


def ranks_of(lines: list[bytes]) -> dict[bytes, int]:
    return {base64.b64decode(line.split()[0]): int(line.split()[1]) for line in lines}


@pytest.fixture(scope="module")
def lines(data_dir: Path) -> list[bytes]:
    return (data_dir / "tokenizers" / "llama3_tokenizer.model").read_bytes().splitlines()


@pytest.fixture
def few(tmp_path: Path, lines: list[bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the first 3000 ranks, as if there were no more."""
    monkeypatch.setattr(rank_tokenizer, "_RANKS", 3000)
    (tmp_path / "tokenizer.model").write_bytes(b"\n".join(lines[:3000]) + b"\n")
    return tmp_path


def agrees(tokenizer: Tokenizer, ranks: dict[bytes, int], text: str) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert ids == plain_ids(text, ranks)
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("text", TEXTS)
def test_few_ranks_agree_with_plain_merging(few: Path, lines: list[bytes], text: str) -> None:
    tokenizer = load_tokenizer(few, 3256)
    agrees(tokenizer, ranks_of(lines[:3000]), text)
    assert tokenizer.encode(text).ids[0] == tokenizer.token_to_id("<|begin_of_text|>") == 3000


@pytest.mark.slow
def test_all_ranks_agree_with_plain_merging(data_dir: Path, lines: list[bytes]) -> None:
    tokenizer = read_ranks(data_dir / "tokenizers" / "llama3_tokenizer.model")
    ranks = ranks_of(lines)
    for text in TEXTS:
        agrees(tokenizer, ranks, text)
    for name in ("exllamav2_cal_multilingual.utf8", "exllamav2_cal_code.utf8"):
        agrees(tokenizer, ranks, (data_dir / "text" / name).read_text()[:100_000])
    assert tokenizer.encode("Yes<|eot_id|>", add_special_tokens=False).ids == [9642, 128009]
    assert tokenizer.get_vocab_size() == 128256


def test_special_tokens_are_those_of_the_published_model(data_dir: Path) -> None:
    path = data_dir / "tokenizers" / "cogvlm2_tokenizer_config.json"
    published = json.loads(path.read_text())["added_tokens_decoder"]
    names = {128000 + index: name for index, name in enumerate(special_tokens())}
    assert names == {int(index): fields["content"] for index, fields in published.items()}


def test_ranks_of_other_models_and_damaged_files_are_refused(few: Path, data_dir: Path) -> None:
    path = few / "tokenizer.model"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 // 16 * 16])
    with pytest.raises(ModelFolderError, match="ranks but Llama 3 has|cannot be read"):
        load_tokenizer(few, 3256)
    path.write_bytes(b"IQ== 0\nnot base64 1\n")
    with pytest.raises(ModelFolderError, match="cannot be read") as caught:
        load_tokenizer(few, 3256)
    assert "\n" not in str(caught.value)
    path.write_bytes((data_dir / "tokenizers" / "llama2_tokenizer.model").read_bytes())
    assert not has_ranks(few)
    # SentencePiece's pieces are read as such, and there are more of them than rows.
    with pytest.raises(ModelFolderError, match="has ids up to 31999"):
        load_tokenizer(few, 3256)


def test_tokenizer_json_comes_first(few: Path) -> None:
    ranks = load_tokenizer(few, 3256)
    ranks.add_tokens(["fromjson"])
    ranks.save(str(few / "tokenizer.json"))
    assert load_tokenizer(few, 4000).token_to_id("fromjson") == 3256
