#!/usr/bin/env python3
"""Measure the quantizer against its bars: quality over calibration draws, seconds, picture skills.

Parts, each with a JSON file of its own:

quality  On real trained weights, group 32, draws 0 to 7 (the seed of ``quantizer run``): per draw
         the output error J of rpiq at γ = 0 against GPTQ's by layer kind, and the perplexity gap
         to full precision as a ratio to GPTQ's. Calibration is the first half of the stories of
         TinyStories' sample, evaluation the other half. GPTQ alone means min/max grid and columns
         in their own order. Every method quantizes its own prefix, as a run does.
seconds  One decoder layer of LLaMA-3.1-8B's shapes with random weights, by GPTQ and by rpiq: parts
         of both runs are timed in turn and added up for 128 sequences of 2048 tokens, see
         ``bench_quantizer_seconds``. Takes ``--minutes``; a stop loses one timing.
pictures The pocket model by GPTQ and by rpiq, asked the same questions about held-out pictures.
cost     Processor seconds of rpiq against gptq by calibration tokens, on a real model's first
         blocks (``--model``), and by width, see ``bench_quantizer_cost``. It goes on with its file.
options  What rpiq can be told beyond its defaults, ``--residual-target`` and
         ``--token-importance``, as a ratio to rpiq without, with the models and draws of quality.
         It goes on with its file.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from bench_quantizer_cost import cost
from bench_quantizer_seconds import seconds
from torch import Tensor

from models.families import OpenedModel, open_blockwise
from models.files.checkpoint import CheckpointReader
from models.files.llama2c import import_model
from models.loading import LoadedModel, load_model
from models.pocket import pocket_bf16_folder
from models.pocket.training.pictures import Split, write_dataset
from quantizer.calibration.streams import CalibrationSet, draw_calibration
from quantizer.evaluate.paired import paired
from quantizer.evaluate.perplexity import perplexity
from quantizer.evaluate.pictures import pictures
from quantizer.report.report import ModuleReport
from quantizer.run.pipeline import Job, run
from quantizer.run.walk import Walk
from quantizer.solvers.methods import Settings

WEIGHTS = {
    "stories260K": ("stories260K.bin", "tok512.model"),
    "babyllama": ("babyllama_v361_model5000.bin", "tok105.model"),
}
GROUP, SAMPLES, SEQ_LEN, DRAWS = 32, 64, 256, 8
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""Student's t for 95 % two-sided intervals of a mean, by number of draws."""


def methods(bits: int) -> dict[str, Settings]:
    """The methods of the quality part, GPTQ first."""
    return {
        "gptq": Settings("gptq", bits, GROUP, act_order=False),
        "gptq, act-order, Hessian grid": Settings("gptq", bits, GROUP, grid="hessian"),
        "rpiq, γ = 0": Settings("rpiq", bits, GROUP, grid="hessian", asymmetric_target="0"),
        "rpiq": Settings("rpiq", bits, GROUP, grid="hessian"),
    }


def options_of_rpiq(bits: int) -> dict[str, Settings]:
    """The rows of the part on options, rpiq without any first."""
    plain = Settings("rpiq", bits, GROUP)
    rows = {"rpiq": plain, "--residual-target": replace(plain, residual_target=True)}
    for share in (0.25, 0.5, 1.0):
        rows[f"--token-importance {share:g}"] = replace(plain, token_importance=share)
    return rows


def quality(
    data: Path,
    names: Sequence[str],
    draws: int,
    out: Path,
    rows: Callable[[int], dict[str, Settings]] = methods,
) -> dict[str, Any]:
    """Measure every row over the first draws; ``out`` is written after each, and gone on with.

    rows: settings by name for a number of bits; ratios are to the first.
    """
    result: dict[str, Any] = {"facts": facts(), "group_size": GROUP, "models": {}}
    known = json.loads(out.read_text())["models"] if out.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        calibration, unseen = halves(data, Path(scratch))
        for name in names:
            weights, tokenizer = (data / "weights" / file for file in WEIGHTS[name])
            folder = import_model(weights, tokenizer, Path(scratch) / name)
            loaded = load_model(folder, dtype=torch.float32)
            exact = {key: value.clone() for key, value in loaded.model.state_dict().items()}
            full = perplexity(loaded, unseen)["value"]
            done = {key_of(run): run for run in known.get(name, {}).get("runs", ())}
            runs: list[dict[str, Any]] = []
            for bits in (4, 3):
                for draw in range(draws):
                    for method, settings in rows(bits).items():
                        run_ = {"bits": bits, "draw": draw, "method": method}
                        if key_of(run_) in done:
                            runs.append(done[key_of(run_)])
                            continue
                        found = one_run(folder, calibration, settings, draw, loaded, exact, unseen)
                        runs.append(run_ | found)
                        print(name, bits, draw, method, f"{found['perplexity']:.4f}", flush=True)
                    table = summary(runs, full, rows)
                    result["models"][name] = {"full_precision": full, "table": table, "runs": runs}
                    write(out, {**result, "models": known | result["models"]})
    return result


