"""Exported files against llama.cpp's Python package, Transformers' reader, and the import."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.torch import load_file, save_file

from models.loading import load_model
from quantizer.cli import main
from quantizer.importing.folder import import_gguf
from tests.models.gguf_made import TEMPLATE, for_llama_cpp, gguf_name, tiny, write_gguf

IDS = torch.tensor([[5, 70, 200, 33, 260, 9, 9, 120]])


KINDS = (("llama", "llama", True), ("qwen2", "qwen2", False), ("qwen3", "qwen3", False))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Full-precision folders, and of the LLaMA a quantized one; its group size in the name."""
    made = tmp_path_factory.mktemp("sources")
    for name, architecture, tied in KINDS:
        model = tiny(architecture, tied=tied)
        import_gguf(write_gguf(made / f"{name}.gguf", model), made / name)
        for group_size in (32, 128) if tied else (32,):
            options = ["--method", "rtn", "--group-size", str(group_size)]
            out = made / f"{name}-{group_size}"
            assert main(["run", str(made / name), "--out", str(out), *options]) == 0
    return {path.name: path for path in made.iterdir() if path.is_dir()}


def exported(folder: Path, path: Path, *options: str) -> GGUFReader:
    assert main(["export", str(folder), str(path), *options]) == 0
    return GGUFReader(path)


def values_of(reader: GGUFReader) -> dict[str, Any]:
    """Every tensor as numbers, by the package alone."""
    return {one.name: dequantize(one.data, one.tensor_type) for one in reader.tensors}


def meant(folder: Path) -> dict[str, Any]:
    """The tensors of a folder by llama.cpp's names, and its rows by a loop of the tests' own."""
    config = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    found = {}
    for name, tensor in tensors.items():
        stem, _, part = name.rpartition(".")
        if part == "qweight":
            parts = (tensors[f"{stem}.{other}"].numpy() for other in ("qzeros", "scales"))
            values = from_words(tensor.numpy(), *parts)
        elif part in ("weight", "bias"):
            values = tensor.float().numpy()
        else:
            continue
        if config["model_type"] == "llama" and stem.endswith(("q_proj", "k_proj")):
            heads = "num_attention_heads" if "q_proj" in stem else "num_key_value_heads"
            values = for_llama_cpp(values, config[heads])
        found[gguf_name(f"{stem}.{'bias' if part == 'bias' else 'weight'}")] = values
    return found


def from_words(qweight: Any, qzeros: Any, scales: Any) -> Any:
    """A layer of GPTQ v1 by the table of its format, (out, in)."""
    places = 4 * np.arange(8)
    codes = (qweight[:, None, :] >> places[None, :, None] & 15).reshape(-1, qweight.shape[1])
    zeros = (qzeros[:, :, None] >> places & 15).reshape(len(qzeros), -1) + 1
    group_size = len(codes) // len(zeros)
    wide = (one.astype(np.float32).repeat(group_size, axis=0) for one in (zeros, scales))
    zero, scale = wide
    return ((codes - zero) * scale).T


@pytest.mark.parametrize("name", ["llama-32", "llama-128", "qwen2-32", "qwen3-32"])
def test_every_tensor_is_that_of_the_folder(
    name: str, sources: dict[str, Path], tmp_path: Path
) -> None:
    reader = exported(sources[name], tmp_path / "out.gguf")
    found, wanted = values_of(reader), meant(sources[name])
    assert found.keys() == wanted.keys()
    kinds = {one.name: one.tensor_type.name for one in reader.tensors}
    for tensor, values in wanted.items():
        assert found[tensor].shape == values.shape
        if kinds[tensor] == "Q4_1":
            # Half a step of float16 in the minimum, of 15 steps of the grid at most.
            step = np.abs(values).max() / 7
            assert np.abs(found[tensor] - values).max() <= 15 * step * 2**-11
        elif kinds[tensor] == "F16":
            assert np.array_equal(found[tensor], values.astype(np.float16))
        else:
            assert kinds[tensor] == "F32" and np.array_equal(found[tensor], values)
    blocks = [tensor for tensor, kind in kinds.items() if kind == "Q4_1"]
    assert len(blocks) == 14 and all(tensor.startswith("blk.") for tensor in blocks)


