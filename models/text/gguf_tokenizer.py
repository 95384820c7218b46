"""Tokenizers out of the fields of a GGUF file.

The fields hold the pieces in the order of their ids, what kind each is, and either merges (byte
level, as GPT-2) or scores (SentencePiece). How text is split before merging is only named, by
``tokenizer.ggml.pre``; the rule behind a name stands in llama.cpp (src/llama-vocab.cpp), and a
name that is not known here is refused: a text that is split otherwise has other ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE

from models.errors import CheckpointError
from models.files.llama2c import Vocabulary, build_tokenizer
from models.plain_text import beginning

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Kinds of pieces; the third and fourth are never split, and no text holds one of the third."""

PREFIX = "tokenizer.ggml."
TEMPLATE_KEY = "tokenizer.chat_template"
_WAY_OUT = "get the model as a folder with its tokenizer.json"

_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN_2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class _Splitting:
    """What a name of ``tokenizer.ggml.pre`` stands for.

    split:         regular expression of the parts that are merged on their own; None: GPT-2's.
    lone_digits:   each digit is a part, before anything else.
    whole_pieces:  a part that is a piece is taken whole, even where no chain of merges leads there.
    start:         whether a text begins with BOS where no field says so.
    """

    split: str | None = None
    lone_digits: bool = False
    whole_pieces: bool = False
    start: bool = False


_LLAMA_3_SPLITTING = _Splitting(_LLAMA_3, whole_pieces=True, start=True)
_SPLITTINGS: Mapping[str, _Splitting] = MappingProxyType(
    {
        "gpt-2": _Splitting(),
        "smollm": _Splitting(lone_digits=True),
        "llama3": _LLAMA_3_SPLITTING,
        "llama-v3": _LLAMA_3_SPLITTING,
        "llama-bpe": _LLAMA_3_SPLITTING,
        "qwen2": _Splitting(_QWEN_2),
    }
)
_WRITTEN = ("gpt-2", "smollm", "llama-bpe", "qwen2")
"""Of several names for one rule, the one that llama.cpp's own converter writes."""

ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>", "</s>")
"""Pieces that end an answer wherever a vocabulary has them as control pieces, as in llama.cpp."""


@dataclass(frozen=True, slots=True)
class TokenizerFacts:
    """What a model's other files say of its tokenizer.

    bos, eos, unknown, pad: pieces, or None.
    ends:     the ids that end an answer, in rising order.
    starts:   whether the tokenizer puts BOS before a text.
    template: the chat template, or None.
    """

    bos: str | None
    eos: str | None
    unknown: str | None
    pad: str | None
    ends: tuple[int, ...]
    starts: bool
    template: str | None


def name_of_splitting(split: str | None, *, lone_digits: bool, whole_pieces: bool) -> str | None:
    """What ``tokenizer.ggml.pre`` calls a rule of splitting; None where no name is known here.

    split, lone_digits, whole_pieces: see `_Splitting`.
    """
    for name in _WRITTEN:
        rule = _SPLITTINGS[name]
        if (rule.split, rule.lone_digits, rule.whole_pieces) == (split, lone_digits, whole_pieces):
            return name
    return None


def tokenizer_of(fields: Mapping[str, Any]) -> tuple[Tokenizer, TokenizerFacts]:
    """Build the tokenizer that a GGUF file describes.

    Raises:
        CheckpointError: it describes none, one that is not known here, or one that is damaged.
    """
    pieces = _texts(fields, "tokens")
    kinds = _kinds(fields, len(pieces))
    model = fields.get(f"{PREFIX}model")
    try:
        if model == "gpt2":
            tokenizer, starts = _byte_level(fields, pieces)
        elif model == "llama":
            tokenizer, starts = _sentencepiece(fields, pieces), True
        else:
            raise CheckpointError(f"the tokenizer {model!r} cannot be built here: {_WAY_OUT}")
        facts = _facts(fields, pieces, kinds, starts)
        _add_whole(tokenizer, pieces, kinds)
        _set_start(tokenizer, facts)
        grown = tokenizer.get_vocab_size(with_added_tokens=True)
    except CheckpointError:
        raise
    except Exception as error:  # the library raises bare Exception for what does not fit
        reason = beginning((str(error) or type(error).__name__).splitlines()[0])
        raise CheckpointError(f"the tokenizer cannot be built ({reason}): {_WAY_OUT}") from error
    if grown != len(pieces):
        raise CheckpointError(
            f"the tokenizer has {grown} pieces of {len(pieces)} that are listed: {_WAY_OUT}"
        )
    return tokenizer, facts