def key_of(run: dict[str, Any]) -> tuple[Any, ...]:
    """What tells a run from the others of its model."""
    return run["bits"], run["draw"], run["method"]


def halves(data: Path, scratch: Path) -> tuple[Path, Path]:
    """Split the stories into those that calibrate and those that judge."""
    stories = (data / "text" / "tiny_sample_part1.txt").read_text().split("<|endoftext|>")
    files = scratch / "calibration.txt", scratch / "unseen.txt"
    half = len(stories) // 2
    for file, part in zip(files, (stories[:half], stories[half:]), strict=True):
        file.write_text("<|endoftext|>".join(part))
    return files


def one_run(
    folder: Path,
    calibration: Path,
    settings: Settings,
    draw: int,
    loaded: LoadedModel,
    exact: dict[str, Tensor],
    unseen: Path,
) -> dict[str, Any]:
    """Quantize in memory, as only the weights count, and measure perplexity in float32."""
    opened = open_blockwise(folder)
    drawn = draw_calibration(opened, calibration, samples=SAMPLES, seq_len=SEQ_LEN, seed=draw)
    started = time.process_time()
    modules, weights = quantize(opened, settings, drawn)
    seconds = time.process_time() - started
    loaded.model.load_state_dict(exact)
    layers = dict(loaded.model.named_parameters())
    with torch.no_grad():
        for layer, weight in weights.items():
            layers[f"{layer}.weight"].copy_(weight)
    errors: dict[str, float] = defaultdict(float)
    for module in modules:
        errors[module.name.rsplit(".", 1)[-1]] += module.j or 0.0
    return {
        "perplexity": perplexity(loaded, unseen)["value"],
        "cpu_seconds": round(seconds, 2),
        "j_by_kind": dict(errors),
        "gammas": {str(g): sum(m.gamma == g for m in modules) for g in {m.gamma for m in modules}},
        "kept": sorted({m.method for m in modules}),
    }


def quantize(
    opened: OpenedModel, settings: Settings, calibration: CalibrationSet
) -> tuple[list[ModuleReport], dict[str, Tensor]]:
    """Walk a whole model; return reports and dequantized weights."""
    walk = Walk(opened, CheckpointReader(opened.folder), settings, device=torch.device("cpu"))
    modules: list[ModuleReport] = []
    weights: dict[str, Tensor] = {}
    with torch.no_grad():
        for block in walk.run(calibration):
            modules.extend(block.modules)
            weights |= {name: weight.dequantize() for name, weight in block.layers.items()}
    return modules, weights


def summary(
    runs: list[dict[str, Any]],
    full: float,
    rows_of: Callable[[int], dict[str, Settings]] = methods,
) -> dict[str, Any]:
    """Ratios to the first row's of the same draw: mean, its 95 % interval, range; worst J."""
    table: dict[str, Any] = {}
    for bits in sorted({r["bits"] for r in runs}, reverse=True):
        settings = rows_of(bits)
        first = next(iter(settings))
        base = {r["draw"]: r for r in runs if r["bits"] == bits and r["method"] == first}
        rows: dict[str, Any] = {}
        for method in settings:
            own = [r for r in runs if r["bits"] == bits and r["method"] == method]
            ratios = [
                (r["perplexity"] - full) / (base[r["draw"]]["perplexity"] - full) for r in own
            ]
            kinds = [
                value / base[r["draw"]]["j_by_kind"][kind]
                for r in own
                for kind, value in r["j_by_kind"].items()
            ]
            rows[method] = {
                "draws": len(own),
                "gap_ratio": interval(ratios),
                "gap_ratio_range": [min(ratios), max(ratios)],
                "cpu_seconds": statistics.median(r["cpu_seconds"] for r in own),
                # With γ > 0 the layer aims at another target, and J says nothing.
                "j_ratio_worst": None if corrected(settings[method]) else max(kinds),
                "j_ratio_mean": None if corrected(settings[method]) else statistics.mean(kinds),
            }
        table[f"{bits} bits"] = rows
    return table


