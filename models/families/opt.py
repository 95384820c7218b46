"""OPT as transformers implements it: learned positions, biases, ReLU (arXiv 2205.01068)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.blocks import Block, Branch, Sample, State, last_layer
from models.families.causal import (
    build_on_meta,
    check_numbers,
    is_recomputed,
    logits,
    names_outside,
    require,
    stored_names,
    tie_head,
)
from models.families.terms import NoTerms, Terms
from models.sequences import SequenceLayout, TextLayout
from models.text.byte_level import ByteLevelRules

OPT_GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.out_proj",),
    ("fc1",),
    ("fc2",),
)
_BRANCHES = (Branch("self_attn", ("out_proj",), last_layer("out_proj", beside=(None,))),)

_TITLE = "an OPT model"
_LAYERS = "model.decoder.layers."
_COUNTS = (
    "vocab_size",
    "hidden_size",
    "ffn_dim",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
_OPTIONAL_COUNTS = ("word_embed_proj_dim",)
_VOCABULARY = 50272
# GPT-2's bytes and merges under OPT's own ids; </s> also starts every text.
_RULES = ByteLevelRules(special_tokens=("</s>", "<pad>"), start="</s>")


@dataclass(frozen=True, slots=True)
class OptFamily:
    """OPT from 125 million to 175 billion parameters.

    OPT-350m alone has its norms after attention and MLP, and embeddings narrower than its layers.
    """

    name: str = "opt"
    byte_level: ByteLevelRules | None = _RULES
    layout: Callable[[nn.Module], SequenceLayout] = TextLayout
    terms: Terms = NoTerms()

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell by model_type."""
        return config.get("model_type") == "opt"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build `transformers.OPTForCausalLM` on the meta device.

        Raises:
            ModelFolderError: config.json has values that cannot be used.
        """
        check_numbers(
            _TITLE,
            config,
            counts=_COUNTS,
            optional_counts=_OPTIONAL_COUNTS,
            default_vocabulary=_VOCABULARY,
        )
        from transformers import OPTConfig, OPTForCausalLM

        module: nn.Module = build_on_meta(_TITLE, config, OPTConfig, OPTForCausalLM)
        return module

    def blockwise(self, module: nn.Module) -> "OptBlocks":
        """Wrap an OPT module for the quantizer."""
        from transformers import OPTForCausalLM

        return OptBlocks(require(module, OPTForCausalLM))

    def expected_names(self, module: nn.Module) -> set[str]:
        """Name the tensors that a checkpoint must hold: all but a tied head."""
        return stored_names(module)

    def may_ignore(self, name: str) -> bool:
        """Tell whether a tensor is the copy of a tied head."""
        return is_recomputed(name)

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Tie the head to the embedding, as published OPT models do."""
        tie_head(module)


class OptBlocks:
    """OPT one decoder layer at a time; the state is ``hidden`` (1, T, hidden_size) alone."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def blocks(self) -> Iterator[Block]:
        """Yield the decoder layers."""
        for index, layer in enumerate(self.model.model.decoder.layers):
            yield Block(f"{_LAYERS}{index}", layer, OPT_GROUPS, _BRANCHES)

    def outer_names(self) -> tuple[str, ...]:
        """Name embeddings, projections to and from their width, final norm and own head."""
        return names_outside(self.model, _LAYERS)

    def start(self, sample: Sample) -> State:
        """Embed ``input_ids`` (1, T), widen the embedding where it is narrower, add positions."""
        decoder = self.model.model.decoder
        embed: nn.Embedding = decoder.embed_tokens
        ids: Tensor = sample["input_ids"].to(embed.weight.device)
        hidden = embed(ids)
        if decoder.project_in is not None:
            hidden = decoder.project_in(hidden)
        return {"hidden": hidden + decoder.embed_positions(torch.ones_like(ids))}

    def step(self, block: Block, state: State) -> State:
        """Run one decoder layer with causal attention over the whole sequence."""
        return {"hidden": block.module(state["hidden"])}

    def finish(self, state: State) -> Tensor:
        """Turn the last block's state into logits (1, T, vocabulary)."""
        decoder, hidden = self.model.model.decoder, state["hidden"]
        if decoder.final_layer_norm is not None:
            hidden = decoder.final_layer_norm(hidden)
        if decoder.project_out is not None:
            hidden = decoder.project_out(hidden)
        return logits(self.model, hidden)
