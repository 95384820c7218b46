"""Qwen3-VL: patches in any aspect ratio, positions by row and column, features of inner layers.

Pictures are prepared by transformers' Qwen2VLImageProcessorPil, which the published folders name
too; the processor around it would need torchvision, which its videos are read with.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from models.errors import PictureError
from models.image_text.eye import Prepared, Seen
from models.sequences import Turns

DECODER = "model.language_model"

QUICK_FEATURES, DETAILED_FEATURES = 256, 1024
"""Most features of a picture, each 32 pixels square at the published sizes: about 512 x 512
pixels for a quick look, 1,024 x 1,024 for details."""

LEAST_FEATURES = 64
"""Smaller pictures are enlarged, as the published settings do."""

CALIBRATION_FEATURES = 196
"""Features of a picture in calibration, all of one square size."""

_MOST_RATIO = 200  # of sides, which the processor takes

_MARK, _BEGIN, _CLOSE = "<|image_pad|>", "<|vision_start|>", "<|vision_end|>"
_HALF = (0.5, 0.5, 0.5)

# The part of the published template that concerns questions about a picture.
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}"
    "{{'<|vision_start|><|image_pad|><|vision_end|>'}}{% endif %}{% endfor %}"
    "{{'<|im_end|>\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{'<|im_start|>assistant\n'}}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Patches:
    """How pictures become patches.

    patch:    pixels of a patch's sides; merge: patches along the sides of a feature.
    frames:   how often a still picture is repeated for a patch.
    mean, std: of the training pictures, by channel.
    """

    patch: int
    merge: int
    frames: int
    mean: tuple[float, ...] = _HALF
    std: tuple[float, ...] = _HALF

    @classmethod
    def of(cls, config: Any, settings: Mapping[str, Any] | None = None) -> "Patches":
        """Read them from a parsed config.json and the folder's settings of pictures."""
        vision, given = config.vision_config, settings or {}
        mean, std = (tuple(given.get(name, _HALF)) for name in ("image_mean", "image_std"))
        sizes = vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size
        return cls(*sizes, mean, std)

    def cut(self, rgb: NDArray[np.uint8], *, most: int, least: int = LEAST_FEATURES) -> Prepared:
        """Cut a picture (H, W, 3) into patches of at most ``most`` and about ``least`` features.

        The pixels are (patches, numbers of a patch) float32, the four patches of a feature one
        after the other; the grid counts features.

        Raises:
            PictureError: that is no picture, or one too narrow to be looked at.
        """
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
            Qwen2VLImageProcessorPil,
        )

        if np.ndim(rgb) != 3 or np.shape(rgb)[2] != 3 or 0 in np.shape(rgb):
            raise PictureError(
                "the model takes one picture of height x width x 3, not pixels of shape "
                f"{' x '.join(map(str, np.shape(rgb)))}: ask about one picture at a time"
            )
        height, width = rgb.shape[:2]
        if max(height, width) > _MOST_RATIO * min(height, width):
            raise PictureError(
                f"the picture is {width} x {height} pixels, too narrow to be looked at: cut it"
            )
        of_feature = (self.patch * self.merge) ** 2
        processor: Any = Qwen2VLImageProcessorPil(
            image_mean=list(self.mean),
            image_std=list(self.std),
            patch_size=self.patch,
            merge_size=self.merge,
            temporal_patch_size=self.frames,
            size={"shortest_edge": least * of_feature, "longest_edge": most * of_feature},
        )
        made = processor([rgb], return_tensors="pt", input_data_format="channels_last")
        _, rows, columns = (int(count) for count in made["image_grid_thw"][0])
        grid = rows // self.merge, columns // self.merge
        return Prepared(made["pixel_values"].float(), _MARK * math.prod(grid), grid)


def tower_features(module: Any, pixels: Tensor, grid: tuple[int, int]) -> Seen:
    """Run the tower on the patches of one picture of rows x columns features."""
    merge = module.config.vision_config.spatial_merge_size
    counts = torch.tensor([[1, grid[0] * merge, grid[1] * merge]], device=pixels.device)
    out = module.model.visual(pixels, grid_thw=counts)
    return Seen(out.pooler_output, tuple(out.deepstack_features))


