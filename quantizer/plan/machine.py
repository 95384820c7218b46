"""What this machine has left, how fast it is, and how it is told to work."""

import ctypes
import math
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
_RETURNED_BYTES = 2**17  # where glibc itself begins before it learns to keep more


@dataclass(frozen=True, slots=True)
class Speed:
    """float32 operations a second, and what else takes time on a card.

    matmul: in a large product of matrices; vector: of matrix and vector; elementwise: elements
        of large tensors, made anew by every step.
    launch: seconds that a kernel takes to start; link: bytes a second between host and card.
    """

    matmul: float
    vector: float
    elementwise: float
    launch: float = 0.0
    link: float = math.inf


@dataclass(frozen=True, slots=True)
class Machine:
    """What a plan is held against.

    base:         bytes of this process before anything is loaded.
    free_host:    bytes of memory that may still be used, None where the system does not say.
    free_device:  the same of a GPU, None on the CPU.
    free_disk:    bytes free where the output will lie.
    speed:        None where nobody asked for a time estimate.
    """

    base: int
    free_host: int | None
    free_device: int | None
    free_disk: int
    speed: Speed | None


def return_freed_memory() -> None:
    """Let large freed tensors go back to the system at once, where glibc keeps the heap.

    By default it raises the size from which it does so up to 32 MB as tensors are freed, keeps
    smaller ones, and so fills the heap with holes: a process then grows beyond what it uses.
    """
    _call_glibc("mallopt", _MMAP_THRESHOLD, _RETURNED_BYTES)


def trim_heap() -> None:
    """Give the holes that small freed tensors left back to the system; takes milliseconds."""
    _call_glibc("malloc_trim", 0)


def _call_glibc(name: str, *arguments: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    function = getattr(ctypes.CDLL(None), name, None)  # other C libraries have none of these
    if function is not None:
        function(*arguments)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Keep a GPU from shortening float32 to TF32, whose 10 bits would blur every Hessian."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    try:
        before = matmul.allow_tf32, cudnn.allow_tf32
    except RuntimeError:
        # Whoever set the precision by PyTorch's newer switches may not ask the older ones any more.
        with _exact_by_newer_switches():
            yield
        return
    matmul.allow_tf32 = False
    try:
        with cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        matmul.allow_tf32 = before[0]


@contextmanager
def _exact_by_newer_switches() -> Iterator[None]:
    cudnn: Any = torch.backends.cudnn
    parts: tuple[Any, ...] = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    before = [part.fp32_precision for part in parts]
    try:
        for part in parts:
            part.fp32_precision = "ieee"
        yield
    finally:
        for part, precision in zip(parts, before, strict=True):
            part.fp32_precision = precision


def look_at_machine(device: torch.device, out: Path, *, speed: bool = False) -> Machine:
    """Ask the machine; measuring its speed takes some tenths of a second on a CPU."""
    measured = _measure_speed(device) if speed else None
    folder = out.absolute().parent
    while not folder.exists():
        folder = folder.parent
    return Machine(
        base=_resident_bytes(),
        free_host=_free_host(),
        free_device=torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None,
        free_disk=shutil.disk_usage(folder).free,
        speed=measured,
    )


def _measure_speed(device: torch.device) -> Speed:
    size, width = 1024, 64
    square = torch.ones(size, size, device=device)
    tall = torch.ones(width, 4 * size, device=device)
    matmul = _seconds(lambda: square @ square, device)
    vector = _seconds(lambda: square[0, :width] @ tall, device)
    block = torch.ones(size, size, device=device)
    elementwise = _seconds(lambda: torch.round(block / 3), device) / 2
    operations, walked = 2 * size**3, 2 * width * 4 * size
    speed = Speed(operations / matmul, walked / vector, block.numel() / elementwise)
    if device.type != "cuda":
        return speed
    number, held = torch.ones((), device=device), torch.ones(4 * size, size)
    launches = 200
    launch = _seconds(lambda: [number.add_(1) for _ in range(launches)], device) / launches
    copying = _seconds(lambda: held.to(device), device)
    return replace(speed, launch=launch, link=held.nbytes / copying)


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    """The best of several tries, which disturbances make longer but never shorter."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return max(best, 1e-9)


def _resident_bytes() -> int:
    """Memory of this process."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _free_host() -> int | None:
    """Memory that the system, or the container around this process, still gives."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    limits = [free * 1024]
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        limits.append(limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no container, or "max"
        pass
    return max(min(limits), 0)
