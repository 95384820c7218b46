"""What a run will need, before a weight is read: tokens of every layer, memory, disk, time.

Arithmetic over the shapes that headers tell and over the calibration sequences. Sizes are bytes;
everything is computed in float32.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from models.blocks import Block, Sample
from models.checkpoint import MAX_SHARD_BYTES, CheckpointReader
from models.cogvlm2.blockwise import CogVLM2Blocks
from models.cogvlm2.decoder import Routing
from models.families import OpenedModel
from quantizer.calibration import CalibrationSet
from quantizer.errors import SettingsError
from quantizer.machine import Machine, Speed
from quantizer.solver import Settings
from quantizer.target import GAMMAS
from quantizer.walk import JUDGING_TOKENS, followed_tokens

SPARE_BYTES = 2**20
"""Room on the disk for headers, configuration, tokenizer and report."""

_FLOAT = 4
_TOO_FEW = 16  # with fewer than columns / 16 tokens a layer is rounded, see quantizer.solver


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


# Tokens: how many positions of a sequence reach a layer.


@dataclass(frozen=True, slots=True)
class SequenceShape:
    """One calibration sequence.

    tokens: positions by the kind of layer that they reach, see `kind_of`.
    sample: bytes before the first block; state: the most behind any block.
    """

    tokens: Mapping[str, int]
    sample: int
    state: int


def kind_of(layer: str) -> str:
    """The kind of tokens that a layer sees: of a CogVLM2 part, or all of them."""
    if layer.startswith("model.vision.transformer."):
        return "tower"
    if layer.startswith("model.vision.linear_proj."):
        return "adapter"
    for expert in ("vision", "language"):
        if f".{expert}_expert_" in layer or f".{expert}_mlp." in layer:
            return expert
    return "all"


def sequence_shape(opened: OpenedModel, sample: Sample) -> SequenceShape:
    """Count the tokens of a sequence as the model will see them."""
    ids: Tensor = sample["input_ids"]
    config: Any = opened.module.config
    sample_bytes = sum(v.nbytes for v in sample.values() if isinstance(v, Tensor))
    hidden = ids.numel() * config.hidden_size * _FLOAT
    if not isinstance(opened.blockwise, CogVLM2Blocks):
        return SequenceShape({"all": ids.numel()}, sample_bytes, hidden)
    vision = config.vision
    routing = Routing.from_token_types(sample["token_type_ids"])
    seen_by_vision = 0 if routing is None else routing.vision.numel()
    pictures = 0 if sample.get("pixels") is None else len(sample["pixels"])
    tokens = {
        "all": ids.numel(),
        "vision": seen_by_vision,
        "language": ids.numel() - seen_by_vision,
        "tower": pictures * vision.num_positions,
        "adapter": pictures * vision.grid**2 // 4,
    }
    patches = tokens["tower"] * vision.hidden_size * _FLOAT
    return SequenceShape(tokens, sample_bytes, max(patches, hidden) + 2 * ids.nbytes)


@dataclass(frozen=True, slots=True)
class CalibrationShape:
    """The sequences of a run, as `sequence_shape` describes them."""

    fitting: tuple[SequenceShape, ...] = ()
    held_out: tuple[SequenceShape, ...] = ()

    @classmethod
    def of(cls, opened: OpenedModel, calibration: CalibrationSet | None) -> "CalibrationShape":
        """Describe what was drawn."""
        if calibration is None:
            return cls()
        return cls(
            tuple(sequence_shape(opened, sample) for sample in calibration.fitting),
            tuple(sequence_shape(opened, sample) for sample in calibration.held_out),
        )

    @property
    def all(self) -> tuple[SequenceShape, ...]:
        """Both parts."""
        return (*self.fitting, *self.held_out)


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Layers that share one input: what they are and how they will be quantized.

    method: of the settings, or what the number of tokens makes of it.
    """

    layers: tuple[LinearShape, ...]
    tokens: int
    held_out_tokens: int
    method: str


def plan_group(
    layers: tuple[LinearShape, ...], calibration: CalibrationShape, settings: Settings
) -> GroupPlan:
    """Count a group's tokens and tell what the few-token rule will make of it."""
    kind = kind_of(layers[0].name)
    fit, judge = (
        sum(sequence.tokens[kind] for sequence in part)
        for part in (calibration.fitting, calibration.held_out)
    )
    columns = layers[0].in_features
    method: str = settings.method
    if method != "rtn" and fit * _TOO_FEW < columns:
        method = "rtn, too few tokens"
    elif method != "rtn" and fit < columns:
        method = f"{method}, judged by held-out error because tokens are few"
    return GroupPlan(layers, fit, judge, method)


# Memory: the parts of the peak.

Parts = dict[str, float]
"""Bytes by what they are for."""

_BLOCK = 128
"""Columns that the solvers work on at a time."""

