"""Load a whole model folder of any family for use, full precision or int4."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.errors import CheckpointError, ModelFolderError
from models.families import (
    Family,
    build_as_stored,
    family_of,
    open_weights,
    refuse_foreign_names,
)
from models.families.family import ReadsStepByStep
from models.families.validity import GENERATION_CONFIG_FILE, OpenedFolder, check_folder
from models.files.checkpoint import (
    QUANTIZE_CONFIG_FILE,
    CheckpointReader,
    QuantizationConfig,
    read_config,
)
from models.files.config_values import wrong_ids
from models.files.formats import read_quantization
from models.files.gguf import refuse_gguf
from models.files.judging import judge_fit, judge_tensor, pieces_of, refuse
from models.files.quantized_source import QuantizedSource, TensorSource
from models.int4 import Int4Linear, replace_linear
from models.int4.trust import check_kernels
from models.text.reading import STEP

log = logging.getLogger(__name__)

# Scales are compared with the file, and upstream's rotary tables depend on the stored dtype.
_KEPT_AS_STORED = (".scales", ".inv_freq")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready for use.

    model:        in evaluation mode, without gradients, on one device.
    family:       its name, such as "llama" or "cogvlm2".
    quantization: None for a full-precision model.
    """

    model: nn.Module
    tokenizer: Tokenizer
    family: str
    quantization: QuantizationConfig | None
    folder: Path


def load_model(
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    go_on: Callable[[], None] = lambda: None,
) -> LoadedModel:
    """Load a model folder; nothing is ever fetched from elsewhere.

    dtype: floating tensors are cast to it; packed int4 tensors stay as they are.
    go_on: called before each tensor is read, and before each int4 layer is made ready; what it
        raises gives the model up.

    Raises:
        ModelFolderError: a file of the folder is missing or cannot be used.
        CheckpointError: a weight file is damaged, or weights and config.json do not fit.
    """
    refuse_gguf(folder)
    if not folder.is_dir():
        raise ModelFolderError(f"{folder} is no folder: give the folder of a model")
    config = with_end_marks(folder, read_config(folder / "config.json"))
    family = family_of(config)
    quantization = read_quantization_of(folder, config.get("quantization_config"))
    stored = open_weights(folder, family, config)
    module, config, notes = build_as_stored(family, config, stored.entries())
    for note in notes:
        log.warning("%s: %s", folder, note)
    refuse_foreign_names(folder, family.expected_names(module), stored.names())
    reader = open_source(stored, quantization)
    if isinstance(reader, QuantizedSource):
        insert_int4_layers(family, module, reader)
    tokenizer = check_folder(OpenedFolder(folder, config, family, module, reader))
    own = frozenset(module.state_dict())
    used = [name for name in reader.names() if name in own]
    target = torch.device(device)
    load_tensors(module, _Judged(reader, go_on), used, device=target, dtype=dtype)
    family.complete(module, target)
    for layer in module.modules():
        if isinstance(layer, Int4Linear):
            layer.check()
    module.to(target).eval().requires_grad_(False)
    check_kernels(module)
    for layer in module.modules():
        if isinstance(layer, Int4Linear):
            go_on()
            layer.prepare()
    if isinstance(family, ReadsStepByStep):
        setattr(module, STEP, family.reading_step(module))
    log.info("loaded %s from %s", family.name, folder)
    return LoadedModel(module, tokenizer, family.name, quantization, folder)


