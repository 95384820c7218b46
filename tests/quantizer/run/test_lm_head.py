"""A quantized head: what it computes, how it is stored, and what is done without it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from models.files.checkpoint import MAX_SHARD_BYTES, read_config
from models.int4 import Int4Linear
from models.loading import load_model
from quantizer.cli import main
from quantizer.errors import SettingsError
from quantizer.inspect.folder import inspect_folder
from quantizer.inspect.loaders import loader_verdicts
from quantizer.plan import plan
from quantizer.run import pipeline
from quantizer.run.lm_head import LM_HEAD, Head
from quantizer.run.pipeline import Job, plan_job, prepare, run
from quantizer.run.walked import Progress
from quantizer.solvers.methods import Method, Settings

IDS = torch.tensor([[1, 5, 9, 40, 7, 80, 33]])
WORDS = 128
GROUP = 32
Sources = dict[str, Path]


@pytest.fixture(scope="module")
def sources(make_llama: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """A LLaMA whose head is its embedding, and one that has its own."""
    root = tmp_path_factory.mktemp("sources")
    return {
        name: make_llama(root / name, 64, 96, 2, words=WORDS, tied=name == "tied")
        for name in ("tied", "untied")
    }


def job_of(
    model: Path, text_file: Path, out: Path, bits: int | None, method: Method = "gptq"
) -> Job:
    settings = Settings(method, group_size=GROUP)
    return Job(model, out, settings, calibration=text_file, samples=4, seq_len=30, head_bits=bits)


@pytest.fixture(scope="module")
def made(sources: Sources, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Folders with a head of 8 bits, of 4 bits in four parts, and with none."""
    root = tmp_path_factory.mktemp("made")
    run(job_of(sources["tied"], text_file, root / "8", 8))
    run(job_of(sources["tied"], text_file, root / "none", None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Head, "part", 32)
        run(job_of(sources["untied"], text_file, root / "4", 4, "rpiq"))
    return {name: root / name for name in ("8", "4", "none")}


def head_values(folder: Path, bits: int) -> Tensor:
    """The head (words, width) by the format's definition, its words taken apart by NumPy."""

    def fields(words: np.ndarray) -> np.ndarray:
        bytes_ = words.copy().view(np.uint8)
        if bits == 8:
            return bytes_.astype(np.int64)
        return np.stack((bytes_ & 15, bytes_ >> 4), axis=-1).reshape(len(words), -1).astype(int)

    with safe_open(folder / "model.safetensors", framework="np") as file:
        part = {name: file.get_tensor(f"lm_head.{name}") for name in ("qweight", "qzeros")}
        scales = file.get_tensor("lm_head.scales").T.astype(np.float64)
    codes, zeros = fields(part["qweight"].T), (fields(part["qzeros"]) + 1).T
    group = np.arange(codes.shape[1]) // GROUP
    return torch.from_numpy((codes - zeros[:, group]) * scales[:, group]).float()


@torch.no_grad()
@pytest.mark.parametrize(("name", "source", "stored_as"), [
    ("8", "tied", "model.embed_tokens.weight"), ("4", "untied", "lm_head.weight"),
])  # fmt: skip
def test_the_logits_are_those_of_a_dense_model_with_that_head(
    name: str, source: str, stored_as: str, sources: Sources, made: Sources
) -> None:
    bits = int(name)
    loaded = load_model(made[name], dtype=torch.float32).model
    layer = loaded.lm_head
    assert isinstance(layer, Int4Linear) and layer.bits == bits
    head = head_values(made[name], bits)
    stored = load_file(sources[source] / "model.safetensors")
    before = stored[stored_as].float()
    close = functional.cosine_similarity(head.flatten(), before.flatten(), dim=0)
    assert 1 > float(close) > (0.9999 if bits == 8 else 0.98)
    hidden = loaded.model(input_ids=IDS).last_hidden_state
    expected = functional.linear(hidden, head)
    torch.testing.assert_close(loaded(input_ids=IDS).logits, expected, rtol=1e-4, atol=1e-4)
    written = load_file(made[name] / "model.safetensors")
    embedding = "model.embed_tokens.weight"
    assert torch.equal(written[embedding], stored[embedding])
    assert "lm_head.weight" not in written


def test_the_blocks_are_those_of_a_run_without_it(made: Sources) -> None:
    written = load_file(made["8"] / "model.safetensors")
    others = load_file(made["none"] / "model.safetensors")
    assert {name for name in written if name not in others} == {
        f"lm_head.{part}" for part in ("qweight", "qzeros", "scales", "g_idx")
    }
    assert all(torch.equal(written[name], value) for name, value in others.items())


@torch.no_grad()
def test_the_head_is_solved_for_what_it_multiplies(
    sources: Sources, made: Sources, text_file: Path, letter_tokenizer: Tokenizer
) -> None:
    report = json.loads((made["4"] / "report.json").read_text())
    head = report["modules"][-1]
    assert head["name"] == LM_HEAD and head["shape"] == [WORDS, 64]
    assert head["bytes_before"] == WORDS * 64 * 2
    assert [stage["name"] for stage in head["stages"]] == ["rtn", "grid", "gptq", "rpiq"]
    assert head["tokens"] > 64 and head["held_out_tokens"] > 0
    assert head["j"] < 0.9 * head["j_rtn"]
    # J is what changes in the logits of the text that it was calibrated with.
    dense = load_file(sources["untied"] / "model.safetensors")["lm_head.weight"].float()
    ids = torch.tensor([letter_tokenizer.encode(text_file.read_text()[:240]).ids])
    model = load_model(made["4"], dtype=torch.float32).model.model
    hidden = model(input_ids=ids).last_hidden_state
    grouped = dense.reshape(WORDS, -1, GROUP)
    low, high = grouped.amin(-1, keepdim=True), grouped.amax(-1, keepdim=True)
    scale = (high - low) / 15
    rounded = ((grouped / scale).round() * scale).reshape(WORDS, -1)
    solved, plain = (
        float(functional.linear(hidden, weight - dense).square().sum())
        for weight in (head_values(made["4"], 4), rounded)
    )
    assert solved < plain


def test_the_configuration_names_what_loaders_read(made: Sources) -> None:
    config = read_config(made["8"] / "config.json")
    assert config["tie_word_embeddings"] is False
    values = config["quantization_config"]
    assert values["lm_head"] is True and values["bits"] == 4
    assert values["dynamic"] == {"lm_head": {"bits": 8, "group_size": GROUP, "sym": True}}
    found = inspect_folder(made["8"])
    assert found.findings() == []
    (head,) = [layer for layer in found.layers if layer.name == LM_HEAD]
    assert (head.bits, head.shape, head.zeros) == (8, (WORDS, 64), (128, 128))
    verdicts = {one.loader: one for one in loader_verdicts(found, config)}
    assert verdicts["Transformers"].verdict == "no"
    assert "--head-bits" in verdicts["Transformers"].mend
    assert verdicts["GPTQModel"].verdict == verdicts["SGLang"].verdict == "yes"
    assert "GPTQ_TORCH," in verdicts["GPTQModel"].text
    assert verdicts["ExLlamaV2"].verdict == "no"  # 8 bits
    values = read_config(made["4"] / "config.json")["quantization_config"]
    assert values["lm_head"] is True and "dynamic" not in values
    values = read_config(made["none"] / "config.json")["quantization_config"]
    assert values["lm_head"] is False and "dynamic" not in values


@pytest.mark.slow
@pytest.mark.parametrize("most_bytes", [MAX_SHARD_BYTES, 40_000])
def test_a_stopped_run_goes_on_with_the_head(
    sources: Sources,
    text_file: Path,
    tmp_path: Path,
    most_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (pipeline, plan):
        monkeypatch.setattr(module, "MAX_SHARD_BYTES", most_bytes)
    job = job_of(sources["tied"], text_file, tmp_path / "out", 4)
    run(replace(job, out=tmp_path / "undisturbed"))

    def stop(progress: Progress) -> None:
        if progress.done == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, stop)
    seen: list[Progress] = []
    run(job, seen.append)
    assert seen[-1] == Progress(LM_HEAD, 15, 15)
    files = sorted(path.name for path in job.out.glob("model*"))
    assert len(files) == (
        1 if most_bytes == MAX_SHARD_BYTES else 5
    )  # with two blocks, and an index
    for name in (*files, "config.json"):
        assert (job.out / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    assert load_model(job.out).model.lm_head.bits == 4


def test_the_plan_counts_it(
    sources: Sources, made: Sources, text_file: Path, tmp_path: Path
) -> None:
    plans = {}
    for name, bits in (("8", 8), ("none", None)):
        job = job_of(sources["tied"], text_file, tmp_path / name, bits)
        plans[name] = plan_job(job, prepare(job))
        written = sum(path.stat().st_size for path in made[name].glob("*.safetensors"))
        assert abs(plans[name].output - written) < 10_000  # headers
    # Codes, two groups with zero-points and scales, g_idx.
    assert plans["8"].output - plans["none"].output == WORDS * 64 + WORDS * 2 * 3 + 64 * 4
    (name, ((group,))) = plans["8"].blocks[-1]
    assert (name, group.layers[0].out_features, group.method) == (LM_HEAD, WORDS, "rtn")
    assert group.tokens == 90


def test_what_cannot_be_is_refused_before_any_work(
    sources: Sources, tiny_llama: Path, tiny_cogvlm2: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    rounded = Settings("rtn", group_size=16)
    job = Job(sources["tied"], tmp_path / "out", rounded, head_bits=8)
    for changed, message in (
        (replace(job, form="compressed-tensors"), "written in the GPTQ format"),
        (replace(job, model=tiny_llama), "lm_head: 99 outputs do not fill"),
        (replace(job, model=tiny_cogvlm2), "head of a model of the family cogvlm2"),
        (replace(job, head_bits=3), "3 is not possible; give 8 or 4"),
    ):
        with pytest.raises(SettingsError, match=message):
            run(changed)
    words = ["run", str(sources["tied"]), "--out", str(tmp_path / "out"), "--method", "rtn"]
    assert main([*words, "--head-bits", "5"]) == 2
    assert "argument --head-bits: invalid choice: 5" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_stored_copy_of_a_tied_head_does_not_stay(sources: Sources, tmp_path: Path) -> None:
    source = Path(shutil.copytree(sources["tied"], tmp_path / "copied"))
    tensors = load_file(source / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, source / "model.safetensors")
    words = ["run", str(source), "--out", str(tmp_path / "out"), "--method", "rtn"]
    assert main([*words, "--group-size", str(GROUP), "--head-bits", "4"]) == 0
    assert "lm_head.weight" not in load_file(tmp_path / "out" / "model.safetensors")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["settings"]["head_bits"] == 4
    assert inspect_folder(tmp_path / "out").findings() == []
