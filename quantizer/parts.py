"""The parts of a model, by the tokens that their layers see."""


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
