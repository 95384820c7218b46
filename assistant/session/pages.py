"""Picture files and the pages of documents: opened one page at a time, named once, turned."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import UsageError
from assistant.frames import Frame, Sheet
from assistant.hearing.orders import NUMBERS, ORDINALS
from models.documents import page_count
from models.errors import PictureError
from models.pictures import load_picture

COUNT, HERE = "pages", "page"
"""What is asked about pages without turning one: how many there are, which one this is."""

HOW_MANY = "how many pages does it have"
"""The question behind the first, where it is asked of what a picture shows."""

READ = "read "
"""Before a page that is to be read as well."""

_BESIDE = frozenset({"read", "me", "the", "page", "number"})


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A picture file, and which of its pages is looked at."""

    path: Path
    sheet: Sheet

    @property
    def name(self) -> str:
        """What is said of where one is: the page of a document, or the file itself."""
        return self.sheet.name or self.path.name


def open_page(path: Path, page: int = 1) -> tuple[OpenFile, Frame]:
    """Open one page of a file; a picture has one.

    page: from 1.

    Raises:
        PictureError: the file cannot be opened, or has no such page.
    """
    rgb = load_picture(path, page=page)
    pages = page_count(path)
    if page > pages:
        # Of a picture, which has one, the loader looks at no page.
        raise PictureError(f"{path}: has one page; there is no page {page}")
    sheet = Sheet(page, pages)
    return OpenFile(path, sheet), Frame(rgb, time.monotonic(), sheet)


def wanted_page(asked: str, sheet: Sheet) -> int:
    """The number of the page that is asked for, such as "next", "last", "three" or "12".

    Raises:
        UsageError: there is no such page; the one that is open stays.
    """
    words = [word for word in asked.lower().split() if word not in _BESIDE]
    last = sheet.pages
    where = f"you are on page {sheet.page} of {last}" if last > 1 else "the file has one page"
    word = words[-1] if words else ""
    figure = re.fullmatch(r"(\d{1,4})(?:st|nd|rd|th)?", word)
    near = {"next": sheet.page + 1, "previous": sheet.page - 1, "last": last}
    if word in near:
        page = near[word]
    elif word in NUMBERS:
        page = NUMBERS.index(word) + 1
    elif word in ORDINALS:
        page = ORDINALS.index(word) + 1
    elif figure is not None:
        page = int(figure[1])
    else:
        raise UsageError(f"{asked}: not a page", "say next page, previous page, or page two")
    if page > last and word == "next":
        raise UsageError("this is the last page" if last > 1 else "there is only one page")
    if page < 1 and word == "previous":
        raise UsageError("this is the first page" if last > 1 else "there is only one page")
    if not 1 <= page <= last:
        raise UsageError(f"there is no page {page}", where)
    return page


def counted(sheet: Sheet) -> str:
    """How many pages there are, and which one is open."""
    if sheet.pages == 1:
        return "One page."
    return f"{sheet.pages} pages. This is page {sheet.page}."


def opened_words(file: OpenFile, frame: Frame) -> str:
    """What is said of a file that was opened."""
    if file.sheet.pages > 1:
        return f"Opened {file.path.name}. {file.sheet.name}."
    height, width = frame.rgb.shape[:2]
    return f"Opened {file.path.name}, {width} by {height} pixels."
