"""CogVLM2 written out a second time for the tests: NumPy in float64, one token after another.

Nothing here is batched, cached or shared with the package; every token asks for its own expert.
Facts from https://github.com/THUDM/CogVLM2.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Reference:
    """The model of a config.json and of weights by their published names."""

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
        self.config = config
        self.weights = weights

    def logits(self, ids: list[int], types: list[int], pixels: Array | None = None) -> Array:
        """Give the logits (T, vocabulary) of one sequence with at most one picture (3, S, S)."""
        weights, config = self.weights, self.config
        stream = [weights["model.embed_tokens.weight"][one] for one in ids]
        if pixels is not None:
            features = iter(self.picture(pixels))
            stream = [next(features) if types[t] == 1 else x for t, x in enumerate(stream)]
        positions = places(types)
        for layer in range(config["num_hidden_layers"]):
            stream = self._layer(f"model.layers.{layer}.", stream, types, positions)
        norm = weights["model.norm.weight"]
        return np.stack([weights["lm_head.weight"] @ self._rms_norm(x, norm) for x in stream])

    def picture(self, pixels: Array) -> list[Array]:
        """Give what stands in a picture's places: begin mark, merged patches, end mark."""
        vision, weights = self.config["vision_config"], self.weights
        size, grid = vision["patch_size"], vision["image_size"] // vision["patch_size"]
        kernel = weights["model.vision.patch_embedding.proj.weight"]
        bias = weights["model.vision.patch_embedding.proj.bias"]
        tokens = [weights["model.vision.patch_embedding.cls_embedding"][0]]
        for row in range(grid):
            for column in range(grid):
                top, left = row * size, column * size
                patch = pixels[:, top : top + size, left : left + size]
                tokens.append(np.array([np.sum(one * patch) for one in kernel]) + bias)
        table = weights["model.vision.patch_embedding.position_embedding.weight"]
        tokens = [token + table[place] for place, token in enumerate(tokens)]
        for layer in range(vision["num_hidden_layers"]):
            tokens = self._tower_layer(f"model.vision.transformer.layers.{layer}.", tokens)
        merged = self._merge(tokens[1:], grid)
        inner = [self._adapter(token) for token in merged]
        return [weights["model.vision.boi"][0, 0], *inner, weights["model.vision.eoi"][0, 0]]

    def _layer(
        self, at: str, stream: list[Array], types: list[int], positions: list[int]
    ) -> list[Array]:
        weights, config = self.weights, self.config
        heads, shared = config["num_attention_heads"], config["num_multi_query_heads"]
        width = config["hidden_size"] // heads
        experts = [
            "vision" if types[t] == 1 and types[t + 1 : t + 2] == [1] else "language"
            for t in range(len(types))
        ]
        queries, keys, values = [], [], []
        for t, x in enumerate(stream):
            x = self._rms_norm(x, weights[f"{at}input_layernorm.weight"])
            fused = self._linear(f"{at}self_attn.{experts[t]}_expert_query_key_value", x)
            parts = fused.reshape(heads + 2 * shared, width)
            turned = [self._turn(part, positions[t]) for part in parts[: heads + shared]]
            queries.append(turned[:heads])
            keys.append(turned[heads:])
            values.append(parts[heads + shared :])
        result = []
        for t, x in enumerate(stream):
            out = []
            for head in range(heads):
                owner = head // (heads // shared)
                scores = [
                    queries[t][head] @ keys[s][owner] / math.sqrt(width) for s in range(t + 1)
                ]
                shares = softmax(np.array(scores))
                out.append(sum(shares[s] * values[s][owner] for s in range(t + 1)))
            joined = np.concatenate(out)
            x = x + self._linear(f"{at}self_attn.{experts[t]}_expert_dense", joined)
            y = self._rms_norm(x, weights[f"{at}post_attention_layernorm.weight"])
            mlp = f"{at}mlp.{experts[t]}_mlp."
            gate, up = self._linear(f"{mlp}gate_proj", y), self._linear(f"{mlp}up_proj", y)
            result.append(x + self._linear(f"{mlp}down_proj", silu(gate) * up))
        return result

    def _turn(self, pair_halves: Array, position: int) -> Array:
        half = len(pair_halves) // 2
        turned = np.empty_like(pair_halves)
        for i in range(half):
            angle = position * self.config["rope_theta"] ** (-i / half)
            left, right = pair_halves[i], pair_halves[i + half]
            turned[i] = left * math.cos(angle) - right * math.sin(angle)
            turned[i + half] = right * math.cos(angle) + left * math.sin(angle)
        return turned

    def _tower_layer(self, at: str, tokens: list[Array]) -> list[Array]:
        vision = self.config["vision_config"]
        heads, width = vision["num_heads"], vision["hidden_size"] // vision["num_heads"]
        eps = vision["layer_norm_eps"]
        fused = [
            self._linear(f"{at}attention.query_key_value", x).reshape(3, heads, width)
            for x in tokens
        ]
        result = []
        for t, x in enumerate(tokens):
            out = []
            for head in range(heads):
                scores = [fused[t][0, head] @ other[1, head] / math.sqrt(width) for other in fused]
                shares = softmax(np.array(scores))
                out.append(
                    sum(share * other[2, head] for share, other in zip(shares, fused, strict=True))
                )
            attended = self._linear(f"{at}attention.dense", np.concatenate(out))
            x = x + self._layer_norm(f"{at}input_layernorm", attended, eps)
            wide = self._linear(f"{at}mlp.fc2", gelu(self._linear(f"{at}mlp.fc1", x)))
            result.append(x + self._layer_norm(f"{at}post_attention_layernorm", wide, eps))
        return result

    def _merge(self, patches: list[Array], grid: int) -> list[Array]:
        kernel, bias = (
            self.weights["model.vision.conv.weight"],
            self.weights["model.vision.conv.bias"],
        )
        merged = []
        for row in range(0, grid, 2):
            for column in range(0, grid, 2):
                total = bias.copy()
                for down in range(2):
                    for right in range(2):
                        patch = patches[(row + down) * grid + column + right]
                        total += kernel[:, :, down, right] @ patch
                merged.append(total)
        return merged

    def _adapter(self, x: Array) -> Array:
        at = "model.vision.linear_proj."
        x = self._linear(f"{at}linear_proj", x)
        x = gelu(self._layer_norm(f"{at}norm1", x, 1e-5))
        wide = silu(self._linear(f"{at}gate_proj", x)) * self._linear(f"{at}dense_h_to_4h", x)
        return self._linear(f"{at}dense_4h_to_h", wide)

    def _linear(self, name: str, x: Array) -> Array:
        out = self.weights[f"{name}.weight"] @ x
        bias = self.weights.get(f"{name}.bias")
        return out if bias is None else out + bias

    def _rms_norm(self, x: Array, weight: Array) -> Array:
        return x / math.sqrt(np.mean(x * x) + self.config["rms_norm_eps"]) * weight

    def _layer_norm(self, name: str, x: Array, eps: float) -> Array:
        centred = x - x.mean()
        scaled = centred / math.sqrt(np.mean(centred * centred) + eps)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def places(types: list[int]) -> list[int]:
    """Number the tokens; the tokens between a picture's two marks share one number."""
    numbers: list[int] = []
    for t, kind in enumerate(types):
        inside = kind == 1 and types[t - 1 : t] == [1] and types[t + 1 : t + 2] == [1]
        inside_before = t > 1 and types[t - 2 : t + 1] == [1, 1, 1] and inside
        numbers.append(0 if t == 0 else numbers[-1] + (0 if inside_before else 1))
    return numbers


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max())
    shares: Array = powers / powers.sum()
    return shares


def silu(x: Array) -> Array:
    result: Array = x / (1 + np.exp(-x))
    return result


def gelu(x: Array) -> Array:
    return np.array([0.5 * one * (1 + math.erf(one / math.sqrt(2))) for one in x])
