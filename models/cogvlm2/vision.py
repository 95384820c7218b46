"""The picture side of CogVLM2: EVA2-CLIP-E tower, 2x2 convolution, gated adapter.

Shapes: B pictures, P = patches + 1 positions, C tower channels, D decoder channels.
Source of the arithmetic: https://github.com/THUDM/CogVLM2.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cogvlm2.attention import attend
from models.cogvlm2.config import CogVLM2Config, VisionConfig


class PatchEmbedding(nn.Module):
    """Cut the picture into patches, put the class token first, add learned positions."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(
            config.in_channels,
            config.hidden_size,
            kernel_size=config.patch_size,
            stride=config.patch_size,
        )
        self.cls_embedding = nn.Parameter(torch.zeros(1, config.hidden_size))
        self.position_embedding = nn.Embedding(config.num_positions, config.hidden_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (B, 3, S, S) to tokens (B, P, C)."""
        patches = self.proj(pixels).flatten(2).transpose(1, 2)  # (B, P-1, C)
        first = self.cls_embedding.expand(patches.shape[0], 1, -1)
        return torch.cat((first, patches), dim=1) + self.position_embedding.weight


class VisionAttention(nn.Module):
    """Full attention over all patches with one fused projection."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, P, C) to (B, P, C)."""
        batch, positions, _ = x.shape
        qkv = self.query_key_value(x).view(batch, positions, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, P, C/heads)
        out = attend(query, key, value, mask=None, causal=False)
        return self.dense(out.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class VisionMLP(nn.Module):
    """Two linear layers with the erf form of GELU between them."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, P, C) to (B, P, C)."""
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class VisionLayer(nn.Module):
    """One tower layer; the norm sits on the branch's output, not on its input."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = VisionAttention(config)
        self.mlp = VisionMLP(config)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, P, C) to (B, P, C)."""
        x = x + self.input_layernorm(self.attention(x))
        return x + self.post_attention_layernorm(self.mlp(x))  # type: ignore[no-any-return]


class VisionTransformer(nn.Module):
    """The stack of tower layers; there is no norm after the last one."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(VisionLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, P, C) to (B, P, C)."""
        for layer in self.layers:
            x = layer(x)
        return x


class Adapter(nn.Module):
    """Gated linear unit that lifts tower channels to decoder channels."""

    def __init__(self, config: CogVLM2Config) -> None:
        super().__init__()
        wide, narrow = config.intermediate_size, config.hidden_size
        self.linear_proj = nn.Linear(config.vision.hidden_size, narrow, bias=False)
        # The adapter's norm keeps PyTorch's default eps (1e-5), unlike the tower's.
        self.norm1 = nn.LayerNorm(narrow)
        self.dense_h_to_4h = nn.Linear(narrow, wide, bias=False)
        self.gate_proj = nn.Linear(narrow, wide, bias=False)
        self.dense_4h_to_h = nn.Linear(wide, narrow, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map merged patches (B, N, C) to (B, N, D)."""
        x = F.gelu(self.norm1(self.linear_proj(x)))
        return self.dense_4h_to_h(  # type: ignore[no-any-return]
            F.silu(self.gate_proj(x)) * self.dense_h_to_4h(x)
        )


class VisionModel(nn.Module):
    """Pixels to the tokens that stand for the picture in the decoder's sequence."""

    def __init__(self, config: CogVLM2Config) -> None:
        super().__init__()
        vision = config.vision
        self.grid = vision.grid
        self.patch_embedding = PatchEmbedding(vision)
        self.transformer = VisionTransformer(vision)
        self.linear_proj = Adapter(config)
        self.conv = nn.Conv2d(vision.hidden_size, vision.hidden_size, kernel_size=2, stride=2)
        self.boi = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.eoi = nn.Parameter(torch.zeros(1, 1, config.hidden_size))

    def merge(self, tokens: Tensor) -> Tensor:
        """Drop the class token and merge 2x2 patches: (B, P, C) to (B, (P-1)/4, C)."""
        patches = tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, self.grid, self.grid)
        return self.conv(patches).flatten(2).transpose(1, 2)  # type: ignore[no-any-return]

    def enclose(self, tokens: Tensor) -> Tensor:
        """Put the begin and end marks around (B, N, D): (B, N + 2, D)."""
        ends = (len(tokens), 1, -1)
        return torch.cat((self.boi.expand(*ends), tokens, self.eoi.expand(*ends)), dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (B, 3, S, S) to picture features (B, N + 2, D)."""
        tokens = self.transformer(self.patch_embedding(pixels))
        return self.enclose(self.linear_proj(self.merge(tokens)))
