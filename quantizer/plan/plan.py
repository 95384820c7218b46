"""What a run will need, before a weight is read: tokens of every layer, memory, disk, time.

Arithmetic over the shapes that headers tell and over the calibration sequences. Sizes are bytes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from models.families import OpenedModel
from models.files.checkpoint import MAX_SHARD_BYTES, CheckpointReader
from quantizer.calibration.streams import CalibrationSet
from quantizer.errors import Naming, SettingsError
from quantizer.plan.buffers import Moment, Parts
from quantizer.plan.dealing import deal_group
from quantizer.plan.importance import importance_work
from quantizer.plan.lm_head import Peaks, head_recipe, head_work, with_head
from quantizer.plan.machine import Machine
from quantizer.plan.memory import state_dtype
from quantizer.plan.peaks import PlannedRun, device_peak, host_peak, rooms
from quantizer.plan.time import block_work, starting_work
from quantizer.plan.workload import (
    BlockShape,
    CalibrationShape,
    LinearShape,
    block_shapes,
    shard_size,
)
from quantizer.recipes.recipe import Recipe
from quantizer.run.following import widest_layer
from quantizer.run.lm_head import LM_HEAD, Head
from quantizer.solvers.few_tokens import too_few

SPARE_BYTES = 2**20
"""Room on the disk for headers, configuration, tokenizer and report."""


LARGEST_BUFFERS = 5
"""How many buffers of the peak are told."""


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
    layers: tuple[LinearShape, ...], calibration: CalibrationShape, recipe: Recipe
) -> GroupPlan:
    """Count a group's tokens and tell what the few-token rule will make of it."""
    name = layers[0].name
    fit, judge = calibration.tokens(name, recipe.rule(name).stream)
    columns = layers[0].in_features
    method: str = recipe.settings_of(name).method
    if method != "rtn" and too_few(fit, columns):
        method = "rtn, too few tokens"
    elif method not in ("rtn", "rpiq-paper") and fit < columns:
        method = f"{method}, judged by held-out error because tokens are few"
    return GroupPlan(layers, fit, judge, method)


