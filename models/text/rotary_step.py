"""A decoder with rotary positions, step by step: LLaMA's, Qwen2's and Qwen3's, with little around.

It computes what the module of transformers computes, from the same weights and in the same order of
roundings. But query, key and value are one product, gate and up another (`Joined`), keys and values
lie in rooms that are there already, the angles of all positions are computed once, and a layer is a
dozen operators rather than fifty. On a processor that decodes 50 tokens a second, most of the time
of transformers' own loop goes into what stands between the products.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.grouped_attention import attend_once
from models.int4.joined import Joined
from models.one_row import head_logits
from models.text.rooms import FIRST_ROOM, Rooms

STEADY_ROPES = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary positions whose angles do not depend on how long a text is."""

FEW = 128
"""Tokens up to which a processor attends head by head, in transformers' own order of sums.

So a short text goes on token for token as with transformers. Behind more tokens, the heads of a
group are attended to at once, which takes a quarter to a tenth of the time; of the numbers in
bfloat16, 2 in 1,000 are rounded to another neighbour. SmolLM2-135M is then as near to itself in
float32 as with transformers (divergence 0.0019 and 0.0023), but may choose another of two words
that are nearly as likely.
"""


@dataclass(frozen=True, slots=True)
class _Layer:
    """What one layer computes with.

    turned: weight of the norms of queries and keys, (heads of both, head_dim); None without.
    """

    before: Tensor
    attention: Joined
    turned: Tensor | None
    out: Joined
    between: Tensor
    gate_up: Joined
    down: Joined


def rotary_step(module: Any) -> "RotaryStep | None":
    """The step of a module of transformers that its family describes as a rotary decoder.

    None where its config asks for what a step does not compute: another activation, angles that
    change with the length of a text, layers that forget.
    """
    config = module.config
    ropes = getattr(config, "rope_parameters", None) or {}
    layers = module.model.layers
    kinds = getattr(config, "layer_types", None) or ()
    if (
        config.hidden_act != "silu"
        or ropes.get("rope_type", "default") not in STEADY_ROPES
        or any(kind != "full_attention" for kind in kinds)
        or any(getattr(layer.self_attn, "sliding_window", None) for layer in layers)
    ):
        return None
    return RotaryStep(module)


