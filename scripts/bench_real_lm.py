#!/usr/bin/env python3
"""Quantize a real language model by every method, ours and others', and measure the results.

    .venv/bin/python scripts/bench_real_lm.py --model FOLDER --envs FOLDER --work FOLDER --hours 8

FOLDER of the model is SmolLM2-135M-Instruct in bfloat16: ``assistant models pull smollm2-135m``,
then ``quantizer import``. A cell is one method at one width, group size and draw. Cells are
quantized one after another, each by one process on one thread, read back from disk, dequantized,
and measured by the same functions in float32:

- WikiText-2's raw test file as one stream, the first 60 windows of 2,048 tokens,
- the part of a C4 sample that no draw sees, in windows of 512 tokens,
- the sentiment of 870 tweets (TweetEval's validation part), by the likeliest label.

A draw is 64 windows of 512 tokens out of a pool: all of the C4 sample but its last eighth, and as
much of Wikipedia, which each draw takes from another place. The C4 sample has too few tokens for
eight draws of its own. What a tool sees of the windows is its own choice: ours keeps the last
tenth back to judge by.

The result file is written after every step, and a second start goes on where the first stopped.
The cells come in the order in which they tell most: all methods at one draw, first 4 bits, then
3; then a second draw; then six more of the best four.
"""

import argparse
import json
import math
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peers.tools import (
    AUTO_ROUND,
    GPTQMODEL,
    LLM_COMPRESSOR,
    Cost,
    Request,
    Row,
    checkpoint_folder,
    commit,
    described,
    load_dense,
    run_ours,
    run_tool,
    write_whole,
)

from models.loading import LoadedModel, load_model
from quantizer.calibration.streams import text_windows
from quantizer.evaluate.perplexity import perplexity
from quantizer.evaluate.sentiment import sentiment

HERE = Path(__file__).resolve().parent
SAMPLES, SEQ_LEN, DRAWS = 64, 512, 8
WIKI_WINDOWS, WIKI_LENGTH, TWEETS = 60, 2048, 870
EVALUATED_C4 = 1 / 8  # of the sample's characters, at its end
FULL = "full precision"
OURS, BEST_GPTQ, BEST_PEER = "rpiq", "gptq, act-order, Hessian grid", "GPTQModel GPTAQ"
T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365}
"""Student's t, two-sided 95 %, by degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Method(Row):
    """One method.

    draws: how many of the eight are measured; few where a method costs much or wins nothing.
    """

    draws: int = 2


ROWS = (
    Method(OURS, None, options=("--method", "rpiq"), draws=DRAWS),
    Method(
        BEST_PEER,
        GPTQMODEL,
        {"gptaq": {"alpha": 0.25}, "desc_act": True, "act_group_aware": False, "mse": 2.0},
        draws=DRAWS,
    ),
    Method(
        BEST_GPTQ,
        None,
        options=("--method", "gptq", "--grid", "hessian", "--act-order"),
        draws=DRAWS,
    ),
    Method("rtn", None, options=("--method", "rtn")),
    Method("gptq", None, options=("--method", "gptq", "--grid", "minmax", "--no-act-order")),
    Method("GPTQModel default", GPTQMODEL),
    Method(
        "GPTQModel FOEM and GPTAQ",
        GPTQMODEL,
        {
            "foem": {"alpha": 0.25, "beta": 0.2},
            "desc_act": True,
            "act_group_aware": False,
            "mse": 2.0,
        },
        draws=DRAWS,
    ),
    Method("llm-compressor GPTQ", LLM_COMPRESSOR),
    Method("rpiq-paper", None, options=("--method", "rpiq-paper")),
    Method("AutoRound 200 steps", AUTO_ROUND, {"iters": 200}, draws=1),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One quantized model. draw: also the seed of what our own methods draw."""

    row: Method
    bits: int
    group_size: int
    draw: int

    @property
    def key(self) -> tuple[str, int, int, int]:
        """What tells it apart in the result file."""
        return (self.row.name, self.bits, self.group_size, self.draw)

    @property
    def folder(self) -> str:
        """A name for its files."""
        letters = "".join(c if c.isalnum() else "-" for c in self.row.name)
        return f"{letters}-{self.bits}bit-g{self.group_size}-{self.draw}"


