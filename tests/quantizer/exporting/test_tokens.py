"""Tokenizers that go through a GGUF file read every text as before, or are refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    normalizers,
    pre_tokenizers,
    processors,
)
from tokenizers.models import BPE, Unigram

from models.text.gguf_tokenizer import tokenizer_of
from models.text.rank_tokenizer import special_tokens
from quantizer.errors import ExportError
from quantizer.exporting.tokens import Marks, tokenizer_fields
from tests.models.gguf_made import byte_letters

CHATML = Marks("<|im_start|>", "<|im_end|>", None, None, (2, 0), None)
TEXTS = (
    "He's paid 12345 in 1984,  didn't he?\n\n  Yes: WE'LL see\t!",
    "café naïve – Größe 日本語 🙂 x=1.5e-7",
    "<|im_start|>user\nthe the<|im_end|>\n",
)
# Out of tokenizer.json of Llama 3 and Qwen2, whose publishers wrote it so.
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_2 = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")


def byte_level(*steps: Any, own_split: bool = True, whole: bool = False) -> Tokenizer:
    """A vocabulary of bytes, some merges, and three control pieces that come first."""
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("1", "2"), ("12", "3"), ("4", "5")]
    merges += [("Ġ", "Ġ"), ("i", "n"), ("'", "s"), ("'", "L"), ("'L", "L")]
    pieces = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *byte_letters()]
    pieces += ["".join(merge) for merge in merges]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(BPE(vocabulary, merges, ignore_merges=whole))
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=own_split)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, by_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in pieces[:3]])
    return tokenizer


def split(pattern: str) -> Any:
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("gpt-2", byte_level),
        ("smollm", lambda: byte_level(pre_tokenizers.Digits(individual_digits=True))),
        ("llama-bpe", lambda: byte_level(split(LLAMA_3), own_split=False, whole=True)),
        ("qwen2", lambda: byte_level(split(QWEN_2), own_split=False)),
    ],
)
def test_rules_of_splitting_keep_their_ids(name: str, make: Callable[[], Tokenizer]) -> None:
    tokenizer = make()
    fields, notes = tokenizer_fields(tokenizer, CHATML, 300)
    assert (fields["tokenizer.ggml.pre"], notes) == (name, [])
    after, facts = tokenizer_of(fields)
    for text in TEXTS:
        assert after.encode(text).ids == tokenizer.encode(text).ids
    assert facts.ends == (0, 2) and (facts.bos, facts.starts) == ("<|im_start|>", False)
    kinds = fields["tokenizer.ggml.token_type"]
    assert isinstance(kinds, list) and kinds[:4] == [3, 3, 3, 1] and kinds[-1] == 5
    pieces = fields["tokenizer.ggml.tokens"]
    assert isinstance(pieces, list) and pieces[-1] == "[PAD299]" and len(pieces) == 300


def test_a_rule_without_a_name_is_refused() -> None:
    for strange in (
        byte_level(split(r"\p{N}{1,2}"), own_split=False),
        byte_level(split(LLAMA_3), own_split=False),  # merges count, which Llama 3's do not
        byte_level(split(LLAMA_3), split(QWEN_2), own_split=False, whole=True),
        byte_level(pre_tokenizers.Whitespace()),
    ):
        with pytest.raises(ExportError, match="no name of llama.cpp"):
            tokenizer_fields(strange, CHATML, 300)
    lower = byte_level()
    lower.normalizer = normalizers.Lowercase()
    with pytest.raises(ExportError, match="prepares text by Lowercase"):
        tokenizer_fields(lower, CHATML, 300)
    with pytest.raises(ExportError, match="of the type Unigram"):
        tokenizer_fields(Tokenizer(Unigram([("a", 0.0)], 0)), CHATML, 300)


def test_what_llama_cpp_leaves_out_is_told() -> None:
    composing = byte_level(split(QWEN_2), own_split=False)
    composing.normalizer = normalizers.NFC()
    fields, notes = tokenizer_fields(composing, CHATML, 300)
    assert fields["tokenizer.ggml.pre"] == "qwen2"
    assert len(notes) == 1 and "NFC" in notes[0]


def test_what_stands_around_a_text() -> None:
    tokenizer = byte_level()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)]
    )
    fields, _ = tokenizer_fields(tokenizer, CHATML, 300)
    assert fields["tokenizer.ggml.add_bos_token"] is True
    assert fields["tokenizer.ggml.add_eos_token"] is False
    assert tokenizer_of(fields)[0].encode("the").ids == tokenizer.encode("the").ids
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)]
    )
    with pytest.raises(ExportError, match="other pieces around a text"):
        tokenizer_fields(tokenizer, CHATML, 300)


def test_what_ends_an_answer() -> None:
    tokenizer = byte_level()
    # The first one that the folder lists, where its own end is none of them.
    fields, _ = tokenizer_fields(tokenizer, Marks(None, "a", None, None, (0, 40, 41), None), 300)
    ids = {name: fields.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom")}
    assert ids == {"eos": 0, "eot": 40, "eom": 41}
    many = Marks(None, None, None, None, (0, 40, 41, 42), None)
    _, notes = tokenizer_fields(tokenizer, many, 300)
    assert "GGUF has no place for them" in notes[0]
    with pytest.raises(ExportError, match="names the token that ends an answer"):
        tokenizer_fields(tokenizer, Marks("<|im_start|>", None, None, None, (), None), 300)


def sentencepiece(*, metaspace: bool = False) -> Tokenizer:
    """LLaMA 2's kind: bytes as a last resort, and a space before every text."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    merges = [("t", "h"), ("th", "e"), ("▁", "the"), ("▁", "t"), ("▁t", "he"), ("i", "n")]
    merges += [("▁", "▁"), ("h", "e")]
    letters = sorted({letter for merge in merges for piece in merge for letter in piece})
    pieces += [*letters, *dict.fromkeys("".join(merge) for merge in merges)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    else:
        steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in pieces[:3]])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return tokenizer


