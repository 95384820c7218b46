"""Model folders: small sound ones of every form, ways to damage them, and what uses them.

Quantized folders are used twice, loaded and then asked; plain folders are planned and now and
then run. Oracles: ``safetensors.safe_open`` for the files, `torch.isfinite` over all that they
hold, and one forward pass whose logits are looked at here.
"""

import contextlib
import json
import os
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.cogvlm2.model import CogVLM2ForCausalLM
from models.errors import ModelsError
from models.files.checkpoint import CheckpointReader, ShardWriter, write_json
from models.generate import PictureChat, greedy_tokens
from models.int4.packing import pack_last, unpack_last
from models.loading import load_model
from quantizer.inspect.folder import inspect_folder
from quantizer.library import quantize_model
from quantizer.run.pipeline import Job, plan_job, prepare, run
from quantizer.solvers.methods import Settings
from scripts.letters import letter_tokenizer
from tests.faults import headers
from tests.faults.forked import NoNumbersError, SilentError
from tests.faults.mutations import damage_file, damage_json, damage_text
from tests.small_cogvlm2 import small_config

PLAIN = ("llama", "opt", "qwen2", "qwen3", "cogvlm2")
QUANTIZED = (
    "gptq", "gptq-v2", "gptq-act-order", "gptq-shards", "compressed", "cogvlm2-gptq", "gptq-3bits",
)  # fmt: skip

_GROUP = 16
_WORDS = 99
_IDS = torch.tensor([[1, 5, 9, 40]])
_RTN = Settings(method="rtn", bits=4, group_size=_GROUP)
_THREE_BITS = Settings(method="rtn", bits=3, group_size=_GROUP)
_PICTURE = np.arange(40 * 50 * 3, dtype=np.uint64).reshape(40, 50, 3).astype(np.uint8)


def make_folders(root: Path) -> dict[str, Path]:
    """Write every sound folder below ``root``."""
    made = {name: _plain(root / name, name) for name in PLAIN}
    for form, name in (("gptq", "gptq"), ("compressed-tensors", "compressed")):
        made[name] = root / name
        quantize_model(made["llama"], None, _RTN, out=made[name], form=form)
    made["cogvlm2-gptq"] = root / "cogvlm2-gptq"
    quantize_model(made["cogvlm2"], None, _RTN, out=made["cogvlm2-gptq"])
    made["gptq-3bits"] = root / "gptq-3bits"
    wide = _plain(root / "source-of-3bits", "llama-of-32s")  # three words hold 32 codes
    quantize_model(wide, None, _THREE_BITS, out=made["gptq-3bits"])
    for name, change in (("gptq-v2", _to_v2), ("gptq-act-order", _to_act_order)):
        made[name] = Path(shutil.copytree(made["gptq"], root / name))
        change(made[name])
    made["gptq-shards"] = Path(shutil.copytree(made["gptq"], root / "gptq-shards"))
    tensors = load_file(made["gptq"] / "model.safetensors")
    with ShardWriter(made["gptq-shards"], max_shard_bytes=12_000) as writer:
        for key, value in tensors.items():
            writer.add(key, value)
    return made


def damage_folder(rng: random.Random, folder: Path) -> None:
    """Damage a folder in one way, now and then in two."""
    for _ in range(rng.choice((1, 1, 1, 1, 2))):
        change = rng.choices(list(_DAMAGES), weights=list(_DAMAGES.values()))[0]
        # What a first change broke may have no grammar left that a second one could work on.
        with contextlib.suppress(Exception):
            change(rng, folder)
        if not all(path.is_file() or path.is_dir() for path in folder.rglob("*")):
            break  # a second change would wait for somebody who writes into a pipe


def use_quantized(folder: Path) -> None:
    """Inspect, load and ask.

    Raises:
        SilentError, NoNumbersError: what was loaded must not have been.
    """
    _inspect(folder)
    loaded = load_model(folder)
    if loaded.family == "cogvlm2":
        chat = PictureChat(loaded)
        tokens = list(chat.answer(chat.look(_PICTURE), "What is it?", max_new_tokens=3))
        if not all(0 <= token.probability <= 1 for token in tokens):
            raise NoNumbersError(f"probabilities {[token.probability for token in tokens]}")
        chat.embed(_PICTURE)
    else:
        list(greedy_tokens(loaded.model, _IDS, 3))
        with torch.inference_mode():
            logits = loaded.model(input_ids=_IDS, use_cache=False).logits
        if not bool(torch.isfinite(logits[:, -1]).all()):
            raise NoNumbersError("the logits that were answered from are no numbers")
    _check_files(folder)


def use_plain(folder: Path, *, runs: bool) -> None:
    """Inspect and plan; ``runs`` quantizes as well.

    Raises:
        SilentError, NoNumbersError: what was read must not have been.
    """
    _inspect(folder)
    job = Job(model=folder, out=folder.with_name("out"), settings=_RTN)
    if runs:
        run(job)
        _check_files(folder)
        _check_files(job.out)
        return
    plan_job(job, prepare(job)).check()


