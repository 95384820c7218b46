"""Seconds of rpiq against gptq for 128 sequences of 2048 tokens through a layer of LLaMA-3.1-8B.

The whole would take hours on a processor, so each part is measured where it is affordable and
multiplied by how often a run does it:

- one sequence of 2048 tokens through the layer, on both paths, every group of layers by itself;
- the solvers' steps at 4096x4096 and 4096x14336 (outputs x inputs), both methods in turn. Rows do
  not depend on each other: what is not spent on factors that a group shares grows with them. A
  layer of 1024x4096, and one of 14336x4096 where time allows, show whether it does;
- whole runs at an eighth of all widths and of the sequences' length, to hold the sum of parts at
  that size against.

Seconds are the processor's, of one thread where torch has one; ``wall_seconds`` are the wall
clock's. Reading, writing, and hashing of states are not counted. Timings are repeated while time
allows; the ratio is the median over all their combinations, and their range stands beside it.
"""

import math
import os
import statistics as stats
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from bench_quantizer_timings import (
    EIGHTH,
    LLAMA_8B,
    METHODS,
    PathsTiming,
    Shapes,
    layer_folder,
    statistics,
    time_solvers,
    time_whole_walks,
)

from quantizer.solvers.target import GAMMAS

ARITHMETIC = (
    "common = tokens / tokens_each * (advance + sum over groups of inputs + H), in one sequence's"
    " seconds",
    "gptq = common + gathering + solvers",
    "rpiq = common + gathering + solvers + followed sequences * sum over groups of (exact inputs"
    " + Δ), where exact inputs of the last group run through the block + judging sequences *"
    " (advance, for the goal, + groups * shares of γ * judge)",
    "followed sequences hold at least 8 tokens for each input of the widest layer, and 16384",
    "solvers = sum over groups of factors + rows * (seconds - factors) / rows measured",
)
FACTORS = ("factor", "own factor")


def seconds(minutes: float, device: torch.device, save: Callable[[dict[str, Any]], None]) -> Any:
    """Measure timings for so many minutes; ``save`` gets everything so far after each."""
    deadline = time.monotonic() + 60 * minutes
    timings: dict[str, list[Any]] = {}
    result: dict[str, Any] = {
        "minutes": minutes,
        "load_average_at_start": os.getloadavg(),
        "shapes": repr(LLAMA_8B),
        "arithmetic": ARITHMETIC,
        "timings": timings,
    }
    with tempfile.TemporaryDirectory() as scratch:
        plan = Plan(Path(scratch), device)
        for part, needed in plan.order():
            left = deadline - time.monotonic()
            took = [timing["wall_seconds"] for timing in timings.get(part, ())]
            expected = max(took) if took else -math.inf if needed else plan.guess(timings)
            if left < expected:
                continue
            started, busy = time.monotonic(), time.process_time()
            timing = plan.time(part, len(took))
            timing["wall_seconds"] = round(time.monotonic() - started, 2)
            timing["processor_seconds"] = round(time.process_time() - busy, 2)
            timings.setdefault(part, []).append(timing)
            print(
                f"{part}: {timing['wall_seconds']:.0f} s, {left / 60:.1f} minutes left", flush=True
            )
            result["added_up"] = None if missing(timings) else summary(LLAMA_8B, timings)
            if "paths, an eighth" in timings and "whole, an eighth" in timings:
                result["check"] = check(timings)
            save(result)
    return result


class Plan:
    """What is measured, in which order, and what it needs between timings."""

    def __init__(self, scratch: Path, device: torch.device) -> None:
        self.scratch, self.device = scratch, device
        self._paths: dict[str, PathsTiming] = {}

    def order(self) -> Sequence[tuple[str, bool]]:
        """Parts, and whether one is measured however little time is left."""
        first = [
            ("paths", True),
            ("solver 4096x4096", True),
            ("solver 4096x14336", True),
            ("solver 1024x4096", True),
            ("paths", False),
            ("solver 4096x4096", False),
        ]
        small = ["paths, an eighth", "whole, an eighth", "solver 512x512, an eighth"]
        small += ["solver 512x1792, an eighth"]
        rest = ["paths", "solver 14336x4096", "solver 4096x4096", "solver 4096x14336"] * 3
        return [*first, *((part, True) for part in small * 2), *((part, False) for part in rest)]

    def guess(self, timings: Mapping[str, list[Any]]) -> float:
        """Seconds of a layer with 3.5 times the rows, the only part that is first a choice."""
        return 3.5 * float(timings["solver 4096x4096"][-1]["wall_seconds"])

    def time(self, part: str, number: int) -> dict[str, Any]:
        """Measure a part once; which method comes first changes from timing to timing."""
        name, eighth = part.removesuffix(", an eighth"), part.endswith("an eighth")
        shapes = EIGHTH if eighth else LLAMA_8B
        with torch.no_grad():
            if name.startswith("solver"):
                self._paths.clear()  # the widest layer's matrices need the room
                rows, columns = (int(n) for n in name.split()[1].split("x"))
                order = tuple(METHODS) if number % 2 == 0 else tuple(reversed(METHODS))
                return time_solvers(
                    rows, statistics(rows, columns, self.device), self.device, order
                )
            folder = self.scratch / f"{shapes.hidden}"
            if not folder.exists():
                folder.mkdir()
                layer_folder(shapes, folder)
            if name == "whole":
                return dict(time_whole_walks(shapes, folder, self.device))
            if part not in self._paths:
                count = 8 if eighth else 1  # a single short one is no measure
                self._paths[part] = PathsTiming(shapes, folder, self.device, count)
            return self._paths[part]()


