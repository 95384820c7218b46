"""Which skill a question goes to, typed or heard."""

import pytest

from assistant.skills.router import understand
from models.pocket.questions import HELD_OUT_WORDINGS, TRAIN_WORDINGS, Ask


@pytest.mark.parametrize(
    ("question", "skill", "subject"),
    [
        ("Read this, please.", "read", ""),
        ("What does it say?", "read", ""),
        ("what is the first line", "first_line", ""),
        ("does the sign say open", "find_word", "open"),
        ("What is the total?", "total", ""),
        ("how much do i have to pay", "total", ""),
        ("How much does it cost?", "price", ""),
        ("What's the date?", "date", ""),
        ("what is the expiry date", "expiry", ""),
        ("Has it expired?", "expiry", ""),
        ("how many pills should i take", "dose", ""),
        ("what is the phone number", "phone", ""),
        ("is this page blank", "blank", ""),
        ("Is there any text here?", "any_text", ""),
        ("is there text in the picture", "any_text", ""),
        ("Are there any words on it?", "any_text", ""),
        ("does it contain any writing", "any_text", ""),
        ("do you see some text", "any_text", ""),
        ("Is anything written on this?", "any_text", ""),
        ("does this page have text", "any_text", ""),
        ("read any text you find", "read", ""),
        ("does it say text", "find_word", "text"),
        ("How many circles are there?", "count", "circles"),
        ("Count the red stars", "count", "red"),
        ("What color is the triangle?", "colour", "triangle"),
        ("what is the number of hearts", "count", "hearts"),
        ("where are my keys", "find_thing", "keys"),
        ("Describe the picture", "describe", ""),
        ("what is in front of me", "describe", ""),
        ("sing a song", "other", ""),
    ],
)
def test_questions_are_sorted_by_what_they_ask(question: str, skill: str, subject: str) -> None:
    asked = understand(question)
    assert (asked.skill, asked.subject) == (skill, subject)


SKILLS_OF_ASKS = {
    Ask.COLOUR_OF_ONE: "colour",
    Ask.COLOUR_OF_MANY: "colour",
    Ask.COUNT: "count",
    Ask.LARGER: "compare",
    Ask.SMALLER: "compare",
    Ask.LEFTMOST: "compare",
    Ask.RIGHTMOST: "compare",
    Ask.WORD: "read",
    Ask.LINES: "read",
    Ask.TITLE: "title",
    Ask.AUTHOR: "author",
    Ask.CATEGORY: "category",
    Ask.YEAR: "year",
    Ask.TOTAL: "total",
    Ask.PRICE: "price",
    Ask.DOSE: "dose",
}


@pytest.mark.parametrize("ask", list(Ask))
def test_every_pocket_question_is_understood(ask: Ask) -> None:
    for wording in (*TRAIN_WORDINGS[ask], *HELD_OUT_WORDINGS[ask]):
        for name, other in (("stars", "cups"), ("fish", "houses"), ("star", "cup")):
            asked = understand(wording.format(name=name, other=other))
            if ask is Ask.DATE:
                assert asked.skill in ("date", "expiry"), wording
            elif ask is Ask.LINES and "first line" in wording:
                assert asked.skill == "first_line", wording
            else:
                assert asked.skill == SKILLS_OF_ASKS[ask], wording
            if ask.skill in ("colour", "count"):
                assert asked.subject == name, wording
