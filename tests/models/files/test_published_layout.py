"""The files of cogvlm2-llama3-chat-19B in their published layout, at a size that a test can hold.

Names, dtypes, shard files, index and the fields of config.json are the published ones; only
widths, depths and the vocabulary are smaller.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor, nn

from models.cogvlm2 import CogVLM2Config, CogVLM2ForCausalLM
from models.errors import CheckpointError
from models.families import family_of
from models.files.checkpoint import CheckpointReader
from models.generate import PictureChat
from models.int4 import Int4Linear, replace_linear
from models.loading import LoadedModel, load_model
from models.pictures import load_picture
from quantizer.cli import main

pytestmark = pytest.mark.weights

LAYERS, TOWER, PATCHES_A_SIDE, WORDS = 2, 2, 4, 264
WIDTHS = {
    128256: WORDS,
    4096: 128,  # 16 heads of 8 channels; 8 KV heads are the default that config.json leaves out
    6144: 256,
    14336: 192,
    64: 4,
    1792: 64,
    5376: 192,
    15360: 96,
    9217: PATCHES_A_SIDE**2 + 1,
}
SHARDS = 8


def published_shapes(data_dir: Path) -> dict[str, list[int]]:
    """The published names of the first layers, with smaller shapes."""
    shapes = {}
    for line in (data_dir / "cogvlm2" / "tensor_list.tsv").read_text().splitlines()[1:]:
        name, shape = line.split("\t")[:2]
        tower = re.search(r"vision\.transformer\.layers\.(\d+)\.", name)
        decoder = re.match(r"model\.layers\.(\d+)\.", name)
        if (tower and int(tower[1]) >= TOWER) or (decoder and int(decoder[1]) >= LAYERS):
            continue
        shapes[name] = [WIDTHS.get(size, size) for size in json.loads(shape)]
    return shapes


def values_of(name: str, shape: list[int], generator: torch.Generator) -> Tensor:
    if name.endswith("inv_freq"):
        return 500000.0 ** (-torch.arange(4) / 4)
    values = torch.randn(shape, generator=generator)
    if name.endswith("norm.weight") or name.endswith("norm1.weight"):
        return 1 + 0.1 * values
    return values * (0.2 if len(shape) < 2 else float(np.prod(shape[1:])) ** -0.5)


def config_of(data_dir: Path) -> dict:
    config = json.loads((data_dir / "cogvlm2" / "config.json").read_text())
    assert "num_multi_query_heads" not in config and "rope_theta" not in config
    side = {"hidden_size": 64, "num_heads": 4, "num_hidden_layers": TOWER, "intermediate_size": 96}
    side |= {"image_size": 14 * PATCHES_A_SIDE, "num_positions": PATCHES_A_SIDE**2 + 1}
    own = {"hidden_size": 128, "intermediate_size": 192, "num_attention_heads": 16}
    ids = {"bos_token_id": 256, "eos_token_id": [257, 259], "pad_token_id": 258}
    own |= {"num_hidden_layers": LAYERS, "vocab_size": WORDS, "max_position_embeddings": 256}
    return config | own | ids | {"vision_config": config["vision_config"] | side}


def byte_tokenizer() -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ["begin_of_text", "end_of_text", "reserved_special_token_0", "eot_id"]
    tokenizer.add_special_tokens([f"<|{name}|>" for name in names])
    return tokenizer


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """A folder in the published layout."""
    folder = tmp_path_factory.mktemp("cogvlm2-llama3-chat")
    generator = torch.Generator().manual_seed(0)
    shapes = published_shapes(data_dir)
    weight_map, total = {}, 0
    for number in range(SHARDS):
        file = f"model-{number + 1:05d}-of-{SHARDS:05d}.safetensors"
        start, end = (len(shapes) * part // SHARDS for part in (number, number + 1))
        tensors = {
            name: values_of(name, shapes[name], generator).bfloat16()
            for name in list(shapes)[start:end]
        }
        save_file(tensors, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file)
        total += sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = config_of(data_dir)
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": 257}))
    generation = json.loads((data_dir / "cogvlm2" / "generation_config.json").read_text())
    own = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    (folder / "generation_config.json").write_text(json.dumps(generation | own))
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    lines = []
    for number in range(8):
        pixels = generator.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        line = {"picture": f"{number}.png", "question": "What colour?", "answer": f"{number} red"}
        lines.append(json.dumps(line | {"skill": "colour"}))
    (folder / "questions.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def quantized(published: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``quantizer run`` makes of the published folder."""
    out = tmp_path_factory.mktemp("quantized") / "int4"
    argv = ["run", published, "--out", out, "--method", "gptq", "--group-size", 32]
    argv += ["--calibration", pictures, "--samples", 8]
    assert main([str(part) for part in argv]) == 0
    return out


def model_of(loaded: LoadedModel) -> CogVLM2ForCausalLM:
    assert isinstance(loaded.model, CogVLM2ForCausalLM)
    return loaded.model


def test_published_files_are_read(published: Path) -> None:
    loaded = load_model(published)
    config = model_of(loaded).config
    assert (config.num_multi_query_heads, config.rope_theta) == (8, 500000.0)
    assert config.eos_token_ids == (257, 259), "generation_config.json says how answers end"
    dtypes = {tensor.dtype for tensor in model_of(loaded).state_dict().values()}
    assert dtypes == {torch.bfloat16}
    rotary = model_of(loaded).model.layers[1].self_attn.rotary_emb
    cos, _ = rotary(torch.tensor([[100]]))
    assert torch.equal(cos, cos.bfloat16().float()), "bf16 frequencies make bf16 tables"


