"""Hold the plan for full-size models against runs at their real widths, with random weights.

On a CPU: a CogVLM2 of the 19B model's widths with two layers of each kind, few words and one small
picture. The run happens in a process of its own, whose largest resident size the system reports.
Layers of more than 4,096 inputs are rounded, because factorizing their Hessians takes a processor
many minutes; their statistics and errors are computed as for any method. Needs two quiet cores for
about eight minutes, 8 GB of memory and 6 GB of disk; beside other work several times as long.

With --complete --device cuda: the complete 19B and 8B shapes, calibrated as in the paper (64
sequences with pictures; 128 of text), in a process that may use 24 GB of the GPU, beside the
paper's figures (arXiv 2601.02888, RTX 4090). Needs 51 GB of disk for the 19B model.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from letters import letter_tokenizer
from PIL import Image
from torch import Tensor

from models.cogvlm2.config import CogVLM2Config, VisionConfig
from models.errors import ModelsError
from models.families import family_of
from models.files.checkpoint import ShardWriter, write_json
from quantizer.errors import QuantizerError
from quantizer.recipes.recipe import read_recipe
from quantizer.run.pipeline import Job, plan_job, prepare, run
from quantizer.solvers.methods import Settings

RESULTS = Path(__file__).parent / "results"
CAP_BYTES = 24 * 10**9
PAPER = {  # seconds and peak GB of RPIQ, 4 bit
    "cogvlm2-19b": {"seconds": 1907, "peak_gb": 20.63},
    "llama-3.1-8b": {"seconds": 488, "peak_gb": 9.41},
}
WORDS = ("sun", "moon", "cat", "runs", "over", "blue", "tree", "nine", "sings.")
CPU_RULES = (  # what is skipped is as wide as what is measured
    ("model.vision.transformer.*.fc2", "rtn"),
    ("model.vision.transformer.*", "gptq"),
    ("model.vision.linear_proj.linear_proj", "gptq"),
    ("model.vision.linear_proj.*", "skip"),
    ("model.layers.*.vision_mlp.down_proj", "rtn"),
    ("model.layers.*_mlp.*", "skip"),
    ("model.layers.*.vision_expert_dense", "gptq"),
    ("model.layers.*.self_attn.*", "skip"),
)


def cogvlm2(**changes: Any) -> dict[str, Any]:
    """The published configuration, with what is changed."""
    vision = VisionConfig(**changes.pop("vision", {}))
    return replace(CogVLM2Config(), vision=vision, **changes).to_dict()


def llama_8b() -> dict[str, Any]:
    """The shapes of LLaMA-3.1-8B."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        rope_theta=500000.0,
        bos_token_id=128000,
        eos_token_id=128001,
        tie_word_embeddings=False,
    )
    return config.to_dict() | {"architectures": ["LlamaForCausalLM"]}


def write_model(folder: Path, config: Mapping[str, Any], device: torch.device) -> None:
    """Write a folder of random bf16 weights, one tensor at a time, and a small tokenizer."""
    module = family_of(config).build(config)
    generator = torch.Generator(device).manual_seed(0)
    with ShardWriter(folder) as writer:
        for name, shape in ((n, t.shape) for n, t in module.state_dict().items()):
            if not name.endswith("inv_freq"):
                writer.add(name, _values(name, shape, generator, device))
    write_json(folder / "config.json", dict(config))
    letter_tokenizer().save(str(folder / "tokenizer.json"))


def _values(
    name: str, shape: torch.Size, generator: torch.Generator, device: torch.device
) -> Tensor:
    if name.endswith(".bias"):
        return torch.zeros(shape, dtype=torch.bfloat16)
    if len(shape) == 1:
        return torch.ones(shape, dtype=torch.bfloat16)
    scale = 0.02 if "embed" in name else float(shape[1:].numel()) ** -0.5
    values = torch.randn(shape, generator=generator, device=device)
    return (values * scale).to(torch.bfloat16).cpu()


