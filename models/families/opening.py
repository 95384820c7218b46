"""Opening a full-precision model folder for the quantizer."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from models.blocks import BlockwiseModel
from models.errors import CheckpointError, ModelFolderError
from models.families.family import Family
from models.families.head import build_as_stored
from models.families.registry import SHIPPED, family_of
from models.families.relatives import refuse_relative, refuse_relative_tensors
from models.files.checkpoint import CheckpointReader, read_config
from models.files.gguf import refuse_gguf
from models.files.judging import judge_config, refuse
from models.files.wrapped_names import plain_names
from models.plain_text import beginning
from models.sequences import SequenceLayout


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A full-precision model folder, ready to be walked; no tensor has been read.

    module:    on the meta device; computed tensors such as rotary frequencies on the CPU.
    blockwise: the same module as the quantizer walks it.
    config:    config.json, with tie_word_embeddings as the weights have it.
    notes:     what people must be told of it.
    """

    folder: Path
    family: Family
    module: nn.Module
    blockwise: BlockwiseModel
    config: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def layout(self) -> SequenceLayout:
        """How the module reads calibration data."""
        return self.family.layout(self.module)


def open_blockwise(folder: Path) -> OpenedModel:
    """Open a full-precision model folder for the quantizer.

    Raises:
        ModelFolderError: the folder or its config.json is missing, of no known family, or the
            model is quantized already.
        CheckpointError: the weights are damaged, or named in a way that has to be converted.
    """
    refuse_gguf(folder)
    if not folder.is_dir():
        raise ModelFolderError(f"{folder} is no folder: give the folder of a model")
    config = read_config(folder / "config.json")
    if config.get("quantization_config"):
        raise ModelFolderError(
            f"{folder} is quantized already: give the full-precision model it was made from"
        )
    family = family_of(config)
    reader = open_weights(folder, family, config)
    module, config, notes = build_as_stored(family, config, reader.entries())
    refuse_foreign_names(folder, family.expected_names(module), reader.names())
    return OpenedModel(folder, family, module, family.blockwise(module), config, notes)


def open_weights(folder: Path, family: Family, config: Mapping[str, Any]) -> CheckpointReader:
    """Read the headers of a folder's weights and compare config.json's numbers with them.

    To be called before anything is built, which would take what config.json asks for.

    Raises:
        ModelFolderError: there are no weights, or config.json is that of a model that is taken
            for CogVLM2.
        CheckpointError: weights are damaged, of such a model, or far too small for config.json.
    """
    if family in SHIPPED:  # who adds a family may mean one of those models
        refuse_relative(config)
    reader = CheckpointReader(folder)
    if family in SHIPPED:
        refuse_relative_tensors(folder, reader.names())
    refuse(judge_config(config, reader))
    return reader


def refuse_foreign_names(folder: Path, expected: set[str], found: Collection[str]) -> None:
    """Refuse a checkpoint whose missing tensors show that it is another model's.

    Raises:
        CheckpointError: it was saved without the language model around it, with what a training
            tool put in front, or is of a model that is taken for CogVLM2.
    """
    if expected <= set(found):
        return
    _refuse_wrapped_names(folder, expected, found)
    refuse_relative_tensors(folder, found)


def _refuse_wrapped_names(folder: Path, expected: set[str], found: Collection[str]) -> None:
    """Refuse a checkpoint that is whole, under names that others do not look for.

    A training tool has put something in front; or it was saved without the language model around
    it, as some published OPT weights: ``decoder.layers.0`` for ``model.decoder.layers.0``.

    Raises:
        CheckpointError: it is such a checkpoint.
    """
    names = plain_names(expected, found)
    changed = sorted(name for name, plain in names.items() if name != plain)
    if changed:
        first = changed[0]
        raise CheckpointError(
            f"{folder} calls a tensor {beginning(first)} where others expect "
            f"{beginning(names[first])}, and so on: quantizer repair {folder} OUT writes a copy "
            "with the names that they expect"
        )
