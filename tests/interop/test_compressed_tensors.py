"""Our compressed-tensors folders in the hands of the compressed-tensors package, and its in ours.

The package's own compressor decompresses what we packed, compresses what we then read, and
Transformers loads a whole folder through it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor

from models.files.checkpoint import QuantizationConfig
from models.files.compressed_tensors import (
    compressed_config,
    read_compressed_config,
    unpack_compressed,
)
from models.files.formats import FORMATS, unquantized_linears
from models.int4 import QuantizedWeight
from models.loading import load_model

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("default")]

IDS = torch.tensor([[1, 5, 9, 2, 30, 7]])
CASES = [(bits, sym) for bits in (4, 8) for sym in (False, True)]


def random_weight(shape: tuple[int, int], bits: int, sym: bool, seed: int = 0) -> QuantizedWeight:
    generator = torch.Generator().manual_seed(seed)
    groups, top = (shape[0], shape[1] // 32), 2**bits
    zero = torch.randint(1, top, groups, generator=generator)
    return QuantizedWeight(
        codes=torch.randint(0, top, shape, generator=generator).to(torch.uint8),
        scale=(torch.rand(groups, generator=generator) * 0.5 / top + 1e-3).half().float(),
        zero=(torch.full_like(zero, top // 2) if sym else zero).to(torch.int32),
        group_size=32,
        bits=bits,
    )


def compressor_and_scheme(bits: int, sym: bool) -> tuple[Any, Any]:
    compressors = pytest.importorskip("compressed_tensors.compressors")
    quantization = pytest.importorskip("compressed_tensors.quantization")
    values = compressed_config(bits=bits, group_size=32, sym=sym, ignore=["lm_head"])
    parsed = quantization.QuantizationConfig.model_validate(values)
    assert parsed.format == "pack-quantized" and parsed.ignore == ["lm_head"]
    compressor = compressors.BaseCompressor.get_value_from_registry("pack-quantized")
    return compressor, parsed.config_groups["group_0"]


@pytest.mark.parametrize(("bits", "sym"), CASES)
@pytest.mark.parametrize("shape", [(16, 64), (24, 96), (40, 32)])
def test_the_package_decompresses_our_layers_bit_for_bit(
    bits: int, sym: bool, shape: tuple[int, int]
) -> None:
    compressor, scheme = compressor_and_scheme(bits, sym)
    weight = random_weight(shape, bits, sym)
    found = compressor.decompress(FORMATS["compressed-tensors"].pack(weight, sym=sym), scheme)
    # The package multiplies in the dtype of the scales, so the product is rounded once.
    assert found["weight"].dtype == torch.float16
    assert torch.equal(found["weight"], weight.dequantize().half())


@pytest.mark.parametrize(("bits", "sym"), CASES)
def test_what_the_package_compresses_is_what_we_pack_and_read(bits: int, sym: bool) -> None:
    compressor, scheme = compressor_and_scheme(bits, sym)
    weight = random_weight((24, 96), bits, sym)
    state = {
        "weight": weight.dequantize(),
        "weight_scale": weight.scale,
        "weight_zero_point": (weight.zero - 2 ** (bits - 1)).to(torch.int8),
    }
    written: dict[str, Tensor] = compressor.compress(state, scheme)
    again = unpack_compressed(written, bits=bits, group_size=32)
    assert torch.equal(again.codes, weight.codes)
    assert torch.equal(again.zero, weight.zero)
    assert torch.equal(again.dequantize(), weight.dequantize())
    ours = FORMATS["compressed-tensors"].pack(weight, sym=sym)
    assert set(ours) == set(written)
    for name in ("weight_packed", "weight_zero_point", "weight_shape"):
        assert name not in ours or torch.equal(ours[name], written[name]), name


# Without dequantize, Transformers builds the empty packed layers by the package's compressor, whose
# branch for the meta device forgets to pack zero-points (compressed-tensors 0.19 and 0.20): every
# asymmetric folder is refused there, the package's own too.
@pytest.mark.parametrize(
    ("bits", "sym", "dequantize"),
    [*((*case, True) for case in CASES), (4, True, False), (8, True, False)],
)
@torch.no_grad()
def test_transformers_loads_our_folder_and_computes_the_same(
    tmp_path: Path, bits: int, sym: bool, dequantize: bool
) -> None:
    pytest.importorskip("compressed_tensors")
    from transformers import (
        AutoModelForCausalLM,
        CompressedTensorsConfig,
        LlamaConfig,
        LlamaForCausalLM,
    )

    config = LlamaConfig(
        vocab_size=32,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).eval()
    form = FORMATS["compressed-tensors"]
    tensors = {name: value.clone() for name, value in model.state_dict().items()}
    dense: dict[str, Tensor] = {}
    for seed, (name, linear) in enumerate(model.named_modules()):
        if isinstance(linear, torch.nn.Linear) and name != "lm_head":
            weight = random_weight(tuple(linear.weight.shape), bits, sym, seed)
            dense[name] = weight.dequantize()
            linear.weight.copy_(dense[name])
            del tensors[f"{name}.weight"]
            packed = form.pack(weight, sym=sym)
            tensors |= {f"{name}.{part}": value for part, value in packed.items()}
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    settings = QuantizationConfig(bits=bits, group_size=32, sym=sym)
    quantization = form.config(settings, unquantized=unquantized_linears(model, dense))
    raw = config.to_dict() | {
        "architectures": ["LlamaForCausalLM"],
        "quantization_config": quantization,
    }
    (tmp_path / "config.json").write_text(json.dumps(raw))
    Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(tmp_path / "tokenizer.json"))

    asked = {"quantization_config": CompressedTensorsConfig(dequantize=True)} if dequantize else {}
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32, **asked).eval()
    ours = load_model(tmp_path, dtype=torch.float32)
    torch.testing.assert_close(ours.model(IDS).logits, model(IDS).logits, rtol=1e-5, atol=1e-5)
    for name, weight in dense.items():
        # Dequantized at loading, the product is rounded to the dtype of the scales.
        wanted = weight.half().float() if dequantize else weight
        model.get_submodule(name).weight.copy_(wanted)
    logits = theirs(IDS).logits  # decompresses what was not dequantized
    torch.testing.assert_close(logits, model(IDS).logits, rtol=1e-5, atol=1e-5)
    for name in dense:
        assert torch.equal(theirs.get_submodule(name).weight, model.get_submodule(name).weight), (
            name
        )
    assert read_compressed_config(quantization).sym is sym
