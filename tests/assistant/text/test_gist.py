"""What is quoted as a text's gist: its title, what it comes back to, in the order of the page."""

from assistant.text.gist import MOST, gist
from tests.assistant.text.test_claims import page


def quoted(*lines: str) -> list[str]:
    return [place.text for place in gist(page(*lines))]


def test_a_short_text_is_quoted_whole() -> None:
    assert quoted("Fire exit", "Keep clear") == ["Fire exit", "Keep clear"]
    assert quoted() == []


def test_the_title_and_the_places_that_share_most_in_their_order() -> None:
    told = quoted(
        "Water supply interrupted",
        "Dear resident,",
        "The water supply in Mill Lane will be interrupted on 14 May 2027.",
        "We are always happy to help.",
        "Your water supply returns at 16:00 on the same day.",
        "Yours sincerely",
    )
    assert told == [
        "Water supply interrupted",
        "Dear resident, The water supply in Mill Lane will be interrupted on 14 May 2027.",
        "Your water supply returns at 16:00 on the same day.",
    ]


def test_it_is_never_long() -> None:
    lines = [f"Item {number} costs {number}.50 this week in the shop." for number in range(40)]
    assert len(quoted("Offers", *lines)) == MOST
    endless = " ".join(["offers"] * 200)
    assert endless not in quoted("Offers", *lines, endless)
