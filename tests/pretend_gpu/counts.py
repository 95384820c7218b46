"""What a program asked of the pretend card, by the line of the product that asked it."""

import functools
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = tuple(f"{ROOT / name}/" for name in ("assistant", "models", "quantizer"))

_ROUNDED_BYTES = 512
"""CUDA's caching allocator gives memory in pieces of so many bytes."""


@dataclass(frozen=True, slots=True)
class AttentionCall:
    """One call of scaled dot product attention, and the kernel that CUDA would take."""

    line: str
    kernel: str
    dtype: str
    queries: int
    keys: int
    masked: bool


@dataclass(slots=True)
class Counts:
    """Counters by ``file:line``; sizes are bytes.

    launches:     kernels started, memory copies among them.
    waits:        times the processor stood still until the card was done.
    copied_in, copied_out: bytes from and to the host. blocking: those of both that were not
        asynchronous, for want of pinned memory or of ``non_blocking``.
    moved:        bytes that kernels read and wrote.
    operations:   multiplications and additions of matrix products and attention.
    attention:    calls of attention.
    by_name:      launches by the operator's name.
    living, peak: bytes held on the card now, and at most since ``reset_peak``.
    """

    launches: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    copied_in: Counter[str] = field(default_factory=Counter)
    copied_out: Counter[str] = field(default_factory=Counter)
    blocking: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    attention: Counter[AttentionCall] = field(default_factory=Counter)
    by_name: Counter[str] = field(default_factory=Counter)
    living: int = 0
    peak: int = 0
    peak_at: str = "?"
    _holders: dict[int, list[int]] = field(default_factory=dict)

    def clear(self) -> None:
        """Begin to count anew; what lives on the card goes on living."""
        for counter in (self.launches, self.waits, self.copied_in, self.copied_out, self.blocking):
            counter.clear()
        for counter in (self.moved, self.operations, self.by_name):
            counter.clear()
        self.attention.clear()
        self.reset_peak()

    def reset_peak(self) -> None:
        """Let the peak be what lives now."""
        self.peak, self.peak_at = self.living, "?"

    def hold(self, key: int, size: int) -> None:
        """Note one more tensor on a piece of memory; the first one takes the memory."""
        if key in self._holders:
            self._holders[key][0] += 1
            return
        size = -(-size // _ROUNDED_BYTES) * _ROUNDED_BYTES
        self._holders[key] = [1, size]
        self.living += size
        if self.living > self.peak:
            self.peak, self.peak_at = self.living, product_line()

    def release(self, key: int) -> None:
        """Undo one ``hold``."""
        holders = self._holders[key]
        holders[0] -= 1
        if holders[0] == 0:
            self.living -= holders[1]
            del self._holders[key]

    @property
    def kernels(self) -> set[str]:
        """Every attention kernel that was chosen."""
        return {call.kernel for call in self.attention}

    def table(self, most: int = 12) -> str:
        """The largest of all counters, for people."""
        told = [
            f"launches {self.launches.total()}, waits {self.waits.total()}, "
            f"in {self.copied_in.total():,} B, out {self.copied_out.total():,} B, "
            f"peak {self.peak:,} B at {self.peak_at}"
        ]
        for name in ("launches", "waits", "blocking", "moved"):
            told.append(f"{name}:")
            told += [f"  {n:>12,}  {line}" for line, n in getattr(self, name).most_common(most)]
        return "\n".join(told)


def product_line() -> str:
    """The innermost line of the product that is being executed, ``?`` outside it."""
    frame = sys._getframe(1)
    while frame is not None:
        short = _short_name(frame.f_code.co_filename)
        if short is not None:
            return f"{short}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


@functools.cache
def _short_name(file: str) -> str | None:
    """A file of the product as people know it, None for any other."""
    return str(Path(file).relative_to(ROOT)) if file.startswith(PRODUCT) else None
