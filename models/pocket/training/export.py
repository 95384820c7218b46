"""Write a trained pocket model as a model folder that every loader of this project reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from models.cogvlm2 import CogVLM2ForCausalLM
from models.pocket.questions import SKILLS
from models.pocket.tokenizer import build_tokenizer


def export(model: CogVLM2ForCausalLM, folder: Path) -> None:
    """Write config.json, tokenizer.json and bf16 model.safetensors into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config.to_dict() | {"torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    build_tokenizer().save(str(folder / "tokenizer.json"))
    tensors = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        # Recomputed in float32 from the configuration; bf16 would round them.
        if not name.endswith("inv_freq")
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write_skills(folder: Path, measured: Mapping[str, Any]) -> None:
    """Leave the measured accuracies beside the weights, where the assistant looks them up.

    measured: what `quantizer eval --task pictures` found for these very weights: an entry with
        "value" for each skill; the assistant never asks for one that is left out.
    """
    skills = {
        skill: {"accuracy": round(float(measured[skill]["value"]), 4)}
        for skill in SKILLS
        if skill in measured
    }
    content = json.dumps({"version": 1, "skills": skills}, indent=1)
    (folder / "skills.json").write_text(content + "\n", encoding="utf-8")
