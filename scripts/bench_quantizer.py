#!/usr/bin/env python3
"""Measure the quantizer against its bars: quality over calibration draws, seconds, picture skills.

Parts, each with a JSON file of its own:

quality  On real trained weights, group 32, draws 0 to 7 (the seed of ``quantizer run``): per draw
         the output error J of rpiq at γ = 0 against GPTQ's by layer kind, and the perplexity gap
         to full precision as a ratio to GPTQ's. Calibration is the first half of the stories of
         TinyStories' sample, evaluation the other half. GPTQ alone means min/max grid and columns
         in their own order. Every method quantizes its own prefix, as a run does.
seconds  One decoder layer of LLaMA-3.1-8B's shapes with random weights, by GPTQ and by rpiq: the
         parts of both runs are timed, per token where they depend on tokens, and added up for
         128 sequences of 2048 tokens. Also the solver's steps alone at two shapes.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

import quantizer.rpiq as rpiq_module
from models.checkpoint import CheckpointReader
from models.families import OpenedModel, open_blockwise
from models.llama2c import import_model
from models.loading import LoadedModel, load_model
from models.pocket import pocket_bf16_folder
from models.pocket.pictures import Split, write_dataset
from quantizer.calibration import CalibrationSet, draw_calibration
from quantizer.evaluate.paired import paired
from quantizer.evaluate.perplexity import perplexity
from quantizer.evaluate.pictures import pictures
from quantizer.following import JUDGING_TOKENS, followed_tokens
from quantizer.gptq import LayerProblem, gptq
from quantizer.grid import hessian_grid, minmax_grid
from quantizer.passes import Passes
from quantizer.pipeline import Job, run
from quantizer.report import ModuleReport
from quantizer.solver import Settings
from quantizer.walk import Walk

WEIGHTS = {
    "stories260K": ("stories260K.bin", "tok512.model"),
    "babyllama": ("babyllama_v361_model5000.bin", "tok105.model"),
}
GROUP, SAMPLES, SEQ_LEN, DRAWS = 32, 64, 256, 8
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""Student's t for 95 % two-sided intervals of a mean, by number of draws."""

# LLaMA-3.1-8B, https://huggingface.co/meta-llama/Llama-3.1-8B (config.json)
HIDDEN, INTERMEDIATE, HEADS, KEY_HEADS = 4096, 14336, 32, 8
SEQUENCES, TOKENS_EACH = 128, 2048


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
    """Quantize in memory, as 3 bits have no file, and measure perplexity in float32."""
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