def solver_part(rows: int, columns: int, shapes: Shapes) -> str:
    """The name of a timing of the solvers."""
    return f"solver {rows}x{columns}" + (", an eighth" if shapes is EIGHTH else "")


def missing(timings: Mapping[str, list[Any]]) -> bool:
    """Whether a part without which nothing can be added up was not measured yet."""
    wide = (solver_part(LLAMA_8B.hidden, n, LLAMA_8B) for n in (4096, 14336))
    return any(part not in timings for part in ("paths", *wide))


def add_up(
    shapes: Shapes,
    paths: Mapping[str, Any],
    solvers: Mapping[int, Mapping[str, Any]],
    *,
    rounds: int | None = None,
) -> dict[str, Any]:
    """One timing of every part, multiplied by how often a run does it.

    solvers: a timing by inputs, each of a layer with ``shapes.hidden`` outputs.
    rounds: of rpiq, where it is not to be taken as measured.
    """
    fitting = shapes.sequences - shapes.held_out
    groups = shapes.groups()
    followed = math.ceil(shapes.followed_tokens(shapes.intermediate) / shapes.tokens_each)
    followed = min(followed, fitting)
    judging = math.ceil(shapes.judging_tokens / shapes.tokens_each)
    judging = min(judging, shapes.held_out)
    parts = {"common": shapes.sequences * paths["advance"], "exact path": 0.0}
    for group in groups:
        spent = paths["per sequence"][group]
        both = [spent[m][part] for m in METHODS for part in ("inputs", "H")]
        parts["common"] += shapes.sequences * sum(both) / len(METHODS)
        parts["exact path"] += followed * (spent["rpiq"]["exact inputs"] + spent["rpiq"]["Δ"])
    parts["judging"] = judging * (paths["advance"] + len(groups) * len(GAMMAS) * paths["judge"])
    total = {}
    for method in METHODS:
        parts[f"gathering, {method}"] = sum(paths["gathering"][method].values())
        solving = 0.0
        for columns, rows in groups.values():
            timing = solvers[columns][method]
            shared = sum(timing["steps"].get(name, 0.0) for name in FACTORS)
            spent = timing["seconds"] - shared
            if method == "rpiq" and rounds is not None and timing["last_round"] is not None:
                spent += (rounds - timing["rounds"]) * timing["last_round"]
            solving += shared + sum(rows) / shapes.hidden * spent
        parts[f"solvers, {method}"] = solving
        total[method] = parts["common"] + parts[f"gathering, {method}"] + solving
    total["rpiq"] += parts["exact path"] + parts["judging"]
    return {
        "seconds": total,
        "parts": parts,
        "ratio": total["rpiq"] / total["gptq"],
        "sequences": {"followed": followed, "judging": judging},
    }


def summary(shapes: Shapes, timings: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The middle one of all combinations, their range, and the ratio with more rounds."""
    suffix = ", an eighth" if shapes is EIGHTH else ""
    widths = (shapes.hidden, shapes.intermediate)
    solvers = [timings[solver_part(shapes.hidden, columns, shapes)] for columns in widths]
    combinations = [
        (paths, dict(zip(widths, chosen, strict=True)))
        for paths, *chosen in product(timings["paths" + suffix], *solvers)
    ]
    found = sorted((add_up(shapes, *one) for one in combinations), key=lambda f: f["ratio"])
    middle = found[(len(found) - 1) // 2]
    four = [add_up(shapes, *one, rounds=4)["ratio"] for one in combinations]
    return middle | {
        "ratio_range": [found[0]["ratio"], found[-1]["ratio"]],
        "combinations": len(found),
        "rounds": {
            columns: one[0]["rpiq"]["rounds"] for columns, one in zip(widths, solvers, strict=True)
        },
        "ratio_if_every_layer_took_4_rounds": stats.median(four),
        "share_of_rows": rows_check(timings) if shapes is LLAMA_8B else {},
    }


def rows_check(timings: Mapping[str, list[Any]]) -> dict[str, dict[str, float]]:
    """Seconds without factors of other numbers of rows, as shares of what rows predict."""
    found: dict[str, dict[str, float]] = {}
    for rows in (1024, 14336):
        other = timings.get(f"solver {rows}x4096")
        for method in METHODS if other else ():
            spent = []
            for timing in (timings["solver 4096x4096"], other or []):
                shared = [sum(x[method]["steps"].get(f, 0.0) for f in FACTORS) for x in timing]
                each = [x[method]["seconds"] - s for x, s in zip(timing, shared, strict=True)]
                spent.append(stats.median(each))
            found.setdefault(f"{rows}x4096", {})[method] = spent[1] / (spent[0] * rows / 4096)
    return found


def check(timings: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The same arithmetic at an eighth of all widths against whole runs there."""
    needed = (solver_part(EIGHTH.hidden, n, EIGHTH) for n in (EIGHTH.hidden, EIGHTH.intermediate))
    if any(part not in timings for part in needed):
        return {}
    predicted = summary(EIGHTH, timings)
    measured = {m: [timing[m] for timing in timings["whole, an eighth"]] for m in METHODS}
    ratios = [timing["rpiq"] / timing["gptq"] for timing in timings["whole, an eighth"]]
    return {
        "shapes": repr(EIGHTH),
        "measured_seconds": measured,
        "measured_ratio": stats.median(ratios),
        "measured_ratio_range": [min(ratios), max(ratios)],
        "added_up_seconds": predicted["seconds"],
        "added_up_ratio": predicted["ratio"],
    }
