"""Starting weights of the pocket model: its tower begins as a small convolutional network.

Attention that starts out uniform must first find out that neighbours matter. Sine and cosine
positions let a head look at one fixed neighbour from the first step; training may change all of
it. The idea is that of structured initialization (arXiv 2404.01139); the construction here is
for absolute planar positions.
"""

import math

import torch
from torch import Tensor, nn

from models.cogvlm2 import CogVLM2ForCausalLM
from models.cogvlm2.vision import VisionAttention, VisionLayer

# Row and column offsets, in patches, of the neighbour that each head of a layer looks at.
OFFSETS = (
    ((0, -1), (0, 1), (-1, 0), (1, 0)),
    ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    ((0, -2), (0, 2), (-2, 0), (2, 0)),
    ((0, -1), (0, 1), (-1, 0), (1, 0)),
)
SHARPNESS = 1.6  # of queries and keys; puts about half of a head's attention on its neighbour


def initialize(model: CogVLM2ForCausalLM) -> None:
    """Draw the weights of a pocket model from torch's generator."""
    depth = model.config.num_hidden_layers
    for name, parameter in model.named_parameters():
        if parameter.dim() >= 2:
            nn.init.normal_(parameter, std=_spread(name, parameter, depth))
    vision = model.model.vision
    channels = model.config.vision.hidden_size
    with torch.no_grad():
        positions = planar_positions(model.config.vision.grid, channels)
        vision.patch_embedding.position_embedding.weight[1:] = positions
        for layer, offsets in zip(vision.transformer.layers, OFFSETS, strict=True):
            assert isinstance(layer, VisionLayer)
            look_at_neighbours(layer.attention, offsets)
            # Each branch's output is normalized; a small gain leaves the patch itself audible.
            layer.input_layernorm.weight.fill_(0.5)
            layer.post_attention_layernorm.weight.fill_(0.3)


def _spread(name: str, parameter: Tensor, depth: int) -> float:
    natural: float = parameter[0].numel() ** -0.5
    if "embed_tokens" in name or "position_embedding" in name or "lm_head" in name:
        return 0.02
    if "patch_embedding.proj" in name:
        return 0.5 * natural  # pixels have values near two; positions must be heard too
    if name.startswith("model.layers") and name.endswith(("dense.weight", "down_proj.weight")):
        return natural / math.sqrt(2 * depth)  # GPT-2's rule for branch outputs
    return natural


def frequencies(channels: int) -> Tensor:
    """Angles per patch, (channels / 4,), one for each sine and cosine of a row or a column."""
    return torch.linspace(0.1, 0.55 * math.pi, channels // 4)


def planar_positions(grid: int, channels: int) -> Tensor:
    """Sine and cosine of each patch's row and column: (grid * grid, channels).

    The channels are: sines of the row, cosines of the row, the same of the column.
    """
    angles = torch.arange(grid, dtype=torch.float32)[:, None] * frequencies(channels)
    axis = torch.cat((angles.sin(), angles.cos()), dim=1)  # (grid, channels / 2)
    rows = axis[:, None].expand(grid, grid, -1)
    columns = axis[None].expand(grid, grid, -1)
    return torch.cat((rows, columns), dim=-1).flatten(0, 1)


def look_at_neighbours(attention: VisionAttention, offsets: tuple[tuple[int, int], ...]) -> None:
    """Point head h of an attention layer at the patch ``offsets[h]`` (rows, columns) away.

    A query copies its position's sines and cosines, a key turns its own back by the offset:
    their product is largest where the key's patch lies at the offset from the query's.
    Values keep their random weights.
    """
    size = attention.dense.in_features
    quarter, head_dim = size // 4, size // attention.num_heads
    with torch.no_grad():
        fused = attention.query_key_value.weight
        attention.query_key_value.bias.zero_()
        fused[: 2 * size] *= 0.2  # a little noise, so that channels can differ later
        query, key = fused[:size], fused[size : 2 * size]
        for head, offset in enumerate(offsets):
            picked = torch.arange(head, quarter, attention.num_heads)  # this head's frequencies
            out = head * head_dim + torch.arange(len(picked))
            for axis, distance in enumerate(offset):
                turn = frequencies(size)[picked] * distance
                sine, cosine = 2 * axis * quarter + picked, (2 * axis + 1) * quarter + picked
                for part, channel in enumerate((sine, cosine)):
                    row = out + (2 * axis + part) * len(picked)
                    query[row, channel] += SHARPNESS
                    key[row, channel] += SHARPNESS * turn.cos()
                    other, sign = (cosine, -1.0) if part == 0 else (sine, 1.0)
                    key[row, other] += sign * SHARPNESS * turn.sin()
