"""What a model takes of a card, against the published models' own figures."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from models.files.header import Described
from models.footprint import card_bytes, host_bytes, key_value_bytes, weight_bytes

FREE_4090 = 25_000_000_000  # of 24,564 MiB, with a desktop beside

COGVLM2 = {
    "num_attention_heads": 32, "hidden_size": 4096, "num_hidden_layers": 32,
    "max_position_embeddings": 8192, "vision_config": {},
}  # fmt: skip
LLAMA_8B = {
    "num_attention_heads": 32, "hidden_size": 4096, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "max_position_embeddings": 131072,
}  # fmt: skip


def test_every_kind_of_tensor_is_counted_as_it_lies_on_the_card() -> None:
    tensors = [
        Described("a.weight", "F32", (10, 3), 0, 120),  # cast to bfloat16
        Described("a.qweight", "I32", (2, 8), 0, 64),
        Described("a.scales", "F16", (2, 8), 0, 32),  # and two numbers of the kernel for each
    ]
    assert weight_bytes(tensors) == 60 + 64 + 32 + 2 * 8 * 4


def test_keys_and_values_of_a_full_context() -> None:
    one_token = 2 * 32 * 8 * 128 * 2
    assert key_value_bytes(COGVLM2) == 8192 * one_token
    assert key_value_bytes(LLAMA_8B) == 8192 * one_token
    assert key_value_bytes({"text_config": LLAMA_8B, "vision_config": {}}) == 8192 * one_token
    assert key_value_bytes({"hidden_size": 3}) == 0


def int4(elements: int, outputs: int, group: int = 128) -> list[Described]:
    groups = elements // group
    return [
        Described("x.qweight", "I32", (elements // 8,), 0, elements // 2),
        Described("x.qzeros", "I32", (groups // 8,), 0, groups // 2),
        Described("x.scales", "F16", (groups,), 0, groups * 2),
        Described("x.g_idx", "I32", (outputs,), 0, outputs * 4),
    ]


def test_both_large_models_fit_a_card_of_24_gigabytes() -> None:
    """Elements as in the published files: embeddings and head stay, all else is at 4 bits."""
    outer = Described("embed", "BF16", (2 * 128256 * 4096,), 0, 2 * 2 * 128256 * 4096)
    needed = []
    for elements, config in ((19_503_107_328, COGVLM2), (8_030_261_248, LLAMA_8B)):
        inner = elements - 2 * 128256 * 4096
        weights = weight_bytes([outer, *int4(inner // 1024 * 1024, 10**6)])
        needed.append(weights + int(0.12 * weights) + key_value_bytes(config))
    assert 11.3e9 < needed[0] < 15.5e9 and 5.7e9 < needed[1] < 8.5e9
    assert sum(needed) < FREE_4090


def test_a_folder_is_judged_by_its_headers(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(1000, 1000)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B | {"num_hidden_layers": 1}))
    keys_and_values = 2 * 8 * 128 * 8192 * 2
    assert card_bytes(tmp_path) == 2_000_000 + 256 * 2**20 + keys_and_values
    assert host_bytes(tmp_path) == (tmp_path / "model.safetensors").stat().st_size