def picture_positions(ids: Tensor, token_id: int, grid: tuple[int, int]) -> tuple[Tensor, int]:
    """Positions (3, 1, T) in time, down and across of ids (1, T) with one picture, and the next.

    Text advances all three by one. A picture's features share one time, its rows and columns
    count from there on, and what follows begins behind the longer side.
    Source: section 2.1 of the Qwen2-VL report, https://arxiv.org/abs/2409.12191.
    """
    rows, columns = grid
    row = ids[0]
    places = (row == token_id).nonzero().squeeze(1)
    positions = torch.arange(len(row), device=row.device).repeat(3, 1)
    if len(places):
        first, last = int(places[0]), int(places[-1])
        down = torch.arange(rows, device=row.device).repeat_interleave(columns)
        across = torch.arange(columns, device=row.device).repeat(rows)
        seen = torch.stack((torch.zeros_like(down), down, across)) + first
        positions[:, first : last + 1] = seen
        positions[:, last + 1 :] += max(rows, columns) - len(places)
        return positions[:, None], len(row) + max(rows, columns) - len(places)
    return positions[:, None], len(row)


@dataclass(frozen=True, slots=True)
class Qwen3VLCalibration:
    """Pictures in one square size, and conversations as Qwen3-VL was trained on them."""

    patches: Patches

    @property
    def side(self) -> int:
        """Features along a side of a picture in calibration."""
        return math.isqrt(CALIBRATION_FEATURES)

    def pixels(self, rgb: NDArray[np.uint8]) -> Tensor:
        """The whole picture squeezed into a square, (1, patches, numbers of a patch)."""
        from PIL import Image

        side = self.side * self.patches.patch * self.patches.merge
        if np.ndim(rgb) == 3 and 0 not in np.shape(rgb):
            square = Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC)
            rgb = np.asarray(square)
        count = self.side**2
        return self.patches.cut(rgb, most=count, least=count).pixels[None]

    def laid_out(self, turns: Turns, tokenizer: Tokenizer) -> tuple[str, str]:
        """The conversation up to its last answer, and that answer."""
        *before, (question, last) = turns
        picture = f"{_BEGIN}{_MARK * self.side**2}{_CLOSE}"
        said = ""
        for asked, answered in before:
            said += f"<|im_start|>user\n{picture}{asked}<|im_end|>\n"
            said += f"<|im_start|>assistant\n{answered}<|im_end|>\n"
            picture = ""
        asking = f"<|im_start|>user\n{picture}{question}<|im_end|>\n<|im_start|>assistant\n"
        return f"{said}{asking}", last


class Qwen3VLEye:
    """The picture side of a loaded Qwen3-VL."""

    mark = _MARK
    template = TEMPLATE

    def __init__(self, module: Any, settings: Mapping[str, Any]) -> None:
        """settings: of pictures, as the folder has them."""
        self._module = module
        self._patches = Patches.of(module.config, settings)
        self.token_id: int = module.config.image_token_id
        self.decoder: Any = module.get_submodule(DECODER)

    def prepare(self, rgb: NDArray[np.uint8], *, detailed: bool) -> Prepared:
        """Up to 256 features for a quick look, up to 1,024 for details.

        Raises:
            PictureError: that is no picture, or one too narrow to be looked at.
        """
        return self._patches.cut(rgb, most=DETAILED_FEATURES if detailed else QUICK_FEATURES)

    def see(self, prepared: Prepared) -> Iterator[Seen]:
        """Run the tower, at once; the decoder's first layers get what its inner layers saw."""
        like: Tensor = self.decoder.embed_tokens.weight
        yield tower_features(self._module, prepared.pixels.to(like), prepared.grid)

    def positions(self, ids: Tensor, prepared: Prepared) -> tuple[Tensor, int]:
        """In time, down and across: (3, 1, T)."""
        return picture_positions(ids, self.token_id, prepared.grid)
