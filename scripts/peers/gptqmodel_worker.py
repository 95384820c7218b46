"""Quantize one model folder with GPTQModel; runs in GPTQModel's own environment."""

import json
import os
import sys

# Before the import: the package starts one worker for each core, but fails below two.
os.environ["GPTQMODEL_CPU_WORKERS"] = "2"

import torch
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig
from gptqmodel.quantization.config import GPTAQConfig


def main() -> None:
    """Read the request (JSON) that bench_peers.py wrote, quantize, save."""
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    torch.set_num_threads(1)
    settings = dict(request["settings"])
    if "gptaq" in settings:
        settings["gptaq"] = GPTAQConfig(**settings["gptaq"])
    config = QuantizeConfig(
        bits=request["bits"],
        group_size=request["group_size"],
        sym=False,
        offload_to_disk=False,
        **settings,
    )
    # The faster kernel packs 4 bits only.
    backend = BACKEND.GPTQ_TORCH_ATEN if request["bits"] == 4 else BACKEND.GPTQ_TORCH
    model = GPTQModel.load(
        request["model"], config, device="cpu", dtype=torch.float32, backend=backend
    )
    windows = [
        {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids)).long()}
        for ids in request["windows"]
    ]
    model.quantize(windows, batch_size=1, backend=backend)
    model.save(request["out"])


main()
