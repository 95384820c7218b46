"""The model families: how to build one on the meta device, and how to walk its blocks.

A family knows three things: which config.json is its own, the module that config describes,
and which of the module's tensors a checkpoint may leave out because they are computed.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.blocks import Block, BlockwiseModel, Sample, State
from models.checkpoint import read_json
from models.config_values import wrong_ids, wrong_values
from models.errors import ModelFolderError

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM

log = logging.getLogger(__name__)

LLAMA_GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)

_LLAMA_COUNTS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
_LLAMA_OPTIONAL_COUNTS = ("num_key_value_heads", "head_dim")  # null stands for a default
_LLAMA_NUMBERS = ("rms_norm_eps", "rope_theta")
_LLAMA_VOCABULARY = 32000  # where config.json names none

# What transformers and torch raise for values that they cannot build a model with.
_REFUSALS = (
    TypeError,
    ValueError,
    KeyError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
)

COGVLM2_ARCHITECTURE = "CogVLMForCausalLM"


class Family(Protocol):
    """One architecture and the rules of its checkpoints."""

    @property
    def name(self) -> str:
        """Short name for reports."""
        ...

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build the module with its parameters on the meta device and no gradients.

        Raises:
            ModelFolderError: the configuration cannot be used.
        """
        ...

    def blockwise(self, module: nn.Module) -> BlockwiseModel:
        """Wrap a module of this family for the quantizer."""
        ...

    def expected_names(self, module: nn.Module) -> set[str]:
        """Name the tensors that a checkpoint must hold."""
        ...

    def may_ignore(self, name: str) -> bool:
        """Tell whether a tensor of a checkpoint is without meaning for the module."""
        ...

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute what the checkpoint left out and tie what is tied, after loading."""
        ...


@dataclass(frozen=True, slots=True)
class LlamaFamily:
    """LLaMA as transformers implements it."""

    name: str = "llama"

    def build(self, config: Mapping[str, Any]) -> "LlamaForCausalLM":
        """Build `transformers.LlamaForCausalLM` on the meta device.

        Raises:
            ModelFolderError: config.json has values that transformers refuses.
        """
        # Imported here because transformers takes seconds to import and picture models do
        # without it.
        from huggingface_hub.errors import StrictDataclassError
        from transformers import LlamaConfig, LlamaForCausalLM

        settings = {key: value for key, value in config.items() if key != "quantization_config"}
        _check_llama_values(settings)
        try:
            parsed = LlamaConfig.from_dict(settings)
            # A mask of None means causal for this implementation only.
            parsed._attn_implementation = "sdpa"
            with torch.device("meta"):
                model = LlamaForCausalLM(parsed)
            _restore_rotary(model, parsed, torch.device("cpu"))
        except (*_REFUSALS, StrictDataclassError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise _no_llama(reason) from error
        model.requires_grad_(False)
        model.train(False)
        return model

    def blockwise(self, module: nn.Module) -> "LlamaBlocks":
        """Wrap a LLaMA module for the quantizer."""
        return LlamaBlocks(_as_llama(module))

    def expected_names(self, module: nn.Module) -> set[str]:
        """Name the tensors that a checkpoint must hold: all but a tied head."""
        names = set(module.state_dict())
        return names - {"lm_head.weight"} if _is_tied(_as_llama(module)) else names

    def may_ignore(self, name: str) -> bool:
        """Tell whether a tensor is a stored rotary table or the copy of a tied head."""
        return name.endswith("rotary_emb.inv_freq") or name == "lm_head.weight"

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute the rotary frequencies on the device and tie the head if asked to."""
        model = _as_llama(module)
        _restore_rotary(model, model.config, device)
        if _is_tied(model):
            model.lm_head.weight = model.model.embed_tokens.weight


@dataclass(frozen=True, slots=True)
class CogVLM2Family:
    """CogVLM2, the published model and the small one."""

    name: str = "cogvlm2"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build `CogVLM2ForCausalLM` on the meta device.

        Raises:
            ModelFolderError: config.json is not one of CogVLM2.
        """
        from models.cogvlm2.config import CogVLM2Config
        from models.cogvlm2.model import CogVLM2ForCausalLM

        parsed = CogVLM2Config.from_dict(config)
        with torch.device("meta"):
            model = CogVLM2ForCausalLM(parsed)
        self.complete(model, torch.device("cpu"))
        return model.eval().requires_grad_(False)

    def blockwise(self, module: nn.Module) -> BlockwiseModel:
        """Wrap a CogVLM2 module for the quantizer."""
        from models.cogvlm2.blockwise import CogVLM2Blocks
        from models.cogvlm2.model import CogVLM2ForCausalLM

        if not isinstance(module, CogVLM2ForCausalLM):
            raise TypeError(f"CogVLM2Family cannot walk a {type(module).__name__}")
        return CogVLM2Blocks(module)

    def expected_names(self, module: nn.Module) -> set[str]:
        """Name the tensors that a checkpoint must hold: all but the rotary frequencies."""
        return {name for name in module.state_dict() if not name.endswith("rotary_emb.inv_freq")}

    def may_ignore(self, name: str) -> bool:
        """Every published tensor has a meaning."""
        return False

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute rotary frequencies that the checkpoint left out."""
        from models.cogvlm2.decoder import RotaryEmbedding, inverse_frequencies
        from models.cogvlm2.model import CogVLM2ForCausalLM

        if not isinstance(module, CogVLM2ForCausalLM):
            raise TypeError(f"CogVLM2Family cannot complete a {type(module).__name__}")
        config = module.config
        head_dim = config.hidden_size // config.num_attention_heads
        for part in module.modules():
            if isinstance(part, RotaryEmbedding) and part.inv_freq.is_meta:
                part.inv_freq = inverse_frequencies(head_dim, config.rope_theta).to(device)


