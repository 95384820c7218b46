"""Rounding to codes inside a kernel, exactly as ``quantizer.solvers.grid`` rounds."""

import triton
import triton.language as tl

_HALF_EVEN = tl.constexpr(12582912.0)
"""1.5 · 2²³: a float32 that is added to it and taken away again has no fraction left, and the
processor's own rule decided where it went, which is that of ``torch.round``."""
_FAR = tl.constexpr(1048576.0)  # far behind the last code, and near enough for the rule above


@triton.jit
def nearest_code(value, scale, zero, top):  # type: ignore[no-untyped-def]
    """Code nearest to each value, as float."""
    steps = tl.div_rn(value, scale)
    steps = tl.minimum(tl.maximum(steps, -_FAR), _FAR)
    code = (steps + _HALF_EVEN) - _HALF_EVEN + zero
    return tl.minimum(tl.maximum(code, 0.0), top)
