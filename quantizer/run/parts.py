"""A model's linear layers by name, and its parts, by the tokens that their layers see."""

from torch import nn

from models.blocks import Block
from quantizer.errors import SettingsError

PART_NAMES = {
    "all": "all layers",
    "tower": "vision tower",
    "adapter": "adapter",
    "vision": "vision experts",
    "language": "language experts",
}
"""What reports call the layers of a kind, see `kind_of`."""


def kind_of(layer: str) -> str:
    """The kind of tokens that a layer sees: of a CogVLM2 part, or all of them."""
    if layer.startswith("model.vision.transformer."):
        return "tower"
    if layer.startswith("model.vision.linear_proj."):
        return "adapter"
    for expert in ("vision", "language"):
        if f".{expert}_expert_" in layer or f".{expert}_mlp." in layer:
            return expert
    return "all"


def linear_of(block: Block, name: str) -> nn.Linear:
    """Find a linear layer of a block by its name.

    Raises:
        SettingsError: it is something else.
    """
    linear = block.module.get_submodule(name)
    if not isinstance(linear, nn.Linear):
        raise SettingsError(
            f"{block.name}.{name} is a {type(linear).__name__}, not a linear layer: "
            "this model family cannot be quantized"
        )
    return linear
