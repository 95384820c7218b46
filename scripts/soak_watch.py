"""What a program and its processes take of the machine, and whether that grows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

WARM_UP = 0.25
"""Share of the run after which everything has been used, and memory should stay flat."""

MOST_GROWTH_PERCENT = 5.0
MOST_SLOWER_PERCENT = 10.0
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Taken:
    """What the program and all processes that it started take at one moment.

    main_mib:  resident memory of the program itself.
    tree_mib:  memory of all processes; what several share counts once.
    handles, threads: of all processes.
    cpu_s:     processor time of the program itself since its start.
    """

    main_mib: float
    tree_mib: float
    handles: int
    threads: int
    processes: int
    cpu_s: float


def taken(main: int) -> Taken:
    """Look at a process and its descendants; one that ends meanwhile is left out."""
    tree = [main, *descendants(main)]
    shares, handles, threads, count = 0.0, 0, 0, 0
    for process in tree:
        place = Path(f"/proc/{process}")
        try:
            share = re.search(r"^Pss: +(\d+)", (place / "smaps_rollup").read_text(), re.M)
            opened = len(os.listdir(place / "fd"))
            at_work = len(os.listdir(place / "task"))
        except OSError:
            continue
        if share is None:
            continue  # it has ended and waits to be asked
        shares += int(share[1]) / 1024
        handles, threads, count = handles + opened, threads + at_work, count + 1
    resident = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{main}/status").read_text(), re.M)
    assert resident is not None, "the program has ended"
    fields = Path(f"/proc/{main}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return Taken(
        main_mib=int(resident[1]) / 1024,
        tree_mib=shares,
        handles=handles,
        threads=threads,
        processes=count,
        cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
    )


def descendants(main: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                text = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            parents[int(entry)] = int(text.rpartition(")")[2].split()[1])
    found = [main]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


def is_running(process: int) -> bool:
    """False for a process that has ended, also while nobody has asked how."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def flatness(
    values: Sequence[float], middle: Callable[[Sequence[float]], float] = median
) -> dict[str, float]:
    """How a measure changes after the warm-up: the middle of its first third and of its last.

    growth_percent: of the last third over the first.
    """
    warm = values[int(len(values) * WARM_UP) :]
    third = max(1, len(warm) // 3)
    first, last = middle(warm[:third]), middle(warm[-third:])
    return {
        "at_start": round(values[0], 1),
        "after_warm_up": round(first, 1),
        "at_the_end": round(last, 1),
        "least": round(min(warm), 1),
        "most": round(max(warm), 1),
        "growth_percent": round(100 * (last / first - 1), 2) if first else 0.0,
    }


def like_rounds(values: Sequence[float], period: int) -> dict[str, float]:
    """How a measure of each round changes from one period to the next.

    period: rounds after which a day begins anew; only rounds that do the same are compared, a
        period apart, and the very first one, in which things are loaded, is left out.
    """
    earlier, later = values[1:-period], values[1 + period :]
    if not earlier or len(values) <= period:
        return {"compared": 0, "growth_percent": 0.0}
    before, after = sum(earlier) / len(earlier), sum(later) / len(later)
    return {
        "compared": len(earlier),
        "before": round(before, 2),
        "after": round(after, 2),
        "growth_percent": round(100 * (after / before - 1), 2),
    }


def drift(latencies: Sequence[float]) -> dict[str, float]:
    """How latencies of one kind of question (s) change after the warm-up."""
    warm = latencies[int(len(latencies) * WARM_UP) :]
    third = max(1, len(warm) // 3)
    first, last = median(warm[:third]), median(warm[-third:])
    return {
        "count": len(latencies),
        "median_ms": round(1000 * median(latencies)),
        "after_warm_up_ms": round(1000 * first),
        "at_the_end_ms": round(1000 * last),
        "slowest_ms": round(1000 * max(latencies)),
        "growth_percent": round(100 * (last / first - 1), 1) if first else 0.0,
    }


def judged(samples: Sequence[Taken]) -> dict[str, object]:
    """Every measure of the samples, and whether each is flat."""

    def of(measure: Callable[[Taken], float]) -> dict[str, float]:
        return flatness([measure(each) for each in samples])

    main, tree = of(lambda each: each.main_mib), of(lambda each: each.tree_mib)
    handles, threads = of(lambda each: each.handles), of(lambda each: each.threads)
    return {
        "memory_of_the_program_mib": main,
        "memory_of_all_processes_mib": tree,
        "handles": handles,
        "threads": threads,
        "processes": of(lambda each: each.processes),
        "memory_is_flat": max(main["growth_percent"], tree["growth_percent"])
        <= MOST_GROWTH_PERCENT,
        "handles_are_flat": handles["at_the_end"] <= handles["after_warm_up"],
        "threads_are_flat": threads["at_the_end"] <= threads["after_warm_up"],
    }
