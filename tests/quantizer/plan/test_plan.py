"""The plan: tokens as they are counted later, refusals in numbers, what people read of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantizer.cli import main
from quantizer.errors import SettingsError
from quantizer.plan.plan import Plan
from quantizer.plan.text import plan_text
from quantizer.run.pipeline import Job, plan_job, prepare, run
from quantizer.solvers.methods import Settings


def plan_of(job: Job) -> Plan:
    return plan_job(job, prepare(job))


def test_tokens_and_sizes_are_those_of_the_run(
    tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path
) -> None:
    settings = Settings("gptq", group_size=8)
    job = Job(tiny_cogvlm2, tmp_path / "out", settings, calibration=picture_folder, samples=6)
    plan = plan_of(job)
    planned = {
        layer.name: (group.tokens, group.held_out_tokens)
        for _, groups in plan.blocks
        for group in groups
        for layer in group.layers
    }
    report = run(job)
    assert planned == {m.name: (m.tokens, m.held_out_tokens) for m in report.modules}
    stored = sum(path.stat().st_size for path in job.out.glob("*.safetensors"))
    # Headers are not in the plan.
    assert 0.7 * stored < plan.output < stored


def test_layers_with_too_few_tokens_are_foretold(
    tiny_cogvlm2: Path, text_file: Path, tmp_path: Path
) -> None:
    settings = Settings("gptq", group_size=8)
    job = Job(tiny_cogvlm2, tmp_path / "out", settings, calibration=text_file, samples=2)
    job = replace(job, allow_uncalibrated=True)
    plan = plan_of(job)
    methods = {group.layers[0].name: group.method for _, gs in plan.blocks for group in gs}
    assert methods["model.layers.0.mlp.vision_mlp.down_proj"] == "rtn, too few tokens"
    assert methods["model.layers.0.mlp.language_mlp.down_proj"] == "gptq"
    assert any("vision_mlp.down_proj: only 0 calibration tokens" in w for w in plan.warnings())


@pytest.fixture
def job(tiny_llama: Path, text_file: Path, tmp_path: Path) -> Job:
    settings = Settings("rpiq", group_size=16)
    out = tmp_path / "out"
    return Job(tiny_llama, out, settings, calibration=text_file, samples=6, seq_len=40)


def test_what_cannot_fit_is_refused_in_numbers(job: Job) -> None:
    plan = plan_of(job)
    plan.check()
    for changes, message in (
        ({"free_host": 1000}, r"needs .* MB of memory and 0\.00 MB are free: give fewer samples"),
        ({"free_device": 1000}, r"MB on the GPU and 0\.00 MB are free: .*device cpu"),
        ({"free_disk": 1000}, r"MB of disk and 0\.00 MB are free: free more, or"),
    ):
        small: dict[str, Any] = dict(changes)
        device = {"weights": 2000.0} if "free_device" in small else {}
        with pytest.raises(SettingsError, match=message):
            replace(plan, machine=replace(plan.machine, **small), device=device).check()


def test_a_real_run_is_refused_before_any_work(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantizer.plan.machine._free_host", lambda: 0)
    with pytest.raises(SettingsError, match="MB of memory"):
        run(job)
    assert not list(job.out.parent.iterdir())


def test_more_of_anything_needs_more(job: Job) -> None:
    plan = plan_of(job)
    longer = plan_of(replace(job, samples=12))
    assert longer.host["calibration states"] > plan.host["calibration states"]
    gptq = plan_of(replace(job, settings=Settings("gptq", group_size=16)))
    assert gptq.host["weights of one block"] * 2 == plan.host["weights of one block"]
    assert gptq.host_peak - gptq.machine.base < plan.host_peak - plan.machine.base


def test_dry_run_prints_the_plan_and_changes_nothing(
    tiny_llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["run", str(tiny_llama), "--out", str(tmp_path / "out"), "--group-size", "16"]
    argv += ["--calibration", str(text_file), "--samples", "6", "--dry-run"]
    assert main(argv) == 0
    text = capsys.readouterr().out
    for part in (
        "blocks: 2",
        "model.layers.0 to model.layers.1, each:",
        "self_attn.q_proj 32x32, self_attn.k_proj 16x32",
        "320 tokens and 64 held out",
        "host memory at the peak:",
        "; largest: ",
        "disk: ",
        "time: about",
    ):
        assert part in text
    assert main([*argv, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["host_peak_bytes"] == pytest.approx(sum(plan["host_bytes"].values()), abs=9)
    assert plan["host_limit"]["moment"]
    sizes = [buffer["bytes"] for buffer in plan["host_limit"]["largest"]]
    assert len(sizes) > 1
    assert sizes == sorted(sizes, reverse=True)
    assert plan["device_limit"] is None
    assert plan["double_peak_bytes"] >= plan["host_peak_bytes"]
    assert plan["seconds"] > 0
    assert len(plan["blocks"]) == 2
    assert not list(tmp_path.iterdir())


def test_a_plan_for_ranks_says_what_each_holds(job: Job) -> None:
    job = replace(job, samples=40, seq_len=20)
    prepared = prepare(job)
    alone, two = (plan_job(job, prepared, speed=True, ranks=size) for size in (1, 2))
    assert alone.ranks == () and alone.carried == 0
    # 36 fitting sequences and 4 held out, in eight slots, whose even half each rank holds.
    assert [(one.fitting, one.held_out) for one in two.ranks] == [(18, 2), (18, 2)]
    assert sum(one.layers for one in two.ranks) == 14
    # Every sequence is followed: Hessian, its held-out twin and Δ of both ranks reach the other,
    # of 32 columns in three groups and 48 in one; so do codes of three proposals and the result.
    hessians = 2 * 3 * (3 * 32**2 + 48**2) * 4
    weights = 2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 48
    assert two.carried == 2 * (hessians + 4 * weights)
    assert two.host_needed > alone.host_needed
    told = two.to_dict()
    assert [one["fitting"] for one in told["ranks"]] == [18, 18]
    assert told["carried_bytes"] == two.carried
    text = plan_text(two, [])
    assert "rank 1: 18 sequences and 2 held out, solves" in text
    assert "rank" not in plan_text(alone, [])
    assert two.seconds is not None and alone.seconds is not None


def test_memory_is_counted_for_all_ranks(job: Job) -> None:
    plan = plan_job(job, prepare(job), ranks=3)
    room = replace(plan.machine, free_host=int(plan.host_needed) - 1)
    with pytest.raises(SettingsError, match=r"MB are free: .*fewer ranks"):
        replace(plan, machine=room).check()
    replace(plan, machine=replace(room, free_host=int(plan.host_needed) + 1)).check()
