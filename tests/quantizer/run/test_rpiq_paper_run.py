"""RPIQ as published, from the command line to the report and the written codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from models.files.checkpoint import CheckpointReader
from models.int4.packing import TENSOR_NAMES, unpack
from quantizer.cli import main

Run = Callable[..., tuple[dict[str, Any], Path]]


@pytest.fixture(scope="module")
def run(tiny_llama: Path, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a method with extra options, once for each; return report.json and the folder."""
    known: dict[tuple[str, ...], tuple[dict[str, Any], Path]] = {}

    def call(*options: str) -> tuple[dict[str, Any], Path]:
        if options not in known:
            out = tmp_path_factory.mktemp("paper") / "out"
            argv = ["run", str(tiny_llama), "--out", str(out), "--group-size", "16"]
            argv += ["--calibration", str(text_file), "--samples", "10", "--seq-len", "40"]
            assert main([*argv, "--method", *options]) == 0
            known[options] = json.loads((out / "report.json").read_text()), out
        return known[options]

    return call


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    reader = CheckpointReader(folder)
    layers = [n.removesuffix(".qweight") for n in reader.names() if n.endswith(".qweight")]
    return {
        layer: unpack(
            {part: reader.read(f"{layer}.{part}") for part in TENSOR_NAMES}, bits=4, group_size=16
        ).dequantize()
        for layer in layers
    }


def test_every_module_reports_what_the_method_did_off_and_on_the_grid(run: Run) -> None:
    report, _ = run("rpiq-paper")
    settings = report["settings"]
    assert (settings["method"], settings["rounds"], settings["rpiq_hessian"]) == (
        "rpiq-paper",
        5,
        "last",
    )
    assert settings["grid"] == "minmax"
    assert len(report["modules"]) == 14
    assert report["totals"]["kept"] == {"paper": 14}
    for module in report["modules"]:
        paper = module["paper"]
        assert set(paper) == {
            "start",
            "off_grid",
            "on_grid",
            "codes_changed",
            "rounds",
            "kept_round",
            "trace",
            "grid_trace",
        }
        for state in ("start", "off_grid", "on_grid"):
            assert set(paper[state]) == {"last", "all", "held_out"}
            assert all(value > 0 for value in paper[state].values())
        assert 1 <= paper["rounds"] <= 5
        assert len(paper["trace"]) == len(paper["grid_trace"]) == paper["rounds"] + 1
        assert paper["trace"][0] == pytest.approx(paper["start"]["last"], rel=1e-4)
        assert paper["off_grid"]["last"] == pytest.approx(min(paper["trace"]), rel=1e-4)
        assert 0 <= paper["codes_changed"] < 0.02
        assert [stage["name"] for stage in module["stages"]] == ["rtn", "gptq", "paper"]
        # What the module is said to be worth is what stands on the grid, not the claim.
        assert module["j"] == pytest.approx(paper["on_grid"]["all"], rel=1e-3)
        assert module["j_val"] == pytest.approx(paper["on_grid"]["held_out"], rel=1e-3)
        changed = module["stages"][-1]["codes_changed"] / (module["shape"][0] * module["shape"][1])
        assert changed == pytest.approx(paper["codes_changed"], abs=1e-6)
        assert module["gamma"] is None and module["warnings"] == []
    claims = [
        m["paper"]["off_grid"]["last"] / m["paper"]["start"]["last"] for m in report["modules"]
    ]
    assert max(claims) < 1.0, "off the grid the error falls, as published"


def test_what_is_written_lies_on_the_grid_of_gptq(run: Run) -> None:
    """Its grid never moves, and as few codes as the report says differ from GPTQ's."""
    report, out = run("rpiq-paper")
    _, plain = run("gptq", "--no-act-order")
    paper, gptq = weights_of(out), weights_of(plain)
    assert set(paper) == {module["name"] for module in report["modules"]}
    first = "model.layers.0.self_attn.q_proj"  # the only group whose inputs both runs share surely
    module = next(m for m in report["modules"] if m["name"] == first)
    different = float((paper[first] != gptq[first]).float().mean())
    assert different == pytest.approx(module["paper"]["codes_changed"], abs=1e-6)
    for part in ("scales", "qzeros"):
        one, other = (CheckpointReader(d).read(f"{first}.{part}") for d in (out, plain))
        assert torch.equal(one, other)


def test_the_literal_hessian_and_the_rounds_can_be_asked_for(run: Run) -> None:
    last, _ = run("rpiq-paper")
    short, _ = run("rpiq-paper", "--rounds", "2")
    assert [max(m["paper"]["rounds"] for m in report["modules"]) for report in (last, short)] == [
        5,
        2,
    ]
    whole, _ = run("rpiq-paper", "--rpiq-hessian", "global")
    assert (whole["settings"]["rpiq_hessian"], whole["settings"]["rounds"]) == ("global", 5)
    name = "model.layers.0.self_attn.q_proj"
    one, other = (
        next(m["paper"] for m in report["modules"] if m["name"] == name) for report in (last, whole)
    )
    assert one["start"] == other["start"], "both start from GPTQ's codes"
    assert one["trace"][1] != other["trace"][1]
    # With the Hessian of other tokens a step may raise Γ; then the start is kept.
    for module in whole["modules"]:
        paper = module["paper"]
        assert paper["off_grid"]["last"] <= paper["start"]["last"]
        assert (paper["off_grid"] == paper["start"]) is (paper["kept_round"] == 0)