def _inspect(folder: Path) -> None:
    try:
        found = inspect_folder(folder)
    except ModelsError:
        return  # loading must say the same, and in one line
    json.dumps(found.to_dict(), allow_nan=False)


def _check_files(folder: Path) -> None:
    """The oracle of what went through."""
    reader = CheckpointReader(folder)
    for file in {entry.file for entry in reader.entries().values()}:
        try:
            with safe_open(str(file), framework="pt") as opened:
                opened.keys()
        except (SafetensorError, OSError) as error:
            raise SilentError(f"{file.name} was read; the library: {error}") from error
        for name, tensor in load_file(file).items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise NoNumbersError(f"{name} in {file.name} is no number and was used")


def _plain(folder: Path, family: str) -> Path:
    torch.manual_seed(0)
    module: Any
    if family == "cogvlm2":
        config = small_config(words=_WORDS, tower_wide=32)
        module, raw = CogVLM2ForCausalLM(config), config.to_dict()
    else:
        module = _of_transformers(family)
        raw = module.config.to_dict() | {"architectures": [type(module).__name__]}
    with ShardWriter(folder) as writer:
        for name, value in module.state_dict().items():
            tied = name == "lm_head.weight" and raw.get("tie_word_embeddings")
            if not name.endswith("inv_freq") and not tied:
                writer.add(name, value.to(torch.bfloat16).clone())
    write_json(folder / "config.json", raw)
    (folder / "generation_config.json").write_text('{"eos_token_id": 2}')
    letter_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def _of_transformers(family: str) -> Any:
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        OPTConfig,
        OPTForCausalLM,
        Qwen2Config,
        Qwen2ForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    common: dict[str, Any] = {
        "vocab_size": _WORDS,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }
    if family == "opt":
        return OPTForCausalLM(OPTConfig(**common, ffn_dim=48, word_embed_proj_dim=32))
    common |= {"intermediate_size": 48, "num_key_value_heads": 2, "tie_word_embeddings": False}
    if family == "llama-of-32s":
        common |= {"intermediate_size": 64, "num_key_value_heads": 4}
    if family.startswith("llama"):
        return LlamaForCausalLM(LlamaConfig(**common))
    if family == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**common))
    return Qwen3ForCausalLM(Qwen3Config(**common, head_dim=8))


def _change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    path = _weights(folder)[0]
    tensors = load_file(path)
    change(tensors)
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("model*.safetensors"))


def _to_v2(folder: Path) -> None:
    """GPTQ v2 stores the zero-point itself."""

    def change(tensors: dict[str, Tensor]) -> None:
        for name, value in tensors.items():
            if name.endswith(".qzeros"):
                tensors[name] = pack_last(unpack_last(value, 4).to(torch.int32) + 1, 4)

    _change_tensors(folder, change)
    for file in ("config.json", "quantize_config.json"):
        text = (folder / file).read_text()
        (folder / file).write_text(
            text.replace('"checkpoint_format": "gptq"', '"checkpoint_format": "gptq_v2"')
        )


def _to_act_order(folder: Path) -> None:
    """Every group's inputs lie anywhere, as desc_act leaves them."""
    generator = torch.Generator().manual_seed(0)

    def change(tensors: dict[str, Tensor]) -> None:
        for name, value in tensors.items():
            if name.endswith(".g_idx"):
                tensors[name] = value[torch.randperm(len(value), generator=generator)]

    _change_tensors(folder, change)
    for file in ("config.json", "quantize_config.json"):
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace('"desc_act": false', '"desc_act": true'))


def _damage_header(rng: random.Random, folder: Path) -> None:
    path = rng.choice(_weights(folder) or [folder / "model.safetensors"])
    if not path.is_file() or len(data := path.read_bytes()) < 8:
        return
    length = struct.unpack("<Q", data[:8])[0]
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError:
        return  # damaged before
    rng.choice(headers.CHANGES)(rng, header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def _damage_values(rng: random.Random, folder: Path) -> None:
    path = rng.choice(_weights(folder) or [folder / "model.safetensors"])
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError):
        return
    name = rng.choice(sorted(tensors))
    tensors[name] = _damaged(rng, tensors[name].clone())
    if rng.random() < 0.15:
        tensors[rng.choice(("strange", f"{name}.more", name.replace(".0.", ".7.")))] = tensors[name]
    if rng.random() < 0.15:
        del tensors[rng.choice(sorted(tensors))]
    if rng.random() < 0.1:
        one, other = rng.choice(sorted(tensors)), rng.choice(sorted(tensors))
        tensors[one], tensors[other] = tensors[other].clone(), tensors[one].clone()
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, path)


