"""Several methods from one walk: the same statistics, one report, nothing half-written."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from quantizer.calibration.streams import draw_calibration
from quantizer.cli import main
from quantizer.compare.methods import (
    MEANINGS,
    PAPER,
    ComparedMethod,
    Variant,
    compared_methods,
    kind_of,
    settings_of,
)
from quantizer.errors import SettingsError
from quantizer.run.walk import Walk
from quantizer.run.walked import Observed
from quantizer.solvers.methods import Settings

ALL = list(MEANINGS)
COMPARED = ["gptq", "rpiq", PAPER]
OPTIONS = ["--group-size", "16", "--samples", "8", "--seq-len", "32", "--limit", "4"]


def argv_of(model: Path, out: Path, text: Path, *more: str) -> list[str]:
    argv = ["compare", str(model), "--out", str(out), *OPTIONS]
    return [*argv, "--calibration", str(text), "--data", str(text), *more]


@pytest.fixture(scope="module")
def observed(tiny_llama: Path, text_file: Path) -> list[Observed]:
    """Every layer of the tiny model as the driving walk meets it."""
    opened = open_blockwise(tiny_llama)
    calibration = draw_calibration(opened, text_file, samples=8, seq_len=32, seed=0)
    seen: list[Observed] = []
    walk = Walk(
        opened,
        CheckpointReader(tiny_llama),
        settings_of("rpiq", 4, 16),
        device=torch.device("cpu"),
        keep_last_inputs=True,
        observer=seen.append,
    )
    with torch.no_grad():
        assert len(list(walk.run(calibration))) == 2
    return seen


def test_the_driving_method_solves_what_the_walk_solved(observed: list[Observed]) -> None:
    for layer in observed:
        (attempt,) = ComparedMethod("rpiq", settings_of("rpiq", 4, 16)).solve(layer)
        torch.testing.assert_close(
            attempt.weight, layer.solution.chosen.weight.dequantize(), rtol=0, atol=0
        )
        assert attempt.row.kind == kind_of(layer.name)


def test_every_method_sees_the_same_statistics(observed: list[Observed]) -> None:
    methods = compared_methods(ALL, [4, 2], group_size=16, paper_rounds=[5])
    totals: dict[Variant, float] = {}
    for layer in observed[7:]:  # the second block, whose inputs are quantized
        for method in methods:
            for attempt in method.solve(layer):
                change = (attempt.weight - layer.problem.weight).double()
                J = float((change @ layer.problem.hessian.double() * change).sum())
                assert attempt.row.j == pytest.approx(J, rel=1e-4)
                assert attempt.row.j_val is not None
                totals[attempt.variant] = totals.get(attempt.variant, 0.0) + J
    error = {(v.label, v.bits): total for v, total in totals.items()}
    for bits in (4, 2):
        paper = f"{PAPER} 5 rounds"
        assert error["rpiq-gamma-0", bits] < error["gptq+hessian", bits] < error["rtn", bits]
        assert error["gptq", bits] < error["rtn", bits]
        assert error[f"{paper}, off grid", bits] < error["gptq", bits]
        assert error[f"{paper}, on grid", bits] == pytest.approx(error["gptq", bits], rel=0.02)
    assert error["rpiq-gamma-0", 4] < error["rpiq-gamma-0", 2]


def test_every_method_has_the_settings_of_a_run() -> None:
    """Damping too, whose default differs between methods."""
    assert settings_of("rpiq", 4, 16) == Settings("rpiq", 4, 16)
    assert settings_of("rtn", 4, 16) == Settings("rtn", 4, 16)
    plain = Settings("gptq", 4, 16, act_order=False)
    assert settings_of("gptq", 4, 16) == settings_of(PAPER, 4, 16) == plain


def test_no_method_is_spared_a_factorization_that_another_made(observed: list[Observed]) -> None:
    """Or its seconds would not be those of the method."""
    layer = observed[-1]
    assert layer.problem.factors, "the driving walk has factorized this Hessian"
    useless = {key: None for key in layer.problem.factors}
    spoiled = replace(layer, problem=replace(layer.problem, factors=useless))  # type: ignore[arg-type]
    for method in compared_methods(ALL, [4], group_size=16, paper_rounds=[5]):
        for ours, wanted in zip(method.solve(spoiled), method.solve(layer), strict=True):
            assert torch.equal(ours.weight, wanted.weight)


def test_off_grid_weights_are_between_codes_and_on_grid_ones_are_not(
    observed: list[Observed],
) -> None:
    method = ComparedMethod(PAPER, settings_of(PAPER, 4, 16), rounds=5)
    on, off = method.solve(observed[0])
    assert (on.variant.on_grid, off.variant.on_grid) == (True, False)
    assert on.row.codes_changed is not None and off.row.codes_changed is None
    levels = [
        max(len(torch.unique(row[:16])) for row in weight) for weight in (on.weight, off.weight)
    ]
    assert levels[0] <= 15 and levels[1] == 16  # 16 weights of a group; off the grid all differ
    assert on.row.paper is not None and on.row.paper.off_grid.last < on.row.paper.start.last


def test_without_last_inputs_nothing_is_refined(observed: list[Observed]) -> None:
    method = ComparedMethod(PAPER, settings_of(PAPER, 4, 16), rounds=5)
    on, off = method.solve(replace(observed[0], last_inputs=None))
    (start,) = ComparedMethod("gptq", settings_of("gptq", 4, 16)).solve(observed[0])
    assert torch.equal(on.weight, start.weight) and torch.equal(off.weight, start.weight)
    assert on.row.paper is None and on.row.codes_changed == 0


@pytest.fixture(scope="module")
def compared(tiny_llama: Path, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared") / "out"
    methods = ",".join(COMPARED)
    more = ["--methods", methods, "--bits", "4,2", "--keep"]
    assert main(argv_of(tiny_llama, out, text_file, *more)) == 0
    return out


def report_of(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def test_the_report_holds_every_variant(compared: Path) -> None:
    report = report_of(compared)
    labels = [(variant["label"], variant["bits"]) for variant in report["variants"]]
    rows = ["gptq", "rpiq", f"{PAPER} 5 rounds, on grid", f"{PAPER} 5 rounds, off grid"]
    assert labels == [(label, bits) for bits in (4, 2) for label in rows]
    exact = report["full_precision"]["value"]
    for variant in report["variants"]:
        value = variant["perplexity"]["value"]
        low, high = variant["perplexity"]["interval_95"]
        assert low <= value <= high
        assert set(variant["j_ratio_to_gptq"]) == {
            "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
            "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
        }  # fmt: skip
        assert variant["cost"]["seconds"] > 0
        if variant["method"] == "gptq":
            assert variant["against_gptq"] is None and variant["gap_share_of_gptq"] in (1.0, None)
        else:
            gptq = next(
                other["perplexity"]["value"]
                for other in report["variants"]
                if (other["method"], other["bits"]) == ("gptq", variant["bits"])
            )
            against = variant["against_gptq"]
            assert against["ratio"] == pytest.approx(value / gptq, rel=1e-4)
            assert against["ratio_95"][0] <= against["ratio"] <= against["ratio_95"][1]
            if gptq > exact:
                share = (value - exact) / (gptq - exact)
                assert variant["gap_share_of_gptq"] == pytest.approx(share)
    assert len(report["layers"]) == 14 * len(labels)
    assert sorted(path.name for path in compared.iterdir()) == report["files"]


def test_a_kept_model_gives_the_perplexity_of_its_row(
    compared: Path, text_file: Path, tmp_path: Path
) -> None:
    report = report_of(compared)
    for variant in (report["variants"][1], report["variants"][-1]):
        name = Variant(
            variant["bits"], 0, variant["rounds"] or 0, variant["on_grid"], variant["method"]
        ).folder
        result = tmp_path / f"{name}.json"
        argv = ["eval", compared / "models" / name, "--task", "perplexity", "--data", text_file]
        assert main([str(part) for part in [*argv, "--limit", 4, "--json", result]]) == 0
        value = json.loads(result.read_text())["value"]
        assert value == pytest.approx(variant["perplexity"]["value"], rel=1e-9)


def test_the_text_is_for_people_and_describes_every_plot(compared: Path) -> None:
    text = (compared / "report.md").read_text()
    report = report_of(compared)
    assert "quantized by rpiq in groups of 16 to 4 bits" in text
    assert "walk_per_width" in text
    assert text.count("no, not 4-bit") == 1 and text.count("no, not 2-bit") == 1
    names = {plot["name"].rsplit("-", 2)[0] for plot in report["plots"]}
    assert names == {"perplexity", "j", "j-val", "codes-changed", "convergence"}
    for plot in report["plots"]:
        assert plot["description"] in text
        assert f"({plot['name']}.png)" in text and (compared / f"{plot['name']}.svg").is_file()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|"):
            assert "|  |" not in line and "nan" not in line
            previous = lines[number - 1]
            # Rows have as many cells as the row above; a table starts with its header.
            assert not previous.startswith("|") or line.count("|") == previous.count("|")


def test_what_the_figures_cannot_tell_stands_in_the_report(compared: Path) -> None:
    warnings = report_of(compared)["warnings"]
    text = (compared / "report.md").read_text()
    for words in ("is measured on and was calibrated on", "4 windows are too few to tell methods"):
        assert any(words in warning for warning in warnings) and words in text


@pytest.mark.slow
def test_a_walk_for_every_width_and_models_are_removed(
    tiny_llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    more = ["--bits", "4,3", "--methods", "rpiq,rtn", "--walk-per-width"]
    assert main(argv_of(tiny_llama, out, text_file, *more)) == 0
    report = report_of(out)
    assert [walk["bits"] for walk in report["walks"]] == [[4], [3]]
    assert [walk["driving"]["bits"] for walk in report["walks"]] == [4, 3]
    assert len(report["variants"]) == 4 and len(report["layers"]) == 4 * 14
    assert not (out / "models").exists()
    assert "a walk" not in (out / "report.md").read_text().splitlines()[0]
    assert "3 bits, rpiq: perplexity" in capsys.readouterr().out
    # Without gptq there is no reference.
    assert all(variant["against_gptq"] is None for variant in report["variants"])
    assert not any(plot["name"].startswith("j-") for plot in report["plots"])


@pytest.mark.slow
def test_a_comparison_that_weighs_tokens_says_so(
    tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    more = ("--methods", "gptq", "--token-importance", "0.5")
    assert main(argv_of(tiny_llama, out, text_file, *more)) == 0
    assert "tokens weigh by the gradient of the loss with share 0.5" in (
        out / "report.md"
    ).read_text(encoding="utf-8")


def test_equal_weights_are_measured_once(compared: Path) -> None:
    variants = report_of(compared)["variants"]
    same = [variant for variant in variants if variant["same_weights_as"]]
    assert same
    assert all(variant["label"].endswith("on grid") for variant in same)
    for variant in same:
        assert (
            variant["perplexity"]["value"]
            == variants[0 if variant["bits"] == 4 else 4]["perplexity"]["value"]
        )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--methods", "gptq,awq"], "'awq', which is unknown; give some of rtn,gptq"),
        (["--methods", ","], "--methods names none"),
        (["--methods", "rtn,rtn"], "twice"),
        (["--bits", "4,9"], "--bits 4,9 cannot be compared; give some of 2 to 8"),
        (["--bits", "four"], "--bits four is no list of numbers"),
        (["--bits", "4,4"], "--bits 4,4"),
        (["--paper-rounds", "0"], "--paper-rounds 0"),
        (["--limit", "0"], "--limit 0"),
        (
            ["--methods", "rtn", "--token-importance", "0.5"],
            "--token-importance changes nothing with --methods rtn",
        ),
        (["--group-size", "0"], "--group-size 0"),
        (["--calibration", "nowhere.txt"], "nowhere.txt: no such file"),
        (["--data", "nowhere.txt"], "nowhere.txt: no such file"),
        (["--data", "."], "is a folder"),
    ],
)
def test_bad_input_is_one_line(
    more: list[str],
    words: str,
    tiny_llama: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert main(argv_of(tiny_llama, out, text_file, *more)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and words in line
    assert list(tmp_path.iterdir()) == []


def test_calibration_must_be_given(
    tiny_llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["compare", str(tiny_llama), "--out", str(tmp_path / "out"), "--data", str(text_file)]
    assert main(argv) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--calibration" in line


def test_a_foreign_folder_is_left_alone(
    tiny_llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(argv_of(tiny_llama, tmp_path, text_file)) == 2
    assert "not ours" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_too_little_room_is_told_before_the_work(
    tiny_llama: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("quantizer.compare.compare.shutil.disk_usage", lambda path: Usage)
    assert main(argv_of(tiny_llama, tmp_path / "out", text_file)) == 2
    assert "7 dequantized models take" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_the_walk_leaves_nothing(
    tiny_llama: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SettingsError("no such thing; give another")

    monkeypatch.setattr("quantizer.compare.methods.rpiq_paper", fail)
    assert main(argv_of(tiny_llama, tmp_path / "out", text_file)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "model.layers.0.self_attn.q_proj, rpiq-paper 5 rounds, 4 bits: no such thing" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.weights
@pytest.mark.slow
def test_the_published_method_stays_where_gptq_is_on_stories260k(
    data_dir: Path, tmp_path: Path
) -> None:
    from models.files.llama2c import import_model

    weights = data_dir / "weights"
    model = import_model(weights / "stories260K.bin", weights / "tok512.model", tmp_path / "fp32")
    stories = (data_dir / "text" / "tiny_sample_part1.txt").read_text().split("<|endoftext|>")
    half = len(stories) // 2
    calibration, unseen = tmp_path / "calibration.txt", tmp_path / "unseen.txt"
    calibration.write_text("<|endoftext|>".join(stories[:half]))
    unseen.write_text("<|endoftext|>".join(stories[half:]))
    argv = ["compare", model, "--out", tmp_path / "out", "--group-size", 32]
    argv += ["--calibration", calibration, "--samples", 64, "--seq-len", 256, "--data", unseen]
    assert main([str(part) for part in argv]) == 0
    report = report_of(tmp_path / "out")
    found = {variant["label"]: variant for variant in report["variants"]}
    value = {label: variant["perplexity"]["value"] for label, variant in found.items()}
    on, off = (f"{PAPER} 5 rounds, {side} grid" for side in ("on", "off"))
    assert report["full_precision"]["value"] == pytest.approx(4.89, abs=0.05)
    assert max(found[on]["codes_changed"].values()) < 1e-3
    assert value[on] == pytest.approx(value["gptq"], abs=0.002)
    assert report["full_precision"]["value"] < value[off] < value[on] - 0.005
    assert value["rpiq"] < value["rpiq-gamma-0"] + 0.02
    assert value["rpiq-gamma-0"] < value["gptq+hessian"] < value["gptq"] < value["rtn"]
    assert found["rpiq"]["against_gptq"]["ratio_95"][1] < 1
    assert all(ratio < 0.95 for ratio in found["rpiq-gamma-0"]["j_ratio_to_gptq"].values())
    assert math.isclose(found["gptq"]["gap_share_of_gptq"], 1)
