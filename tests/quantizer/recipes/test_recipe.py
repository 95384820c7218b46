"""Recipes: as data, on models, and through whole runs."""

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
import torch

from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from models.loading import load_model
from quantizer.cli import main
from quantizer.errors import CalibrationError, OutputError, SettingsError
from quantizer.recipes.recipe import Recipe, Rule, parse_recipe, read_recipe, shipped, uniform
from quantizer.run.job import Job, prepare
from quantizer.run.pipeline import plan_job, run
from quantizer.solvers.methods import Settings

SMALL = "bits = 4\ngroup_size = 8\n"


def rule(modules: str, method: str = "rtn", extra: str = "") -> str:
    return f'[[rule]]\nmodules = "{modules}"\nmethod = "{method}"\n{extra}\n'


def small(name: str) -> Recipe:
    """A recipe that comes with the package, for groups that a tiny model has."""
    found = read_recipe(name)
    return Recipe(
        name,
        tuple(
            r if r.settings is None else replace(r, settings=replace(r.settings, group_size=8))
            for r in found.rules
        ),
    )


def job_of(model: Path, out: Path, recipe: Recipe, **changes: object) -> Job:
    return Job(model, out, recipe.base, recipe=recipe, **changes)  # type: ignore[arg-type]


def test_the_shipped_ones_can_be_read() -> None:
    assert {"cmdq", "example", "image-text", "language-only", "uniform"} == set(shipped())
    cmdq = read_recipe("cmdq")
    kinds = {
        "model.vision.transformer.layers.62.mlp.fc2": ("pictures", 0.05),
        "model.vision.linear_proj.gate_proj": ("pictures", 0.02),
        "model.layers.31.mlp.vision_mlp.down_proj": ("pictures", 0.05),
        "model.layers.0.self_attn.language_expert_query_key_value": ("all", 0.1),
    }
    for layer, (stream, damping) in kinds.items():
        assert cmdq.rule(layer).stream == stream
        assert cmdq.settings_of(layer).damp_percent == damping


