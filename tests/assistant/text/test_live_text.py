"""Live text over frames made by hand: everything new once, nothing twice."""

from assistant.seeing.text import TextLine
from assistant.text.live_text import LiveText


def line(text: str, y: float = 0, confidence: float = 0.95) -> TextLine:
    right = 10.0 * len(text)
    return TextLine(text, ((0, y), (right, y), (right, y + 20), (0, y + 20)), confidence)


def see(live: LiveText, lines: list[TextLine]) -> str:
    """The new rows, one a line."""
    return "\n".join(row.text for row in live.see(lines))


def test_each_text_is_read_once() -> None:
    live = LiveText()
    assert see(live, [line("EXIT")]) == "EXIT"
    assert see(live, [line("EXIT"), line("Platform 4", 40)]) == "Platform 4"
    assert see(live, [line("EX1T"), line("Platform 4", 40)]) == "EX1T"
    assert see(live, [line("Platform 4")]) == ""
    assert see(live, []) == ""


def test_small_differences_of_recognition_are_the_same_text() -> None:
    live = LiveText()
    assert see(live, [line("Mind the gap between")]) == "Mind the gap between"
    assert see(live, [line("Mind the qap betweon")]) == ""
    assert see(live, [line("the gap")]) == ""


def test_other_figures_are_another_text() -> None:
    live = LiveText()
    see(live, [line("Bus 42 to the station")])
    assert see(live, [line("Bus 43 to the station")]) == "Bus 43 to the station"
    see(live, [line("Platform")])
    assert see(live, [line("Platform 4")]) == "Platform 4"


def test_unsure_lines_must_come_twice() -> None:
    live = LiveText()
    assert see(live, [line("PUSH", confidence=0.6)]) == ""
    assert see(live, [line("PULL", confidence=0.6)]) == ""
    assert see(live, [line("PULL", confidence=0.6)]) == "PULL"


def test_new_lines_come_in_reading_order_and_specks_do_not() -> None:
    live = LiveText()
    assert see(live, [line("second", 40), line("-", 80), line("first", 0)]) == "first\nsecond"
