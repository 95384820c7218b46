"""Where calibration tokens go, told without running the model, against what its layers meet."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.blocks import Sample
from models.cogvlm2 import CogVLM2ForCausalLM
from models.cogvlm2.blockwise import CogVLM2Blocks
from models.cogvlm2.sequences import CogVLM2Layout
from models.families import family_of
from models.pocket.training.export import build_tokenizer
from models.sequences import ALL, WHOLE, Part, Parts, TextLayout
from tests.small_cogvlm2 import small_config

CONFIG = small_config(words=1000)
TEXT = torch.arange(5, 25)[None]


def picture_sample(layout: CogVLM2Layout) -> Sample:
    turns = (("What colour is it?", "red"), ("How many?", "two"))
    sample = layout.pictures.conversation(turns, build_tokenizer(), Path("picture.png"))
    rgb = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    return sample | {"pixels": layout.pictures.pixels(rgb)}


@pytest.mark.parametrize("kind", ["text", "picture"])
@torch.no_grad()
def test_tokens_and_states_are_those_of_a_real_pass(kind: str) -> None:
    torch.manual_seed(0)
    model = CogVLM2ForCausalLM(CONFIG).eval()
    layout = family_of(CONFIG.to_dict()).layout(model)
    assert isinstance(layout, CogVLM2Layout)
    sample = layout.text(TEXT) if kind == "text" else picture_sample(layout)
    met: dict[str, int] = {}

    def count(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            met[name] = inputs[0].numel() // inputs[0].shape[-1]

        return hook

    blocks = CogVLM2Blocks(model)
    layers = [f"{b.name}.{name}" for b in blocks.blocks() for group in b.groups for name in group]
    for name in layers:
        model.get_submodule(name).register_forward_pre_hook(count(name))
    state = blocks.start(sample)
    largest, passing = 0, {}
    for block in blocks.blocks():
        state = blocks.step(block, state)
        largest = max(largest, sum(value.nbytes for value in state.values()))
        widest = state["patches"] if "patches" in state else state.get("features")
        widest = state.get("hidden") if widest is None else widest
        passing[block.name] = 0 if widest is None else widest.shape[1]

    tokens = layout.tokens(sample)
    assert {name: tokens[layout.parts.of(name).name] for name in layers} == {
        name: met.get(name, 0) for name in layers
    }
    assert len(met) == {"text": 10, "picture": 32}[kind]
    assert tokens[ALL] == sample["input_ids"].numel()
    assert layout.state_bytes(sample) == largest
    if kind == "picture":
        for name, positions in passing.items():
            part = layout.parts.of(f"{name}.mlp.vision_mlp.up_proj")
            assert tokens[part.name if part.own_blocks else ALL] == positions, name


def test_every_layer_has_the_part_that_reports_name() -> None:
    layout = CogVLM2Layout(CONFIG)
    titles = {
        "model.vision.transformer.layers.62.mlp.fc1": "vision tower",
        "model.vision.linear_proj.gate_proj": "adapter",
        "model.layers.31.self_attn.vision_expert_dense": "vision experts",
        "model.layers.0.mlp.vision_mlp.up_proj": "vision experts",
        "model.layers.0.self_attn.language_expert_query_key_value": "language experts",
        "model.layers.9.mlp.language_mlp.down_proj": "language experts",
        "lm_head": "all layers",
    }
    assert {name: layout.parts.of(name).title for name in titles} == titles


def test_the_first_part_that_names_a_layer_has_it() -> None:
    first, second = Part("a", "first", ("*.up", "x.*")), Part("b", "second", ("*.up", "*.down"))
    parts = Parts((first, second))
    found = [parts.of(name) for name in ("y.up", "x.down", "y.down", "y.other", "y.up")]
    assert found == [first, first, second, WHOLE, first]


def test_text_alone_reaches_every_layer() -> None:
    module = nn.Module()
    module.config = SimpleNamespace(hidden_size=6)  # type: ignore[assignment]
    layout = TextLayout(module)
    sample = layout.text(TEXT)
    assert layout.pictures is None
    assert layout.tokens(sample) == {layout.parts.of("any.layer").name: 20}
    assert layout.state_bytes(sample) == torch.zeros(1, 20, 6).nbytes
