"""What loading a folder costs: work that grows with the layers, not with their square."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.int4 import Int4Linear, QuantizedWeight
from models.loading import load_model
from models.pocket import pocket_int4_folder


def write_llama(folder: Path, layers: int) -> Path:
    """A LLaMA of a given depth at 4 bits, of random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=768, hidden_size=64, intermediate_size=64, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    with torch.device("meta"):
        module = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(layers)
    tensors = {}
    for name, tensor in module.state_dict().items():
        if not name.endswith("proj.weight"):
            tensors[name] = torch.randn(tensor.shape, generator=generator)
            continue
        codes = torch.randint(0, 16, tuple(tensor.shape), generator=generator).byte()
        ones = torch.ones(len(codes), 1)
        weight = QuantizedWeight(codes, ones * 2.0**-6, (ones * 7).int(), 64)
        for part, value in Int4Linear.from_quantized(weight, None).state_dict().items():
            tensors[f"{name.removesuffix('weight')}{part}"] = value
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    quantization = {"quant_method": "gptq", "bits": 4, "group_size": 64, "desc_act": False}
    written = config.to_dict() | {"quantization_config": quantization}
    (folder / "config.json").write_text(json.dumps(written, default=str))
    shutil.copy(pocket_int4_folder() / "tokenizer.json", folder)
    return folder


class Counted:
    """How often the parts of modules are asked for their tensors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.saved = self.packed = 0
        save, build = nn.Module._save_to_state_dict, Int4Linear._kernel_weight

        def counted_save(module: nn.Module, *args: object) -> None:
            self.saved += 1
            save(module, *args)  # type: ignore[arg-type]

        def counted_build(layer: Int4Linear) -> object:
            self.packed += 1
            return build(layer)

        monkeypatch.setattr(nn.Module, "_save_to_state_dict", counted_save)
        monkeypatch.setattr(Int4Linear, "_kernel_weight", counted_build)


def test_no_part_is_asked_more_often_in_a_deeper_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}
    for layers in (2, 8):
        folder = write_llama(tmp_path / str(layers), layers)
        with monkeypatch.context() as patched:
            counted = Counted(patched)
            module = load_model(folder).model
        asked[layers] = counted.saved / sum(1 for _ in module.modules())
        assert counted.packed == 0, "the processor's layout is built when it is first used"
    assert asked[8] <= asked[2] <= 8


def test_a_device_whose_layout_is_enough_gets_it_once_while_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.int4 import kernels

    folder = write_llama(tmp_path / "model", 2)
    monkeypatch.setattr(kernels, "kernel_is_enough", lambda device: True)
    dropped: list[Int4Linear] = []
    monkeypatch.setattr(
        Int4Linear, "_drop_file_layout", lambda layer, weight: dropped.append(layer)
    )
    module = load_model(folder).model
    layers = [layer for layer in module.modules() if isinstance(layer, Int4Linear)]
    assert len(layers) == 14 and dropped == layers
    module(input_ids=torch.tensor([[1, 2, 3]]))
    assert dropped == layers, "packed again by the first answer"
