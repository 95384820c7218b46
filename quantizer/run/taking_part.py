"""What every rank of a run does: prepare the job, agree on it, and walk.

What the writer alone does stands in ``quantizer.run.pipeline``.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from quantizer.exporting.export import GGUF, bytes_of
from quantizer.plan.machine import exact_float32, look_at_machine, trim_heap
from quantizer.plan.plan import Plan, make_plan, state_dtype_of
from quantizer.run.fingerprint import fingerprint
from quantizer.run.job import Job, Prepared, prepare
from quantizer.run.progress import size_of_work
from quantizer.run.ranks import WRITER, Ranks, Relayed, in_step, require_same
from quantizer.run.walk import Walk
from quantizer.run.walked import Progress


def assist(job: Job, ranks: Ranks) -> None:
    """Take part in a run that another rank writes.

    Raises:
        QuantizerError, ModelsError: see ``run``.
        RankError: another rank has ended.
    """
    prepared, plan, _ = begin(job, ranks)
    blocks_missing: bool = ranks.share(None, WRITER)
    if not blocks_missing:
        return
    walk = walk_of(job, prepared, plan, ranks)
    with torch.no_grad(), exact_float32():
        for block in walk.run(prepared.calibration, Relayed(ranks)):
            del block
            trim_heap()
    ranks.gather(None)  # nobody leaves before all are done


def begin(job: Job, ranks: Ranks) -> tuple[Prepared, Plan, dict[str, Any]]:
    """Prepare a job on every rank, and make sure that all prepare the same.

    Returns it with the plan for this rank and with what decides the bytes of its result.

    Raises:
        QuantizerError, ModelsError: see ``prepare``.
        SettingsError: the machine has too little memory or disk, or ranks see different files.
        RankError: another rank raised one of these.
    """

    def own() -> tuple[Prepared, Plan, dict[str, Any]]:
        prepared = prepare(job)
        plan = plan_job(job, prepared, ranks=ranks.size)
        plan.check()
        return prepared, plan, fingerprint(job, prepared)

    prepared, plan, decisive = in_step(ranks, own)
    require_same(ranks, decisive)
    return prepared, plan, decisive


def plan_job(job: Job, prepared: Prepared, *, speed: bool = False, ranks: int = 1) -> Plan:
    """Work out what a job will need; ``speed`` adds how long it will take.

    ranks: how many processes share it.
    """
    machine = look_at_machine(job.device, job.out, speed=speed)
    # What an interrupted run left counts as room, because it is continued or thrown away.
    machine = replace(machine, free_disk=machine.free_disk + size_of_work(job.out))
    plan = make_plan(
        prepared.opened,
        prepared.reader,
        prepared.calibration,
        job.rules,
        machine,
        ranks,
        prepared.head,
    )
    if job.form != GGUF:
        return plan
    blocks = job.rules.blocks(prepared.opened.blockwise)
    quantized = {f"{b.name}.{name}" for b in blocks for group in b.groups for name in group}
    size = bytes_of(prepared.reader, quantized, job.settings.bits)
    if prepared.head is not None:  # a byte a weight at most, and no copy is saved
        size += prepared.head.shape.count * 9 // 8
    return replace(plan, output=plan.output + size)


def walk_of(
    job: Job,
    prepared: Prepared,
    plan: Plan,
    ranks: Ranks,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Walk:
    """The walk of one rank; its states are stored alike on all."""
    return Walk(
        prepared.opened,
        prepared.reader,
        job.rules,
        device=job.device,
        head=prepared.head,
        state_dtype=state_dtype_of(prepared.opened, prepared.calibration, job.rules),
        allow_uncalibrated=job.allow_uncalibrated,
        on_progress=on_progress,
        ranks=ranks,
        states_on_card=plan.states_on_card,
        rooms=plan.rooms,
    )
