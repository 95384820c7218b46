"""Quantize one model folder with AutoRound; runs in its own environment."""

import json
import sys

import torch
from auto_round import AutoRound
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Read the request (JSON) that bench_peers.py wrote, quantize, save."""
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    torch.set_num_threads(1)
    windows = [torch.tensor([ids]) for ids in request["windows"]]
    rounder = AutoRound(
        AutoModelForCausalLM.from_pretrained(request["model"], dtype=torch.float32),
        AutoTokenizer.from_pretrained(request["model"]),
        bits=request["bits"],
        group_size=request["group_size"],
        sym=False,
        dataset=windows,
        seqlen=windows[0].shape[1],
        nsamples=len(windows),
        device_map="cpu",
        **request["settings"],
    )
    rounder.quantize_and_save(request["out"], format="auto_gptq")


main()
