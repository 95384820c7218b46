"""OPT, Qwen2 and Qwen3 in all variants, and LLaMA beside them, against transformers itself."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor, nn

from models.blocks import Block
from models.errors import CheckpointError, ModelFolderError
from models.families import family_of, open_blockwise, text_limits
from models.files.checkpoint import CheckpointReader, QuantizationConfig
from models.int4 import Int4Linear, QuantizedWeight
from models.loading import load_model, load_tensors

IDS = torch.tensor([[2, 5, 9, 2, 30, 7, 7, 31, 4]])
LAYERS = 3

SHARED = {
    "vocab_size": 32,
    "hidden_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "max_position_embeddings": 24,
}
ROTARY = SHARED | {"intermediate_size": 96, "num_key_value_heads": 2, "tie_word_embeddings": False}
# 48 channels a head: attention is wider than the hidden states, as in Qwen3-0.6B.
QWEN3 = ROTARY | {"model_type": "qwen3", "head_dim": 48, "bos_token_id": 3, "eos_token_id": 4}
QWEN2 = ROTARY | {"model_type": "qwen2", "bos_token_id": 3, "eos_token_id": 4}
OPT = SHARED | {"model_type": "opt", "ffn_dim": 96, "bos_token_id": 2, "eos_token_id": 2}
VARIANTS: dict[str, dict[str, Any]] = {
    "llama": ROTARY | {"model_type": "llama"},
    "opt": OPT,
    "opt-350m": OPT | {"do_layer_norm_before": False, "word_embed_proj_dim": 48},
    "opt-own-head": OPT | {"tie_word_embeddings": False, "word_embed_proj_dim": 48},
    "opt-plain": OPT | {"enable_bias": False, "layer_norm_elementwise_affine": False},
    "opt-no-final-norm": OPT | {"_remove_final_layer_norm": True},
    "qwen2": QWEN2,
    "qwen2-tied": QWEN2 | {"tie_word_embeddings": True},
    "qwen2-window": QWEN2
    | {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
    "qwen3": QWEN3,
    "qwen3-tied": QWEN3 | {"tie_word_embeddings": True},
    "qwen3-bias": QWEN3 | {"attention_bias": True},
    "qwen3-window": QWEN3
    | {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
}
PROJECTIONS = {
    "llama": ROTARY["num_hidden_layers"] * 7,
    "qwen2": LAYERS * 7,
    "qwen3": LAYERS * 7,
    "opt": LAYERS * 6,
}


def make_folder(folder: Path, variant: str) -> nn.Module:
    """Write a tiny random model as transformers writes it; returns the model itself."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(3)
    config = AutoConfig.for_model(**VARIANTS[variant])
    model: nn.Module = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # so that norms and biases count
            parameter.add_(torch.randn_like(parameter), alpha=0.15)
    model.save_pretrained(folder)
    Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(folder / "tokenizer.json"))
    return model