def seconds(fitting: int, held_out: int, device: torch.device) -> dict[str, Any]:
    """Time one layer of LLaMA-3.1-8B's shapes by both methods and add up a realistic run."""
    result: dict[str, Any] = {
        "facts": facts(device) | {"fitting_sequences": fitting, "held_out_sequences": held_out},
        "measured": {},
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = layer_of_8b(Path(scratch))
        for method in ("gptq", "rpiq"):
            opened = open_blockwise(folder)
            grid = "hessian" if method == "rpiq" else "minmax"
            settings = Settings(method, 4, 128, grid=grid)
            generator = torch.Generator().manual_seed(0)
            samples = [
                {"input_ids": torch.randint(0, 1000, (1, TOKENS_EACH), generator=generator)}
                for _ in range(fitting + held_out)
            ]
            walk = Walk(opened, CheckpointReader(folder), settings, device=device)
            with parts_timed(device) as spent, torch.no_grad():
                started = time.perf_counter()
                list(walk.run(CalibrationSet(samples[:fitting], samples[fitting:])))
                total = time.perf_counter() - started
            result["measured"][method] = dict(spent) | {"total": total}
            print(method, {k: round(v, 1) for k, v in spent.items()}, round(total, 1), flush=True)
    result["added_up"] = add_up(result["measured"], fitting, held_out)
    result["solver_steps"] = [solver_steps(4096, 4096, device), solver_steps(4096, 14336, device)]
    return result


def layer_of_8b(folder: Path) -> Path:
    """A LLaMA folder with one layer of the real shapes, random weights and few words."""
    generator = torch.Generator().manual_seed(0)
    key_size = HIDDEN // HEADS * KEY_HEADS
    shapes = {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (key_size, HIDDEN),
        "self_attn.v_proj": (key_size, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
        "mlp.up_proj": (INTERMEDIATE, HIDDEN),
        "mlp.down_proj": (HIDDEN, INTERMEDIATE),
    }
    tensors = {
        f"model.layers.0.{name}.weight": torch.randn(shape, generator=generator) * 0.02
        for name, shape in shapes.items()
    }
    for name in ("layers.0.input_layernorm", "layers.0.post_attention_layernorm", "norm"):
        tensors[f"model.{name}.weight"] = torch.ones(HIDDEN)
    tensors["model.embed_tokens.weight"] = torch.randn(1000, HIDDEN, generator=generator)
    save_file(
        {name: value.to(torch.bfloat16) for name, value in tensors.items()},
        folder / "model.safetensors",
    )
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 1000,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": 1,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS,
        "max_position_embeddings": TOKENS_EACH,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@contextmanager
def parts_timed(device: torch.device) -> Iterator[dict[str, float]]:
    """Add up the seconds of the walk's parts; a part inside another counts for itself alone."""
    spent: dict[str, float] = defaultdict(float)
    names: dict[tuple[type, str], str] = {
        (Passes, "inputs"): "inputs",
        (Passes, "exact_inputs"): "exact inputs",
        (Passes, "advance"): "advance",
        (Walk, "_goal"): "goal",
        (Walk, "_output_error"): "judge",
        (Walk, "_solve"): "solve",
        (Walk, "_choose_gamma"): "choose",
        (Walk, "_statistics"): "statistics",
    }
    stack: list[str] = []
    since = [time.perf_counter()]
    originals = {(owner, method): getattr(owner, method) for owner, method in names}

    def switch() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        now = time.perf_counter()
        if stack:
            spent[stack[-1]] += now - since[0]
        since[0] = now

    def timed(part: tuple[type, str]) -> Callable[..., Any]:
        original = originals[part]

        def call(self: Passes | Walk, *arguments: Any, **named: Any) -> Any:
            switch()
            name = names[part]
            if name == "inputs" and stack and stack[-1] == "exact inputs":
                name = stack[-1]
            stack.append(name)
            try:
                found = original(self, *arguments, **named)
            finally:
                switch()
                stack.pop()
            if name == "statistics":
                # So few tokens would have the few-token rule try every layer twice.
                found.tokens = max(found.tokens, found.hessian.shape[0])
            return found

        return call

    for owner, method in names:
        setattr(owner, method, timed((owner, method)))
    try:
        yield spent
    finally:
        for (owner, method), original in originals.items():
            setattr(owner, method, original)


def add_up(measured: dict[str, dict[str, float]], fitting: int, held_out: int) -> dict[str, Any]:
    """Scale what depends on tokens to a realistic run, and leave the rest as it was measured.

    The accumulation of H is part of ``statistics``, that of Δ too; Δ's share is what rpiq spends
    there beyond gptq. The exact path follows only ``followed_tokens``, and at most
    ``JUDGING_TOKENS`` held-out tokens choose γ.
    """
    small = (fitting + held_out) * TOKENS_EACH
    fit_small = fitting * TOKENS_EACH
    tokens = SEQUENCES * TOKENS_EACH
    held = round(0.1 * SEQUENCES) * TOKENS_EACH
    followed = math.ceil(followed_tokens(INTERMEDIATE) / TOKENS_EACH) * TOKENS_EACH
    followed = min(followed, tokens - held)
    judged_small = min(held_out * TOKENS_EACH, JUDGING_TOKENS)
    base, ours = measured["gptq"], measured["rpiq"]
    quantized = {  # seconds per token on the quantized path, the same in both runs
        part: base[part] / small for part in ("inputs", "statistics", "advance")
    }
    exact = {
        "exact inputs": ours["exact inputs"] / fit_small,
        "Δ": max(ours["statistics"] - base["statistics"], 0.0) / fit_small,
    }
    judging = (ours["judge"] + ours["goal"]) * JUDGING_TOKENS / judged_small
    gptq_total = sum(quantized.values()) * tokens + base["solve"]
    rpiq_total = (
        sum(quantized.values()) * tokens
        + sum(exact.values()) * followed
        + judging
        + ours["choose"]
        + ours["solve"]
    )
    return {
        "tokens": tokens,
        "followed_tokens": followed,
        "judging_tokens": JUDGING_TOKENS,
        "seconds_per_1000_tokens_quantized_path": {k: 1000 * v for k, v in quantized.items()},
        "seconds_per_1000_tokens_exact_path": {k: 1000 * v for k, v in exact.items()},
        "judging_seconds": judging,
        "solver_seconds": {"gptq": base["solve"], "rpiq": ours["solve"] + ours["choose"]},
        "gptq_seconds": gptq_total,
        "rpiq_seconds": rpiq_total,
        "ratio": rpiq_total / gptq_total,
    }


def solver_steps(out_features: int, in_features: int, device: torch.device) -> dict[str, Any]:
    """Seconds of each step of the solver alone on one layer, group 128."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(out_features, in_features, generator=generator) * 0.02
    tokens = in_features + in_features // 4
    factors = torch.randn(in_features, 64, generator=generator)
    inputs = torch.randn(tokens, in_features, generator=generator)
    inputs += torch.randn(tokens, 64, generator=generator) @ factors.T * 0.3
    hessian = (inputs.T @ inputs / tokens).to(device)
    problem = LayerProblem(weight.to(device), hessian, tokens)
    spent: dict[str, float] = {}

    def clock(name: str, action: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        value = action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        spent[name] = time.perf_counter() - started
        return value

    plain = minmax_grid(problem.weight, bits=4, group_size=128, sym=False)
    clock("gptq", lambda: gptq(problem, plain))
    clock("gptq, factor known", lambda: gptq(problem, plain))
    grid = clock(
        "Hessian grid",
        lambda: hessian_grid(problem.weight, hessian, bits=4, group_size=128, sym=False),
    )
    start = gptq(problem, grid)
    steps: dict[str, float] = defaultdict(float)
    names = ("block_step", "coordinate_step", "rescale_step", "refit_step")
    originals = {name: getattr(rpiq_module, name) for name in names}

    def timed(name: str) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            began = time.perf_counter()
            originals[name](*arguments)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            steps[name] += time.perf_counter() - began

        return call

    for name in names:
        setattr(rpiq_module, name, timed(name))
    try:
        refined = clock("rpiq, all rounds", lambda: rpiq_module.rpiq(problem, start.weight))
    finally:
        for name, original in originals.items():
            setattr(rpiq_module, name, original)
    rounds = len(refined.trace) - 1
    found = {
        "out_features": out_features,
        "in_features": in_features,
        "rounds": rounds,
        "seconds": spent,
        "seconds_of_steps": dict(steps),
        "j_before": refined.trace[0],
        "j_after": refined.trace[-1],
    }
    print(found, flush=True)
    return found


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
    parser.add_argument("--sequences", type=int, nargs=2, default=(2, 2), help="fitting, held out")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.part == "quality":
        result = quality(options.data, options.models, options.draws, options.out)
        for name, model in result["models"].items():
            print(name, json.dumps(model["table"], indent=1, ensure_ascii=False))
    elif options.part == "seconds":
        result = seconds(*options.sequences, torch.device(options.device))
        print(json.dumps(result["added_up"], indent=1, ensure_ascii=False))
    else:
        result = picture_skills(options.pictures)
    write(options.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
