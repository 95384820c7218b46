"""Tokenizers of vocab.json and merges.txt, against transformers and the bare algorithm."""

import base64
import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import regex
from tokenizers import Tokenizer, pre_tokenizers

from models.errors import ModelFolderError
from models.families import OptFamily, Qwen3Family
from models.text.byte_level import ByteLevelRules
from models.text.tokenization import load_tokenizer

OPT_RULES, QWEN3_RULES = OptFamily().byte_level, Qwen3Family().byte_level
TEXTS = (
    "Hello world",
    " Hello  world\n\n\nthe end. ",
    "It's 12345 o'clock; WE'LL see, they're\tTHERE'S",
    "naïve café e\u0301 — 東京タワー 🙂 \r\n x=3.14",
    "",
    "the the the</s>the<pad><|endoftext|>the<|im_end|>",
    "   leading and trailing   ",
)
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "t"), ("l", "l"), ("h", "e"), ("1", "2")]
OPT_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]
OPT_CONFIG = {
    "tokenizer_class": "GPT2Tokenizer",
    "bos_token": "</s>",
    "eos_token": "</s>",
    "unk_token": "</s>",
    "pad_token": "<pad>",
    "add_prefix_space": False,
}


def write_pieces(folder: Path, *, specials: list[str], **config: Any) -> Path:
    """Write a vocabulary of all bytes and a few merges, as published folders have it."""
    folder.mkdir(exist_ok=True)
    pieces = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pieces += ["".join(pair) for pair in MERGES]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in MERGES), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    found: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return found


def assert_like_gpt2(folder: Path) -> None:
    """Compare OPT's tokenizer with that of transformers on the same files."""
    from transformers import GPT2Tokenizer

    own = load_tokenizer(folder, 50272, OPT_RULES)
    oracle = GPT2Tokenizer.from_pretrained(folder)
    for text in TEXTS:
        expected = oracle(text, add_special_tokens=False)["input_ids"]
        assert ids(own, text) == expected, text
        assert own.decode(expected, skip_special_tokens=False) == text
    assert own.encode("the").ids == [2, *ids(own, "the")], "OPT starts every text with </s>"


def test_opt_tokenizes_as_transformers_does(tmp_path: Path) -> None:
    folder = write_pieces(tmp_path, specials=OPT_SPECIALS, **OPT_CONFIG)
    assert_like_gpt2(folder)
    own = load_tokenizer(folder, 50272, OPT_RULES)
    assert own.encode("the the", add_special_tokens=False).tokens == ["the", "Ġthe"]


def test_qwen3_tokenizes_as_transformers_does(tmp_path: Path) -> None:
    from transformers import Qwen2Tokenizer

    folder = write_pieces(tmp_path, specials=[])
    own = load_tokenizer(folder, 151936, QWEN3_RULES)
    size = 256 + len(MERGES)
    assert [own.token_to_id(t) for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")] == [
        size,
        size + 1,
        size + 2,
    ]
    oracle = Qwen2Tokenizer.from_pretrained(folder, extra_special_tokens=["<|im_start|>"])
    for text in TEXTS[:-2]:
        expected = oracle(text, add_special_tokens=False)["input_ids"]
        assert ids(own, text) == expected, text
    assert own.encode("the").ids == ids(own, "the"), "nothing starts a text of Qwen3"
    # A digit stands alone and é is composed first: neither holds for GPT-2.
    assert own.encode("12").tokens == ["1", "2"]
    assert ids(own, "e\u0301") == ids(own, "é")
    gpt2 = load_tokenizer(folder, 151936, ByteLevelRules())
    assert gpt2.encode("12").tokens == ["12"]
    assert ids(gpt2, "e\u0301") != ids(gpt2, "é")


def added(content: str, *, special: bool) -> dict[str, Any]:
    flags = dict.fromkeys(("lstrip", "rstrip", "normalized", "single_word"), False)
    return {"content": content, "special": special} | flags


def test_added_tokens_take_their_published_ids(tmp_path: Path) -> None:
    size = 256 + len(MERGES)
    names = {
        size: added("<|endoftext|>", special=True),
        size + 1: added("<|im_start|>", special=True),
        size + 2: added("<|im_end|>", special=True),
        size + 3: added("<think>", special=False),
    }
    decoder = {str(index): fields for index, fields in reversed(names.items())}
    folder = write_pieces(tmp_path, specials=[], added_tokens_decoder=decoder)
    own = load_tokenizer(folder, size + 4, QWEN3_RULES)
    assert ids(own, "<think>the<|endoftext|>") == [size + 3, own.token_to_id("the"), size]
    assert own.decode([size + 3, size]) == "<think>"
    with pytest.raises(ModelFolderError, match=f"ids up to {size + 3} but"):
        load_tokenizer(folder, size + 3, QWEN3_RULES)


