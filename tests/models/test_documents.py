"""PDF pages and HEIC photographs as pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models.documents import page_count
from models.errors import PictureError
from models.pictures import load_picture


def pdf(path: Path, *colours: str) -> Path:
    """A PDF with one page of each colour, 2 by 3 inches."""
    pages = []
    for colour in colours:
        page = Image.new("RGB", (200, 300), colour)
        ImageDraw.Draw(page).rectangle((50, 50, 150, 100), fill="black")
        pages.append(page)
    pages[0].save(path, save_all=True, append_images=pages[1:], resolution=100)
    return path


def test_each_page_of_a_pdf_is_a_picture(tmp_path: Path) -> None:
    path = pdf(tmp_path / "letter.pdf", "white", "red", "blue")
    assert page_count(path) == 3
    first, last = load_picture(path), load_picture(path, page=3)
    assert first.shape == (600, 400, 3)  # 3 by 2 inches at 200 dots each
    assert first[10, 10].tolist() == [255, 255, 255]
    red, green, blue = (int(value) for value in last[10, 10])
    assert blue > 200 and red < 60 and green < 60
    assert int(first[150, 200].max()) < 40


def test_a_pdf_is_known_by_its_bytes_not_by_its_name(tmp_path: Path) -> None:
    path = pdf(tmp_path / "letter.pdf", "white").rename(tmp_path / "letter.jpg")
    assert load_picture(path).shape == (600, 400, 3)


def test_a_picture_has_one_page(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "dot.png")
    assert page_count(tmp_path / "dot.png") == 1
    assert page_count(tmp_path / "missing.pdf") == 1


@pytest.mark.parametrize("page", [0, 2, -1])
def test_a_page_that_is_not_there_is_named(tmp_path: Path, page: int) -> None:
    path = pdf(tmp_path / "letter.pdf", "white")
    with pytest.raises(PictureError, match=f"there is no page {page}"):
        load_picture(path, page=page)


def test_damaged_pdfs_are_refused_in_one_line(tmp_path: Path) -> None:
    whole = pdf(tmp_path / "letter.pdf", "white").read_bytes()
    path = tmp_path / "cut.pdf"
    rng = np.random.default_rng(0)
    refused = 0
    for cut in rng.integers(5, len(whole), 40):
        path.write_bytes(whole[:cut])
        try:
            assert load_picture(path).ndim == 3
        except PictureError as error:
            refused += 1
            assert "\n" not in str(error) and str(path) in str(error)
    assert refused > 20


def test_a_page_as_large_as_a_wall_is_refused_before_it_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "wall.pdf"
    Image.new("1", (40, 40)).save(path, resolution=0.1)  # 400 by 400 inches
    with pytest.raises(PictureError, match="inches"):
        load_picture(path)


@pytest.mark.weights
def test_a_photograph_of_a_telephone_opens(data_dir: Path) -> None:
    rgb = load_picture(data_dir / "reports/photo.heic")
    assert rgb.dtype == np.uint8 and rgb.shape[2] == 3 and rgb.std() > 10


@pytest.mark.weights
def test_a_cut_photograph_is_refused(data_dir: Path, tmp_path: Path) -> None:
    whole = (data_dir / "reports/photo.heic").read_bytes()
    path = tmp_path / "cut.heic"
    for part in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(PictureError, match="damaged"):
            load_picture(path)
