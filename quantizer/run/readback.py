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

_HASHED_TOGETHER = 1 << 24  # codes


def digest_of(weight: QuantizedWeight) -> str:
    """Hash a weight, to recognize it when it is read back.

    Its codes count from their zero-points, as formats store those differently: a byte a weight,
    where the dequantized weight has four.
    """
    small = torch.int8 if weight.bits < 8 else torch.int16
    hashed = hashlib.sha256()
    # Some outputs at a time: a head has one for every word.
    step = max(1, _HASHED_TOGETHER // weight.shape[1])
    for start in range(0, len(weight.codes), step):
        rows = slice(start, start + step)
        zero = weight.zero[rows].to(torch.int16).repeat_interleave(weight.group_size, dim=1)
        codes = weight.codes[rows].to(torch.int16) - zero[:, : weight.shape[1]]
        hashed.update(codes.to(small).cpu().numpy().tobytes())
    hashed.update(weight.scale.cpu().numpy().tobytes())
    return hashed.hexdigest()


def verify(
    source: CheckpointReader,
    target: Path,
    digests: Mapping[str, str],
    settings: Settings,
    form: OutputFormat,
    others: Mapping[str, Settings] | None = None,
) -> None:
    """Read a written folder back and compare it with what was solved and with the source.

    digests: of the weight of every quantized layer, by name.
    others:  settings of those layers that have their own.

    Raises:
        OutputError: a tensor is missing or differs.
    """
    written = CheckpointReader(target)
    for name, digest in digests.items():
        own = (others or {}).get(name, settings)
        tensors = {part: written.read(f"{name}.{part}") for part in form.tensor_names(sym=own.sym)}
        weight = form.unpack(tensors, bits=own.bits, group_size=own.group_size)
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