@pytest.mark.parametrize(
    ("decoder", "match"),
    [
        ({"900": added("<|endoftext|>", special=True)}, "the id 900, but by vocab.json it is 263"),
        ({"many": added("<|endoftext|>", special=True)}, "no usable added_tokens_decoder"),
        ({"263": {"special": True}}, "no usable added_tokens_decoder"),
        ([1, 2], "no usable added_tokens_decoder"),
    ],
)
def test_added_tokens_that_do_not_fit_are_refused(tmp_path: Path, decoder: Any, match: str) -> None:
    folder = write_pieces(tmp_path, specials=[], added_tokens_decoder=decoder)
    with pytest.raises(ModelFolderError, match=match) as error:
        load_tokenizer(folder, 151936, QWEN3_RULES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["vocab.json", "merges.txt"])
def test_damaged_files_are_named(tmp_path: Path, file: str) -> None:
    folder = write_pieces(tmp_path, specials=OPT_SPECIALS)
    (folder / file).write_text('{"a": 0' if file == "vocab.json" else "#version: 0.2\na\n")
    with pytest.raises(ModelFolderError, match=r"vocab\.json and merges\.txt cannot be read"):
        load_tokenizer(folder, 50272, OPT_RULES)
    (folder / file).unlink()
    with pytest.raises(ModelFolderError, match=r"tokenizer\.json is missing, and vocab\.json"):
        load_tokenizer(folder, 50272, OPT_RULES)


def test_tokenizer_json_comes_first_and_is_asked_for_where_no_rules_are_known(
    tmp_path: Path,
) -> None:
    folder = write_pieces(tmp_path, specials=OPT_SPECIALS)
    with pytest.raises(ModelFolderError, match=r"tokenizer\.json is missing: give"):
        load_tokenizer(folder, 50272)
    other = load_tokenizer(folder, 50272, ByteLevelRules(special_tokens=("<other>",)))
    other.save(str(folder / "tokenizer.json"))
    assert load_tokenizer(folder, 50272, OPT_RULES).token_to_id("<other>") == 267


@pytest.mark.weights
def test_opt_tokenizes_as_transformers_does_with_the_published_files(
    tmp_path: Path, data_dir: Path
) -> None:
    for kind in ("vocab.json", "merges.txt"):
        shutil.copyfile(data_dir / "tokenizers" / f"opt_gpt2-{kind}", tmp_path / kind)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(OPT_CONFIG))
    assert_like_gpt2(tmp_path)
    own = load_tokenizer(tmp_path, 50272, OPT_RULES)
    assert own.encode("Hello world").ids == [2, 31414, 232]  # as facebook/opt-125m gives them
    text = (data_dir / "text" / "c4_sample_part1.txt").read_text(encoding="utf-8")
    assert own.decode(ids(own, text), skip_special_tokens=False) == text


@pytest.mark.slow
@pytest.mark.weights
def test_qwen3_tokenizes_by_its_published_ranks(tmp_path: Path, data_dir: Path) -> None:
    lines = (data_dir / "tokenizers" / "qwen.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(piece): int(rank) for piece, rank in map(bytes.split, lines)}
    assert len(ranks) == 151643
    letters = dict(zip(range(256), byte_letters(), strict=True))

    def spelled(piece: bytes) -> str:
        return "".join(letters[byte] for byte in piece)

    vocabulary = {spelled(piece): rank for piece, rank in ranks.items()}
    pairs = [merge(piece, ranks, below=rank) for piece, rank in ranks.items() if len(piece) > 1]
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text(
        "\n".join(["#version: 0.2", *(" ".join(map(spelled, pair)) for pair in pairs)])
    )
    own = load_tokenizer(tmp_path, 151936, QWEN3_RULES)
    assert ids(own, "Hello, world!") == [9707, 11, 1879, 0]  # as Qwen/Qwen3-8B gives them
    assert own.token_to_id("<|endoftext|>") == 151643
    assert own.token_to_id("<|im_end|>") == 151645
    c4 = (data_dir / "text" / "c4_sample_part1.txt").read_text(encoding="utf-8")[:60000]
    many = data_dir / "text" / "exllamav2_cal_multilingual.utf8"
    for text in (*TEXTS[:5], c4, many.read_text(encoding="utf-8", errors="ignore")[:30000]):
        assert ids(own, text) == by_ranks(text, ranks)


def byte_letters() -> list[str]:
    """GPT-2's letters for the bytes 0 to 255: printable ones stand for themselves."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def merge(piece: bytes, ranks: dict[bytes, int], below: int | None = None) -> list[bytes]:
    """Merge the bytes of a piece, always the pair of the lowest rank, as tiktoken does."""
    parts = [bytes([byte]) for byte in piece]
    while len(parts) > 1:
        joined = [
            ranks.get(one + other, 10**9) for one, other in zip(parts, parts[1:], strict=False)
        ]
        lowest = min(joined)
        if lowest >= (10**9 if below is None else below):
            break
        place = joined.index(lowest)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


def by_ranks(text: str, ranks: dict[bytes, int]) -> list[int]:
    """Qwen's own tokenization: compose, split by its pattern, merge bytes by rank."""
    split = regex.compile(
        # Copied from QwenLM's tokenization_qwen.py, so that a slip in ours would show.
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    parts = split.findall(unicodedata.normalize("NFC", text))
    return [ranks[piece] for part in parts for piece in merge(part.encode(), ranks)]
