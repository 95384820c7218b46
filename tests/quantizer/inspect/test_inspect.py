"""`quantizer inspect` on sound folders, on every kind of damage, and on random damage."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.files.checkpoint import QuantizationConfig, ShardWriter
from models.files.formats import FORMATS
from models.int4 import QuantizedWeight
from quantizer.cli import main
from quantizer.inspect.folder import Inspection, inspect_folder, kind_of
from quantizer.solvers.grid import minmax_grid

UP = "model.layers.1.mlp.up_proj"
GROUP = 16


def quantized(weight: Tensor) -> QuantizedWeight:
    grid = minmax_grid(weight, bits=4, group_size=GROUP, sym=False)
    group = torch.arange(weight.shape[1]) // GROUP
    codes = (weight / grid.scale[:, group]).round() + grid.zero[:, group]
    return QuantizedWeight(codes.clamp(0, 15).to(torch.uint8), grid.scale, grid.zero.int(), GROUP)


def write(source: Path, target: Path, form_name: str) -> Path:
    """A quantized copy of a LLaMA folder, its head left alone."""
    form = FORMATS[form_name]
    target.mkdir()
    tensors = load_file(source / "model.safetensors")
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not name.endswith("_proj.weight"):
            stored[name] = tensor
            continue
        packed = form.pack(quantized(tensor.float()), sym=False)
        stored |= {f"{name.removesuffix('.weight')}.{part}": p for part, p in packed.items()}
    save_file(stored, target / "model.safetensors")
    values = form.config(QuantizationConfig(group_size=GROUP), unquantized=["lm_head"])
    raw = json.loads((source / "config.json").read_text()) | {"quantization_config": values}
    (target / "config.json").write_text(json.dumps(raw))
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
    for file in form.config_files:
        (target / file).write_text(json.dumps(values))
    return target


@pytest.fixture(scope="module")
def sound_folders(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sound")
    return {name: write(tiny_llama, root / name, name) for name in FORMATS}


@pytest.fixture
def folder(sound_folders: dict[str, Path], tmp_path: Path) -> Path:
    """A GPTQ folder that a test may damage."""
    return Path(shutil.copytree(sound_folders["gptq"], tmp_path / "checkpoint"))


@pytest.fixture
def compressed(sound_folders: dict[str, Path], tmp_path: Path) -> Path:
    """A compressed-tensors folder that a test may damage."""
    return Path(shutil.copytree(sound_folders["compressed-tensors"], tmp_path / "checkpoint"))


def change(folder: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file({n: t.contiguous() for n, t in tensors.items()}, folder / "model.safetensors")


def reconfigure(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the quantization config in both files."""
    raw = json.loads((folder / "config.json").read_text())
    edit(raw["quantization_config"])
    (folder / "config.json").write_text(json.dumps(raw))
    if (folder / "quantize_config.json").exists():
        (folder / "quantize_config.json").write_text(json.dumps(raw["quantization_config"]))


