"""Quantize one model folder with llm-compressor; runs in its own environment."""

import json
import sys

import torch
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from transformers import AutoModelForCausalLM


def main() -> None:
    """Read the request (JSON) that bench_peers.py wrote, quantize, save."""
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(request["model"], dtype=torch.float32)
    weights = {
        "num_bits": request["bits"],
        "type": "int",
        "symmetric": False,
        "strategy": "group",
        "group_size": request["group_size"],
    }
    recipe = GPTQModifier(
        config_groups={"group_0": {"targets": ["Linear"], "weights": weights}},
        ignore=["lm_head"],
        **request["settings"],
    )
    windows = request["windows"]
    oneshot(
        model=model,
        dataset=Dataset.from_dict(
            {"input_ids": windows, "attention_mask": [[1] * len(ids) for ids in windows]}
        ),
        recipe=recipe,
        num_calibration_samples=len(windows),
        max_seq_length=len(windows[0]),
        output_dir=request["out"],
    )


main()
