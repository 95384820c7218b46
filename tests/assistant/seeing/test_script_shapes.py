"""Scripts told by the shapes of drawn letters; the network against PyTorch's own convolutions."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from safetensors.numpy import load_file, save_file

from assistant.errors import OcrError
from assistant.seeing import script_shapes
from assistant.seeing.script_shapes import NAMES, WEIGHTS, answers, line_ink, script_shares
from assistant.seeing.scripts import likeliest, script_name, unmistakable

SCRIPTS = Path(__file__).parents[3] / "scripts"
FONTS = Path("/usr/share/fonts/truetype")

LINES = [
    ("Hebrew", "בית מרקחת פתוח", "dejavu/DejaVuSans"),
    ("Hebrew", "שעות פתיחה", "freefont/FreeSerif"),
    ("Arabic", "صيدلية مفتوحة", "dejavu/DejaVuSans"),
    ("Armenian", "դեղատունը բաց է", "dejavu/DejaVuSans"),
    ("Thai", "ร้านขายยาเปิด", "freefont/FreeSerif"),
]


def drawn(text: str, font: str, *, ink: int = 20, ground: int = 235) -> Any:
    letters = ImageFont.truetype(str(FONTS / f"{font}.ttf"), 40)
    left, top, right, low = (round(each) for each in letters.getbbox(text))
    image = Image.new("RGB", (right - left + 16, low - top + 10), (ground,) * 3)
    ImageDraw.Draw(image).text((8 - left, 5 - top), text, font=letters, fill=(ink,) * 3)
    return np.asarray(image)


@pytest.mark.parametrize(("name", "text", "font"), LINES)
def test_scripts_are_named_by_their_shapes_dark_or_light(name: str, text: str, font: str) -> None:
    assert script_name("", drawn(text, font)) == name
    assert script_name("", drawn(text, font, ink=250, ground=30)) == name


@pytest.mark.parametrize("text", ["opening hours", "Please ring the bell", "Best before"])
def test_latin_letters_look_latin(text: str) -> None:
    shares = script_shares(drawn(text, "dejavu/DejaVuSans"))
    assert max(shares, key=lambda name: shares[name]) == "Latin"
    assert sum(shares.values()) == pytest.approx(1)


def test_only_a_clear_answer_is_a_name() -> None:
    assert likeliest({"Latin": 0.9, "Cyrillic": 0.08, "Greek": 0.02}) == "Cyrillic"
    assert likeliest({"Latin": 0.05, "Cyrillic": 0.4, "Greek": 0.55}) == ""
    assert likeliest({"other": 0.9, "Thai": 0.1}) == ""
    assert likeliest({}) == ""


def test_a_plain_place_has_no_script() -> None:
    assert script_shares(np.full((20, 90, 3), 128, np.uint8)) == {}


def test_ink_is_the_same_whatever_its_colour_and_size() -> None:
    dark = line_ink(drawn("Bell", "dejavu/DejaVuSans"))
    light = line_ink(drawn("Bell", "dejavu/DejaVuSans", ink=200, ground=60))
    assert dark is not None and light is not None and dark.shape[0] == 32
    np.testing.assert_allclose(dark, light, atol=0.06)
    long = line_ink(np.tile(drawn("Bell", "dejavu/DejaVuSans"), (1, 40, 1)))
    assert long is not None and long.shape == (32, 640)


def test_the_network_answers_as_it_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(SCRIPTS))
    train = importlib.import_module("train_script_shapes")
    weights = {name: np.asarray(each, np.float32) for name, each in load_file(WEIGHTS).items()}
    net = train.Net().eval()
    net.load_state_dict({train._long(name): torch.tensor(v) for name, v in weights.items()})
    rng = np.random.default_rng(3)
    inks = [rng.random((32, width), np.float32) for width in (16, 77, 150)]
    with torch.no_grad():
        wanted = net(*train.batch_of([255 * ink for ink in inks]))
    for ink, row in zip(inks, wanted, strict=True):
        np.testing.assert_allclose(answers(ink, weights), row.numpy(), rtol=1e-3, atol=1e-3)
        assert len(row) == len(NAMES)


def test_missing_and_damaged_weights_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = drawn("Bell", "dejavu/DejaVuSans")
    save_file({"0.weight": np.zeros((8, 1, 5, 5), np.float16)}, tmp_path / "short.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"x" * 99)
    for name in ("none", "bad", "short"):
        script_shapes._weights.cache_clear()
        monkeypatch.setattr(script_shapes, "WEIGHTS", tmp_path / f"{name}.safetensors")
        with pytest.raises(OcrError, match="cannot be read"):
            script_shares(line)
    script_shapes._weights.cache_clear()


def test_only_two_scripts_are_told_against_what_was_read() -> None:
    assert unmistakable({"Hebrew": 0.7, "Latin": 0.05}) == "Hebrew"
    assert unmistakable({"Thai": 0.6, "Hebrew": 0.2, "Chinese": 0.1}) == "Thai"
    assert unmistakable({"Hebrew": 0.7, "Latin": 0.08, "Chinese": 0.04}) == ""
    assert unmistakable({"Hebrew": 0.55, "Latin": 0.0}) == ""
    assert unmistakable({"Arabic": 0.95}) == "" and unmistakable({}) == ""
