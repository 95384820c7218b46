"""Folders as training tools and other quantizers leave them: refused alike, and set right.

Oracle of a repair: the folder that was spoiled, tensor by tensor, and what Transformers computes.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from models.errors import ModelFolderError
from models.files.zero_labels import right_label
from models.loading import load_model
from quantizer.cli import main
from quantizer.library import quantize_model
from quantizer.solvers.methods import Settings

IDS = torch.tensor([[1, 5, 9, 33]])
RTN = Settings(method="rtn", group_size=16)
Spoil = Callable[[Path], object]


@pytest.fixture
def plain(tiny_llama: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "plain"))
    (folder / "notes.bin").unlink()  # which is taken for a pickle where no other weights are
    return folder


@pytest.fixture(scope="module")
def sound_int4(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("repair") / "int4"
    quantize_model(tiny_llama, None, RTN, out=out)
    return out


@pytest.fixture
def int4(sound_int4: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound_int4, tmp_path / "int4"))


@pytest.fixture
def wide_int4(make_llama: Callable[..., Path], tmp_path: Path) -> Path:
    """Of a width that GGUF has blocks for."""
    source = make_llama(tmp_path / "wide", 64, 96, 2)
    quantize_model(source, None, Settings(method="rtn", group_size=32), out=tmp_path / "wide4")
    return tmp_path / "wide4"


def rename(change: Callable[[str], str]) -> Spoil:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        save_file({change(n): t for n, t in tensors.items()}, folder / "model.safetensors")

    return spoil


def into_shards(folder: Path) -> None:
    """Three shards, as a download without the index leaves them."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    for number in range(3):
        part = {name: tensors[name] for name in list(tensors)[number::3]}
        save_file(part, folder / f"model-0000{number + 1}-of-00003.safetensors")


