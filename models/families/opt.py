"""OPT as transformers implements it: learned positions, biases, ReLU (arXiv 2205.01068)."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn, ones_like

from models.blocks import Block, Branch, Sample, State, last_layer
from models.families.causal import logits, names_outside, require
from models.families.decoder import DecoderFamily
from models.text.byte_level import ByteLevelRules

OPT_GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.out_proj",),
    ("fc1",),
    ("fc2",),
)
_BRANCHES = (Branch("self_attn", ("out_proj",), last_layer("out_proj", beside=(None,))),)

_LAYERS = "model.decoder.layers."
# GPT-2's bytes and merges under OPT's own ids; </s> also starts every text.
_RULES = ByteLevelRules(special_tokens=("</s>", "<pad>"), start="</s>")


class OptFamily(DecoderFamily):
    """OPT from 125 million to 175 billion parameters.

    OPT-350m alone has its norms after attention and MLP, and embeddings narrower than its layers.
    """

    name = "opt"
    title = "an OPT model"
    counts = (
        "vocab_size",
        "hidden_size",
        "ffn_dim",
        "num_hidden_layers",
        "num_attention_heads",
        "max_position_embeddings",
    )
    optional_counts = ("word_embed_proj_dim",)
    vocabulary = 50272
    byte_level = _RULES

    def classes(self) -> tuple[Any, Any]:
        """Those of OPT."""
        from transformers import OPTConfig, OPTForCausalLM

        return OPTConfig, OPTForCausalLM

    def blockwise(self, module: nn.Module) -> "OptBlocks":
        """Wrap an OPT module for the quantizer."""
        _, module_class = self.classes()
        return OptBlocks(require(module, module_class))


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
        return {"hidden": hidden + decoder.embed_positions(ones_like(ids))}

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