def _damaged(rng: random.Random, tensor: Tensor) -> Tensor:
    kind = rng.random()
    if kind < 0.2:
        dtypes = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int32)
        more = (torch.int64, torch.uint8, torch.bool, torch.int8, torch.int16)
        return tensor.to(rng.choice(dtypes + more))
    if kind < 0.4:
        shapes = (
            lambda: tensor[..., :-1],
            lambda: tensor.reshape(-1),
            lambda: tensor.reshape(1, *tensor.shape),
            lambda: torch.cat((tensor, tensor)),
            lambda: tensor.t() if tensor.dim() == 2 else tensor[:1],
            lambda: torch.zeros(0, dtype=tensor.dtype),
            lambda: tensor.flatten()[0],
        )
        return rng.choice(shapes)().clone()
    flat = tensor.reshape(-1)
    if not flat.numel():
        return tensor
    places = [rng.randrange(flat.numel()) for _ in range(rng.choice((1, 1, 3, flat.numel())))]
    if tensor.is_floating_point():
        top = torch.finfo(tensor.dtype)
        values = (float("nan"), float("inf"), -float("inf"), top.max, -top.max, 0.0, -1.0)
        flat[places] = rng.choice((*values, top.smallest_normal / 4, top.tiny))
    elif tensor.dtype != torch.bool:
        top_int = torch.iinfo(tensor.dtype)
        flat[places] = rng.choice((top_int.min, top_int.max, 0, 1, 2, 7 % (top_int.max + 1)))
    return tensor


def _damage_weight_bytes(rng: random.Random, folder: Path) -> None:
    damage_file(rng, rng.choice(_weights(folder) or [folder / "config.json"]))


_IMPORTANT = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "max_position_embeddings", "rope_theta", "rms_norm_eps",
    "rope_scaling", "rope_parameters", "hidden_act", "tie_word_embeddings", "eos_token_id",
    "bos_token_id", "pad_token_id", "attention_bias", "mlp_bias", "quantization_config",
    "num_multi_query_heads", "vision_config", "template_version", "ffn_dim",
    "word_embed_proj_dim", "do_layer_norm_before", "activation_function", "sliding_window",
    "layer_types", "use_sliding_window", "torch_dtype", "dtype", "attention_dropout", "model_type",
    "architectures", "layerdrop", "pretraining_tp", "attn_implementation", "_attn_implementation",
)  # fmt: skip


def _damage_config(rng: random.Random, folder: Path) -> None:
    path = folder / "config.json"

    def change(rng: random.Random, text: str) -> str:
        value = json.loads(text)
        part = value
        for inner in ("quantization_config", "vision_config"):
            if isinstance(value.get(inner), dict) and rng.random() < 0.3:
                part = value[inner]
        names = [name for name in _IMPORTANT if name in part] or list(part) or ["x"]
        name = rng.choice(names if rng.random() < 0.8 else _IMPORTANT)
        kept = {name: part.get(name)}
        changed = json.loads(damage_json_soundly(rng, kept))
        part.pop(name, None)
        part.update(changed)
        return json.dumps(value)

    damage_text(rng, path, change if rng.random() < 0.7 else damage_json)


def damage_json_soundly(rng: random.Random, value: dict[str, Any]) -> str:
    """As `damage_json`, but what comes out is JSON that Python reads."""
    while True:
        text = damage_json(rng, json.dumps(value))
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            continue
        return text


def _damage_other(rng: random.Random, folder: Path) -> None:
    names = ("tokenizer.json", "generation_config.json", "quantize_config.json", headers.INDEX)
    present = [folder / name for name in names if (folder / name).is_file()]
    if present:
        damage_text(rng, rng.choice(present), damage_json)


def _damage_files(rng: random.Random, folder: Path) -> None:
    """Files are missing, in each other's place, or no files."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    if not files:
        return
    one, other = rng.choice(files), rng.choice(files)
    kind = rng.random()
    if kind < 0.25:
        one.unlink()
    elif kind < 0.4:
        one.write_bytes(other.read_bytes())
    elif kind < 0.55:
        weights = _weights(folder) or [one]
        name = rng.choice(("model.safetensors", "model-00001-of-00009.safetensors"))
        (folder / name).write_bytes(weights[0].read_bytes())
    elif kind < 0.65:
        one.unlink()
        one.mkdir()
    elif kind < 0.8:
        one.write_bytes(rng.choice((b"", b"\x00" * 100, b"{}", b"[]", b"null", b"\xff\xfe")))
    elif kind < 0.83:
        one.unlink()
        os.mkfifo(one)
    elif kind < 0.86:
        one.unlink()
        one.symlink_to(rng.choice(("/dev/zero", "/dev/null", one.name, "/nowhere")))
    else:
        one.chmod(0)


_DAMAGES: dict[Callable[[random.Random, Path], None], float] = {
    _damage_header: 24,
    _damage_values: 28,
    _damage_weight_bytes: 14,
    _damage_config: 24,
    _damage_other: 7,
    _damage_files: 3,
}
