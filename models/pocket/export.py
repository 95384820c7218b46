"""Write a trained pocket model as a model folder that every loader of this project reads."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from models.cogvlm2 import CogVLM2ForCausalLM
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
