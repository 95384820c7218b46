"""Model families from outside, added and quantized: a mixer without attention, and one with an eye.

Neither is known to the quantizer: what it asks, the two families answer in this file.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.blocks import Block, Sample, State
from models.errors import ModelFolderError
from models.families import Licence, LlamaFamily, NoTerms, Terms, family_of, registry
from models.files.checkpoint import CheckpointReader
from models.int4 import Int4Linear
from models.int4.packing import TENSOR_NAMES, unpack
from models.loading import load_model
from models.sequences import Part, Parts, SequenceLayout, TextLayout, Turns
from models.text.byte_level import ByteLevelRules
from quantizer.cli import main
from quantizer.errors import DataError
from quantizer.plan.workload import CalibrationShape
from quantizer.recipes.recipe import parse_recipe
from quantizer.report.report import Report
from quantizer.run.following import widest_layer
from quantizer.run.pipeline import Job, plan_job, prepare, run
from quantizer.solvers.methods import Settings

CONTEXT, WIDTH, VOCABULARY = 40, 32, 99
TILE, TILES = 8, 4  # pixels a side, and tiles of a picture


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
    layout: Callable[[nn.Module], SequenceLayout] = TextLayout
    terms: Terms = NoTerms()

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


class Eye(nn.Module):
    """Two layers that each tile of a picture passes."""

    def __init__(self) -> None:
        super().__init__()
        self.lens = nn.Linear(3 * TILE**2, WIDTH)
        self.focus = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, tiles: Tensor) -> Tensor:
        return self.focus(torch.tanh(self.lens(tiles)))


class Peephole(Mixer):
    """A mixer whose second token is what the eye saw: the mean of a picture's tiles."""

    def __init__(self, depth: int) -> None:
        super().__init__(depth)
        self.eye = Eye()

    def forward(
        self, input_ids: Tensor, use_cache: bool = False, pixels: Tensor | None = None
    ) -> SimpleNamespace:
        x = self.letters(input_ids)
        if pixels is not None:
            x = put_seen(x, self.eye(pixels))
        for block in self.mixers:
            x = block(x)
        return SimpleNamespace(logits=self.readout(x))


def put_seen(x: Tensor, tiles: Tensor) -> Tensor:
    return torch.cat((x[:, :1], tiles.mean(1, keepdim=True), x[:, 2:]), dim=1)


@dataclass(frozen=True)
class PeepholeBlocks:
    model: Peephole

    def blocks(self) -> Iterator[Block]:
        yield Block("eye", self.model.eye, (("lens",), ("focus",)))
        yield from MixerBlocks(self.model).blocks()

    def outer_names(self) -> tuple[str, ...]:
        return ("letters.weight", "readout.weight")

    def start(self, sample: Sample) -> State:
        state = {"hidden": self.model.letters(sample["input_ids"])}
        return state | ({"tiles": sample["pixels"]} if "pixels" in sample else {})

    def step(self, block: Block, state: State) -> State:
        if block.name != "eye":
            return {"hidden": block.module(state["hidden"])}
        if "tiles" not in state:
            return state
        return {"hidden": put_seen(state["hidden"], block.module(state["tiles"]))}


@dataclass(frozen=True)
class PeepholeLayout:
    """Text as it is; of a picture, four tiles that become one token behind the first."""

    parts: Parts = Parts(
        (
            Part("eye", "eye", ("eye.*",), own_blocks=True, finer=True),
            Part("mixers", "mixing layers", ("mixers.*",)),
        )
    )

    @property
    def pictures(self) -> "PeepholeLayout":
        return self

    def pixels(self, rgb: NDArray[np.uint8]) -> Tensor:
        side = 2 * TILE
        small = np.asarray(Image.fromarray(rgb).resize((side, side)), dtype=np.float32) / 255
        tiles = torch.from_numpy(small).view(2, TILE, 2, TILE, 3).transpose(1, 2)
        return tiles.reshape(1, TILES, 3 * TILE**2)

    def conversation(self, turns: Turns, tokenizer: Tokenizer, picture: Path) -> Sample:
        words = tokenizer.encode("".join(q + a for q, a in turns)).ids
        return {"input_ids": torch.tensor([[1, 0, *words]])}

    def text(self, ids: Tensor) -> Sample:
        return {"input_ids": ids}

    def tokens(self, sample: Sample) -> dict[str, int]:
        words = sample["input_ids"].numel()
        return {"all": words, "mixers": words, "eye": TILES if "pixels" in sample else 0}

    def state_bytes(self, sample: Sample) -> int:
        return 4 * (WIDTH * sample["input_ids"].numel() + TILES * 3 * TILE**2)


