"""Processor seconds of rpiq against gptq by calibration tokens and by width, one thread.

tokens  The first three blocks of a real model, walked by both methods in turn. Of rpiq the second
        block tries all shares γ of the correction, the third takes over what the second took: a
        whole model costs so much of the one and of the other as it has such blocks.
width   One layer of random weights, as wide as asked for, at a fixed γ, so as no share is tried.

Reading, writing and hashing of files, and starting, are not counted: both methods do them alike.
What is measured already is not measured again: a stopped measurement goes on with the same file.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from bench_quantizer_timings import Shapes, layer_folder, sequences

from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from quantizer.calibration.streams import CalibrationSet, draw_calibration
from quantizer.plan.machine import exact_float32
from quantizer.run.walk import Walk
from quantizer.solvers.methods import Settings
from quantizer.solvers.target import tries_shares

GROUP, SEQ_LEN, BITS = 64, 512, 4
TRYING, TAKING_OVER, BLOCKS = 1, 2, 3
METHODS = {"gptq": Settings("gptq", BITS, GROUP), "rpiq": Settings("rpiq", BITS, GROUP)}
FIXED = METHODS | {"rpiq": Settings("rpiq", BITS, GROUP, asymmetric_target="0.5")}
# Of SmolLM2-135M, whose width is 576.
NARROW = Shapes(576, 1536, 9, 3, 16, SEQ_LEN)


def cost(
    folder: Path,
    calibration: Path,
    samples: Sequence[int],
    widths: Sequence[int],
    turns: int,
    minutes: float,
    result: dict[str, Any],
    save: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Measure what ``result`` lacks for about so many minutes; ``save`` gets it after each timing.

    samples: sequences of 512 tokens; widths: multiples of 192.
    """
    deadline = time.monotonic() + 60 * minutes
    blocks = result.get("blocks") or len(list(open_blockwise(folder).blockwise.blocks()))
    result["blocks"] = blocks
    for turn in range(turns):
        order = list(METHODS) if turn % 2 == 0 else list(reversed(METHODS))
        wanted = [("tokens", count, method) for count in samples for method in order]
        wanted += [("width", width, method) for width in widths for method in order]
        for kind, size, method in wanted:
            taken = result.setdefault(kind, {}).setdefault(str(size), {}).setdefault(method, [])
            if len(taken) > turn or time.monotonic() > deadline:
                continue
            if kind == "tokens":
                found = of_a_model(folder, calibration, size, METHODS[method])
            else:
                found = of_a_layer(size, FIXED[method])
            taken.append([round(seconds, 3) for seconds in found])
            print(kind, size, method, taken[-1], flush=True)
            result["added_up"] = added_up(result, blocks)
            save(result)
    return result


def of_a_model(folder: Path, calibration: Path, samples: int, settings: Settings) -> list[float]:
    """Processor seconds of a model's first three blocks."""
    opened = open_blockwise(folder)
    drawn = draw_calibration(opened, calibration, samples=samples, seq_len=SEQ_LEN, seed=0)
    return walked(folder, drawn, settings)[:BLOCKS]


def of_a_layer(width: int, settings: Settings) -> list[float]:
    """Processor seconds of one block of random weights."""
    shapes = replace(NARROW, hidden=width, intermediate=width * 8 // 3, heads=width // 64)
    shapes = replace(shapes, key_heads=shapes.heads)
    drawn = sequences(shapes, shapes.sequences)
    parts = CalibrationSet(drawn[shapes.held_out :], drawn[: shapes.held_out])
    with tempfile.TemporaryDirectory() as scratch:
        return walked(layer_folder(shapes, Path(scratch)), parts, settings)


def walked(folder: Path, calibration: CalibrationSet, settings: Settings) -> list[float]:
    """Processor seconds of the first blocks, at most three."""
    walk = Walk(
        open_blockwise(folder), CheckpointReader(folder), settings, device=torch.device("cpu")
    )
    found: list[float] = []
    with torch.no_grad(), exact_float32():
        finished = walk.run(calibration)
        while len(found) < BLOCKS:
            started = time.process_time()
            if next(finished, None) is None:
                break
            found.append(time.process_time() - started)
        finished.close()
    return found


def added_up(result: Mapping[str, Any], blocks: int) -> dict[str, Any]:
    """Seconds of a block by either method and their ratio, by tokens and by width.

    blocks: of the whole model.
    """
    trying = sum(tries_shares(place) for place in range(blocks)) / blocks
    found: dict[str, Any] = {"share of blocks that try every γ": round(trying, 4)}
    for kind in ("tokens", "width"):
        for size, taken in result.get(kind, {}).items():
            if not all(taken.get(method) for method in METHODS):
                continue
            seconds = {}
            for method in METHODS:
                middle = [statistics.median(turn) for turn in zip(*taken[method], strict=True)]
                if kind == "width":
                    seconds[method] = middle[0]
                else:
                    seconds[method] = trying * middle[TRYING] + (1 - trying) * middle[TAKING_OVER]
            found.setdefault(kind, {})[size] = {
                **{method: round(value, 3) for method, value in seconds.items()},
                "ratio": round(seconds["rpiq"] / seconds["gptq"], 3),
                "turns": min(len(taken[method]) for method in METHODS),
            }
    return found
