"""Whether a model folder can be used: asked in one place by everything that opens one.

``quantizer run`` and ``compare``, loading (``quantizer eval``, the assistant) and ``quantizer
inspect`` call the same checks. The first three stop at the first error, the last names them all.
What the values of the tensors are worth is judged by `models.files.judging`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import nn

from models.errors import CheckpointError, ModelFolderError
from models.families.family import Family
from models.families.opening import refuse_foreign_names
from models.families.text import text_limits
from models.files.checkpoint import read_config
from models.files.config_values import wrong_ids
from models.files.function_fields import function_fields
from models.files.quantized_source import QuantizedSource, TensorSource
from models.files.zero_labels import right_label, sampled_offsets, wrong_label
from models.text.tokenization import load_tokenizer

GENERATION_CONFIG_FILE = "generation_config.json"

_ADAPTER = ("lora_A", "lora_B", "lora_embedding", "lora_magnitude")


@dataclass(slots=True)
class OpenedFolder:
    """What the checks look at.

    config:    config.json.
    module:    as it will be used: with packed layers where the folder holds some.
    source:    the tensors by the names that the module has for them.
    tokenizer: filled by the check that reads it.
    """

    folder: Path
    config: Mapping[str, Any]
    family: Family
    module: nn.Module
    source: TensorSource
    tokenizer: Tokenizer | None = None


def check_folder(opened: OpenedFolder) -> Tokenizer:
    """Make every check; returns the folder's tokenizer.

    Raises:
        ModelFolderError: a setting changes what the weights compute, the tokenizer is missing or
            does not fit, or an end mark is no id.
        CheckpointError: tensors are missing, unknown, or named in a way that must be repaired, or
            zero-points are not what their label says.
    """
    for check in (check_function, check_names, *TEXT_CHECKS, check_zero_labels):
        check(opened)
    if opened.tokenizer is None:  # one of the checks reads it, or raises
        raise AssertionError("the tokenizer was not read")
    return opened.tokenizer


def check_function(opened: OpenedFolder) -> None:
    """Refuse settings that change what the weights compute; see `function_fields`.

    Raises:
        ModelFolderError: there is one.
    """
    for error in function_fields(opened.folder, opened.config):
        raise error


def check_names(opened: OpenedFolder) -> None:
    """Compare the names of the tensors with the module's.

    Raises:
        CheckpointError: some are missing, or unknown.
    """
    folder, source, family = opened.folder, opened.source, opened.family
    expected = family.expected_names(opened.module)
    refuse_foreign_names(folder, expected, source.names())
    missing = sorted(expected - set(source.names()))
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} of {len(expected)} tensors, first {missing[0]}: "
            "copy the folder again"
        )
    own = set(opened.module.state_dict())
    strange = sorted(n for n in source.names() if n not in own and not family.may_ignore(n))
    if any(part in name for name in strange for part in _ADAPTER):
        raise CheckpointError(
            f"{folder} holds an adapter that was not merged, such as {strange[0]}: merge it into "
            "the weights with the tool that made it"
        )
    if strange:
        raise CheckpointError(
            f"{folder} holds {len(strange)} tensors that config.json does not know, first "
            f"{strange[0]}: restore the config.json that belongs to these weights"
        )


def check_tokenizer(opened: OpenedFolder) -> None:
    """Read the tokenizer and compare its ids with the vocabulary.

    Raises:
        ModelFolderError: it is missing, damaged, or has ids that the model lacks.
    """
    words = text_limits(opened.module).vocab_size
    opened.tokenizer = load_tokenizer(opened.folder, words, opened.family.byte_level)


def check_end_marks(opened: OpenedFolder) -> None:
    """Compare the end marks of generation_config.json with the vocabulary.

    Raises:
        ModelFolderError: one is no id of the vocabulary.
    """
    path = opened.folder / GENERATION_CONFIG_FILE
    ends = read_config(path).get("eos_token_id") if path.is_file() else None
    wrong = wrong_ids({"eos_token_id": ends}, text_limits(opened.module).vocab_size)
    if ends is not None and wrong:
        raise ModelFolderError(
            f"{path} names an end mark that the vocabulary lacks ({wrong[0]}): restore the file"
        )


def check_zero_labels(opened: OpenedFolder) -> None:
    """Look at some layers' codes for whether their zero-points are what their label says.

    Raises:
        CheckpointError: they are not, or a tensor cannot be read.
    """
    if not isinstance(opened.source, QuantizedSource) or not opened.source.layers:
        return
    layer = next(iter(opened.source.layers.values()))
    found = right_label(sampled_offsets(opened.source), layer.zero_offset)
    if found is not None:
        raise CheckpointError(
            f"{opened.folder}: {wrong_label(found)}: quantizer repair {opened.folder} OUT writes a "
            "copy with the right label"
        )


TEXT_CHECKS: tuple[Callable[[OpenedFolder], None], ...] = (check_tokenizer, check_end_marks)


def problems(
    opened: OpenedFolder, checks: tuple[Callable[[OpenedFolder], None], ...]
) -> Iterator[str]:
    """Say what each of some checks finds, for who goes on all the same."""
    for check in checks:
        try:
            check(opened)
        except (ModelFolderError, CheckpointError) as error:
            yield str(error)