def load_tensors(
    module: nn.Module,
    reader: TensorSource,
    names: Iterable[str],
    *,
    prefix: str = "",
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> None:
    """Replace tensors of a module, on the meta device or not, by those of a checkpoint.

    names:  names in the checkpoint.
    prefix: what stands before a name of the module, with its dot: ``model.layers.3.``.
    dtype:  floating tensors are cast to it; None keeps the stored dtype.

    Raises:
        CheckpointError: a tensor is missing or of another shape than in the module.
    """
    names = list(names)
    check_shapes(module, reader, names, prefix=prefix)
    state: dict[str, Tensor] = {}
    for name in names:
        tensor = reader.read(name)
        cast = dtype if dtype and tensor.is_floating_point() else None
        if name.endswith(_KEPT_AS_STORED):
            cast = None
        state[name.removeprefix(prefix)] = tensor.to(device=device, dtype=cast)
    module.load_state_dict(state, strict=False, assign=True)


class _Judged:
    """Tensors of a folder whose values are judged as they are read, so that none is read twice."""

    def __init__(
        self, source: CheckpointReader | QuantizedSource, go_on: Callable[[], None]
    ) -> None:
        self._source, self._go_on = source, go_on
        self.folder = source.folder
        self.names, self.shape, self.dtype = source.names, source.shape, source.dtype

    def __contains__(self, name: object) -> bool:
        return name in self._source

    def read(self, name: str) -> Tensor:
        """Read one tensor to the CPU.

        Raises:
            CheckpointError: it cannot be read, or holds NaN or infinity.
        """
        self._go_on()
        tensor = self._source.read(name)
        refuse(judge_tensor(self._source.file(name), name, pieces_of(tensor)))
        return tensor


def check_shapes(
    module: nn.Module, reader: TensorSource, names: Iterable[str], *, prefix: str = ""
) -> None:
    """Compare tensors of a checkpoint with a module by their headers alone.

    Raises:
        CheckpointError: a tensor is missing, of another shape than in the module, or holds
            whole numbers where the module has fractions.
    """
    refuse(judge_fit(module.state_dict(), reader, names, prefix=prefix))


def with_end_marks(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Let generation_config.json say which tokens end an answer, as transformers does.

    Of its other fields none is used: answers are greedy, and how long they get is for the caller.
    """
    path = folder / GENERATION_CONFIG_FILE
    ends = read_config(path).get("eos_token_id") if path.is_file() else None
    if ends is None:
        return config
    words = config.get("vocab_size")
    if type(words) is int and _is_wrong(config.get("eos_token_id"), words):
        return config  # which its family refuses; the other file would hide it
    wrong = wrong_ids({"eos_token_id": ends}, words) if type(words) is int else []
    if wrong:  # before the family meets it, which would blame config.json
        raise ModelFolderError(
            f"{path} names an end mark that the vocabulary lacks ({wrong[0]}): restore the file"
        )
    return config | {"eos_token_id": ends}


def _is_wrong(ends: object, words: int) -> bool:
    return ends is not None and bool(wrong_ids({"eos_token_id": ends}, words))


def read_quantization_of(folder: Path, inline: object) -> QuantizationConfig | None:
    """Read quantization_config of config.json, or quantize_config.json of older tools."""
    path = folder / QUANTIZE_CONFIG_FILE
    if isinstance(inline, dict):
        return read_quantization(inline)
    return read_quantization(read_config(path)) if path.is_file() else None


def open_source(
    reader: CheckpointReader, config: QuantizationConfig | None
) -> CheckpointReader | QuantizedSource:
    """Present packed weights of any readable form as the tensors of `Int4Linear`."""
    folder = reader.folder
    packed = any(name.endswith((".qweight", ".weight_packed")) for name in reader.names())
    if packed and config is None:
        raise ModelFolderError(
            f"{folder} holds int4 weights but neither config.json nor {QUANTIZE_CONFIG_FILE} says "
            "how they were quantized: restore that file"
        )
    if config is None:
        return reader
    source = QuantizedSource(reader, config)
    if not source.layers:
        raise ModelFolderError(
            f"{folder} is said to be quantized but holds no packed weights: restore its files"
        )
    return source


def insert_int4_layers(family: Family, module: nn.Module, source: QuantizedSource) -> None:
    """Put an empty `Int4Linear` wherever the checkpoint holds packed codes.

    Raises:
        CheckpointError: the codes are those of a layer that is never packed here.
    """
    tables = {name for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    for name, stored in source.layers.items():
        if name == "lm_head" and family.name == "cogvlm2":
            raise CheckpointError(
                "lm_head is quantized, which CogVLM2 cannot use: "
                "quantize the model again and leave lm_head out"
            )
        if name in tables:
            raise CheckpointError(
                f"{source.folder} holds a quantized embedding ({name}), which is not read here: "
                "quantize the model again and leave the embedding out"
            )
        with torch.device("meta"):
            layer = Int4Linear(
                stored.in_features,
                stored.out_features,
                stored.group_size,
                f"{name}.bias" in source,
                stored.bits,
                zero_offset=stored.zero_offset,
                ordered=stored.input_order is not None,
            )
        replace_linear(module, name, layer)