@dataclass(frozen=True, slots=True)
class RankPlan:
    """What one of several ranks holds.

    fitting, held_out: sequences. layers: that it solves. host_peak, device_peak: bytes.
    """

    fitting: int
    held_out: int
    layers: int
    host_peak: float
    device_peak: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do and need; with several ranks, what rank 0 does, who never has less.

    host, device: parts of the peak, by what they are for; device is empty on the CPU, where
        everything lies in host memory.
    host_at, device_at: what is held at the peak, tensor by tensor; device_at is None on the CPU.
    double_peak: bytes at the peak of what computes, host or device, if Hessians can be factorized
        in float64 only.
    output, work: bytes on the disk, of the result and of the unfinished work beside it.
    times:        expected seconds by kind of work; None where nobody asked.
    ranks:        what each of several ranks holds; empty for one process alone.
    carried:      bytes that go from rank to rank.
    states_on_card: whether the states stay on the card between blocks, as there is room.
    rooms: bytes of the card for what passes of a block keep for later ones, by the block.
    """

    blocks: tuple[tuple[str, tuple[GroupPlan, ...]], ...]
    host: Parts
    device: Parts
    host_at: Moment
    device_at: Moment | None
    double_peak: float
    output: int
    work: int
    times: Parts | None
    machine: Machine
    ranks: tuple[RankPlan, ...] = ()
    carried: float = 0.0
    states_on_card: bool = False
    rooms: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """Expected, right within a factor of about two; None where nobody asked."""
        return None if self.times is None else sum(self.times.values())

    @property
    def host_peak(self) -> float:
        """Bytes of the process at its peak."""
        return sum(self.host.values())

    @property
    def device_peak(self) -> float:
        """Bytes on the GPU at the peak."""
        return sum(self.device.values())

    @property
    def host_needed(self) -> float:
        """Bytes that all processes of the run will take beyond what each has now."""
        peaks = [one.host_peak for one in self.ranks] or [self.host_peak]
        return sum(peaks) - len(peaks) * self.machine.base

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

        def smaller(name: Naming) -> str:
            return f"give fewer {name('samples')}, a shorter {name('seq_len')}"

        if machine.free_host is not None and self.host_needed > machine.free_host:
            fewer = ", fewer ranks" if self.ranks else ""
            raise SettingsError(
                lambda name: (
                    f"the run needs {megabytes(self.host_needed)} MB of memory and "
                    f"{megabytes(machine.free_host or 0)} MB are free: {smaller(name)}{fewer}, or "
                    "close other programs"
                )
            )
        if machine.free_device is not None and self.device_peak > machine.free_device:
            raise SettingsError(
                lambda name: (
                    f"the run needs {megabytes(self.device_peak)} MB on the GPU and "
                    f"{megabytes(machine.free_device or 0)} MB are free: {smaller(name)}, or "
                    f"{name('device')} cpu"
                )
            )
        disk = self.output + self.work + SPARE_BYTES
        if disk > machine.free_disk:
            raise SettingsError(
                lambda name: (
                    f"the run needs {megabytes(disk)} MB of disk and "
                    f"{megabytes(machine.free_disk)} MB are free: free more, or give another "
                    f"{name('out')}"
                )
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
            "host_limit": _limit(self.host_at),
            "device_limit": None if self.device_at is None else _limit(self.device_at),
            "double_peak_bytes": round(self.double_peak),
            "output_bytes": self.output,
            "work_bytes": self.work,
            "disk_free_bytes": self.machine.free_disk,
            "ranks": [asdict(one) for one in self.ranks],
            "carried_bytes": round(self.carried),
            "seconds": None if self.seconds is None else round(self.seconds, 4),
            "seconds_by_work": None
            if self.times is None
            else {name: round(seconds, 4) for name, seconds in self.times.items() if seconds},
        }


def _limit(moment: Moment) -> dict[str, Any]:
    """The moment of a peak and its largest buffers, for machines; sizes in bytes."""
    return {
        "moment": moment.name,
        "largest": [
            {"part": buffer.part, "name": buffer.name, "bytes": round(buffer.size)}
            for buffer in moment.largest(LARGEST_BUFFERS)
        ],
    }


def make_plan(
    opened: OpenedModel,
    reader: CheckpointReader,
    calibration: CalibrationSet | None,
    recipe: Recipe,
    machine: Machine,
    ranks: int = 1,
    head: Head | None = None,
) -> Plan:
    """Work out what a run will need; of several ranks, ``machine`` describes one process.

    head: where it is quantized, too.
    """
    shape = CalibrationShape.of(opened, calibration)
    return plan_shapes(opened, reader, shape, recipe, machine, ranks, head)


def plan_shapes(
    opened: OpenedModel,
    reader: CheckpointReader,
    shape: CalibrationShape,
    recipe: Recipe,
    machine: Machine,
    ranks: int = 1,
    head: Head | None = None,
) -> Plan:
    """Work out what a run with calibration sequences of these shapes will need."""
    blocks = block_shapes(list(opened.blockwise.blocks()), reader, recipe)
    followed = shape.followed(recipe, widest_layer(opened, recipe))
    peaks = [
        _peaks(opened, reader, blocks, shape, followed, recipe, machine, (rank, ranks))
        for rank in range(ranks)
    ]
    if head is not None:
        peaks = [with_head(one, head, machine, reader.size(head.source)) for one in peaks]
    host, device, double, own = peaks[0]
    shards = sum(shard_size(block, recipe.base) for block in blocks)
    inside = tuple(f"{block.name}." for block in blocks)
    if head is not None:
        shards += head.packed_bytes
        inside = (*inside, f"{LM_HEAD}.")
    rest = sum(reader.size(name) for name in reader.names() if not name.startswith(inside))
    work = starting_work(own.calibration, on_card=own.on_card)
    places: Counter[tuple[str, ...]] = Counter()
    for block in blocks if machine.speed is not None or ranks > 1 else ():
        kind = tuple(layers[0].name.removeprefix(block.name) for layers in block.groups)
        place = places[kind]
        work.add(
            block_work(
                block,
                own.calibration,
                own.followed,
                recipe,
                ranks,
                place=place,
                on_card=own.on_card,
                room=own.rooms.get(block.name, 0.0),
            )
        )
        places[kind] += 1
    if head is not None:
        work.add(head_work(head, own.calibration))
    if recipe.weighs_tokens and own.calibration.all and (machine.speed is not None or ranks > 1):
        last = own.outer.head
        work.add(importance_work(blocks, own.calibration, last, on_card=own.on_card))
    single = sum(reader.size(name) for name in reader.names()) <= MAX_SHARD_BYTES
    return Plan(
        blocks=tuple(
            (block.name, tuple(plan_group(group, shape, recipe) for group in block.groups))
            for block in blocks
        )
        + (() if head is None else _head_plan(head, shape)),
        host=host.parts,
        device={} if device is None else device.parts,
        host_at=host,
        device_at=device,
        double_peak=double,
        output=shards + rest,
        # Blocks that become one file lie there twice while they are joined.
        work=shards if single else 0,
        times=None if machine.speed is None else work.times(machine.speed),
        machine=machine,
        ranks=() if ranks == 1 else _rank_plans(peaks, blocks, shape, followed, recipe),
        carried=work.carried,
        states_on_card=own.on_card,
        rooms=own.rooms,
    )


def _head_plan(
    head: Head, shape: CalibrationShape
) -> tuple[tuple[str, tuple[GroupPlan, ...]], ...]:
    """The head as the last block."""
    return ((LM_HEAD, (plan_group((head.shape,), shape, head_recipe(head)),)),)


def _peaks(
    opened: OpenedModel,
    reader: CheckpointReader,
    blocks: list[BlockShape],
    shape: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
    machine: Machine,
    place: tuple[int, int],
) -> Peaks:
    """place: the rank, and how many there are."""
    own = shape.held(followed, *place).at_least_one_of(shape)
    own_followed = followed.held(followed, *place).at_least_one_of(followed)
    # Every rank draws all sequences and lets those of the others go.
    drawn = sum(s.sample for s in shape.all) - sum(s.sample for s in own.all)
    machine = replace(machine, base=machine.base - drawn)
    run = PlannedRun.of(opened, reader, blocks, own, own_followed, recipe, place[1], shape)
    if machine.free_device is None:
        return host_peak(run, machine), None, host_peak(run, machine, double=True).size, run
    # States that fit stay where they are computed: carrying them took a sixteenth of the time.
    staying = replace(run, on_card=True)
    if device_peak(staying, double=True).size <= machine.free_device:
        run = staying
    run = replace(run, rooms=rooms(run, machine.free_device))
    return host_peak(run, machine), device_peak(run), device_peak(run, double=True).size, run


def _rank_plans(
    peaks: list[Peaks],
    blocks: list[BlockShape],
    shape: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
) -> tuple[RankPlan, ...]:
    """What each of several ranks holds."""
    size = len(peaks)
    owners = [
        owner
        for block in blocks
        for group in block.groups
        for owner in deal_group(group, recipe.settings_of(group[0].name), size).layers.values()
    ]
    held = [shape.held(followed, rank, size) for rank in range(size)]
    return tuple(
        RankPlan(
            len(held[rank].fitting),
            len(held[rank].held_out),
            owners.count(rank),
            round(host.size),
            0 if device is None else round(device.size),
        )
        for rank, (host, device, _, _) in enumerate(peaks)
    )


def state_dtype_of(
    opened: OpenedModel, calibration: CalibrationSet | None, recipe: Recipe
) -> torch.dtype:
    """How a run stores states between blocks, see `state_dtype`."""
    shape = CalibrationShape.of(opened, calibration)
    return state_dtype(shape, shape.followed(recipe, widest_layer(opened, recipe)))


def megabytes(size_bytes: float) -> str:
    """A size for people, in millions of bytes."""
    return f"{size_bytes / 1e6:.2f}" if size_bytes < 1e7 else f"{size_bytes / 1e6:.0f}"
