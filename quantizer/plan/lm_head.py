"""What a quantized head adds to a run, which solves it behind all blocks, a part at a time.

Counted from ``quantizer.run.lm_head``. Sizes are bytes.
"""

from collections.abc import Callable
from dataclasses import replace

from quantizer.plan.buffers import FINISHED, READING, Buffer, Moment
from quantizer.plan.machine import Machine
from quantizer.plan.peaks import PlannedRun, device_peak, host_peak
from quantizer.plan.solving import LayerBytes
from quantizer.plan.work import Work, solver_work
from quantizer.plan.workload import BlockShape, CalibrationShape, LinearShape, Step
from quantizer.recipes.recipe import Recipe, Rule
from quantizer.run.lm_head import LM_HEAD, Head
from quantizer.solvers.hessian import hessian_products

Peaks = tuple[Moment, Moment | None, float, PlannedRun]
"""Of one rank: on the host, on a card, where float64 must factorize, and what it does."""


def head_recipe(head: Head) -> Recipe:
    """The head's settings, as they are asked for everywhere else."""
    return Recipe(LM_HEAD, (Rule(LM_HEAD, head.settings),))


def head_work(head: Head, calibration: CalibrationShape) -> Work:
    """Products of its inputs, and its solver.

    calibration: the sequences of the rank that solves it.
    """
    work = solver_work(head.shape, head.settings)
    tokens = sum(calibration.tokens(LM_HEAD))
    work.products += hessian_products(head.shape.in_features) * tokens
    return work


def with_head(peaks: Peaks, head: Head, machine: Machine, stored: int) -> Peaks:
    """The peaks of a rank that also quantizes a head.

    stored: bytes of the head in the source.
    """
    host, device, double, run = peaks
    part = LinearShape(LM_HEAD, head.part, head.shape.in_features)
    largest = stored * head.part // head.shape.out_features
    block = BlockShape(LM_HEAD, ((part,),), (), {}, (Step((part,), None),), largest)
    own = replace(run, blocks=(block,), followed=CalibrationShape(), recipe=head_recipe(head))
    sizes = LayerBytes.of(head.shape, head.settings)
    # Reading it back takes less: its words, and its codes twice while they are put in order.
    beside = [
        Buffer(READING, "the head as it is stored", float(stored)),
        Buffer(FINISHED, "codes and grid of the head", 2 * sizes.stored),
        Buffer(FINISHED, "the head packed", 2.0 * head.packed_bytes),
    ]

    def on_host(*, factored_twice: bool = False) -> Moment:
        return host_peak(own, machine, double=factored_twice).beside(beside)

    if device is None:
        twice = max(double, on_host(factored_twice=True).size)
        return _larger(host, on_host), None, twice, run
    twice = max(double, device_peak(own, double=True).size)
    return _larger(host, on_host), _larger(device, lambda: device_peak(own)), twice, run


def _larger(one: Moment, make: Callable[[], Moment]) -> Moment:
    other = make()
    return other if other.size > one.size else one