@dataclass(frozen=True)
class PeepholeTerms:
    text: Path

    def licences(self, config: Mapping[str, Any]) -> tuple[Licence, ...]:
        title = "Licence of the Peephole"
        return (Licence(title, self.text, "Peephole, (c) its maker.", "Seen through a Peephole"),)

    def remarks(self, form: str) -> tuple[str, ...]:
        return (f"A Peephole in {form} form.",)


@dataclass(frozen=True)
class PeepholeFamily(MixerFamily):
    name: str = "peephole"

    def describes(self, config: Mapping[str, Any]) -> bool:
        return config.get("model_type") == "peephole"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        with torch.device("meta"):
            return Peephole(config["depth"]).eval().requires_grad_(False)

    def blockwise(self, module: nn.Module) -> PeepholeBlocks:
        assert isinstance(module, Peephole)
        return PeepholeBlocks(module)


def write_folder(folder: Path, family: MixerFamily, tokenizer: Tokenizer) -> Path:
    """A model of a family, two mixers deep, with random weights."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(1)
    shapes = {name: value.shape for name, value in family.build({"depth": 2}).state_dict().items()}
    tensors = {
        name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes.items()
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": family.name, "depth": 2}))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def mixer_folder(tmp_path: Path, letter_tokenizer: Tokenizer) -> Path:
    return write_folder(tmp_path / "mixer", MixerFamily(), letter_tokenizer)


@pytest.fixture
def peephole_folder(tmp_path: Path, letter_tokenizer: Tokenizer) -> Path:
    return write_folder(tmp_path / "peephole", PeepholeFamily(), letter_tokenizer)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Add the families for one test."""
    monkeypatch.setattr(registry, "_added", [])
    registry.register(MixerFamily())
    text = tmp_path / "PEEPHOLE_LICENSE.txt"
    text.write_text("Licence of the Peephole: look, and let look.")
    seeing = PeepholeFamily(layout=lambda module: PeepholeLayout(), terms=PeepholeTerms(text))
    registry.register(seeing)


def test_a_family_is_unknown_until_it_is_added(mixer_folder: Path) -> None:
    with pytest.raises(ModelFolderError, match="names the architecture mixer.*llama, opt, qwen2, qwen3"):
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
    oracle.load_state_dict(dequantized(mixer_folder, out, report))
    loaded = load_model(out, dtype=torch.float32)
    assert loaded.family == "mixer"
    assert sum(isinstance(layer, Int4Linear) for layer in loaded.model.modules()) == 6
    ids = torch.arange(3, 43)[None]
    torch.testing.assert_close(loaded.model(ids).logits, oracle(ids).logits, rtol=1e-4, atol=1e-4)


def dequantized(source: Path, out: Path, report: Report) -> dict[str, Tensor]:
    """The tensors of a model, quantized ones as their codes stand for them."""
    tensors = load_file(source / "model.safetensors")
    reader = CheckpointReader(out)
    for module in report.modules:
        parts = {part: reader.read(f"{module.name}.{part}") for part in TENSOR_NAMES}
        tensors[f"{module.name}.weight"] = unpack(parts, bits=4, group_size=16).dequantize()
    return tensors


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


# Twelve pictures of two questions each, 22 questions of which fit and 2 are held out.
ASKED = {"samples": 99, "seed": 0}
FIT, HELD = 22, 2


def seeing_job(model: Path, out: Path, calibration: Path, **changes: Any) -> Job:
    settings = Settings(method="rpiq", group_size=16)
    return Job(model, out, settings, calibration=calibration, **(ASKED | changes))


