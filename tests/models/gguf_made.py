"""Small GGUF files, written by the `gguf` package's own writer from models of Transformers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize
from numpy.typing import NDArray

PIECES = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTSIDE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}

Change = Callable[[GGUFWriter], None]


def byte_letters() -> list[str]:
    """GPT-2's letters for the 256 bytes, in an order of their own."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [*map(chr, shown), *(chr(256 + n) for n in range(len(hidden)))]


def pieces_and_merges() -> tuple[list[str], list[str]]:
    """A vocabulary of 300: control pieces, bytes, and a few joined pieces."""
    merges = ["t h", "th e", "Ġ the", "i n", "1 9", "19 8", "Ġ a", "e r"]
    pieces = [*PIECES, *byte_letters(), *(merge.replace(" ", "") for merge in merges)]
    return [*pieces, *(f"[PAD{n}]" for n in range(300 - len(pieces)))], merges


def tiny(architecture: str = "llama", *, tied: bool = True, seed: int = 0) -> Any:
    """A random model of Transformers with 300 pieces and rows of 256, which all types divide."""
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        Qwen2Config,
        Qwen2ForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    sizes: dict[str, Any] = {
        "vocab_size": 300,
        "hidden_size": 256,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": tied,
        "initializer_range": 0.2,
    }
    torch.manual_seed(seed)
    if architecture == "llama":
        model = LlamaForCausalLM(LlamaConfig(**sizes))
    elif architecture == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(**sizes))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith(".bias"):  # which are made as zeros
                    parameter.normal_(std=0.5)
    else:
        model = Qwen3ForCausalLM(Qwen3Config(**sizes))
    return model.eval()


def write_gguf(
    path: Path,
    model: Any,
    *,
    kind: str = "F32",
    fields: Mapping[str, Any] | None = None,
    change: Change = lambda writer: None,
) -> Path:
    """Write a model with a byte-level tokenizer; kind: the type of all matrices.

    fields: numbers and texts that stand for those of the model.
    change: called before the end, to add what no such file has.
    """
    config = model.config
    name = config.model_type
    writer = GGUFWriter(str(path), name)
    given = {
        f"{name}.context_length": config.max_position_embeddings,
        f"{name}.embedding_length": config.hidden_size,
        f"{name}.block_count": config.num_hidden_layers,
        f"{name}.feed_forward_length": config.intermediate_size,
        f"{name}.attention.head_count": config.num_attention_heads,
        f"{name}.attention.head_count_kv": config.num_key_value_heads,
        f"{name}.attention.key_length": config.head_dim,
        f"{name}.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        f"{name}.rope.freq_base": 10000.0,
        "general.name": "Tiny",
        "general.license": "apache-2.0",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.chat_template": TEMPLATE,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        **(fields or {}),
    }
    for key, value in given.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)
    pieces, merges = pieces_and_merges()
    writer.add_token_list(pieces)
    writer.add_token_types([3] * 3 + [1] * (300 - 3))
    writer.add_token_merges(merges)
    for old, tensor in model.state_dict().items():
        if old == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if name == "llama" and old.endswith(("q_proj.weight", "k_proj.weight")):
            heads = config.num_attention_heads if "q_proj" in old else config.num_key_value_heads
            values = for_llama_cpp(values, heads)
        _add(writer, gguf_name(old), values, kind if values.ndim > 1 else "F32")
    change(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def gguf_name(name: str) -> str:
    """What llama.cpp calls a tensor of Transformers."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    _, _, layer, *middle, kind = name.split(".")
    return f"blk.{layer}.{_LAYER['.'.join(middle)]}.{kind}"


def for_llama_cpp(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of queries or keys as its converter sorts them: halves of a head become neighbours."""
    out, columns = values.shape
    sorted_rows = np.empty_like(values)
    width = out // heads
    for row in range(out):
        head, channel = divmod(row, width)
        half, place = divmod(channel, width // 2)
        sorted_rows[head * width + 2 * place + half] = values[row]
    assert sorted_rows.shape == (out, columns)
    return sorted_rows


def _add(writer: GGUFWriter, name: str, values: NDArray[np.float32], kind: str) -> None:
    if kind == "F32":
        writer.add_tensor(name, values)
    elif kind == "F16":
        writer.add_tensor(name, values.astype(np.float16))
    else:
        of = GGMLQuantizationType[kind]
        data = _random_blocks(values, of) if kind.endswith("_K") else quantize(values, of)
        writer.add_tensor(name, data, raw_dtype=of)


def _random_blocks(values: NDArray[np.float32], of: Any) -> NDArray[np.uint8]:
    """Blocks of the types that the package reads and does not write: random, with small scales."""
    generator = np.random.default_rng(values.size)
    block_bytes = {"Q4_K": 144, "Q6_K": 210}[of.name]
    blocks = generator.integers(0, 256, (values.size // 256, block_bytes), dtype=np.uint8)
    scale = np.array([0.01], np.float16).view(np.uint8)
    for start in (0, 2) if of.name == "Q4_K" else (208,):
        blocks[:, start : start + 2] = scale
    return blocks.reshape(values.shape[0], -1)
