"""Only whole words of the page can be copied, whatever the model wants."""

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.seeing.layout import Paragraph, Row
from assistant.seeing.text import TextLine
from assistant.text.copying import LONGEST, Copies, Run, Written, may_end, runs_of

NO = "not stated"


def line(text: str, x: float = 0, y: float = 0) -> TextLine:
    width = 10.0 * len(text)
    return TextLine(text, ((x, y), (x + width, y), (x + width, y + 20), (x, y + 20)), 0.99)


def paragraph(*rows: str | tuple[str, ...]) -> Paragraph:
    return Paragraph(
        tuple(
            Row(tuple(line(t, 300.0 * at, 30.0 * number) for at, t in enumerate(each)))
            for number, each in enumerate((row,) if isinstance(row, str) else row for row in rows)
        )
    )


def by_characters(texts: list[str]) -> list[list[tuple[int, int]]]:
    """A token for each character."""
    return [[(ord(mark), at + 1) for at, mark in enumerate(text)] for text in texts]


def by_pieces(texts: list[str]) -> list[list[tuple[int, int]]]:
    """Tokens as real ones are: a space belongs to what follows it; short pieces; a number each."""
    found = []
    for text in texts:
        pieces = [match for match in re.finditer(r"\s?[^\W\d_]{1,3}|\s?\d|\s?\S|\s", text)]
        found.append([(hash(piece[0]) % 10**9, piece.end()) for piece in pieces])
    return found


def copies_of(*paragraphs: Paragraph, encode: object = by_characters) -> Copies:
    return Copies(runs_of(paragraphs), encode, NO)  # type: ignore[arg-type]


def written(copies: Copies, text: str) -> Written | None:
    """What is written after the characters of a text; None where that is not allowed."""
    state = copies.begin()
    for mark in text:
        following = copies.following(state)
        if ord(mark) not in following:
            return None
        state = following[ord(mark)]
    return state


def told(copies: Copies, text: str) -> list[str] | None:
    """The lines of each place where a text may be copied; None where it may not."""
    state = written(copies, text)
    if state is None or not copies.is_whole(state):
        return None
    return [" | ".join(each.text for each in lines) for _, lines in copies.copied(state)]


PAGE = paragraph(
    ("Summe EUR", "13,11"), "Ihr Zeichen: K-77/3 (Nacho)", "Do not take more than", "one tablet."
)


def test_runs_of_words_may_be_copied_with_their_lines() -> None:
    copies = copies_of(PAGE)
    assert told(copies, "13,11") == ["13,11"]
    assert told(copies, "EUR 13,11") == ["Summe EUR | 13,11"]
    assert told(copies, "K-77/3 (Nacho)") == ["Ihr Zeichen: K-77/3 (Nacho)"]
    assert told(copies, "Nacho") == ["Ihr Zeichen: K-77/3 (Nacho)"]
    assert told(copies, "Zeichen") == ["Ihr Zeichen: K-77/3 (Nacho)"]


def test_a_run_goes_on_in_the_next_row_but_not_in_the_one_after() -> None:
    copies = copies_of(PAGE)
    assert told(copies, "more than one tablet") == ["Do not take more than | one tablet."]
    assert told(copies, "more than one tablet.") == ["Do not take more than | one tablet."]
    assert written(copies, "K-77/3 (Nacho) Do not take more than one") is None
    assert written(copies_of(paragraph("a b"), paragraph("c")), "b c") is None


def test_words_and_figures_are_never_cut() -> None:
    copies = copies_of(PAGE)
    for part in ("13", "13,1", "3,11", "13,", "K", "77/3", "K-77", "tab", "ablet", "Summe E", "11"):
        assert told(copies, part) is None, part
    assert not may_end("14.48", 2) and not may_end("a,b", 1) and not may_end("x ", 2)
    assert may_end("Nacho, 3", 5) and may_end("Nacho, 3", 6) and not may_end("Nacho, 3", 7)


def test_what_is_not_printed_cannot_be_written() -> None:
    copies = copies_of(PAGE)
    assert written(copies, "13.11") is None
    assert written(copies, "summe") is None
    assert written(copies, "Yes") is None
    assert told(copies, NO) == []


def test_the_refusal_is_told_from_the_same_words_on_the_page() -> None:
    plain, printed = copies_of(PAGE), copies_of(paragraph("Price: not stated here"))
    refused, copied = written(plain, NO), written(printed, NO)
    assert refused is not None and plain.is_refusal(refused) and plain.copied(refused) == ()
    assert copied is not None and not printed.is_refusal(copied)
    assert told(printed, NO) == ["Price: not stated here"]


def test_a_value_that_stands_twice_is_told_with_both_places() -> None:
    page = paragraph(("Vindaloo", "10.20"), ("Dhansak", "10.80"), ("Korma", "10.20"))
    assert told(copies_of(page), "10.20") == ["10.20", "10.20"]
    assert told(copies_of(page), "Korma 10.20") == ["Korma | 10.20"]


def test_a_character_of_several_tokens_ends_with_the_last() -> None:
    run = Run("ŵ", ((line("ŵ"), 0, 1),))
    copies = Copies(
        (run,), lambda texts: [[(1, 1), (2, 1)] if t == "ŵ" else [(9, 10)] for t in texts], NO
    )
    first = copies.following(copies.begin())[1]
    assert not copies.is_whole(first)
    assert copies.is_whole(copies.following(first)[2])


def test_a_long_run_is_cut_at_a_word() -> None:
    words = " ".join(f"word{n}" for n in range(60))
    (run, *_) = runs_of([paragraph(words)])
    assert len(run.text) <= LONGEST and words.startswith(run.text + " ")
    assert runs_of([paragraph("x" * 500)]) == ()


TEXTS = st.text(st.sampled_from("ab 1.,:(/)€\u00fc"), min_size=1, max_size=14).map(
    lambda text: " ".join(text.split())
)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=4), st.integers(0, 10**6))
def test_whatever_a_model_wants_only_words_of_the_page_come_out(rows: list[str], seed: int) -> None:
    chance = random.Random(seed)
    for encode in (by_characters, by_pieces):
        copies = copies_of(paragraph(*rows), encode=encode)
        state, whole = copies.begin(), []
        while following := copies.following(state):
            # A model's wish is any order of its tokens; the first that is allowed is written.
            state = following[chance.choice(sorted(following))]
            if copies.is_whole(state):
                whole.append(state)
        assert whole, "no beginning may lead nowhere"
        for each in whole:
            if copies.is_refusal(each):
                continue
            for value, lines in copies.copied(each):
                assert value in " ".join(rows) and lines
                joined = " ".join(found.text for found in lines)
                assert value in joined
                first = r"(?<![^\W_])" if value[0].isalnum() else ""
                last = r"(?![^\W_])" if value[-1].isalnum() else ""
                assert re.search(f"{first}{re.escape(value)}{last}", joined)
