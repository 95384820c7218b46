"""OpenCV's picture operations under the names of what they are used for here.

All pictures are (H, W, 3) RGB unless said otherwise.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pictures import RgbPicture

Floats = NDArray[np.float32]
Corners = NDArray[np.float64]


def shrunk(rgb: RgbPicture, longest: int) -> NDArray[np.uint8]:
    """Shrink so that the longer side is at most so many pixels; smaller pictures stay."""
    height, width = rgb.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def means(values: Floats, block: int) -> Floats:
    """Mean of each block of so many pixels a side, of values (H, W) or (H, W, C)."""
    height, width = values.shape[:2]
    size = (max(1, width // block), max(1, height // block))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def blurred(pixels: Floats, sigma: float) -> Floats:
    """Gaussian blur; sigma in pixels."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.float32)


def softened(rgb: RgbPicture, sigma: float) -> NDArray[np.uint8]:
    """A picture with Gaussian blur; sigma in pixels."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8)


def slopes(pixels: Floats) -> Floats:
    """Gradient in levels per pixel, (H, W): of the channel where it is steepest."""
    across = cv2.Sobel(pixels, cv2.CV_32F, 1, 0) / 8  # a Sobel kernel sums 8 differences
    down = cv2.Sobel(pixels, cv2.CV_32F, 0, 1) / 8
    steepness = np.hypot(across, down)
    return np.asarray(steepness if steepness.ndim == 2 else steepness.max(axis=-1), np.float32)


def regions(mask: NDArray[np.bool_], most: int | None = None) -> list[NDArray[np.bool_]]:
    """The connected regions of a mask (H, W), the largest first; at most so many."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    order = sorted(range(1, count), key=lambda index: -int(facts[index, cv2.CC_STAT_AREA]))
    return [labels == index for index in order[:most]]


def opened(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """A mask without whatever is thinner than so many pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    found = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return np.asarray(found, np.bool_)


def opened_across(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """A mask with only what goes on from side to side for so many pixels."""
    kernel = np.ones((1, max(1, width)), np.uint8)
    found = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return np.asarray(found, np.bool_)


def sheared(mask: NDArray[np.bool_], lean: float, tilt: float) -> NDArray[np.bool_]:
    """A mask (H, W) whose strokes leant to the right and whose line fell, set upright.

    lean: columns for one row; tilt: rows for one column.
    """
    height, width = mask.shape
    matrix = np.array([[1, lean, -lean * height / 2], [-tilt, 1, tilt * width / 2]])
    way = cv2.INTER_NEAREST
    found = cv2.warpAffine(mask.astype(np.uint8), matrix, (width, height), flags=way)
    return np.asarray(found, np.bool_)


def fullness(mask: NDArray[np.bool_]) -> float:
    """Area of a mask in parts of the ellipse with the same second moments: 1 for an ellipse."""
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    area = moments["m00"]
    if not area:
        return 0.0
    spread = moments["mu20"] * moments["mu02"] - moments["mu11"] ** 2
    return float(area**2 / (4 * np.pi * np.sqrt(max(spread, 1e-9))))


def rim(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """What lies around a mask, half of so many pixels wide."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), np.bool_) & ~mask


def sharpness(rgb: RgbPicture) -> float:
    """How sharp a frame is beside others of the same scene; the unit has no meaning.

    Mean square of the Laplacian of a small grey copy, as in J. L. Pech-Pacheco et al., "Diatom
    autofocusing in brightfield microscopy", ICPR 2000.
    """
    grey = luminance(shrunk(rgb, 480))
    return float(np.square(cv2.Laplacian(grey, cv2.CV_32F)).mean())


def luminance(rgb: RgbPicture) -> NDArray[np.uint8]:
    """The picture in grey, (H, W)."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def resized(rgb: RgbPicture, width: int, height: int) -> NDArray[np.uint8]:
    """Enlarge or shrink to a size in pixels."""
    size = (max(1, width), max(1, height))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def striped(grey: NDArray[np.uint8]) -> Floats:
    """The largest place whose stripes look like those of a barcode: (4, 2) corners, or (0, 2).

    C. Creusot and A. Munawar, "Real-time barcode detection in the wild", WACV 2015, and followers.
    """
    found, boxes = cv2.barcode.BarcodeDetector().detect(grey)
    if not found or boxes is None:
        return np.zeros((0, 2), np.float32)
    return np.asarray(max(boxes, key=cv2.contourArea), np.float32)


def corners(grey: NDArray[np.uint8], most: int) -> tuple[Floats, NDArray[np.uint8]]:
    """Find corners and describe what is around each: places (n, 2) as x, y; 256 bits (n, 32).

    ORB, E. Rublee et al., "ORB: an efficient alternative to SIFT or SURF", ICCV 2011.
    """
    found, codes = cv2.ORB.create(most, fastThreshold=10).detectAndCompute(grey, None)
    if not found:
        return np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8)
    return np.array([each.pt for each in found], np.float32), np.asarray(codes, np.uint8)


def laid_over(ours: Floats, theirs: Floats, within: float) -> NDArray[np.bool_]:
    """Which pairs of places (n, 2) one turn, shift and scale (0.3 to 3.3) brings together.

    within: pixels that a pair may still be apart.
    """
    matrix, fits = cv2.estimateAffinePartial2D(
        ours, theirs, method=cv2.RANSAC, ransacReprojThreshold=within, maxIters=500
    )
    if matrix is None or not 0.3 < float(np.hypot(matrix[0, 0], matrix[1, 0])) < 3.3:
        return np.zeros(len(ours), np.bool_)
    return np.asarray(fits, np.bool_).ravel()


def gray(rgb: RgbPicture) -> NDArray[np.uint8]:
    """The brightness of a picture, (H, W)."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def refitted(pixels: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Values (H, W) or (H, W, C) at another size; means where it is smaller."""
    smaller = width * height < pixels.shape[0] * pixels.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC if pixels.ndim == 3 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=way), pixels.dtype)


