"""Whole folders: what is written, from which statistics, and what is refused."""

import hashlib
import json
import re
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from models.blocks import Block, Sample, State
from models.errors import CheckpointError, ModelFolderError
from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from models.files.formats import FORMATS
from models.int4.packing import TENSOR_NAMES, unpack
from models.int4.weight import QuantizedWeight
from models.loading import load_model
from quantizer.calibration.streams import draw_calibration
from quantizer.errors import CalibrationError, OutputError, SettingsError
from quantizer.report.report import Report
from quantizer.run.pipeline import Job, run, verify
from quantizer.run.walked import Progress
from quantizer.solvers.methods import Method, Settings

RunJob = Callable[..., tuple[Report, Path]]


@pytest.fixture
def quantize(tiny_llama: Path, text_file: Path, tmp_path: Path) -> RunJob:
    """Run a job with small defaults; keyword arguments replace parts of it."""

    def call(method: Method = "rpiq", **changes: Any) -> tuple[Report, Path]:
        settings = Settings(
            method=method,
            group_size=changes.pop("group_size", 16),
            asymmetric_target=changes.pop("asymmetric_target", "auto"),
            grid=changes.pop("grid", None),
        )
        parts: dict[str, Any] = {
            "model": tiny_llama,
            "out": tmp_path / "out",
            "settings": settings,
            "calibration": text_file,
            "samples": 12,
            "seq_len": 40,
        }
        job = Job(**(parts | changes))
        return run(job), job.out

    return call


def quantized(folder: Path, group_size: int) -> dict[str, QuantizedWeight]:
    reader = CheckpointReader(folder)
    layers = [n.removesuffix(".qweight") for n in reader.names() if n.endswith(".qweight")]
    return {
        layer: unpack(
            {part: reader.read(f"{layer}.{part}") for part in TENSOR_NAMES},
            bits=4,
            group_size=group_size,
        )
        for layer in layers
    }


def dequantized(folder: Path, group_size: int) -> dict[str, torch.Tensor]:
    return {name: weight.dequantize() for name, weight in quantized(folder, group_size).items()}


def test_a_folder_is_written_with_everything_but_the_linears_untouched(
    quantize: RunJob, tiny_llama: Path
) -> None:
    _, out = quantize()
    assert sorted(path.name for path in out.iterdir()) == [
        "LICENSE",
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "quantize_config.json",
        "report.json",
        "report.md",
        "tokenizer.json",
    ]
    source, written = (
        load_file(tiny_llama / "model.safetensors"),
        load_file(out / "model.safetensors"),
    )
    linears = {name for name in source if "_proj" in name}
    assert len(linears) == 14
    for name in set(source) - linears:
        assert torch.equal(source[name], written[name]), name
        assert source[name].dtype == written[name].dtype
    packed = {f"{n.removesuffix('.weight')}.{part}" for n in linears for part in TENSOR_NAMES}
    assert set(written) == (set(source) - linears) | packed
    config = json.loads((out / "config.json").read_text())
    quantization = config.pop("quantization_config")
    assert config == json.loads((tiny_llama / "config.json").read_text())
    assert quantization == json.loads((out / "quantize_config.json").read_text())
    assert quantization["bits"] == 4
    assert quantization["group_size"] == 16
    assert quantization["desc_act"] is False
    assert quantization["meta"]["method"] == "rpiq"
    assert ["mlp.down_proj"] in quantization["modules_in_block_to_quantize"]