def cells(rows: Sequence[Method]) -> Iterator[Cell]:
    """List all cells, those that tell most first."""
    for draw in range(DRAWS):
        for bits in (4, 3):
            for row in rows:
                if draw < row.draws:
                    yield Cell(row, bits, 64, draw)
        if draw == 1:
            for bits in (4, 3):
                for row in rows:
                    if row.draws == DRAWS or row.options:
                        yield Cell(row, bits, 128, 0)


class Results:
    """The result file, written whole after every change, and its table in Markdown beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        known = json.loads(path.read_text()) if path.is_file() else {}
        self.cells: list[dict[str, Any]] = known.get("cells", [])

    def find(self, key: tuple[str, int, int, int]) -> dict[str, Any] | None:
        """The record of a cell."""
        for cell in self.cells:
            if (cell["row"], cell["bits"], cell["group_size"], cell["draw"]) == key:
                return cell
        return None

    def write(self) -> None:
        """Write the cells and what the tables make of them."""
        lines = table(self.cells)
        value = {
            "settings": {
                "model": "SmolLM2-135M-Instruct",
                "samples": SAMPLES,
                "seq_len": SEQ_LEN,
                "wikitext_windows": [WIKI_WINDOWS, WIKI_LENGTH],
                "tweets": TWEETS,
                "threads": 1,
                "torch": torch.__version__,
                "rows": described(ROWS),
            },
            "table": lines,
            "paired": paired(self.cells),
            "cells": self.cells,
        }
        write_whole(self.path, value)
        self.path.with_suffix(".md").write_text(markdown(lines))


def finished(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells that were measured."""
    return [record for record in records if "wikitext" in record]