def _byte_level(fields: Mapping[str, Any], pieces: Sequence[str]) -> tuple[Tokenizer, bool]:
    """The tokenizer without its control pieces, and whether it puts BOS before a text."""
    name = fields.get(f"{PREFIX}pre")
    splitting = _SPLITTINGS.get(str(name))
    if splitting is None:
        raise CheckpointError(
            f"the file splits text by the rule {name!r}, which is not known here: {_WAY_OUT}"
        )
    merges = [_pair(merge) for merge in _texts(fields, "merges")]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(BPE(vocabulary, merges, ignore_merges=splitting.whole_pieces))
    steps: list[Any] = []
    if splitting.lone_digits:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    if splitting.split is not None:
        steps.append(pre_tokenizers.Split(Regex(splitting.split), behavior="isolated"))
    own = splitting.split is None
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=own))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, splitting.start


def _sentencepiece(fields: Mapping[str, Any], pieces: Sequence[str]) -> Tokenizer:
    scores = fields.get(f"{PREFIX}scores")
    if not isinstance(scores, list) or len(scores) != len(pieces):
        raise CheckpointError(f"the tokenizer lacks the scores of its pieces: {_WAY_OUT}")
    return build_tokenizer(
        Vocabulary(
            pieces=tuple(pieces),
            scores=tuple(map(float, scores)),
            add_dummy_prefix=bool(fields.get(f"{PREFIX}add_space_prefix", True)),
            remove_extra_whitespaces=bool(fields.get(f"{PREFIX}remove_extra_whitespaces", False)),
        )
    )


def _facts(
    fields: Mapping[str, Any], pieces: Sequence[str], kinds: Sequence[int], starts: bool
) -> TokenizerFacts:
    def piece(name: str) -> str | None:
        index = _id(fields, name, len(pieces))
        return None if index is None else pieces[index]

    named = (_id(fields, name, len(pieces)) for name in ("eos", "eot", "eom"))
    ends = {index for index in named if index is not None}
    ends |= {n for n, text in enumerate(pieces) if kinds[n] == CONTROL and text in ENDS}
    template = fields.get(TEMPLATE_KEY)
    return TokenizerFacts(
        bos=piece("bos"),
        eos=piece("eos"),
        unknown=piece("unknown"),
        pad=piece("padding"),
        ends=tuple(sorted(ends)),
        starts=bool(fields.get(f"{PREFIX}add_bos_token", starts)),
        template=template if isinstance(template, str) and template.strip() else None,
    )


def _add_whole(tokenizer: Tokenizer, pieces: Sequence[str], kinds: Sequence[int]) -> None:
    """Keep control pieces, and those that somebody defined, from being split."""
    added = [
        AddedToken(piece, special=kind == CONTROL, normalized=False)
        for piece, kind in zip(pieces, kinds, strict=True)
        if kind in (CONTROL, USER_DEFINED) and piece
    ]
    tokenizer.add_tokens(added)
    tokenizer.add_special_tokens([token for token in added if token.special])


def _set_start(tokenizer: Tokenizer, facts: TokenizerFacts) -> None:
    if not facts.starts or facts.bos is None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A", pair="$A $B", special_tokens=[]
        )
        return
    bos = facts.bos
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A",
        pair=f"{bos} $A {bos} $B",
        special_tokens=[(bos, tokenizer.token_to_id(bos))],
    )


def _pair(merge: str) -> tuple[str, str]:
    left, space, right = merge.partition(" ")
    if not left or not space or not right or " " in right:
        raise CheckpointError(f"the tokenizer has the merge {merge!r}, which is none: {_WAY_OUT}")
    return left, right


def _texts(fields: Mapping[str, Any], name: str) -> list[str]:
    found = fields.get(f"{PREFIX}{name}")
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise CheckpointError(f"the file holds no {name} of a tokenizer: {_WAY_OUT}")
    return found


def _kinds(fields: Mapping[str, Any], count: int) -> list[int]:
    found = fields.get(f"{PREFIX}token_type")
    if found is None:
        return [1] * count
    if not isinstance(found, list) or len(found) != count:
        raise CheckpointError(f"the tokenizer lacks the kinds of its pieces: {_WAY_OUT}")
    return found


def _id(fields: Mapping[str, Any], name: str, count: int) -> int | None:
    index = fields.get(f"{PREFIX}{name}_token_id")
    if index is None:
        return None
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        raise CheckpointError(f"the {name} token is {index!r}, which is no id: {_WAY_OUT}")
    return index