@pytest.mark.usefixtures("added")
def test_a_family_that_sees_is_planned_by_its_own_parts(
    peephole_folder: Path, picture_folder: Path, tmp_path: Path
) -> None:
    job = seeing_job(peephole_folder, tmp_path / "out", picture_folder)
    prepared = prepare(job)
    drawn = prepared.calibration
    assert drawn is not None
    words = sum(sample["input_ids"].numel() for sample in drawn.fitting)
    judged = sum(sample["input_ids"].numel() for sample in drawn.held_out)
    planned = {
        layer.name: (group.tokens, group.held_out_tokens)
        for _, groups in plan_job(job, prepared).blocks
        for group in groups
        for layer in group.layers
    }
    eye = dict.fromkeys(("eye.lens", "eye.focus"), (TILES * FIT, TILES * HELD))
    mixers = {
        f"mixers.{index}.{name}": (words, judged)
        for index in range(2)
        for name in ("gate", "value", "out")
    }
    assert planned == eye | mixers
    shape = CalibrationShape.of(prepared.opened, drawn)
    # The eye's blocks are passed by tiles alone, the mixers' by every token.
    first = shape.fitting[0]
    assert (first.passing("eye.lens"), first.reaching("eye.lens")) == (TILES, TILES)
    assert first.passing("mixers.0.out") == drawn.fitting[0]["input_ids"].numel()
    # The eye's lens is the widest, but has several positions for a token; of the others `out` is.
    assert widest_layer(prepared.opened, job.rules) == 48
    only_eye = parse_recipe(
        "eye",
        'bits = 4\ngroup_size = 16\n[[rule]]\nmodules = "eye.focus"\nmethod = "rtn"\n'
        '[[rule]]\nmodules = "*"\nmethod = "skip"\n',
    )
    assert widest_layer(prepared.opened, only_eye) == WIDTH


@pytest.mark.usefixtures("added")
@torch.no_grad()
def test_a_family_that_sees_is_calibrated_reported_and_loaded_back(
    peephole_folder: Path, picture_folder: Path, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    job = seeing_job(peephole_folder, out, picture_folder, text_calibration=text_file)
    drawn = prepare(job).calibration
    assert drawn is not None
    words = sum(sample["input_ids"].numel() for sample in drawn.fitting)
    judged = sum(sample["input_ids"].numel() for sample in drawn.held_out)
    report = run(job)
    assert report.parts() == {
        "eye": {"layers": 2, "tokens": TILES * FIT, "held_out_tokens": TILES * HELD},
        "mixing layers": {"layers": 6, "tokens": words, "held_out_tokens": judged},
    }
    written = (out / "report.md").read_text()
    assert "| mixing layers | 6 |" in written

    assert report.statements == ["Seen through a Peephole", "A Peephole in gptq form."]
    assert "A Peephole in gptq form." in written
    assert "Seen through a Peephole" in (out / "README.md").read_text()
    assert (out / "NOTICE").read_text() == "Peephole, (c) its maker.\n"
    assert "look, and let look" in (out / "PEEPHOLE_LICENSE.txt").read_text()

    ratio = report.mean_ratio()
    assert ratio is not None and ratio < 0.9, "better than rounding"
    oracle = Peephole(2).eval()
    oracle.load_state_dict(dequantized(peephole_folder, out, report))
    loaded = load_model(out, dtype=torch.float32).model
    assert sum(isinstance(layer, Int4Linear) for layer in loaded.modules()) == 8
    ids = torch.arange(3, 43)[None]
    pixels = torch.rand(1, TILES, 3 * TILE**2)
    for seen in (None, pixels):
        torch.testing.assert_close(
            loaded(ids, pixels=seen).logits, oracle(ids, pixels=seen).logits, rtol=1e-4, atol=1e-4
        )


@pytest.mark.usefixtures("added")
def test_pictures_are_for_families_that_see(
    mixer_folder: Path, picture_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="the model reads text only"):
        prepare(seeing_job(mixer_folder, tmp_path / "out", picture_folder))
