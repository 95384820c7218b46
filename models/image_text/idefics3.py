"""Idefics3, and SmolVLM which is one: tiles, their marks in a prompt, tower and connector.

A picture is looked at whole, squeezed into one square tile, and where details matter also in
tiles of that size cut from it. Source: transformers' Idefics3ImageProcessorPil, which is used
here, and Idefics3Processor, which would need torchvision for some installations.
"""

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

DECODER = "model.text_model"

DETAILED_TILES = 2
"""Tiles along the longer side of a picture that is looked at in detail: five with the whole."""

_AROUND, _MARK, _WHOLE = "<fake_token_around_image>", "<image>", "<global-img>"
_START, _END = "<|im_start|>", "<end_of_utterance>"
_HALF = (0.5, 0.5, 0.5)

# SmolVLM's own, as its folders carry it.
TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Tiles:
    """How pictures become tiles.

    side:     pixels of a tile's sides.
    features: tokens of the decoder for a tile.
    mean, std: of the training pictures, by channel.
    """

    side: int
    features: int
    mean: tuple[float, ...] = _HALF
    std: tuple[float, ...] = _HALF

    @classmethod
    def of(cls, config: Any, settings: Mapping[str, Any] | None = None) -> "Tiles":
        """Read them from a parsed config.json and the folder's settings of pictures."""
        vision, given = config.vision_config, settings or {}
        features = (vision.image_size // vision.patch_size) ** 2 // config.scale_factor**2
        mean, std = (tuple(given.get(name, _HALF)) for name in ("image_mean", "image_std"))
        return cls(vision.image_size, features, mean, std)

    def cut(self, rgb: NDArray[np.uint8], *, along: int) -> tuple[Tensor, tuple[int, int]]:
        """Cut a picture (H, W, 3) into tiles.

        along: tiles along its longer side; 1 for the whole alone.

        Returns (tiles, 3, side, side) float32, the whole last, and the (rows, columns) that were
        cut, (0, 0) for the whole alone.

        Raises:
            PictureError: that is no picture, or one too narrow to be looked at.
        """
        from transformers.models.idefics3.image_processing_pil_idefics3 import (
            Idefics3ImageProcessorPil,
        )

        if np.ndim(rgb) != 3 or np.shape(rgb)[2] != 3 or 0 in np.shape(rgb):
            raise PictureError(
                "the model takes one picture of height x width x 3, not pixels of shape "
                f"{' x '.join(map(str, np.shape(rgb)))}: ask about one picture at a time"
            )
        processor: Any = Idefics3ImageProcessorPil(
            image_mean=list(self.mean),
            image_std=list(self.std),
            size={"longest_edge": along * self.side},
            max_image_size={"longest_edge": self.side},
            do_image_splitting=along > 1,
        )
        made = processor(
            [[rgb]],
            return_row_col_info=True,
            return_tensors="pt",
            input_data_format="channels_last",
        )
        return made["pixel_values"][0].float(), (made["rows"][0][0], made["cols"][0][0])

    def marks(self, grid: tuple[int, int]) -> str:
        """What stands for the tiles of a picture in a prompt."""
        rows, columns = grid
        tile = _MARK * self.features
        cut = "".join(
            "".join(f"{_AROUND}<row_{row}_col_{column}>{tile}" for column in range(1, columns + 1))
            + "\n"
            for row in range(1, rows + 1)
        )
        return f"{cut}{chr(10) if cut else ''}{_AROUND}{_WHOLE}{tile}{_AROUND}"


def tower_features(module: Any, tiles: Tensor) -> Tensor:
    """Run tower and connector on tiles (N, 3, side, side), one after the other.

    Returns (N * features, width of the decoder).
    """
    core = module.model
    seen = [
        core.connector(core.vision_model(pixel_values=tile[None]).last_hidden_state)[0]
        for tile in tiles
    ]
    return torch.cat(seen)


@dataclass(frozen=True, slots=True)
class Idefics3Calibration:
    """Pictures in one tile, and conversations as SmolVLM was trained on them."""

    tiles: Tiles

    def pixels(self, rgb: NDArray[np.uint8]) -> Tensor:
        """The whole picture as one tile, (1, 3, side, side)."""
        return self.tiles.cut(rgb, along=1)[0]

    def laid_out(self, turns: Turns, tokenizer: Tokenizer) -> tuple[str, str]:
        """The conversation up to its last answer, and that answer."""
        start = "" if tokenizer.token_to_id(_START) is None else _START
        *before, (question, last) = turns
        said, opening = "", f"{start}User:{self.tiles.marks((0, 0))}"
        for asked, answered in before:
            said += f"{opening}{asked}{_END}\nAssistant: {answered}{_END}\n"
            opening = "User: "
        return f"{said}{opening}{question}{_END}\nAssistant:", f" {last}"


class Idefics3Eye:
    """The picture side of a loaded Idefics3 or SmolVLM."""

    mark = _MARK
    template = TEMPLATE

    def __init__(self, module: Any, settings: Mapping[str, Any]) -> None:
        """settings: of pictures, as the folder has them."""
        self._module = module
        self._tiles = Tiles.of(module.config, settings)
        self.token_id: int = module.config.image_token_id
        self.decoder: Any = module.get_submodule(DECODER)

    def prepare(self, rgb: NDArray[np.uint8], *, detailed: bool) -> Prepared:
        """One tile for a quick look, up to five for details.

        Raises:
            PictureError: that is no picture.
        """
        tiles, grid = self._tiles.cut(rgb, along=DETAILED_TILES if detailed else 1)
        return Prepared(tiles, self._tiles.marks(grid), grid)

    def see(self, prepared: Prepared) -> Iterator[Seen]:
        """Run tower and connector on one tile after the other."""
        tiles = prepared.pixels.to(self.decoder.embed_tokens.weight)
        for index in range(len(tiles)):
            yield Seen(tower_features(self._module, tiles[index : index + 1]))

    def positions(self, ids: Tensor, prepared: Prepared) -> tuple[Tensor, int]:
        """One after the other, whatever the tokens are: (1, T)."""
        return torch.arange(ids.shape[1], device=ids.device)[None], ids.shape[1]
