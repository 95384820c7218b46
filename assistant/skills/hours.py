"""When something is open: on a day, until when, and on which day it is closed."""

import datetime
import re
from collections.abc import Sequence

from assistant.answers import Answer, Basis, Detail, Found
from assistant.skills import quote
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import ended, listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.calendar_names import weekday, weekdays
from assistant.text.page import Page
from assistant.text.tokens import Kind

_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|week-?ends?|week-?days?|today|tomorrow"
_PLACE = r"they|it|you|the (?:shop|store|office|restaurant|place|cafe|pharmacy|library|surgery|\w+)"
_CLOSED = re.compile(
    r"\b(?:closed|geschlossen|ruhetag|zu|ferm[ée]e?s?|chius[oae]|cerrad[oa]s?|gesloten|"
    r"fechad[oa]s?|encerrad[oa]s?|libero)\b",
    re.IGNORECASE,
)
_RANGE = re.compile(
    r"\d\s*(?:h|uhr|am|pm|[ap]\.m\.)?\s*(?:-|–|—|to|till?|until|bis|à|a|al|às|tot|y)\s*\d", re.I
)

MOST_ROWS = 4
"""Rows of hours that are told at once; the rest is asked for by day."""


class Hours:
    """The rows of the days that are asked about, as they stand."""

    name = "hours"
    wordings = (
        Wording(
            heard="(when | until when) is it open [today | tomorrow | on sunday]",
            typed=(
                rf"\b(?:open|opens|closed?|closes|shut|shuts|opening|closing"
                rf"|hours)\b.*\b(?:{_DAY})\b"
                rf"|\b(?:{_DAY})\b.*\b(?:open|opens|closed?|closes|shut|opening|closing|hours)\b"
                r"|\b(?:opening|closing|business|office) (?:hours|times?)\b"
                rf"|\b(?:what|which) days? (?:are|is|do) (?:{_PLACE}) (?:open|closed?|shut)\b"
                rf"|\b(?:when|(?:until |till )?when|what time) (?:do|does|is|are) (?:{_PLACE})"
                r" (?:open|closed?|shut)\b"
                rf"|\b(?:are|is) (?:{_PLACE}) open\b"
            ),
        ),
    )
    traits = Traits(gives=frozenset({Kind.TIME}), rank=23, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The rows of those days; where no row names a day, the best places of the text."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        rows = _rows_of_hours(page)
        days = _days(asked)
        if _asks_for_closed(asked.words):
            told = [row for row in rows if _CLOSED.search(page.rows[row].text)]
        elif days:
            told = [row for row in rows if days & weekdays(page.rows[row].text)]
        else:
            told = rows
        if not told or len(told) > MOST_ROWS:
            return quote.SKILL.find(asked, scene)
        found = tuple(_found(page, row) for row in told)
        return Answer(self.name, found, ground_read(found) if days else _sure(found, rows, told))

    def say(self, answer: Answer, detail: Detail) -> str:
        """The rows, or that the paper names no hours."""
        if not answer.found:
            missing = "I can't tell: I do not find hours in the text."
            return "" if answer.notes else missing
        return (
            ended(listed(answer)) if detail is Detail.SHORT else ended(f"I read: {listed(answer)}")
        )


def _sure(found: tuple[Found, ...], rows: Sequence[int], told: Sequence[int]) -> Basis:
    """Without a day, all the hours of a paper are its answer, and some of them are not."""
    return ground_read(found) if len(told) == len(rows) or len(told) == 1 else Basis.GUESS


def _rows_of_hours(page: Page) -> list[int]:
    """The rows that name days with hours, or with the word that there are none."""
    return [
        number
        for number, row in enumerate(page.rows)
        if weekdays(row.text)
        and (
            _RANGE.search(row.text)
            or _CLOSED.search(row.text)
            or len([p for p in page.places_in(number) if p.token.kind is Kind.TIME]) > 1
        )
    ]


def _found(page: Page, row: int) -> Found:
    text = " ".join(page.rows[row].text.split())
    return Found(text, None, page.passage(row).lines)


def _days(asked: Asked) -> frozenset[int]:
    """The days that a question names, Monday 0 to Sunday 6."""
    today = asked.today.weekday()
    found: set[int] = set()
    for word in asked.words.split():
        day = weekday(word)
        if day is not None:
            found.add(day)
        elif word in ("today", "now", "tonight"):
            found.add(today)
        elif word == "tomorrow":
            found.add((asked.today + datetime.timedelta(days=1)).weekday())
        elif re.fullmatch(r"week-?ends?", word):
            found |= {5, 6}
        elif re.fullmatch(r"week-?days?", word):
            found |= set(range(5))
    return frozenset(found)


def _asks_for_closed(question: str) -> bool:
    return (
        re.search(r"\b(?:what|which) days?\b.*\b(?:closed|shut|not open)\b", question) is not None
    )


SKILL = Hours()
