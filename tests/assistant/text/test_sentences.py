"""Text into sentences, and sentences into an order."""

import time

import pytest

from assistant.speech.speaker import SpeechPriority, Utterance
from assistant.speech.utterance_queue import MOST_WAITING, SpeechQueue
from assistant.text.sentences import (
    LONGEST_SENTENCE,
    SentenceBuffer,
    ends_sentence,
    sentence_spans,
    sentences,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ... ", []),
        ("One", ["One"]),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It costs 3.50 today. Yes.", ["It costs 3.50 today.", "Yes."]),
        ("Dr. No lives at No. 7, e.g. here. Yes.", ["Dr. No lives at No. 7, e.g. here.", "Yes."]),
        ("J. S. Bach wrote it. So did I. Yes.", ["J. S. Bach wrote it.", "So did I.", "Yes."]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("TOTAL\n30.90\n\nTHANK YOU", ["TOTAL", "30.90", "THANK YOU"]),
        ("www.example.com is it.", ["www.example.com is it."]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert list(sentences(text)) == expected
    buffer, found = SentenceBuffer(), []
    for character in text:
        found += buffer.accept(character)
    assert [*found, *buffer.rest()] == expected, "letter by letter it is the same"


def test_long_sentences_are_cut_at_commas_spaces_or_anywhere() -> None:
    clauses = ", ".join(["a clause of some words"] * 40)
    for text in (clauses, clauses.replace(",", ""), "x" * 1000):
        pieces = list(sentences(text))
        assert max(map(len, pieces)) <= LONGEST_SENTENCE
        assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
    assert all(piece.endswith(",") for piece in list(sentences(clauses))[:-1])


def test_a_page_of_twelve_thousand_words_begins_at_once() -> None:
    queue = SpeechQueue()
    began = time.monotonic()
    queue.add(Utterance("word " * 12_000))
    first = queue.take()
    assert first is not None and len(first.text) <= LONGEST_SENTENCE
    count = 1
    while queue.take() is not None:
        count += 1
    assert count > 200
    assert time.monotonic() - began < 0.5


def test_the_queue_is_bounded() -> None:
    queue = SpeechQueue()
    for number in range(MOST_WAITING + 5):
        queue.add(Utterance(f"Number {number}."))
    first = queue.take()
    assert first is not None and first.text == "Number 5."
    queue.put_back(first)
    assert queue.peek() == first
    queue.clear()
    assert queue.take() is None


def test_an_interrupted_sentence_comes_again_before_its_successors() -> None:
    queue = SpeechQueue()
    queue.add(Utterance("One. Two."))
    one = queue.take()
    assert one is not None
    queue.put_back(one)
    queue.add(Utterance("Now.", SpeechPriority.NOW))
    order = []
    while (sentence := queue.take()) is not None:
        order.append(sentence.text)
    assert order == ["Now.", "One.", "Two."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith, St. Mary St. 5. Yes.", ["Dr. Smith, St. Mary St. 5.", "Yes."]),
        ("S.H.H. MOTOR is open at 9 a.m. on weekdays.", None),
        ("It is approx. five. Buy it! yes", ["It is approx. five.", "Buy it!", "yes"]),
        ("Best before 5 Dec. 2027. Keep cold.", ["Best before 5 Dec. 2027.", "Keep cold."]),
        ("(See p. 7.) Then go.", ["(See p. 7.)", "Then go."]),
    ],
)
def test_marks_that_belong_to_words_end_nothing(text: str, expected: list[str] | None) -> None:
    expected = expected or [text]
    assert list(sentences(text)) == expected
    assert [text[start:end] for start, end in sentence_spans(text)] == expected
    assert [ends_sentence(sentence) for sentence in expected[:-1]] == [True] * (len(expected) - 1)
    assert not ends_sentence("Take approx.") and not ends_sentence("Mrs. J.")


def test_spans_go_on_over_lines_and_keep_their_places() -> None:
    text = "  Milk costs\n2.10 today.  Bread is\nfresh. "
    spans = list(sentence_spans(text))
    assert [text[start:end] for start, end in spans] == [
        "Milk costs\n2.10 today.",
        "Bread is\nfresh.",
    ]
    assert spans[0][0] == 2 and list(sentence_spans(" \n")) == []


def test_a_long_page_is_split_in_time_that_grows_with_its_length() -> None:
    page = "This is a sentence of some words. " * 20_000
    began = time.monotonic()
    assert sum(1 for _ in sentences(page)) == 20_000
    assert sum(1 for _ in sentence_spans(page)) == 20_000
    assert time.monotonic() - began < 5
