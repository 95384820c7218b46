"""What a run will need, before a weight is read: disk, memory, tokens of every layer, time.

Pure arithmetic over the shapes that headers tell; only `measure_speed` and `machine` ask the
machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.blocks import Block
from models.checkpoint import CheckpointReader
from quantizer.solver import Settings


@dataclass(frozen=True, slots=True)
class LinearShape:
    """One linear layer: name as the checkpoint has it, outputs, inputs."""

    name: str
    out_features: int
    in_features: int

    @property
    def count(self) -> int:
        """How many weights it has."""
        return self.out_features * self.in_features


@dataclass(frozen=True, slots=True)
class BlockShape:
    """One block as its headers describe it.

    groups: layers that share one input, in execution order.
    others: bytes in the source of every tensor that is copied, by name.
    """

    name: str
    groups: tuple[tuple[LinearShape, ...], ...]
    others: Mapping[str, int]

    @property
    def linears(self) -> tuple[LinearShape, ...]:
        """All its linear layers."""
        return tuple(linear for group in self.groups for linear in group)


def block_shapes(blocks: Sequence[Block], reader: CheckpointReader) -> list[BlockShape]:
    """Describe every block by the checkpoint's headers."""
    shapes = []
    for block in blocks:
        groups = tuple(
            tuple(_linear_shape(f"{block.name}.{name}", reader) for name in group)
            for group in block.groups
        )
        taken = {f"{linear.name}.weight" for group in groups for linear in group}
        others = {
            name: reader.size(name)
            for name in reader.names()
            if name.startswith(f"{block.name}.") and name not in taken
        }
        shapes.append(BlockShape(block.name, groups, others))
    return shapes


def _linear_shape(name: str, reader: CheckpointReader) -> LinearShape:
    out_features, in_features = reader.shape(f"{name}.weight")
    return LinearShape(name, out_features, in_features)


def packed_size(linear: LinearShape, settings: Settings) -> int:
    """Bytes of a layer in its file: packed codes and zero-points, fp16 scales, int32 g_idx."""
    groups = -(-linear.in_features // settings.group_size) * linear.out_features
    codes = settings.bits * (linear.count + groups) // 8
    return codes + 2 * groups + 4 * linear.in_features


def shard_size(block: BlockShape, settings: Settings) -> int:
    """Bytes of a finished block's tensors in its file."""
    packed = sum(packed_size(linear, settings) for linear in block.linears)
    return packed + sum(block.others.values())


def megabytes(size_bytes: float) -> str:
    """A size for people, in millions of bytes."""
    return f"{size_bytes / 1e6:.2f}" if size_bytes < 1e7 else f"{size_bytes / 1e6:.0f}"
