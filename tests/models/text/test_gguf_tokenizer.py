"""Tokenizers out of GGUF fields, against Transformers' own and against rules by hand."""

from pathlib import Path
from typing import Any

import pytest

from models.errors import CheckpointError
from models.files.gguf import read_gguf
from models.text.gguf_tokenizer import tokenizer_of
from tests.models.gguf_made import TEMPLATE, pieces_and_merges, tiny, write_gguf

TEXTS = (
    "the other thing",
    " a  café\n\n\tin théâtre — naïve 🙂",
    "I'll, WE'LL: don't <|im_end|> there<|im_start|>",
)


def fields(**changed: Any) -> dict[str, Any]:
    pieces, merges = pieces_and_merges()
    given = {
        "model": "gpt2",
        "pre": "gpt-2",
        "tokens": pieces,
        "token_type": [3] * 3 + [1] * (len(pieces) - 3),
        "merges": merges,
        "bos_token_id": 1,
        "eos_token_id": 2,
        **changed,
    }
    return {f"tokenizer.ggml.{name}": value for name, value in given.items()} | {
        "tokenizer.chat_template": TEMPLATE
    }


@pytest.mark.parametrize("pre", ["gpt-2", "llama-bpe", "qwen2"])
def test_ids_are_those_of_transformers(pre: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    more = {"tokenizer.ggml.pre": pre, "tokenizer.ggml.add_bos_token": 0}
    path = write_gguf(tmp_path / "tiny.gguf", tiny(), fields=more)
    theirs = AutoTokenizer.from_pretrained(str(tmp_path), gguf_file=path.name)
    ours, facts = tokenizer_of(read_gguf(path).fields)
    assert not facts.starts
    for text in TEXTS:
        ids = ours.encode(text).ids
        assert ids == theirs(text, add_special_tokens=False)["input_ids"], text
        assert ours.decode(ids, skip_special_tokens=False) == text


def test_digits_stand_alone_where_the_rule_says_so() -> None:
    together, _ = tokenizer_of(fields())
    alone, _ = tokenizer_of(fields(pre="smollm"))
    assert "198" in together.encode("in 1984").tokens
    assert alone.encode("in 1984").tokens == ["in", "Ġ", "1", "9", "8", "4"]


def test_what_begins_a_text_and_what_ends_an_answer() -> None:
    tokenizer, facts = tokenizer_of(fields(pre="llama-bpe", eot_token_id=7))
    assert facts.starts and facts.bos == "<|im_start|>"
    assert tokenizer.encode("the").ids[0] == 1
    assert facts.ends == (0, 2, 7)  # <|endoftext|>, <|im_end|>, and the named one
    assert facts.template == TEMPLATE
    quiet, facts = tokenizer_of(fields(pre="llama-bpe", add_bos_token=False))
    assert quiet.encode("the").tokens == ["the"]


def test_pieces_with_scores() -> None:
    pieces = ["<unk>", "<s>", "</s>", "▁", "a", "b", "ab", "▁ab", "<|im_end|>"]
    scores = [0.0, 0.0, 0.0, -9.0, -8.0, -7.0, -2.0, -1.0, 0.0]
    given = fields(
        model="llama", tokens=pieces, scores=scores, token_type=[2, 3, 3, 1, 1, 1, 1, 1, 3]
    )
    tokenizer, facts = tokenizer_of(given)
    assert tokenizer.encode("ab<|im_end|>").tokens == ["<s>", "▁ab", "<|im_end|>"]
    assert facts.starts and facts.ends == (2, 8)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pre": "tekken"}, "rule 'tekken'"),
        ({"pre": None}, "rule None"),
        ({"model": "bert"}, "'bert'"),
        ({"tokens": []}, "no tokens"),
        ({"tokens": [1, 2]}, "no tokens"),
        ({"merges": ["the"]}, "merge 'the'"),
        ({"merges": ["q zz"]}, "cannot be built"),
        ({"token_type": [1]}, "kinds"),
        ({"eos_token_id": 300}, "no id"),
        ({"tokens": [*pieces_and_merges()[0][:299], "the"]}, "299 pieces of 300 that are listed"),
        ({"model": "llama"}, "scores"),
    ],
)
def test_what_cannot_be_built_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as told:
        tokenizer_of(fields(**changed))
    assert "tokenizer.json" in str(told.value)