# Peaks of quantizer.solver.solve beyond its arguments, counted with torch's own record of
# allocations (tests/quantizer/test_plan.py counts again). The phases compete; (a, b, c) stands
# for a float32 copies of the weight, b of the Hessian, and c of one block of 128 columns.
# The first is measuring a stage, the one with 6 Hessians is factorizing.
_PHASES: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "rtn": ((4.5, 0.0, 0.0),),
    "gptq": ((4.5, 1.0, 6.0), (0.5, 6.0, 0.0)),
    "rpiq": ((6.0, 1.0, 43.0), (0.8, 6.0, 0.0)),
}
_PHASES_OF = {"rtn": "rtn", "gptq": "gptq", "rpiq": "rpiq", "rpiq-paper": "rpiq"}
_STAGES = {"rtn": 1, "gptq": 2, "rpiq": 4, "rpiq-paper": 4}


def solver_bytes(layer: LinearShape, settings: Settings) -> float:
    """Peak workspace of one layer's solver."""
    weight, hessian = layer.count * _FLOAT, layer.in_features**2 * _FLOAT
    block = layer.out_features * min(_BLOCK, layer.in_features) * _FLOAT
    kind = _PHASES_OF[settings.method]
    peak = max(a * weight + b * hessian + c * block for a, b, c in _PHASES[kind])
    if kind == "rpiq":
        # Two matrices for every diagonal block stay from round to round.
        peak += 2 * _BLOCK * layer.in_features * _FLOAT
    return peak + _STAGES[settings.method] * _grid_bytes(layer, settings)


def solution_bytes(layer: LinearShape, settings: Settings) -> float:
    """What stays of a solved layer until its group is done: codes and grid of every stage."""
    return _STAGES[settings.method] * (layer.count + _grid_bytes(layer, settings))


def _grid_bytes(layer: LinearShape, settings: Settings) -> float:
    """Scales and zero-points of one stage."""
    return 2 * _FLOAT * layer.count / settings.group_size


def is_asymmetric(settings: Settings) -> bool:
    """Whether the full-precision network is walked beside the quantized one."""
    return settings.method == "rpiq" and settings.asymmetric_target != "0"


def gammas(settings: Settings) -> int:
    """How many targets every layer is solved for."""
    return len(GAMMAS) if is_asymmetric(settings) and settings.asymmetric_target == "auto" else 1


def block_moments(
    block: BlockShape, calibration: CalibrationShape, settings: Settings
) -> Iterator[Parts]:
    """What lies on the device at the moments of a block that may be its peak."""
    asymmetric = is_asymmetric(settings)
    weights = sum(layer.count for layer in block.linears) * _FLOAT
    standing = {"weights of one block": weights * (2 if asymmetric else 1)}
    finished = 0.0
    for layers in block.groups:
        hessian = layers[0].in_features ** 2 * _FLOAT
        kinds = 3 if asymmetric else 2  # for fitting, held out, between the two paths
        here = standing | {"finished layers of the block": finished}
        forward = activation_bytes(block, calibration)
        # The path that is run second holds the inputs of the first.
        longest = max((s.tokens[kind_of(layers[0].name)] for s in calibration.all), default=0)
        inputs = longest * layers[0].in_features * _FLOAT
        yield here | {"statistics": kinds * hessian, "activations": forward + 2 * inputs}
        yield here | {"statistics": 2 * kinds * hessian}  # sums, and the means made of them
        group = sum(layer.count for layer in layers) * _FLOAT
        solved = sum(solution_bytes(layer, settings) for layer in layers)
        kept = solved * (1 if gammas(settings) > 1 else 0)
        for layer in layers:
            target = layer.count * _FLOAT if asymmetric else 0
            others = solved - solution_bytes(layer, settings)
            yield here | {
                # With the correction of the target, where there is one.
                "statistics": (kinds + (1 if asymmetric else 0)) * hessian,
                "solver": solver_bytes(layer, settings) + group + target + kept + others,
            }
        finished += sum(layer.count + _grid_bytes(layer, settings) for layer in layers)


def activation_bytes(block: BlockShape, calibration: CalibrationShape) -> float:
    """Peak of one sequence's pass through a block.

    At the widest place three tensors of the hidden layer of the feed-forward part lie beside
    the residual, its norm and what the norm needs.
    """
    narrow = min(layer.in_features for layer in block.linears)
    wide = max(max(layer.out_features, layer.in_features) for layer in block.linears)
    kind = kind_of(block.linears[0].name)
    kind = kind if kind in ("tower", "adapter") else "all"  # experts share a sequence
    longest = max((sequence.tokens[kind] for sequence in calibration.all), default=0)
    return longest * (2.5 * narrow + 3 * wide) * _FLOAT


