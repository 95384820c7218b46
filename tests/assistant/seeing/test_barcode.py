"""Barcodes drawn by the library's own writer, spoilt in the ways of a camera."""

from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp

from assistant.seeing.barcode import normalized, read_barcodes


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


def test_no_code() -> None:
    assert read_barcodes(np.full((50, 50, 3), 200, np.uint8)) == ()
