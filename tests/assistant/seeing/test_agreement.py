"""What two readings of one line make together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.seeing.agreement import agreed
from assistant.seeing.text import LEAST_SURE, UNSURE

TEXT = "Take one tablet of 250 mg after a meal."


def said(text: str, sure: float = 0.96) -> list[tuple[str, float]]:
    return [(word, sure) for word in text.split()]


@pytest.mark.parametrize("confidence", [0.55, 0.8, 0.96])
def test_what_both_say_is_sure_whatever_marks_stand_beside_it(confidence: float) -> None:
    assert agreed(TEXT, confidence, said(TEXT))[1] >= 0.95
    text, sure = agreed(TEXT, confidence, said("take one tablet , of 250 mg after « a meal"))
    assert (text, sure >= 0.95) == (TEXT, True)
    assert agreed("Takeone tablet", confidence, said("Take one tablet"))[1] >= 0.95


def test_a_very_sure_second_reader_puts_a_word_right_that_stays_a_guess() -> None:
    wrong = TEXT.replace("tablet", "tabiet")
    assert agreed(wrong, 0.9, said(TEXT)) == (TEXT, UNSURE)
    assert agreed("s0r... just kept", 0.9, said("sorry I just kept"))[0] == "s0r... just kept"


@pytest.mark.parametrize("sure", [0.1, 0.5, 0.85])
def test_an_unsure_second_reader_spoils_no_word(sure: float) -> None:
    other = said(TEXT)
    other[2] = ("tabiet", sure)
    assert agreed(TEXT, 0.9, other) == (TEXT, UNSURE), "they differ, and neither is sure"
    text, confidence = agreed(TEXT, 0.96, other)
    assert text == TEXT and (confidence >= LEAST_SURE) == (sure < 0.8)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("250 mg", "260 mg"), ("250 mg", "25O mg"), ("1,39 EUR", "1.39 EUR"), ("-5.00", "5.00"),
        ("12 50", "1250"), ("250 mg", "mg"), ("§ 264", "§ 264 5"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("confidence", [0.8, 0.96])
@pytest.mark.parametrize("sure", [0.05, 0.99])
def test_figures_that_differ_are_a_guess_and_never_changed(
    ours: str, theirs: str, confidence: float, sure: float
) -> None:
    line, other = f"Take {ours} a day", said(f"Take {theirs} a day", sure)
    text, left = agreed(line, confidence, other)
    assert left == UNSURE
    assert [word for word in text.split() if any(map(str.isdigit, word))][: len(ours.split())] == [
        word for word in ours.split() if any(map(str.isdigit, word))
    ]


def test_a_line_that_only_the_second_reader_can_read_is_a_guess() -> None:
    assert agreed("", 0.3, said(TEXT)) == (TEXT, UNSURE)
    assert agreed("", 0.3, said(TEXT, 0.4)) == ("", 0.3)
    assert agreed("", 0.3, []) == ("", 0.3)


def test_no_opinion_and_rubbish_leave_a_line_as_it_is() -> None:
    assert agreed(TEXT, 0.8, []) == (TEXT, 0.8)
    assert agreed(TEXT, 0.8, said("~ | ' —")) == (TEXT, 0.8)
    text, confidence = agreed(TEXT, 0.96, said("xq zzk wwv pp", 0.1))
    assert text == TEXT and confidence == UNSURE, "its figures are not there"


WORDS = st.lists(st.sampled_from(["a", "the", "12", "3.50", "—", "tablet", "§", "x2"]), max_size=8)


@given(ours=WORDS, theirs=WORDS, confidence=st.floats(0, 1), sure=st.floats(0, 1))
def test_nothing_is_surer_for_a_difference_and_no_figure_is_lost(
    ours: list[str], theirs: list[str], confidence: float, sure: float
) -> None:
    ours = ["word", *ours]
    text, left = agreed(" ".join(ours), confidence, [(word, sure) for word in theirs])
    assert [w for w in ours if any(map(str.isdigit, w))] == [
        w for w in text.split() if any(map(str.isdigit, w))
    ]
    if left > confidence:
        bare = [[w for w in each if w not in "—§"] for each in (ours, theirs)]
        assert "".join(bare[0]) == "".join(bare[1])
