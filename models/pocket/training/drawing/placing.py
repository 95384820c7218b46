"""A printed sheet photographed: perspective, bow or bottle, turn, place, shadows and glare."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.pocket.training.drawing.canvas import GRID, PATCH, SIZE, Floats, PatchLabels, no_labels
from models.pocket.training.drawing.colours import any_rgb
from models.pocket.training.drawing.sheet import RESOLUTION, Character, Drawing, Sheet, to_pillow

_MOST_TURN = math.radians(8)
_MARGIN = 3.0  # picture pixels that stay free around the text
_TILE = 24  # picture pixels; the warp is linear inside a tile
_STRAIGHT_SHARE = 0.5  # of the sheets that are neither bowed nor bent
_SHADOW_ODDS, _GLARE_ODDS = 0.35, 0.2
_MOST_GLARE_ON_TEXT = 0.12  # of full light

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Warp:
    """From a sheet to the picture: bend, then bow, then perspective, all around the middle.

    half: half of the sheet's width, picture pixels.
    bend: radius of the bottle in picture pixels, 0 for a flat sheet.
    bow: how much lower the sheet's edges come than its middle, picture pixels.
    matrix: (3, 3) homography from the bowed sheet, its middle at 0, to picture pixels.
    """

    half: float
    bend: float
    bow: float
    matrix: Doubles

    def forward(self, s: Doubles, t: Doubles) -> tuple[Doubles, Doubles]:
        """Map sheet points, in picture pixels from its middle, to the picture."""
        t = t + self.bow * (s / self.half) ** 2
        if self.bend:
            s = self.bend * np.sin(np.clip(s / self.bend, -1.5, 1.5))
        return _project(self.matrix, s, t)

    def backward(self, x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
        """Map picture points to the sheet; beyond a bottle's edge they land off the sheet."""
        back: Doubles = np.linalg.inv(self.matrix).astype(np.float64)
        s, t = _project(back, x, y)
        if self.bend:
            s = self.bend * np.arcsin(np.clip(s / self.bend, -0.9999, 0.9999))
        return s, t - self.bow * (s / self.half) ** 2

    def scale(self) -> float:
        """Picture pixels to a sheet's picture pixel, in its middle."""
        x, y = _project(self.matrix, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
        across = math.hypot(x[1] - x[0], y[1] - y[0])
        down = math.hypot(x[2] - x[0], y[2] - y[0])
        return math.sqrt(across * down)


def _project(matrix: Doubles, s: Doubles, t: Doubles) -> tuple[Doubles, Doubles]:
    below = matrix[2, 0] * s + matrix[2, 1] * t + matrix[2, 2]
    return (
        (matrix[0, 0] * s + matrix[0, 1] * t + matrix[0, 2]) / below,
        (matrix[1, 0] * s + matrix[1, 1] * t + matrix[1, 2]) / below,
    )


def place(
    rng: random.Random, sheet: Sheet, canvas: Floats, difficulty: float
) -> tuple[PatchLabels, float]:
    """Lay a sheet onto the canvas, its text whole inside the picture, and light both.

    Args:
        sheet: holds at least one character.
        canvas: (SIZE, SIZE, 3) of 0..1, painted in place.
        difficulty: 0..1 scales every distortion.

    Returns:
        The labels, and the picture's pixels to one of the sheet's (about 1).
    """
    warp = _draw_warp(rng, sheet, difficulty)
    _paint(sheet, warp, canvas)
    labels = _label(sheet, warp)
    _light(rng, canvas, labels.letter, difficulty)
    np.clip(canvas, 0, 1, out=canvas)
    return labels, warp.scale()


def _draw_warp(rng: random.Random, sheet: Sheet, difficulty: float) -> Warp:
    half = sheet.width / 2
    bend = bow = 0.0
    if rng.random() > _STRAIGHT_SHARE:
        bow = rng.uniform(-0.12, 0.12) * half * difficulty
        if rng.random() < 0.5:
            bend = half / (0.2 + rng.uniform(0.1, 0.75) * difficulty)
    angle = rng.uniform(-1, 1) * _MOST_TURN * difficulty
    shear = rng.uniform(-0.06, 0.06) * difficulty
    tilt = [rng.uniform(-0.12, 0.12) * difficulty / 96 for _ in range(2)]
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array([[cos, -sin + shear, 0.0], [sin, cos, 0.0], [tilt[0], tilt[1], 1.0]])
    warp = Warp(half, bend, bow, matrix)
    left, top, right, bottom = _text_extent(sheet, warp)
    room = SIZE - 2 * _MARGIN
    scale = min(1.0, room / (right - left), room / (bottom - top))
    play = 0.25 + 0.75 * difficulty
    shift = [
        _position(rng, low * scale, high * scale, play)
        for low, high in ((left, right), (top, bottom))
    ]
    move = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]], [0.0, 0.0, 1.0]])
    return Warp(half, bend, bow, move @ matrix)


