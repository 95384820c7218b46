"""What is wrong with weights is found by all who read them, with file and tensor named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from assistant.errors import VisionError
from assistant.inference.text_model import LocalTextModel
from models.errors import CheckpointError, ModelsError
from models.files.checkpoint import CheckpointReader, ShardWriter
from models.files.judging import judge_tensor, judge_values, pieces_of
from models.loading import load_model
from quantizer.cli import main
from quantizer.inspect.folder import inspect_folder
from quantizer.library import quantize_model
from quantizer.solvers.methods import Settings
from tests.quantizer import conftest as quantizer_fixtures

letter_tokenizer = quantizer_fixtures.letter_tokenizer
tiny_llama = quantizer_fixtures.tiny_llama
text_file = quantizer_fixtures.text_file

RTN = Settings(method="rtn", group_size=16)
NORM = "model.layers.1.post_attention_layernorm.weight"


@pytest.fixture
def plain(tiny_llama: Path, tmp_path: Path) -> Path:
    """A full-precision folder that a test may damage."""
    return Path(shutil.copytree(tiny_llama, tmp_path / "plain"))


@pytest.fixture(scope="session")
def sound_int4(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("judged") / "int4"
    quantize_model(tiny_llama, None, RTN, out=out)
    return out


@pytest.fixture
def int4(sound_int4: Path, tmp_path: Path) -> Path:
    """A GPTQ folder that a test may damage."""
    return Path(shutil.copytree(sound_int4, tmp_path / "int4"))


def change(folder: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file({n: t.contiguous() for n, t in tensors.items()}, folder / "model.safetensors")


def configure(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def said(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """What a command that must refuse says; exactly one line."""
    assert main([str(word) for word in argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (NORM, float("nan")),
        ("model.embed_tokens.weight", float("inf")),
        ("lm_head.weight", -float("inf")),
    ],
)
def test_a_number_that_is_none_is_refused_by_all(
    plain: Path,
    text_file: Path,
    tmp_path: Path,
    name: str,
    value: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(plain, lambda tensors: tensors[name].view(-1)[3:4].fill_(value))
    words = f"{plain / 'model.safetensors'}: {name} holds NaN or infinity (1 of "
    out = tmp_path / "out"
    run = ("run", plain, "--out", out, "--method", "rtn", "--group-size", 16)
    assert words in said(capsys, *run)
    assert not out.exists()
    assert words in said(capsys, "eval", plain, "--task", "perplexity", "--data", text_file)
    with pytest.raises(VisionError, match="holds NaN or infinity"):
        LocalTextModel(plain)
    assert main(["inspect", str(plain)]) == 1
    assert f"{name} holds NaN or infinity (1 of " in capsys.readouterr().out
    compare = ("compare", plain, "--out", out, "--calibration", text_file, "--data", text_file)
    assert words in said(capsys, *compare, "--group-size", 16, "--samples", 4)


@pytest.mark.parametrize("part", ["scales", "bias"])
def test_the_small_tensors_of_a_quantized_layer_are_judged(int4: Path, part: str) -> None:
    name = f"model.layers.0.self_attn.q_proj.{part}"

    def edit(tensors: dict[str, Tensor]) -> None:
        tensors.setdefault(name, torch.zeros(32, dtype=torch.bfloat16)).view(-1)[5] = torch.nan

    change(int4, edit)
    with pytest.raises(CheckpointError, match=rf"{name} holds"):
        load_model(int4)
    assert any(name.rpartition(".")[0] in text for text in inspect_folder(int4).findings())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"num_hidden_layers": 1_000_000}, "num_hidden_layers=1000000"),
        ({"vocab_size": 10**12}, "vocab_size=1000000000000"),
        ({"hidden_size": 10**9}, "hidden_size=1000000000"),
        ({"intermediate_size": 10**30}, "intermediate_size=1000000000000000000000000000000"),
        ({"head_dim": 10**9}, "head_dim=1000000000"),
    ],
)
def test_numbers_far_beyond_the_files_are_refused_before_anything_is_built(
    plain: Path,
    values: dict[str, int],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(plain, **values)

    def build(*_: object) -> None:
        raise AssertionError("something was built")

    monkeypatch.setattr("models.families.llama.LlamaFamily.build", build)
    with pytest.raises(CheckpointError, match=rf"config\.json: says {words} but the"):
        load_model(plain)
    assert words in said(capsys, "run", plain, "--out", tmp_path / "out", "--method", "rtn")
    assert any(words in text for text in inspect_folder(plain).findings())


@pytest.mark.parametrize(
    ("dtype", "name"), [(torch.int32, NORM), (torch.uint8, "lm_head.weight"), (torch.bool, NORM)]
)
def test_whole_numbers_in_the_place_of_fractions_are_refused(
    plain: Path,
    tmp_path: Path,
    dtype: torch.dtype,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(plain, lambda tensors: tensors.update({name: tensors[name].to(dtype)}))
    with pytest.raises(CheckpointError, match=f"tensor {name} is .* where numbers with a fraction"):
        load_model(plain)
    assert name in said(capsys, "run", plain, "--out", tmp_path / "out", "--method", "rtn")
    assert any(f"tensor {name} is" in text for text in inspect_folder(plain).findings())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_fractions_of_another_width_are_read(plain: Path, dtype: torch.dtype) -> None:
    change(plain, lambda tensors: tensors.update({NORM: tensors[NORM].to(dtype)}))
    assert load_model(plain).family == "llama"
    assert not inspect_folder(plain).findings()[1:]  # the first: nothing is quantized


def test_two_sets_of_weights_are_named(plain: Path, tmp_path: Path) -> None:
    tensors = load_file(plain / "model.safetensors")
    sharded = Path(shutil.copytree(plain, tmp_path / "sharded"))
    with ShardWriter(sharded, max_shard_bytes=9000) as writer:
        for name, tensor in tensors.items():
            writer.add(name, tensor)
    shards = sorted(path.name for path in sharded.glob("model-*"))
    assert len(shards) > 2 and load_model(sharded)
    shutil.copy(plain / "model.safetensors", sharded)
    for read in (load_model, CheckpointReader):
        with pytest.raises(ModelsError, match=r"two sets of weights.*model\.safetensors"):
            read(sharded)
    assert any("two sets" in text for text in inspect_folder(sharded).findings())
    (sharded / "model.safetensors.index.json").unlink()
    with pytest.raises(ModelsError, match=rf"two sets of weights.*{shards[0]}"):
        CheckpointReader(sharded)


def test_other_safetensors_files_are_no_second_set(plain: Path) -> None:
    shutil.copy(plain / "model.safetensors", plain / "consolidated.safetensors")
    assert load_model(plain)


@pytest.mark.parametrize("name", ["weights.safetensors", "model-fixed.safetensors"])
def test_weights_under_any_other_name_are_a_second_set(
    plain: Path, name: str, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(plain / "model.safetensors", plain / name)
    told = said(capsys, "run", plain, "--out", tmp_path / "out", "--method", "rtn")
    assert f"holds two sets of weights: {name} repeats 21 tensors" in told
    assert said(capsys, "eval", plain, "--task", "perplexity", "--data", text_file) == told
    assert any(name in text for text in inspect_folder(plain).findings())


def test_an_adapter_is_refused_beside_a_model_and_in_it(
    plain: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ("run", plain, "--out", tmp_path / "out", "--method", "rtn", "--group-size", 16)
    (plain / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    told = said(capsys, *run)
    assert "the folder has an adapter" in told
    assert said(capsys, "eval", plain, "--task", "perplexity", "--data", text_file) == told
    assert any("has an adapter" in text for text in inspect_folder(plain).findings())
    (plain / "adapter_config.json").unlink()
    name = "model.layers.0.self_attn.q_proj.lora_A.weight"
    change(plain, lambda tensors: tensors.update({name: torch.zeros(4, 32)}))
    assert f"an adapter that was not merged, such as {name}" in said(capsys, *run)
    assert not (tmp_path / "out").exists()


Folder = Callable[[Path], object]


def with_end(folder: Path, token: int) -> None:
    """Let config.json name an end mark, and generation_config.json hide it with a sound one."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": token}))
    (folder / "generation_config.json").write_text('{"eos_token_id": 2}')


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json cannot be read"),
        (
            lambda f: (f / "generation_config.json").write_text('{"eos_token_id": [2, 99]}'),
            "generation_config.json names an end mark that the vocabulary lacks",
        ),
        (lambda f: with_end(f, 99), "eos_token_id=99"),
        (
            lambda f: change(f, lambda t: t.update({"model.layers.0.x": torch.ones(1)})),
            "model.layers.0.x",
        ),
    ],
)
def test_run_eval_and_inspect_find_the_same(
    spoil: Folder,
    words: str,
    plain: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(plain)
    told = said(capsys, "run", plain, "--out", tmp_path / "out", "--method", "rtn")
    assert words in told
    assert said(capsys, "eval", plain, "--task", "perplexity", "--data", text_file) == told
    assert any(words in text for text in inspect_folder(plain).findings())


def test_a_tensor_that_the_index_does_not_know_is_named(plain: Path, tmp_path: Path) -> None:
    tensors = load_file(plain / "model.safetensors")
    with ShardWriter(tmp_path / "x", max_shard_bytes=9000) as writer:
        for name, tensor in tensors.items():
            writer.add(name, tensor)
    index = tmp_path / "x" / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    file = content["weight_map"].pop(NORM)
    index.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=rf"{file} holds the tensor {NORM}.*does not know"):
        CheckpointReader(tmp_path / "x")


