"""A folder's tokenizer as the fields of a GGUF file, proved by building it again from them.

llama.cpp builds its tokenizer from the pieces by id, their kinds, merges or scores, and the name
of a rule that splits text; what lies behind a name stands in its source. So the rule of a folder's
tokenizer.json is looked up by what it is, and then a tokenizer is built from the fields alone, as
`quantizer import` does, and must give the same ids for texts that tell rules apart.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from models.errors import CheckpointError
from models.plain_text import beginning
from models.text.gguf_tokenizer import (
    BYTE,
    CONTROL,
    ENDS,
    NORMAL,
    PREFIX,
    TEMPLATE_KEY,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    name_of_splitting,
    tokenizer_of,
)
from quantizer.errors import ExportError
from quantizer.exporting.writing import Value

PROBES = (
    "The quick brown fox jumps over the lazy dog, and then they wrote the whole story down again.",
    "Hello, world! It's 8:05 on 21 March 2024, isn't it? I'LL SAY SO; we've 1234567 reasons.",
    "  two spaces, a tab\there,   three\n\nand lines \r\n with ends  ",
    "don't DON'T 'tis 'S o'clock rock'n'roll (a+b)*c != d_e-f; x=3.14e-10 /usr/bin/env #!$%^&*",
    "Größe, naïve café, Übermäßig; ¿qué tal?; où est l'été; Привет, мир!; Γειά σου; שלום; مرحبا",
    "日本語のテキスト、中文字符 한국어 ไทย हिन्दी 👩‍🚀🎉 ½ ² ① Ⅷ १२३ ₿",
    "def f(x):\n    return {'a': [1, 22, 333, 4444]}\n\n\n\tpass  # ok",
    "",
    " ",
    "a",
)
"""Texts whose ids differ where rules of splitting do: digits, contractions, spaces, scripts."""

_MARKED = "{0}user\nHello{1}\n{0} and {1}{1} end "
_WAY_OUT = "the model cannot be written as GGUF"
_SPACE = "▁"
_FURTHER_ENDS = ("eot", "eom")


@dataclass(frozen=True, slots=True)
class Marks:
    """What a folder says of its special pieces.

    bos, eos, unknown, pad: pieces; None where the folder names none.
    ends:     ids that end an answer, the folder's first one first.
    template: the chat template, or None.
    """

    bos: str | None
    eos: str | None
    unknown: str | None
    pad: str | None
    ends: tuple[int, ...]
    template: str | None


def tokenizer_fields(
    tokenizer: Tokenizer, marks: Marks, vocab_size: int
) -> tuple[dict[str, Value], list[str]]:
    """Return the fields, and what people must be told of them.

    vocab_size: rows of the embedding; ids that the tokenizer lacks become unused pieces.

    Raises:
        ExportError: llama.cpp has no such tokenizer, or would read other ids out of a text.
    """
    described = json.loads(tokenizer.to_str())
    model = described["model"]
    if model.get("type") != "BPE":
        raise ExportError(
            f"the tokenizer is of the type {beginning(str(model.get('type')))}, and BPE is needed: "
            f"{_WAY_OUT}"
        )
    pieces, kinds = _pieces(tokenizer, described, vocab_size)
    fields: dict[str, Value] = {}
    if model.get("byte_fallback"):
        fields |= {f"{PREFIX}model": "llama", f"{PREFIX}pre": "default"}
        fields |= _sentencepiece(described)
        fields[f"{PREFIX}scores"] = _scores(model, pieces)
    else:
        fields |= {f"{PREFIX}model": "gpt2", f"{PREFIX}pre": _splitting(described)}
        fields[f"{PREFIX}merges"] = [" ".join(_pair(merge)) for merge in model["merges"]]
    fields |= {f"{PREFIX}tokens": pieces, f"{PREFIX}token_type": kinds}
    ids, notes = _ids(tokenizer, marks, pieces)
    fields |= ids
    fields |= _affixes(tokenizer, fields)
    if marks.template is not None:
        fields[TEMPLATE_KEY] = marks.template
    return fields, [*notes, *_prove(tokenizer, described, fields)]


def _pieces(
    tokenizer: Tokenizer, described: Mapping[str, Any], vocab_size: int
) -> tuple[list[str], list[int]]:
    """Every piece by its id, and its kind."""
    known = {index: piece for piece, index in tokenizer.get_vocab(with_added_tokens=True).items()}
    whole = {
        each["id"]: CONTROL if each["special"] else USER_DEFINED
        for each in described["added_tokens"]
    }
    unknown = tokenizer.token_to_id(described["model"].get("unk_token") or "")
    raw = _raw_bytes() if described["model"].get("byte_fallback") else frozenset()
    pieces, kinds = [], []
    for index in range(vocab_size):
        piece = known.get(index)
        pieces.append(f"[PAD{index}]" if piece is None else piece)
        if piece is None:
            kinds.append(UNUSED)
        elif index == unknown:
            kinds.append(UNKNOWN)
        elif piece in raw:
            kinds.append(BYTE)
        else:
            kinds.append(whole.get(index, NORMAL))
    if len(set(pieces)) < vocab_size:
        raise ExportError(f"the tokenizer holds a piece named [PADn] of its own: {_WAY_OUT}")
    return pieces, kinds


def _raw_bytes() -> frozenset[str]:
    return frozenset(f"<0x{byte:02X}>" for byte in range(256))


def _splitting(described: Mapping[str, Any]) -> str:
    """What llama.cpp calls the rule that splits text before bytes are merged."""
    split, lone_digits, by_bytes, strange = None, False, False, False
    for step in _flat(described["pre_tokenizer"]):
        kind = step["type"]
        if kind == "Digits" and step["individual_digits"] and not by_bytes:
            lone_digits = True
        elif kind == "Split" and step["behavior"] == "Isolated" and not step["invert"]:
            strange |= split is not None or by_bytes
            split = step["pattern"].get("Regex")
        elif kind == "ByteLevel" and not step["add_prefix_space"]:
            by_bytes = True
            strange |= step["use_regex"] == (split is not None)
        else:
            strange = True
    whole = bool(described["model"].get("ignore_merges"))
    name = name_of_splitting(split, lone_digits=lone_digits, whole_pieces=whole)
    if strange or not by_bytes or name is None:
        raise ExportError(
            "the tokenizer splits text by a rule for which no name of llama.cpp is known here: "
            f"{_WAY_OUT}"
        )
    return name


def _flat(step: Any) -> Iterator[Mapping[str, Any]]:
    """Steps of a pre-tokenizer or normalizer, one after the other."""
    if step is None:
        return
    inner = step.get("pretokenizers", step.get("normalizers"))
    if inner is None:
        yield step
        return
    for each in inner:
        yield from _flat(each)


def _sentencepiece(described: Mapping[str, Any]) -> dict[str, Value]:
    """How SentencePiece prepares a text: a space before it, and runs of spaces made one."""
    prepends = trims = False
    for step in _flat(described["normalizer"]):
        if step["type"] == "Prepend" and step["prepend"] == _SPACE:
            prepends = True
        elif step["type"] == "Replace" and step["content"] in ("", " "):
            trims = True
        elif step["type"] != "Replace" or step["content"] != _SPACE:
            raise ExportError(
                f"the tokenizer prepares text by {step['type']}, which llama.cpp does not do here: "
                f"{_WAY_OUT}"
            )
    for step in _flat(described["pre_tokenizer"]):
        if step["type"] != "Metaspace":
            raise ExportError(
                f"the tokenizer splits text by {step['type']}, which llama.cpp does not do here: "
                f"{_WAY_OUT}"
            )
        prepends |= step.get("prepend_scheme", "always") != "never"
    return {f"{PREFIX}add_space_prefix": prepends, f"{PREFIX}remove_extra_whitespaces": trims}


def _scores(model: Mapping[str, Any], pieces: Sequence[str]) -> list[float]:
    """Scores that make llama.cpp merge in the order of the merges: the earliest scores highest."""
    rank: dict[str, int] = {}
    for index, merge in enumerate(model["merges"]):
        rank.setdefault("".join(_pair(merge)), index)
    last = len(model["merges"])
    return [-float(rank.get(piece, last)) for piece in pieces]


def _pair(merge: Any) -> tuple[str, str]:
    """A merge, which older files hold as one text."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _ids(
    tokenizer: Tokenizer, marks: Marks, pieces: Sequence[str]
) -> tuple[dict[str, Value], list[str]]:
    """The ids of the special pieces; llama.cpp knows one end, and others by their names."""
    fields: dict[str, Value] = {}
    named = {"bos": marks.bos, "unknown": marks.unknown, "padding": marks.pad}
    for name, piece in named.items():
        index = None if piece is None else tokenizer.token_to_id(piece)
        if index is not None:
            fields[f"{PREFIX}{name}_token_id"] = index
    eos = None if marks.eos is None else tokenizer.token_to_id(marks.eos)
    ends = [index for index in marks.ends if 0 <= index < len(pieces)]
    if ends and eos not in ends:
        eos = ends[0]
    if eos is None:
        raise ExportError(
            "neither config.json nor tokenizer_config.json names the token that ends an answer, "
            "and llama.cpp would take another one: add eos_token_id"
        )
    fields[f"{PREFIX}eos_token_id"] = eos
    further = [index for index in ends if index != eos and pieces[index] not in ENDS]
    for name, index in zip(_FURTHER_ENDS, further, strict=False):
        fields[f"{PREFIX}{name}_token_id"] = index
    lost = [pieces[index] for index in further[len(_FURTHER_ENDS) :]]
    told = f"these pieces end an answer and GGUF has no place for them: {', '.join(lost)}"
    return fields, [told] if lost else []


