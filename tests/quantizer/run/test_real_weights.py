"""The methods in their expected order on real trained weights."""

import json
from pathlib import Path

import pytest

from models.files.llama2c import import_model
from quantizer.cli import main

pytestmark = [pytest.mark.weights, pytest.mark.slow]


def test_refinement_beats_gptq_beats_rounding_on_stories260k(
    data_dir: Path, tmp_path: Path
) -> None:
    weights = data_dir / "weights"
    model = import_model(weights / "stories260K.bin", weights / "tok512.model", tmp_path / "fp32")
    stories = (data_dir / "text" / "tiny_sample_part1.txt").read_text().split("<|endoftext|>")
    half = len(stories) // 2
    calibration, unseen = tmp_path / "calibration.txt", tmp_path / "unseen.txt"
    calibration.write_text("<|endoftext|>".join(stories[:half]))
    unseen.write_text("<|endoftext|>".join(stories[half:]))

    found = {"fp32": measure(model, unseen, tmp_path)}
    for method in ("rtn", "gptq", "rpiq"):
        out = tmp_path / method
        argv = ["run", model, "--out", out, "--method", method, "--group-size", 32]
        argv += ["--calibration", calibration, "--samples", 64, "--seq-len", 256]
        assert main([str(part) for part in argv]) == 0
        found[method] = measure(out, unseen, tmp_path)
    assert found["fp32"] == pytest.approx(4.89, abs=0.05)
    assert found["fp32"] < found["rpiq"] < found["gptq"] < found["rtn"] < 5.5
    # Each better method closes a good part of the gap that the worse one leaves.
    gaps = {method: value - found["fp32"] for method, value in found.items()}
    assert gaps["gptq"] < 0.75 * gaps["rtn"]
    assert gaps["rpiq"] < 0.95 * gaps["gptq"]


def measure(model: Path, text: Path, folder: Path) -> float:
    result = folder / "result.json"
    argv = ["eval", model, "--task", "perplexity", "--data", text, "--json", result]
    assert main([str(part) for part in argv]) == 0
    value: float = json.loads(result.read_text())["value"]
    return value