def state_bytes(calibration: CalibrationShape, settings: Settings, widest: int) -> float:
    """States of all sequences, and of those that the full-precision path follows beside them.

    widest: most inputs of any layer, which decides how many sequences are followed.
    """
    states = sum(max(s.sample, s.state) for s in calibration.all)
    states += max((s.state for s in calibration.all), default=0)  # one before and after a block
    if not is_asymmetric(settings):
        return states
    judging = _first(calibration.held_out, JUDGING_TOKENS)
    # The next states of the judging sequences are computed before the block is quantized.
    return states + sum(
        s.state
        for s in (
            *_first(calibration.fitting, followed_tokens(widest)),
            *judging,
            *judging,
        )
    )


def _first(sequences: Sequence[SequenceShape], tokens: int) -> Sequence[SequenceShape]:
    """The first sequences that hold at least so many tokens together."""
    total = 0
    for count, sequence in enumerate(sequences):
        if total >= tokens:
            return sequences[:count]
        total += sequence.tokens["all"]
    return sequences


def outer_moments(opened: OpenedModel, reader: CheckpointReader) -> tuple[float, float]:
    """Outer tensors as they stay on the device, and the largest as it is read and compared."""
    inside = tuple(f"{block.name}." for block in opened.blockwise.blocks())
    outer = [name for name in reader.names() if not name.startswith(inside)]
    used = set(opened.blockwise.outer_names())
    loaded = [name for name in outer if name in used and not name.startswith("lm_head.")]
    stays = sum(reader.size(name) // reader.dtype(name).itemsize * _FLOAT for name in loaded)
    return stays, max((reader.size(name) for name in outer), default=0)


# The plan.


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do and need.

    host, device: parts of the peak, by what they are for; device is empty on the CPU, where
        everything lies in host memory.
    output, work: bytes on the disk, of the result and of the unfinished work beside it.
    seconds:      expected, right within a factor of about two; None where nobody asked.
    """

    blocks: tuple[tuple[str, tuple[GroupPlan, ...]], ...]
    host: Parts
    device: Parts
    output: int
    work: int
    seconds: float | None
    machine: Machine

    @property
    def host_peak(self) -> float:
        """Bytes of the process at its peak."""
        return sum(self.host.values())

    @property
    def device_peak(self) -> float:
        """Bytes on the GPU at the peak."""
        return sum(self.device.values())

    def warnings(self) -> list[str]:
        """Layers that calibration will not serve as the settings ask."""
        told = []
        for _, groups in self.blocks:
            for group in groups:
                if group.method.startswith("rtn, "):
                    told.append(
                        f"{group.layers[0].name}: only {group.tokens} calibration tokens for "
                        f"{group.layers[0].in_features} columns: would be rounded to nearest"
                    )
        return told

    def check(self) -> None:
        """Refuse what cannot fit.

        Raises:
            SettingsError: naming what is needed, what there is, and the way out.
        """
        machine = self.machine
        smaller = "give fewer --samples, a shorter --seq-len"
        if machine.free_host is not None and self.host_peak - machine.base > machine.free_host:
            raise SettingsError(
                f"the run needs {megabytes(self.host_peak - machine.base)} MB of memory and "
                f"{megabytes(machine.free_host)} MB are free: {smaller}, or close other programs"
            )
        if machine.free_device is not None and self.device_peak > machine.free_device:
            raise SettingsError(
                f"the run needs {megabytes(self.device_peak)} MB on the GPU and "
                f"{megabytes(machine.free_device)} MB are free: {smaller}, or --device cpu"
            )
        disk = self.output + self.work + SPARE_BYTES
        if disk > machine.free_disk:
            raise SettingsError(
                f"the run needs {megabytes(disk)} MB of disk and "
                f"{megabytes(machine.free_disk)} MB are free: free more, or give another --out"
            )

    def to_dict(self) -> dict[str, Any]:
        """For machines; sizes in bytes."""
        return {
            "blocks": [
                {
                    "name": name,
                    "groups": [
                        {
                            "layers": [layer.name for layer in group.layers],
                            "shapes": [[x.out_features, x.in_features] for x in group.layers],
                            "method": group.method,
                            "tokens": group.tokens,
                            "held_out_tokens": group.held_out_tokens,
                        }
                        for group in groups
                    ],
                }
                for name, groups in self.blocks
            ],
            "host_bytes": {name: round(size) for name, size in self.host.items()},
            "host_peak_bytes": round(self.host_peak),
            "host_free_bytes": self.machine.free_host,
            "device_bytes": {name: round(size) for name, size in self.device.items()},
            "device_peak_bytes": round(self.device_peak),
            "device_free_bytes": self.machine.free_device,
            "output_bytes": self.output,
            "work_bytes": self.work,
            "disk_free_bytes": self.machine.free_disk,
            "seconds": None if self.seconds is None else round(self.seconds, 4),
        }


def make_plan(
    opened: OpenedModel,
    reader: CheckpointReader,
    calibration: CalibrationSet | None,
    settings: Settings,
    machine: Machine,
) -> Plan:
    """Work out what a run will need."""
    shape = CalibrationShape.of(opened, calibration)
    blocks = block_shapes(list(opened.blockwise.blocks()), reader)
    host, device = _peak(opened, reader, blocks, shape, settings, machine)
    shards = sum(shard_size(block, settings) for block in blocks)
    inside = tuple(f"{block.name}." for block in blocks)
    rest = sum(reader.size(name) for name in reader.names() if not name.startswith(inside))
    single = sum(reader.size(name) for name in reader.names()) <= MAX_SHARD_BYTES
    return Plan(
        blocks=tuple(
            (block.name, tuple(plan_group(group, shape, settings) for group in block.groups))
            for block in blocks
        ),
        host=host,
        device=device,
        output=shards + rest,
        # Blocks that become one file lie there twice while they are joined.
        work=shards if single else 0,
        seconds=None
        if machine.speed is None
        else sum(block_seconds(block, shape, settings, machine.speed) for block in blocks),
        machine=machine,
    )


def _peak(
    opened: OpenedModel,
    reader: CheckpointReader,
    blocks: Sequence[BlockShape],
    calibration: CalibrationShape,
    settings: Settings,
    machine: Machine,
) -> tuple[Parts, Parts]:
    """Parts of the peaks of host and device."""
    outer, largest = outer_moments(opened, reader)
    moments = [m for block in blocks for m in block_moments(block, calibration, settings)]
    # Sequences that were drawn are in the process already, and become states.
    drawn = sum(sequence.sample for sequence in calibration.all)
    widest = max(layer.in_features for block in blocks for layer in block.linears)
    standing: dict[str, float] = {
        "Python and libraries": machine.base - drawn,
        "calibration states": state_bytes(calibration, settings, widest),
    }
    on_device: dict[str, float] = {"outer tensors": outer if calibration.all else 0}
    # While outer tensors are loaded, and while the result is compared with the source.
    moments.append({"reading": largest})
    comparing = standing | {"calibration states": 0.0, "reading": 2.0 * largest}
    if machine.free_device is None:
        candidates = [standing | on_device | moment for moment in moments]
        return max([*candidates, comparing], key=_total), {}
    codes = max(sum(layer.count for layer in block.linears) for block in blocks)
    working = standing | {"finished layers of the block": 2.0 * codes}
    device = max((on_device | moment for moment in moments), key=_total)
    return max([working, comparing], key=_total), device


def _total(parts: Parts) -> float:
    return sum(parts.values())


# Time.


def block_seconds(
    block: BlockShape, calibration: CalibrationShape, settings: Settings, speed: Speed
) -> float:
    """Expected time of one block: large products, and walks over columns, at measured speeds."""
    fit, judge = (
        [sum(s.tokens[kind_of(g[0].name)] for s in part) for g in block.groups]
        for part in (calibration.fitting, calibration.held_out)
    )
    paths = 2 if is_asymmetric(settings) else 1
    passes = [2.0 * sum(layer.count for layer in group) for group in block.groups]
    products = walks = 0.0
    for index, group in enumerate(block.groups):
        columns = group[0].in_features
        tokens = fit[index] + judge[index]
        # Statistics run the block as far as this group; the last group's pass runs it whole.
        products += sum(passes[: index + 1]) * (paths * fit[index] + judge[index])
        products += 2.0 * columns**2 * (tokens + (paths - 1) * fit[index])
        if paths > 1:
            products += 2.0 * columns**3 + gammas(settings) * sum(passes) * judge[index]
        for layer in group:
            large, small = _solver_operations(layer, settings)
            products += gammas(settings) * large
            walks += gammas(settings) * small
    return products / speed.matmul + walks / speed.vector


def _solver_operations(layer: LinearShape, settings: Settings) -> tuple[float, float]:
    """Operations of one solver in large products, and in walks over columns."""
    square = float(layer.out_features) * layer.in_features**2
    judging = 4.0 * _STAGES[settings.method] * square
    if settings.method == "rtn":
        return judging, 0.0
    cubic = 4.0 / 3.0 * layer.in_features**3
    # Each column gathers the errors of the up to 128 before it.
    walk = 2.0 * 64 * layer.count
    if settings.method == "gptq":
        return judging + cubic + square, walk
    return judging + cubic + (3 + 2 * settings.rounds) * square, (1 + 2 * settings.rounds) * walk


def megabytes(size_bytes: float) -> str:
    """A size for people, in millions of bytes."""
    return f"{size_bytes / 1e6:.2f}" if size_bytes < 1e7 else f"{size_bytes / 1e6:.0f}"
