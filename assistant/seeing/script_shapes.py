"""What script a cut-out line is written in, by the shapes of its letters.

A small network of four convolutions looks at the ink of a line, 32 pixels high, and its answers
along the line are gathered. It was trained on drawn words (scripts/train_script_shapes.py), and it
knows when shapes are none of those that it has learnt: then there is no name.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from assistant.errors import OcrError
from assistant.seeing.pixels import luminance, parted, scaled

WEIGHTS = Path(__file__).with_name("script_shapes.safetensors")

OTHER = "other"
"""What shapes are called that belong to none of the scripts."""

NAMES = (
    "Latin", "Chinese", "Cyrillic", "Greek", "Hebrew", "Arabic", "Devanagari", "Bengali",
    "Gurmukhi", "Gujarati", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao",
    "Khmer", "Burmese", "Georgian", "Armenian", "Ethiopic", "Korean", OTHER,
)  # fmt: skip
"""The scripts, in the order of the network's answers; Chinese stands for Japanese, too."""

READ = ("Latin", "Chinese")
"""Those that the text models were made for."""

HEIGHT, LEAST_WIDTH, MOST_WIDTH = 32, 16, 640
"""Pixels to which a line is scaled, and how long it may be; of a longer one the begin tells."""

LEAST_CONTRAST = 16
"""Levels between ink and ground."""

STEPS = ((5, 2, 2), (3, 2, 1), (3, 2, 1), (4, 1, 0))
"""Of each convolution the side of its square in pixels (of the last one: its height; it is three
wide), its stride, and by how many pixels its input is widened on each side."""

Crop = NDArray[np.uint8]
Values = NDArray[np.float32]


def script_shares(crop: Crop) -> dict[str, float]:
    """How likely a line (H, W, 3) is in each script, all together 1; empty where there is no ink.

    Raises:
        OcrError: the file of the network is missing or damaged.
    """
    ink = line_ink(crop)
    if ink is None:
        return {}
    logits = answers(ink, _weights())
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    return {name: float(share) for name, share in zip(NAMES, shares, strict=True)}


def line_ink(crop: Crop) -> Values | None:
    """The ink of a line (H, W, 3), (32, W) from 0 (ground) to 1; None where nothing stands out."""
    height, width = crop.shape[:2]
    fitted = min(max(round(width * HEIGHT / max(height, 1)), LEAST_WIDTH), MOST_WIDTH)
    shown = max(1, min(width, round(fitted * height / HEIGHT)))
    grey = luminance(np.ascontiguousarray(crop[:, :shown, ::-1]))
    grey = scaled(grey, fitted, HEIGHT)
    if int(np.ptp(grey)) < LEAST_CONTRAST:
        return None
    darker = grey <= parted(grey)
    is_ink = darker if darker.mean() < 0.5 else ~darker
    if not is_ink.any() or is_ink.all():
        return None
    ground, full = float(np.median(grey[~is_ink])), float(np.median(grey[is_ink]))
    ink = (grey.astype(np.float32) - ground) / (full - ground if full != ground else 1.0)
    return np.asarray(np.clip(ink, 0, 1), np.float32)


def answers(ink: Values, weights: Mapping[str, Values]) -> Values:
    """The network's answer for each script, larger is likelier; ink: (32, W), 0 to 1."""
    seen = ink[None]
    for number, (side, stride, wider) in enumerate(STEPS):
        across = 3 if number == len(STEPS) - 1 else side
        margin = 1 if number == len(STEPS) - 1 else wider
        padded = np.pad(seen, ((0, 0), (wider, wider), (margin, margin)))
        windows = sliding_window_view(padded, (side, across), (1, 2))[:, ::stride, ::stride]
        kernel = weights[f"{number}.weight"]
        reached = np.asarray(np.tensordot(kernel, windows, ((1, 2, 3), (0, 3, 4))), np.float32)
        bias = weights[f"{number}.bias"][:, None, None]
        seen = np.asarray(np.maximum(reached + bias, 0), np.float32)
    along = seen.reshape(seen.shape[0], -1)
    gathered = np.concatenate([along.mean(axis=1), along.max(axis=1)])
    answer = weights["out.weight"] @ gathered + weights["out.bias"]
    return np.asarray(answer, np.float32)


@functools.cache
def _weights() -> dict[str, Values]:
    steps = {f"{number}.{kind}" for number in range(len(STEPS)) for kind in ("weight", "bias")}
    try:
        found = load_file(WEIGHTS)
        if set(found) != {*steps, "out.weight", "out.bias"}:
            raise ValueError("it holds other weights")
    except (OSError, ValueError, SafetensorError) as error:
        raise OcrError(f"{WEIGHTS}: cannot be read ({error})", "install Sightline again") from error
    return {name: np.asarray(values, np.float32) for name, values in found.items()}
