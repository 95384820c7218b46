"""LLaMA block by block, and whole folders loaded, against transformers itself."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from models.cogvlm2 import CogVLM2Config, CogVLM2ForCausalLM
from models.errors import CheckpointError, ModelFolderError
from models.families import LlamaBlocks, family_of, open_blockwise
from models.files.checkpoint import CheckpointReader, QuantizationConfig
from models.int4 import Int4Linear, QuantizedWeight
from models.loading import load_model, load_tensors

IDS = torch.tensor([[1, 5, 9, 2, 30, 7, 7]])


def make_folder(folder: Path, *, tied: bool) -> LlamaForCausalLM:
    """Write a tiny random LLaMA as transformers writes it; returns the model itself."""
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
    )
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(folder)
    Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(folder / "tokenizer.json"))
    return model


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("tied", [False, True])
@torch.no_grad()
def test_block_by_block_equals_the_whole_model(tmp_path: Path, tied: bool) -> None:
    whole = make_folder(tmp_path, tied=tied)
    opened = open_blockwise(tmp_path)
    blockwise = opened.blockwise
    assert isinstance(blockwise, LlamaBlocks)
    reader = CheckpointReader(tmp_path)
    assert all(parameter.is_meta for parameter in opened.module.parameters())
    assert ("lm_head.weight" in blockwise.outer_names()) is not tied

    load_tensors(opened.module, reader, blockwise.outer_names())
    expected = whole(IDS, output_hidden_states=True)
    state = blockwise.start({"input_ids": IDS})
    for index, block in enumerate(blockwise.blocks()):
        assert block.name == f"model.layers.{index}"
        if index < 2:  # the last of transformers' hidden states is already normalized
            torch.testing.assert_close(
                state["hidden"], expected.hidden_states[index], rtol=1e-5, atol=1e-5
            )
        prefix = f"{block.name}."
        names = [name for name in reader.names() if name.startswith(prefix)]
        load_tensors(block.module, reader, names, prefix=prefix)
        state = blockwise.step(block, state)
    torch.testing.assert_close(blockwise.finish(state), expected.logits, rtol=1e-5, atol=1e-5)


def test_blocks_and_outer_names_cover_every_tensor_once(tmp_path: Path) -> None:
    make_folder(tmp_path, tied=False)
    opened = open_blockwise(tmp_path)
    inside = [
        f"{block.name}.{name}"
        for block in opened.blockwise.blocks()
        for name in block.module.state_dict()
    ]
    assert sorted([*inside, *opened.blockwise.outer_names()]) == sorted(
        load_file(tmp_path / "model.safetensors")
    )
    for block in opened.blockwise.blocks():
        for group in block.groups:
            widths = {block.module.get_submodule(name).in_features for name in group}
            assert len(widths) == 1, "layers that share a Hessian read the same input"


@pytest.mark.parametrize("tied", [False, True])
@torch.no_grad()
def test_load_model_equals_transformers(tmp_path: Path, tied: bool) -> None:
    whole = make_folder(tmp_path, tied=tied)
    loaded = load_model(tmp_path, dtype=torch.float32)
    assert (loaded.family, loaded.quantization) == ("llama", None)
    assert loaded.tokenizer.encode("b").ids == [1]
    torch.testing.assert_close(loaded.model(IDS).logits, whole(IDS).logits, rtol=1e-5, atol=1e-5)
    assert not loaded.model.training
    assert not any(p.is_meta or p.requires_grad for p in loaded.model.parameters())
    half = load_model(tmp_path).model
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}


def quantize_folder(folder: Path) -> dict[str, Tensor]:
    """Replace the linear layers by int4 ones; returns the dense weights they stand for."""
    tensors = load_file(folder / "model.safetensors")
    dense = dict(tensors)
    for name, weight in tensors.items():
        if not name.endswith("_proj.weight"):
            continue
        out_features, in_features = weight.shape
        grouped = weight.reshape(out_features, in_features // 32, 32)
        scale = ((grouped.amax(-1) - grouped.amin(-1)) / 14).half().float()
        zero = torch.full_like(scale, 7).int()
        codes = (grouped / scale[..., None]).round().add(7).clamp(0, 15)
        layer = QuantizedWeight(
            codes.reshape(out_features, in_features).to(torch.uint8), scale, zero, 32
        )
        del dense[name]
        stem = name.removesuffix(".weight")
        int4 = Int4Linear.from_quantized(layer, None).state_dict()
        dense.update({f"{stem}.{part}": value for part, value in int4.items()})
        tensors[name] = ((codes - 7) * scale[..., None]).reshape(out_features, in_features)
    save_file(dense, folder / "model.safetensors")
    edit_config(folder, quantization_config=QuantizationConfig(group_size=32).to_dict())
    return tensors


@torch.no_grad()
def test_an_int4_folder_computes_with_the_dequantized_weights(tmp_path: Path) -> None:
    whole = make_folder(tmp_path, tied=True)
    tensors = quantize_folder(tmp_path)
    whole.load_state_dict(tensors, strict=False)
    loaded = load_model(tmp_path, dtype=torch.float32)
    assert loaded.quantization is not None and loaded.quantization.group_size == 32
    assert sum(isinstance(layer, Int4Linear) for layer in loaded.model.modules()) == 3 * 7
    expected = whole(IDS).logits
    torch.testing.assert_close(loaded.model(IDS).logits, expected, rtol=1e-4, atol=1e-4)
    half = load_model(tmp_path).model
    assert half.get_submodule("model.layers.0.mlp.up_proj").scales.dtype == torch.float16
    by_kernel = half(IDS).logits.float()
    assert float((by_kernel - expected).abs().max()) < 0.05 * float(expected.abs().max())


def test_a_quantized_folder_is_not_quantized_again(tmp_path: Path) -> None:
    make_folder(tmp_path, tied=True)
    quantize_folder(tmp_path)
    with pytest.raises(ModelFolderError, match="quantized already"):
        open_blockwise(tmp_path)


def test_int4_weights_without_their_config_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path, tied=True)
    quantize_folder(tmp_path)
    edit_config(tmp_path, quantization_config=None)
    with pytest.raises(ModelFolderError, match="says how they were quantized"):
        load_model(tmp_path)


def test_damaged_grids_are_refused_at_loading(tmp_path: Path) -> None:
    make_folder(tmp_path, tied=True)
    quantize_folder(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = "model.layers.1.mlp.up_proj"
    save_file(
        {**tensors, f"{name}.g_idx": torch.zeros_like(tensors[f"{name}.g_idx"])},
        tmp_path / "model.safetensors",
    )
    with pytest.raises(CheckpointError, match="up_proj: g_idx does not put 32 inputs into each"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel"),
        ({"hidden_size": "wide"}, "config.json does not describe a LLaMA model"),
        ({"intermediate_size": 128}, r"mlp.*weight is \(.*96.*by config.json"),
        ({"num_hidden_layers": 4}, "lacks 9 of"),
        ({"num_hidden_layers": 2}, "9 tensors that config.json does not know"),
    ],
)
def test_a_config_that_does_not_fit_is_one_line(
    tmp_path: Path, change: dict[str, Any], match: str
) -> None:
    make_folder(tmp_path, tied=False)
    edit_config(tmp_path, **change)
    with pytest.raises((ModelFolderError, CheckpointError), match=match) as error:
        load_model(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    make_folder(tmp_path, tied=False)
    (tmp_path / file).unlink()
    with pytest.raises(ModelFolderError, match=file):
        load_model(tmp_path)


@pytest.mark.parametrize(("words", "fits"), [(31, True), (32, False)])
def test_a_tokenizer_must_fit_the_model(tmp_path: Path, words: int, fits: bool) -> None:
    make_folder(tmp_path, tied=False)
    tokenizer = Tokenizer(WordLevel({f"w{n}": n for n in range(words)}, unk_token="w0"))
    tokenizer.add_special_tokens(["<end>"])  # takes the next id
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    if fits:
        assert load_model(tmp_path).tokenizer.token_to_id("<end>") == 31
        return
    with pytest.raises(ModelFolderError, match="ids up to 32 but .* vocab_size 32"):
        load_model(tmp_path)


def test_damaged_json_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path, tied=False)
    for file in ("tokenizer.json", "config.json"):
        (tmp_path / file).write_text("{")
        with pytest.raises(ModelFolderError, match=f"{file} cannot be read"):
            load_model(tmp_path)
    with pytest.raises(ModelFolderError, match="is no folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(ModelFolderError, match="is no folder"):
        open_blockwise(tmp_path / "nowhere")


def test_the_family_follows_the_config() -> None:
    assert family_of({"model_type": "llama"}).name == "llama"
    assert family_of({"architectures": ["CogVLMForCausalLM"]}).name == "cogvlm2"
    with pytest.raises(ModelFolderError, match="nothing"):
        family_of({})


def make_picture_folder(folder: Path, data_dir: Path, *, with_rotary: bool) -> CogVLM2ForCausalLM:
    """Write upstream's tiny CogVLM2 as a folder; returns the same model built directly."""
    golden = data_dir / "cogvlm2"
    config = json.loads((golden / "golden_t1.json").read_text())["config"]
    tensors = load_file(golden / "golden_t1.safetensors")
    weights = {name: t for name, t in tensors.items() if not name.startswith("golden.")}
    model = CogVLM2ForCausalLM(CogVLM2Config.from_dict(config)).eval()
    model.load_state_dict(weights)
    if not with_rotary:
        weights = {name: t for name, t in weights.items() if "inv_freq" not in name}
    save_file(weights, folder / "model.safetensors")
    config["architectures"] = ["CogVLMForCausalLM"]
    (folder / "config.json").write_text(json.dumps(config))
    Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(folder / "tokenizer.json"))
    return model


@pytest.mark.weights
@pytest.mark.parametrize("with_rotary", [True, False])
@torch.no_grad()
def test_a_cogvlm2_folder_loads_with_and_without_its_rotary_table(
    tmp_path: Path, data_dir: Path, with_rotary: bool
) -> None:
    whole = make_picture_folder(tmp_path, data_dir, with_rotary=with_rotary)
    loaded = load_model(tmp_path, dtype=torch.float32)
    assert loaded.family == "cogvlm2"
    ids = torch.tensor([[1, 5, 9, 2, 3]])
    torch.testing.assert_close(loaded.model(ids), whole(ids), rtol=1e-5, atol=1e-5)
    opened = open_blockwise(tmp_path)
    assert not set(opened.blockwise.outer_names()) - set(opened.module.state_dict())
    stored = load_model(tmp_path).model.state_dict()
    rotary = [t for name, t in stored.items() if name.endswith("inv_freq")]
    assert rotary and all(t.dtype == torch.float32 for t in rotary)
    assert all(t.dtype == torch.bfloat16 for n, t in stored.items() if "inv_freq" not in n)
