"""Image-text models quantized: their decoder alone, and the result is what it was rounded to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from models.files.checkpoint import CheckpointReader
from models.image_text.chat import ImageTextChat
from models.int4 import Int4Linear
from models.int4.packing import TENSOR_NAMES, unpack
from models.loading import load_model
from quantizer.cli import main
from quantizer.report.report import Report
from quantizer.run.pipeline import Job, plan_job, prepare, run
from quantizer.solvers.methods import Settings
from tests.image_text_models import write_idefics3, write_qwen3_vl

GROUP = 32
WRITERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "idefics3": (write_idefics3, "model.text_model.layers"),
    "qwen3_vl": (write_qwen3_vl, "model.language_model.layers"),
}


@pytest.fixture(scope="module", params=WRITERS)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def source(family: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A tiny model's folder, and transformers' own module of it."""
    folder = tmp_path_factory.mktemp(family)
    return folder, WRITERS[family][0](folder)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight pictures with a question each."""
    folder = tmp_path_factory.mktemp("pictures")
    noise, lines = np.random.default_rng(1), []
    for number in range(8):
        pixels = noise.integers(0, 256, (40 + number, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        line = {"picture": f"{number}.png", "question": "How many?", "answer": f"{number} or so."}
        lines.append(json.dumps(line | {"skill": "count"}))
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def quantized(
    source: tuple[Path, Any], asked: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("out") / "int4"
    settings = Settings(method="gptq", group_size=GROUP)
    return out, run(Job(source[0], out, settings, calibration=asked, samples=8))


def test_the_decoder_is_quantized_and_nothing_else(
    source: tuple[Path, Any], quantized: tuple[Path, Report], family: str
) -> None:
    out, report = quantized
    layers = WRITERS[family][1]
    wanted = {f"{layers}.{i}.{name}" for i in range(2) for name in PROJECTIONS}
    assert {module.name for module in report.modules} == wanted
    reader, before = CheckpointReader(out), load_file(source[0] / "model.safetensors")
    kept = {name for name in before if name.removesuffix(".weight") not in wanted}
    assert {n for n in reader.names() if not n.endswith(TENSOR_NAMES)} == kept
    assert all(torch.equal(reader.read(name), before[name]) for name in kept)


PROJECTIONS = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)


@torch.no_grad()
def test_it_answers_as_its_dequantized_weights_do(
    source: tuple[Path, Any], quantized: tuple[Path, Report]
) -> None:
    out, report = quantized
    oracle = source[1]
    original = {name: value.clone() for name, value in oracle.state_dict().items()}
    reader = CheckpointReader(out)
    for module in report.modules:
        parts = {part: reader.read(f"{module.name}.{part}") for part in TENSOR_NAMES}
        weight = unpack(parts, bits=4, group_size=GROUP).dequantize()
        oracle.get_submodule(module.name).weight.copy_(weight)
    loaded = load_model(out, dtype=torch.float32)
    assert sum(isinstance(layer, Int4Linear) for layer in loaded.model.modules()) == 14
    ids = torch.arange(3, 40)[None]
    expected = oracle(input_ids=ids).logits
    oracle.load_state_dict(original)
    torch.testing.assert_close(loaded.model(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4)
    picture = np.random.default_rng(2).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    chat = ImageTextChat(loaded)
    assert list(chat.answer(chat.look(picture), "Who?", max_new_tokens=3))


def test_commands_understand_both(
    source: tuple[Path, Any],
    quantized: tuple[Path, Report],
    asked: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, _ = quantized
    assert main(["inspect", str(source[0])]) == 1
    assert capsys.readouterr().out.count("Suspicious") == 1, "that nothing is quantized"
    assert main(["inspect", str(out)]) == 0
    assert "Total: 14 quantized layers" in capsys.readouterr().out
    command = ["run", str(source[0]), "--out", str(tmp_path / "no"), "--calibration", str(asked)]
    assert main([*command, "--dry-run", "--group-size", str(GROUP)]) == 0
    assert not (tmp_path / "no").exists()
    capsys.readouterr()
    text = tmp_path / "text.txt"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 60)
    for folder in (source[0], out):
        command = ["eval", str(folder), "--task", "perplexity", "--data", str(text)]
        assert main([*command, "--seq-len", "64", "--limit", "4"]) == 0
        command = ["eval", str(folder), "--task", "pictures", "--data", str(asked)]
        assert main([*command, "--limit", "2"]) == 0
    assert capsys.readouterr().out.count("2 items") == 2


def test_a_picture_counts_where_it_passes_the_tower(source: tuple[Path, Any], asked: Path) -> None:
    settings = Settings(method="rtn", group_size=GROUP)
    job = Job(source[0], Path("unused"), settings, calibration=asked, samples=4)
    prepared = prepare(job)
    assert plan_job(job, prepared) is not None
    layout = prepared.opened.layout
    vision: Any = prepared.opened.module.config.vision_config
    assert layout.start_bytes >= 4 * 16 * 2 * vision.intermediate_size
