"""The decoder of CogVLM2: LLaMA blocks whose linear layers exist twice, for words and pictures.

Shapes: B sequences, T new tokens, S tokens attended to, D channels, H heads, K KV heads.
Source of the arithmetic: https://github.com/THUDM/CogVLM2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cogvlm2.attention import attend
from models.cogvlm2.config import CogVLM2Config

LANGUAGE, VISION = 0, 1


@dataclass(frozen=True, slots=True)
class Routing:
    """Which of the B*T flattened tokens each expert computes.

    vision:   indices of the vision expert's tokens, ascending.
    language: indices of the language expert's tokens, ascending.
    inverse:  where each token stands in the concatenation of both.
    """

    vision: Tensor
    language: Tensor
    inverse: Tensor

    @classmethod
    def from_token_types(cls, token_type_ids: Tensor) -> "Routing | None":
        """Send a token to the vision expert if it and its successor are of type VISION.

        The last picture token (the end mark) and all words go to the language expert.

        Args:
            token_type_ids: (B, T), 0 language, 1 vision.
        Returns:
            None where no token needs the vision expert.
        """
        is_vision = token_type_ids == VISION
        chosen = torch.zeros_like(is_vision)
        chosen[:, :-1] = is_vision[:, :-1] & is_vision[:, 1:]
        flat = chosen.flatten()
        if not bool(flat.any()):
            return None
        vision, language = flat.nonzero().squeeze(1), (~flat).nonzero().squeeze(1)
        return cls(vision, language, torch.cat((vision, language)).argsort())


def route(
    x: Tensor,
    routing: Routing | None,
    vision: Callable[[Tensor], Tensor],
    language: Callable[[Tensor], Tensor],
) -> Tensor:
    """Give every token of x (B, T, D) to its expert; each expert sees only its own tokens."""
    if routing is None:
        return language(x)
    flat = x.flatten(0, 1)
    return rejoin(
        vision(flat[routing.vision]), language(flat[routing.language]), routing, x.shape[:2]
    )


def rejoin(vision: Tensor, language: Tensor, routing: Routing, shape: Sequence[int]) -> Tensor:
    """Put what both experts made, each (N, D), where the tokens stood: (B, T, D).

    shape: B and T.
    """
    return torch.cat((vision, language))[routing.inverse].view(*shape, -1)


def position_ids(token_type_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """Number the tokens; all patches of a picture share one position.

    Begin and end mark count as words, so a picture advances the count by three.

    Args:
        token_type_ids: (B, T), 0 language, 1 vision.
        attention_mask: (B, T), 0 at padding; padding on the left has position 0.
    Returns:
        (B, T) int64.
    """
    types = token_type_ids
    if attention_mask is not None:
        types = types.masked_fill(attention_mask == 0, LANGUAGE)
    is_vision = types == VISION
    before = F.pad(is_vision, (1, 0))[:, :-1]
    after = F.pad(is_vision, (0, 1))[:, 1:]
    inner = is_vision & before & after
    inner_before = F.pad(inner, (1, 0))[:, :-1]
    advances = ~inner | ~inner_before  # words, marks, and the first patch
    advances[:, 0] = False
    if attention_mask is not None:
        advances &= attention_mask != 0
    return advances.long().cumsum(1)


class RMSNorm(nn.Module):
    """Root mean square norm, multiplied by its weight in float32 and cast once."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalize the last dimension of x."""
        if x.dtype == self.weight.dtype:
            # The same arithmetic, which a card does in one launch and a processor in one call.
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (wide * self.weight.float()).to(x.dtype)


class RotaryEmbedding(nn.Module):
    """Rotary positions in the half-split form (RoFormer, arXiv 2104.09864).

    The angles have the precision in which the checkpoint stores ``inv_freq``. CogVLM2's is
    bfloat16, as were the tables its published results were computed with: neighbouring
    positions beyond 256 then share an angle. Frequencies in float32, as in every model that
    leaves them out of its file, keep all positions apart.
    """

    inv_freq: Tensor

    def __init__(self, head_dim: int, theta: float) -> None:
        super().__init__()
        self.register_buffer("inv_freq", inverse_frequencies(head_dim, theta))

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Give cosine and sine, each (B, 1, T, head_dim) float32, for positions (B, T)."""
        exact = self.inv_freq.dtype
        # In bfloat16 the position, its angle, cosine and sine are rounded one after the other.
        angles = positions[:, None, :, None].to(exact) * self.inv_freq
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().float(), angles.sin().float()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "RotaryEmbedding":
        """Move the frequencies, but keep their dtype: a cast must not change the positions."""
        stored = self.inv_freq
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.inv_freq.dtype != stored.dtype and not stored.is_meta:
            self.inv_freq = stored.to(self.inv_freq.device)
        return self


def inverse_frequencies(head_dim: int, theta: float) -> Tensor:
    """Angle per position of each pair of channels: (head_dim / 2,) float32."""
    return 1.0 / theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (x[i], x[i + head_dim / 2]) by its angle; x is (B, heads, T, head_dim)."""
    left, right = x.chunk(2, dim=-1)
    turned = torch.cat((-right, left), dim=-1)
    return (x * cos + turned * sin).to(x.dtype)


