"""A plan for people: every figure on a line of its own, blocks that are alike told once."""

from collections.abc import Sequence

from quantizer.plan.buffers import Moment, Parts
from quantizer.plan.plan import LARGEST_BUFFERS, GroupPlan, Plan, megabytes


def plan_text(plan: Plan, warnings: Sequence[str]) -> str:
    """The plan as labelled lines."""
    lines = [f"blocks: {len(plan.blocks)}"]
    for first, last, groups in _runs(plan):
        lines.append(f"{first}:" if first == last else f"{first} to {last}, each:")
        lines += [f"  {_group(group)}" for group in groups]
    lines += _memory("host memory", plan.host, plan.host_at, plan.machine.free_host)
    if plan.device_at is not None:
        lines += _memory("GPU memory", plan.device, plan.device_at, plan.machine.free_device)
    lines += _ranks(plan)
    usual = plan.device_peak if plan.device else plan.host_peak
    if plan.double_peak > usual:
        lines.append(
            f"  {megabytes(plan.double_peak)} MB if a Hessian can be factorized in float64 only"
        )
    lines.append(
        f"disk: {megabytes(plan.output)} MB for the result and {megabytes(plan.work)} MB beside "
        f"it while it is put together; {megabytes(plan.machine.free_disk)} MB are free"
    )
    if plan.seconds is not None:
        each = plan.seconds / max(len(plan.blocks), 1)
        lines.append(
            f"time: about {_duration(plan.seconds)}, {_duration(each)} a block; "
            "half or twice as much is possible, and more beside other programs"
        )
        named = sorted((plan.times or {}).items(), key=lambda part: -part[1])
        told = [f"{name} {_duration(seconds)}" for name, seconds in named if seconds]
        lines.append(f"  most of it in {', '.join(told)}")
    lines += [f"warning: {text}" for text in warnings]
    return "\n".join(lines)


def _ranks(plan: Plan) -> list[str]:
    """What each of several ranks holds; the memory above is that of rank 0."""
    if not plan.ranks:
        return []
    lines = [f"ranks: {len(plan.ranks)}, together {megabytes(plan.host_needed)} MB more of memory"]
    for rank, one in enumerate(plan.ranks):
        card = f" and {megabytes(one.device_peak)} MB on its GPU" if one.device_peak else ""
        lines.append(
            f"  rank {rank}: {one.fitting} sequences and {one.held_out} held out, solves "
            f"{one.layers} layers, at most {megabytes(one.host_peak)} MB{card}"
        )
    return [*lines, f"  {megabytes(plan.carried)} MB go from rank to rank"]


def _runs(plan: Plan) -> list[tuple[str, str, tuple[GroupPlan, ...]]]:
    """Neighbouring blocks whose groups differ in nothing but the block's name."""
    runs: list[tuple[str, str, tuple[GroupPlan, ...]]] = []
    for name, groups in plan.blocks:
        described = [_group(group) for group in groups]
        if runs and [_group(group) for group in runs[-1][2]] == described:
            runs[-1] = (runs[-1][0], name, runs[-1][2])
        else:
            runs.append((name, name, groups))
    return runs


def _group(group: GroupPlan) -> str:
    layers = ", ".join(
        f"{_short(layer.name)} {layer.out_features}x{layer.in_features}" for layer in group.layers
    )
    return f"{layers}: {group.method}, {group.tokens} tokens and {group.held_out_tokens} held out"


def _short(layer: str) -> str:
    """A layer's name behind the number of its block."""
    parts = layer.split(".")
    numbers = [index for index, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[numbers[-1] + 1 :]) if numbers else parts[-1]


def _memory(what: str, parts: Parts, moment: Moment, free: int | None) -> list[str]:
    room = "" if free is None else f"; {megabytes(free)} MB are free"
    lines = [f"{what} at the peak: {megabytes(sum(parts.values()))} MB{room}"]
    lines += [f"  {name}: {megabytes(size)} MB" for name, size in parts.items() if size]
    largest = [f"{x.name} {megabytes(x.size)} MB" for x in moment.largest(LARGEST_BUFFERS)]
    return [*lines, f"  reached at {moment.name}; largest: {', '.join(largest)}"]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
