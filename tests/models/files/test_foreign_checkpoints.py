"""Folders as other tools write them compute with exactly the weights that they stand for."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from models.cogvlm2.config import CogVLM2Config, VisionConfig
from models.cogvlm2.model import CogVLM2ForCausalLM
from models.errors import CheckpointError, ModelFolderError, ModelsError
from models.files.checkpoint import CheckpointReader, QuantizationConfig, read_json
from models.files.formats import FORMATS, read_quantization
from models.int4 import Int4Linear, QuantizedWeight
from models.loading import load_model

IDS = torch.tensor([[1, 5, 9, 2, 30, 7]])
Store = Callable[[QuantizedWeight, str], dict[str, Tensor]]


def rounded(weight: Tensor, group_size: int, bits: int, *, sym: bool = False) -> QuantizedWeight:
    """Round to nearest on a grid from the smallest and the largest value of each group."""
    out_features, in_features = weight.shape
    grouped = weight.reshape(out_features, -1, group_size)
    top = 2**bits - 1
    low, high = grouped.amin(-1).clamp(max=0), grouped.amax(-1).clamp(min=0)
    scale = ((torch.maximum(-low, high) * 2 if sym else high - low) / top).half().float()
    zero = torch.full_like(scale, (top + 1) // 2) if sym else (-low / scale).round().clamp(1, top)
    codes = (grouped / scale[..., None]).round().add(zero[..., None]).clamp(0, top)
    return QuantizedWeight(
        codes.reshape(out_features, in_features).to(torch.uint8),
        scale,
        zero.int(),
        group_size,
        bits,
    )


class Folder:
    """A LLaMA folder of random weights, before and after its layers are replaced."""

    def __init__(self, path: Path, *, tied: bool = False) -> None:
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=32,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=32,
            tie_word_embeddings=tied,
            initializer_range=0.2,
        )
        self.path = path
        self.model = LlamaForCausalLM(config).eval().requires_grad_(False)
        self.config = config.to_dict()
        Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(path / "tokenizer.json"))

    def quantize(
        self,
        store: Store,
        quantization: dict[str, Any],
        make: Callable[[str, Tensor], QuantizedWeight] = lambda name, w: rounded(w, 32, 4),
        *,
        left_alone: tuple[str, ...] = ("lm_head",),
    ) -> Tensor:
        """Write the folder; returns the logits of the model with the dequantized weights."""
        tensors = {name: value.clone() for name, value in self.model.state_dict().items()}
        for name, linear in self.model.named_modules():
            if not isinstance(linear, torch.nn.Linear) or name.startswith(left_alone):
                continue
            weight = make(name, linear.weight)
            linear.weight.copy_(weight.dequantize())
            del tensors[f"{name}.weight"]
            tensors |= {f"{name}.{part}": value for part, value in store(weight, name).items()}
        save_file(tensors, self.path / "model.safetensors")
        self.write_config(quantization)
        logits: Tensor = self.model(IDS).logits
        return logits

    def write_config(self, quantization: dict[str, Any] | None) -> None:
        config = {**self.config, "quantization_config": quantization}
        (self.path / "config.json").write_text(json.dumps(config))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def gptq(weight: QuantizedWeight, name: str) -> dict[str, Tensor]:
    return FORMATS["gptq"].pack(weight, sym=False)


def config(**changes: Any) -> dict[str, Any]:
    return {**QuantizationConfig(group_size=32).to_dict(), **changes}


@torch.no_grad()
def assert_computes(path: Path, expected: Tensor) -> Int4Linear:
    loaded = load_model(path, dtype=torch.float32)
    torch.testing.assert_close(loaded.model(IDS).logits, expected, rtol=1e-5, atol=1e-5)
    layer = loaded.model.get_submodule("model.layers.1.mlp.up_proj")
    assert isinstance(layer, Int4Linear)
    # The kernel path reads the same weights, up to the rounding of bfloat16.
    by_kernel = load_model(path).model(IDS).logits.float()
    assert float((by_kernel - expected).abs().max()) < 0.06 * float(expected.abs().max())
    return layer


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sym", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
@torch.no_grad()
def test_every_format_computes_with_the_dequantized_weights(
    folder: Folder, name: str, sym: bool, bits: int
) -> None:
    form = FORMATS[name]
    settings = QuantizationConfig(bits=bits, group_size=32, sym=sym)
    expected = folder.quantize(
        lambda weight, _: form.pack(weight, sym=sym),
        form.config(settings, unquantized=["lm_head"]),
        lambda _, weight: rounded(weight, 32, bits, sym=sym),
    )
    layer = assert_computes(folder.path, expected)
    assert (layer.bits, layer.group_size, layer.input_order) == (bits, 32, None)
    weight = folder.model.get_submodule("model.layers.1.mlp.up_proj").weight
    assert torch.equal(layer.quantized().dequantize(), weight)


@torch.no_grad()
def test_scales_in_bfloat16_stay_as_they_are_stored(folder: Folder) -> None:
    def coarse(_: str, weight: Tensor) -> QuantizedWeight:
        found = rounded(weight, 32, 4)
        tiny = (found.scale * 1e-6).bfloat16().float()  # below what float16 resolves
        return QuantizedWeight(found.codes, tiny, found.zero, 32)

    def store(weight: QuantizedWeight, _: str) -> dict[str, Tensor]:
        whole = QuantizedWeight(weight.codes, torch.ones_like(weight.scale), weight.zero, 32)
        tensors = FORMATS["compressed-tensors"].pack(whole, sym=False)
        return {**tensors, "weight_scale": weight.scale.bfloat16()}

    settings = QuantizationConfig(group_size=32)
    expected = folder.quantize(store, FORMATS["compressed-tensors"].config(settings), coarse)
    layer = assert_computes(folder.path, expected)
    assert layer.scales.dtype == torch.bfloat16


def with_noughts(_: str, weight: Tensor) -> QuantizedWeight:
    """Zero-points of 0 in some groups, which only other tools write."""
    found = rounded(weight, 32, 4)
    found.zero[::5] = 0
    return found


def stored_v2(weight: QuantizedWeight, name: str) -> dict[str, Tensor]:
    """GPTQ v2: word by word in plain Python, zero-points as they are."""
    sound = QuantizedWeight(weight.codes, weight.scale, torch.ones_like(weight.zero), 32)
    rows = []
    for group in weight.zero.t().tolist():
        words = []
        for start in range(0, len(group), 8):
            word = sum(zero << 4 * place for place, zero in enumerate(group[start : start + 8]))
            words.append(word - 2**32 if word >= 2**31 else word)
        rows.append(words)
    return {**gptq(sound, name), "qzeros": torch.tensor(rows, dtype=torch.int32)}


def stored_v1_with_borrows(weight: QuantizedWeight, name: str) -> dict[str, Tensor]:
    """As GPTQModel turns v2 into v1: one subtraction from every word, borrows and all."""
    tensors = stored_v2(weight, name)
    return {**tensors, "qzeros": tensors["qzeros"] - 0x11111111}


@pytest.mark.parametrize(
    ("store", "version"), [(stored_v2, "gptq_v2"), (stored_v1_with_borrows, "gptq")]
)
@torch.no_grad()
def test_zero_points_of_nought_are_read_in_both_versions(
    folder: Folder, store: Store, version: str
) -> None:
    expected = folder.quantize(store, config(checkpoint_format=version), with_noughts)
    layer = assert_computes(folder.path, expected)
    assert int(layer.quantized().zero.min()) == 0


@torch.no_grad()
def test_groups_that_follow_the_activations_are_sorted_once(folder: Folder) -> None:
    generator = torch.Generator().manual_seed(3)
    orders: dict[str, Tensor] = {}

    def make(name: str, weight: Tensor) -> QuantizedWeight:
        orders[name] = torch.randperm(weight.shape[1], generator=generator)
        found = rounded(weight[:, orders[name]], 32, 4)
        return found

    def store(weight: QuantizedWeight, name: str) -> dict[str, Tensor]:
        # In the file columns stand in their own order, and g_idx tells the group of each.
        back = torch.argsort(orders[name])
        in_place = QuantizedWeight(weight.codes[:, back], weight.scale, weight.zero, 32)
        return {**gptq(in_place, name), "g_idx": (back // 32).int()}

    folder.quantize(store, config(desc_act=True), make)
    for name, order in orders.items():
        linear = folder.model.get_submodule(name)
        assert isinstance(linear, torch.nn.Linear)
        linear.weight.copy_(linear.weight[:, torch.argsort(order)])
    layer = assert_computes(folder.path, folder.model(IDS).logits)
    assert layer.input_order is not None
    state = layer.state_dict()
    again = Int4Linear(64, 96, 32, bias=False, ordered=True)
    again.load_state_dict(state)
    rows = torch.randn(3, 64, generator=generator)
    assert torch.equal(again(rows), layer(rows))


@torch.no_grad()
def test_one_scale_a_row_and_no_g_idx(folder: Folder) -> None:
    def store(weight: QuantizedWeight, name: str) -> dict[str, Tensor]:
        return {part: value for part, value in gptq(weight, name).items() if part != "g_idx"}

    expected = folder.quantize(
        store, config(group_size=-1), lambda _, weight: rounded(weight, weight.shape[1], 4)
    )
    assert assert_computes(folder.path, expected).group_size == 64


def test_a_quantized_embedding_is_named(folder: Folder) -> None:
    folder.quantize(gptq, config())
    path = folder.path / "model.safetensors"
    tensors = load_file(path)
    weight = rounded(tensors.pop("model.embed_tokens.weight"), 32, 4)
    tensors |= {f"model.embed_tokens.{part}": t for part, t in gptq(weight, "").items()}
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"quantized embedding \(model.embed_tokens\)"):
        load_model(folder.path)


@torch.no_grad()
def test_layers_that_differ_by_a_pattern(folder: Folder) -> None:
    dynamic = {
        r"-:.*\.layers\.0\.mlp\.": {},
        r"+:.*\.layers\.1\.mlp\.up": {"bits": 8, "group_size": 16},
        r".*\.q_proj": {"group_size": 64},
    }

    def make(name: str, weight: Tensor) -> QuantizedWeight:
        size = 64 if "q_proj" in name else 32
        return rounded(weight, 16, 8) if "1.mlp.up" in name else rounded(weight, size, 4)

    alone = ("lm_head", "model.layers.0.mlp")
    expected = folder.quantize(gptq, config(dynamic=dynamic), make, left_alone=alone)
    loaded = load_model(folder.path).model
    assert isinstance(loaded.get_submodule("model.layers.0.mlp.up_proj"), torch.nn.Linear)
    layer = assert_computes(folder.path, expected)
    assert (layer.bits, layer.group_size) == (8, 16)
    folder.write_config(config(dynamic={".*_proj": {"bits": 3}}))
    with pytest.raises(CheckpointError, match=r"_proj.qweight: 8 words hold no whole .* of 3 bits"):
        load_model(folder.path)
    folder.write_config(config(dynamic={".*_proj": {"bits": 2}}))
    with pytest.raises(CheckpointError, match="2 bits with group size 32"):
        load_model(folder.path)


@pytest.mark.parametrize("tied", [False, True])
@torch.no_grad()
def test_a_quantized_head_computes_too(tmp_path: Path, tied: bool) -> None:
    folder = Folder(tmp_path, tied=tied)
    if tied:  # the embedding keeps its own values, the head is stored packed
        folder.model.lm_head.weight = torch.nn.Parameter(folder.model.lm_head.weight.clone())
    expected = folder.quantize(gptq, config(lm_head=True), left_alone=())
    assert_computes(tmp_path, expected)
    assert isinstance(load_model(tmp_path).model.get_submodule("lm_head"), Int4Linear)


def test_a_quantized_head_of_cogvlm2_is_refused(tmp_path: Path) -> None:
    parsed = CogVLM2Config(
        vocab_size=32,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_multi_query_heads=2,
        max_position_embeddings=64,
        bos_token_id=1,
        eos_token_ids=(2,),
        pad_token_id=0,
        vision=VisionConfig(
            image_size=28,
            patch_size=14,
            hidden_size=16,
            num_heads=2,
            num_hidden_layers=1,
            intermediate_size=16,
        ),
    )
    state = CogVLM2ForCausalLM(parsed).state_dict()
    head = gptq(rounded(state.pop("lm_head.weight"), 32, 4), "lm_head")
    tensors = {name: value.clone() for name, value in state.items() if "inv_freq" not in name}
    tensors |= {f"lm_head.{part}": value for part, value in head.items()}
    save_file(tensors, tmp_path / "model.safetensors")
    values = parsed.to_dict() | {"quantization_config": config(lm_head=True)}
    (tmp_path / "config.json").write_text(json.dumps(values))
    Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="lm_head is quantized, which CogVLM2 cannot use"):
        load_model(tmp_path)


def damage(path: Path, **changes: Tensor | None) -> None:
    """Replace or remove tensors of one layer."""
    tensors = load_file(path / "model.safetensors")
    for part, value in changes.items():
        name = f"model.layers.0.self_attn.o_proj.{part}"
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = value
    save_file(tensors, path / "model.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"qzeros": None}, "lacks 1 of .*o_proj.qzeros"),
        ({"qzeros": torch.zeros(4, 8).int()}, r"qzeros is \(4, 8\)"),
        ({"g_idx": torch.zeros(8).int()}, "g_idx names 8 inputs but qweight holds 64 at 4 bits"),
        ({"g_idx": torch.zeros(64).int()}, "o_proj: g_idx does not put 32 inputs"),
        ({"qweight": torch.zeros(8).int()}, "no matrix"),
        ({"qweight": torch.zeros(8, 64).long()}, "int64"),
    ],
)
def test_damaged_gptq_layers_are_one_line(
    folder: Folder, changes: dict[str, Tensor | None], message: str
) -> None:
    folder.quantize(gptq, config())
    damage(folder.path, **changes)
    with pytest.raises(CheckpointError, match=message) as error:
        load_model(folder.path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_scale": None}, "o_proj: quantized layer lacks weight_scale"),
        ({"weight_shape": torch.tensor([64, 60])}, "60 inputs are not whole groups"),
        ({"weight_zero_point": torch.zeros(3, 2).int()}, r"o_proj: weight_zero_point is \(3, 2\)"),
        ({"weight_g_idx": torch.zeros(64).int()}, "o_proj: its groups follow the activations"),
        ({"weight_scale": torch.full((64, 2), torch.nan)}, "o_proj: a scale is NaN"),
    ],
)
def test_damaged_compressed_layers_are_one_line(
    folder: Folder, changes: dict[str, Tensor | None], message: str
) -> None:
    form = FORMATS["compressed-tensors"]
    folder.quantize(
        lambda weight, _: form.pack(weight, sym=False),
        form.config(QuantizationConfig(group_size=32)),
    )
    damage(folder.path, **changes)
    with pytest.raises(CheckpointError, match=message) as error:
        load_model(folder.path)
    assert "\n" not in str(error.value)


def test_a_config_without_packed_weights_and_the_reverse_are_refused(folder: Folder) -> None:
    form = FORMATS["compressed-tensors"]
    settings = form.config(QuantizationConfig(group_size=32))
    folder.quantize(lambda weight, _: form.pack(weight, sym=False), settings)
    folder.write_config(config())  # says GPTQ
    with pytest.raises(ModelFolderError, match="holds no packed weights"):
        load_model(folder.path)
    folder.write_config(None)
    with pytest.raises(ModelFolderError, match="says how they were quantized"):
        load_model(folder.path)


@pytest.mark.weights
def test_a_published_config_is_read_and_its_missing_shards_are_named(data_dir: Path) -> None:
    published = data_dir / "weights" / "gptq_ckpt_meta_qwen-vl-chat-int4"
    for values in (
        read_json(published / "config.json")["quantization_config"],
        read_json(published / "quantize_config.json"),
    ):
        found = read_quantization(values)
        assert (found.bits, found.group_size, found.sym, found.desc_act) == (4, 128, True, False)
        assert found.layer("transformer.h.0.attn.c_attn") == (4, 128)
        assert found.zero_offset == 1
    with pytest.raises(ModelsError, match=r"lacks 5 of 5 shards: copy model-00001-of-00005"):
        CheckpointReader(published)
    with pytest.raises(ModelFolderError, match="QWenLMHeadModel"):
        load_model(published)


def random_damage(rng: random.Random, tensors: dict[str, Tensor]) -> None:
    """Replace a few packed tensors by ones of any shape and type, or drop them."""
    dtypes = [torch.int32, torch.int64, torch.float16, torch.float32, torch.bool]
    packed = sorted(name for name in tensors if "proj." in name)
    for name in rng.sample(packed, rng.choice((1, 2))):
        old = tuple(tensors.pop(name).shape)
        if rng.random() < 0.15:
            continue
        shape = tuple(rng.choice((0, 1, 2, size)) for size in old[rng.choice((0, 0, 1)) :])
        values = torch.randint(-(2**31), 2**31 - 1, shape)
        tensors[name] = values.to(rng.choice(dtypes))


@pytest.mark.parametrize("name", FORMATS)
def test_any_damage_is_one_line_or_harmless(folder: Folder, name: str) -> None:
    form, rng = FORMATS[name], random.Random(1)
    values = form.config(QuantizationConfig(group_size=32))
    folder.quantize(lambda weight, _: form.pack(weight, sym=False), values)
    whole = load_file(folder.path / "model.safetensors")
    refused = 0
    for attempt in range(40):
        tensors, changed = dict(whole), dict(values)
        if attempt % 4:
            random_damage(rng, tensors)
        else:
            key = rng.choice(sorted(changed))
            changed[key] = rng.choice((None, [], {}, "x", -5, 3.5, True, [1], {"a": 1}))
        save_file(tensors, folder.path / "model.safetensors")
        folder.write_config(changed)
        try:
            load_model(folder.path)
        except ModelsError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 20
