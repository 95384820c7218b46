#!/usr/bin/env python3
"""Compare our methods with other quantizers: same weights, same tokens, same evaluator.

Every tool works in a virtual environment of its own below --envs, which is made where it is
missing. Every run is one process on one thread; its cost is the processor time that the process
and its children used, so that other load on the machine does not count. Each tool runs once
uncounted before, because several of them compile code at their first run.

All checkpoints are read back from disk by our loader, dequantized, and measured by the same
function in float32. The calibration windows are drawn once by quantizer.calibration.streams and
given to the tools as token ids; ours draws the same ones from --seed. What a tool sees of them is
its own choice: ours keeps the last tenth back to judge by.

The result file is written after every step, and a second start goes on where the first stopped.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from peers.tools import (
    AUTO_ROUND,
    GPTQMODEL,
    LLM_COMPRESSOR,
    Request,
    Row,
    checkpoint_folder,
    commit,
    described,
    import_seconds,
    load_dense,
    run_ours,
    run_tool,
    write_whole,
)

from models.files.llama2c import import_model
from models.loading import LoadedModel, load_model
from quantizer.calibration.streams import text_windows
from quantizer.evaluate.perplexity import perplexity

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
BITS, GROUP_SIZE, SAMPLES, SEQ_LEN = 4, 32, 64, 256
DRAWS = 8
MODELS = {
    "stories260K": ("stories260K.bin", "tok512.model"),
    "babyllama": ("babyllama_v361_model5000.bin", "tok105.model"),
}
BASELINE = "gptq"


ROWS = (
    Row(BASELINE, None, options=("--method", "gptq", "--grid", "minmax", "--no-act-order")),
    Row(
        "gptq, act-order, Hessian grid",
        None,
        options=("--method", "gptq", "--grid", "hessian", "--act-order"),
    ),
    Row("rpiq", None, options=("--method", "rpiq")),
    Row("llm-compressor GPTQ", LLM_COMPRESSOR),
    Row("GPTQModel default", GPTQMODEL),
    Row(
        "GPTQModel GPTAQ, act-order, mse",
        GPTQMODEL,
        {"gptaq": {"alpha": 0.25}, "desc_act": True, "act_group_aware": False, "mse": 2.0},
    ),
    Row("AutoRound 200 steps", AUTO_ROUND, {"iters": 200}),
)


class Results:
    """The result file, written whole after every change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        known = json.loads(path.read_text()) if path.is_file() else {}
        self.runs: list[dict[str, Any]] = known.get("runs", [])
        self.full: dict[str, float] = known.get("full_precision", {})
        self.imports: dict[str, float] = known.get("import_seconds", {})

    def find(self, row: str, model: str, draw: int) -> dict[str, Any] | None:
        """The record of a finished run."""
        for run in self.runs:
            if (run["row"], run["model"], run["draw"]) == (row, model, draw):
                return run
        return None

    def write(self) -> None:
        """Write the runs and the table made of them."""
        value = {
            "settings": {
                "bits": BITS,
                "group_size": GROUP_SIZE,
                "asymmetric": True,
                "samples": SAMPLES,
                "seq_len": SEQ_LEN,
                "threads": 1,
                "torch": torch.__version__,
                "rows": described(ROWS),
            },
            "table": table(self.runs, self.full),
            "full_precision": self.full,
            "import_seconds": self.imports,
            "runs": self.runs,
        }
        write_whole(self.path, value)


def table(runs: Iterable[Mapping[str, Any]], full: Mapping[str, float]) -> list[dict[str, Any]]:
    """Per model and row: perplexity, gap ratio to plain GPTQ on the same draw, seconds."""
    measured = [run for run in runs if "perplexity" in run]
    lines = []
    for model in MODELS:
        plain = {
            run["draw"]: run["perplexity"] - full[model]
            for run in measured
            if (run["row"], run["model"]) == (BASELINE, model)
        }
        for row in ROWS:
            own = [run for run in measured if (run["row"], run["model"]) == (row.name, model)]
            ratios = [
                (run["perplexity"] - full[model]) / plain[run["draw"]]
                for run in own
                if run["draw"] in plain
            ]
            if not ratios:
                continue
            lines.append(
                {
                    "model": model,
                    "row": row.name,
                    "draws": sorted(run["draw"] for run in own),
                    "mean_perplexity": statistics.mean(run["perplexity"] for run in own),
                    "gap_ratio_mean": statistics.mean(ratios),
                    "gap_ratio_range": [min(ratios), max(ratios)],
                    "cpu_seconds_median": statistics.median(run["cpu_seconds"] for run in own),
                    "without_imports_median": statistics.median(
                        run["cpu_seconds"] - run["import_seconds"] for run in own
                    ),
                }
            )
    return lines