def stretched(corners: Floats, width: int, height: int) -> Floats:
    """Values (H, W) spread so that their outermost ones lie on the outermost pixels."""
    steps = (width - 1) / (corners.shape[1] - 1), (height - 1) / max(corners.shape[0] - 1, 1) or 1.0
    spread = np.array([[steps[0], 0, 0], [0, steps[1], 0]])
    return np.asarray(
        cv2.warpAffine(
            corners, spread, (width, height), flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )  # fmt: skip


def fetched(rgb: RgbPicture, x: Floats, y: Floats) -> RgbPicture:
    """The pixels of a picture that lie at places, each (H, W); edges go on beyond the edge."""
    return np.asarray(
        cv2.remap(rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def inked(levels: NDArray[np.uint8], darker: float, around: int) -> NDArray[np.uint8]:
    """1 where a place (H, W) is darker than a part of the light so many pixels around it."""
    light = cv2.blur(levels, (around, around)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(levels, (3, 3), 0) < darker * light, np.uint8)


def specks(ink: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The connected pieces of ink (H, W; 0 or 1), (N, 5): left, top, width, height, pixels."""
    _, _, found, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    return np.asarray(found[1:], np.int64)


def ground(levels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The brightest around each place (H, W), so many pixels wide: paper without its print."""
    return np.asarray(
        cv2.morphologyEx(levels, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8)), np.uint8
    )


def straightened(rgb: RgbPicture, corners: Floats, width: int, height: int) -> RgbPicture:
    """The place between four corners, (4, 2) from the left top on, as a picture of its own."""
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(np.asarray(corners, np.float32), target)
    return np.asarray(
        cv2.warpPerspective(rgb, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def sides_of(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 or 0 on either side of the level that parts a place (H, W) best (Otsu), specks left out."""
    _, sides = cv2.threshold(cv2.medianBlur(levels, 3), 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return np.asarray(sides, np.uint8)


def gaps_closed(bgr: NDArray[np.uint8], width: int, *, dark: bool) -> NDArray[np.uint8]:
    """A picture, (H, W) or (H, W, 3), with gaps of so many pixels in dark, or light, ink closed."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    how = cv2.MORPH_OPEN if dark else cv2.MORPH_CLOSE
    return np.asarray(cv2.morphologyEx(bgr, how, kernel), np.uint8)


def contrast(levels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """By how much the brightest and the darkest differ around each place (H, W), so many wide."""
    kernel = np.ones((width, width), np.uint8)
    return np.asarray(cv2.morphologyEx(levels, cv2.MORPH_GRADIENT, kernel), np.uint8)


def scaled(bgr: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A picture, (H, W) or (H, W, 3), made smaller by the mean of what falls together."""
    size = (max(1, width), max(1, height))
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def parted(grey: NDArray[np.uint8]) -> float:
    """The level that parts ink from ground in a picture (H, W).

    N. Otsu, "A threshold selection method from gray-level histograms", IEEE SMC 1979.
    """
    return float(cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0])


def pieces(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The connected regions of a mask (H, W): rows of left, top, width, height, area in pixels."""
    count, _, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return np.asarray(facts[1:count], np.int32)


def shared_area(one: Corners, other: Corners) -> float:
    """What two convex places, (4, 2) corners each, have in common, in square pixels."""
    first, second = np.asarray(one, np.float32), np.asarray(other, np.float32)
    return float(cv2.intersectConvexConvex(cv2.convexHull(first), cv2.convexHull(second))[0])


def area(place: Corners) -> float:
    """Of a convex place, corners (n, 2), in square pixels."""
    return float(cv2.contourArea(cv2.convexHull(np.asarray(place, np.float32))))


def covered(shape: tuple[int, ...], places: Sequence[Corners]) -> NDArray[np.uint8]:
    """1 where a picture of a shape (H, W) lies in one of some convex places, (4, 2) each."""
    mask = np.zeros(shape[:2], np.uint8)
    for place in places:
        cv2.fillConvexPoly(mask, np.round(place).astype(np.int32), 1)
    return mask