def _position(rng: random.Random, low: float, high: float, play: float) -> float:
    """Draw a shift that brings low..high inside the picture; `play` 0 centres it."""
    least, most = _MARGIN - low, SIZE - _MARGIN - high
    return (least + most) / 2 + rng.uniform(-0.5, 0.5) * play * (most - least)


def _text_extent(sheet: Sheet, warp: Warp) -> tuple[float, float, float, float]:
    """Bound all characters in the picture: left, top, right, bottom."""
    boxes = np.array([(c.left, c.top, c.right, c.bottom) for c in sheet.characters]) / RESOLUTION
    across = np.concatenate([boxes[:, 0], boxes[:, 2], boxes[:, 0], boxes[:, 2]])
    down = np.concatenate([boxes[:, 1], boxes[:, 1], boxes[:, 3], boxes[:, 3]])
    x, y = warp.forward(across - sheet.width / 2, down - sheet.height / 2)
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _paint(sheet: Sheet, warp: Warp, canvas: Floats) -> None:
    """Resample the sheet at RESOLUTION times the picture, average, and put it on the canvas."""
    steps = np.arange(0, SIZE + 1, _TILE, dtype=np.float64)
    u, v = warp.backward(*np.broadcast_arrays(steps[None, :], steps[:, None]))
    u = (u + sheet.width / 2) * RESOLUTION
    v = (v + sheet.height / 2) * RESOLUTION
    image = sheet.image
    whole = (SIZE * RESOLUTION, SIZE * RESOLUTION)
    # Of every tile: upper left, lower left, lower right, upper right.
    us = np.stack([u[:-1, :-1], u[1:, :-1], u[1:, 1:], u[:-1, 1:]], axis=-1)
    vs = np.stack([v[:-1, :-1], v[1:, :-1], v[1:, 1:], v[:-1, 1:]], axis=-1)
    across = (us.max(-1) > 0) & (us.min(-1) < image.width)
    rows, columns = np.nonzero(across & (vs.max(-1) > 0) & (vs.min(-1) < image.height))
    corners = np.stack([us, vs], axis=-1)[rows, columns].reshape(-1, 8).tolist()
    left, top = columns * _TILE * RESOLUTION, rows * _TILE * RESOLUTION
    edges = np.stack([left, top, left + _TILE * RESOLUTION, top + _TILE * RESOLUTION], axis=-1)
    boxes = edges.tolist()
    mesh = [(tuple(box), quad) for box, quad in zip(boxes, corners, strict=True)]
    warped = image.transform(whole, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    flat = np.asarray(warped.reduce(RESOLUTION), np.float32) / np.float32(255)
    if image.mode == "L":
        canvas += flat[:, :, None] * (np.array(sheet.ink, np.float32) - canvas)
        return
    cover = _paper_cover(sheet, warp)[:, :, None]
    # Bilinear sampling mixes black into the paper's outermost pixels: they are left out.
    canvas += cover * (flat - canvas)


def _paper_cover(sheet: Sheet, warp: Warp) -> Floats:
    """Return what the sheet covers (SIZE, SIZE), 0..1, with a soft edge."""
    middle = np.arange(SIZE) + 0.5
    s, t = warp.backward(*np.broadcast_arrays(middle[None, :], middle[:, None]))
    inside = np.minimum(sheet.width / 2 - np.abs(s), sheet.height / 2 - np.abs(t))
    cover: Floats = np.clip(inside - 0.5, 0.0, 1.0).astype(np.float32)
    return cover


def _label(sheet: Sheet, warp: Warp) -> PatchLabels:
    """Label the patches whose centre lies in a character's box or on an object.

    Boxes narrower or lower than a patch are widened to one, but not into the next cell.
    """
    labels = no_labels()
    centre = (np.arange(GRID) + 0.5) * PATCH
    s, t = warp.backward(*np.broadcast_arrays(centre[None, :], centre[:, None]))
    u = ((s + sheet.width / 2) * RESOLUTION).ravel()
    v = ((t + sheet.height / 2) * RESOLUTION).ravel()
    least = (PATCH + 0.01) * RESOLUTION / warp.scale()
    boxes = np.array([_widened(character, least) for character in sheet.characters])
    left, top, right, bottom = (edge[:, None] for edge in boxes.T)
    inside = (u >= left) & (u < right) & (v >= top) & (v < bottom)
    which, where = np.nonzero(inside)
    labels.letter.ravel()[where] = np.array([c.index + 1 for c in sheet.characters])[which]
    for drawing in sheet.drawings:
        _label_drawing(drawing, sheet, warp, labels, u, v)
    return labels


def _label_drawing(
    drawing: Drawing, sheet: Sheet, warp: Warp, labels: PatchLabels, u: Doubles, v: Doubles
) -> None:
    column, row = np.floor(u - drawing.left).astype(int), np.floor(v - drawing.top).astype(int)
    mask = np.asarray(drawing.mask)
    inside = (column >= 0) & (row >= 0) & (column < mask.shape[1]) & (row < mask.shape[0])
    inside[inside] = mask[row[inside], column[inside]] > 127
    labels.colour.ravel()[inside] = drawing.colour + 1
    labels.shape.ravel()[inside] = drawing.shape + 1
    middle_u, middle_v = drawing.left + mask.shape[1] / 2, drawing.top + mask.shape[0] / 2
    x, y = warp.forward(
        np.array([middle_u / RESOLUTION - sheet.width / 2]),
        np.array([middle_v / RESOLUTION - sheet.height / 2]),
    )
    if 0 <= x[0] < SIZE and 0 <= y[0] < SIZE:
        labels.centre[int(y[0]) // PATCH, int(x[0]) // PATCH] = 1


def _widened(character: Character, least: float) -> tuple[float, float, float, float]:
    middle_x = (character.left + character.right) / 2
    middle_y = (character.top + character.bottom) / 2
    wide = max(character.right - character.left, least) / 2
    high = max(character.bottom - character.top, least) / 2
    left = max(middle_x - wide, min(character.cell_left, character.left))
    right = min(middle_x + wide, max(character.cell_right, character.right))
    return left, middle_y - high, right, middle_y + high


def _light(
    rng: random.Random, canvas: Floats, letters: NDArray[np.int64], difficulty: float
) -> None:
    """Throw soft shadows and, away from the text, spots of glare."""
    centre = ((np.arange(GRID) + 0.5) / GRID * 2 - 1).astype(np.float32)
    x, y = centre[None, :], centre[:, None]
    if rng.random() < _SHADOW_ODDS * difficulty:
        angle, offset = rng.uniform(0, 2 * math.pi), rng.uniform(-0.6, 0.6)
        softness = rng.uniform(4, 14)
        edge = np.clip((math.cos(angle) * x + math.sin(angle) * y - offset) * softness, -20, 20)
        shade = 1 - rng.uniform(0.15, 0.45) / (1 + np.exp(-edge))
        canvas *= _grown(shade.astype(np.float32))[:, :, None]
    if rng.random() < _GLARE_ODDS * difficulty:
        a, b = rng.uniform(-1, 1), rng.uniform(-1, 1)
        radius = rng.uniform(0.12, 0.4)
        spot = rng.uniform(0.4, 1.0) * np.exp(-((x - a) ** 2 + (y - b) ** 2) / radius**2)
        if not (letters > 0).any() or spot[letters > 0].max() < _MOST_GLARE_ON_TEXT:
            glare = _grown(spot.astype(np.float32))[:, :, None]
            canvas += np.clip(glare, 0, 1) * (1 - canvas)


def _grown(field: Floats) -> Floats:
    """Bring a (GRID, GRID) field to (SIZE, SIZE)."""
    image = Image.fromarray(field).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)


def clutter(rng: random.Random) -> Floats:
    """Paint (SIZE, SIZE, 3) full of soft-coloured boxes, discs and bars: a busy table or shelf."""
    image = Image.new("RGB", (SIZE, SIZE), to_pillow(any_rgb(rng)))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.randint(4, 14)):
        fill = to_pillow(any_rgb(rng))
        x, y = rng.uniform(-20, SIZE), rng.uniform(-20, SIZE)
        w, h = rng.uniform(8, 90), rng.uniform(8, 90)
        kind = rng.random()
        if kind < 0.45:
            pen.rectangle((x, y, x + w, y + h), fill=fill)
        elif kind < 0.75:
            pen.ellipse((x, y, x + w, y + h), fill=fill)
        else:
            end = (x + rng.uniform(-150, 150), y + rng.uniform(-150, 150))
            pen.line((x, y, *end), fill=fill, width=rng.randint(2, 12))
    return np.asarray(image, np.float32) / np.float32(255)
