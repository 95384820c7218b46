"""What each part of a piece of work cost: seconds and peak memory, each part told apart."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): sets the peak resident set size to the current one


@dataclass(slots=True)
class Cost:
    """What one part cost, over all its visits.

    seconds:     wall clock.
    host_peak:   most bytes of the process in memory; None where the system does not tell.
    host_rise:   most bytes that one visit added to what was in memory before it.
    device_peak: most bytes of tensors on the GPU; None without one.
    """

    seconds: float = 0.0
    host_peak: int | None = None
    host_rise: int | None = None
    device_peak: int | None = None


class CostMeter:
    """Books everything since the last booking to the part that the next one names."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.costs: dict[str, Cost] = {}
        self._start()

    def book(self, part: str) -> None:
        """Book what happened since the last booking to a part."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        cost = self.costs.setdefault(part, Cost())
        cost.seconds += time.monotonic() - self._started
        peak = _size_of_process("VmHWM") if self._resident is not None else None
        if peak is not None and self._resident is not None:
            cost.host_peak = max(cost.host_peak or 0, peak)
            cost.host_rise = max(cost.host_rise or 0, peak - self._resident)
        if self.device.type == "cuda":
            allocated = torch.cuda.max_memory_allocated(self.device)
            cost.device_peak = max(cost.device_peak or 0, allocated)
        self._start()

    def _start(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self._resident = _size_of_process("VmRSS") if _reset_peak() else None
        self._started = time.monotonic()


def _reset_peak() -> bool:
    """Let the system forget the process's peak so far; False where it cannot."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _size_of_process(field: str) -> int | None:
    """A size of this process in bytes, None where there is no such field."""
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