class RotaryStep:
    """Reads on with the weights of one loaded module; a `TextReader`.

    Nothing is joined before the first token is read, so whoever only loads a model pays nothing.
    """

    def __init__(self, module: Any) -> None:
        """module: in evaluation mode; it is not kept, its parts are."""
        # Parts and no module: it holds this, and would not go at once when it is given up.
        self._decoder_layers: nn.ModuleList = module.model.layers
        self._embedding: nn.Embedding = module.model.embed_tokens
        self._norm: Any = module.model.norm
        self._rotary: nn.Module = module.model.rotary_emb
        self._head: nn.Module = module.lm_head
        config = module.config
        attention = module.model.layers[0].self_attn
        self._head_dim: int = attention.head_dim
        self._scaling: float = attention.scaling
        self._heads: int = config.num_attention_heads
        self._shared: int = config.num_key_value_heads
        self._eps: float = config.rms_norm_eps
        self._layers: list[_Layer] = []
        self._angles: tuple[Tensor, Tensor] | None = None
        self._made_for: tuple[int, torch.dtype, torch.device] | None = None
        self.aside: list[object] = []
        """What whoever reads with this keeps for the next text; goes when this does."""

    def begin(self, *, cleared: bool = False) -> Rooms:
        """Rooms without tokens; cleared as `Rooms` says."""
        self._prepare()
        weight = self._embedding.weight
        return Rooms(
            len(self._layers),
            self._shared,
            self._head_dim,
            dtype=weight.dtype,
            device=weight.device,
            cleared=cleared,
        )

    @property
    def made_of(self) -> tuple[object, ...]:
        """All that was made since `begin` and is computed with, besides the module's weights.

        Two that are equal part by part (`is`) mean that a captured step still computes the same.
        """
        return (self._made_for, *self._layers, *(self._angles or ()))

    @torch.inference_mode()
    def read(
        self,
        ids: Tensor,
        held: Rooms,
        *,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        last_only: bool = True,
    ) -> Tensor:
        """As `models.text.reading.TextReader` says."""
        start, new = held.length, ids.shape[1]
        end = start + new
        held.make_room(end)
        cos, sin = self._turns(start, end, positions)
        causal = mask is None and start == 0 and new > 1
        if mask is None and start and new > 1:
            rows = torch.arange(start, end, device=ids.device)[:, None]
            mask = torch.arange(end, device=ids.device)[None, :] <= rows
        rooms = [room[:, :, :end] for room in held.layers]
        hidden = self._through(ids, rooms, cos, sin, mask, causal=causal)
        held.length = end
        return self._logits(hidden[-1:] if last_only else hidden)

    def ready_for(self, tokens: int) -> None:
        """Make what `read_at` takes from tables, for positions below so many."""
        self._turns(0, tokens, None)

    def read_at(self, token: Tensor, position: Tensor, held: Rooms) -> Tensor:
        """Read one token at a position that only the device knows.

        token (1, 1) and position (1,) are int64. The room of held must be a cleared one that has
        room for the token, and `ready_for` it; its length is left alone. No shape and no number on
        the host depends on the position, so what is done here can be captured and done again.
        Unlike `read`, it sees the whole room, and a mask hides what lies behind the position.

        Returns the logits (1, vocabulary).
        """
        assert self._angles is not None
        cos, sin = (each.index_select(0, position) for each in self._angles)
        numbers = torch.arange(held.room, device=position.device)
        # In the dtype of the scores: a mask of truth values is turned into one in each layer.
        mask = torch.zeros(held.room, dtype=cos.dtype, device=position.device)
        mask = mask.masked_fill(numbers > position, float("-inf")).view(1, 1, 1, -1)
        return self._logits(self._through(token, held.layers, cos, sin, mask, place=position))

    def _through(
        self,
        ids: Tensor,
        rooms: list[Tensor],
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None,
        *,
        causal: bool = False,
        place: Tensor | None = None,
    ) -> Tensor:
        """What all layers make of ids (1, T): (T, width). rooms, place: as `_attend` says."""
        hidden = functional.embedding(ids[0], self._embedding.weight)
        for layer, room in zip(self._layers, rooms, strict=True):
            normed = self._normed(hidden, layer.before)
            hidden.add_(layer.out(self._attend(layer, normed, cos, sin, room, mask, causal, place)))
            both = layer.gate_up(self._normed(hidden, layer.between))
            gate, up = both.chunk(2, dim=-1)
            hidden.add_(layer.down(functional.silu(gate).mul_(up)))
        return hidden

    def _logits(self, hidden: Tensor) -> Tensor:
        """What the head makes of hidden (T, width): (T, vocabulary)."""
        return head_logits(self._head, self._normed(hidden, self._norm.weight))

    def length(self, held: Rooms) -> int:
        """Tokens that are held."""
        return held.length

    def cut_back(self, held: Rooms, length: int) -> None:
        """Forget all but the first tokens; the room stays."""
        held.length = min(held.length, length)

    def can_follow_several(self) -> bool:
        """True: no layer forgets."""
        return True

    def _attend(
        self,
        layer: _Layer,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        room: Tensor,
        mask: Tensor | None,
        causal: bool,
        place: Tensor | None,
    ) -> Tensor:
        """Attention of one layer to x (T, width), before its last product.

        room:  (2, shared heads, S, head_dim), of which the last T tokens are filled here.
        place: (1,), where the only token is filled instead; None for the last.
        """
        new = x.shape[0]
        parts = layer.attention(x).view(new, self._heads + 2 * self._shared, self._head_dim)
        turned = parts[:, : self._heads + self._shared]
        if layer.turned is not None:
            turned = self._normed(turned, layer.turned)
        # The second half comes first; its sign is in the sines.
        other = turned.roll(self._head_dim // 2, -1).mul_(sin)
        turned = turned.mul_(cos).add_(other)
        if layer.turned is not None:
            parts[:, self._heads : -self._shared] = turned[:, self._heads :]
        both = parts[:, self._heads :].view(new, 2, self._shared, self._head_dim)
        both = both.permute(1, 2, 0, 3)
        if place is None:
            room[:, :, -new:].copy_(both)
        else:
            room.index_copy_(2, place, both)
        keys, values = room.unbind(0)
        query = turned[:, : self._heads].transpose(0, 1)[None]
        short = query.is_cpu and keys.shape[1] <= FEW
        if place is not None or (new == 1 and mask is None and not short):
            keys, values = keys[None], values[None]
            seen = attend_once(query, keys, values, scale=self._scaling, mask=mask)
            return seen.view(1, -1)
        groups = self._heads // self._shared
        if mask is not None and groups > 1:
            # With a mask, the kernels that take no groups of heads are the fast ones.
            keys, values = (each.repeat_interleave(groups, dim=0) for each in (keys, values))
        seen = functional.scaled_dot_product_attention(
            query,
            keys[None],
            values[None],
            attn_mask=mask,
            is_causal=causal,
            scale=self._scaling,
            enable_gqa=mask is None and groups > 1,
        )
        return seen[0].transpose(0, 1).reshape(new, -1)

    def _normed(self, x: Tensor, weight: Tensor) -> Tensor:
        """The root mean square norm as LLaMA rounds it: before the weight, and behind it."""
        return functional.rms_norm(x, x.shape[-1:], None, self._eps).mul_(weight)

    def _turns(self, start: int, end: int, positions: Tensor | None) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines of positions, each (T, 1, head_dim)."""
        if self._angles is None or self._angles[0].shape[0] < end:
            self._angles = self._turned_by(end)
        if positions is None:
            return self._angles[0][start:end], self._angles[1][start:end]
        # No position lies behind the number of tokens that are held.
        return self._angles[0][positions[0]], self._angles[1][positions[0]]

    def _turned_by(self, tokens: int) -> tuple[Tensor, Tensor]:
        room = FIRST_ROOM
        while room < tokens:
            room *= 2
        weight = self._embedding.weight
        numbers = torch.arange(room, device=weight.device)[None]
        cos, sin = self._rotary(weight[:1], position_ids=numbers)
        sign = torch.ones(self._head_dim, dtype=sin.dtype, device=sin.device)
        sign[: self._head_dim // 2] = -1
        return cos[0].unsqueeze(1), (sin[0] * sign).unsqueeze(1)

    def _prepare(self) -> None:
        """Join what can be joined; again where the module was moved or cast since."""
        weight = self._embedding.weight
        now = (weight.data_ptr(), weight.dtype, weight.device)
        if now == self._made_for:
            return
        self._layers, self._angles = [], None
        self._layers = [self._layer(layer) for layer in self._decoder_layers]
        self._made_for = now

    def _layer(self, layer: Any) -> _Layer:
        attention, feed = layer.self_attn, layer.mlp
        turned = None
        if hasattr(attention, "q_norm"):
            both = ((attention.q_norm, self._heads), (attention.k_norm, self._shared))
            turned = torch.cat([norm.weight.expand(heads, -1) for norm, heads in both])
        return _Layer(
            before=layer.input_layernorm.weight,
            attention=Joined((attention.q_proj, attention.k_proj, attention.v_proj)),
            turned=turned,
            out=Joined((attention.o_proj,)),
            between=layer.post_attention_layernorm.weight,
            gate_up=Joined((feed.gate_proj, feed.up_proj)),
            down=Joined((feed.down_proj,)),
        )
