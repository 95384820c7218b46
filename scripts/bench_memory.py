"""Hold the memory that `quantizer run --dry-run` predicts against what runs really take.

LLaMA models of random weights are written into a temporary folder; each is planned and then
quantized in a process of its own, whose largest resident size the system reports.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from letters import letter_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from models.files.checkpoint import ShardWriter, write_json

# hidden size, feed-forward size, layers
SIZES = ((1024, 4096, 1), (1024, 2816, 1), (2048, 5632, 2))
METHODS = ("gptq", "rpiq")
WORDS = ("sun", "moon", "cat", "runs", "over", "blue", "tree", "nine", "sings.")


def write_model(folder: Path, hidden: int, wide: int, layers: int) -> None:
    """Write a model folder of random bf16 weights with a tokenizer of single characters."""
    config = LlamaConfig(
        vocab_size=99,
        hidden_size=hidden,
        intermediate_size=wide,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        max_position_embeddings=2048,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        shapes = LlamaForCausalLM(config).state_dict()
    generator = torch.Generator().manual_seed(0)
    with ShardWriter(folder) as writer:
        for name, tensor in shapes.items():
            values = torch.ones(tensor.shape)
            if tensor.dim() == 2:
                values = torch.randn(tensor.shape, generator=generator) * tensor.shape[1] ** -0.5
            writer.add(name, values.to(torch.bfloat16))
    write_json(folder / "config.json", config.to_dict() | {"architectures": ["LlamaForCausalLM"]})
    letter_tokenizer().save(str(folder / "tokenizer.json"))


def write_text(path: Path, characters: int) -> None:
    """Write documents of drawn words."""
    rng = random.Random(0)
    documents = []
    while characters > 0:
        documents.append(" ".join(rng.choices(WORDS, k=60)))
        characters -= len(documents[-1])
    path.write_text("<|endoftext|>".join(documents))


def run(argv: list[str]) -> tuple[str, int, float]:
    """Run a command; return its output, its largest resident size in bytes, and CPU seconds."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(argv, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(argv)} failed with {process.returncode}")
        output.seek(0)
        return output.read(), usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def measure(
    hidden: int, wide: int, layers: int, method: str, options: list[str]
) -> dict[str, object]:
    """Plan and run one method on one model."""
    with tempfile.TemporaryDirectory() as folder:
        model, text = Path(folder) / "model", Path(folder) / "text.txt"
        write_model(model, hidden, wide, layers)
        write_text(text, 10**5)
        argv = [sys.executable, "-m", "quantizer", "run", str(model), "--method", method]
        argv += ["--out", str(Path(folder) / "out"), "--calibration", str(text), *options]
        plan = json.loads(run([*argv, "--dry-run", "--json"])[0])
        report, peak, seconds = run([*argv, "--json"])
    return {
        "hidden": hidden,
        "feed_forward": wide,
        "layers": layers,
        "method": method,
        "options": " ".join(options),
        "predicted_bytes": plan["host_peak_bytes"],
        "measured_bytes": peak,
        "predicted_to_measured": round(plan["host_peak_bytes"] / peak, 4),
        "predicted_seconds": plan["seconds"],
        "measured_seconds": round(json.loads(report)["seconds"], 1),
        "processor_seconds": round(seconds, 1),
        "parts": plan["host_bytes"],
    }


def main() -> int:
    """Run all and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--samples", default="24")
    parser.add_argument("--seq-len", default="256")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    rows = []
    for index in options.sizes:
        for method in options.methods:
            asked = ["--samples", options.samples, "--seq-len", options.seq_len]
            rows.append(measure(*SIZES[index], method, asked))
            print(json.dumps(rows[-1]), file=sys.stderr)
    result = {"torch": torch.__version__, "threads": torch.get_num_threads(), "runs": rows}
    text = json.dumps(result, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