@pytest.mark.parametrize("name", ["llama-32", "qwen2-32", "qwen3-32"])
def test_the_file_becomes_the_same_folder_again(
    name: str, sources: dict[str, Path], tmp_path: Path
) -> None:
    exported(sources[name], tmp_path / "out.gguf")
    import_gguf(tmp_path / "out.gguf", tmp_path / "back", dtype=torch.float32)
    before = load_model(sources[name], dtype=torch.float32)
    after = load_model(tmp_path / "back", dtype=torch.float32)
    with torch.inference_mode():
        wanted, found = (one.model(input_ids=IDS).logits for one in (before, after))
    assert float((wanted - found).abs().max()) <= 0.01 * float(wanted.abs().max())
    old, new = (
        json.loads((folder / "config.json").read_text())
        for folder in (sources[name], tmp_path / "back")
    )
    for config in (old, new):
        config.pop("quantization_config", None)
        config.pop("dtype")
    assert new == old
    for file in ("tokenizer_config.json", "generation_config.json", "chat_template.jinja"):
        assert (tmp_path / "back" / file).read_text() == (sources[name] / file).read_text()
    for text in ("the other thing in 1984", " a  café\n\t naïve 🙂<|im_end|>there"):
        assert after.tokenizer.encode(text).ids == before.tokenizer.encode(text).ids
    assert "license: apache-2.0" in (tmp_path / "back" / "README.md").read_text()


