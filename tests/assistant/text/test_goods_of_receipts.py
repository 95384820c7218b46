"""The entries of real receipts, checked by the receipts' own sums, which nobody here wrote."""

from pathlib import Path

from assistant.seeing.text import TextLine
from assistant.skills.goods import end_of_goods
from assistant.text.goods import add_up, goods
from assistant.text.page import Page


def transcribed(path: Path) -> Page:
    """The lines of a receipt as its data set gives them: eight coordinates and the text."""
    found = []
    for row in path.read_text(errors="replace").splitlines():
        *corners, text = row.split(",", 8)
        xs = [float(each) for each in corners]
        box = ((xs[0], xs[1]), (xs[2], xs[3]), (xs[4], xs[5]), (xs[6], xs[7]))
        found.append(TextLine(text.strip(), box, 0.99))
    return Page(found)


def test_the_entries_of_real_receipts_add_up(data_dir: Path) -> None:
    fails = []
    for path in sorted((data_dir / "vision" / "sroie").glob("*.box.csv")):
        sheet = transcribed(path)
        end = end_of_goods(sheet)
        if not add_up(sheet, goods(sheet, end), end):
            fails.append(path.name.partition(".")[0])
    # The one prints no price for each of its goods, the other is the payment of a bill.
    assert fails == ["065", "325"]
