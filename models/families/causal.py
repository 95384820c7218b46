"""What the families have in common whose classes are those of transformers.

Such a module has its decoder at ``model``, its head at ``lm_head``, and may tie the head to the
embedding of the input.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import ModelFolderError
from models.files.config_values import wrong_ids, wrong_values
from models.plain_text import beginning

HEAD = "lm_head.weight"

_ROTARY_TABLE = "rotary_emb.inv_freq"

# How layers are stored, and what a call hands out besides logits: nothing that a model is.
_NOT_THE_MODEL = (
    "quantization_config",
    "output_hidden_states",
    "output_attentions",
    "return_dict",
    "use_return_dict",
)

# What transformers and torch raise for values that they cannot build a model with.
_REFUSALS = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
)


def build_on_meta(
    title: str, config: Mapping[str, Any], config_class: Any, module_class: Any
) -> Any:
    """Build a causal language model of transformers on the meta device.

    title: what config.json should describe, such as ``a LLaMA model``.

    Raises:
        ModelFolderError: config.json has values that transformers refuses.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import DynamicCache

    settings = {key: value for key, value in config.items() if key not in _NOT_THE_MODEL}
    try:
        parsed = config_class.from_dict(settings)
        # A mask of None means causal for this implementation only.
        parsed._attn_implementation = "sdpa"
        with torch.device("meta"):
            module = module_class(parsed)
        restore_rotary(module, torch.device("cpu"))
        # Some values are met only when the first token is computed, by what is remembered of it.
        DynamicCache(config=parsed)
    except (*_REFUSALS, StrictDataclassError) as error:
        # Libraries put the names of their exceptions into the text, which nobody needs.
        # Those of torch go on with the functions that they came through.
        said, *_ = str(error).split("Exception raised from")
        reason = " ".join(re.sub(r"\b\w+Error: ", "", said).split())
        reason = reason or type(error).__name__
        raise not_described(title, reason) from error
    module.requires_grad_(False)
    module.train(False)
    return module


_SIZES = (
    "num_key_value_heads",
    "head_dim",
    "sliding_window",
    "intermediate_size",
    "ffn_dim",
    "word_embed_proj_dim",
)
"""Sizes that some family has. Transformers keeps them in any config, where a plan finds them."""


def check_numbers(
    title: str,
    config: Mapping[str, Any],
    *,
    counts: Iterable[str],
    optional_counts: Iterable[str] = (),
    numbers: Iterable[str] = (),
    default_vocabulary: int,
) -> None:
    """Check sizes and token ids before transformers meets them.

    counts, numbers:    fields that must be positive where they are given.
    optional_counts:    fields that may also be null, which stands for a default.
    default_vocabulary: number of ids where config.json names none.

    Raises:
        ModelFolderError: a field has a value that cannot be used.
    """
    counts = tuple(counts)
    optional = (*optional_counts, *(name for name in _SIZES if name not in counts))
    given = {k: v for k, v in config.items() if k not in optional or v is not None}
    wrong = wrong_values(given, counts=(*counts, *optional), numbers=numbers)
    if not wrong:
        # Not pad_token_id: published folders say -1 there for "none".
        ids = {k: given[k] for k in ("bos_token_id", "eos_token_id") if given.get(k) is not None}
        wrong = wrong_ids(ids, given.get("vocab_size", default_vocabulary))
    heads = given.get("num_attention_heads")
    if not wrong and heads and heads % given.get("num_key_value_heads", heads):
        wrong = ["num_attention_heads is no multiple of num_key_value_heads"]
    if wrong:
        raise not_described(title, "; ".join(wrong))


def not_described(title: str, reason: str) -> ModelFolderError:
    """Say in one line why a config.json cannot be used."""
    return ModelFolderError(
        f"config.json does not describe {title} ({beginning(reason)}): restore the original"
    )


def stored_names(module: Any) -> set[str]:
    """Name the tensors that a checkpoint must hold: all but a tied head."""
    names = set(module.state_dict())
    return names - {HEAD} if is_tied(module) else names


def is_recomputed(name: str) -> bool:
    """Tell whether a tensor is a stored rotary table or the copy of a tied head."""
    return name.endswith(_ROTARY_TABLE) or name == HEAD


def is_tied(module: Any) -> bool:
    """Tell whether the head is the embedding of the input."""
    return bool(module.config.tie_word_embeddings)


def tie_head(module: Any) -> None:
    """Make the head the embedding of the input if config.json says so."""
    if is_tied(module):
        module.lm_head.weight = module.get_input_embeddings().weight


def head_source(module: Any) -> str:
    """Name the stored tensor that holds the head's matrix: the embedding's where it is tied."""
    if not is_tied(module):
        return HEAD
    shared = module.get_input_embeddings().weight
    names: Iterator[str] = (n for n, value in module.named_parameters() if value is shared)
    return next(names)


def head_weight(module: Any) -> Tensor:
    """Return the head's matrix (vocabulary, width), tied or not."""
    owner = module.get_input_embeddings() if is_tied(module) else module.lm_head
    weight: Tensor = owner.weight
    return weight


def logits(module: Any, hidden: Tensor) -> Tensor:
    """Multiply (1, T, width) by the head."""
    return functional.linear(hidden, head_weight(module))


def restore_rotary(module: Any, device: torch.device) -> None:
    """Build the rotary module, where there is one, off the meta device.

    Its table is in no checkpoint.
    """
    rotary = getattr(module.model, "rotary_emb", None)
    if rotary is not None:
        module.model.rotary_emb = type(rotary)(module.config).to(device)


def names_outside(module: Any, prefix: str) -> tuple[str, ...]:
    """Name the stored tensors that no block at ``prefix`` holds, in alphabetical order."""
    return tuple(name for name in sorted(stored_names(module)) if not name.startswith(prefix))


def require(module: nn.Module, module_class: type[nn.Module]) -> Any:
    """Return a module of the class that a family builds.

    Raises:
        TypeError: it is another one, which only a mistake in the program can bring about.
    """
    if not isinstance(module, module_class):
        raise TypeError(f"{type(module).__name__} is no {module_class.__name__}")
    return module
