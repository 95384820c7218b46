"""Every kind of picture file becomes upright RGB, and every bad one a one-line error."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import PictureError
from models.pictures import load_picture

QUADRANTS = np.zeros((8, 12, 3), np.uint8)
QUADRANTS[:4, :6] = (250, 0, 0)
QUADRANTS[:4, 6:] = (0, 250, 0)
QUADRANTS[4:, :6] = (0, 0, 250)
QUADRANTS[4:, 6:] = (250, 250, 0)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG of any declared size whose pixel data is missing."""

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff", "webp"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(QUADRANTS).save(path, lossless=True)
    loaded = load_picture(path)
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, QUADRANTS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    # How each orientation's stored pixels come out of an upright picture (EXIF 2.3, tag 0x0112).
    stored = {
        1: QUADRANTS,
        2: QUADRANTS[:, ::-1],
        3: QUADRANTS[::-1, ::-1],
        4: QUADRANTS[::-1],
        5: QUADRANTS.transpose(1, 0, 2),
        6: np.rot90(QUADRANTS, 1),
        7: QUADRANTS[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(QUADRANTS, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    np.testing.assert_array_equal(load_picture(path), QUADRANTS)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = tmp_path / "print.tiff"
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(path)
    assert tuple(load_picture(path)[0, 0]) == (255, 0, 0)


def test_cmyk_jpeg_and_lab_become_rgb(tmp_path: Path) -> None:
    jpeg, lab = tmp_path / "print.jpg", tmp_path / "lab.tiff"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(jpeg, quality=95)
    red = load_picture(jpeg)[8, 8].tolist()
    assert red[0] > 245 and max(red[1:]) < 10
    Image.new("LAB", (4, 4), (255, 128, 128)).save(lab)  # full lightness, no colour
    assert load_picture(lab).min() > 250


def test_colours_that_cannot_be_converted_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "strange.tiff"
    Image.new("CMYK", (2, 2)).save(path)

    def refuse(self: Image.Image, mode: str) -> Image.Image:
        raise ValueError(f"conversion from {self.mode} to {mode} not supported")

    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(PictureError, match=r"strange\.tiff: its colours \(CMYK\).*save it as RGB"):
        load_picture(path)


def deep_rgb_png(values: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow reads but cannot write."""

    height, width, _ = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_sixteen_bits_a_channel_become_eight(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(deep_rgb_png(QUADRANTS.astype(np.uint16) * 257))
    np.testing.assert_array_equal(load_picture(path), QUADRANTS)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"moving.{suffix}"
    first, second = Image.fromarray(QUADRANTS), Image.new("RGB", (12, 8), "black")
    first.save(path, save_all=True, append_images=[second], lossless=True)
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 1) == 2
    np.testing.assert_array_equal(load_picture(path), QUADRANTS)


@pytest.mark.parametrize("suffix", ["jpg", "tiff", "webp"])
def test_rotation_is_applied_in_every_format_that_carries_it(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"turned.{suffix}"
    large = np.kron(QUADRANTS, np.ones((8, 8, 1), np.uint8))
    Image.fromarray(np.rot90(large).copy()).save(path, exif=exif, quality=95, lossless=True)
    difference = load_picture(path).astype(int)[4::8, 4::8] - QUADRANTS
    assert np.abs(difference).max() < 12


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    values = np.array([[0, 257 * 10, 257 * 128, 65535]], np.uint16)
    Image.fromarray(values).save(path)
    loaded = load_picture(path)
    assert loaded[0].tolist() == [[0] * 3, [10] * 3, [128] * 3, [255] * 3]


def test_palette_gray_and_one_bit(tmp_path: Path) -> None:
    for mode in ("P", "L", "1"):
        path = tmp_path / f"{mode}.png"
        Image.new("RGB", (3, 2), "white").convert(mode).save(path)
        assert load_picture(path).shape == (2, 3, 3)
        assert load_picture(path).min() == 255


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_on_white_paper(tmp_path: Path, mode: str) -> None:
    layer = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    layer.putpixel((1, 0), (0, 0, 0, 255))
    path = tmp_path / "layer.png"
    (layer.quantize() if mode == "PA" else layer.convert(mode)).save(path)
    assert load_picture(path)[0].tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize(
    ("ink", "ground"), [((255, 255, 255), 0), ((250, 250, 210), 0), ((30, 30, 160), 255)]
)
def test_what_would_be_lost_on_white_paper_lies_on_black(
    tmp_path: Path, ink: tuple[int, int, int], ground: int
) -> None:
    layer = Image.new("RGBA", (900, 40), (0, 0, 0, 0))
    layer.paste((*ink, 255), (20, 10, 400, 30))
    layer.save(tmp_path / "white.png")
    picture = load_picture(tmp_path / "white.png")
    assert picture[0, 0].tolist() == [ground] * 3 and picture[20, 100].tolist() == list(ink)


def test_a_light_picture_with_dark_parts_stays_on_white(tmp_path: Path) -> None:
    layer = Image.new("RGBA", (100, 40), (0, 0, 0, 0))
    layer.paste((255, 255, 255, 255), (20, 10, 80, 30))
    layer.paste((20, 20, 20, 255), (30, 15, 40, 25))
    layer.save(tmp_path / "card.png")
    assert load_picture(tmp_path / "card.png")[0, 0].tolist() == [255] * 3


def test_hundred_megapixels_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(10_000, 10_000))
    with pytest.raises(PictureError, match=r"100 megapixels.*smaller") as caught:
        load_picture(path)
    assert "\n" not in str(caught.value)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(60_000, 60_000))
    with pytest.raises(PictureError, match="too many pixels"):
        load_picture(path)


def test_limit_is_inclusive(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.fromarray(QUADRANTS).save(path)
    assert load_picture(path, max_pixels=96).shape == (8, 12, 3)
    with pytest.raises(PictureError, match="megapixels"):
        load_picture(path, max_pixels=95)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "gif", "tiff"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(whole)
    content = whole.read_bytes()
    for part in (0.02, 0.5, 0.95):
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(content[: int(len(content) * part)])
        with pytest.raises(PictureError, match=r"cut\." + suffix) as caught:
            load_picture(cut)
        assert "\n" not in str(caught.value)


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="cannot be read"):
        load_picture(tmp_path / ("a" * 5000))


def test_missing_folder_text_and_empty(tmp_path: Path) -> None:
    text = tmp_path / "note.jpg"
    text.write_text("no picture")
    empty = tmp_path / "empty.png"
    empty.touch()
    for path, words in (
        (tmp_path / "none.jpg", "no such file"),
        (tmp_path, "not a file"),
        (text, "not a picture"),
        (empty, "not a picture"),
    ):
        with pytest.raises(PictureError, match=words):
            load_picture(path)


@pytest.mark.parametrize("shape", [(1, 2_000_000), (2_000_000, 1)])
def test_a_picture_of_one_endless_row_is_refused_before_decoding(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    path = tmp_path / "thin.png"
    path.write_bytes(png_header(*shape))
    with pytest.raises(PictureError, match="pixels a side"):
        load_picture(path)


def with_text(png: bytes, text: bytes) -> bytes:
    """A PNG with chunks before and behind its pixels."""
    return png[:33] + text + png[33:-12] + text + png[-12:]


def test_text_in_a_png_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    Image.fromarray(QUADRANTS).save(path)
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9))
    path.write_bytes(with_text(path.read_bytes(), bomb + chunk(b"tEXt", b"Title\0x") * 3))
    np.testing.assert_array_equal(load_picture(path), QUADRANTS)


def test_a_png_of_endless_parts_or_wrong_lengths_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "parts.png"
    Image.fromarray(QUADRANTS).save(path)
    good = path.read_bytes()
    path.write_bytes(with_text(good, chunk(b"tEXt", b"") * 100_001))
    with pytest.raises(PictureError, match="too many parts"):
        load_picture(path)
    path.write_bytes(with_text(good, b"\x7f\xff\xff\xfftEXt"))
    with pytest.raises(PictureError):
        load_picture(path)


def peak_mb(path: Path) -> float:
    """Megabytes that reading a file takes at most, in a process of its own."""
    code = (
        "import resource, sys; from pathlib import Path; from models.pictures import load_picture\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak(); load_picture(Path(sys.argv[1])); print((peak() - before) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16", "1"])
def test_sixty_megapixels_need_no_more_than_600_mb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "large.png"
    Image.new(mode, (8000, 7900)).save(path, compress_level=1)
    assert peak_mb(path) < 600


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {"progressive": True, "subsampling": 0}),
        ("CMYK", {"progressive": True}),
        ("RGB", {}),
    ],
)
def test_sixty_megapixels_of_jpeg_need_no_more_than_600_mb(
    tmp_path: Path, mode: str, options: dict[str, int]
) -> None:
    path = tmp_path / "large.jpg"
    Image.new(mode, (8000, 7900), 90).save(path, **options)
    assert peak_mb(path) < 600


def test_a_large_progressive_picture_comes_at_half_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pictures.MOST_PROGRESSIVE", 3 * 64 * 48)
    left = np.zeros((64, 96, 3), np.uint8)
    left[:, :48] = (200, 30, 40)
    for progressive, shape in ((True, (32, 48, 3)), (False, (64, 96, 3))):
        path = tmp_path / f"{progressive}.jpg"
        Image.fromarray(left).save(path, progressive=progressive, quality=95, subsampling=0)
        read = load_picture(path)
        assert read.shape == shape
        middle = read[shape[0] // 2]
        assert abs(int(middle[shape[1] // 4, 0]) - 200) < 8 and middle[-4].max() < 8


def test_a_webp_whose_decoder_takes_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pictures.MOST_WEBP", 100)
    path = tmp_path / "large.webp"
    Image.new("RGB", (11, 10)).save(path)
    with pytest.raises(PictureError, match="more than the"):
        load_picture(path)
