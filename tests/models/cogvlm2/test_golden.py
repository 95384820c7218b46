"""Everything that was recorded of the upstream code at a tiny size, reproduced value by value."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from models.cogvlm2 import CogVLM2Config, CogVLM2ForCausalLM
from models.cogvlm2.decoder import (
    KVCache,
    RotaryEmbedding,
    Routing,
    position_ids,
)
from models.cogvlm2.processing import preprocess_picture

TOLERANCE = 1e-4  # float32 against float64 differs by 2.3e-5 on these weights

pytestmark = pytest.mark.weights

Golden = dict[str, Tensor]
"""Recorded or computed tensors by their names behind ``golden.``."""

PICTURES = {"a": (0,), "c": (), "d": (0, 1), "e": (0,), "r": (0, 1)}
GIVEN = ("raw_u8", "input_ids", "token_type_ids", "attention_mask", "fed_token_ids")
"""What went into the upstream code; nothing computes it."""


@pytest.fixture(scope="module")
def files(data_dir: Path) -> tuple[Golden, Golden, dict]:
    """Recorded tensors, weights, config."""
    tensors = load_file(data_dir / "cogvlm2" / "golden_t1.safetensors")
    description = json.loads((data_dir / "cogvlm2" / "golden_t1.json").read_text())
    prefix = "golden."
    recorded = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    weights = {n: t for n, t in tensors.items() if not n.startswith(prefix)}
    return recorded, weights, description["config"]


@pytest.fixture(scope="module")
def golden(files: tuple[Golden, Golden, dict]) -> Golden:
    return files[0]


@pytest.fixture(scope="module")
def model(files: tuple[Golden, Golden, dict]) -> CogVLM2ForCausalLM:
    model = CogVLM2ForCausalLM(CogVLM2Config.from_dict(files[2]))
    model.load_state_dict(files[1], strict=True)
    return model.eval().requires_grad_(False)


@contextmanager
def recording(modules: dict[str, nn.Module]) -> Iterator[Golden]:
    """Collect the outputs of modules under the given names."""
    seen: Golden = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: seen.__setitem__(name, output)

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def pixels_of(golden: Golden, case: str) -> Tensor | None:
    pictures = [golden[f"image.{number}.pixels"] for number in PICTURES[case]]
    return torch.cat(pictures) if pictures else None


def picture(model: CogVLM2ForCausalLM, golden: Golden, case: str) -> Golden:
    """Preprocessing and every stage of the picture side."""
    vision = model.model.vision
    watched: dict[str, nn.Module] = {
        "patch_embedding": vision.patch_embedding,
        "tower_out": vision.transformer,
        "conv_out": vision.conv,
        "adapter_linear_proj": vision.linear_proj.linear_proj,
        "adapter_out": vision.linear_proj,
    }
    for index, layer in enumerate(vision.transformer.layers):
        watched[f"layer.{index}.attention_out"] = layer.attention
        watched[f"layer.{index}.mlp_out"] = layer.mlp
        watched[f"layer.{index}.out"] = layer
    pixels = preprocess_picture(golden[f"{case}.raw_u8"].byte().numpy(), model.config)[None]
    with recording(watched) as seen:
        seen["features"] = vision(golden[f"{case}.pixels"])
    return {"pixels": pixels} | {f"vision.{name}": value for name, value in seen.items()}


def prompt(model: CogVLM2ForCausalLM, golden: Golden, case: str) -> Golden:
    """Positions, routing, and every stage of the decoder on whole prompts."""
    types, mask = golden[f"{case}.token_type_ids"], golden[f"{case}.attention_mask"]
    routing, vision = Routing.from_token_types(types), torch.zeros(types.numel()).bool()
    if routing is not None:
        vision[routing.vision] = True
    core = model.model
    watched: dict[str, nn.Module] = {"final_norm": core.norm}
    for index, layer in enumerate(core.layers):
        watched[f"layer.{index}.attn_out"] = layer.self_attn
        watched[f"layer.{index}.mlp_out"] = layer.mlp
        watched[f"layer.{index}.out"] = layer
    ids, pixels = golden[f"{case}.input_ids"], pixels_of(golden, case)
    with recording(watched) as seen:
        seen["logits"] = model(ids, types, pixels=pixels, attention_mask=mask)
    features = None if pixels is None else core.vision(pixels)
    real = mask.bool()
    computed = {
        "position_ids": position_ids(types, mask),
        "vision_token_mask": vision.view_as(types),
        "language_token_mask": ~vision.view_as(types),
        "embeddings": core.embed(ids, types, features),
        **seen,
    }
    for row in range(len(ids)):
        one = slice(row, row + 1)
        own = None if pixels is None or row >= len(pixels) else pixels[one]
        computed[f"row{row}.single_logits"] = model(
            ids[one][real[one]][None], types[one][real[one]][None], pixels=own
        )
    return computed


def decoding(model: CogVLM2ForCausalLM, golden: Golden, case: str) -> Golden:
    """Prefill and steps with the cache, and the same tokens without it."""
    start = {"b": "a"}.get(case, case.removesuffix(".cached"))
    ids, types = golden[f"{start}.input_ids"], golden[f"{start}.token_type_ids"]
    mask, pixels = golden[f"{start}.attention_mask"], pixels_of(golden, start)
    fed = golden[f"{case}.fed_token_ids"]
    cache = KVCache(model.config.num_hidden_layers)
    prefill = model(ids, types, pixels=pixels, attention_mask=mask, cache=cache)
    computed = {"prefill_logits_last": prefill[:, -1]}
    nothing = torch.zeros(len(ids), model.config.num_multi_query_heads, 0, model.config.head_dim)
    for layer in range(model.config.num_hidden_layers):
        key, value = cache.append(layer, nothing, nothing)
        computed[f"prefill_cache.{layer}.key"] = key.clone()
        computed[f"prefill_cache.{layer}.value"] = value.clone()
    position, steps, positions = position_ids(types, mask)[:, -1:], [], []
    for step in range(fed.shape[1]):
        position, mask = position + 1, torch.cat((mask, torch.ones_like(mask[:, :1])), dim=1)
        token = fed[:, step : step + 1]
        steps.append(model(token, positions=position, attention_mask=mask, cache=cache)[:, -1])
        positions.append(position)
    whole = model(
        torch.cat((ids, fed), dim=1),
        torch.cat((types, torch.zeros_like(fed)), dim=1),
        pixels=pixels,
        attention_mask=mask,
    )
    return computed | {
        "step_logits": torch.stack(steps, dim=1),
        "step_position_ids": torch.cat(positions, dim=1),
        "step_token_type_ids": torch.zeros_like(fed),
        "final_attention_mask": mask,
        "full_logits": whole[:, -fed.shape[1] - 1 :],
    }


def small_table(model: CogVLM2ForCausalLM, golden: Golden, case: str) -> Golden:
    """The rotary table of the tiny model, as its checkpoint stores the frequencies."""
    return table_of(model.model.layers[0].self_attn.rotary_emb, len(golden[f"{case}.cos"]))


def real_table(model: CogVLM2ForCausalLM, golden: Golden, case: str) -> Golden:
    """The rotary table of the 19B model; its checkpoint stores bfloat16 frequencies."""
    rotary = RotaryEmbedding(128, 500000.0)
    dtype = torch.bfloat16 if case.endswith("bf16") else torch.float32
    rotary.inv_freq = rotary.inv_freq.to(dtype)
    # Without a checkpoint, upstream rounds the base, the power and then its reciprocal.
    built = {"inv_freq_built_in_bf16": 1 / 500000.0 ** (torch.arange(0, 128, 2) / 128).bfloat16()}
    computed = table_of(rotary, len(golden[f"{case}.cos"]))
    return built | {name: value.to(dtype) for name, value in computed.items()}


def table_of(rotary: RotaryEmbedding, positions: int) -> Golden:
    cos, sin = rotary(torch.arange(positions)[None])
    half = cos.shape[-1] // 2
    assert torch.equal(cos[..., :half], cos[..., half:])
    return {"inv_freq": rotary.inv_freq, "cos": cos[0, 0, :, :half], "sin": sin[0, 0, :, :half]}


CASES: dict[str, Callable[[CogVLM2ForCausalLM, Golden, str], Golden]] = {
    "image.0": picture,
    "image.1": picture,
    "a": prompt,
    "b": decoding,
    "c": prompt,
    "c.cached": decoding,
    "d": prompt,
    "d.cached": decoding,
    "e": prompt,
    "e.cached": decoding,
    "r": prompt,
    "rope": small_table,
    "rope128.fp32": real_table,
    "rope128.bf16": real_table,
}


def case_of(name: str) -> str:
    """The longest known case that a recorded name begins with; empty for none."""
    return max((case for case in CASES if name.startswith(f"{case}.")), key=len, default="")


def test_every_recorded_tensor_belongs_to_a_known_case(golden: Golden) -> None:
    assert [name for name in golden if not case_of(name)] == []
    assert {case_of(name) for name in golden} == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_everything_recorded_is_reproduced(
    golden: Golden, model: CogVLM2ForCausalLM, case: str
) -> None:
    expected = {n.removeprefix(f"{case}."): t for n, t in golden.items() if case_of(n) == case}
    expected = {name: tensor for name, tensor in expected.items() if name not in GIVEN}
    computed = CASES[case](model, golden, case)
    assert expected and expected.keys() <= computed.keys()
    mask = golden.get(f"{case}.attention_mask")
    for name, want in expected.items():
        got = computed[name]
        assert got.shape == want.shape and got.dtype == want.dtype, name
        if mask is not None and got.is_floating_point() and got.shape[:2] == mask.shape:
            got, want = got[mask.bool()], want[mask.bool()]  # padding may hold anything
        exact = not got.is_floating_point() or got.dtype == torch.bfloat16
        tolerance = 0 if exact else TOLERANCE
        torch.testing.assert_close(
            got, want, atol=tolerance, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_bfloat16_tables_blur_positions_beyond_256(golden: Golden) -> None:
    """Why the decision matters, on the recorded tables."""
    blurred, exact = golden["rope128.bf16.cos"], golden["rope128.fp32.cos"]
    assert torch.equal(blurred[256], blurred[257])
    assert not torch.equal(exact[256], exact[257])
    far = (blurred.float() - exact).abs().amax(1)
    assert far[:32].max() > 0.05 and far[:256].max() > 0.7


def test_a_cast_of_the_model_keeps_the_positions(golden: Golden) -> None:
    rotary = RotaryEmbedding(128, 500000.0).to(torch.bfloat16)
    assert torch.equal(rotary.inv_freq, golden["rope128.fp32.inv_freq"])
    rotary.inv_freq = rotary.inv_freq.bfloat16()
    assert rotary.float().inv_freq.dtype == torch.bfloat16