def with_a_wrong_index(folder: Path) -> None:
    into_shards(folder)
    index = {"weight_map": {"lm_head.weight": "model-00001-of-00003.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def under_another_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights.safetensors")


def relabel(folder: Path, label: str) -> None:
    for path in (folder / "config.json", folder / "quantize_config.json"):
        values = json.loads(path.read_text())
        values.get("quantization_config", values)["checkpoint_format"] = label
        path.write_text(json.dumps(values))


def said(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """What a command that must refuse says; exactly one line."""
    assert main([str(word) for word in argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def tensors_of(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for file in folder.glob("*.safetensors"):
        found |= load_file(file)
    return found


NAMES: dict[str, Spoil] = {
    "torch.compile": rename(lambda name: f"_orig_mod.{name}"),
    "data parallel": rename(lambda name: f"module.{name}"),
    "both": rename(lambda name: f"module._orig_mod.{name}"),
    "compiled layers": rename(lambda name: name.replace(".self_attn.", "._orig_mod.self_attn.")),
    "sharded layers": rename(lambda name: name.replace("mlp.", "_fsdp_wrapped_module.mlp.")),
    "peft": rename(lambda name: f"base_model.model.{name}"),
    "out of a larger model": rename(lambda name: f"language_model.{name}"),
    "without the model": rename(lambda name: name.removeprefix("model.")),
}
FILES: dict[str, Spoil] = {
    "shards": into_shards,
    "index": with_a_wrong_index,
    "name": under_another_name,
}


@pytest.mark.parametrize("kind", [*NAMES, *FILES])
def test_what_was_spoiled_is_refused_by_all_and_set_right(
    kind: str,
    plain: Path,
    tiny_llama: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (NAMES | FILES)[kind](plain)
    before = content(plain)
    words = ["run", plain, "--out", tmp_path / "out", "--method", "rtn", "--group-size", 16]
    told = said(capsys, *words)
    assert said(capsys, "eval", plain, "--task", "perplexity", "--data", text_file) == told
    assert "index" in kind or "quantizer repair" in told
    assert not (tmp_path / "out").exists()
    assert main(["inspect", str(plain)]) == 1
    assert kind == "index" or "quantizer repair" in capsys.readouterr().out

    assert main(["repair", str(plain), str(tmp_path / "whole")]) == 0
    assert "still suspicious" not in capsys.readouterr().out
    assert content(plain) == before
    expected = load_file(tiny_llama / "model.safetensors")
    written = tensors_of(tmp_path / "whole")
    assert set(written) == set(expected)
    assert all(torch.equal(written[name], expected[name]) for name in expected)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "whole", dtype=torch.float32)
    whole = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    assert torch.equal(model(input_ids=IDS).logits, whole(input_ids=IDS).logits)
    assert main([str(word) for word in (words[0], tmp_path / "whole", *words[2:])]) == 0


def test_a_stored_head_is_no_longer_said_to_be_tied(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((plain / "config.json").read_text())
    (plain / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    assert main(["repair", str(plain), str(tmp_path / "whole"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["done"]) == 1 and "tie_word_embeddings" in told["done"][0]
    repaired = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert repaired == config


@pytest.mark.parametrize("stored", ["gptq", "gptq_v2"])
def test_a_wrong_version_of_zero_points_is_noticed_by_the_codes(
    stored: str,
    int4: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = IDS.tolist()
    expected = load_model(int4, dtype=torch.float32).model(input_ids=IDS, use_cache=False).logits
    if stored == "gptq_v2":
        tensors = load_file(int4 / "model.safetensors")
        for name in tensors:
            if name.endswith(".qzeros"):  # no zero-point is 15, so no field overflows
                tensors[name] += 0x11111111
        save_file(tensors, int4 / "model.safetensors")
    other = {"gptq": "gptq_v2", "gptq_v2": "gptq"}[stored]
    relabel(int4, other)
    told = said(capsys, "eval", int4, "--task", "perplexity", "--data", text_file)
    assert f"stored as checkpoint_format {stored} has them but labelled {other}" in told
    assert main(["inspect", str(int4)]) == 1
    assert f"labelled {other}" in capsys.readouterr().out

    assert main(["repair", str(int4), str(tmp_path / "whole")]) == 0
    model = load_model(tmp_path / "whole", dtype=torch.float32).model
    assert torch.equal(model(input_ids=torch.tensor(ids), use_cache=False).logits, expected)
    for file in ("config.json", "quantize_config.json"):
        values = json.loads((tmp_path / "whole" / file).read_text())
        assert values.get("quantization_config", values)["checkpoint_format"] == stored


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("stale", ["config.json", "quantize_config.json"])
def test_a_label_that_is_wrong_in_one_file_alone(
    stale: str, named: bool, int4: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = content(int4)
    relabel(int4, "gptq_v2")
    if not named:  # a configuration without the label means the first version
        for path in (int4 / "config.json", int4 / "quantize_config.json"):
            values = json.loads(sound[path.name])
            del values.get("quantization_config", values)["checkpoint_format"]
            sound[path.name] = json.dumps(values).encode()
    other = {"config.json": "quantize_config.json", "quantize_config.json": "config.json"}[stale]
    (int4 / other).write_bytes(sound[other])
    assert main(["inspect", str(int4)]) == 1
    assert "labelled gptq_v2: by the label" in " ".join(capsys.readouterr().out.split())
    assert main(["repair", str(int4), str(tmp_path / "whole"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (done,) = told["done"]
    whose = " of quantize_config.json" if stale == "quantize_config.json" else ""
    assert done == f"checkpoint_format{whose} is gptq, in which the zero-points are stored"
    assert told["left"] == []
    values = json.loads((tmp_path / "whole" / stale).read_text())
    assert values.get("quantization_config", values)["checkpoint_format"] == "gptq"
    if stale == "quantize_config.json":
        assert json.loads((tmp_path / "whole" / other).read_text()) == json.loads(sound[other])
    assert (tmp_path / "whole" / "model.safetensors").read_bytes() == sound["model.safetensors"]


@pytest.mark.parametrize(
    ("offsets", "zero_offset", "found"),
    [
        ([0.1, -0.1, 0.0, 0.05], 1, None),
        ([-1.1, -0.9, -1.0, -1.05], 1, "gptq_v2"),
        ([-1.1, -0.9, -1.0, -1.05], 0, None),  # beside nought, and not by the label
        ([1.1, 0.9, 1.0, 1.05], 0, "gptq"),
        ([1.1, 0.9, 1.0, 0.1], 0, None),
        ([1.0, 1.0, 1.0], 0, None),  # too few layers to tell
        ([0.5, 0.5, 0.5, 0.5], 0, None),
    ],
)
def test_only_a_whole_step_in_every_layer_tells(
    offsets: list[float], zero_offset: int, found: str | None
) -> None:
    assert right_label(offsets, zero_offset) == found


def test_what_is_right_is_left_alone(
    plain: Path, int4: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (plain, int4):
        assert main(["repair", str(folder), str(tmp_path / "whole")]) == 0
        assert "nothing to repair" in capsys.readouterr().out
        assert not (tmp_path / "whole").exists()


def lost_shard(folder: Path) -> None:
    into_shards(folder)
    (folder / "model-00002-of-00003.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lost_shard, "and shards are missing too: copy the folder again"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds neither"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 30),
            "model.safetensors",
        ),
    ],
)
def test_what_is_lost_cannot_be_repaired(
    spoil: Spoil, words: str, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(plain)
    assert words in said(capsys, "repair", plain, tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


@pytest.mark.parametrize("indexed", [True, False])
def test_no_set_of_weights_is_left_out_of_a_copy(
    indexed: bool, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = load_file(plain / "model.safetensors")
    (with_a_wrong_index if indexed else into_shards)(plain)
    tuned = {name: tensor + 1 for name, tensor in tensors.items()}
    save_file(tuned, plain / ("model.safetensors" if indexed else "tuned.safetensors"))
    told = said(capsys, "repair", plain, tmp_path / "whole")
    assert "two sets of weights" in told
    if not indexed:
        save_file({"lm_head.bias": torch.ones(3)}, plain / "tuned.safetensors")
        told = said(capsys, "repair", plain, tmp_path / "whole")
        assert "tuned.safetensors beside its shards" in told
    assert not (tmp_path / "whole").exists()


def test_the_copy_lies_elsewhere(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    NAMES["peft"](plain)
    before = content(plain)
    for out in (plain, plain / "whole"):
        assert "lies in the folder" in said(capsys, "repair", plain, out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    assert "is not ours" in said(capsys, "repair", plain, tmp_path / "full")
    assert content(plain) == before


def configure(folder: Path, file: str, **values: Any) -> None:
    path = folder / file
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | values))


FUNCTIONS: dict[str, Any] = {
    "transform_config": {"config_groups": {"R1": {"type": "hadamard"}}},
    "rotation": "hadamard",
    "adapter": {"path": "eora", "rank": 64},
}


@pytest.mark.parametrize("field", FUNCTIONS)
@pytest.mark.parametrize("where", ["config.json", "quantization_config", "quantize_config.json"])
def test_settings_that_change_the_function_are_refused(
    field: str, where: str, int4: Path, text_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((int4 / "config.json").read_text())
    inline = config["quantization_config"]
    if where == "config.json":
        configure(int4, where, **{field: FUNCTIONS[field]})
    elif where == "quantization_config":
        configure(int4, "config.json", quantization_config=inline | {field: FUNCTIONS[field]})
    else:
        (int4 / "config.json").write_text(
            json.dumps({k: v for k, v in config.items() if k != "quantization_config"})
        )
        configure(int4, where, **{field: FUNCTIONS[field]})
    told = said(capsys, "eval", int4, "--task", "perplexity", "--data", text_file)
    assert field in told and "not computed here" in told
    assert main(["inspect", str(int4)]) == 1
    assert f"{field} " in capsys.readouterr().out


def test_a_setting_in_the_file_that_others_read_first_is_seen(int4: Path) -> None:
    configure(int4, "quantize_config.json", adapter={"path": "eora", "rank": 64})
    with pytest.raises(ModelFolderError, match=r"quantize_config.json: adapter .*not computed"):
        load_model(int4)


@pytest.mark.parametrize("kind", ["label", "rotation", "unknown tensor"])
def test_what_eval_refuses_is_not_exported(
    kind: str, wide_int4: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "label":
        relabel(wide_int4, "gptq_v2")
    elif kind == "rotation":
        configure(wide_int4, "config.json", rotation="hadamard")
    else:
        tensors = load_file(wide_int4 / "model.safetensors")
        save_file(tensors | {"model.x": torch.ones(1)}, wide_int4 / "model.safetensors")
    told = said(capsys, "eval", wide_int4, "--task", "perplexity", "--data", text_file)
    assert said(capsys, "export", wide_int4, tmp_path / "out.gguf") == told
    assert not (tmp_path / "out.gguf").exists()


def test_settings_that_change_nothing_are_no_reason(int4: Path) -> None:
    configure(int4, "config.json", transform_config={}, rotation=None, adapter=None)
    load_model(int4)


def test_a_folder_of_autoround_is_read(int4: Path) -> None:
    expected = load_model(int4, dtype=torch.float32).model(input_ids=IDS, use_cache=False).logits
    (int4 / "quantize_config.json").unlink()
    values = {
        "quant_method": "auto-round", "packing_format": "auto_round:auto_gptq", "bits": 4,
        "group_size": 16, "sym": False, "data_type": "int", "autoround_version": "0.16.0",
        "extra_config": {"lm_head": {"bits": 16, "data_type": "float"}},
    }  # fmt: skip
    configure(int4, "config.json", quantization_config=values)
    model = load_model(int4, dtype=torch.float32).model
    assert torch.equal(model(input_ids=IDS, use_cache=False).logits, expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"packing_format": "auto_round:auto_awq"}, "packing_format 'auto_round:auto_awq'"),
        ({"act_bits": 8}, "act_bits 8"),
        ({"data_type": "mx_fp"}, "data_type 'mx_fp'"),
        ({"extra_config": [1]}, "extra_config"),
    ],
)
def test_what_autoround_packs_otherwise_is_refused(
    changes: dict[str, Any],
    words: str,
    int4: Path,
    text_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = {
        "quant_method": "intel/auto-round", "packing_format": "auto_round:auto_gptq", "bits": 4,
        "group_size": 16, "sym": False, "data_type": "int",
    }  # fmt: skip
    configure(int4, "config.json", quantization_config=values | changes)
    assert words in said(capsys, "eval", int4, "--task", "perplexity", "--data", text_file)
