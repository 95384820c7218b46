"""Each method's defaults stand in one table, which everything that makes settings reads."""

import argparse
import ast
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from quantizer import Settings, quantize_layer
from quantizer.commands import compare as compare_command
from quantizer.commands import run as run_command
from quantizer.commands.common import option_of
from quantizer.compare.comparison import CompareJob
from quantizer.compare.methods import settings_of
from quantizer.errors import SettingsError
from quantizer.recipes.recipe import parse_recipe, uniform
from quantizer.run.lm_head import head_settings
from quantizer.solvers import methods
from quantizer.solvers.methods import DEFAULTS, Defaults, Method

QUANTIZER = Path(methods.__file__).parents[1]
NAMES = [field.name for field in fields(Defaults)]
# Other values than any that a method has, and none that another method's default is.
OTHER = Defaults(
    grid="minmax",
    act_order=False,
    damp_percent=0.037,
    rounds=9,
    bits=8,
    group_size=64,
    sym=True,
    asymmetric_target="0.5",
    rpiq_hessian="global",
    token_importance=0.5,
    residual_target=True,
)


@pytest.fixture(params=get_args(Method))
def changed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Method:
    """One method, with another row in the table than it has."""
    method: Method = request.param
    row = replace(OTHER, grid="minmax" if DEFAULTS[method].grid == "hessian" else "hessian")
    row = replace(row, act_order=not DEFAULTS[method].act_order)
    assert all(getattr(row, name) != getattr(DEFAULTS[method], name) for name in NAMES)
    monkeypatch.setitem(DEFAULTS, method, row)  # type: ignore[arg-type]
    return method


def options_of(command: Any, *argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add(parser)
    return parser.parse_args(argv)


def as_table(settings: Settings) -> Defaults:
    values = asdict(settings)
    del values["method"]
    return Defaults(**values)


def test_the_table_is_what_it_was() -> None:
    common = {"bits": 4, "group_size": 128, "sym": False}
    common |= {"asymmetric_target": "auto", "rpiq_hessian": "last"}
    common |= {"token_importance": 0.0, "residual_target": False}
    own = {
        "rtn": ("minmax", True, 0.01, 4),
        "gptq": ("minmax", True, 0.01, 4),
        "rpiq": ("hessian", True, 0.05, 3),
        "rpiq-paper": ("minmax", False, 0.01, 5),
    }
    names = ("grid", "act_order", "damp_percent", "rounds")
    assert {method: asdict(row) for method, row in DEFAULTS.items()} == {
        method: dict(zip(names, row, strict=True)) | common for method, row in own.items()
    }
    assert set(DEFAULTS) == set(get_args(Method))
    assert Settings().method == "rpiq"


def test_settings_follow_the_table(changed: Method) -> None:
    assert as_table(Settings(changed)) == DEFAULTS[changed]
    assert Settings(changed, rounds=2, sym=False).rounds == 2
    assert Settings(changed, sym=False).sym is False


def test_the_command_follows_the_table(changed: Method) -> None:
    argv = ("MODEL", "--out", "OUT", "--method", changed)
    settings = run_command._settings(options_of(run_command, *argv))
    assert (settings.method, as_table(settings)) == (changed, DEFAULTS[changed])
    parser = argparse.ArgumentParser()
    run_command.add(parser)
    text = " ".join(parser.format_help().split())
    for said in ("0.037", "9", "64"):
        assert f"{said} for {changed}" in text


def test_a_recipe_follows_the_table(changed: Method) -> None:
    # What a model has one value of comes from the method that is the default.
    row = DEFAULTS[changed]
    whole = f"bits = {row.bits}\ngroup_size = {row.group_size}\nsym = true\n"
    text = f'{whole}[[rule]]\nmodules = "*"\nmethod = "{changed}"\n'
    assert parse_recipe("mine", text).rules == uniform(Settings(changed)).rules


def test_a_comparison_follows_the_table(changed: Method) -> None:
    found = settings_of(changed, DEFAULTS[changed].bits, DEFAULTS[changed].group_size)
    row = DEFAULTS[changed]
    assert (found.damp_percent, found.sym) == (row.damp_percent, changed != "rpiq-paper")
    if changed in ("rtn", "rpiq"):
        assert found == Settings(changed)
    if changed == "rpiq-paper":  # the GPTQ that it starts from
        assert (found.method, found.grid, found.act_order) == ("gptq", row.grid, row.act_order)
    options = options_of(
        compare_command, "MODEL", "--out", "O", "--calibration", "C", "--data", "D"
    )
    job = CompareJob(Path("m"), Path("o"), Path("c"), Path("d"))
    driving, paper = DEFAULTS["rpiq"], DEFAULTS["rpiq-paper"]
    assert (options.bits, options.group_size) == (str(driving.bits), driving.group_size)
    assert options.paper_rounds == str(paper.rounds)
    assert (job.bits, job.group_size) == ((driving.bits,), driving.group_size)
    assert job.paper_rounds == (paper.rounds,)


def test_the_library_follows_the_table(changed: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "DEFAULT_METHOD", changed)
    inputs = torch.randn(400, 128, generator=torch.Generator().manual_seed(0))
    result = quantize_layer(torch.eye(128), inputs)
    row = DEFAULTS[changed]
    assert (result.weight.bits, result.weight.group_size) == (row.bits, row.group_size)
    assert bool((result.weight.zero == 2 ** (row.bits - 1)).all())  # symmetric
    damping = result.solution.chosen.damp_percent
    assert damping is None if changed == "rtn" else damping == pytest.approx(row.damp_percent)


def defaults_in(path: Path) -> Iterator[tuple[str, int, object]]:
    """Literals that a file gives to a setting: in a signature, a class body, or an option."""
    for node in ast.walk(ast.parse(path.read_text())):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.FunctionDef):
            names = [*node.args.posonlyargs, *node.args.args]
            pairs += zip(
                [name.arg for name in names[len(names) - len(node.args.defaults) :]],
                node.args.defaults,
                strict=True,
            )
            pairs += zip(
                [name.arg for name in node.args.kwonlyargs], node.args.kw_defaults, strict=True
            )
        elif isinstance(node, ast.ClassDef):
            pairs += [
                (item.target.id, item.value)
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            ]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            option = str(node.args[0].value).removeprefix("--").replace("-", "_")
            pairs += [(option, word.value) for word in node.keywords if word.arg == "default"]
        for name, value in pairs:
            if name in {*NAMES, "method", "paper_rounds"} and isinstance(value, ast.Constant):
                yield name, node.lineno, value.value


