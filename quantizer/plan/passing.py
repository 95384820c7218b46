"""What the pass of one sequence through a block holds, counted from the families' blocks.

Whatever the family, a block is a list of steps (layers that share one input); its input and the
residual lie beside them until it ends. A step counts its inputs, its outputs, one more tensor of
its widest output as outputs are combined, and the attention that its outputs feed.
"""

from collections.abc import Iterator

from quantizer.plan.buffers import ACTIVATIONS, FLOAT, Buffer, Moment
from quantizer.plan.workload import BlockShape, CalibrationShape, Heads, SequenceShape, Step

_AT_ONCE = 2**20
"""Scores of one head that our own attention holds at once on a CPU."""

_TILE_KEYS = 512
_TILE_QUERIES = ((768, 256), (192, 64), (0, 32))
"""Keys, and queries from so many tokens on, that a thread of the flash kernel for CPUs takes at a
time (aten/src/ATen/native/cpu/FlashAttentionKernel.cpp)."""

_ALIGNED = 4  # float32 values that the memory-efficient kernel of CUDA wants a head to divide into


def pass_moments(
    block: BlockShape, calibration: CalibrationShape, *, on_gpu: bool, threads: int
) -> Iterator[Moment]:
    """Moments of the longest sequence's pass that may be its peak.

    on_gpu:  whether attention chooses among CUDA's kernels.
    threads: of a CPU, each of which has its own tile of an attention's scores.
    """
    layers = [layer.name for step in block.steps for layer in step.layers]
    tokens = max((s.passing(layers[0]) for s in calibration.all), default=0)
    parts = {s.parts.of(layer).name for s in calibration.all[:1] for layer in layers}
    state = float(max((sequence.state for sequence in calibration.all), default=0))
    # Before a block, states are converted, cut and joined into what it takes.
    yield Moment("entering a block", (Buffer(ACTIVATIONS, "states on the way in", 4 * state),))
    through = (
        Buffer(ACTIVATIONS, "state that enters", state),
        Buffer(ACTIVATIONS, "residual", _rows(tokens, block.steps[0].layers[0].in_features)),
    )
    for step in block.steps:
        name = step.layers[0].name.removeprefix(f"{block.name}.")
        buffers = dict(_step(step, tokens, routed=len(parts) > 1))
        yield _moment(f"computing {name}", through, buffers)
        if step.attention is not None:
            width = sum(layer.out_features for layer in step.layers)
            held = {"queries, keys, values": _rows(tokens, width)}
            heads = step.attention
            head = -(-width // (heads.query + 2 * heads.shared))
            turned = _turning(heads, head, tokens)
            yield _moment(f"rotating behind {name}", through, held | turned)
            kernel = _attention(heads, head, tokens, on_gpu=on_gpu, threads=threads)
            yield _moment(f"attention behind {name}", through, held | kernel)


def attention_operations(step: Step, sequence: SequenceShape) -> float:
    """Operations of one sequence's attention behind a step that has one."""
    heads = step.attention
    assert heads is not None
    width = sum(layer.out_features for layer in step.layers)
    asked = width * heads.query / (heads.query + 2 * heads.shared)
    return 4.0 * sequence.passing(step.layers[0].name) ** 2 * asked


def _moment(name: str, through: tuple[Buffer, ...], buffers: dict[str, float]) -> Moment:
    return Moment(
        name, (*through, *(Buffer(ACTIVATIONS, what, size) for what, size in buffers.items()))
    )


def _rows(tokens: int, width: int) -> float:
    """Bytes of (tokens, width) in float32."""
    return float(tokens * width * FLOAT)


def _step(step: Step, tokens: int, *, routed: bool) -> Iterator[tuple[str, float]]:
    """The tensors around the layers of a step.

    routed: whether tokens are parted among experts and joined behind them.
    """
    inputs = step.layers[0].in_features
    widest = max(layer.out_features for layer in step.layers)
    yield "inputs of the layers", _rows(tokens, inputs)
    if routed:
        yield "inputs by expert", _rows(tokens, inputs)
        yield "outputs of the other expert", _rows(tokens, inputs)
    for layer in step.layers:
        yield f"output of {layer.name.rpartition('.')[2]}", _rows(tokens, layer.out_features)
    yield "combined output", _rows(tokens, widest)


def _turning(heads: Heads, head: int, tokens: int) -> dict[str, float]:
    """Rotary positions of queries: two products, the turned halves and their sum."""
    queries = _rows(tokens, heads.query * head)
    return {"rotated queries": 4 * queries, "cosines and sines": 4 * _rows(tokens, head)}


def _attention(
    heads: Heads, head: int, tokens: int, *, on_gpu: bool, threads: int
) -> dict[str, float]:
    """What attention holds beside its inputs, by the kernel that PyTorch takes in float32."""
    queries = _rows(tokens, heads.query * head)
    shared = _rows(tokens, heads.shared * head)
    held = {"rotated queries and keys": queries + shared, "output": 2 * queries}
    if heads.windowed:  # distances, three comparisons of them, and the mask as it is added
        held["mask of a window"] = 3.75 * _rows(tokens, tokens)
    grouped = heads.query != heads.shared
    # CUDA's flash kernel takes no float32, its memory-efficient one no grouped heads: they are
    # spread before, see `quantizer.run.heads`.
    refused = head % _ALIGNED != 0
    if grouped and on_gpu and not refused:
        held["keys and values of every head"] = 2 * queries
    if not (refused if on_gpu else heads.plain and tokens**2 <= _AT_ONCE):
        held["sums of the scores"] = _rows(tokens, heads.query)
        if not on_gpu:
            held["tiles of scores"] = threads * _tile(head, tokens)
        return held
    scores = _rows(tokens, tokens) * heads.query
    held |= {"scores": scores, "softmax": scores, "which are masked": scores / FLOAT}
    held |= {"scaled queries and keys": 2 * queries, "causal mask": 1.25 * _rows(tokens, tokens)}
    if grouped:
        held["keys and values of every head"] = 2 * queries
    return held


def _tile(head: int, tokens: int) -> float:
    """Bytes of one thread's tile: scores, what they add up to, sums and largest of its rows."""
    queries = next(count for least, count in _TILE_QUERIES if tokens >= least)
    return _rows(min(queries, tokens), min(_TILE_KEYS, tokens) + head + 2)