def test_transformers_own_reader_loads_it(sources: dict[str, Path], tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    exported(sources["llama-128"], tmp_path / "out.gguf")
    parsed = load_gguf_checkpoint(str(tmp_path / "out.gguf"))
    theirs = LlamaForCausalLM(LlamaConfig(**parsed["config"])).eval()
    path = str(tmp_path / "out.gguf")
    parsed = load_gguf_checkpoint(path, return_tensors=True, model_to_load=theirs)
    theirs.load_state_dict(parsed["tensors"], strict=False)
    theirs.tie_weights()
    ours = load_model(sources["llama-128"], dtype=torch.float32).model
    with torch.inference_mode():
        wanted, found = ours(input_ids=IDS).logits, theirs(input_ids=IDS).logits
    assert float((wanted - found).abs().max()) <= 0.01 * float(wanted.abs().max())


def test_the_fields_are_those_that_llama_cpp_asks_for(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    fields = {
        name: field.contents()
        for name, field in exported(sources["llama-32"], tmp_path / "Tiny.gguf").fields.items()
    }
    wanted = {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "general.file_type": 3,
        "general.license": "apache-2.0",
        "llama.vocab_size": 300,
        "llama.context_length": 4096,
        "llama.attention.head_count_kv": 2,
        "llama.attention.key_length": 64,
        "llama.rope.dimension_count": 64,
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }
    assert {name: fields.get(name) for name in wanted} == wanted
    assert fields["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)
    assert len(fields["tokenizer.ggml.tokens"]) == len(fields["tokenizer.ggml.token_type"]) == 300
    assert fields["tokenizer.ggml.merges"][:2] == ["t h", "th e"]


@pytest.mark.parametrize(("bits", "kind", "steps"), [(8, "Q8_0", 255), (4, "Q4_1", 15)])
def test_embedding_and_head_in_fewer_bits(
    bits: int,
    kind: str,
    steps: int,
    sources: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = sources["qwen3-32"]
    capsys.readouterr()
    assert main(["export", str(folder), str(tmp_path / "whole.gguf"), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    asked = ["--embedding-bits", str(bits), "--json"]
    assert main(["export", str(folder), str(tmp_path / "small.gguf"), *asked]) == 0
    small = json.loads(capsys.readouterr().out)
    reader = GGUFReader(tmp_path / "small.gguf")
    kinds = {one.name: one.tensor_type.name for one in reader.tensors}
    assert kinds["token_embd.weight"] == kinds["output.weight"] == kind
    found, wanted = values_of(reader), meant(folder)
    for name in ("token_embd.weight", "output.weight"):
        blocks = wanted[name].reshape(-1, 32)
        low, high = blocks.min(1).clip(max=0), blocks.max(1).clip(min=0)
        span = 2 * np.maximum(high, -low) if bits == 8 else high - low
        # Zero-points are whole numbers and scales and minima float16: half a step, and that.
        allowed = span[:, None] / steps * 1.1
        assert (np.abs(found[name].reshape(-1, 32) - blocks) <= allowed).all()
    ratio = {8: 34 / 64, 4: 20 / 64}[bits]
    for part in ("embedding", "head"):
        assert small["part_bytes"][part] == whole["part_bytes"][part] * ratio
    assert small["part_bytes"]["layers"] == whole["part_bytes"]["layers"]
    saved = sum(whole["part_bytes"][part] * (1 - ratio) for part in ("embedding", "head"))
    assert whole["size_bytes"] - small["size_bytes"] == saved


def test_a_run_writes_both(sources: dict[str, Path], tmp_path: Path) -> None:
    options = ["--method", "rtn", "--group-size", "128", "--format", "gguf"]
    out = tmp_path / "small"
    assert main(["run", str(sources["llama"]), "--out", str(out), *options]) == 0
    assert "small.gguf" in json.loads((out / "report.json").read_text())["files"]
    exported(sources["llama-128"], tmp_path / "small.gguf")
    assert (out / "small.gguf").read_bytes() == (tmp_path / "small.gguf").read_bytes()
    # The folder is one of ours like any other: it is read, and replaced by a later run.
    assert load_model(out).quantization is not None
    assert main(["run", str(sources["llama"]), "--out", str(out), *options[:-2]]) == 0
    assert not (out / "small.gguf").exists()


def test_both_forms_of_a_folder_become_the_same_file(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    options = ["--method", "rtn", "--group-size", "32", "--format", "compressed-tensors"]
    out = tmp_path / "compressed"
    assert main(["run", str(sources["llama"]), "--out", str(out), *options]) == 0
    for folder, into in ((out, tmp_path / "a"), (sources["llama-32"], tmp_path / "b")):
        into.mkdir()
        exported(folder, into / "same.gguf")
    first, second = ((tmp_path / name / "same.gguf").read_bytes() for name in "ab")
    assert first == second


def changed(folder: Path, out: Path, **values: Any) -> Path:
    """A copy of a folder with another config.json."""
    out.mkdir()
    for path in folder.iterdir():
        if path.name != "config.json":
            (out / path.name).symlink_to(path)
    config = json.loads((folder / "config.json").read_text()) | values
    (out / "config.json").write_text(json.dumps(config))
    return out


def test_llama_3_1_slows_the_frequencies_that_transformers_slows(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    values = {"rope_scaling": scaling, "rope_theta": 500000.0, "max_position_embeddings": 65536}
    folder = changed(sources["llama"], tmp_path / "scaled", **values)
    found = values_of(exported(folder, tmp_path / "out.gguf"))["rope_freqs.weight"]
    config = json.loads((folder / "config.json").read_text())
    plain = {**config, "rope_scaling": None}
    slowed, whole = (
        LlamaRotaryEmbedding(LlamaConfig.from_dict(one)).inv_freq.double().numpy()
        for one in (config, plain)
    )
    assert np.allclose(found, whole / slowed, rtol=1e-5)
    assert found.max() > 7.9 and found.min() == 1
    import_gguf(tmp_path / "out.gguf", tmp_path / "back")
    back = json.loads((tmp_path / "back" / "config.json").read_text())
    assert scaling.items() <= back["rope_scaling"].items()


def test_positions_scaled_evenly_and_by_yarn(sources: dict[str, Path], tmp_path: Path) -> None:
    linear = {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}
    fields = exported(
        changed(sources["llama"], tmp_path / "a", **linear), tmp_path / "a.gguf"
    ).fields
    assert fields["llama.rope.scaling.type"].contents() == "linear"
    assert fields["llama.rope.scaling.factor"].contents() == 4.0
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}
    yarn = changed(sources["qwen3"], tmp_path / "b", rope_scaling=scaling)
    fields = exported(yarn, tmp_path / "b.gguf").fields
    assert fields["qwen3.rope.scaling.type"].contents() == "yarn"
    assert fields["qwen3.rope.scaling.original_context_length"].contents() == 1024


SCALINGS: dict[str, dict[str, Any]] = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}


# llama.cpp has Llama 3.1's factors for no other family.
@pytest.mark.parametrize(
    ("name", "kind"),
    [(n, k) for n, _, _ in KINDS for k in SCALINGS if k != "llama3" or n == "llama"],
)
def test_scaled_positions_come_back_with_the_same_logits(
    name: str, kind: str, sources: dict[str, Path], tmp_path: Path
) -> None:
    """Transformers by the folder against Transformers by the folder of its file."""
    from transformers import AutoModelForCausalLM

    values = {"rope_scaling": SCALINGS[kind], "max_position_embeddings": 65536}
    folder = changed(sources[name], tmp_path / "scaled", **values)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()  # a link
    halves = {stem: tensor.half().float() for stem, tensor in tensors.items()}
    save_file(halves, folder / "model.safetensors", {"format": "pt"})
    exported(folder, tmp_path / "out.gguf")
    import_gguf(tmp_path / "out.gguf", tmp_path / "back")
    back = json.loads((tmp_path / "back" / "config.json").read_text())
    assert SCALINGS[kind].items() <= back["rope_scaling"].items()
    ids = torch.arange(3, 163)[None] % 290
    with torch.inference_mode():
        wanted, found, plain = (
            AutoModelForCausalLM.from_pretrained(one, dtype=torch.float32)(ids).logits
            for one in (folder, tmp_path / "back", sources[name])
        )
        ours = load_model(tmp_path / "back", dtype=torch.float32).model(input_ids=ids).logits
    assert torch.equal(found, wanted) and torch.equal(ours, wanted)
    assert float((plain - wanted).abs().max()) > 1e-3  # positions do matter


def test_what_cannot_be_carried_is_one_line_and_leaves_nothing(
    sources: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    llama, qwen3 = sources["llama"], sources["qwen3"]
    out = tmp_path / "out.gguf"

    def refused(*argv: object) -> str:
        capsys.readouterr()
        assert main([*map(str, argv)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and not out.exists()
        return line

    opt = tmp_path / "opt"
    write_opt(opt)
    assert "for llama, qwen2, qwen3, and this is a model of the family opt" in refused(
        "export", opt, out
    )
    assert "and this is a model of the family opt" in refused(
        "run", opt, "--out", tmp_path / "no", "--method", "rtn", "--format", "gguf"
    )
    relu = changed(llama, tmp_path / "relu", hidden_act="relu")
    assert "the activation relu" in refused("export", relu, out)
    biased = changed(llama, tmp_path / "biased", attention_bias=True)
    assert "the model has biases" in refused("export", biased, out)
    window = {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 1}
    sliding = changed(qwen3, tmp_path / "sliding", **window)
    assert "a window that slides" in refused("export", sliding, out)
    scaling = {"rope_type": "dynamic", "factor": 2.0}
    dynamic = changed(llama, tmp_path / "dynamic", rope_scaling=scaling)
    assert "scales positions by 'dynamic'" in refused("export", dynamic, out)
    run = ("run", llama, "--out", tmp_path / "no", "--method", "rtn", "--format", "gguf")
    assert "groups of 16 inputs do not divide" in refused(*run, "--group-size", 16)
    assert "give --sym, or --bits 4" in refused(*run, "--bits", 8)
    assert not (tmp_path / "no").exists()
    asymmetric = tmp_path / "asymmetric"
    assert (
        main(["run", str(llama), "--out", str(asymmetric), "--method", "rtn", "--bits", "8"]) == 0
    )
    assert "q_proj: GGUF has no type for 8 bits with zero-points" in refused(
        "export", asymmetric, out
    )
    assert "does not end with .gguf" in refused("export", llama, tmp_path / "out.bin")
    (tmp_path / "there.gguf").write_text("kept")
    assert "exists; give a new name" in refused("export", llama, tmp_path / "there.gguf")
    assert (tmp_path / "there.gguf").read_text() == "kept"
    assert "no such folder" in refused("export", llama, tmp_path / "none" / "out.gguf")
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.is_file()) == [".gguf"]


def write_opt(folder: Path) -> None:
    from transformers import OPTConfig, OPTForCausalLM

    sizes = {"hidden_size": 64, "ffn_dim": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = OPTConfig(vocab_size=300, max_position_embeddings=64, word_embed_proj_dim=64, **sizes)
    OPTForCausalLM(config).save_pretrained(folder)


def test_groups_that_follow_the_activations_are_refused(
    sources: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed(sources["llama-32"], tmp_path / "ordered")
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.g_idx"
    tensors[name] = tensors[name].flip(0).contiguous()
    (folder / "model.safetensors").unlink()
    save_file(tensors, folder / "model.safetensors")
    assert main(["export", str(folder), str(tmp_path / "out.gguf")]) == 2
    assert "up_proj: the groups follow the activations" in capsys.readouterr().err


def test_damaged_folders_are_refused(
    sources: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(name: str, value: torch.Tensor, **values: Any) -> str:
        folder = changed(sources["llama-32"], tmp_path / f"{name}-{len(values)}", **values)
        tensors = load_file(folder / "model.safetensors")
        if values == {}:
            tensors[name] = value
        (folder / "model.safetensors").unlink()
        save_file(tensors, folder / "model.safetensors")
        assert main(["export", str(folder), str(tmp_path / "out.gguf")]) == 2
        assert not (tmp_path / "out.gguf").exists()
        (line,) = capsys.readouterr().err.splitlines()
        return line

    capsys.readouterr()
    norm = torch.full((256,), torch.nan)
    assert "model.norm.weight in" in refusal("model.norm.weight", norm)
    scales = torch.full((8, 256), -1.0, dtype=torch.float16)
    assert "scale" in refusal("model.layers.0.mlp.up_proj.scales", scales)
    down = refusal("none", norm, intermediate_size=128)
    assert "down_proj" in down or "up_proj" in down or "gate_proj" in down