@pytest.mark.parametrize("metaspace", [False, True])
def test_sentencepiece_keeps_its_ids(metaspace: bool) -> None:
    tokenizer = sentencepiece(metaspace=metaspace)
    size = tokenizer.get_vocab_size()
    marks = Marks("<s>", "</s>", "<unk>", None, (2,), None)
    fields, notes = tokenizer_fields(tokenizer, marks, size)
    assert fields["tokenizer.ggml.model"] == "llama"
    # The newer form puts no space before a text that begins with one, nor behind a control piece.
    assert ["space" in note for note in notes] == [True, True] * metaspace
    assert fields["tokenizer.ggml.add_space_prefix"] is True
    assert fields["tokenizer.ggml.add_bos_token"] is True
    kinds = fields["tokenizer.ggml.token_type"]
    assert isinstance(kinds, list)
    assert kinds[:3] == [2, 3, 3] and set(kinds[3:259]) == {6} and set(kinds[259:]) == {1}
    after, _ = tokenizer_of(fields)
    for text in ("the then in  it", "hithe 日本", "ttheh", *(() if metaspace else ("  ", " the"))):
        assert after.encode(text).ids == tokenizer.encode(text).ids, text


def test_merges_that_no_scores_can_order_are_refused() -> None:
    described = json.loads(sentencepiece().to_str())
    # "the" is made of "t" and "he" alone, and "th" comes before "he": so "the" stays in two, and
    # by the scores of its pieces llama.cpp would join it.
    described["model"]["merges"] = [["t", "h"], ["h", "e"], ["t", "he"]]
    tokenizer = Tokenizer.from_str(json.dumps(described))
    assert tokenizer.encode("the", add_special_tokens=False).tokens == ["▁", "th", "e"]
    marks = Marks("<s>", "</s>", "<unk>", None, (2,), None)
    with pytest.raises(ExportError, match="would read other ids"):
        tokenizer_fields(tokenizer, marks, tokenizer.get_vocab_size())


def test_llama_3s_own_pieces_are_control_pieces() -> None:
    tokenizer = byte_level(split(LLAMA_3), own_split=False, whole=True)
    names = special_tokens()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names])
    end = tokenizer.token_to_id("<|eot_id|>")
    marks = Marks("<|begin_of_text|>", "<|end_of_text|>", None, None, (end,), None)
    fields, _ = tokenizer_fields(tokenizer, marks, tokenizer.get_vocab_size())
    assert fields["tokenizer.ggml.eos_token_id"] == end
    kinds = fields["tokenizer.ggml.token_type"]
    assert isinstance(kinds, list) and kinds[end] == 3
