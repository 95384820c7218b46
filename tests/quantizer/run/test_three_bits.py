"""Folders of 3 bits from the run to what reads them, against codes that NumPy takes apart."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.errors import CheckpointError
from models.files.checkpoint import read_config
from models.int4 import Int4Linear
from models.loading import load_model
from quantizer.cli import main
from quantizer.errors import SettingsError
from quantizer.inspect.folder import inspect_folder
from quantizer.repair.repair import repair
from quantizer.run.pipeline import Job, run
from quantizer.run.walked import Progress
from quantizer.solvers.methods import Settings

GROUP = 32
IDS = torch.tensor([[1, 5, 9, 40, 7]])
THREE = Settings("gptq", bits=3, group_size=GROUP)


@pytest.fixture(scope="module")
def source(make_llama: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaMA of two layers, whose widths are multiples of 32."""
    return make_llama(tmp_path_factory.mktemp("source") / "llama", 64, 96, 2)


def job_of(source: Path, text_file: Path, out: Path) -> Job:
    return Job(source, out, THREE, calibration=text_file, samples=4, seq_len=30)


@pytest.fixture(scope="module")
def folder(source: Path, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    run(job_of(source, text_file, out))
    return out


def fields(words: np.ndarray) -> np.ndarray:
    """The three-bit numbers along the last dimension of int32 words, by their single bits."""
    bits = np.unpackbits(words.copy().view(np.uint8), axis=-1, bitorder="little")
    return bits.reshape(*words.shape[:-1], -1, 3) @ np.array([1, 2, 4])


def meant(folder: Path) -> dict[str, Tensor]:
    """Every quantized layer's weight (out, in) by the format's definition, in float64."""
    found = {}
    stored = load_file(folder / "model.safetensors")
    for name in (key.removesuffix(".qweight") for key in stored if key.endswith(".qweight")):
        codes = fields(stored[f"{name}.qweight"].numpy().T)
        zeros = (fields(stored[f"{name}.qzeros"].numpy()) + 1).T
        scales = stored[f"{name}.scales"].numpy().T.astype(np.float64)
        group = stored[f"{name}.g_idx"].numpy()
        found[name] = torch.from_numpy((codes - zeros[:, group]) * scales[:, group])
    return found


@torch.no_grad()
def test_a_loaded_folder_computes_what_its_bits_say(source: Path, folder: Path) -> None:
    weights = meant(folder)
    assert len(weights) == 14
    dense = load_model(source, dtype=torch.float32).model
    before = dense(input_ids=IDS).logits.clone()
    for name, weight in weights.items():
        layer = dense.get_submodule(name)
        assert torch.nn.functional.cosine_similarity(
            layer.weight.flatten(), weight.float().flatten(), dim=0
        ) > 0.95  # fmt: skip
        layer.weight.copy_(weight)
    expected = dense(input_ids=IDS).logits
    loaded = load_model(folder, dtype=torch.float32).model
    layer = loaded.get_submodule("model.layers.0.mlp.up_proj")
    assert isinstance(layer, Int4Linear) and layer.bits == 3
    torch.testing.assert_close(loaded(input_ids=IDS).logits, expected, rtol=1e-4, atol=1e-4)
    assert float((expected - before).abs().max()) > 1e-2


def test_the_config_and_the_report_say_three(folder: Path) -> None:
    config = read_config(folder / "config.json")["quantization_config"]
    assert (config["bits"], config["checkpoint_format"]) == (3, "gptq")
    assert inspect_folder(folder).findings() == []
    assert {layer.bits for layer in inspect_folder(folder).layers} == {3}
    size = sum(
        layer["bytes"] for layer in json.loads((folder / "report.json").read_text())["modules"]
    )
    stored = load_file(folder / "model.safetensors")
    parts = (".qweight", ".qzeros", ".scales", ".g_idx")
    assert size == sum(value.nbytes for name, value in stored.items() if name.endswith(parts))


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_bytes(
    source: Path, text_file: Path, folder: Path, tmp_path: Path
) -> None:
    job = job_of(source, text_file, tmp_path / "out")

    def stop(progress: Progress) -> None:
        if progress.done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, stop)
    done: list[int] = []
    run(job, lambda progress: done.append(progress.done))
    assert done[0] == 7, "the first block was kept"
    name = "model.safetensors"
    assert (job.out / name).read_bytes() == (folder / name).read_bytes()


def test_a_wrong_label_is_noticed_and_set_right(folder: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for path in folder.iterdir():
        text = path.read_bytes()
        if path.name in ("config.json", "quantize_config.json"):
            text = text.replace(b'"checkpoint_format": "gptq"', b'"checkpoint_format": "gptq_v2"')
        (wrong / path.name).write_bytes(text)
    assert any(
        "stored as checkpoint_format gptq" in one for one in inspect_folder(wrong).findings()
    )
    repair(wrong, tmp_path / "right")
    config = read_config(tmp_path / "right" / "config.json")["quantization_config"]
    assert config["checkpoint_format"] == "gptq"
    assert inspect_folder(tmp_path / "right").findings() == []


def test_what_cannot_be_written_is_refused_before_any_work(
    source: Path, tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(source, tmp_path / "out", Settings("rtn", bits=3, group_size=GROUP))
    with pytest.raises(SettingsError, match="3-bit weights cannot be stored as compressed-tensors"):
        run(replace(job, form="compressed-tensors"))
    with pytest.raises(SettingsError, match="16 outputs do not fill .* at 3 bits .* of 32"):
        run(replace(job, model=tiny_llama))
    words = ["run", str(source), "--out", str(tmp_path / "out"), "--method", "rtn", "--bits", "2"]
    assert main(words) == 2
    assert "holds 3, 4 or 8 bits" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        (4, "g_idx names 96 inputs but qweight holds 72 at 4 bits: check bits"),
        (8, "g_idx names 96 inputs but qweight holds 36 at 8 bits: check bits"),
    ],
)
def test_a_width_that_the_tensors_do_not_have_is_named(
    folder: Path, tmp_path: Path, bits: int, message: str
) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for path in folder.iterdir():
        (wrong / path.name).write_bytes(path.read_bytes())
    config = json.loads((wrong / "config.json").read_text())
    config["quantization_config"]["bits"] = bits
    (wrong / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=message):
        load_model(wrong)
    told = inspect_folder(wrong).findings()
    assert any(f"shapes are those of 3 bits, config says {bits}" in one for one in told)
