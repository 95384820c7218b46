"""A GGUF file written as a model folder, which every other command and Transformers read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.families import family_of, open_blockwise
from models.files.checkpoint import ShardWriter, write_json
from models.files.gguf import Gguf, GgufTensor, read_gguf
from models.files.gguf_model import Described, converted_pieces, describe
from models.text.gguf_tokenizer import TokenizerFacts, tokenizer_of
from models.text.tokenization import TOKENIZER_FILE
from quantizer.errors import WeightError
from quantizer.run.output import atomic_folder

DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
)
"""What blocks of quantized weights may become."""

DEFAULT_DTYPE = "float16"
"""Eight times as exact as bfloat16 for them, in the same room: their scales are float16 as well."""

SHARD_BYTES = 512 * 1024**2
"""What is held in memory before it is written; a larger tensor is held whole."""

TEMPLATE_FILE = "chat_template.jinja"

Show = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import wrote.

    kinds: how many tensors were of which of llama.cpp's types.
    size_bytes: of the weights that were written.
    """

    family: str
    tensors: int
    kinds: Mapping[str, int]
    size_bytes: int
    has_template: bool
    licence: str


def import_gguf(
    path: Path,
    out: Path,
    *,
    dtype: torch.dtype = DTYPES[DEFAULT_DTYPE],
    show: Show = lambda text, done, total: None,
) -> Imported:
    """Write the model folder of a GGUF file, whole or not at all.

    dtype: of what was quantized; F32, F16 and BF16 stay what they are.

    Raises:
        CheckpointError, ModelFolderError: the file is damaged, or of a kind that is not imported.
        WeightError: the type that was chosen cannot hold a weight.
        OutputError: ``out`` holds anything.
        OSError: it cannot be written.
    """
    file = read_gguf(path)
    described = describe(file)
    tokenizer, facts = tokenizer_of(file.fields)
    config = _with_tokens(described.config, facts, tokenizer.token_to_id, _dtype_of(file, dtype))
    _check_shapes(file, described, config)
    with atomic_folder(out) as folder:
        with ShardWriter(folder, SHARD_BYTES) as writer:
            for done, (name, old) in enumerate(described.names.items()):
                show(name, done, len(described.names))
                writer.add(name, _whole(file, name, file.tensors[old], config, dtype))
        tokenizer.save(str(folder / TOKENIZER_FILE))
        write_json(folder / "tokenizer_config.json", _tokenizer_config(facts, config))
        if facts.template is not None:
            (folder / TEMPLATE_FILE).write_text(facts.template, encoding="utf-8")
        ends = list(facts.ends)
        write_json(
            folder / "generation_config.json",
            {"do_sample": False, "bos_token_id": config["bos_token_id"], "eos_token_id": ends},
        )
        licence = str(file.fields.get("general.license", ""))
        (folder / "README.md").write_text(_readme(file, licence), encoding="utf-8")
        write_json(folder / "config.json", config)
        open_blockwise(folder)
        size = sum(part.stat().st_size for part in folder.glob("*.safetensors"))
    kinds: dict[str, int] = {}
    for tensor in file.tensors.values():
        kinds[tensor.kind] = kinds.get(tensor.kind, 0) + 1
    return Imported(
        str(config["model_type"]),
        len(described.names),
        kinds,
        size,
        facts.template is not None,
        licence,
    )


def _whole(
    file: Gguf, name: str, tensor: GgufTensor, config: Mapping[str, Any], dtype: torch.dtype
) -> Tensor:
    """One tensor in the type it is written in, put together piece by piece."""
    stored = tensor.dtype or dtype
    whole = torch.empty((tensor.rows, tensor.shape[-1]), dtype=stored)
    row = 0
    for piece in converted_pieces(file, name, tensor, config):
        part = piece.to(stored)
        if not bool(torch.isfinite(part).all()):
            raise WeightError(
                lambda setting: (
                    f"{tensor.name} in {file.path} has weights beyond what {stored} holds: give "
                    f"{setting('dtype')} bfloat16"
                )
            )
        whole[row : row + len(part)] = part
        row += len(part)
    return whole.reshape(tensor.shape)


def _check_shapes(file: Gguf, described: Described, config: Mapping[str, Any]) -> None:
    """Compare every tensor with the model of config.json, before anything is written."""
    family = family_of(config)
    module = family.build(config)
    expected = module.state_dict()
    missing = sorted(family.expected_names(module) - set(described.names))
    if missing:
        raise CheckpointError(
            f"{file.path} lacks {len(missing)} tensors of its model, first {missing[0]}: copy the "
            "file again"
        )
    for name, old in described.names.items():
        shape = file.tensors[old].shape
        if name not in expected or tuple(expected[name].shape) != shape:
            raise CheckpointError(
                f"{file.path} holds {old} of the shape {list(shape)}, which does not fit its other "
                "fields: copy the file again"
            )


def _dtype_of(file: Gguf, dtype: torch.dtype) -> torch.dtype:
    """The type of most weights: what config.json says of all of them."""
    embedding = file.tensors["token_embd.weight"]
    return embedding.dtype or dtype


def _with_tokens(
    config: Mapping[str, Any],
    facts: TokenizerFacts,
    id_of: Callable[[str], int | None],
    dtype: torch.dtype,
) -> dict[str, Any]:
    ids = {
        "bos_token_id": None if facts.bos is None else id_of(facts.bos),
        "eos_token_id": list(facts.ends) or None,
        "pad_token_id": None if facts.pad is None else id_of(facts.pad),
    }
    return {**config, **ids, "dtype": str(dtype).removeprefix("torch.")}


def _tokenizer_config(facts: TokenizerFacts, config: Mapping[str, Any]) -> dict[str, Any]:
    named = {
        "bos_token": facts.bos,
        "eos_token": facts.eos,
        "unk_token": facts.unknown,
        "pad_token": facts.pad,
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{name: piece for name, piece in named.items() if piece is not None},
        "add_bos_token": facts.starts,
        "clean_up_tokenization_spaces": False,
        "model_max_length": config["max_position_embeddings"],
    }


def _readme(file: Gguf, licence: str) -> str:
    """Where the folder is from, as a model card."""
    name = str(file.fields.get("general.name", file.path.stem))
    head = f"---\nlicense: {licence}\n---\n" if licence.isprintable() and licence else ""
    return f"{head}# {' '.join(name.split())}\n\nImported from {file.path.name} (GGUF).\n"
