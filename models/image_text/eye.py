"""What answering asks of a family's picture side: pixels, features, places in the prompt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from numpy import uint8
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Prepared:
    """One picture as the tower takes it, with what stands for it in a prompt.

    pixels: float32, in the family's own shape.
    marks:  text whose marks are encoded as one token for each of the picture's features.
    grid:   (rows, columns): of features where positions follow them, else of tiles.
    """

    pixels: Tensor
    marks: str
    grid: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What tower and connector make of a picture.

    features: (N, width), which take the places of the picture's tokens.
    added:    more of that shape; the i-th is added to them behind the decoder's layer i.
    """

    features: Tensor
    added: tuple[Tensor, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence["Seen"]) -> "Seen":
        """One of several, one or more, in their order."""
        layers = zip(*(part.added for part in parts), strict=True)
        features = torch.cat([part.features for part in parts])
        return cls(features, tuple(torch.cat(layer) for layer in layers))


class Eye(Protocol):
    """The picture side of one loaded model.

    mark:     what a chat template writes for a picture.
    token_id: the token whose places the features take.
    template: the family's chat template (Jinja), for folders that come without one.
    decoder:  the decoder of the model.
    """

    mark: str
    token_id: int
    template: str
    decoder: Any

    def prepare(self, rgb: NDArray[uint8], *, detailed: bool) -> Prepared:
        """Turn a picture (H, W, 3) into pixels: few for a quick look, or more for details.

        Raises:
            PictureError: that is no picture.
        """
        ...

    def see(self, prepared: Prepared) -> Iterator[Seen]:
        """Run tower and connector, part after part in the order of the picture's tokens."""
        ...

    def positions(self, ids: Tensor, prepared: Prepared) -> tuple[Tensor, int]:
        """Positions of a prompt's ids (1, T), in the form that the decoder takes, and the next."""
        ...
