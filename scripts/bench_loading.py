"""Time loading an int4 folder beside reading its files, and the part that used to be quadratic.

The folder is a LLaMA of a given depth with random codes, written to a temporary place, or one that
is named. Three things take turns in one process, so that a change of the machine's load touches
all of them: reading the bytes, loading the model, and asking the whole model for its tensors once
for every stored name, as loading did up to 0.6.0. Seconds are of the processor, which other
programs disturb least.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM

from models.int4 import Int4Linear, QuantizedWeight
from models.loading import load_model

GROUP_SIZE = 128


def write_llama(folder: Path, layers: int, width: int) -> None:
    """Write a LLaMA whose 7 linear layers a block have random 4-bit codes."""
    config = LlamaConfig(
        vocab_size=1024,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
        max_position_embeddings=128,
    )
    with torch.device("meta"):
        module = LlamaForCausalLM(config)
    tensors = {}
    for name, tensor in module.state_dict().items():
        if not name.endswith("proj.weight"):
            tensors[name] = torch.randn(tensor.shape, dtype=torch.bfloat16)
            continue
        outputs, inputs = tensor.shape
        ones = torch.ones(outputs, inputs // GROUP_SIZE)
        codes = torch.randint(0, 16, (outputs, inputs), dtype=torch.uint8)
        weight = QuantizedWeight(codes, ones * 2.0**-7, (ones * 7).int(), GROUP_SIZE)
        for part, value in Int4Linear.from_quantized(weight, None).state_dict().items():
            tensors[f"{name.removesuffix('weight')}{part}"] = value
    save_file(tensors, folder / "model.safetensors")
    quantization = {"quant_method": "gptq", "bits": 4, "group_size": GROUP_SIZE, "desc_act": False}
    written = config.to_dict() | {"quantization_config": quantization}
    (folder / "config.json").write_text(json.dumps(written, default=str))
    words = {f"w{number}": number for number in range(1024)}
    Tokenizer(WordLevel(words, unk_token="w0")).save(str(folder / "tokenizer.json"))


def read_files(folder: Path) -> int:
    """Read all bytes of the weights."""
    return sum(len(path.read_bytes()) for path in folder.glob("*.safetensors"))


def ask_for_every_name(folder: Path) -> int:
    """Ask a loaded model for all its tensors once for every name."""
    module = load_model(folder).model
    start_s = time.process_time()
    names = list(module.state_dict())
    found = sum(name in module.state_dict() for name in names)
    print(f"  of that, asking: {time.process_time() - start_s:.2f} s", file=sys.stderr)
    return found


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Return the median seconds of each way."""
    ways: dict[str, Callable[[Path], object]] = {
        "read_s": read_files,
        "load_s": load_model,
        "load_and_ask_s": ask_for_every_name,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, action in ways.items():
            start_s = time.process_time()
            action(folder)
            if turn:  # the first round warms up
                times[name].append(time.process_time() - start_s)
    return {name: statistics.median(values) for name, values in times.items()}


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="an int4 model folder (default: its own)")
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place)
        if options.folder is None:
            write_llama(folder, options.layers, options.width)
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        report = {"bytes": size, **measure(folder, options.rounds)}
    text = json.dumps(report, indent=2)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