class LlamaBlocks:
    """LLaMA one decoder layer at a time.

    The state is ``hidden`` (1, T, hidden_size) alone: positions and the causal mask follow from
    its length and are cheaper to compute again than to keep for every sequence.
    """

    def __init__(self, model: "LlamaForCausalLM") -> None:
        self.model = model

    def blocks(self) -> Iterator[Block]:
        """Yield the decoder layers."""
        for index, layer in enumerate(self.model.model.layers):
            yield Block(f"model.layers.{index}", layer, LLAMA_GROUPS)

    def outer_names(self) -> tuple[str, ...]:
        """Name the embedding, the final norm and, where it is not tied, the head."""
        names = sorted(LlamaFamily().expected_names(self.model))
        return tuple(name for name in names if not name.startswith("model.layers."))

    def start(self, sample: Sample) -> State:
        """Embed ``input_ids`` (1, T)."""
        embed: nn.Embedding = self.model.model.embed_tokens
        ids: Tensor = sample["input_ids"]
        return {"hidden": embed(ids.to(embed.weight.device))}

    def step(self, block: Block, state: State) -> State:
        """Run one decoder layer with causal attention over the whole sequence."""
        hidden = state["hidden"]
        positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
        rotary = self.model.model.rotary_emb(hidden, position_ids=positions)
        return {"hidden": block.module(hidden, position_embeddings=rotary)}

    def finish(self, state: State) -> Tensor:
        """Turn the last block's state into logits (1, T, vocabulary)."""
        core = self.model.model
        weight = core.embed_tokens.weight if _is_tied(self.model) else self.model.lm_head.weight
        return functional.linear(core.norm(state["hidden"]), weight)


@dataclass(frozen=True, slots=True)
class TextLimits:
    """What a model's parsed config.json says about text.

    vocab_size:   ids are 0 to vocab_size - 1.
    context:      most tokens of a sequence.
    bos_token_id: starts a text; None where the model has none.
    """

    vocab_size: int
    context: int
    bos_token_id: int | None


def text_limits(module: nn.Module) -> TextLimits:
    """Read the limits of a module of any family."""
    config: Any = module.config
    return TextLimits(config.vocab_size, config.max_position_embeddings, config.bos_token_id)


def family_of(config: Mapping[str, Any]) -> Family:
    """Choose the family by a config.json.

    Raises:
        ModelFolderError: the architecture is unknown.
    """
    architectures = config.get("architectures")
    if isinstance(architectures, list) and COGVLM2_ARCHITECTURE in architectures:
        return CogVLM2Family()
    if config.get("model_type") == "llama":
        return LlamaFamily()
    found = config.get("architectures") or config.get("model_type") or "nothing"
    raise ModelFolderError(
        f"config.json names the architecture {found}, which is not supported: "
        f"use a LLaMA model (model_type llama) or CogVLM2 ({COGVLM2_ARCHITECTURE})"
    )


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A full-precision model folder, ready to be walked; no tensor has been read.

    module:    on the meta device; computed tensors such as rotary frequencies on the CPU.
    blockwise: the same module as the quantizer walks it.
    config:    config.json as it stands.
    """

    folder: Path
    family: Family
    module: nn.Module
    blockwise: BlockwiseModel
    config: dict[str, Any]


def open_blockwise(folder: Path) -> OpenedModel:
    """Open a full-precision model folder for the quantizer.

    Raises:
        ModelFolderError: the folder or its config.json is missing, of no known family, or the
            model is quantized already.
    """
    if not folder.is_dir():
        raise ModelFolderError(f"{folder} is no folder: give the folder of a model")
    config = read_json(folder / "config.json")
    if config.get("quantization_config"):
        raise ModelFolderError(
            f"{folder} is quantized already: give the full-precision model it was made from"
        )
    family = family_of(config)
    module = family.build(config)
    return OpenedModel(folder, family, module, family.blockwise(module), config)


def _check_llama_values(config: Mapping[str, Any]) -> None:
    given = {k: v for k, v in config.items() if k not in _LLAMA_OPTIONAL_COUNTS or v is not None}
    wrong = wrong_values(
        given, counts=(*_LLAMA_COUNTS, *_LLAMA_OPTIONAL_COUNTS), numbers=_LLAMA_NUMBERS
    )
    if not wrong:
        # Not pad_token_id: published folders say -1 there for "none".
        ids = {k: given[k] for k in ("bos_token_id", "eos_token_id") if given.get(k) is not None}
        wrong = wrong_ids(ids, given.get("vocab_size", _LLAMA_VOCABULARY))
    heads = given.get("num_attention_heads")
    if not wrong and heads and heads % given.get("num_key_value_heads", heads):
        wrong = ["num_attention_heads is no multiple of num_key_value_heads"]
    if wrong:
        raise _no_llama("; ".join(wrong))


def _no_llama(reason: str) -> ModelFolderError:
    return ModelFolderError(
        f"config.json does not describe a LLaMA model ({reason}): restore the original"
    )


def _as_llama(module: nn.Module) -> "LlamaForCausalLM":
    from transformers import LlamaForCausalLM

    if not isinstance(module, LlamaForCausalLM):
        raise TypeError(f"LlamaFamily cannot handle a {type(module).__name__}")
    return module


def _is_tied(model: "LlamaForCausalLM") -> bool:
    return bool(model.config.tie_word_embeddings)


def _restore_rotary(model: "LlamaForCausalLM", config: "LlamaConfig", device: torch.device) -> None:
    """Build the rotary module off the meta device: its table is in no checkpoint."""
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    model.model.rotary_emb = LlamaRotaryEmbedding(config).to(device)
