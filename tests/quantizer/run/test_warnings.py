"""Everything a person must hear of stands on the terminal, in report.json and in report.md."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from quantizer.cli import main


def test_events_are_told_everywhere(
    tiny_llama: Path, text_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A hidden channel that is always zero, and rows of one value."""
    model = tmp_path / "model"
    shutil.copytree(tiny_llama, model)
    tensors = load_file(model / "model.safetensors")
    tensors["model.layers.0.input_layernorm.weight"][5] = 0
    tensors["model.layers.1.mlp.gate_proj.weight"][:3] = 0.25
    save_file({name: t.contiguous() for name, t in tensors.items()}, model / "model.safetensors")
    out = tmp_path / "out"
    argv = ["run", str(model), "--out", str(out), "--method", "gptq", "--group-size", "16"]
    argv += ["--calibration", str(text_file), "--samples", "1000", "--seq-len", "60"]
    assert main(argv) == 0
    report = json.loads((out / "report.json").read_text())
    text = (out / "report.md").read_text()
    expected = [
        "sequences, fewer than the 1000 asked for",
        "model.layers.0.self_attn.q_proj: 1 of 32 inputs were zero on every calibration token",
        "model.layers.1.mlp.gate_proj: 6 of 96 groups hold one value only",
    ]
    for event in expected:
        assert any(event in warning for warning in report["warnings"]), event
        assert event in caplog.text
        assert event in text
    assert report["totals"]["warnings"] == len(report["warnings"])
    first = next(m for m in report["modules"] if m["name"].endswith("layers.0.self_attn.q_proj"))
    assert first["dead_columns"] == 1


def test_the_readable_report_of_the_published_method_tells_both_sides_of_the_grid(
    tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    argv = ["run", str(tiny_llama), "--out", str(out), "--method", "rpiq-paper"]
    argv += ["--group-size", "16", "--calibration", str(text_file), "--samples", "8"]
    assert main([*argv, "--seq-len", "32"]) == 0
    text = (out / "report.md").read_text()
    assert "| asked: samples | 8 |" in text and "{" not in text
    rows = text.partition("## RPIQ as published")[2].splitlines()
    layers = [row.strip("| ").split(" | ") for row in rows if "model.layers." in row]
    paper = json.loads((out / "report.json").read_text())["modules"]
    assert [name for name, *_ in layers] == [module["name"] for module in paper]
    for cells, module in zip(layers, paper, strict=True):
        start, off = (module["paper"][side]["last"] for side in ("start", "off_grid"))
        assert float(cells[1]) == pytest.approx(off / start, abs=1e-4)
        assert cells[-1].endswith(" %")


def test_a_readable_report_has_no_empty_cell(
    tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    argv = ["run", str(tiny_llama), "--out", str(out), "--method", "rtn", "--group-size", "16"]
    assert main(argv) == 0
    rows = [line for line in (out / "report.md").read_text().splitlines() if line.startswith("|")]
    assert sum("model.layers." in row for row in rows) == 14
    for row in rows:
        assert all(cell.strip() for cell in row.strip("|").split("|")), row


def test_the_other_format_is_written_and_loads(
    tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.loading import load_model

    weights = {}
    for form in ("gptq", "compressed-tensors"):
        out = tmp_path / form
        argv = ["run", str(tiny_llama), "--out", str(out), "--method", "rtn", "--format", form]
        assert main([*argv, "--group-size", "16"]) == 0
        model = load_model(out, dtype=torch.float32).model
        ids = torch.arange(3, 23)[None]
        with torch.no_grad():
            weights[form] = model(input_ids=ids).logits
    assert torch.equal(weights["gptq"], weights["compressed-tensors"])
    config = json.loads((tmp_path / "compressed-tensors" / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "compressed-tensors"
    assert not (tmp_path / "compressed-tensors" / "quantize_config.json").exists()