def test_denormal_norms_and_scales_are_named_and_not_refused(
    plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(plain, lambda tensors: tensors[NORM].view(-1)[:2].fill_(1e-39))
    assert load_model(plain)
    named = [text for text in inspect_folder(plain).findings() if "denormal" in text]
    assert named == [f"{NORM} holds denormal numbers (2 of 32 values), which keep few digits"]
    quantize_model(plain, None, RTN, out=tmp_path / "out")
    assert any(NORM in record.message and "denormal" in record.message for record in caplog.records)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_one_value_among_many_is_found_and_large_ones_are_not(dtype: torch.dtype) -> None:
    """Oracle: ``torch.isfinite``. A sum that overflows is no finding."""
    values = torch.full((2_000_000,), torch.finfo(dtype).max, dtype=dtype)
    assert judge_tensor(Path("f"), "x", pieces_of(values)) == []
    for value in (torch.nan, torch.inf, -torch.inf):
        for place in (0, 1_048_575, 1_048_576, 1_999_999):
            damaged = values.clone()
            damaged[place] = value
            (finding,) = judge_tensor(Path("f"), "x", pieces_of(damaged))
            assert finding.refused and "1 of 2000000 values" in finding.text
    both = values.clone()
    both[7], both[9] = torch.inf, -torch.inf
    assert "2 of 2000000" in judge_tensor(Path("f"), "x", pieces_of(both))[0].text


def test_values_are_read_piece_by_piece(tmp_path: Path) -> None:
    """Oracle: what the C allocator holds at most, far less than the tensor."""
    import tracemalloc

    big = torch.ones(40_000_000, dtype=torch.bfloat16)
    big[-1] = torch.nan
    save_file({"x": big, "ids": torch.ones(9, dtype=torch.int64)}, tmp_path / "model.safetensors")
    reader = CheckpointReader(tmp_path)
    tracemalloc.start()
    (finding,) = judge_values(reader.entries())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (finding.tensor, finding.file) == ("x", tmp_path / "model.safetensors")
    assert most < 40_000_000


def test_weights_that_are_finite_and_compute_no_numbers_answer_nothing(plain: Path) -> None:
    from models.generate import greedy_tokens

    change(plain, lambda tensors: tensors["lm_head.weight"].fill_(3e38))
    loaded = load_model(plain)
    with pytest.raises(CheckpointError, match="computes NaN or infinity"):
        list(greedy_tokens(loaded.model, torch.tensor([[1, 5, 9]]), 2))
    model = LocalTextModel(plain)
    with pytest.raises(VisionError, match="computes NaN or infinity"):
        list(model.answer("some text", "what is it?"))


def test_one_logit_below_all_numbers_is_enough_to_answer_nothing(plain: Path) -> None:
    """The largest logit may be sound: what it is larger than is not."""
    from models.generate import greedy_tokens

    loaded = load_model(plain)
    ids = torch.tensor([[1, 5, 9]])
    list(greedy_tokens(loaded.model, ids, 2))
    with torch.no_grad():
        hidden = loaded.model.model(input_ids=ids).last_hidden_state[0, -1]
        loaded.model.lm_head.weight[7] = -3e38 * hidden.sign()
        logits = loaded.model(input_ids=ids).logits[0, -1]
    assert logits[7] == -torch.inf and torch.isfinite(logits.max())
    with pytest.raises(CheckpointError, match="computes NaN or infinity"):
        list(greedy_tokens(loaded.model, ids, 2))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda g_idx: g_idx[None], r"no row of numbers"),
        (lambda g_idx: g_idx.float(), r"g_idx is torch\.float32, no whole numbers"),
        (lambda g_idx: g_idx.bool(), r"g_idx is torch\.bool, no whole numbers"),
        (lambda g_idx: g_idx + 1, r"g_idx does not put 16 inputs into each group"),
        (lambda g_idx: g_idx * 0, r"g_idx does not put 16 inputs into each group"),
        (lambda g_idx: g_idx * 2**20, r"g_idx does not put 16 inputs into each group"),
        (lambda g_idx: -g_idx, r"g_idx does not put 16 inputs into each group"),
        (lambda g_idx: g_idx[:-1], r"g_idx names 31 inputs"),
    ],
)
def test_a_wrong_g_idx_is_refused_at_load_and_named_by_inspect(
    int4: Path, edit: Callable[[Tensor], Tensor], words: str
) -> None:
    name = "model.layers.1.self_attn.q_proj.g_idx"
    change(int4, lambda tensors: tensors.update({name: edit(tensors[name])}))
    with pytest.raises(CheckpointError, match=words) as caught:
        load_model(int4)
    assert name.removesuffix(".g_idx") in str(caught.value)
    assert any("q_proj" in text and "g_idx" in text for text in inspect_folder(int4).findings())
