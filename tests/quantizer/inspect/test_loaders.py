"""Who loads a folder: the rules hold together, and say what the loader that is here does."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from models.files.bounded import read_toml
from models.files.checkpoint import read_config
from quantizer.cli import main
from quantizer.importing.folder import import_gguf
from quantizer.inspect.folder import inspect_folder
from quantizer.inspect.loaders import (
    CONDITIONS,
    RULES_FILE,
    VERDICTS,
    LoaderVerdict,
    loader_verdicts,
)
from quantizer.library import quantize_model
from quantizer.solvers.methods import Settings
from tests.models.gguf_made import tiny, write_gguf

LOADERS = ("Transformers", "GPTQModel", "vLLM", "SGLang", "ExLlamaV2", "llama.cpp")


def verdicts(folder: Path) -> dict[str, LoaderVerdict]:
    found = loader_verdicts(inspect_folder(folder), read_config(folder / "config.json"))
    return {verdict.loader: verdict for verdict in found}


def made(source: Path, out: Path, form: str = "gptq", **settings: Any) -> Path:
    settings = {"method": "rtn", "group_size": 16} | settings
    quantize_model(source, None, Settings(**settings), out=out, form=form)
    return out


def test_every_rule_is_whole_and_has_its_sources() -> None:
    loaders = read_toml(RULES_FILE)["loader"]
    assert tuple(loader["name"] for loader in loaders) == LOADERS
    for loader in loaders:
        assert loader["sources"] and all(source for source in loader["sources"])
        for rule in loader["rules"]:
            assert set(rule) <= {"when", "verdict", "text", "mend", "tried"}
            assert rule["verdict"] in VERDICTS
            assert set(rule.get("when", {})) <= set(CONDITIONS)
            assert rule["text"] or rule["verdict"] == "yes"


def test_a_plain_folder_loads_in_transformers_as_is_said(tiny_llama: Path) -> None:
    assert verdicts(tiny_llama)["Transformers"].verdict == "yes"
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    assert bool(torch.isfinite(model(input_ids=torch.tensor([[1, 5]])).logits).all())


@pytest.mark.parametrize(
    ("form", "package"), [("gptq", "optimum"), ("compressed-tensors", "compressed_tensors")]
)
def test_what_transformers_asks_for_is_what_is_said(
    form: str, package: str, tiny_llama: Path, tmp_path: Path
) -> None:
    folder = made(tiny_llama, tmp_path / "out", form)
    verdict = verdicts(folder)["Transformers"]
    name = package.replace("_", "-")
    assert verdict.verdict == "yes" and f"{name}" in verdict.text
    if importlib.util.find_spec(package) is None:
        with pytest.raises(ImportError, match=name):
            AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize(
    ("form", "settings", "expected"),
    [
        ("gptq", {}, "yes yes no yes yes no"),
        ("gptq", {"group_size": 32}, "yes yes no yes yes no"),
        ("gptq", {"group_size": 32, "sym": True}, "yes yes yes yes yes no"),
        ("gptq", {"sym": True}, "yes yes no no yes no"),  # groups of 16
        ("gptq", {"bits": 8}, "yes yes no yes no no"),
        ("gptq", {"bits": 3, "group_size": 32}, "yes yes no yes no no"),
        ("gptq", {"bits": 3, "group_size": 32, "sym": True}, "yes yes no yes no no"),
        ("compressed-tensors", {"group_size": 16}, "yes no no unknown no no"),
    ],
)
def test_settings_decide(
    form: str,
    settings: dict[str, Any],
    expected: str,
    tiny_llama: Path,
    make_llama: Callable[..., Path],
    tmp_path: Path,
) -> None:
    source = tiny_llama
    if settings.get("bits") == 3:  # which fill whole words by the 32
        source = make_llama(tmp_path / "of-32s", 64, 96, 1)
    elif settings.get("group_size") == 32:  # down_proj has 48 inputs, which would be ragged
        source = Path(shutil.copytree(tiny_llama, tmp_path / "wide"))
        config = json.loads((source / "config.json").read_text())
        (source / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
        tensors = load_file(source / "model.safetensors")
        for name, tensor in tensors.items():
            if ".mlp." in name:
                pad = (0, 16) if "down_proj" in name else (0, 0, 0, 16)
                tensors[name] = torch.nn.functional.pad(tensor, pad).contiguous()
        save_file(tensors, source / "model.safetensors")
    found = verdicts(made(source, tmp_path / "out", form, **settings))
    assert " ".join(found[name].verdict for name in LOADERS) == expected
    mends = {name: verdict.mend for name, verdict in found.items() if verdict.verdict == "no"}
    if "vLLM" in mends:
        assert mends["vLLM"].startswith("--")


@pytest.fixture
def by_the_32(tmp_path: Path) -> Path:
    """A LLaMA that GGUF has blocks for, with a tokenizer that it carries."""
    file = write_gguf(tmp_path / "source.gguf", tiny("llama", tied=True))
    import_gguf(file, tmp_path / "source")
    return tmp_path / "source"


def test_a_gguf_file_is_what_llama_cpp_takes(
    by_the_32: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = by_the_32
    plain, packed = source, made(source, tmp_path / "packed", group_size=32)
    for folder in (plain, packed):
        found = verdicts(folder)["llama.cpp"]
        assert found.verdict == "no" and found.mend.startswith("quantizer export")
        assert main(["export", str(folder), str(tmp_path / f"{folder.name}-out.gguf")]) == 0
    wide = made(source, tmp_path / "wide", group_size=32, bits=8)  # which GGUF has no blocks for
    assert "export" not in verdicts(wide)["llama.cpp"].mend
    capsys.readouterr()
    words = ["--method", "rtn", "--group-size", "32", "--format", "gguf"]
    assert main(["run", str(source), "--out", str(tmp_path / "both"), *words]) == 0
    told = capsys.readouterr().out
    assert "llama.cpp" in next(line for line in told.splitlines() if "loads in" in line)
    assert verdicts(tmp_path / "both")["llama.cpp"].verdict == "yes"


def wrapped(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    named = {f"_orig_mod.{name}": tensor for name, tensor in tensors.items()}
    save_file(named, folder / "model.safetensors")


def under_another_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights.safetensors")


@pytest.mark.parametrize(
    ("spoil", "losing"),
    [
        (wrapped, {"Transformers", "vLLM", "SGLang", "ExLlamaV2"}),
        (under_another_name, {"Transformers"}),
    ],
)
def test_what_repair_mends_is_not_said_to_load(
    spoil: Callable[[Path], None], losing: set[str], tiny_llama: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    (folder / "notes.bin").unlink(missing_ok=True)
    spoil(folder)
    found = verdicts(folder)
    assert {name for name in found if found[name].mend == "quantizer repair"} == losing
    assert all(found[name].verdict == "no" for name in losing)
    if spoil is under_another_name:
        with pytest.raises(OSError, match="model.safetensors"):
            AutoModelForCausalLM.from_pretrained(folder)


def test_a_head_of_8_bits_is_what_stands_against_exllama(by_the_32: Path, tmp_path: Path) -> None:
    words = ["--method", "rtn", "--group-size", "32", "--head-bits", "8"]
    assert main(["run", str(by_the_32), "--out", str(tmp_path / "out"), *words]) == 0
    assert "leaving out --head-bits" in verdicts(tmp_path / "out")["ExLlamaV2"].mend


def test_a_folder_of_autoround_needs_its_package(tiny_llama: Path, tmp_path: Path) -> None:
    folder = made(tiny_llama, tmp_path / "out")
    config = json.loads((folder / "config.json").read_text())
    packing = {"quant_method": "auto-round", "packing_format": "auto_round:auto_gptq"}
    values = {"bits": 4, "group_size": 16, "sym": False, "data_type": "int"}
    written = config | {"quantization_config": packing | values}
    (folder / "config.json").write_text(json.dumps(written))
    (folder / "quantize_config.json").unlink()
    found = verdicts(folder)
    assert "auto-round" in found["Transformers"].text and not found["Transformers"].tried
    assert found["GPTQModel"].verdict == "no" and "auto_gptq" in found["GPTQModel"].mend


def test_a_short_last_group_is_read_by_none(tiny_llama: Path, tmp_path: Path) -> None:
    found = verdicts(made(tiny_llama, tmp_path / "out", group_size=32))
    assert {verdict.verdict for verdict in found.values()} == {"no"}
    assert "--group-size" in found["GPTQModel"].mend


def test_run_and_inspect_say_it(
    tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["run", str(tiny_llama), "--out", str(out), "--method", "rtn", "--group-size", "16"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "loads in Transformers, GPTQModel" in told
    assert "not in vLLM: it reads GPTQ with symmetric layers alone; mended by" in told
    report = json.loads((out / "report.json").read_text())
    assert [one["loader"] for one in report["loaders"]] == list(LOADERS)
    assert "## Who loads it" in (out / "report.md").read_text()
    assert main(["inspect", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "vLLM does not load it: it reads GPTQ with symmetric layers alone; mended by" in shown
    assert main(["inspect", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loaders"] == report["loaders"]


def tiny_weights(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.layers.0.self_attn.q_proj.weight"] *= 1e-6


def one_outlier(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.layers.0.self_attn.q_proj.weight"][3, 5] = 3e4


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(tiny_weights, "scales are denormal"), (one_outlier, "more than 100 times the median")],
)
def test_what_inspect_finds_in_a_result_the_run_warned_of(
    spoil: Any,
    words: str,
    tiny_llama: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    tensors = load_file(source / "model.safetensors")
    spoil(tensors)
    save_file(tensors, source / "model.safetensors")
    out = made(source, tmp_path / "out")
    found = inspect_folder(out).findings()
    assert any(words in text for text in found)
    report = json.loads((out / "report.json").read_text())
    assert set(found) <= set(report["warnings"])
    assert set(found) <= {record.getMessage() for record in caplog.records}