def test_uniform_is_a_plain_run() -> None:
    plain = Settings("rpiq")
    assert read_recipe("uniform").rules == uniform(plain).rules


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    text = (resources.files("quantizer") / "recipes" / "example.toml").read_text("utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text)
    recipe = read_recipe(str(path))
    assert recipe.name == "mine"
    assert recipe.rule("model.vision.transformer.layers.0.mlp.fc1").settings is None
    assert recipe.rule("model.layers.7.self_attn.vision_expert_dense").settings is None
    assert recipe.settings_of("model.layers.7.mlp.language_mlp.up_proj").damp_percent == 0.02


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rule = [", "is not TOML"),
        ("", r"has no \[\[rule\]\]"),
        (rule("*", "skip"), "quantizes nothing"),
        ('[[rule]]\nmethod = "rtn"', "rule 1: lacks modules; add a line"),
        ('[[rule]]\nmodules = "*"', "rule 1: lacks method"),
        (rule("*", "magic"), 'method is \'magic\'; give one of "rtn", "gptq"'),
        (rule("*", "gptq", 'stream = "sound"'), "stream is 'sound'; give one of \"all\""),
        (rule("*", "rpiq", "asymmetric_target = 0.5"), 'is 0.5; give one of "auto", "0", "0.5"'),
        (rule("*", "gptq", "damping = 1"), "damping is unknown; give some of"),
        (rule("*", "gptq", "damp_percent = 3.0"), "rule 1: damp_percent 3.0 is out of range"),
        (rule("*", "gptq", 'damp_percent = "much"'), "damp_percent is 'much'; give a number"),
        (rule("*", "gptq", "damp_percent = nan"), "has the number nan, which is not finite"),
        (rule("*", "gptq", "rounds = true"), "rounds is True; give a whole number"),
        ("bits = 2\n" + rule("*"), "bits is 2; give 3, 4 or 8"),
        (rule("*", "rtn", "bits = 8"), "bits 8 differs from the recipe's 4"),
        (rule("*", "rtn", "group_size = 32"), "group_size 32 differs from the recipe's 128"),
    ],
)
def test_what_a_recipe_cannot_say(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_recipe("mine", text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rule("model.layers.*") + rule("model.ears.*"), "no layer of this model is .*ears"),
        (rule("model.layers.0.*"), "no rule matches model.layers.1"),
        (rule("*") + rule("*.down_proj", "skip"), r"match every layer called \*.down_proj; put"),
        (
            rule("*.k_proj") + rule("*.v_proj", "skip") + rule("*"),
            "q_proj and self_attn.k_proj and self_attn.v_proj of .* share their input",
        ),
    ],
)
def test_what_does_not_fit_a_model_is_named(tiny_llama: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_recipe("mine", text).check(open_blockwise(tiny_llama).blockwise)


def test_cmdq_quantizes_every_part_by_its_own_rule(
    tiny_cogvlm2: Path, picture_folder: Path, text_file: Path, tmp_path: Path
) -> None:
    recipe = small("cmdq")
    job = job_of(
        tiny_cogvlm2,
        tmp_path / "out",
        recipe,
        calibration=picture_folder,
        text_calibration=text_file,
        samples=8,
        seq_len=40,
    )
    plan = plan_job(job, prepare(job))
    report = run(job)
    parts = report.parts()
    # 7 fitting sequences of each kind; a picture has 17 patches with its mark, 4 merged ones, and
    # 5 places of the vision expert; text reaches language experts alone.
    assert parts["vision tower"] == {"layers": 8, "tokens": 7 * 17, "held_out_tokens": 17}
    assert parts["adapter"] == {"layers": 4, "tokens": 7 * 4, "held_out_tokens": 4}
    assert parts["vision experts"] == {"layers": 10, "tokens": 7 * 5, "held_out_tokens": 5}
    assert parts["language experts"]["tokens"] > 7 * 40
    planned = {x.name: g.tokens for _, groups in plan.blocks for g in groups for x in g.layers}
    assert planned == {module.name: module.tokens for module in report.modules}
    dampings = {m.name: {s.damp_percent for s in m.stages} for m in report.modules}
    assert any(0.02 <= (d or 0) < 0.021 for d in dampings["model.vision.linear_proj.linear_proj"])
    assert report.settings["recipe"] == "cmdq"
    assert "## Tokens by part" in (job.out / "report.md").read_text()
    meta = json.loads((job.out / "config.json").read_text())["quantization_config"]["meta"]
    assert meta["method"] == "cmdq"
    assert meta["recipe"] == recipe.to_dict()
    load_model(job.out)


@pytest.mark.parametrize("form", ["gptq", "compressed-tensors"])
def test_what_is_skipped_stays_as_it_is(
    tiny_cogvlm2: Path, text_file: Path, tmp_path: Path, form: str
) -> None:
    job = job_of(
        tiny_cogvlm2,
        tmp_path / "out",
        small("language-only"),
        calibration=text_file,
        samples=4,
        seq_len=40,
        form=form,
    )
    report = run(job)  # text alone will do
    assert set(report.parts()) == {"language experts"}
    source, written = CheckpointReader(tiny_cogvlm2), CheckpointReader(job.out)
    kept = [name for name in source.names() if ".vision_" in name or ".vision." in name]
    assert kept
    for name in kept:
        assert torch.equal(source.read(name), written.read(name))
    load_model(job.out)


@pytest.mark.slow
def test_the_full_precision_path_goes_on_where_methods_differ(
    tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path
) -> None:
    """The last group of every block is plain GPTQ, or skipped, between groups of rpiq."""
    for last in ("gptq", "skip"):
        text = SMALL + rule("model.layers.1.mlp.language_mlp.down_proj", last)
        text += rule("model.layers.0.*", "skip") + rule("*.fc2", last)
        text += rule("*", "rpiq", "rounds = 1")
        recipe = parse_recipe("mixed", text)
        job = job_of(tiny_cogvlm2, tmp_path / last, recipe, calibration=picture_folder, samples=3)
        report = run(job)
        gammas = {module.name: module.gamma for module in report.modules}
        assert gammas["model.layers.1.mlp.vision_mlp.down_proj"] is not None
        assert gammas.get("model.vision.transformer.layers.0.mlp.fc2") is None


def test_text_alone_is_refused_for_a_vision_expert_before_any_work(
    tiny_cogvlm2: Path, text_file: Path, tmp_path: Path
) -> None:
    job = job_of(tiny_cogvlm2, tmp_path / "out", small("cmdq"), calibration=text_file, samples=4)
    with pytest.raises(CalibrationError, match=r"model.vision.*no calibration token .*pictures"):
        prepare(job)
    prepare(replace(job, allow_uncalibrated=True))
    assert not list(tmp_path.iterdir())


def test_another_recipe_does_not_continue_a_run(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Recipe("one", (Rule("*", Settings("rtn", group_size=16)),))
    other = Recipe("one", (Rule("model.layers.0.*", None), *one.rules))
    job = job_of(tiny_llama, tmp_path / "out", one)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("quantizer.run.pipeline._Run._write_rest", _stop)
        run(job)
    with pytest.raises(OutputError, match="the rules of --recipe changed"):
        run(replace(job, recipe=other))
    run(job)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_command_line(
    tiny_llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["run", str(tiny_llama), "--out", str(tmp_path / "out"), "--recipe"]
    for extra, message in (
        (["cmdq"], "recipe cmdq: no layer of this model is called model.vision.transformer"),
        (["none.toml"], "is no recipe; give cmdq, example, image-text, language-only, uniform or"),
        (["uniform", "--method", "rtn"], "--method and --recipe uniform exclude each other"),
        (["uniform"], "method rpiq needs --calibration"),
        (["uniform", "--text-calibration", "x"], "adds to calibration with pictures"),
    ):
        assert main([*argv, *extra]) == 2
        assert message in capsys.readouterr().err
    recipe = tmp_path / "quick.toml"
    recipe.write_text("group_size = 16\n" + rule("model.layers.0.*", "skip") + rule("*", "rtn"))
    assert main([*argv, str(recipe)]) == 0
    assert "7 layers (7 rtn)" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "out")]) == 0
    assert "although" not in capsys.readouterr().out  # nobody wonders about what was skipped