def write_pictures(folder: Path, count: int, letters: int) -> None:
    """Write noisy pictures with a question and an answer of so many letters."""
    folder.mkdir()
    drawn = np.random.default_rng(0)
    lines = []
    for number in range(count):
        name = f"{number:03}.png"
        pixels = drawn.integers(0, 256, (256, 256, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
        answer = write_words(number, letters)
        record = {"picture": name, "question": "What?", "answer": answer, "skill": "noise"}
        lines.append(json.dumps(record))
    (folder / "questions.jsonl").write_text("\n".join(lines))


def write_words(seed: int, letters: int) -> str:
    """Draw words until they have so many letters."""
    rng = random.Random(seed)
    text = ""
    while len(text) < letters:
        text += rng.choice(WORDS) + " "
    return text[:letters]


def child(argv: Sequence[str]) -> tuple[str, int, float]:
    """Run a command; return its output, its largest resident size in bytes, and CPU seconds."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(argv, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(argv)} failed with {process.returncode}, as said above")
        output.seek(0)
        return output.read(), usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def cpu_recipe() -> str:
    """The rules of a run on a CPU as a recipe."""
    return "".join(f'[[rule]]\nmodules = "{m}"\nmethod = "{how}"\n' for m, how in CPU_RULES)


def few_blocks(scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Plan and run a few blocks of every kind on the CPU; sizes in bytes."""
    began = time.monotonic()
    model, pictures = scratch / "model", scratch / "pictures"
    layers = {"num_hidden_layers": options.decoder_layers}
    ids = {"vocab_size": 1024, "bos_token_id": 1, "eos_token_ids": (2,), "pad_token_id": 0}
    vision = {"image_size": options.image_size, "num_hidden_layers": options.vision_layers}
    write_model(model, cogvlm2(**layers, **ids, vision=vision), torch.device("cpu"))
    write_pictures(pictures, options.samples, 300)
    written = time.monotonic() - began
    recipe = scratch / "few-blocks.toml"
    recipe.write_text(cpu_recipe())
    argv = [sys.executable, "-m", "quantizer", "run", str(model), "--out", str(scratch / "out")]
    argv += ["--recipe", str(recipe), "--calibration", str(pictures), "--device", "cpu", "--json"]
    argv += ["--samples", str(options.samples)]
    plan = json.loads(child([*argv, "--dry-run"])[0])
    started = time.monotonic()
    report, peak, processor = child(argv)
    wall = time.monotonic() - started
    totals = json.loads(report)
    return {
        "what": "CogVLM2-19B's widths on a CPU",
        "vision_layers": options.vision_layers,
        "decoder_layers": options.decoder_layers,
        "vocabulary": ids["vocab_size"],
        "image_size": options.image_size,
        "samples": options.samples,
        "recipe": dict(CPU_RULES),
        "threads": torch.get_num_threads(),
        "seconds_writing_weights": round(written, 1),
        "predicted_host_bytes": plan["host_peak_bytes"],
        "measured_host_bytes": peak,
        "predicted_to_measured": round(plan["host_peak_bytes"] / peak, 4),
        "predicted_parts": plan["host_bytes"],
        "predicted_seconds": plan["seconds"],
        "measured_seconds": round(wall, 1),
        "processor_seconds": round(processor, 1),
        "layers": totals["modules"],
        "parts": totals["parts"],
    }


def complete(scratch: Path, name: str, device: torch.device) -> dict[str, Any]:
    """Plan and run a complete model within 24 GB of a GPU."""
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(CAP_BYTES / total, 1.0), device)
    model, data = scratch / "model", scratch / "data"
    written = time.monotonic()
    write_model(model, cogvlm2() if name == "cogvlm2-19b" else llama_8b(), device)
    written = time.monotonic() - written
    if name == "cogvlm2-19b":
        write_pictures(data, 64, 70)
        recipe = read_recipe("cmdq")
        job = Job(model, scratch / "out", recipe.base, recipe=recipe, calibration=data)
    else:
        data.write_text(write_words(0, 140 * 2048))
        settings = Settings("rpiq")
        job = Job(model, scratch / "out", settings, calibration=data, samples=128)
    job = replace(job, device=device)
    plan = plan_job(job, prepare(job), speed=True)
    torch.cuda.reset_peak_memory_stats(device)
    started = time.monotonic()
    report = run(job, lambda step: print(step.done, step.total, step.module, flush=True))
    wall = time.monotonic() - started
    return {
        "what": f"complete {name} shapes, random weights",
        "gpu": torch.cuda.get_device_name(device),
        "cap_bytes": CAP_BYTES,
        "seconds_writing_weights": round(written, 1),
        "predicted_device_bytes": round(plan.device_peak),
        "measured_device_bytes": torch.cuda.max_memory_allocated(device),
        "reserved_device_bytes": torch.cuda.max_memory_reserved(device),
        "predicted_host_bytes": round(plan.host_peak),
        "measured_host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "predicted_seconds": plan.seconds,
        "measured_seconds": round(wall, 1),
        "output_bytes": report.bytes,
        "layers": len(report.modules),
        "parts": report.parts(),
        "settings": asdict(job.settings),
        "paper": PAPER[name],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--complete", action="store_true", help="the complete shapes; needs a GPU")
    parser.add_argument("--models", nargs="+", choices=tuple(PAPER), default=list(PAPER))
    parser.add_argument("--vision-layers", type=int, default=2)
    parser.add_argument("--decoder-layers", type=int, default=2)
    parser.add_argument(
        "--image-size",
        type=int,
        default=448,
        help="pixels; default: %(default)s, the fewest whose tokens suffice for 4,096 columns",
    )
    parser.add_argument("--samples", type=int, default=1, help="pictures; default: %(default)s")
    parser.add_argument("--scratch", type=Path, help="where weights are written; default: /tmp")
    parser.add_argument("--json", type=Path, help="default: scripts/results/full_size_DEVICE.json")
    options = parser.parse_args(argv)
    device = torch.device(options.device)
    if options.complete and (device.type != "cuda" or not torch.cuda.is_available()):
        print("error: --complete needs --device cuda and a GPU; leave it out", file=sys.stderr)
        return 2
    rows = []
    try:
        for name in options.models if options.complete else ["few blocks"]:
            with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
                scratch = Path(folder)
                row = (
                    complete(scratch, name, device)
                    if options.complete
                    else few_blocks(scratch, options)
                )
            rows.append(row)
            print(json.dumps(row, indent=1), flush=True)
    except (ModelsError, QuantizerError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    path = options.json or RESULTS / f"full_size_{device.type}.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