def table(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a width, group size and method: means over draws."""
    measured = finished(records)
    lines = []
    for width in sorted({(r["bits"], r["group_size"]) for r in measured}, reverse=True):
        for name in (FULL, *(row.name for row in ROWS)):
            own = [
                r for r in measured if r["row"] == name and (r["bits"], r["group_size"]) == width
            ]
            if not own:
                continue
            lines.append(
                {
                    "bits": width[0],
                    "group_size": width[1],
                    "row": name,
                    "draws": sorted(r["draw"] for r in own),
                    "wikitext": statistics.mean(r["wikitext"] for r in own),
                    "c4": statistics.mean(r["c4"] for r in own),
                    "sentiment": statistics.mean(r["sentiment"] for r in own),
                    "cpu_seconds": statistics.median(r["cpu_seconds"] for r in own),
                    "peak_mb": statistics.median(r["peak_mb"] for r in own),
                }
            )
    return lines


def paired(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Differences of WikiText-2's perplexity, ours less another, on the draws that both have.

    interval_95: Student's, over draws; None with one draw. It tells how far the draw moves the
        difference, not how far other text would.
    """
    measured = finished(records)
    found = []
    for width in sorted({(r["bits"], r["group_size"]) for r in measured}):
        by_row: dict[str, dict[int, float]] = {}
        for r in measured:
            if (r["bits"], r["group_size"]) == width and r["row"] != FULL:
                by_row.setdefault(r["row"], {})[r["draw"]] = r["wikitext"]
        ours = by_row.pop(OURS, {})
        for name, theirs in by_row.items():
            draws = sorted(set(ours) & set(theirs))
            if not draws:
                continue
            gaps = [ours[draw] - theirs[draw] for draw in draws]
            mean, interval = statistics.mean(gaps), None
            if len(gaps) > 1:
                half = T_95[len(gaps) - 1] * statistics.stdev(gaps) / math.sqrt(len(gaps))
                interval = [mean - half, mean + half]
            found.append(
                {
                    "bits": width[0],
                    "group_size": width[1],
                    "less": name,
                    "draws": draws,
                    "mean": mean,
                    "interval_95": interval,
                }
            )
    return found


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lay the lines out as tables, one a width and group size."""
    parts = ["# SmolLM2-135M-Instruct: perplexity, accuracy, cost", ""]
    parts.append("Written by `scripts/bench_real_lm.py`; means over the draws named.")
    for width in dict.fromkeys((line["bits"], line["group_size"]) for line in lines):
        title = f"{width[0]} bits, groups of {width[1]}" if width[0] < 16 else "Not quantized"
        parts += ["", f"## {title}", ""]
        parts += ["| method | draws | WikiText-2 | C4 | sentiment | processor s | peak MB |"]
        parts += ["|---|---|---|---|---|---|---|"]
        parts += [
            f"| {line['row']} | {len(line['draws'])} | {line['wikitext']:.3f} | {line['c4']:.3f} | "
            f"{line['sentiment']:.1%} | {line['cpu_seconds']:.0f} | {line['peak_mb']:.0f} |"
            for line in lines
            if (line["bits"], line["group_size"]) == width
        ]
    return "\n".join(parts) + "\n"


def prepare(options: argparse.Namespace, loaded: LoadedModel) -> Path:
    """Split the C4 sample; returns the file that is measured on.

    Raises:
        RuntimeError: the pools have too little text for a draw.
    """
    options.work.mkdir(parents=True, exist_ok=True)
    options.envs.mkdir(parents=True, exist_ok=True)
    texts = options.data / "text"
    c4 = (texts / "c4_sample_part1.txt").read_text()
    cut = c4.index("\n", int(len(c4) * (1 - EVALUATED_C4)))
    measured: Path = options.work / "c4-measured.txt"
    measured.write_text(c4[cut:])
    wiki = (texts / "exllamav2_cal_wiki.utf8").read_text()
    length = len(c4[:cut])
    # Each draw's piece of Wikipedia begins elsewhere, and as far apart as there is text.
    step = (len(wiki) - length) // DRAWS
    for draw in range(DRAWS):
        piece = wiki[draw * step : draw * step + length]
        pool_file(options, draw).write_text(c4[:cut] + "\n" + piece)
    drawn = len(windows_of_draw(options, loaded, 0))
    if drawn < SAMPLES:
        raise RuntimeError(f"the pool has {drawn} windows, {SAMPLES} are drawn; give more text")
    return measured


def pool_file(options: argparse.Namespace, draw: int) -> Path:
    """The text that a draw takes its windows from."""
    path: Path = options.work / f"pool-{draw}.txt"
    return path


def windows_of_draw(options: argparse.Namespace, loaded: LoadedModel, draw: int) -> list[list[int]]:
    """The token ids of a draw's windows; our own command line draws the same by its seed."""
    drawn = text_windows(
        pool_file(options, draw),
        loaded.tokenizer,
        bos_token_id=None,
        samples=SAMPLES,
        seq_len=SEQ_LEN,
        seed=draw,
    )
    return [window[0].tolist() for window in drawn]


def quantize(cell: Cell, options: argparse.Namespace, loaded: LoadedModel) -> tuple[Path, Cost]:
    """Quantize a cell; returns its folder and what it took."""
    out = options.work / cell.folder
    if cell.row.tool is None:
        given = ["--bits", str(cell.bits), "--group-size", str(cell.group_size)]
        given += ["--calibration", str(pool_file(options, cell.draw)), "--seed", str(cell.draw)]
        given += ["--samples", str(SAMPLES), "--seq-len", str(SEQ_LEN)]
        return out, run_ours(options.model, out, [*given, *cell.row.options])
    windows = windows_of_draw(options, loaded, cell.draw)
    request = Request(options.model, cell.bits, cell.group_size, cell.row.settings, windows)
    return out, run_tool(cell.row.tool, request, out, options.envs)


def measure(loaded: LoadedModel, options: argparse.Namespace, c4: Path) -> dict[str, Any]:
    """Measure a model in float32 on everything."""
    wiki = perplexity(
        loaded, options.data / "text" / "wiki.test.raw", seq_len=WIKI_LENGTH, limit=WIKI_WINDOWS
    )
    other = perplexity(loaded, c4, seq_len=SEQ_LEN)
    tweets = sentiment(loaded, options.data / "sentiment", limit=TWEETS)
    return {
        "wikitext": wiki["value"],
        "wikitext_losses": [round(loss, 5) for loss in wiki["losses"]],
        "c4": other["value"],
        "c4_windows": other["items"],
        "sentiment": tweets["value"],
    }


def main() -> int:
    """Run cells until there are none left, or time is up."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="the model, not quantized")
    parser.add_argument("--envs", type=Path, required=True, help="virtual environments, made here")
    parser.add_argument("--work", type=Path, required=True, help="texts, logs, one checkpoint")
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "real_lm.json")
    parser.add_argument("--hours", type=float, default=8.0, help="begin no cell after that")
    parser.add_argument("--rows", nargs="+", help="only rows whose name starts so")
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 3], help="only these widths")
    parser.add_argument("--draws", type=int, default=DRAWS, help="only the first of the draws")
    parser.add_argument("--group-size", type=int, nargs="+", default=[64, 128])
    options = parser.parse_args()
    for name in ("model", "envs", "work", "data", "out"):
        setattr(options, name, getattr(options, name).resolve())
    torch.set_num_threads(1)
    started = time.monotonic()
    loaded = load_model(options.model, dtype=torch.float32)
    c4 = prepare(options, loaded)
    if Results(options.out).find((FULL, 16, 0, 0)) is None:
        nothing = {"cpu_seconds": 0.0, "peak_mb": 0.0}
        record = {"row": FULL, "bits": 16, "group_size": 0, "draw": 0, **nothing}
        record |= measure(loaded, options, c4)
        keep(options.out, record)
    rows = [row for row in ROWS if not options.rows or row.name.startswith(tuple(options.rows))]
    failed: set[tuple[str, int]] = set()
    for cell in cells(rows):
        if cell.bits not in options.bits or cell.group_size not in options.group_size:
            continue
        if cell.draw >= options.draws or (cell.row.name, cell.bits) in failed:
            continue
        if Results(options.out).find(cell.key):
            continue
        if time.monotonic() - started > options.hours * 3600:
            print("time is up; the next start goes on here", flush=True)
            break
        try:
            out, cost = quantize(cell, options, loaded)
            named = dict(zip(("row", "bits", "group_size", "draw"), cell.key, strict=True))
            record = {**named, **asdict(cost)}
            if cell.row.tool is None:
                record["commit"] = commit()
            record |= measure(load_dense(checkpoint_folder(out)), options, c4)
        except Exception as error:  # one tool must not cost the others' rows; it is named below
            failed.add((cell.row.name, cell.bits))
            print(f"failed: {cell.folder}: {error}", file=sys.stderr, flush=True)
            continue
        keep(options.out, record)
        shutil.rmtree(out)
        print(
            f"{cell.folder}: WikiText-2 {record['wikitext']:.3f}, C4 {record['c4']:.3f}, "
            f"{record['cpu_seconds']:.0f} s",
            flush=True,
        )
    print(markdown(table(Results(options.out).cells)))
    return 1 if failed else 0


def keep(path: Path, record: dict[str, Any]) -> None:
    """Add a cell to the result file."""
    results = Results(path)
    results.cells.append(record)
    results.write()


if __name__ == "__main__":
    sys.exit(main())
