"""Reading a written folder back, to compare it with what was solved and with the source."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from models.files.checkpoint import CheckpointReader
from models.files.formats import OutputFormat
from models.int4.weight import QuantizedWeight
from quantizer.errors import OutputError
from quantizer.solvers.methods import Settings


def digest_of(weight: QuantizedWeight) -> str:
    """Hash a dequantized weight, to recognize it when it is read back."""
    return hashlib.sha256(weight.dequantize().cpu().numpy().tobytes()).hexdigest()


def verify(
    source: CheckpointReader,
    target: Path,
    digests: Mapping[str, str],
    settings: Settings,
    form: OutputFormat,
) -> None:
    """Read a written folder back and compare it with what was solved and with the source.

    digests: of the dequantized weight of every quantized layer, by name.

    Raises:
        OutputError: a tensor is missing or differs.
    """
    written = CheckpointReader(target)
    for name, digest in digests.items():
        tensors = {
            part: written.read(f"{name}.{part}") for part in form.tensor_names(sym=settings.sym)
        }
        weight = form.unpack(tensors, bits=settings.bits, group_size=settings.group_size)
        if digest_of(weight) != digest:
            raise OutputError(f"{name}: reads back differently from {target}; check the disk")
    for name in source.names():
        if name.removesuffix(".weight") in digests and name.endswith(".weight"):
            continue
        if name not in written or not _same(source.read(name), written.read(name)):
            raise OutputError(f"{name}: was not copied whole to {target}; check the disk")


def _same(one: Tensor, other: Tensor) -> bool:
    # Bytes rather than values: NaN in a source tensor is copied, not judged.
    return one.dtype == other.dtype and torch.equal(
        one.contiguous().view(-1).view(torch.uint8), other.contiguous().view(-1).view(torch.uint8)
    )
