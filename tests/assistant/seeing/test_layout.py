"""Reading order on boxes made by hand."""

import math
from collections.abc import Callable

import pytest

from assistant.seeing.layout import page_text, reading_order, rows_of
from assistant.seeing.text import TextLine


def line(text: str, x: float, y: float, *, width: float = 0, height: float = 20) -> TextLine:
    right, bottom = x + (width or 10 * len(text)), y + height
    return TextLine(text, ((x, y), (right, y), (right, bottom), (x, bottom)), 0.9)


def turned(piece: TextLine, degrees: float) -> TextLine:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    a, b, d, e = ((x * c - y * s, x * s + y * c) for x, y in piece.box)
    return TextLine(piece.text, (a, b, d, e), piece.confidence)


RECEIPT = [
    line("CORNER SHOP", 150, 10),
    line("Milk 1 l", 10, 60),
    line("2.10", 380, 62),
    line("Brown bread", 10, 90),
    line("3.40", 380, 91),
    line("Total", 10, 120),
    line("5.50", 380, 119),
]
LEFT = ["The first column begins", "with three lines of its", "own and then it ends"]
RIGHT = ["while the second one is", "read only afterwards, as", "in any newspaper here"]


def two_columns() -> list[TextLine]:
    found = []
    for i, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        found += [line(left, 10, 100 + 26 * i), line(right, 320, 104 + 26 * i)]
    return found


def texts(lines: list[TextLine]) -> list[str]:
    return [row.text for row in rows_of(reading_order(lines))]


def test_a_receipt_is_read_by_rows() -> None:
    expected = ["CORNER SHOP", "Milk 1 l 2.10", "Brown bread 3.40", "Total 5.50"]
    assert texts(RECEIPT) == expected
    assert texts(RECEIPT[::-1]) == expected


def test_columns_of_running_text_are_read_one_after_the_other() -> None:
    assert texts(two_columns()) == LEFT + RIGHT


def test_headings_over_both_columns_come_where_they_stand() -> None:
    top = line("A heading over the whole of both columns of text", 10, 50, width=560)
    middle = line("And another one between the upper and lower parts", 10, 200, width=560)
    lower = [line(text, 10, 240 + 26 * i) for i, text in enumerate(LEFT)]
    lower += [line(text, 320, 240 + 26 * i) for i, text in enumerate(RIGHT)]
    ordered = texts([*two_columns(), *lower, middle, top])
    assert ordered == [top.text, *LEFT, *RIGHT, middle.text, *LEFT, *RIGHT]


@pytest.mark.parametrize("degrees", [-6, -2, 3, 7, 90, -90, 180, 177, -178, 270])
def test_turned_pages_keep_their_order(degrees: float) -> None:
    assert texts([turned(piece, degrees) for piece in RECEIPT]) == texts(RECEIPT)
    assert texts([turned(piece, degrees) for piece in two_columns()]) == LEFT + RIGHT


def curled(piece: TextLine, sink: Callable[[float, float], float]) -> TextLine:
    """The smallest box, as a detector gives it, around a piece on paper that sinks by `sink`."""
    (x0, y0), (x1, _), (_, y1), _ = piece.box
    steep = (sink(x1, y0) - sink(x0, y0)) / (x1 - x0)
    middle = (x0 + x1) / 2
    centre = sink(middle, y0)
    corners = [(x, y + centre + steep * (x - middle)) for x, y in piece.box]
    a, b, c, d = corners
    return TextLine(piece.text, (a, b, c, d), piece.confidence)


LONG_RECEIPT = [
    piece
    for number, name in enumerate(("Milk", "Brown bread", "Coffee", "Tea", "Butter", "TOTAL"))
    for piece in (line(name, 10, 40 * number), line(f"{number}.50", 560, 40 * number))
]


@pytest.mark.parametrize(
    "sink",
    [
        lambda x, y: 60 * (2 * x / 600 - 1) ** 2,
        lambda x, y: -60 * (2 * x / 600 - 1) ** 2,
        lambda x, y: 0.25 * (x - 300) * (y / 240 - 0.5),
        lambda x, y: 50 * (x / 600 - 0.4) ** 2 + 0.1 * x,
    ],
    ids=["middle raised", "middle sunk", "from the side", "curled and turned"],
)
def test_each_name_of_a_curled_receipt_keeps_the_amount_of_its_row(
    sink: Callable[[float, float], float],
) -> None:
    expected = [f"{a.text} {b.text}" for a, b in zip(*[iter(LONG_RECEIPT)] * 2, strict=True)]
    assert texts([curled(piece, sink) for piece in LONG_RECEIPT]) == expected


def test_text_at_the_margin_that_runs_up_stands_apart() -> None:
    rows = [line(text, 60, 30 * number) for number, text in enumerate(LEFT)]
    up = turned(line("printed in the north", 0, 0), -90)
    tall = TextLine("of paper", ((20, 0), (40, 0), (40, 90), (20, 90)), 0.9)
    assert texts([up, *rows, tall]) == [*LEFT, up.text, tall.text]


def test_a_narrow_number_in_high_figures_stays_in_its_row() -> None:
    number = line("12", 380, 20, width=30, height=50)
    assert texts([line("TABLE", 10, 20, height=50), number, *RECEIPT[1:]])[0] == "TABLE 12"


def test_paragraphs_end_at_wide_gaps_and_other_sizes() -> None:
    page = [
        line("A title", 10, 0, height=50),
        line("first line", 10, 58),
        line("second line", 10, 84),
        line("after a gap", 10, 140),
    ]
    assert page_text(reading_order(page)) == "A title\n\nfirst line\nsecond line\n\nafter a gap"


def test_no_lines_and_one_line() -> None:
    assert reading_order([]) == ()
    assert texts([line("EXIT", 5, 5)]) == ["EXIT"]


def test_no_line_is_lost_or_doubled() -> None:
    found = [*two_columns(), *(turned(piece, 1) for piece in RECEIPT)]
    pieces = [piece for row in rows_of(reading_order(found)) for piece in row.pieces]
    assert sorted(p.text for p in pieces) == sorted(p.text for p in found)