class KVCache:
    """Keys (after rotation) and values of every layer, each (B, K, S, head_dim)."""

    GROW_BY = 256

    def __init__(self, num_layers: int) -> None:
        self._layers: list[tuple[Tensor, Tensor] | None] = [None] * num_layers
        self._lengths = [0] * num_layers

    @property
    def length(self) -> int:
        """Tokens stored."""
        return self._lengths[-1]

    def append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store T new tokens (B, K, T, head_dim) of one layer; return all of that layer."""
        start, end = self._lengths[layer], self._lengths[layer] + key.shape[2]
        held = self._layers[layer]
        if held is None or held[0].shape[2] < end:
            held = self._grow(held, key, start, end)
            self._layers[layer] = held
        held[0][:, :, start:end] = key
        held[1][:, :, start:end] = value
        self._lengths[layer] = end
        return held[0][:, :, :end], held[1][:, :, :end]

    def fork(self) -> "KVCache":
        """Copy the cache, so that several questions can continue from one picture."""
        twin = KVCache(len(self._layers))
        twin._lengths = list(self._lengths)
        twin._layers = [
            None if held is None else (held[0].clone(), held[1].clone()) for held in self._layers
        ]
        return twin

    def _grow(
        self, held: tuple[Tensor, Tensor] | None, like: Tensor, used: int, needed: int
    ) -> tuple[Tensor, Tensor]:
        batch, heads, _, width = like.shape
        room = like.new_empty(2, batch, heads, needed + self.GROW_BY, width)
        if held is not None:
            room[0, :, :, :used] = held[0][:, :, :used]
            room[1, :, :, :used] = held[1][:, :, :used]
        return room[0], room[1]


class ExpertAttention(nn.Module):
    """Causal grouped-query attention; projections by the token's expert."""

    def __init__(self, config: CogVLM2Config) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.num_kv_heads = config.num_multi_query_heads
        self.head_dim = config.head_dim
        size = config.hidden_size
        fused = size + 2 * self.num_kv_heads * self.head_dim
        self.vision_expert_query_key_value = nn.Linear(size, fused, bias=True)
        self.vision_expert_dense = nn.Linear(size, size, bias=False)
        self.language_expert_query_key_value = nn.Linear(size, fused, bias=False)
        self.language_expert_dense = nn.Linear(size, size, bias=False)
        self.rotary_emb = RotaryEmbedding(self.head_dim, config.rope_theta)

    def forward(
        self,
        x: Tensor,
        routing: Routing | None,
        positions: Tensor,
        mask: Tensor | None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """Map (B, T, D) to (B, T, D); mask (B, 1, T, S) is True where attention is allowed."""
        fused = route(
            x, routing, self.vision_expert_query_key_value, self.language_expert_query_key_value
        )
        heads = fused.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)  # (B, H + 2K, T, hd)
        query, rest = heads.tensor_split((self.num_heads,), dim=1)
        key, value = rest.chunk(2, dim=1)
        cos, sin = self.rotary_emb(positions)
        query, key = rotate(query, cos, sin), rotate(key, cos, sin)
        if cache is not None:
            key, value = cache.append(layer, key, value)
        # PyTorch counts its causal mask from the first key: one new token would see that alone.
        out = attend(query, key, value, mask, causal=mask is None and x.shape[1] > 1)
        out = out.transpose(1, 2).flatten(2)  # (B, T, D)
        return route(out, routing, self.vision_expert_dense, self.language_expert_dense)


class GatedMLP(nn.Module):
    """LLaMA's feed-forward: down(silu(gate(x)) * up(x))."""

    def __init__(self, config: CogVLM2Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))  # type: ignore[no-any-return]


class ExpertMLP(nn.Module):
    """One feed-forward for words and one for picture tokens."""

    def __init__(self, config: CogVLM2Config) -> None:
        super().__init__()
        self.language_mlp = GatedMLP(config)
        self.vision_mlp = GatedMLP(config)

    def forward(self, x: Tensor, routing: Routing | None) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        return route(x, routing, self.vision_mlp, self.language_mlp)


class DecoderLayer(nn.Module):
    """Pre-norm block: attention, then feed-forward, each added to its input."""

    def __init__(self, config: CogVLM2Config) -> None:
        super().__init__()
        self.self_attn = ExpertAttention(config)
        self.mlp = ExpertMLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self,
        x: Tensor,
        routing: Routing | None,
        positions: Tensor,
        mask: Tensor | None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """Map (B, T, D) to (B, T, D); see ExpertAttention for the arguments."""
        x = x + self.self_attn(self.input_layernorm(x), routing, positions, mask, cache, layer)
        return x + self.mlp(self.post_attention_layernorm(x), routing)  # type: ignore[no-any-return]
