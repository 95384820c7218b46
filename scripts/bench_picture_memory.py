#!/usr/bin/env python3
"""Measure how well a saved picture is known again, and others are not taken for it; JSON out.

Each shared photograph is saved once. Then it is shown again, nearer, turned, darker, and so on, to
the corners that the assistant decides by, and to the pocket model's picture vector beside them.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_assistant_seeing import CAMERA_SIDE, shrunk
from numpy.typing import NDArray
from PIL import Image
from spoilt_pictures import photographs

from assistant.seeing.landmarks import LEAST_FITTING, find_landmarks, fitting
from models.pictures import load_picture

Picture = Any
Again = Callable[[Picture, np.random.Generator], Picture]
Matrix = NDArray[np.float64]

ALIKE = 20
"""Saved pictures that share so many corners are the same form, such as receipts of one shop; they
are counted apart."""

FALSE_SHARE = 0.03
"""Part of the pictures never saved that a vector's threshold may take for a saved one."""


def main(argv: list[str] | None = None) -> int:
    """Measure and write; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds vision/")
    parser.add_argument("--out", type=Path, help="JSON file (default: standard output)")
    options = parser.parse_args(argv)
    everything = [shrunk(load_picture(path)) for path in photographs(options.data / "vision")]
    pictures = [rgb for rgb in everything if max(rgb.shape[:2]) >= CAMERA_SIDE]
    shown = {
        name: [again(rgb, np.random.default_rng(seed)) for seed, rgb in enumerate(pictures)]
        for name, again in AGAIN.items()
    }
    report = {
        "schema": 1,
        "photographs": len(pictures),
        "corners": by_corners(pictures, shown),
        "pocket_model_vector": by_vector(pictures, shown),
    }
    text = json.dumps(report, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def by_corners(saved: list[Picture], shown: dict[str, list[Picture]]) -> dict[str, Any]:
    """What the assistant does: enough corners in fitting places make two pictures the same."""
    kept = [find_landmarks(rgb) for rgb in saved]
    known = np.array([marks.are_enough for marks in kept])
    forms = _fitting(kept, kept) >= ALIKE
    report: dict[str, Any] = {
        "least_fitting": LEAST_FITTING,
        "too_plain_to_save": int((~known).sum()),
        "pictures_with_a_twin_of_the_same_form": int((forms.sum(axis=1) > 1).sum()),
    }
    for name, pictures in shown.items():
        fits = _fitting([find_landmarks(rgb) for rgb in pictures], kept)
        others = np.where(forms, 0, fits)
        report[name] = {
            "known_again": _share(np.diag(fits) >= LEAST_FITTING),
            "another_taken_for_it": _share((others >= LEAST_FITTING).any(axis=1)),
            "most_fitting_of_another": int(others.max()),
            "median_fitting": float(np.median(np.diag(fits))),
        }
    return report


def by_vector(saved: list[Picture], shown: dict[str, list[Picture]]) -> dict[str, Any]:
    """What the vector could do at the best threshold: known again at 3 % false alarms."""
    from models.generate import PictureChat
    from models.loading import load_model
    from models.pocket import pocket_int4_folder

    chat = PictureChat(load_model(pocket_int4_folder()))
    kept = _units(chat, saved)
    report: dict[str, Any] = {"false_alarms_allowed": FALSE_SHARE}
    for name, pictures in shown.items():
        alike = _units(chat, pictures) @ kept.T
        same = np.diag(alike).copy()
        np.fill_diagonal(alike, -1)
        nearest_other = alike.max(axis=1)
        threshold = float(np.quantile(nearest_other, 1 - FALSE_SHARE))
        report[name] = {
            "known_again": _share(same > threshold),
            "nearer_than_every_other": _share(same > nearest_other),
            "median_cosine_of_the_same": round(float(np.median(same)), 4),
            "median_cosine_of_the_nearest_other": round(float(np.median(nearest_other)), 4),
        }
    return report


def _fitting(shown: list[Any], kept: list[Any]) -> Matrix:
    return np.array([[fitting(one, other) for other in kept] for one in shown], float)


def _units(chat: Any, pictures: list[Picture]) -> Matrix:
    vectors = np.array([chat.embed(rgb) for rgb in pictures], float)
    units: Matrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units


def _share(marks: Any) -> float:
    return round(float(marks.mean()), 4)


def moved(zoom: float, degrees: float, shift: float) -> Again:
    """Nearer or farther, turned, and moved by up to a share of the picture."""

    def again(rgb: Picture, rng: np.random.Generator) -> Picture:
        height, width = rgb.shape[:2]
        centre = (
            width * (0.5 + rng.uniform(-shift, shift)),
            height * (0.5 + rng.uniform(-shift, shift)),
        )
        turn = cv2.getRotationMatrix2D(centre, float(rng.choice([-1, 1])) * degrees, zoom)
        return cv2.warpAffine(rgb, turn, (width, height), borderMode=cv2.BORDER_REFLECT)

    return again


def lit(red: float, green: float, blue: float) -> Again:
    """Another light, and the noise of a sensor."""

    def again(rgb: Picture, rng: np.random.Generator) -> Picture:
        levels = rgb * np.array((red, green, blue)) + rng.normal(0, 5, rgb.shape)
        return np.clip(levels, 0, 255).astype(np.uint8)

    return again


def small_file(rgb: Picture, rng: np.random.Generator) -> Picture:
    """Half the pixels, and a JPEG of low quality."""
    height, width = rgb.shape[:2]
    file = io.BytesIO()
    Image.fromarray(rgb).resize((width // 2, height // 2)).save(file, "JPEG", quality=30)
    return np.array(Image.open(file))


def retaken(rgb: Picture, rng: np.random.Generator) -> Picture:
    """All at once, as another day's photograph of the same thing is."""
    nearer = moved(float(rng.uniform(0.85, 1.3)), float(rng.uniform(2, 10)), 0.1)(rgb, rng)
    return lit(0.75, 0.7, 0.6)(nearer, rng)


AGAIN: dict[str, Again] = {
    "dark": lit(0.5, 0.5, 0.5),
    "warm_light": lit(1.0, 0.8, 0.55),
    "small_file": small_file,
    "half_again_as_near": moved(1.5, 0, 0.1),
    "turned_by_8_degrees": moved(1.0, 8, 0),
    "upside_down": moved(1.0, 180, 0),
    "retaken": retaken,
}


if __name__ == "__main__":
    sys.exit(main())
