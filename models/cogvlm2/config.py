"""Configuration of CogVLM2: one frozen value per part, read from the published config.json."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from models.errors import ModelFolderError
from models.files.config_values import wrong_ids, wrong_values

_COUNTS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_multi_query_heads",
    "max_position_embeddings",
)
_NUMBERS = ("rms_norm_eps", "rope_theta")
_VISION_COUNTS = (
    "image_size",
    "patch_size",
    "in_channels",
    "hidden_size",
    "num_heads",
    "num_hidden_layers",
    "intermediate_size",
)
_VISION_NUMBERS = ("layer_norm_eps",)
_TEMPLATES = ("chat", "vqa", "base")


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """The picture encoder (EVA2-CLIP-E). Sizes are in tokens, channels or pixels."""

    image_size: int = 1344
    patch_size: int = 14
    in_channels: int = 3
    hidden_size: int = 1792
    num_heads: int = 16
    num_hidden_layers: int = 63
    intermediate_size: int = 15360
    layer_norm_eps: float = 1e-6

    @property
    def grid(self) -> int:
        """Patches along one side of the picture."""
        return self.image_size // self.patch_size

    @property
    def num_positions(self) -> int:
        """Patches of a picture plus the class token."""
        return self.grid**2 + 1


@dataclass(frozen=True, slots=True)
class CogVLM2Config:
    """Everything that fixes the shapes and the arithmetic of a CogVLM2 model.

    Defaults are those of cogvlm2-llama3-chat-19B. ``num_multi_query_heads`` (the KV heads) and
    ``rope_theta`` are missing from its published config.json and supplied here; they stand in
    its modelling code (https://github.com/THUDM/CogVLM2).
    """

    vocab_size: int = 128256
    hidden_size: int = 4096
    intermediate_size: int = 14336
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_multi_query_heads: int = 8
    max_position_embeddings: int = 8192
    rms_norm_eps: float = 1e-5
    rope_theta: float = 500000.0
    template_version: str = "chat"
    bos_token_id: int = 128000
    eos_token_ids: tuple[int, ...] = (128001, 128009)
    pad_token_id: int = 128002
    vision: VisionConfig = field(default_factory=VisionConfig)

    @property
    def head_dim(self) -> int:
        """Channels of one attention head of the decoder."""
        return self.hidden_size // self.num_attention_heads

    @property
    def num_picture_tokens(self) -> int:
        """Places one picture takes in the prompt: begin mark, merged patches, end mark."""
        return (self.vision.grid // 2) ** 2 + 2

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "CogVLM2Config":
        """Read a config.json as published; unknown keys are ignored.

        Raises:
            ModelFolderError: a part is missing or has a value this model cannot take.
        """
        vision_raw = raw.get("vision_config")
        if not isinstance(vision_raw, Mapping):
            raise ModelFolderError(
                "config.json has no vision_config, so this is not CogVLM2; "
                "give the folder of a CogVLM2 model"
            )
        vision = VisionConfig(
            **{key: vision_raw[key] for key in VisionConfig.__slots__ if key in vision_raw}
        )
        eos = raw.get("eos_token_id", cls().eos_token_ids)
        eos_token_ids = tuple(eos) if isinstance(eos, list | tuple) else (eos,)
        own = {
            key: raw[key]
            for key in cls.__slots__
            if key in raw and key not in ("vision", "eos_token_ids")
        }
        config = cls(**own, vision=vision, eos_token_ids=eos_token_ids)
        config._check_values()
        config._check(raw, vision_raw)
        return config

    def to_dict(self) -> dict[str, Any]:
        """Write the fields in the layout of the published config.json."""
        raw = asdict(self)
        vision = raw.pop("vision") | {
            "num_positions": self.vision.num_positions,
            "hidden_act": "gelu",
        }
        raw["eos_token_id"] = list(raw.pop("eos_token_ids"))
        return {
            "architectures": ["CogVLMForCausalLM"],
            "hidden_act": "silu",
            "tie_word_embeddings": False,
            **raw,
            "vision_config": vision,
        }

    def _check_values(self) -> None:
        """Refuse values of a wrong type or range; everything after can compute with them."""
        own, vision = _scalars(self), _scalars(self.vision)
        wrong = wrong_values(own, counts=_COUNTS, numbers=_NUMBERS)
        wrong += wrong_values(
            vision, counts=_VISION_COUNTS, numbers=_VISION_NUMBERS, prefix="vision_config."
        )
        if self.template_version not in _TEMPLATES:
            wrong.append(f"template_version={self.template_version!r} ({', '.join(_TEMPLATES)})")
        if not wrong:
            ids = {"bos_token_id": self.bos_token_id, "pad_token_id": self.pad_token_id}
            wrong = wrong_ids(ids | {"eos_token_id": self.eos_token_ids}, self.vocab_size)
        _refuse(wrong)

    def _check(self, raw: Mapping[str, Any], vision_raw: Mapping[str, Any]) -> None:
        wrong: list[str] = []
        if raw.get("hidden_act", "silu") != "silu":
            wrong.append(f"hidden_act={raw['hidden_act']!r} (only 'silu')")
        if vision_raw.get("hidden_act", "gelu") != "gelu":
            wrong.append(f"vision hidden_act={vision_raw['hidden_act']!r} (only 'gelu')")
        if vision_raw.get("num_positions", self.vision.num_positions) != self.vision.num_positions:
            wrong.append(
                f"num_positions={vision_raw['num_positions']} "
                f"(image and patch size give {self.vision.num_positions})"
            )
        if self.vision.grid % 2:
            wrong.append(f"{self.vision.grid} patches a side (the 2x2 convolution needs even)")
        if self.hidden_size % self.num_attention_heads:
            wrong.append("hidden_size is no multiple of num_attention_heads")
        if self.head_dim % 2:
            wrong.append(f"attention heads of {self.head_dim} channels (rotation needs even)")
        if self.num_attention_heads % self.num_multi_query_heads:
            wrong.append("num_attention_heads is no multiple of num_multi_query_heads")
        if self.vision.hidden_size % self.vision.num_heads:
            wrong.append("vision hidden_size is no multiple of num_heads")
        _refuse(wrong)


def _scalars(config: VisionConfig | CogVLM2Config) -> dict[str, Any]:
    return {name: getattr(config, name) for name in type(config).__slots__}


def _refuse(wrong: list[str]) -> None:
    if wrong:
        raise ModelFolderError(
            f"config.json does not fit CogVLM2: {'; '.join(wrong)}; "
            "give the folder of a CogVLM2 model"
        )