def _affixes(tokenizer: Tokenizer, fields: Mapping[str, Value]) -> dict[str, Value]:
    """Whether a text gets BOS before it and EOS behind it.

    Raises:
        ExportError: it gets something else.
    """
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a").ids
    bos, eos = (fields.get(f"{PREFIX}{name}_token_id") for name in ("bos", "eos"))
    for starts in (False, True):
        for ends in (False, True):
            if whole == [*([bos] * starts), *bare, *([eos] * ends)]:
                return {f"{PREFIX}add_bos_token": starts, f"{PREFIX}add_eos_token": ends}
    raise ExportError(
        "the tokenizer puts other pieces around a text than the start and end that its folder "
        f"names: {_WAY_OUT}"
    )


def _prove(
    tokenizer: Tokenizer, described: Mapping[str, Any], fields: Mapping[str, Value]
) -> list[str]:
    """Build the tokenizer from the fields, and compare what both read.

    Returns what differs in a way that all of llama.cpp's files share.

    Raises:
        ExportError: plain text gets other ids.
    """
    notes = []
    kept = {**described}
    if not described["model"].get("byte_fallback"):
        kinds = [step["type"] for step in _flat(described["normalizer"])]
        if set(kinds) - {"NFC"}:
            raise ExportError(
                f"the tokenizer prepares text by {', '.join(kinds)}, which llama.cpp does not do: "
                f"{_WAY_OUT}"
            )
        if kinds:
            kept["normalizer"] = None
            notes.append(
                "the tokenizer composes letters and accents (NFC) first, and llama.cpp does not: "
                "give it composed text, as keyboards and most files have it"
            )
    elif fields[f"{PREFIX}remove_extra_whitespaces"]:
        notes.append("the tokenizer makes one of several spaces, and llama.cpp keeps them")
    before = Tokenizer.from_str(json.dumps(kept)) if kept != described else tokenizer
    try:
        after, _ = tokenizer_of(fields)
    except CheckpointError as error:
        raise ExportError(f"the tokenizer does not read back ({error})") from error
    differing = [text for text in PROBES if _read(before, text) != _read(after, text)]
    for text in differing:
        bare = text.lstrip(" ")
        if bare == text or _read(before, bare) != _read(after, bare):
            raise ExportError(
                f"llama.cpp would read other ids than the model's tokenizer, as in "
                f"{beginning(repr(text))}: {_WAY_OUT}"
            )
    if differing:
        notes.append("llama.cpp reads one more space at the beginning of a text that begins so")
    marks = [each["content"] for each in described["added_tokens"] if each["special"]]
    if marks:
        text = _MARKED.format(marks[0], marks[-1])
        if _read(before, text) != _read(after, text):
            notes.append(
                "behind a special piece llama.cpp reads a space otherwise than the tokenizer does"
            )
    return notes


def _read(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids
