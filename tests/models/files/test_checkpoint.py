"""Model folders: what is written is read back, and damage is named."""

import json
import pickle
import re
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.errors import CheckpointError, ModelFolderError, ModelsError
from models.files.checkpoint import CheckpointReader, QuantizationConfig, ShardWriter


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "a.weight": torch.randn(4, 8, generator=generator),
        "b.weight": torch.randn(3, generator=generator).bfloat16(),
        "c.qweight": torch.arange(16, dtype=torch.int32).reshape(2, 8),
        "c.scales": torch.rand(2, 8, generator=generator).half() + 0.5,
    }


def write(folder: Path, max_shard_bytes: int = 10**6) -> Path:
    with ShardWriter(folder, max_shard_bytes) as writer:
        for name, tensor in tensors().items():
            writer.add(name, tensor)
    return folder


def one_line(error: pytest.ExceptionInfo[ModelsError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_one_shard_is_a_plain_safetensors_file(tmp_path: Path) -> None:
    write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors"]
    for name, tensor in load_file(tmp_path / "model.safetensors").items():
        assert torch.equal(tensor, tensors()[name])
    reader = CheckpointReader(tmp_path)
    assert set(reader.names()) == set(tensors())
    for name, tensor in tensors().items():
        assert name in reader
        assert reader.shape(name) == tuple(tensor.shape)
        assert reader.dtype(name) == tensor.dtype
        assert torch.equal(reader.read(name), tensor)


def test_several_shards_come_with_an_index_that_leads_to_every_tensor(tmp_path: Path) -> None:
    write(tmp_path, max_shard_bytes=140)  # a: 128 bytes, b: 6, c.qweight: 64, c.scales: 32
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 128 + 6 + 64 + 32
    assert index["weight_map"] == {
        "a.weight": "model-00001-of-00002.safetensors",
        "b.weight": "model-00001-of-00002.safetensors",
        "c.qweight": "model-00002-of-00002.safetensors",
        "c.scales": "model-00002-of-00002.safetensors",
    }
    reader = CheckpointReader(tmp_path)
    for name, tensor in tensors().items():
        assert torch.equal(reader.read(name), tensor)


def test_weights_are_as_readable_as_any_new_file(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "plain").touch()
    mode = (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "model.safetensors").stat().st_mode == mode


def test_a_second_write_replaces_the_files_of_the_first(tmp_path: Path) -> None:
    write(tmp_path, max_shard_bytes=140)
    write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_files_have_their_names_only_when_whole(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, max_shard_bytes=100)
    for name, tensor in tensors().items():
        writer.add(name, tensor)
    assert all(path.name.endswith(".part") for path in tmp_path.iterdir())
    assert list(tmp_path.iterdir()), "full shards are written before the end"
    writer.close()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with ShardWriter(tmp_path, max_shard_bytes=1) as writer:
            writer.add("a", torch.zeros(4))
            writer.add("b", torch.zeros(4))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


def test_tied_tensors_are_stored_apart(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    with ShardWriter(tmp_path) as writer:
        writer.add("a", shared)
        writer.add("b", shared[2:])
    assert torch.equal(CheckpointReader(tmp_path).read("b"), torch.tensor([2.0, 3.0, 4.0, 5.0]))


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path)
    writer.add("a", torch.zeros(1))
    with pytest.raises(CheckpointError, match="a was added twice"):
        writer.add("a", torch.zeros(1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_unsound_scales_are_refused_at_both_ends(tmp_path: Path, bad: float) -> None:
    scales = torch.tensor([1.0, bad]).half()
    with pytest.raises(CheckpointError, match=r"x\.scales holds a NaN or infinite scale"):
        ShardWriter(tmp_path).add("x.scales", scales)
    save_file({"x.scales": scales}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"x\.scales holds a NaN or infinite scale"):
        CheckpointReader(tmp_path).read("x.scales")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write(tmp_path, max_shard_bytes=140)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002\.safetensors is missing") as e:
        CheckpointReader(tmp_path)
    one_line(e)


def test_all_missing_shards_are_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, max_shard_bytes=60)
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 2
    for shard in shards[1:]:
        shard.unlink()
    names = ", ".join(shard.name for shard in shards[1:])
    lacking = f"lacks {len(shards) - 1} of {len(shards)} shards: copy {re.escape(names)}"
    with pytest.raises(CheckpointError, match=lacking) as e:
        CheckpointReader(tmp_path)
    one_line(e)


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_shard_cut_short_is_named(tmp_path: Path, keep: int) -> None:
    write(tmp_path, max_shard_bytes=140)
    shard = tmp_path / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002\.safetensors is cut") as e:
        CheckpointReader(tmp_path)
    one_line(e)


def test_a_damaged_header_is_named(tmp_path: Path) -> None:
    for header in (b"{broken", b'{"a": {"shape": 3}}', b"[1, 2]"):
        path = tmp_path / "model.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        with pytest.raises(CheckpointError, match=r"model\.safetensors .*damaged") as e:
            CheckpointReader(tmp_path)
        one_line(e)


def test_a_tensor_that_the_index_promises_but_the_shard_lacks_is_named(tmp_path: Path) -> None:
    write(tmp_path, max_shard_bytes=140)
    index = tmp_path / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["ghost"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="lacks the tensor ghost"):
        CheckpointReader(tmp_path)


@pytest.mark.parametrize("file", ["../secret.safetensors", "/etc/x.safetensors", 3])
def test_an_index_does_not_lead_out_of_its_folder(tmp_path: Path, file: object) -> None:
    index = {"weight_map": {"a": file}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="outside its folder"):
        CheckpointReader(tmp_path)


def test_a_shard_whose_name_no_file_can_have_is_refused_briefly(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "a" * 5000}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="no file can have that name") as refused:
        CheckpointReader(tmp_path)
    assert len(str(refused.value)) < 1000


def test_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelFolderError, match=r"pickles \(pytorch_model.bin\)"):
        CheckpointReader(tmp_path)
    index = {"weight_map": {"a": "pytorch_model.bin"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="is a pickle"):
        CheckpointReader(tmp_path)


def test_folders_without_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="neither model.safetensors nor"):
        CheckpointReader(tmp_path)
    with pytest.raises(ModelFolderError, match="is no folder"):
        CheckpointReader(tmp_path / "nowhere")


def test_an_unknown_tensor_is_named(tmp_path: Path) -> None:
    reader = CheckpointReader(write(tmp_path))
    with pytest.raises(CheckpointError, match="no tensor z"):
        reader.read("z")


def test_quantization_config_round_trip_has_the_ecosystems_fields() -> None:
    config = QuantizationConfig(
        bits=4,
        group_size=32,
        sym=True,
        damp_percent=0.05,
        method="rpiq",
        modules=(("self_attn.q_proj", "self_attn.k_proj"), ("mlp.down_proj",)),
        meta={"seed": 3},
    )
    values = json.loads(json.dumps(config.to_dict()))
    assert values["quant_method"] == "gptq"
    assert values["checkpoint_format"] == "gptq"
    assert values["desc_act"] is False and values["lm_head"] is False and values["sym"] is True
    assert values["modules_in_block_to_quantize"][1] == ["mlp.down_proj"]
    assert values["meta"]["damp_percent"] == 0.05 and values["meta"]["method"] == "rpiq"
    again = QuantizationConfig.from_dict(values)
    assert QuantizationConfig.from_dict(again.to_dict()) == again
    assert (again.group_size, again.method, again.modules) == (32, "rpiq", config.modules)
    assert again.meta["seed"] == 3


def test_a_published_quantize_config_is_read() -> None:
    config = QuantizationConfig.from_dict(
        {"bits": 4, "group_size": 128, "damp_percent": 0.01, "desc_act": False, "sym": True}
    )
    assert (config.bits, config.group_size, config.sym) == (4, 128, True)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "'awq'"),
        ({"bits": 4}, "group_size"),
        ({"bits": 5, "group_size": 128}, "5 bits"),
        ({"bits": 4, "group_size": -2}, "group size -2"),
        ({"bits": 2, "group_size": 64}, "2 bits"),
        ({"bits": 4, "group_size": 64, "dynamic": {"a": 5}}, "restore quantize_config.json"),
        ({"bits": 4, "group_size": 64, "checkpoint_format": "marlin"}, "'marlin'"),
    ],
)
def test_unreadable_quantization_configs_are_refused(values: dict[str, object], match: str) -> None:
    with pytest.raises(CheckpointError, match=match):
        QuantizationConfig.from_dict(values)


def test_a_digest_tells_models_apart_but_not_their_folders(tmp_path: Path) -> None:
    one = CheckpointReader(write(tmp_path / "one"))
    other = CheckpointReader(write(tmp_path / "other", max_shard_bytes=140))
    assert one.digest() == other.digest()
    changed = load_file(tmp_path / "one" / "model.safetensors")
    changed["b.weight"][0] += 1
    save_file(changed, tmp_path / "one" / "model.safetensors")
    assert CheckpointReader(tmp_path / "one").digest() != other.digest()


def test_a_pattern_that_is_no_pattern_is_named() -> None:
    config = QuantizationConfig.from_dict({"bits": 4, "group_size": 64, "dynamic": {"+:(": {}}})
    with pytest.raises(CheckpointError, match=r"'\(' in dynamic cannot be read"):
        config.layer("model.layers.0.mlp.up_proj")