def test_errors_are_measured_on_inputs_from_the_quantized_prefix(
    quantize: RunJob, tiny_llama: Path, text_file: Path
) -> None:
    """Oracle: transformers' own forward pass with the written weights in place.

    A layer's input depends only on layers before it, so capturing inputs in the finished model
    shows what each layer must have been fitted to.
    """
    from transformers import LlamaForCausalLM

    report, out = quantize(asymmetric_target="0")
    model = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    original = {name: layer.weight.detach().clone() for name, layer in linears_of(model)}
    written = dequantized(out, 16)
    captured: dict[str, list[torch.Tensor]] = {name: [] for name in original}
    for name, layer in linears_of(model):
        layer.weight.data = written[name]
        layer.register_forward_pre_hook(
            lambda _, inputs, name=name: captured[name].append(inputs[0][0])
        )
    drawn = draw_calibration(open_blockwise(tiny_llama), text_file, samples=12, seq_len=40, seed=0)
    assert (len(drawn.fitting), len(drawn.held_out)) == (11, 1)

    def output_errors(samples: list[Sample]) -> dict[str, float]:
        for rows in captured.values():
            rows.clear()
        with torch.no_grad():
            for sample in samples:
                model(**sample)
        errors = {}
        for name, rows in captured.items():
            inputs = torch.cat(rows)
            change = inputs @ (written[name] - original[name]).T
            errors[name] = float(change.square().sum() / len(inputs))
        return errors

    expected, expected_held_out = output_errors(drawn.fitting), output_errors(drawn.held_out)
    assert {module.name for module in report.modules} == set(original)
    for module in report.modules:
        assert (module.tokens, module.held_out_tokens) == (440, 40)
        assert module.j == pytest.approx(expected[module.name], rel=1e-3), module.name
        assert module.j_val == pytest.approx(expected_held_out[module.name], rel=1e-3)


def linears_of(model: torch.nn.Module) -> list[tuple[str, torch.nn.Linear]]:
    return [
        (name, part)
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear) and name != "lm_head"
    ]


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu(twin="slow"))]
)
def test_refinement_beats_gptq_beats_rounding(
    quantize: RunJob, tmp_path: Path, device: str
) -> None:
    ratios = {}
    for method in ("rtn", "gptq", "rpiq"):
        report, _ = quantize(method, out=tmp_path / method, device=torch.device(device))
        ratios[method] = report.mean_ratio() or 0.0
    assert ratios["rtn"] == 1.0
    assert ratios["gptq"] < 0.95
    assert ratios["rpiq"] < 0.9 * ratios["gptq"]


def test_the_written_model_loads_and_answers_like_its_weights(
    quantize: RunJob, tiny_llama: Path
) -> None:
    from transformers import LlamaForCausalLM

    _, out = quantize()
    oracle = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    for name, weight in dequantized(out, 16).items():
        oracle.get_submodule(name).weight.data = weight
    loaded = load_model(out, dtype=torch.float32)
    ids = torch.arange(3, 43)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.model(input_ids=ids).logits, oracle(ids).logits, rtol=0, atol=2e-3
        )


def test_report_tells_everything(quantize: RunJob) -> None:
    report, out = quantize()
    raw = json.loads((out / "report.json").read_text())
    assert raw["settings"]["method"] == "rpiq"
    assert raw["settings"]["grid"] == "hessian"
    assert raw["settings"]["device"] == "cpu"
    assert raw["calibration"]["samples"] == 12
    assert raw["calibration"]["seq_len"] == 40
    assert raw["calibration"]["seed"] == 0
    assert raw["calibration"]["asked"] == {"samples": 12, "seq_len": 40}
    assert raw["totals"]["modules"] == 14
    assert raw["totals"]["mean_j_ratio"] == pytest.approx(report.mean_ratio())
    assert raw["totals"]["bytes"] == (out / "model.safetensors").stat().st_size
    assert sorted(raw["files"]) == sorted(path.name for path in out.iterdir())
    first = raw["modules"][0]
    assert first["name"] == "model.layers.0.self_attn.q_proj"
    assert first["shape"] == [32, 32]
    assert [stage["name"] for stage in first["stages"]] == ["rtn", "grid", "gptq", "rpiq"]
    assert first["bytes_before"] == 32 * 32 * 2
    assert first["bytes"] == 32 * 16 + 2 * 16 + 2 * 32 * 2 + 32 * 4