@pytest.mark.parametrize("name", FORMATS)
def test_a_sound_folder_is_described_and_nothing_is_suspicious(
    sound_folders: dict[str, Path], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sound_folders[name]
    reconfigured = inspect_folder(folder)
    # 2 key/value heads of 8 give 16 outputs; nothing of the tiny model is ragged.
    assert reconfigured.findings() == []
    assert main(["inspect", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{folder}: ") and "4 bits, groups of 16, asymmetric" in lines[0]
    assert sum("(2 layers)" in line for line in lines) == 7
    assert any(
        line.startswith("model.layers.*.mlp.up_proj (2 layers): 48 outputs") for line in lines
    )
    assert "Not quantized: lm_head" in lines
    assert lines[-1].startswith("Total: 14 quantized layers") and "nothing suspicious" in lines[-1]
    assert main(["inspect", str(folder), "--verbose"]) == 0
    assert sum("outputs by" in line for line in capsys.readouterr().out.splitlines()) == 14


@pytest.mark.parametrize("name", FORMATS)
def test_the_facts_of_a_layer_are_those_of_its_weight(
    sound_folders: dict[str, Path], tiny_llama: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    weight = quantized(load_file(tiny_llama / "model.safetensors")[f"{UP}.weight"].float())
    assert main(["inspect", str(sound_folders[name]), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (facts,) = [layer for layer in told["layers"] if layer["name"] == UP]
    assert (facts["shape"], facts["bits"], facts["group_size"]) == ([48, 32], 4, GROUP)
    assert facts["groups"] == "static"
    assert facts["zeros"] == [int(weight.zero.min()), int(weight.zero.max())]
    scales = weight.scale.flatten().tolist()
    assert facts["scales"][0] == min(scales) and facts["scales"][2] == max(scales)
    assert facts["scales"][1] == sorted(scales)[(len(scales) - 1) // 2]
    ends = [code in (0, 15) for code in weight.codes.flatten().tolist()]
    assert facts["at_ends"] == pytest.approx(sum(ends) / len(ends))
    packed = FORMATS[name].pack(weight, sym=False)
    assert facts["size_bytes"] == sum(t.numel() * t.element_size() for t in packed.values())
    assert told["form"] == ("GPTQ v1" if name == "gptq" else "compressed-tensors")
    assert (told["unquantized"], told["suspicious"]) == (["lm_head"], [])


def set_scale(value: float) -> Callable[[dict[str, Tensor]], object]:
    return lambda t: t[f"{UP}.scales"].__setitem__((0, 3), value)


def put(part: str, value: Tensor) -> Callable[[dict[str, Tensor]], object]:
    return lambda t: t.__setitem__(f"{UP}.{part}", value)


def drop(part: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda t: t.pop(f"{UP}.{part}")


def all_zero(tensors: dict[str, Tensor]) -> None:
    tensors[f"{UP}.qweight"].fill_(0x77777777)
    tensors[f"{UP}.qzeros"].fill_(0x66666666)


def saturate(tensors: dict[str, Tensor]) -> None:
    tensors[f"{UP}.qweight"][:2] = -1  # 16 of 32 codes of every row


DAMAGE: list[tuple[Callable[[dict[str, Tensor]], object], str]] = [
    (set_scale(float("nan")), f"{UP}: 1 scale is NaN"),
    (set_scale(float("inf")), f"{UP}: 1 scale is infinite"),
    (set_scale(0.0), f"{UP}: 1 scale is zero"),
    (set_scale(-0.5), f"{UP}: 1 scale is negative"),
    (set_scale(1e-6), f"{UP}: 1 scale is denormal"),
    (set_scale(5000.0), f"{UP}: 1 scale is more than 100 times the median (5e+03 against"),
    (put("scales", torch.ones(2, 48).int()), f"{UP}: scales are torch.int32"),
    (
        lambda t: t[f"{UP}.qzeros"].sub_((t[f"{UP}.qzeros"] & 15) + 1),
        "stored as -1, which spills into its neighbours",
    ),
    (put("qweight", torch.full((4, 48), 0x33333333).int()), f"{UP}: all codes are 3"),
    (all_zero, f"{UP}: every weight is zero"),
    (saturate, "of the codes are at the ends of the grid (saturated)"),
    (drop("qzeros"), f"{UP}: lacks qzeros"),
    (drop("scales"), f"{UP}: lacks scales"),
    (drop("qweight"), f"{UP}: lacks qweight"),
    (put("weight", torch.ones(48, 32)), f"{UP}: also has weight"),
    (put("g_idx", torch.zeros(32).int()), f"{UP}: g_idx does not put 16 inputs into each group"),
    (put("g_idx", torch.full((32,), 9).int()), f"{UP}: g_idx names groups that do not exist"),
    (put("qweight", torch.ones(4, 48).long()), f"{UP}: qweight is torch.int64, not int32"),
    (put("scales", torch.ones(4, 48).half()), f"{UP}: qzeros are (2, 6), scales (4, 48)"),
    (
        lambda t: (
            put("scales", torch.ones(4, 48).half())(t),
            put("qzeros", torch.ones(4, 6).int())(t),
        ),
        f"{UP}: scales have 4 groups, that is groups of 8, config says groups of 16",
    ),
    (put("qzeros", torch.ones(2, 12).int()), f"{UP}: shapes are those of 8 bits, config says 4"),
    (lambda t: t["model.norm.weight"].fill_(torch.inf), "model.norm.weight holds NaN or infinity"),
    (lambda t: t.pop("model.norm.weight"), "lacks 1 tensors of its model: model.norm.weight"),
    (
        lambda t: t.__setitem__("model.layers.7.extra", torch.ones(2)),
        "holds tensors that its model lacks: model.layers.7.extra",
    ),
]


@pytest.mark.parametrize(("edit", "message"), DAMAGE, ids=[message for _, message in DAMAGE])
def test_damage_is_named_and_the_rest_still_described(
    folder: Path,
    edit: Callable[[dict[str, Tensor]], object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(folder, edit)
    assert main(["inspect", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if line.startswith("Suspicious: ")]
    assert any(message in line for line in told), told
    assert "Total: 14 quantized layers" in lines[-1] and "suspicious" in lines[-1]
    assert main(["inspect", str(folder), "--json"]) == 1
    assert any(message in text for text in json.loads(capsys.readouterr().out)["findings"])


def test_what_layers_of_a_kind_share_is_told_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(tensors: dict[str, Tensor]) -> None:
        for block in (0, 1):
            tensors[f"model.layers.{block}.mlp.up_proj.scales"][0, 0] = torch.nan

    change(folder, spoil)
    shared = "Suspicious: model.layers.*.mlp.up_proj (2 layers): 1 scale is NaN"
    assert main(["inspect", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("Suspicious")] == [shared]
    assert "2 findings suspicious" in lines[-1]
    assert main(["inspect", str(folder), "--verbose"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"Suspicious: {UP}: 1 scale is NaN" in lines and shared not in lines


def test_the_scale_of_a_group_of_zeros_is_no_outlier(folder: Path) -> None:
    def empty_group(tensors: dict[str, Tensor]) -> None:
        tensors[f"{UP}.qweight"][:2, 0] = 0x88888888 - 2**32
        tensors[f"{UP}.qzeros"][0, 0] = (tensors[f"{UP}.qzeros"][0, 0] & ~15) | 7
        tensors[f"{UP}.scales"][0, 0] = 5000

    change(folder, empty_group)
    assert inspect_folder(folder).findings() == []


def test_act_order_is_a_fact_and_not_suspicious(folder: Path) -> None:
    change(folder, put("g_idx", (torch.arange(32) % 2).int()))
    found = inspect_folder(folder)
    assert found.findings() == []
    assert [layer.groups for layer in found.layers].count("act-order") == 1


CONFIGS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda c: c.update(group_size=8), f"{UP}: scales have 2 groups, that is groups of 16"),
    (lambda c: c.update(bits=8), f"{UP}: shapes are those of 4 bits, config says 8"),
    (lambda c: c.update(sym=True), "config says symmetric, that is 8"),
    (lambda c: c.update(bits=2), "config.json: 2 bits with group size 16 cannot be read"),
    (lambda c: c.pop("bits"), "config.json: the quantization config has no usable 'bits'"),
    (lambda c: c.update(dynamic={"(": {}}), "pattern '(' in dynamic cannot be read"),
    (
        lambda c: c.update(quant_method="compressed-tensors", format="pack-quantized"),
        "names no config_groups",
    ),
]


@pytest.mark.parametrize(("edit", "message"), CONFIGS, ids=[message for _, message in CONFIGS])
def test_a_config_that_does_not_fit_the_tensors_is_named(
    folder: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    reconfigure(folder, edit)
    found = inspect_folder(folder)
    assert any(message in text for text in found.findings()), found.findings()
    # Shapes tell the truth where the configuration does not.
    assert len(found.layers) == 14


def test_two_config_files_that_disagree_are_named(folder: Path) -> None:
    values = json.loads((folder / "quantize_config.json").read_text())
    (folder / "quantize_config.json").write_text(json.dumps(values | {"group_size": 64}))
    assert inspect_folder(folder).findings() == [
        "config.json says group_size 16, quantize_config.json says 64"
    ]
    (folder / "quantize_config.json").write_text("{")
    assert "quantize_config.json cannot be read" in inspect_folder(folder).findings()[0]


def test_a_missing_config_is_named_and_shapes_tell_the_rest(folder: Path) -> None:
    for name in ("config.json", "quantize_config.json"):
        (folder / name).unlink()
    found = inspect_folder(folder)
    assert "config.json is missing" in found.findings()[0]
    assert "told from shapes" in found.findings()[1] and len(found.findings()) == 2
    assert {(layer.bits, layer.group_size) for layer in found.layers} == {(4, GROUP)}
    assert "lm_head" in found.unquantized and "model.embed_tokens" in found.unquantized


def test_a_layer_left_out_is_named_unless_the_config_says_so(
    folder: Path, tiny_llama: Path
) -> None:
    dense = load_file(tiny_llama / "model.safetensors")[f"{UP}.weight"]

    def leave_out(tensors: dict[str, Tensor]) -> None:
        for part in ("qweight", "qzeros", "scales", "g_idx"):
            del tensors[f"{UP}.{part}"]
        tensors[f"{UP}.weight"] = dense

    change(folder, leave_out)
    assert inspect_folder(folder).findings() == [
        f"{UP} is not quantized, although 1 of its kind are"
    ]
    reconfigure(folder, lambda c: c.update(dynamic={r"-:.*1\.mlp\.up": {}}))
    assert inspect_folder(folder).findings() == []


COMPRESSED: list[tuple[Callable[[dict[str, Tensor]], object], str]] = [
    (drop("weight_scale"), f"{UP}: lacks weight_scale"),
    (drop("weight_zero_point"), f"{UP}: lacks weight_zero_point, config says asymmetric"),
    (drop("weight_shape"), f"{UP}: lacks weight_shape"),
    (put("weight_shape", torch.tensor([48, 99])), "weight_shape says (48, 99)"),
    (put("weight_shape", torch.tensor([48])), "no shape of a matrix"),
    (put("weight_zero_point", torch.zeros(6, 3).int()), "not int32 (6, 2)"),
    (put("weight_g_idx", torch.zeros(32).int()), f"{UP}: also has weight_g_idx"),
    (put("weight_scale", torch.full((48, 2), torch.nan)), f"{UP}: 96 scales are NaN"),
    (put("weight_packed", torch.zeros(48, 4).int()), f"{UP}: all codes are 0"),
]


@pytest.mark.parametrize(("edit", "message"), COMPRESSED, ids=[m for _, m in COMPRESSED])
def test_damage_of_a_compressed_folder_is_named(
    compressed: Path, edit: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    change(compressed, edit)
    findings = inspect_folder(compressed).findings()
    assert any(message in text for text in findings), findings


def test_an_unlisted_layer_is_named(compressed: Path) -> None:
    raw = json.loads((compressed / "config.json").read_text())
    raw["quantization_config"]["ignore"] = []
    (compressed / "config.json").write_text(json.dumps(raw))
    assert inspect_folder(compressed).findings() == [
        "lm_head is not quantized, and ignore of config.json does not name it"
    ]


def test_the_config_of_the_other_format_is_named(folder: Path) -> None:
    (folder / "quantize_config.json").unlink()
    values = FORMATS["compressed-tensors"].config(QuantizationConfig(group_size=GROUP))
    raw = json.loads((folder / "config.json").read_text()) | {"quantization_config": values}
    (folder / "config.json").write_text(json.dumps(raw))
    found = inspect_folder(folder).findings()
    assert found[0] == "tensors are stored as GPTQ v1, the configuration says compressed-tensors"


def test_shapes_that_some_loaders_refuse_are_named(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = quantized(torch.randn(24, 40, generator=generator))
    packed = FORMATS["gptq"].pack(weight, sym=False)
    save_file({f"a.0.b.{part}": t for part, t in packed.items()}, tmp_path / "model.safetensors")
    values = QuantizationConfig(group_size=GROUP).to_dict()
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": values}))
    assert inspect_folder(tmp_path).findings() == [
        "a.0.b: 24 outputs are no multiple of 16, which some loaders need",
        "a.0.b: the last group is short (40 inputs in groups of 16), which some loaders refuse",
    ]


def sharded(folder: Path) -> list[str]:
    """Split a folder's weights into several files with an index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    with ShardWriter(folder, max_shard_bytes=6000) as writer:
        for name, tensor in tensors.items():
            writer.add(name, tensor)
    return sorted(path.name for path in folder.glob("*.safetensors"))


def test_broken_and_missing_shards_are_named_and_the_others_described(folder: Path) -> None:
    files = sharded(folder)
    assert len(files) >= 4 and inspect_folder(folder).findings() == []
    (folder / files[0]).unlink()
    whole = (folder / files[1]).read_bytes()
    (folder / files[1]).write_bytes(whole[: len(whole) // 2])
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["ghost"] = files[2]
    forgotten = next(n for n, file in index["weight_map"].items() if file == files[2])
    del index["weight_map"][forgotten]
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = inspect_folder(folder)
    text = "\n".join(found.findings())
    assert f"{files[0]} is missing" in text
    assert f"{files[1]} is cut short" in text
    assert "promises tensors that no file has: ghost" in text
    assert f"does not know these tensors: {forgotten}" in text
    assert 0 < len(found.layers) <= 14


def test_an_index_that_cannot_be_read_is_named(folder: Path) -> None:
    sharded(folder)
    for text, message in (
        ("{", "index.json cannot be read"),
        ("{}", "has no weight_map"),
        ('{"weight_map": {"a": "../secret.safetensors"}}', "no safetensors files of the folder"),
    ):
        (folder / "model.safetensors.index.json").write_text(text)
        found = inspect_folder(folder)
        assert any(message in finding for finding in found.findings())
        assert len(found.layers) == 14


def test_unreadable_folders_are_one_line_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(folder: Path) -> str:
        assert main(["inspect", str(folder)]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and len(captured.err.splitlines()) == 1
        return captured.err

    assert "is no folder" in refused(tmp_path / "nowhere")
    assert "holds no safetensors file" in refused(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    assert "only as pickles (pytorch_model.bin)" in refused(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"short")
    assert "cut short" in refused(tmp_path)


def test_a_full_precision_folder_is_said_to_be_one(tiny_llama: Path) -> None:
    found = inspect_folder(tiny_llama)
    assert (found.form, found.layers) == (None, [])
    assert found.findings() == ["holds no quantized layer"]
    assert len(found.unquantized) == 15


def random_damage(rng: random.Random, tensors: dict[str, Tensor]) -> None:
    """Replace some tensors by ones of any shape and type, or drop them."""
    dtypes = [torch.int32, torch.int64, torch.float16, torch.float32, torch.int8, torch.bool]
    for name in rng.sample(sorted(tensors), 12):
        if rng.random() < 0.2:
            del tensors[name]
            continue
        old = tensors[name].shape
        choice = rng.random()
        shape: tuple[int, ...] = tuple(old)
        if choice < 0.3:
            shape = tuple(rng.choice((0, 1, 2, 3, 6, 48)) for _ in range(rng.randrange(4)))
        elif choice < 0.6:
            shape = tuple(max(1, size + rng.choice((-1, 0, 1, size))) for size in old)
        values = torch.randint(-(2**31), 2**31 - 1, shape)
        tensors[name] = values.to(rng.choice(dtypes))


@pytest.mark.parametrize("name", FORMATS)
def test_no_damage_stops_it(sound_folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    rng = random.Random(0)
    folder = Path(shutil.copytree(sound_folders[name], tmp_path / "checkpoint"))
    whole = load_file(folder / "model.safetensors")
    raw = json.loads((folder / "config.json").read_text())
    raw["architectures"], raw["model_type"] = [], "none"  # the model is not built each time
    for _ in range(30):
        tensors = {key: value.clone() for key, value in whole.items()}
        random_damage(rng, tensors)
        save_file(tensors, folder / "model.safetensors")
        values = dict(raw["quantization_config"])
        values[rng.choice(sorted(values))] = rng.choice((None, [], {}, "x", -5, 3.5, True))
        (folder / "config.json").write_text(json.dumps({**raw, "quantization_config": values}))
        found = inspect_folder(folder)
        assert isinstance(found, Inspection) and found.findings()
        assert all("\n" not in text for text in found.findings())
        json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.weights
def test_a_published_folder_without_its_shards(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = data_dir / "weights" / "gptq_ckpt_meta_qwen-vl-chat-int4"
    assert main(["inspect", str(published)]) == 2
    assert "model-00001-of-00005.safetensors is missing" in capsys.readouterr().err


def test_kinds_are_told_by_names_without_numbers() -> None:
    assert kind_of("model.layers.11.mlp.up_proj") == "model.layers.*.mlp.up_proj"
    assert kind_of("vision.fc1") == "vision.fc1"
