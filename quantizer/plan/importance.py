"""What weighing tokens by the gradients of the loss takes, before the first block is quantized.

Counted from the code of ``quantizer.importance.gradients``.
"""

from collections.abc import Iterator, Sequence

from quantizer.importance.gradients import round_sizes
from quantizer.importance.loss import LOGIT_ROWS
from quantizer.plan.buffers import (
    ACTIVATIONS,
    FLOAT,
    OUTER,
    READING,
    STATES,
    WEIGHTS,
    Buffer,
    Moment,
    peak,
)
from quantizer.plan.passing import attention_operations, pass_moments
from quantizer.plan.work import Work
from quantizer.plan.workload import BlockShape, CalibrationShape, LinearShape

_LOGITS = 5.0
"""Tensors of the logits' size: they, their logarithms, and the gradients of both."""

_FORWARD, _BACK, _ATTENDING_BACK = 2.0, 1.0, 2.5
"""Passes through a block: two forward, and one back, which takes the gradient of inputs only."""

_INPUTS, _OUTPUTS = 20.0, 10.0
"""Elementwise steps on what enters and leaves layers: norms, positions, activations, both ways."""

_PASSING = 90.0
"""Kernels that a card starts for each step of a block in these passes together."""


def importance_moments(
    blocks: Sequence[BlockShape],
    calibration: CalibrationShape,
    weights: Sequence[float],
    head: tuple[int, int],
    width: int,
    *,
    on_gpu: bool,
    threads: int,
) -> Iterator[Moment]:
    """What lies where blocks are computed while gradients are passed back.

    weights: bytes of each block in float32.
    head:    words and width of what turns the last state into logits.
    width:   bytes of a stored value of a state.
    """
    flowing = Buffer(ACTIVATIONS, "gradients of a round", _flowing(blocks, calibration, width))
    words, columns = head
    wide = Buffer(OUTER, "the head", float(words * columns * FLOAT))
    reading = Buffer(READING, "the head as it is stored", float(words * columns * FLOAT))
    logits = Buffer(ACTIVATIONS, "logits of some tokens", _LOGITS * LOGIT_ROWS * words * FLOAT)
    yield Moment("the loss of a sequence", (wide, reading, logits, flowing))
    for block, size in zip(blocks, weights, strict=True):
        standing = (Buffer(WEIGHTS, "the block", size), flowing)
        stored = Buffer(READING, "a tensor as it is stored and in float32", 3.0 * block.largest)
        yield Moment(f"{block.name}: reading it to pass back", (*standing, stored))
        recorded = Buffer(ACTIVATIONS, "what the way back needs", _recorded(block, calibration))
        passing = peak(pass_moments(block, calibration, on_gpu=on_gpu, threads=threads))
        yield Moment(f"{block.name}: passing back", (*standing, recorded, *passing.buffers))


def kept_states(blocks: int, calibration: CalibrationShape, width: int) -> Buffer:
    """At home: the states of a round before and behind every block, and all gradients' squares."""
    sizes = [sequence.state * width / FLOAT for sequence in calibration.all]
    held = max((size for _, size in round_sizes(blocks, sizes)), default=0.0)
    tokens = sum(max(sequence.tokens.values()) for sequence in calibration.all)
    return Buffer(STATES, "states of a round", held + float(blocks * tokens * FLOAT))


def importance_work(
    blocks: Sequence[BlockShape],
    calibration: CalibrationShape,
    head: tuple[int, int],
    *,
    on_card: bool,
) -> Work:
    """The work of all passes for the sequences of one rank."""
    work = Work()
    sequences = len(calibration.all)
    for block in blocks:
        for step in block.steps:
            for layer in step.layers:
                tokens = sum(calibration.tokens(layer.name))
                work.products += 2.0 * layer.count * tokens * (_FORWARD + _BACK)
                work.elements += _OUTPUTS * layer.out_features * tokens
            work.elements += _INPUTS * step.layers[0].in_features * tokens
            if step.attention is not None:
                attending = sum(attention_operations(step, one) for one in calibration.all)
                work.products += attending * (_FORWARD + _ATTENDING_BACK)
        work.launches += _PASSING * len(block.steps) * sequences
        if not on_card:
            work.copied += 3.0 * sum(float(sequence.state) for sequence in calibration.all)
    tokens = sum(sequence.passing(_last(blocks).name) for sequence in calibration.all)
    work.products += 4.0 * head[0] * head[1] * tokens
    work.elements += _LOGITS * head[0] * tokens
    return work


def _last(blocks: Sequence[BlockShape]) -> LinearShape:
    return blocks[-1].steps[-1].layers[-1]


def _flowing(blocks: Sequence[BlockShape], calibration: CalibrationShape, width: int) -> float:
    """Gradients in float32 of a round's sequences, and those of one before and behind a block."""
    states = [float(sequence.state) for sequence in calibration.all]
    places = round_sizes(len(blocks), [state * width / FLOAT for state in states])
    held = max((sum(states[place] for place in part) for part, _ in places), default=0.0)
    return held + 3.0 * max(states, default=0.0)


def _recorded(block: BlockShape, calibration: CalibrationShape) -> float:
    """Tensors that the forward pass of the longest sequence records for the way back.

    Linear layers record nothing of a sequence, as no weight wants a gradient. Norms record three
    of their inputs' size, rotary positions, attention, activations and products what comes out of
    the layers, twice.
    """
    total = 0.0
    for step in block.steps:
        layer = step.layers[0]
        tokens = max((sequence.passing(layer.name) for sequence in calibration.all), default=0)
        outputs = sum(one.out_features for one in step.layers)
        total += tokens * FLOAT * (4.0 * layer.in_features + 2.0 * outputs)
    return total
