"""How light it is, as far as a camera that adjusts itself can tell."""

from dataclasses import dataclass

import numpy as np

from assistant.seeing.color import linear_light
from assistant.seeing.pixels import means, shrunk
from models.pictures import RgbPicture

DARK_PERCENT, DIM_PERCENT, BRIGHT_PERCENT = 8, 25, 70
LAMP_RATIO = 3.0
"""A lamp or a window is at least this many times as light as the middle of the picture."""

_WEIGHTS = np.array([0.2126, 0.7152, 0.0722])
"""Parts of red, green and blue in luminance: IEC 61966-2-1."""


@dataclass(frozen=True, slots=True)
class LightLevel:
    """The light in a picture.

    percent:   0 to 100, even to the eye (CIE lightness of the mean luminance); also the height
               of a tone.
    brightest: (x, y), 0 to 1 from the left top, of a light source; None where none stands out.
    """

    percent: int
    brightest: tuple[float, float] | None

    @property
    def name(self) -> str:
        """In one word."""
        if self.percent < DARK_PERCENT:
            return "dark"
        if self.percent < DIM_PERCENT:
            return "dim"
        return "bright" if self.percent >= BRIGHT_PERCENT else "light"


def light_level(rgb: RgbPicture) -> LightLevel:
    """Measure the light in a picture (H, W, 3)."""
    small = shrunk(rgb, 128)
    luminance = np.asarray(linear_light(small) @ _WEIGHTS, np.float32)
    blocks = means(luminance, max(1, max(luminance.shape) // 16))
    mean = float(luminance.mean())
    row, column = np.unravel_index(int(blocks.argmax()), blocks.shape)
    brightest = None
    if float(blocks[row, column]) > max(LAMP_RATIO * float(np.median(blocks)), 0.15):
        rows, columns = blocks.shape
        brightest = ((float(column) + 0.5) / columns, (float(row) + 0.5) / rows)
    return LightLevel(round(_lightness(mean)), brightest)


def _lightness(luminance: float) -> float:
    """CIE 1976 lightness, 0 to 100, of a luminance from 0 to 1."""
    if luminance > (6 / 29) ** 3:
        return float(116 * np.cbrt(luminance) - 16)
    return luminance * (29 / 3) ** 3
