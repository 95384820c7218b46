"""Errors name settings; the command line calls them by its options."""

import argparse
import ast
from pathlib import Path

import pytest

from quantizer import errors
from quantizer.cli import main
from quantizer.commands import compare, eval, inspect, run
from quantizer.commands.common import option_of
from quantizer.errors import CalibrationError, SettingsError
from quantizer.solvers.methods import Settings

QUANTIZER = Path(errors.__file__).parent


def test_a_setting_is_called_what_the_reader_calls_it() -> None:
    error = SettingsError(lambda name: f"{name('group_size')} 0 is too small")
    assert str(error) == "group_size 0 is too small"
    assert error.worded(option_of) == "--group-size 0 is too small"
    placed = CalibrationError(lambda name: f"a larger {name('damp_percent')}").at("model.layers.0")
    assert type(placed) is CalibrationError
    assert str(placed) == "model.layers.0: a larger damp_percent"
    assert placed.at("rpiq").worded(option_of) == "rpiq: model.layers.0: a larger --damp-percent"
    assert SettingsError("{braces} stay").worded(option_of) == "{braces} stay"


def test_the_command_says_the_option_and_the_library_the_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingsError, match=r"^damp_percent 2.0 is out of range"):
        Settings(damp_percent=2.0)
    argv = ["run", str(tmp_path), "--out", str(tmp_path / "out"), "--damp-percent", "2"]
    assert main(argv) == 2
    assert capsys.readouterr().err.startswith("error: --damp-percent 2.0 is out of range")


def named_settings() -> set[str]:
    """Every setting that a message names: what a lambda's one argument is called with."""
    found: set[str] = set()
    for path in QUANTIZER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Lambda | ast.FunctionDef) or len(node.args.args) != 1:
                continue
            (argument,) = node.args.args
            found |= {
                call.args[0].value
                for call in ast.walk(node)
                if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id == argument.arg
                and len(call.args) == 1
                and isinstance(call.args[0], ast.Constant)
                and isinstance(call.args[0].value, str)
            }
    return found


def test_every_setting_that_a_message_names_is_an_option() -> None:
    options: set[str] = set()
    for command in (compare, eval, inspect, run):
        parser = argparse.ArgumentParser()
        command.add(parser)
        options |= {text for action in parser._actions for text in action.option_strings}
    named = named_settings()
    assert {"group_size", "damp_percent", "samples", "seq_len", "out", "restart"} <= named
    assert {option_of(setting) for setting in named} <= options


def test_no_file_but_the_commands_spells_an_option() -> None:
    # Fingerprints lie in the files of unfinished runs, whose names stay.
    allowed = {QUANTIZER / "cli.py", QUANTIZER / "errors.py", QUANTIZER / "run/fingerprint.py"}
    torchruns = {"--nproc-per-node", "--nnodes"}
    for path in QUANTIZER.rglob("*.py"):
        if path.parent.name == "commands" or path in allowed:
            continue
        spelled = [
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and any(
                word.startswith("--") and word[2:3].isalpha() and word not in torchruns
                for word in node.value.split()
            )
        ]
        assert spelled == [], path.relative_to(QUANTIZER)
