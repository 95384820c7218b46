"""Barcodes drawn by the library's own writer, spoilt in the ways of a camera."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp

from assistant.seeing.barcode import normalized, read_barcodes
from models.pictures import load_picture


def drawn(text: str, kind: str, size: int = 3) -> Any:
    code = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    grey = np.array(zxingcpp.write_barcode_to_image(code, scale=size))
    return np.repeat(np.pad(grey, 60, constant_values=255)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("4006381333931", "EAN13", "EAN-13"),
        ("012345678905", "UPCA", "UPC-A"),
        ("96385074", "EAN8", "EAN-8"),
        ("https://example.org/a", "QRCode", "QR Code"),
        ("LOT 12", "DataMatrix", "Data Matrix"),
    ],
)
def test_codes_are_read_upright_turned_dark_and_small(text: str, kind: str, name: str) -> None:
    picture = drawn(text, kind)
    spoilt = (
        picture,
        np.rot90(picture).copy(),
        (picture * 0.3).astype(np.uint8),
        cv2.GaussianBlur(picture, (0, 0), 1.0),
    )
    for each in spoilt:
        (code,) = read_barcodes(each)
        assert (code.kind, code.text) == (name, text)
        height, width = each.shape[:2]
        assert code.centre == pytest.approx((width / 2, height / 2), abs=width / 8)
    assert code.is_product == (kind in ("EAN13", "UPCA", "EAN8"))


def test_upc_is_normalized() -> None:
    assert normalized("EAN-13", "0012345678905") == ("UPC-A", "012345678905")
    assert normalized("EAN13", "4006381333931") == ("EAN-13", "4006381333931")
    assert normalized("UPCA", "012345678905") == ("UPC-A", "012345678905")
    assert normalized("QR Code", "0012345678905") == ("QR Code", "0012345678905")


def test_products_come_first_and_nothing_twice() -> None:
    both = np.full((900, 500, 3), 255, np.uint8)
    for top, code in ((0, drawn("hello", "QRCode")), (350, drawn("4006381333931", "EAN13", 2))):
        both[top : top + code.shape[0], : code.shape[1]] = code
    assert [code.text for code in read_barcodes(both)] == ["4006381333931", "hello"]


def cases_of(data_dir: Path) -> list[tuple[Path, str]]:
    """The public sample pictures and what stands in their codes."""
    lines = (data_dir / "reports/cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(each) for each in lines if each.strip()]
    return [
        (data_dir / "reports" / case["picture"], case["must"][0])
        for case in cases
        if case["picture"].startswith("zxing_")
    ]


@pytest.mark.weights
def test_public_samples_are_read_right_in_every_direction(data_dir: Path) -> None:
    cases = cases_of(data_dir)
    assert cases
    for path, expected in cases:
        rgb = load_picture(path)
        for quarters in range(4):
            found = read_barcodes(np.ascontiguousarray(np.rot90(rgb, quarters)))
            assert [code.text for code in found] == [expected]


def hit(text: str, top: int, bottom: int, kind: str = "EAN-13") -> Any:
    """What the library reports of a code between two rows of the picture."""

    def corner(x: int, y: int) -> Any:
        return SimpleNamespace(x=x, y=y)

    place = SimpleNamespace(
        top_left=corner(10, top), top_right=corner(210, top),
        bottom_right=corner(210, bottom), bottom_left=corner(10, bottom),
    )  # fmt: skip
    return SimpleNamespace(format=kind, text=text, valid=True, position=place)


def read_of(monkeypatch: pytest.MonkeyPatch, views: dict[int, list[Any]]) -> list[str]:
    """What is told of a picture 400 wide whose views, by their widths, give these hits."""
    monkeypatch.setattr(zxingcpp, "read_barcodes", lambda bgr, **_: views.get(bgr.shape[1], []))
    return [code.text for code in read_barcodes(np.zeros((300, 400, 3), np.uint8))]


def test_a_hit_on_one_line_loses_to_one_on_many(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, right = hit("7034759003930", 20, 22), hit("5030159003930", 5, 60)
    assert read_of(monkeypatch, {400: [wrong], 600: [wrong], 800: [right]}) == ["5030159003930"]


def test_a_hit_on_one_line_alone_must_be_seen_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    thin = hit("5030159003930", 20, 22)
    assert read_of(monkeypatch, {400: [thin]}) == []
    assert read_of(monkeypatch, {400: [thin], 600: [thin]}) == ["5030159003930"]
    assert read_of(monkeypatch, {400: [hit("5030159003930", 5, 60)]}) == ["5030159003930"]


def test_a_square_code_with_a_line_for_its_place_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, right = hit("x1", 20, 26, "Data Matrix"), hit("LOT 12", 5, 160, "Data Matrix")
    assert read_of(monkeypatch, {400: [wrong], 600: [wrong], 800: [right]}) == ["LOT 12"]
    assert read_of(monkeypatch, {400: [wrong]}) == []
    # Flat kinds are printed.
    assert read_of(monkeypatch, {400: [hit("x1", 20, 46, "PDF417")]}) == ["x1"]


def test_no_code() -> None:
    assert read_barcodes(np.full((50, 50, 3), 200, np.uint8)) == ()