def corrected(settings: Settings) -> bool:
    """Whether a layer aims at something else than its weight."""
    return settings.method == "rpiq" and settings.asymmetric_target != "0"


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean and its 95 % interval by Student's t over draws."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return {"mean": mean, "interval_95": None}
    half = T_95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": mean, "interval_95": [mean - half, mean + half]}


def picture_skills(count: int) -> dict[str, Any]:
    """Quantize the pocket model both ways and compare the answers, paired."""
    answers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        calibration, judged = Path(scratch) / "calibration", Path(scratch) / "judged"
        write_dataset(calibration, range(64), Split.TRAIN)
        write_dataset(judged, range(2_000_000, 2_000_000 + count), Split.HELD_OUT)
        folders = {"bf16": pocket_bf16_folder()}
        for method in ("gptq", "rpiq"):
            folders[method] = Path(scratch) / method
            grid = "hessian" if method == "rpiq" else "minmax"
            settings = Settings(method, 4, 128, grid=grid)
            job = Job(
                pocket_bf16_folder(),
                folders[method],
                settings,
                calibration=calibration,
                samples=64,
            )
            run(job)
        for name, folder in folders.items():
            answers[name] = pictures(load_model(folder), judged)
            print(name, answers[name]["value"], answers[name]["interval_95"], flush=True)
    kept = ("items", "value", "interval_95", "skills")
    return {
        "facts": facts(),
        "pictures": count,
        "models": {name: {key: found[key] for key in kept} for name, found in answers.items()},
        "rpiq_against_gptq": paired(answers["rpiq"], answers["gptq"]),
        "rpiq_against_bf16": paired(answers["rpiq"], answers["bf16"]),
    }


def facts(device: torch.device | None = None) -> dict[str, Any]:
    """What a reader needs to judge the figures."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    name = torch.cuda.get_device_name(device) if device and device.type == "cuda" else "cpu"
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": name,
        "commit": commit or "unknown",
    }


def write(path: Path, result: dict[str, Any]) -> None:
    """Write a result so that a stopped measurement leaves the last whole one."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def main() -> int:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("quality", "seconds", "pictures", "cost", "options"))
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", nargs="+", choices=tuple(WEIGHTS), default=tuple(WEIGHTS))
    parser.add_argument("--draws", type=int, choices=range(1, DRAWS + 1), default=DRAWS)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=25, help="that seconds or cost may take")
    parser.add_argument("--model", type=Path, help="folder of a LLaMA model, for cost")
    parser.add_argument("--calibration", type=Path, help="text, for cost")
    parser.add_argument("--samples", type=int, nargs="+", default=[4, 16, 64], help="for cost")
    parser.add_argument("--widths", type=int, nargs="+", default=[384, 768, 1536], help="for cost")
    parser.add_argument("--turns", type=int, default=3, help="of cost")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.part in ("quality", "options"):
        rows = methods if options.part == "quality" else options_of_rpiq
        result = quality(options.data, options.models, options.draws, options.out, rows)
        for name, model in result["models"].items():
            print(name, json.dumps(model["table"], indent=1, ensure_ascii=False))
    elif options.part == "seconds":
        device = torch.device(options.device)
        known = facts(device)
        result = {"facts": known} | seconds(
            options.minutes, device, lambda found: write(options.out, {"facts": known} | found)
        )
        print(json.dumps(result["added_up"], indent=1, ensure_ascii=False))
    elif options.part == "cost":
        if options.model is None or options.calibration is None:
            parser.error("cost needs --model and --calibration")
        torch.set_num_threads(1)
        text = options.calibration
        known = json.loads(options.out.read_text()) if options.out.exists() else {"facts": facts()}
        known |= {"model": options.model.name, "calibration": text.name, "sequence_tokens": 512}
        sizes = options.samples, options.widths, options.turns, options.minutes
        result = cost(options.model, text, *sizes, known, lambda found: write(options.out, found))
        print(json.dumps(result.get("added_up"), indent=1, ensure_ascii=False))
    else:
        result = picture_skills(options.pictures)
    write(options.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
