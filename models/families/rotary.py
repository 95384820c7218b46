"""Decoders with rotary positions one layer at a time: LLaMA, and Qwen3, which is built like it."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from models.blocks import Block, Branch, Sample, State, last_layer
from models.families.causal import head_source, logits, names_outside

ROTARY_GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
# Attention also returns its weights, or None where they were not asked for.
_BRANCHES = (
    Branch("self_attn", ("o_proj",), last_layer("o_proj", beside=(None,))),
    Branch("mlp", ("down_proj",), last_layer("down_proj")),
)
# Either output is added to what the norm before its branch was given.
_JOINS = (
    ("self_attn.o_proj", "input_layernorm"),
    ("mlp.down_proj", "post_attention_layernorm"),
)


class RotaryBlocks:
    """A rotary decoder of transformers one layer at a time.

    The state is ``hidden`` (1, T, hidden_size) alone: positions and the causal mask follow from
    its length and are cheaper to compute again than to keep for every sequence.

    decoder: where the model holds it; other parts of the model are no blocks.
    """

    def __init__(self, model: Any, decoder: str = "model") -> None:
        self.model = model
        self.decoder: Any = model.get_submodule(decoder)
        self._layers = f"{decoder}.layers."

    def blocks(self) -> Iterator[Block]:
        """Yield the decoder layers."""
        for index, layer in enumerate(self.decoder.layers):
            yield Block(f"{self._layers}{index}", layer, ROTARY_GROUPS, _BRANCHES, _JOINS)

    def outer_names(self) -> tuple[str, ...]:
        """Name the embedding, the final norm, other parts and, where it is not tied, the head."""
        return names_outside(self.model, self._layers)

    def start(self, sample: Sample) -> State:
        """Embed ``input_ids`` (1, T)."""
        embed: nn.Embedding = self.decoder.embed_tokens
        ids: Tensor = sample["input_ids"]
        return {"hidden": embed(ids.to(embed.weight.device))}

    def step(self, block: Block, state: State) -> State:
        """Run one decoder layer with causal attention over the whole sequence."""
        hidden = state["hidden"]
        positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
        rotary = self.decoder.rotary_emb(hidden, position_ids=positions)
        mask = window_mask(positions[0], _window_of(block.module))
        return {"hidden": block.module(hidden, attention_mask=mask, position_embeddings=rotary)}

    def head_source(self) -> str:
        """Name the stored tensor that holds the head: the embedding's where both are one."""
        return head_source(self.model)

    def head_inputs(self, state: State) -> Tensor:
        """What the head multiplies, (1, T, width), of the last block's state."""
        found: Tensor = self.decoder.norm(state["hidden"])
        return found

    def finish(self, state: State) -> Tensor:
        """Turn the last block's state into logits (1, T, vocabulary)."""
        return logits(self.model, self.head_inputs(state))


def window_mask(positions: Tensor, window: int | None) -> Tensor | None:
    """Let each of T positions see itself and the ``window`` - 1 before it.

    Returns (1, 1, T, T), true where a row's position may look; None where causality alone says
    the same, which attention computes without a mask.
    """
    if window is None or len(positions) <= window:
        return None
    distance = positions[:, None] - positions[None, :]
    return ((distance >= 0) & (distance < window))[None, None]


def _window_of(layer: nn.Module) -> int | None:
    """Tokens that a layer's attention looks back on; None for all, as in every LLaMA layer."""
    window: int | None = getattr(layer.self_attn, "sliding_window", None)
    return window