def names_in(block: Block, reader: CheckpointReader) -> list[str]:
    return [name for name in reader.names() if name.startswith(f"{block.name}.")]


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_block_by_block_equals_the_whole_model(tmp_path: Path, variant: str) -> None:
    whole = make_folder(tmp_path, variant)
    opened = open_blockwise(tmp_path)
    assert opened.family.name == VARIANTS[variant]["model_type"]
    assert all(parameter.is_meta for parameter in opened.module.parameters())
    blockwise: Any = opened.blockwise
    reader = CheckpointReader(tmp_path)
    load_tensors(opened.module, reader, blockwise.outer_names())
    opened.family.complete(opened.module, torch.device("cpu"))

    expected = whole(IDS, output_hidden_states=True)
    state = blockwise.start({"input_ids": IDS})
    for index, block in enumerate(blockwise.blocks()):
        torch.testing.assert_close(
            state["hidden"], expected.hidden_states[index], rtol=1e-5, atol=1e-5
        )
        load_tensors(block.module, reader, names_in(block, reader), prefix=f"{block.name}.")
        state = blockwise.step(block, state)
    assert index + 1 == LAYERS
    torch.testing.assert_close(blockwise.finish(state), expected.logits, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_window_of_qwen3_matters_here(tmp_path: Path) -> None:
    whole = make_folder(tmp_path, "qwen3-window")
    windowed = whole(IDS).logits
    path = tmp_path / "config.json"
    raw = json.loads(path.read_text()) | {"use_sliding_window": False, "layer_types": None}
    path.write_text(json.dumps(raw))
    full = load_model(tmp_path, dtype=torch.float32).model(IDS).logits
    torch.testing.assert_close(full[:, :4], windowed[:, :4], rtol=1e-4, atol=1e-4)
    assert float((full[:, 4:] - windowed[:, 4:]).abs().max()) > 0.01


@pytest.mark.parametrize("variant", VARIANTS)
def test_blocks_and_outer_names_cover_every_tensor_once(tmp_path: Path, variant: str) -> None:
    make_folder(tmp_path, variant)
    opened = open_blockwise(tmp_path)
    inside = [
        f"{block.name}.{name}"
        for block in opened.blockwise.blocks()
        for name in block.module.state_dict()
    ]
    stored = sorted(load_file(tmp_path / "model.safetensors"))
    assert sorted([*inside, *opened.blockwise.outer_names()]) == stored


@pytest.mark.parametrize("variant", ["llama", "opt", "opt-350m", "qwen2", "qwen3"])
@torch.no_grad()
def test_layers_share_a_hessian_exactly_where_they_read_the_same(
    tmp_path: Path, variant: str
) -> None:
    make_folder(tmp_path, variant)
    opened = open_blockwise(tmp_path)
    reader = CheckpointReader(tmp_path)
    load_tensors(opened.module, reader, opened.blockwise.outer_names())
    block = next(iter(opened.blockwise.blocks()))
    load_tensors(block.module, reader, names_in(block, reader), prefix=f"{block.name}.")
    read: dict[str, Tensor] = {}
    for name, part in block.module.named_modules():
        if isinstance(part, nn.Linear):
            part.register_forward_pre_hook(
                lambda _, inputs, name=name: read.update({name: inputs[0].flatten(0, -2)})
            )
    opened.blockwise.step(block, opened.blockwise.start({"input_ids": IDS}))

    grouped = [name for group in block.groups for name in group]
    assert grouped == list(dict.fromkeys(grouped))
    assert set(grouped) == set(read), "every linear layer of a block is quantized"
    order = {name: place for place, name in enumerate(read)}
    starts = [order[group[0]] for group in block.groups]
    assert starts == sorted(starts), "groups stand in execution order"
    for one in block.groups:
        for other in block.groups:
            same = read[one[0]].shape == read[other[-1]].shape and torch.equal(
                read[one[0]], read[other[-1]]
            )
            assert same is (one == other)


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_load_model_equals_transformers(tmp_path: Path, variant: str) -> None:
    whole = make_folder(tmp_path, variant)
    loaded = load_model(tmp_path, dtype=torch.float32)
    assert loaded.family == VARIANTS[variant]["model_type"]
    torch.testing.assert_close(loaded.model(IDS).logits, whole(IDS).logits, rtol=1e-5, atol=1e-5)
    assert not loaded.model.training
    assert not any(p.is_meta or p.requires_grad for p in loaded.model.parameters())
    assert {p.dtype for p in load_model(tmp_path).model.parameters()} == {torch.bfloat16}


def write_int4(folder: Path) -> dict[str, Tensor]:
    """Replace the blocks' linear layers by int4 ones; returns the dense weights they stand for."""
    blocks = open_blockwise(folder).blockwise.blocks()
    layers = [f"{b.name}.{name}" for b in blocks for group in b.groups for name in group]
    tensors = load_file(folder / "model.safetensors")
    stored = dict(tensors)
    for layer in layers:
        weight = stored.pop(f"{layer}.weight")
        out_features, in_features = weight.shape
        grouped = weight.reshape(out_features, in_features // 32, 32)
        scale = ((grouped.amax(-1) - grouped.amin(-1)) / 14).half().float()
        codes = (grouped / scale[..., None]).round().add(7).clamp(0, 15)
        quantized = QuantizedWeight(
            codes.reshape(weight.shape).to(torch.uint8), scale, torch.full_like(scale, 7).int(), 32
        )
        int4 = Int4Linear.from_quantized(quantized, None).state_dict()
        stored.update({f"{layer}.{part}": value for part, value in int4.items()})
        tensors[f"{layer}.weight"] = ((codes - 7) * scale[..., None]).reshape(weight.shape)
    save_file(stored, folder / "model.safetensors")
    path = folder / "config.json"
    config = {"quantization_config": QuantizationConfig(group_size=32).to_dict()}
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return tensors


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_an_int4_folder_computes_with_the_dequantized_weights(tmp_path: Path, variant: str) -> None:
    whole = make_folder(tmp_path, variant)
    before = whole(IDS).logits
    whole.load_state_dict(write_int4(tmp_path), strict=False)
    expected = whole(IDS).logits
    loaded = load_model(tmp_path, dtype=torch.float32)
    int4 = sum(isinstance(layer, Int4Linear) for layer in loaded.model.modules())
    assert int4 == PROJECTIONS[loaded.family]
    torch.testing.assert_close(loaded.model(IDS).logits, expected, rtol=1e-4, atol=1e-4)
    assert float((before - expected).abs().max()) > 0.01, "the weights did change"


@pytest.mark.parametrize("variant", ["opt-350m", "qwen3-tied"])
@torch.no_grad()
def test_a_stored_copy_of_a_tied_head_changes_nothing(tmp_path: Path, variant: str) -> None:
    whole = make_folder(tmp_path, variant)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    embedding = next(t for name, t in tensors.items() if name.endswith("embed_tokens.weight"))
    assert "lm_head.weight" not in tensors
    save_file(tensors | {"lm_head.weight": embedding.clone()}, path)
    loaded: Any = load_model(tmp_path, dtype=torch.float32).model
    assert loaded.lm_head.weight is loaded.get_input_embeddings().weight
    torch.testing.assert_close(loaded(IDS).logits, whole(IDS).logits, rtol=1e-5, atol=1e-5)
    assert "lm_head.weight" not in open_blockwise(tmp_path).blockwise.outer_names()


def test_what_starts_a_text_depends_on_the_family(tmp_path: Path) -> None:
    found = {
        name: text_limits(family_of(VARIANTS[name]).build(VARIANTS[name]))
        for name in ("opt", "qwen3")
    }
    assert found["opt"].bos_token_id == 2
    # The config names the end-of-text token there; nothing starts a text of Qwen3.
    assert VARIANTS["qwen3"]["bos_token_id"] == 3
    assert found["qwen3"].bos_token_id is None
    assert {(limits.vocab_size, limits.context) for limits in found.values()} == {(32, 24)}


def rename(folder: Path, old: str, new: str) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({name.replace(old, new, 1): value for name, value in tensors.items()}, path)


@pytest.mark.parametrize("variant", ["opt", "opt-350m", "qwen3-tied"])
def test_names_without_the_model_in_front_are_refused_with_the_way_out(
    tmp_path: Path, variant: str
) -> None:
    make_folder(tmp_path, variant)
    rename(tmp_path, "model.", "")
    for use in (open_blockwise, load_model):
        with pytest.raises(CheckpointError, match="where others expect model.*quantizer repair"):
            use(tmp_path)


def test_half_a_checkpoint_is_not_taken_for_another_naming(tmp_path: Path) -> None:
    make_folder(tmp_path, "opt")
    rename(tmp_path, "model.decoder.layers.0", "decoder.layers.0")
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["decoder.layers.0.fc1.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="lacks 16 of"):
        load_model(tmp_path)


def test_transformers_converts_bare_names_too(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    whole = make_folder(tmp_path / "bare", "opt-350m")
    rename(tmp_path / "bare", "model.", "")
    AutoModelForCausalLM.from_pretrained(tmp_path / "bare").save_pretrained(tmp_path / "whole")
    (tmp_path / "bare" / "tokenizer.json").rename(tmp_path / "whole" / "tokenizer.json")
    loaded = load_model(tmp_path / "whole", dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(IDS).logits, whole(IDS).logits)


def test_pickled_weights_are_refused_and_converted_as_the_message_says(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    whole = make_folder(tmp_path / "pickled", "opt")
    weights = tmp_path / "pickled" / "model.safetensors"
    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    for use in (open_blockwise, load_model):
        with pytest.raises(ModelFolderError, match="only as pickles.*save_pretrained"):
            use(tmp_path / "pickled")
    AutoModelForCausalLM.from_pretrained(tmp_path / "pickled").save_pretrained(tmp_path / "safe")
    (tmp_path / "pickled" / "tokenizer.json").rename(tmp_path / "safe" / "tokenizer.json")
    loaded = load_model(tmp_path / "safe", dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(IDS).logits, whole(IDS).logits)


def test_the_families_are_imported_without_transformers() -> None:
    code = "import sys, models.families, models.loading; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