def test_no_other_file_knows_a_default() -> None:
    for path in sorted(QUANTIZER.rglob("*.py")):
        if path == Path(methods.__file__):
            continue
        # None and no rounds say that there is none, which is no default.
        nothing = (repr(None), repr(0))
        known = [found for found in defaults_in(path) if repr(found[2]) not in nothing]
        assert known == [], path.relative_to(QUANTIZER)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(SettingsError, match="'awq' is unknown; give one of rtn, gptq"):
        Settings("awq")  # type: ignore[arg-type]


# Method, what is asked for besides, and the setting that would change nothing then.
UNREAD = [
    ("rtn", {"token_importance": 0.5}, "token_importance"),
    ("rtn", {"residual_target": True}, "residual_target"),
    ("gptq", {"residual_target": True}, "residual_target"),
    ("rpiq-paper", {"residual_target": True}, "residual_target"),
    ("rpiq", {"residual_target": True, "asymmetric_target": "0"}, "residual_target"),
]


@pytest.mark.parametrize(("method", "more", "unread"), UNREAD)
def test_what_a_method_does_not_read_is_refused_everywhere(
    method: Method, more: dict[str, Any], unread: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=f"^{unread} changes nothing with .*leave {unread} out"):
        Settings(method, **more)
    options = [f"--{name.replace('_', '-')}" for name in more]
    argv = [word for o, v in zip(options, more.values(), strict=True) for word in (o, str(v))]
    argv = [word for word in argv if word != "True"]
    with pytest.raises(SettingsError) as refused:
        run_command._settings(
            options_of(run_command, "MODEL", "--out", str(tmp_path), "--method", method, *argv)
        )
    said = refused.value.worded(option_of)
    option = option_of(unread)
    assert said.startswith(f"{option} changes nothing with --") and f"leave {option} out" in said
    text = f'[[rule]]\nmodules = "*"\nmethod = "{method}"\n'
    for name, value in more.items():
        text += f"{name} = {str(value).lower() if value is True else repr(value)}\n"
    with pytest.raises(SettingsError, match=f"recipe mine, rule 1: {unread} changes nothing"):
        parse_recipe("mine", text)


def test_what_a_method_reads_is_taken() -> None:
    assert Settings("rtn", grid="hessian", token_importance=0.5).reads_statistics
    assert Settings("rtn", token_importance=0.0).token_importance == 0.0
    for method in ("gptq", "rpiq", "rpiq-paper"):
        assert Settings(method, token_importance=0.5).token_importance == 0.5
    both = Settings("rpiq", token_importance=0.5, residual_target=True)
    for bits in (4, 8):  # a head has no target to correct, and 8 bits are rounded
        assert not head_settings(both, bits).residual_target
