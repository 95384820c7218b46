"""Turns llama2.c's weight and tokenizer files into a Hugging Face LLaMA folder.

Weight file, "version 0" (https://github.com/karpathy/llama2.c, export.py): seven little-endian
int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len; a negative
vocab_size says that the classifier is not shared with the embedding) and then float32 arrays.
Tokenizer: a sentencepiece BPE model, or the .bin that llama2.c derives from one.
"""

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE
from torch import Tensor

from models.errors import CheckpointError, ModelFolderError
from models.files.checkpoint import ShardWriter, read_json, write_json

HIDDEN_MULTIPLE = 32
"""The feed-forward width is padded with zeros to a multiple of this, a quantization group."""

BOS_ID = 1
EOS_ID = 2
_HEADER = struct.Struct("<7i")
_VERSIONED_MAGIC = 0x616B3432  # "ak42" opens the files of versions 1 and 2
_SPACE = "▁"
_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
_ORIGIN = "llama2.c"
_OWN_FILES = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
}


@dataclass(frozen=True, slots=True)
class Header:
    """The sizes of a llama2.c model, in the field's order of the file."""

    dim: int
    hidden_dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    vocab_size: int
    seq_len: int
    shared_classifier: bool

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.dim // self.n_heads

    @property
    def kv_dim(self) -> int:
        """Channels of all key heads together."""
        return self.head_dim * self.n_kv_heads

    @property
    def padded_hidden_dim(self) -> int:
        """The feed-forward width after padding."""
        return math.ceil(self.hidden_dim / HIDDEN_MULTIPLE) * HIDDEN_MULTIPLE


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Pieces by id, as sentencepiece writes them ("▁" for a space), and how text is prepared.

    scores:         a BPE merge with a higher score comes first.
    remove_extra_whitespaces: runs of spaces become one and the ends are stripped.
    """

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool

    @property
    def byte_fallback(self) -> bool:
        """Whether all 256 bytes have a piece."""
        return sum(1 for piece in self.pieces if _BYTE_PIECE.fullmatch(piece)) == 256


def import_model(weights: Path, tokenizer: Path, out: Path) -> Path:
    """Write the Hugging Face folder of a llama2.c model; returns the folder.

    Raises:
        ModelFolderError: a file is missing or unreadable, the tokenizer does not fit the
            weights, or ``out`` exists and is not such a folder.
        CheckpointError: the weight file is damaged or of another format.
    """
    check_output_folder(out)
    header, arrays = read_weights(weights)
    vocabulary = fit_vocabulary(read_vocabulary(tokenizer), header.vocab_size)
    encoder = build_tokenizer(vocabulary)
    out.mkdir(parents=True, exist_ok=True)
    with ShardWriter(out) as writer:
        for name, tensor in hugging_face_tensors(header, arrays).items():
            writer.add(name, tensor)
    encoder.save(str(out / "tokenizer.json"))
    write_json(out / "tokenizer_config.json", _tokenizer_config(header))
    ids = {"bos_token_id": BOS_ID, "eos_token_id": EOS_ID}
    write_json(out / "generation_config.json", {"do_sample": False, **ids})
    # Last, because a folder without config.json is no model folder yet.
    write_json(out / "config.json", _config(header))
    return out


def check_output_folder(out: Path) -> None:
    """Refuse an output folder that holds anything but an earlier import.

    Raises:
        ModelFolderError: ``out`` is a file, or holds files that are not ours.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise ModelFolderError(f"{out} is a file: name a new folder with --out")
    if not any(out.iterdir()):
        return
    config = out / "config.json"
    # A quantized folder keeps the source's config.json, so the origin alone does not tell.
    if config.is_file() and {path.name for path in out.iterdir()} <= _OWN_FILES:
        found = read_json(config)
        if found.get("imported_from") == _ORIGIN and "quantization_config" not in found:
            return
    raise ModelFolderError(
        f"{out} exists and is no earlier import: name a new or empty folder, nothing was changed"
    )