def quantize(
    row: Row,
    model: Path,
    windows: list[list[int]],
    draw: int,
    out: Path,
    options: argparse.Namespace,
) -> float:
    """Quantize a model into ``out``; returns the processor time."""
    if row.tool is None:
        command = ["--group-size", str(GROUP_SIZE), "--bits", str(BITS)]
        command += ["--calibration", str(options.work / "calibration.txt")]
        command += ["--samples", str(SAMPLES), "--seq-len", str(SEQ_LEN), "--seed", str(draw)]
        return run_ours(model, out, [*command, *row.options]).cpu_seconds
    request = Request(model, BITS, GROUP_SIZE, row.settings, windows)
    return run_tool(row.tool, request, out, options.envs).cpu_seconds


def prepare(options: argparse.Namespace) -> dict[str, Path]:
    """Import the weights and split the text by documents; returns the model folders."""
    options.work.mkdir(parents=True, exist_ok=True)
    options.envs.mkdir(parents=True, exist_ok=True)
    text = (options.data / "text" / "tiny_sample_part1.txt").read_text()
    documents = text.split("<|endoftext|>")
    half = len(documents) // 2
    for name, part in (("calibration", documents[:half]), ("evaluation", documents[half:])):
        (options.work / f"{name}.txt").write_text("<|endoftext|>".join(part))
    folders = {}
    for name, (weights, tokenizer) in MODELS.items():
        folders[name] = options.work / name
        if not folders[name].is_dir():
            source = options.data / "weights"
            import_model(source / weights, source / tokenizer, folders[name])
    return folders


def measure(
    row: Row, model: str, folder: Path, draw: int, loaded: LoadedModel, options: argparse.Namespace
) -> None:
    """Quantize and evaluate what the result file lacks of one row, model and draw."""
    results = Results(options.out)
    tool = row.tool.name if row.tool else "ours"
    run = results.find(row.name, model, draw)
    if run is None:
        drawn = text_windows(
            options.work / "calibration.txt",
            loaded.tokenizer,
            bos_token_id=loaded.model.config.bos_token_id,
            samples=SAMPLES,
            seq_len=SEQ_LEN,
            seed=draw,
        )
        windows = [window[0].tolist() for window in drawn]
        if tool not in results.imports:
            # The first run may compile code, so it is not counted.
            quantize(row, folder, windows, draw, options.work / f"{tool}-first", options)
            log = options.work / "imports.log"
            results.imports[tool] = import_seconds(row.tool, options.envs, log)
        label = row.name.replace(" ", "_").replace(",", "")
        out = options.work / f"{model}-{draw}-{label}"
        started = time.monotonic()
        run = {
            "row": row.name,
            "model": model,
            "draw": draw,
            "cpu_seconds": quantize(row, folder, windows, draw, out, options),
            "import_seconds": results.imports[tool],
            "wall_seconds": time.monotonic() - started,
            "checkpoint": out.name,
        }
        if row.tool is None:
            run["commit"] = commit()
        results.runs.append(run)
        results.write()
    if "perplexity" not in run:
        dense = load_dense(checkpoint_folder(options.work / run["checkpoint"]))
        run["perplexity"] = perplexity(dense, options.work / "evaluation.txt")["value"]
        results.write()
        print(f"{model} {row.name} draw {draw}: {run['perplexity']:.4f}", flush=True)


def main() -> int:
    """Run everything that was asked for and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--envs", type=Path, required=True, help="virtual environments, made here")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints, kept")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "peers.json")
    parser.add_argument("--draws", type=int, default=DRAWS, help="the first draws only")
    parser.add_argument("--rows", nargs="+", help="only rows whose name starts so")
    parser.add_argument("--again", action="store_true", help="forget what these rows gave before")
    options = parser.parse_args()
    for name in ("envs", "work", "data", "out"):
        setattr(options, name, getattr(options, name).resolve())
    torch.set_num_threads(1)
    rows = [row for row in ROWS if not options.rows or row.name.startswith(tuple(options.rows))]
    folders = prepare(options)
    loaded = {name: load_model(folder, dtype=torch.float32) for name, folder in folders.items()}
    results = Results(options.out)
    if options.again:
        names = {row.name for row in rows}
        results.runs = [run for run in results.runs if run["row"] not in names]
        results.write()
    for name in set(MODELS) - set(results.full):
        results.full[name] = perplexity(loaded[name], options.work / "evaluation.txt")["value"]
        results.write()
    failed: set[str] = set()
    for draw in range(min(options.draws, DRAWS)):  # all rows of a draw first: they are compared
        for name, folder in folders.items():
            for row in rows:
                if row.name in failed:
                    continue
                try:
                    measure(row, name, folder, draw, loaded[name], options)
                except RuntimeError as error:  # one tool must not cost the others' rows
                    failed.add(row.name)
                    print(f"failed: {row.name} on {name}: {error}", file=sys.stderr, flush=True)
    results = Results(options.out)
    for line in table(results.runs, results.full):
        low, high = line["gap_ratio_range"]
        print(
            f"{line['model']:12} {line['row']:34} ppl {line['mean_perplexity']:.4f}  gap ratio "
            f"{line['gap_ratio_mean']:.2f} ({low:.2f}-{high:.2f})  "
            f"{line['cpu_seconds_median']:.1f} s  draws {len(line['draws'])}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
