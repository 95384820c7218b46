"""CogVLM2 against a second implementation that shares no code with it, on random models."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.cogvlm2 import CogVLM2Config, CogVLM2ForCausalLM, VisionConfig
from models.cogvlm2.decoder import KVCache, position_ids
from models.int4 import Int4Linear, QuantizedWeight, replace_linear
from tests.models.cogvlm2_reference import Reference

TOLERANCE = 1e-4  # float32 sums against float64; a wrong rule moves logits by far more
GROUP = 8

SMALL = CogVLM2Config(
    vocab_size=40,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_multi_query_heads=2,
    max_position_embeddings=128,
    bos_token_id=1,
    eos_token_ids=(2,),
    pad_token_id=0,
    vision=VisionConfig(
        image_size=16,
        patch_size=4,
        hidden_size=24,
        num_heads=3,
        num_hidden_layers=2,
        intermediate_size=40,
    ),
)
CONFIGS = {
    "grouped": SMALL,
    "as many KV heads": replace(SMALL, num_multi_query_heads=4, rope_theta=10000.0),
    "one KV head": replace(
        SMALL,
        num_attention_heads=8,
        num_multi_query_heads=1,
        rms_norm_eps=1e-3,
        num_hidden_layers=3,
    ),
    "wide tower": replace(
        SMALL,
        hidden_size=16,
        vision=VisionConfig(
            image_size=12,
            patch_size=2,
            hidden_size=32,
            num_heads=2,
            num_hidden_layers=3,
            intermediate_size=24,
            layer_norm_eps=1e-3,
        ),
    ),
}


@dataclass(frozen=True)
class Pair:
    model: CogVLM2ForCausalLM
    reference: Reference
    pixels: Tensor

    def prompt(self, words: int, *, with_picture: bool, seed: int = 0) -> tuple[Tensor, Tensor]:
        config = self.model.config
        generator = torch.Generator().manual_seed(100 * words + seed)
        ids = torch.randint(3, config.vocab_size, (1, words + 1), generator=generator)
        ids[0, 0] = config.bos_token_id
        types = torch.zeros_like(ids)
        if with_picture:
            places = torch.full((1, config.num_picture_tokens), config.pad_token_id)
            ids = torch.cat((ids[:, :1], places, ids[:, 1:]), dim=1)
            types = torch.cat((types[:, :1], torch.ones_like(places), types[:, 1:]), dim=1)
        return ids, types

    def expected(self, ids: Tensor, types: Tensor, pixels: Tensor | None) -> Tensor:
        picture = None if pixels is None else pixels[0].double().numpy()
        return torch.from_numpy(self.reference.logits(ids[0].tolist(), types[0].tolist(), picture))


def make_pair(config: CogVLM2Config, *, int4: bool) -> Pair:
    torch.manual_seed(config.hidden_size + config.num_hidden_layers)
    model = CogVLM2ForCausalLM(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
        parameter.normal_(std=1.2 * fan_in**-0.5 if fan_in > 1 else 0.2)
        if name.endswith("norm.weight") or name.endswith("norm1.weight"):
            parameter.add_(1)
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    if int4:
        for name in [n for n, m in model.named_modules() if isinstance(m, nn.Linear)]:
            if name != "lm_head":
                weights[f"{name}.weight"] = quantize(model, name)
    generator = torch.Generator().manual_seed(9)
    side = config.vision.image_size
    return Pair(
        model,
        Reference(config.to_dict(), weights),
        torch.randn(1, 3, side, side, generator=generator),
    )


def quantize(model: CogVLM2ForCausalLM, name: str) -> np.ndarray:
    """Round a layer to a random asymmetric grid; return the weight that its codes stand for."""
    linear = model.get_submodule(name)
    rows, columns = linear.weight.shape
    grouped = linear.weight.reshape(rows, columns // GROUP, GROUP)
    low, high = grouped.amin(2).clamp(max=0), grouped.amax(2).clamp(min=0)
    scale = ((high - low) / 14).half().float()
    zero = (-low / scale).round().clamp(1, 15).int()
    codes = (grouped / scale[..., None] + zero[..., None]).round().clamp(0, 15)
    weight = QuantizedWeight(codes.reshape(rows, columns).byte(), scale, zero, GROUP)
    replace_linear(model, name, Int4Linear.from_quantized(weight, linear.bias))
    exact = (codes.double() - zero[..., None].double()) * scale[..., None].double()
    return exact.reshape(rows, columns).numpy()


@pytest.fixture(
    scope="module",
    params=[(name, int4) for int4 in (False, True) for name in CONFIGS],
    ids=lambda param: f"{param[0]}{', int4' if param[1] else ''}",
)
def pair(request: pytest.FixtureRequest) -> Pair:
    name, int4 = request.param
    return make_pair(CONFIGS[name], int4=int4)


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual.double(), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("with_picture", [True, False])
@pytest.mark.parametrize("words", [1, 2, 9])
def test_whole_prompts(pair: Pair, words: int, with_picture: bool) -> None:
    ids, types = pair.prompt(words, with_picture=with_picture)
    pixels = pair.pixels if with_picture else None
    expected = pair.expected(ids, types, pixels)
    assert expected.std() > 0.3, "logits so small that nothing could be wrong"
    close(pair.model(ids, types, pixels=pixels)[0], expected)


@pytest.mark.parametrize("with_picture", [True, False])
def test_cached_decoding(pair: Pair, with_picture: bool) -> None:
    ids, types = pair.prompt(3, with_picture=with_picture)
    pixels = pair.pixels if with_picture else None
    fed = torch.tensor([[7, 30, 7, 11, 25]])
    whole = torch.cat((ids, fed), dim=1)
    expected = pair.expected(whole, torch.cat((types, torch.zeros_like(fed)), dim=1), pixels)
    cache = KVCache(pair.model.config.num_hidden_layers)
    parts = [pair.model(ids, types, pixels=pixels, cache=cache)]
    position = position_ids(types)[:, -1:]
    for chunk in (fed[:, :1], fed[:, 1:4], fed[:, 4:]):  # one by one, and several at once
        positions = position + torch.arange(1, chunk.shape[1] + 1)
        parts.append(pair.model(chunk, positions=positions, cache=cache))
        position = positions[:, -1:]
    close(torch.cat(parts, dim=1)[0], expected)


def test_a_batch_of_different_lengths(pair: Pair) -> None:
    rows = [
        pair.prompt(2, with_picture=True),
        pair.prompt(7, with_picture=False),
        pair.prompt(6, with_picture=True, seed=1),
    ]
    longest = max(ids.shape[1] for ids, _ in rows)
    lengths = [ids.shape[1] for ids, _ in rows]

    def padded(row: Tensor) -> Tensor:
        return nn.functional.pad(row, (longest - row.shape[1], 0))

    mask = torch.cat([padded(torch.ones_like(ids)) for ids, _ in rows])
    pixels = torch.cat((pair.pixels, pair.pixels.flip(2)))
    logits = pair.model(
        torch.cat([padded(ids) for ids, _ in rows]),
        torch.cat([padded(types) for _, types in rows]),
        pixels=pixels,
        attention_mask=mask,
    )
    for row, own in enumerate((pixels[:1], None, pixels[1:])):
        ids, types = rows[row]
        close(logits[row, -lengths[row] :], pair.expected(ids, types, own))
