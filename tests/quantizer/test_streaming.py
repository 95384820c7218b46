"""Memory stays flat however many blocks a model has, measured in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from models.checkpoint import ShardWriter, write_json

# Runs a job and prints, for every block, the most memory of the process while it was worked on.
_WATCHED = """
import json, sys
from pathlib import Path
from quantizer.machine import return_freed_memory
from quantizer.pipeline import Job, run
from quantizer.solver import Settings

def memory(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024

def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")

peaks = {}
def watch(progress):
    block = ".".join(progress.module.split(".")[:3])
    if block not in peaks:
        forget_peak()
    peaks[block] = memory("VmHWM")

return_freed_memory()
job = Job(Path(sys.argv[1]), Path(sys.argv[2]), Settings("gptq"), calibration=Path(sys.argv[3]),
          samples=8, seq_len=256)
run(job, watch)
print(json.dumps(list(peaks.values())))
"""


def write_model(folder: Path, layers: int, tokenizer: Tokenizer) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=99,
        hidden_size=512,
        intermediate_size=1024,
        num_hidden_layers=layers,
        num_attention_heads=8,
        max_position_embeddings=256,
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
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def block_peaks(model: Path, text: Path, out: Path) -> list[int]:
    argv = [sys.executable, "-c", _WATCHED, str(model), str(out), str(text)]
    done = subprocess.run(argv, check=True, capture_output=True, env={**os.environ})
    peaks: list[int] = json.loads(done.stdout)
    return peaks


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_memory_is_as_flat_as_the_blocks(
    tmp_path: Path, letter_tokenizer: Tokenizer, text_file: Path
) -> None:
    peaks = {}
    for layers in (3, 12):
        model = write_model(tmp_path / f"model-{layers}", layers, letter_tokenizer)
        peaks[layers] = block_peaks(model, text_file, tmp_path / f"out-{layers}")
        assert len(peaks[layers]) == layers
    assert peaks[12][-1] < 1.02 * peaks[12][0]
    # Both have the same calibration states, so nine more blocks may add nothing: 2 % of what
    # they would take in float32 is for the headers and reports of all blocks.
    block = 4 * (4 * 512**2 + 3 * 512 * 1024)
    assert max(peaks[12]) < max(peaks[3]) + 0.02 * 9 * block
