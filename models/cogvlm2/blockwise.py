"""CogVLM2 as the quantizer walks it: tower layers, adapter, decoder layers."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from models.blocks import Block, Branch, Finish, Sample, State, last_layer
from models.cogvlm2.decoder import Routing, position_ids, rejoin
from models.cogvlm2.model import CogVLM2ForCausalLM, causal_mask

TOWER_GROUPS = (
    ("attention.query_key_value",),
    ("attention.dense",),
    ("mlp.fc1",),
    ("mlp.fc2",),
)
ADAPTER_GROUPS = (("linear_proj",), ("gate_proj", "dense_h_to_4h"), ("dense_4h_to_h",))
# Each expert sees its own tokens only, so the two never share a Hessian.
DECODER_GROUPS = (
    ("self_attn.vision_expert_query_key_value",),
    ("self_attn.language_expert_query_key_value",),
    ("self_attn.vision_expert_dense",),
    ("self_attn.language_expert_dense",),
    ("mlp.vision_mlp.gate_proj", "mlp.vision_mlp.up_proj"),
    ("mlp.language_mlp.gate_proj", "mlp.language_mlp.up_proj"),
    ("mlp.vision_mlp.down_proj",),
    ("mlp.language_mlp.down_proj",),
)


def _joining(vision: str, language: str) -> Finish:
    """The end of a branch whose last layer exists twice; its arguments are x and the routing."""

    def finish(branch: Any, inputs: Mapping[str, Tensor], arguments: tuple[Any, ...]) -> Tensor:
        x, routing, *_ = arguments
        of_words: Tensor = branch.get_submodule(language)(inputs[language])
        if routing is None:
            return of_words
        of_patches = branch.get_submodule(vision)(inputs[vision])
        return rejoin(of_patches, of_words, routing, x.shape[:2])

    return finish


def _experts(module: str, vision: str, language: str, *, apart: bool) -> Branch:
    return Branch(module, (vision, language), _joining(vision, language), apart)


_TOWER_BRANCHES = (
    Branch("attention", ("dense",), last_layer("dense")),
    Branch("mlp", ("fc2",), last_layer("fc2")),
)
_DECODER_BRANCHES = (
    _experts("self_attn", "vision_expert_dense", "language_expert_dense", apart=False),
    _experts("mlp", "vision_mlp.down_proj", "language_mlp.down_proj", apart=True),
)

TOWER = "model.vision.transformer.layers"
ADAPTER = "model.vision.linear_proj"
_DECODER = "model.layers"


class CogVLM2Blocks:
    """Runs one block at a time; text-only sequences pass the picture blocks untouched."""

    def __init__(self, model: CogVLM2ForCausalLM) -> None:
        self.model = model

    def blocks(self) -> Iterator[Block]:
        """Yield the tower's layers, the adapter, and the decoder's layers."""
        core = self.model.model
        for index, layer in enumerate(core.vision.transformer.layers):
            yield Block(f"{TOWER}.{index}", layer, TOWER_GROUPS, _TOWER_BRANCHES)
        yield Block(ADAPTER, core.vision.linear_proj, ADAPTER_GROUPS)
        for index, layer in enumerate(core.layers):
            yield Block(f"{_DECODER}.{index}", layer, DECODER_GROUPS, _DECODER_BRANCHES)

    def outer_names(self) -> tuple[str, ...]:
        """Name the tensors outside all blocks."""
        inside = tuple(f"{block.name}." for block in self.blocks())
        return tuple(n for n in self.model.state_dict() if not n.startswith(inside))

    def start(self, sample: Sample) -> State:
        """Embed the patches of ``pixels`` (1, 3, S, S) and keep the token ids for later."""
        state: State = {
            "input_ids": sample["input_ids"],
            "token_type_ids": sample["token_type_ids"],
        }
        if sample.get("pixels") is not None:
            embedding: nn.Module = self.model.model.vision.patch_embedding
            state["patches"] = embedding(sample["pixels"])
        return state

    def step(self, block: Block, state: State) -> State:
        """Run one block; entering the adapter or the decoder converts the state first."""
        if block.name.startswith(TOWER):
            return self._on("patches", block, state)
        if block.name == ADAPTER:
            if "patches" not in state:
                return state
            rest = {name: value for name, value in state.items() if name != "patches"}
            merged = self.model.model.vision.merge(state["patches"])
            return rest | {"features": block.module(merged)}
        if "hidden" not in state:
            state = self._enter_decoder(state)
        return self._decode(block, state)

    def finish(self, state: State) -> Tensor:
        """Turn the last block's state into logits (1, T, vocabulary)."""
        return self.model.lm_head(self.model.model.norm(state["hidden"]))  # type: ignore[no-any-return]

    def _on(self, name: str, block: Block, state: State) -> State:
        return state | {name: block.module(state[name])} if name in state else state

    def _enter_decoder(self, state: State) -> State:
        types = state["token_type_ids"]
        features = state.get("features")
        if features is not None:
            features = self.model.model.vision.enclose(features)
        return {
            "token_type_ids": types,
            "positions": position_ids(types),
            "hidden": self.model.model.embed(state["input_ids"], types, features),
        }

    def _decode(self, block: Block, state: State) -> State:
        hidden = state["hidden"]
        routing = Routing.from_token_types(state["token_type_ids"])
        mask = causal_mask(hidden, 0, None)
        return state | {"hidden": block.module(hidden, routing, state["positions"], mask)}
