"""Our GPTQ v1 folders read by GPTQModel and by Transformers, and GPTQModel's read by ours."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.files.checkpoint import read_config
from models.int4 import Int4Linear
from models.loading import load_model
from models.text.tokenization import load_tokenizer
from quantizer.calibration.streams import text_windows
from quantizer.cli import main

pytestmark = pytest.mark.interop

IDS = torch.randint(3, 98, (1, 100), generator=torch.Generator().manual_seed(1))
CASES = [(4, sym, group_size) for sym in (False, True) for group_size in (32, 128)]
CASES += [(3, False, 32), (3, True, 128)]


@pytest.fixture(
    scope="module", params=CASES, ids=lambda case: f"{case[0]}bits-sym={case[1]}-group={case[2]}"
)
def ours_folder(
    request: pytest.FixtureRequest, small_llama: Path, text_file: Path, tmp_path_factory: Any
) -> Path:
    """A checkpoint of our quantizer, made by its command line."""
    bits, sym, group_size = request.param
    out: Path = tmp_path_factory.mktemp("ours") / "int4"
    argv = ["run", small_llama, "--out", out, "--method", "rpiq", "--group-size", group_size]
    argv += ["--calibration", text_file, "--samples", 24, "--seq-len", 64, "--device", "cpu"]
    argv += ["--bits", bits]
    assert main([str(part) for part in argv] + ["--sym"] * sym) == 0
    return out


def with_gptqmodel(folder: Path, dtype: torch.dtype, *, one: bool = False) -> nn.Module:
    """Load a checkpoint by GPTQModel.

    The backend is named because the one that AUTO takes on some CPUs (TorchFused) computes
    nonsense for asymmetric weights without a word. For 3 bits there is one alone.

    one: whether one backend must take layers of several widths.
    """
    from gptqmodel import BACKEND, GPTQModel

    bits = read_config(folder / "config.json")["quantization_config"]["bits"]
    backend = BACKEND.GPTQ_TORCH if bits == 3 or one else BACKEND.GPTQ_TORCH_ATEN
    model: nn.Module = GPTQModel.load(str(folder), device="cpu", backend=backend, dtype=dtype).model
    return model.eval()


def with_transformers(folder: Path, dtype: torch.dtype) -> nn.Module:
    """Load a checkpoint by Transformers, which asks optimum and GPTQModel."""
    from transformers import AutoModelForCausalLM

    model: nn.Module = AutoModelForCausalLM.from_pretrained(folder, device_map="cpu", dtype=dtype)
    return model.eval()


def quantized_layers(model: nn.Module) -> dict[str, Any]:
    return {
        name: layer for name, layer in model.named_modules() if hasattr(layer, "dequantize_weight")
    }


@torch.no_grad()
def exact_model(folder: Path, dtype: torch.dtype) -> nn.Module:
    """Our reading of a checkpoint with plain layers of the dequantized weights."""
    model = load_model(folder, dtype=torch.float32).model
    for name, layer in list(model.named_modules()):
        if isinstance(layer, Int4Linear):
            plain = nn.Linear(layer.in_features, layer.out_features, bias=False)
            plain.weight.copy_(layer.quantized().dequantize())
            model.set_submodule(name, plain)
    return model.to(dtype)


@torch.no_grad()
def logits(model: nn.Module) -> Tensor:
    found: Tensor = model(input_ids=IDS, use_cache=False).logits
    return found.float()


def distance(found: Tensor, wanted: Tensor) -> float:
    """Root mean square difference as a share of the root mean square value."""
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("load", [with_gptqmodel, with_transformers])
def test_other_readers_find_our_weights_bit_for_bit(load: Any, ours_folder: Path) -> None:
    theirs = quantized_layers(load(ours_folder, torch.float16))
    ours = load_model(ours_folder, dtype=torch.float32).model
    layers = {name: part for name, part in ours.named_modules() if isinstance(part, Int4Linear)}
    assert set(theirs) == set(layers) and len(layers) == 14
    for name, layer in layers.items():
        found = theirs[name].dequantize_weight().t()
        # They multiply scale and level in float16: one rounding of our exact product.
        assert found.dtype == torch.float16
        assert torch.equal(found, layer.quantized().dequantize().half()), name


@pytest.mark.parametrize("load", [with_gptqmodel, with_transformers])
def test_other_readers_compute_our_logits_within_bf16_rounding(
    load: Any, ours_folder: Path
) -> None:
    wanted = logits(exact_model(ours_folder, torch.float32))
    rounding = distance(logits(exact_model(ours_folder, torch.bfloat16)), wanted)
    assert 0 < rounding < 0.05
    assert distance(logits(load(ours_folder, torch.bfloat16)), wanted) < 2 * rounding
    own = load_model(ours_folder, dtype=torch.bfloat16).model
    assert distance(logits(own), wanted) < 2 * rounding


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("tied", [False, True])
def test_gptqmodel_reads_a_quantized_head(
    bits: int, tied: bool, small_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    source = small_llama
    if tied:
        source = Path(shutil.copytree(small_llama, tmp_path / "tied"))
        tensors = load_file(source / "model.safetensors")
        del tensors["lm_head.weight"]
        save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((source / "config.json").read_text())
        (source / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    out = tmp_path / "int4"
    argv = ["run", source, "--out", out, "--method", "gptq", "--group-size", 32, "--samples", 24]
    argv += ["--calibration", text_file, "--seq-len", 64, "--device", "cpu", "--head-bits", bits]
    assert main([str(part) for part in argv]) == 0
    theirs = quantized_layers(with_gptqmodel(out, torch.float16, one=True))
    ours = load_model(out, dtype=torch.float32).model
    assert len(theirs) == 15
    for name, layer in theirs.items():
        found = layer.dequantize_weight().t()
        assert torch.equal(found, ours.get_submodule(name).quantized().dequantize().half()), name
    wanted = logits(exact_model(out, torch.float32))
    rounding = distance(logits(exact_model(out, torch.bfloat16)), wanted)
    assert distance(logits(with_gptqmodel(out, torch.bfloat16, one=True)), wanted) < 2 * rounding


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"sym": False, "group_size": 32}, id="asymmetric"),
        pytest.param({"sym": True, "group_size": 128}, id="symmetric"),
        pytest.param(
            {"sym": False, "group_size": 32, "desc_act": True, "act_group_aware": False},
            id="groups that follow the activations",
        ),
    ],
)
def test_ours_reads_what_gptqmodel_wrote(
    settings: dict[str, Any],
    small_llama: Path,
    text_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from gptqmodel import BACKEND, GPTQModel, QuantizeConfig

    out = tmp_path / "int4"
    monkeypatch.chdir(tmp_path)  # it leaves a folder of logs where it is started
    windows = text_windows(
        text_file, load_tokenizer(small_llama, 128), bos_token_id=1, samples=24, seq_len=64, seed=0
    )
    config = QuantizeConfig(bits=4, offload_to_disk=False, **settings)
    backend = BACKEND.GPTQ_TORCH_ATEN
    model = GPTQModel.load(
        str(small_llama), config, device="cpu", dtype=torch.float32, backend=backend
    )
    samples = [{"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in windows]
    model.quantize(samples, batch_size=1, backend=backend)
    model.save(str(out))

    reader = with_gptqmodel(out, torch.float16)
    ours = load_model(out, dtype=torch.float32)
    layers = quantized_layers(reader)
    assert len(layers) == 14
    lowest = ours.model.get_submodule("model.layers.0.self_attn.q_proj").quantized().zero.min()
    assert lowest == (8 if settings["sym"] else 0)  # what ours never writes, and reads
    for name, layer in layers.items():
        found = ours.model.get_submodule(name).quantized().dequantize().half()
        assert torch.equal(found, layer.dequantize_weight().t()), name
    wanted = logits(exact_model(out, torch.float32))
    rounding = distance(logits(exact_model(out, torch.bfloat16)), wanted)
    assert distance(logits(ours.model), wanted) < 1e-5
    assert distance(logits(with_gptqmodel(out, torch.bfloat16)), wanted) < 2 * rounding
    # And it is a 4-bit version of the model it was made from, not just any.
    source = logits(load_model(small_llama, dtype=torch.float32).model)
    assert 2 * rounding < distance(wanted, source) < 1