def test_quantized_and_read_again_it_answers(
    published: Path, quantized: Path, pictures: Path
) -> None:
    before, after = (load_model(folder, dtype=torch.float32) for folder in (published, quantized))
    layers = [m for m in after.model.modules() if isinstance(m, Int4Linear)]
    assert len(layers) == 4 * TOWER + 4 + 10 * LAYERS
    assert isinstance(model_of(after).lm_head, nn.Linear)
    assert model_of(after).config == model_of(before).config
    rgb = load_picture(pictures / "0.png")
    chats = [PictureChat(before), PictureChat(after)]
    for template in ("chat", "vqa"):
        streams = [
            list(chat.answer(chat.look(rgb), "What colour?", max_new_tokens=6, template=template))
            for chat in chats
        ]
        assert all(len(stream) <= 6 for stream in streams)
        assert all(0 < token.probability <= 1 for token in streams[1])
    ids = torch.tensor([[256, *range(40, 80)]])
    exact, rounded = (chat.model(ids) for chat in chats)
    error = (rounded - exact).square().mean() / exact.square().mean()
    assert 1e-6 < float(error) < 0.3
    for name, module in after.model.named_modules():
        if isinstance(module, Int4Linear):
            before.model.get_submodule(name).weight.data = module.quantized().dequantize()
    torch.testing.assert_close(rounded, before.model(ids), atol=1e-4, rtol=0)


def test_the_output_keeps_the_published_facts(published: Path, quantized: Path) -> None:
    raw, written = (json.loads((f / "config.json").read_text()) for f in (published, quantized))
    assert written.pop("quantization_config")["bits"] == 4
    assert written == raw
    reader, source = CheckpointReader(quantized), CheckpointReader(published)
    kept = [name for name in source.names() if name in reader]
    assert any(name.endswith("inv_freq") for name in kept) and "lm_head.weight" in kept
    for name in kept:
        assert reader.dtype(name) == torch.bfloat16
        assert torch.equal(reader.read(name), source.read(name)), name
    for file in ("tokenizer.json", "generation_config.json"):
        assert (quantized / file).read_bytes() == (published / file).read_bytes()


def test_shards_that_did_not_come_along_are_named(published: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published, tmp_path / "half")
    gone = ["model-00003-of-00008.safetensors", "model-00008-of-00008.safetensors"]
    for file in gone:
        (folder / file).unlink()
    with pytest.raises(CheckpointError, match=f"lacks 2 of 8 shards: copy {', '.join(gone)}"):
        load_model(folder)


def test_the_published_index_is_read(data_dir: Path) -> None:
    with pytest.raises(CheckpointError, match=r"lacks 8 of 8 shards: copy model-00001-of-00008"):
        CheckpointReader(data_dir / "cogvlm2")


def test_llama3_ranks_serve_where_tokenizer_json_is_missing(
    data_dir: Path, published: Path, tmp_path: Path
) -> None:
    """The real vocabulary of 128256 ids beside the smaller layers."""
    folder = shutil.copytree(published, tmp_path / "ranks")
    (folder / "tokenizer.json").unlink()
    shutil.copy(data_dir / "tokenizers" / "llama3_tokenizer.model", folder / "tokenizer.model")
    names = ("config.json", "generation_config.json")
    true = {name: json.loads((data_dir / "cogvlm2" / name).read_text()) for name in names}
    ids = {name: true["config.json"][name] for name in ("bos_token_id", "pad_token_id")}
    config = json.loads((folder / "config.json").read_text()) | ids
    config |= {"vocab_size": 128256, "eos_token_id": 128001}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps(true["generation_config.json"]))
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    for name in ("lm_head.weight", "model.embed_tokens.weight"):
        reader = CheckpointReader(folder)
        tensors = {n: reader.read(n) for n, file in index.items() if file == index[name]}
        save_file(tensors | {name: torch.zeros(128256, 128).bfloat16()}, folder / index[name])
    loaded = load_model(folder)
    assert model_of(loaded).config.eos_token_ids == (128001, 128009)
    encoded = loaded.tokenizer.encode("Question: What is it? Answer:", add_special_tokens=False)
    assert encoded.ids == [14924, 25, 3639, 374, 433, 30, 22559, 25]


def test_the_whole_model_fits_24_gb(data_dir: Path) -> None:
    """Bytes of all tensors at full size on CUDA, where codes are held once."""
    raw = json.loads((data_dir / "cogvlm2" / "config.json").read_text())
    module = family_of(raw).build(raw)
    kernel_bytes = 0
    for name in [n for n, m in module.named_modules() if isinstance(m, nn.Linear)]:
        old = module.get_submodule(name)
        if name == "lm_head":
            continue
        with torch.device("meta"):
            layer = Int4Linear(old.in_features, old.out_features, 128, old.bias is not None)
        replace_linear(module, name, layer)
        kernel_bytes += layer.scales.numel() * 2 * 2  # the kernel's own scales and zeros
    tensors = [*module.parameters(), *module.buffers()]
    held = sum(2 * t.numel() if t.is_floating_point() else t.nbytes for t in tensors)
    config = CogVLM2Config.from_dict(raw)
    width = 2 * config.num_multi_query_heads * config.head_dim
    cache_bytes = config.max_position_embeddings * config.num_hidden_layers * width * 2
    total = held + kernel_bytes + cache_bytes
    assert 11e9 < held < 13e9
    assert total < 15e9, "24 GB less what the picture's activations and the driver take"
