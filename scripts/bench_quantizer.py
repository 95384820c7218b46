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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
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


def quality(data: Path, names: Sequence[str], draws: int, out: Path) -> dict[str, Any]:
    """Measure every method over the first draws; ``out`` is written after each."""
    result: dict[str, Any] = {"facts": facts(), "group_size": GROUP, "models": {}}
    with tempfile.TemporaryDirectory() as scratch:
        calibration, unseen = halves(data, Path(scratch))
        for name in names:
            weights, tokenizer = (data / "weights" / file for file in WEIGHTS[name])
            folder = import_model(weights, tokenizer, Path(scratch) / name)
            loaded = load_model(folder, dtype=torch.float32)
            exact = {key: value.clone() for key, value in loaded.model.state_dict().items()}
            full = perplexity(loaded, unseen)["value"]
            runs: list[dict[str, Any]] = []
            for bits in (4, 3):
                for draw in range(draws):
                    for method, settings in methods(bits).items():
                        found = one_run(folder, calibration, settings, draw, loaded, exact, unseen)
                        runs.append({"bits": bits, "draw": draw, "method": method, **found})
                        print(name, bits, draw, method, f"{found['perplexity']:.4f}", flush=True)
                    table = summary(runs, full)
                    result["models"][name] = {"full_precision": full, "table": table, "runs": runs}
                    write(out, result)
    return result


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


def summary(runs: list[dict[str, Any]], full: float) -> dict[str, Any]:
    """Ratios to GPTQ's of the same draw: mean, 95 % interval of the mean, range; worst J."""
    table: dict[str, Any] = {}
    for bits in sorted({r["bits"] for r in runs}, reverse=True):
        base = {r["draw"]: r for r in runs if r["bits"] == bits and r["method"] == "gptq"}
        rows: dict[str, Any] = {}
        for method in methods(bits):
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
                "j_ratio_worst": None if method == "rpiq" else max(kinds),
                "j_ratio_mean": None if method == "rpiq" else statistics.mean(kinds),
            }
        table[f"{bits} bits"] = rows
    return table


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
    parser.add_argument("part", choices=("quality", "seconds", "pictures"))
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", nargs="+", choices=tuple(WEIGHTS), default=tuple(WEIGHTS))
    parser.add_argument("--draws", type=int, choices=range(1, DRAWS + 1), default=DRAWS)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=25, help="that part seconds may take")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.part == "quality":
        result = quality(options.data, options.models, options.draws, options.out)
        for name, model in result["models"].items():
            print(name, json.dumps(model["table"], indent=1, ensure_ascii=False))
    elif options.part == "seconds":
        device = torch.device(options.device)
        known = facts(device)
        result = {"facts": known} | seconds(
            options.minutes, device, lambda found: write(options.out, {"facts": known} | found)
        )
        print(json.dumps(result["added_up"], indent=1, ensure_ascii=False))
    else:
        result = picture_skills(options.pictures)
    write(options.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