def test_the_same_seed_writes_the_same_bytes(quantize: RunJob, tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        _, out = quantize(out=tmp_path / name)
        digests.add(hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_rounding_goes_without_calibration(quantize: RunJob) -> None:
    report, _ = quantize("rtn", calibration=None)
    assert report.mean_ratio() is None
    assert {module.tokens for module in report.modules} == {0}
    assert report.warnings() == []


def test_progress_counts_every_layer(tiny_llama: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(Job(tiny_llama, tmp_path / "out", Settings("rtn", group_size=16)), seen.append)
    assert [(p.done, p.total) for p in seen] == [(n, 14) for n in range(1, 15)]


def test_a_gpu_may_not_shorten_float32_during_a_run(tiny_llama: Path, tmp_path: Path) -> None:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32, cudnn.enabled)
    seen: set[tuple[bool, bool, bool]] = set()
    job = Job(tiny_llama, tmp_path / "out", Settings("rtn", group_size=16))
    try:
        matmul.allow_tf32 = True
        run(job, lambda _: seen.add((matmul.allow_tf32, cudnn.allow_tf32, cudnn.enabled)))
        assert seen == {(False, False, True)}
        assert (matmul.allow_tf32, cudnn.allow_tf32, cudnn.enabled) == (True, *before[1:])
    finally:
        matmul.allow_tf32 = before[0]


def test_eight_bits_are_nearly_exact(tiny_llama: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(Job(tiny_llama, out, Settings("rtn", bits=8, group_size=16, sym=True)))
    source = load_file(tiny_llama / "model.safetensors")
    reader = CheckpointReader(out)
    name = "model.layers.1.mlp.gate_proj"
    weight = unpack(
        {part: reader.read(f"{name}.{part}") for part in TENSOR_NAMES}, bits=8, group_size=16
    )
    original = source[f"{name}.weight"].float()
    step = 2 * float(original.abs().max()) / 255
    # Half a step, and at the ends of the range what rounding the scale to fp16 adds.
    assert float((weight.dequantize() - original).abs().max()) <= (0.5 + 128 * 2**-11) * step
    assert load_model(out, dtype=torch.float32).quantization is not None


def test_groups_may_end_ragged(quantize: RunJob) -> None:
    # 48 inputs of the down projection make one group of 32 and one of 16.
    _, out = quantize("gptq", group_size=32)
    reader = CheckpointReader(out)
    assert reader.shape("model.layers.0.mlp.down_proj.scales") == (2, 32)


def test_methods_that_need_calibration_say_so(quantize: RunJob, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="needs calibration"):
        quantize("gptq", calibration=None)
    with pytest.raises(SettingsError, match="grid hessian needs"):
        quantize("rtn", calibration=None, grid="hessian")
    assert not list(tmp_path.iterdir())


def test_a_quantized_model_is_not_quantized_again(quantize: RunJob, tmp_path: Path) -> None:
    _, out = quantize("rtn")
    with pytest.raises(ModelFolderError, match="quantized already"):
        quantize("rtn", model=out, out=tmp_path / "again")


def test_a_layer_that_cannot_be_stored_is_named(
    quantize: RunJob, tiny_llama: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd"
    shutil.copytree(tiny_llama, odd)
    tensors = load_file(odd / "model.safetensors")
    for name, tensor in tensors.items():
        if "gate_proj" in name or "up_proj" in name:
            tensors[name] = tensor[:44].contiguous()
        elif "down_proj" in name:
            tensors[name] = tensor[:, :44].contiguous()
    save_file(tensors, odd / "model.safetensors")
    config = json.loads((odd / "config.json").read_text()) | {"intermediate_size": 44}
    (odd / "config.json").write_text(json.dumps(config))
    with pytest.raises(SettingsError, match=r"layers\.0\.mlp\.gate_proj.*44"):
        quantize("gptq", model=odd)


def test_missing_tensors_are_found_before_any_work(
    quantize: RunJob, tiny_llama: Path, tmp_path: Path
) -> None:
    poor = tmp_path / "poor"
    shutil.copytree(tiny_llama, poor)
    tensors = load_file(poor / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, poor / "model.safetensors")
    for calibration in (None, tmp_path / "unread.txt"):
        with pytest.raises(CheckpointError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
            quantize("rtn", model=poor, calibration=calibration)


def test_wrong_shapes_and_settings_are_found_before_calibration_is_read(
    quantize: RunJob, tiny_llama: Path, tmp_path: Path
) -> None:
    unread = tmp_path / "unread.txt"
    odd = tmp_path / "odd"
    shutil.copytree(tiny_llama, odd)
    tensors = load_file(odd / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    save_file(tensors | {name: tensors[name][:40].clone()}, odd / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"layers\.1\.mlp\.up_proj.*\(40, 32\).*\(48, 32\)"):
        quantize("gptq", model=odd, calibration=unread)
    config = json.loads((tiny_llama / "config.json").read_text())
    (odd / "config.json").write_text(json.dumps(config | {"intermediate_size": 44}))
    for key, tensor in tensors.items():
        if "gate_proj" in key or "up_proj" in key:
            tensors[key] = tensor[:44].contiguous()
        elif "down_proj" in key:
            tensors[key] = tensor[:, :44].contiguous()
    save_file(tensors, odd / "model.safetensors")
    with pytest.raises(SettingsError, match="44"):
        quantize("gptq", model=odd, calibration=unread)


@pytest.mark.parametrize("seed", [-1, 2**63, 10**30])
def test_a_seed_out_of_range_is_refused(quantize: RunJob, tmp_path: Path, seed: int) -> None:
    with pytest.raises(SettingsError, match=f"seed {seed} is out of range"):
        quantize("gptq", seed=seed)


def test_a_mount_point_is_refused_before_any_work(quantize: RunJob) -> None:
    with pytest.raises(OutputError, match="mount point.*inside it"):
        quantize("rtn", out=Path("/"))


def test_every_sequence_is_held_once(
    tiny_llama: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_blockwise(tiny_llama)
    drawn = draw_calibration(opened, text_file, samples=12, seq_len=40, seed=0)
    ids = [weakref.ref(sample["input_ids"]) for sample in (*drawn.fitting, *drawn.held_out)]
    states: list[weakref.ref[torch.Tensor]] = []
    most = 0
    step = opened.blockwise.step

    def watched(block: Block, state: State) -> State:
        nonlocal most
        assert not any(ref() is not None for ref in ids), "a sample outlived its state"
        most = max(most, sum(ref() is not None for ref in states))
        result = step(block, state)
        states.append(weakref.ref(result["hidden"]))
        return result

    opened.blockwise.step = watched
    monkeypatch.setattr("quantizer.run.job.open_blockwise", lambda folder: opened)
    monkeypatch.setattr("quantizer.run.job.draw_calibration", lambda *_, **__: drawn)
    run(Job(tiny_llama, tmp_path / "out", Settings("rtn", group_size=16), calibration=text_file))
    assert 12 <= most <= 13


@pytest.mark.parametrize("kind", ["foreign folder", "file", "ours and more"])
def test_other_peoples_files_are_left_alone(quantize: RunJob, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("precious")
    elif kind == "foreign folder":
        out.mkdir()
        (out / "thesis.txt").write_text("precious")
    else:
        quantize("rtn")
        (out / "thesis.txt").write_text("precious")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match="not ours|is a file"):
        quantize("rtn")
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_our_own_result_and_an_empty_folder_are_replaced(quantize: RunJob, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    quantize("rtn")
    _, out = quantize("gptq")
    assert json.loads((out / "report.json").read_text())["settings"]["method"] == "gptq"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failed_run_leaves_nothing_behind(
    quantize: RunJob, tiny_llama: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_llama, damaged)
    tensors = load_file(damaged / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"][3, 3] = float("nan")
    save_file(tensors, damaged / "model.safetensors")
    with pytest.raises(Exception, match=r"model\.layers\.1\.mlp\.down_proj.*NaN"):
        quantize("gptq", model=damaged)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def digests_of(folder: Path) -> dict[str, str]:
    found = {}
    for name, weight in quantized(folder, 16).items():
        zero = weight.zero.int().repeat_interleave(16, dim=1)[:, : weight.codes.shape[1]]
        codes = (weight.codes.int() - zero).to(torch.int8)
        bytes_ = codes.numpy().tobytes() + weight.scale.numpy().tobytes()
        found[name] = hashlib.sha256(bytes_).hexdigest()
    return found


def test_a_changed_file_does_not_pass_verification(quantize: RunJob, tiny_llama: Path) -> None:
    _, out = quantize("rtn")
    digests = digests_of(out)
    settings = Settings("rtn", group_size=16)
    verify(CheckpointReader(tiny_llama), out, digests, settings, FORMATS["gptq"])
    tensors = load_file(out / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.qweight"][0, 0] ^= 1
    save_file(tensors, out / "model.safetensors")
    with pytest.raises(OutputError, match=r"layers\.1\.mlp\.up_proj"):
        verify(CheckpointReader(tiny_llama), out, digests, settings, FORMATS["gptq"])


@pytest.mark.parametrize(
    "name",
    ["model.embed_tokens.weight", "model.layers.0.input_layernorm.weight", "model.norm.weight"],
)
@pytest.mark.parametrize("damage", ["last bit", "dtype", "missing"])
def test_reading_back_finds_a_damaged_copy(
    tiny_llama: Path, tmp_path: Path, name: str, damage: str
) -> None:
    out = tmp_path / "out"
    settings, form = Settings("rtn", group_size=16), FORMATS["gptq"]
    run(Job(tiny_llama, out, settings))
    tensors, digests = load_file(out / "model.safetensors"), digests_of(out)
    verify(CheckpointReader(tiny_llama), out, digests, settings, form)
    if damage == "missing":
        del tensors[name]
    elif damage == "dtype":
        tensors[name] = tensors[name].double()
    else:
        bits = tensors[name].view(torch.int16 if tensors[name].element_size() == 2 else torch.int32)
        bits.view(-1)[-1] ^= 1
    save_file(tensors, out / "model.safetensors")
    with pytest.raises(OutputError, match=re.escape(name)):
        verify(CheckpointReader(tiny_llama), out, digests, settings, form)


# CogVLM2: every expert counts its own tokens.


def test_experts_count_their_own_tokens(
    quantize: RunJob, tiny_cogvlm2: Path, picture_folder: Path, letter_tokenizer: Tokenizer
) -> None:
    report, out = quantize(
        "rpiq", model=tiny_cogvlm2, calibration=picture_folder, samples=24, group_size=8
    )
    tokens = {module.name: module.tokens + module.held_out_tokens for module in report.modules}
    assert len(tokens) == 2 * 4 + 4 + 2 * 10
    # 24 questions about 12 pictures: 17 positions in the tower, 4 merged patches, 6 places of
    # which the end mark and all words belong to the language expert.
    assert tokens["model.vision.transformer.layers.1.mlp.fc2"] == 24 * 17
    assert tokens["model.vision.linear_proj.gate_proj"] == 24 * 4
    for part in ("self_attn.{}_expert_query_key_value", "mlp.{}_mlp.down_proj"):
        assert tokens["model.layers.1." + part.format("vision")] == 24 * 5
    words = 0
    for line in (picture_folder / "questions.jsonl").read_text().splitlines():
        item = json.loads(line)
        words += len(f"Question: {item['question']} Answer:{item['answer']}") + 2
    assert tokens["model.layers.0.mlp.language_mlp.up_proj"] == words
    assert (report.mean_ratio() or 1.0) < 0.9
    assert load_model(out, dtype=torch.float32).family == "cogvlm2"


def test_a_starved_expert_is_an_error_unless_allowed(
    quantize: RunJob, tiny_cogvlm2: Path, text_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(CalibrationError, match=r"allow_uncalibrated") as caught:
        quantize("gptq", model=tiny_cogvlm2, calibration=text_file, group_size=8)
    assert "vision" in str(caught.value)
    assert not (tmp_path / "out").exists()
    report, _ = quantize(
        "rpiq", model=tiny_cogvlm2, calibration=text_file, group_size=8, allow_uncalibrated=True
    )
    kept = {module.name: module for module in report.modules}
    starved = kept["model.layers.0.mlp.vision_mlp.up_proj"]
    assert (starved.method, starved.tokens, starved.j) == ("rtn", 0, None)
    assert "only 0 calibration tokens" in starved.warnings[0]
    assert kept["model.layers.0.mlp.language_mlp.up_proj"].method == "rpiq"
