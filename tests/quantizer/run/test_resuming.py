"""Passes that leave out what is known give the same codes and states, with less to compute."""

from collections import Counter
from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.blocks import Sample
from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from quantizer.calibration.streams import draw_calibration
from quantizer.recipes.recipe import Recipe, read_recipe
from quantizer.run.resuming import Page, Pages, Shelf
from quantizer.run.walk import Walk
from quantizer.solvers.methods import Settings
from tests.image_text_models import write_idefics3, write_qwen3_vl


class Walked:
    """What a walk gave, and how many tokens each linear layer of the quantized path computed."""

    def __init__(self, model: Path, data: Path, rules: Settings | Recipe, room: float) -> None:
        self.opened = open_blockwise(model)
        drawn = draw_calibration(self.opened, data, samples=6, seq_len=40, seed=0)
        self.samples: list[Sample] = [*drawn.fitting, *drawn.held_out]
        self.tokens: Counter[str] = Counter()
        for name, module in self.opened.module.named_modules():
            if isinstance(module, nn.Linear):
                module.register_forward_hook(lambda _, x, y, name=name: self._count(name, x[0]))
        reader = CheckpointReader(model)
        rooms = {block.name: room for block in self.opened.blockwise.blocks()}
        walk = Walk(self.opened, reader, rules, device=torch.device("cpu"), rooms=rooms)
        self.codes: dict[str, Tensor] = {}
        self.told: list[Any] = []
        with torch.no_grad():
            for block in walk.run(drawn):
                self.codes |= {name: layer.codes for name, layer in block.layers.items()}
                self.told.append((block.states, [module.gamma for module in block.modules]))
                assert walk.pages.shelf.used == 0, "nothing of a block is kept behind it"

    def _count(self, name: str, inputs: Tensor) -> None:
        self.tokens[name] += inputs.numel() // inputs.shape[-1]

    def same_as(self, other: "Walked") -> bool:
        assert self.codes.keys() == other.codes.keys()
        alike = all(torch.equal(self.codes[name], other.codes[name]) for name in self.codes)
        return alike and self.told == other.told


Given = tuple[Path, Path, Settings | Recipe]


@pytest.fixture(params=["llama", pytest.param("cogvlm2", marks=pytest.mark.slow)])
def given(request: pytest.FixtureRequest) -> Given:
    """A model, its calibration data and how it is quantized."""
    model = request.getfixturevalue(f"tiny_{request.param}")
    if request.param == "cogvlm2":
        return model, request.getfixturevalue("picture_folder"), read_recipe("cmdq")
    settings = Settings("rpiq", group_size=16, rounds=1, grid="minmax")
    return model, request.getfixturevalue("text_file"), settings


def test_codes_and_states_do_not_depend_on_what_is_kept(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything, some = Walked(*given, inf), Walked(*given, 2e4)
    nothing = Walked(*given, 0)
    # Every pass from the block's beginning, through all that runs before the layer.
    monkeypatch.setattr(Pages, "of", lambda *_: None)
    plain = Walked(*given, 0)
    for one in (everything, some, nothing):
        assert one.same_as(plain)
    computed = [one.tokens.total() for one in (everything, some, nothing, plain)]
    assert computed == sorted(computed) and computed[0] < computed[1] < computed[2], computed


def write_text_model(folder: Path, family: str, tokenizer: Tokenizer) -> None:
    """Write a tiny random model of transformers; Qwen2's looks back on few tokens only."""
    import transformers

    sizes = {
        "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    own: dict[str, Any] = {
        "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
        "qwen2": {"intermediate_size": 48, "num_key_value_heads": 2, "use_sliding_window": True,
                  "sliding_window": 8, "max_window_layers": 1},
        "qwen3": {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 16},
    }[family]  # fmt: skip
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **sizes, **own)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["opt", "qwen2", "qwen3", "idefics3", "qwen3_vl"])
def test_every_family_gives_the_same_codes_from_what_is_kept(
    family: str, tmp_path: Path, letter_tokenizer: Tokenizer, request: pytest.FixtureRequest
) -> None:
    writers = {"idefics3": write_idefics3, "qwen3_vl": write_qwen3_vl}
    if family in writers:
        writers[family](tmp_path)
    else:
        write_text_model(tmp_path, family, letter_tokenizer)
    data = request.getfixturevalue("picture_folder" if family in writers else "text_file")
    settings = Settings("rpiq", group_size=16, rounds=1, grid="minmax")
    everything, nothing = (Walked(tmp_path, data, settings, room) for room in (inf, 0))
    assert everything.same_as(nothing)
    # The tower of pictures, which stays as it is, counts alike.
    assert everything.tokens.total() < 0.7 * nothing.tokens.total()


@pytest.mark.parametrize("seen", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_layer_computes_every_token_once(seen: bool, request: pytest.FixtureRequest) -> None:
    names = ("tiny_cogvlm2", "picture_folder") if seen else ("tiny_llama", "text_file")
    model, data = map(request.getfixturevalue, names)
    walked = Walked(model, data, Settings("gptq", group_size=16, grid="minmax"), inf)
    layout = walked.opened.layout
    for block in walked.opened.blockwise.blocks():
        for name in (f"{block.name}.{name}" for group in block.groups for name in group):
            part = layout.parts.of(name)
            once = sum(layout.tokens(sample)[part.name] for sample in walked.samples)
            # The adapter names no branch, and begins anew for each of its three groups.
            times = (
                1
                if block.branches
                else {"linear_proj": 3, "dense_4h_to_h": 1}.get(name.rpartition(".")[2], 2)
            )
            assert walked.tokens[name] == times * once, name


def test_what_does_not_fit_is_not_kept() -> None:
    shelf = Shelf(100.0, piece=16)
    page = Page(shelf)
    page.keep_entering("attention", {"dense": torch.zeros(20)})  # 80 bytes, which are 5 pieces
    assert page.knows("attention") and shelf.used == 80
    page.keep_entering("mlp", {"fc2": torch.zeros(10)})
    assert not page.knows("mlp") and shelf.refused == {"mlp"}
    page.keep_result("attention", (torch.zeros(5), None))  # in the place of what entered
    assert page.knows("attention") and shelf.used == 32
    page.clear()
    assert shelf.used == 0 and not page.knows("attention")
