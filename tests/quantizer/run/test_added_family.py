"""A model family from outside: a small mixer without attention, added and quantized."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.blocks import Block, Sample, State
from models.errors import ModelFolderError
from models.families import LlamaFamily, family_of, registry
from models.files.checkpoint import CheckpointReader
from models.int4 import Int4Linear
from models.int4.packing import TENSOR_NAMES, unpack
from models.loading import load_model
from models.text.byte_level import ByteLevelRules
from quantizer.cli import main
from quantizer.run.pipeline import Job, run
from quantizer.solvers.methods import Settings

CONTEXT, WIDTH, VOCABULARY = 40, 32, 99


class MixerBlock(nn.Module):
    """Mixes the tokens before a token by learned weights of their distance, then the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.by_distance = nn.Parameter(torch.empty(CONTEXT))
        self.gate = nn.Linear(WIDTH, 48)
        self.value = nn.Linear(WIDTH, 48, bias=False)
        self.out = nn.Linear(48, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1])
        distance = places[:, None] - places[None, :]
        mixing = self.by_distance[distance.clamp(min=0)] * (distance >= 0)
        x = x + mixing @ x
        return x + self.out(torch.sigmoid(self.gate(x)) * self.value(x))


class Mixer(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            max_position_embeddings=CONTEXT,
            bos_token_id=1,
        )
        self.letters = nn.Embedding(VOCABULARY, WIDTH)
        self.mixers = nn.ModuleList(MixerBlock() for _ in range(depth))
        self.readout = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, input_ids: Tensor, use_cache: bool = False) -> SimpleNamespace:
        x = self.letters(input_ids)
        for block in self.mixers:
            x = block(x)
        return SimpleNamespace(logits=self.readout(x))


@dataclass(frozen=True)
class MixerBlocks:
    model: Mixer

    def blocks(self) -> Iterator[Block]:
        for index, block in enumerate(self.model.mixers):
            yield Block(f"mixers.{index}", block, (("gate", "value"), ("out",)))

    def outer_names(self) -> tuple[str, ...]:
        return ("letters.weight", "readout.weight")

    def start(self, sample: Sample) -> State:
        return {"hidden": self.model.letters(sample["input_ids"])}

    def step(self, block: Block, state: State) -> State:
        return {"hidden": block.module(state["hidden"])}


@dataclass(frozen=True)
class MixerFamily:
    name: str = "mixer"
    byte_level: ByteLevelRules | None = None

    def describes(self, config: Mapping[str, Any]) -> bool:
        return config.get("model_type") == "mixer"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        with torch.device("meta"):
            return Mixer(config["depth"]).eval().requires_grad_(False)

    def blockwise(self, module: nn.Module) -> MixerBlocks:
        assert isinstance(module, Mixer)
        return MixerBlocks(module)

    def expected_names(self, module: nn.Module) -> set[str]:
        return set(module.state_dict())

    def may_ignore(self, name: str) -> bool:
        return False

    def complete(self, module: nn.Module, device: torch.device) -> None:
        return None


@pytest.fixture
def mixer_folder(tmp_path: Path, letter_tokenizer: Tokenizer) -> Path:
    folder = tmp_path / "mixer"
    folder.mkdir()
    generator = torch.Generator().manual_seed(1)
    shapes = {
        name: value.shape for name, value in MixerFamily().build({"depth": 2}).state_dict().items()
    }
    tensors = {
        name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes.items()
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "mixer", "depth": 2}))
    letter_tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the family for one test."""
    monkeypatch.setattr(registry, "_added", [])
    registry.register(MixerFamily())


def test_a_family_is_unknown_until_it_is_added(mixer_folder: Path) -> None:
    with pytest.raises(ModelFolderError, match="names the architecture mixer.*llama, opt, qwen3"):
        load_model(mixer_folder)


@pytest.mark.usefixtures("added")
def test_no_name_is_taken_twice_and_none_is_shadowed() -> None:
    for family in (MixerFamily(), MixerFamily(name="llama")):
        with pytest.raises(ValueError, match=f"a model family {family.name} already"):
            registry.register(family)
    assert family_of({"model_type": "mixer"}).name == "mixer"
    assert isinstance(family_of({"model_type": "llama"}), LlamaFamily)


@pytest.mark.usefixtures("added")
@pytest.mark.parametrize("method", ["gptq", "rpiq"])
@torch.no_grad()
def test_an_added_family_is_quantized_and_loaded_back(
    mixer_folder: Path, text_file: Path, tmp_path: Path, method: Any
) -> None:
    out = tmp_path / "out"
    settings = Settings(method=method, group_size=16)
    report = run(Job(mixer_folder, out, settings, calibration=text_file, samples=12))
    assert [module.name for module in report.modules] == [
        f"mixers.{index}.{name}" for index in range(2) for name in ("gate", "value", "out")
    ]
    ratio = report.mean_ratio()
    assert ratio is not None and ratio < 0.9, "better than rounding"

    oracle = Mixer(2).eval()
    tensors = load_file(mixer_folder / "model.safetensors")
    reader = CheckpointReader(out)
    for module in report.modules:
        parts = {part: reader.read(f"{module.name}.{part}") for part in TENSOR_NAMES}
        tensors[f"{module.name}.weight"] = unpack(parts, bits=4, group_size=16).dequantize()
    oracle.load_state_dict(tensors)
    loaded = load_model(out, dtype=torch.float32)
    assert loaded.family == "mixer"
    assert sum(isinstance(layer, Int4Linear) for layer in loaded.model.modules()) == 6
    ids = torch.arange(3, 43)[None]
    torch.testing.assert_close(loaded.model(ids).logits, oracle(ids).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("added")
def test_the_command_line_knows_an_added_family(
    mixer_folder: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, result = tmp_path / "out", tmp_path / "result.json"
    argv = ["run", mixer_folder, "--out", out, "--method", "gptq", "--group-size", 16]
    argv += ["--calibration", text_file, "--samples", 8]
    assert main([str(part) for part in [*argv, "--dry-run"]]) == 0
    assert "gate 48x32, value 48x32" in capsys.readouterr().out
    assert main([str(part) for part in argv]) == 0
    argv = ["eval", out, "--task", "perplexity", "--data", text_file, "--limit", 3]
    assert main([str(part) for part in [*argv, "--json", result]]) == 0
    assert json.loads(result.read_text())["value"] > 1