def read_weights(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Read a version 0 file: its header and its float32 arrays, named as in llama2.c.

    Raises:
        ModelFolderError: the file is missing or cannot be read.
        CheckpointError: it is cut short, too long, of another version, or holds NaN.
    """
    data = _read_bytes(path)
    header = _parse_header(data, path)
    shapes = _array_shapes(header)
    expected = _HEADER.size + 4 * sum(math.prod(shape) for shape in shapes.values())
    if len(data) != expected:
        problem = "is cut short" if len(data) < expected else "is too long"
        raise CheckpointError(
            f"{path} {problem} ({len(data)} bytes, its header asks for {expected}): "
            "fetch the file again"
        )
    flat = torch.frombuffer(bytearray(data), dtype=torch.float32, offset=_HEADER.size)
    if not bool(torch.isfinite(flat).all()):
        raise CheckpointError(f"{path} holds NaN or infinite weights: fetch the file again")
    parts = torch.split(flat, [math.prod(shape) for shape in shapes.values()])
    return header, {
        name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def hugging_face_tensors(header: Header, arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename, permute and pad llama2.c's arrays into transformers' LLaMA tensors.

    arrays: as `read_weights` returns them, layers stacked in the first dimension.
    """
    rows = header.padded_hidden_dim - header.hidden_dim
    pad = torch.nn.functional.pad
    tensors = {"model.embed_tokens.weight": arrays["token_embedding"]}
    for index in range(header.n_layers):
        layer = {name: array[index] for name, array in arrays.items() if array.dim() > 1}
        queries = split_halves(layer["wq"], header.n_heads)
        keys = split_halves(layer["wk"], header.n_kv_heads)
        parts = {
            "input_layernorm": layer["rms_att"],
            "self_attn.q_proj": queries,
            "self_attn.k_proj": keys,
            "self_attn.v_proj": layer["wv"],
            "self_attn.o_proj": layer["wo"],
            "post_attention_layernorm": layer["rms_ffn"],
            # silu(0) * 0 = 0, so the padded channels carry nothing.
            "mlp.gate_proj": pad(layer["w1"], (0, 0, 0, rows)),
            "mlp.up_proj": pad(layer["w3"], (0, 0, 0, rows)),
            "mlp.down_proj": pad(layer["w2"], (0, rows)),
        }
        tensors |= {f"model.layers.{index}.{name}.weight": part for name, part in parts.items()}
    tensors["model.norm.weight"] = arrays["rms_final"]
    if not header.shared_classifier:
        tensors["lm_head.weight"] = arrays["classifier"]
    return tensors


def split_halves(weight: Tensor, heads: int) -> Tensor:
    """Reorder the rows of a query or key projection for transformers' rotary positions.

    llama2.c turns neighbouring channels (2i, 2i+1) of a head, transformers turns
    (i, i + head_dim/2). weight: (heads * head_dim, in).
    """
    out_features, in_features = weight.shape
    pairs = weight.reshape(heads, out_features // heads // 2, 2, in_features)
    return pairs.transpose(1, 2).reshape(out_features, in_features)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a sentencepiece BPE model or llama2.c's tokenizer .bin.

    Raises:
        ModelFolderError: the file is missing or is neither of the two.
    """
    data = _read_bytes(path)
    if path.suffix == ".bin":
        return _parse_llama2c_vocabulary(data, path)
    return _parse_sentencepiece(data, path)


def fit_vocabulary(vocabulary: Vocabulary, vocab_size: int) -> Vocabulary:
    """Match a tokenizer to the number of embeddings.

    A model with 256 embeddings more than its tokenizer was trained with a byte fallback that
    the tokenizer's file does not declare: three specials, the raw bytes, then the other pieces.

    Raises:
        ModelFolderError: the sizes do not fit.
    """
    count = len(vocabulary.pieces)
    if count == vocab_size:
        return vocabulary
    if count + 256 == vocab_size and not vocabulary.byte_fallback:
        pieces, scores = vocabulary.pieces, vocabulary.scores
        raw = tuple(f"<0x{byte:02X}>" for byte in range(256))
        return Vocabulary(
            pieces=(*pieces[:3], *raw, *pieces[3:]),
            scores=(*scores[:3], *(0.0 for _ in raw), *scores[3:]),
            add_dummy_prefix=vocabulary.add_dummy_prefix,
            remove_extra_whitespaces=vocabulary.remove_extra_whitespaces,
        )
    raise ModelFolderError(
        f"the tokenizer has {count} pieces but the model {vocab_size} embeddings: "
        "give the tokenizer that the model was trained with"
    )


def build_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """Build the `tokenizers` equivalent; it puts the start token before every text."""
    ids = {piece: index for index, piece in enumerate(vocabulary.pieces)}
    if len(ids) != len(vocabulary.pieces):
        raise ModelFolderError("the tokenizer holds a piece twice: give the original file")
    tokenizer = Tokenizer(
        BPE(
            vocab=ids,
            merges=_merges(vocabulary, ids),
            unk_token=vocabulary.pieces[0],
            fuse_unk=True,
            byte_fallback=vocabulary.byte_fallback,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(_normalizers(vocabulary))
    specials = [AddedToken(piece, special=True) for piece in vocabulary.pieces[:3]]
    tokenizer.add_special_tokens(specials)
    bos = vocabulary.pieces[BOS_ID]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, BOS_ID)]
    )
    steps: list[Any] = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if vocabulary.add_dummy_prefix:
        steps.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def _normalizers(vocabulary: Vocabulary) -> list[Any]:
    steps: list[Any] = []
    if vocabulary.remove_extra_whitespaces:
        steps.append(normalizers.Replace(Regex(r"\A +| +\z"), ""))
        steps.append(normalizers.Replace(Regex(" {2,}"), " "))
    if vocabulary.add_dummy_prefix:
        steps.append(normalizers.Prepend(_SPACE))
    steps.append(normalizers.Replace(" ", _SPACE))
    return steps


def _merges(vocabulary: Vocabulary, ids: dict[str, int]) -> list[tuple[str, str]]:
    """List every way to make a piece of two pieces, best score first.

    sentencepiece ranks a merge by the score of its result, so all splits of a piece share a
    rank; they stand next to each other here.
    """
    found: list[tuple[float, int, int, tuple[str, str]]] = []
    for index, piece in enumerate(vocabulary.pieces):
        if index <= EOS_ID or _BYTE_PIECE.fullmatch(piece):
            continue
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ids and right in ids:
                found.append((-vocabulary.scores[index], index, cut, (left, right)))
    return [merge for *_, merge in sorted(found)]


def _parse_header(data: bytes, path: Path) -> Header:
    if len(data) < _HEADER.size:
        raise CheckpointError(f"{path} is cut short ({len(data)} bytes): fetch the file again")
    if int.from_bytes(data[:4], "little") == _VERSIONED_MAGIC:
        raise CheckpointError(
            f"{path} is a llama2.c file of version 1 or 2: export it again with --version 0"
        )
    dim, hidden, layers, heads, kv_heads, vocab, seq_len = _HEADER.unpack_from(data)
    sound = min(dim, hidden, layers, heads, kv_heads, abs(vocab), seq_len) > 0
    if not sound or dim % (2 * heads) or heads % kv_heads:
        raise CheckpointError(
            f"{path} does not begin with the header of a llama2.c model: "
            "give a version 0 file such as stories260K.bin"
        )
    return Header(dim, hidden, layers, heads, kv_heads, abs(vocab), seq_len, vocab > 0)


def _array_shapes(header: Header) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays in the order of the file."""
    layers, dim, hidden, kv_dim = header.n_layers, header.dim, header.hidden_dim, header.kv_dim
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding": (header.vocab_size, dim),
        "rms_att": (layers, dim),
        "wq": (layers, dim, dim),
        "wk": (layers, kv_dim, dim),
        "wv": (layers, kv_dim, dim),
        "wo": (layers, dim, dim),
        "rms_ffn": (layers, dim),
        "w1": (layers, hidden, dim),
        "w2": (layers, dim, hidden),
        "w3": (layers, hidden, dim),
        "rms_final": (dim,),
        # Rotary tables, which transformers computes.
        "freq_cis_real": (header.seq_len, header.head_dim // 2),
        "freq_cis_imag": (header.seq_len, header.head_dim // 2),
    }
    if not header.shared_classifier:
        shapes["classifier"] = (header.vocab_size, dim)
    return shapes


def _config(header: Header) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "imported_from": _ORIGIN,
        "vocab_size": header.vocab_size,
        "hidden_size": header.dim,
        "intermediate_size": header.padded_hidden_dim,
        "num_hidden_layers": header.n_layers,
        "num_attention_heads": header.n_heads,
        "num_key_value_heads": header.n_kv_heads,
        "head_dim": header.head_dim,
        "max_position_embeddings": header.seq_len,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": header.shared_classifier,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": BOS_ID,
        "eos_token_id": EOS_ID,
        "dtype": "float32",
    }


def _tokenizer_config(header: Header) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "add_bos_token": True,
        "clean_up_tokenization_spaces": False,
        "model_max_length": header.seq_len,
    }


def _parse_sentencepiece(data: bytes, path: Path) -> Vocabulary:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from sentencepiece import sentencepiece_model_pb2

    schema: Any = sentencepiece_model_pb2  # generated code, without annotations
    model = schema.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise ModelFolderError(
            f"{path} is no sentencepiece model: give the .model file, or llama2.c's .bin"
        ) from error
    if len(model.pieces) < 4 or model.trainer_spec.model_type != model.trainer_spec.BPE:
        raise ModelFolderError(f"{path} is no sentencepiece BPE model: only BPE can be converted")
    if model.normalizer_spec.precompiled_charsmap:
        raise ModelFolderError(
            f"{path} normalizes characters ({model.normalizer_spec.name}), which cannot be "
            "converted: give a model with the identity normalization"
        )
    return Vocabulary(
        pieces=tuple(piece.piece for piece in model.pieces),
        scores=tuple(piece.score for piece in model.pieces),
        add_dummy_prefix=model.normalizer_spec.add_dummy_prefix,
        remove_extra_whitespaces=model.normalizer_spec.remove_extra_whitespaces,
    )


def _parse_llama2c_vocabulary(data: bytes, path: Path) -> Vocabulary:
    """Read max_token_length (int32), then score (float32), length (int32), bytes per piece."""
    pieces: list[str] = []
    scores: list[float] = []
    position = 4
    try:
        while position < len(data):
            score, length = struct.unpack_from("<fi", data, position)
            position += 8
            if not 0 < length <= len(data) - position:
                raise ValueError("piece beyond the end")
            pieces.append(data[position : position + length].decode("utf-8"))
            scores.append(score)
            position += length
    except (struct.error, ValueError) as error:
        raise ModelFolderError(
            f"{path} is no llama2.c tokenizer or is cut short: "
            "give the sentencepiece .model file instead"
        ) from error
    if len(pieces) < 4:
        raise ModelFolderError(f"{path} holds no pieces: give the sentencepiece .model file")
    # llama2.c pads the two control tokens with newlines and writes spaces as such.
    own: Sequence[str] = [piece.replace(" ", _SPACE) for piece in pieces[3:]]
    return Vocabulary(("<unk>", "<s>", "</s>", *own), tuple(scores), True, False)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ModelFolderError(
            f"{path} cannot be read ({reason}): give an existing file"
        ) from error
