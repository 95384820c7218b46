"""Known sentences by their sound; the sounds of a few words are written out here."""

import pytest

from assistant.hearing.grammar import sentence_pattern
from assistant.hearing.known_wordings import MOST_NEAR, KnownWordings, known_sentences

SOUNDS = {
    "has": "HH AE Z", "as": "AE Z", "it": "IH T", "expired": "IH K S P AY ER D", "a": "AH",
    "read": "R EH D", "red": "R EH D", "the": "DH AH", "letter": "L EH T ER",
    "across": "AH K R AO S", "cross": "K R AO S", "cup": "K AH P", "cap": "K AE P",
    "where": "W EH R", "is": "IH Z", "my": "M AY", "cat": "K AE T", "stop": "S T AA P",
    "what's": "W AH T S", "that": "DH AE T",
}  # fmt: skip
SENTENCES = {
    "has it expired": "has it expired",
    "read the letter": "read the <thing>",
    "read the cross": "read the <thing>",
    "where is my cup": "where is my <thing>",
    "where is my cat": "where is my <thing>",
    "where is my letter": "where is my <thing>",
    "stop": "stop",
    "what's that": "what's that",
}


@pytest.fixture
def known() -> KnownWordings:
    return KnownWordings(SENTENCES, SOUNDS.get)


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        ("as it expired", "has it expired"),
        ("red the letter", "read the letter"),
        ("red the a cross", "read the cross"),
        ("where is my cap", "where is my cup"),
        # No dictionary holds them, so letters decide.
        ("wear is my cupp", "where is my cup"),
        ("reed the lettre", "read the letter"),
    ],
)
def test_what_sounds_or_looks_alike_is_found_first(
    known: KnownWordings, words: str, nearest: str
) -> None:
    assert known.near(words, 0.35)[0] == nearest


def test_what_sounds_otherwise_is_not_found(known: KnownWordings) -> None:
    assert known.near("as it expired", 0.05) == [], "one of ten sounds differs"
    assert known.near("as it expired", 0.1) == ["has it expired"]
    assert known.near("my cat is that letter", 0.35) == []
    assert known.near("stop", 0.0) == ["stop"]


def test_no_wording_takes_all_the_places(known: KnownWordings) -> None:
    found = known.near("where is my cap", 1.0)
    assert len(found) <= MOST_NEAR
    assert found[:2] == ["where is my cup", "where is my cat"] and "where is my letter" not in found
    assert known.alike("where is my cup", "where is my letter") == [
        "where is my letter",
        "where is my cat",
    ]
    assert known.alike("stop", "stop") == []


def test_a_sentence_is_known_with_its_contractions_and_without(known: KnownWordings) -> None:
    assert known.holds("stop") and known.holds("what's that") and known.holds("what is that")
    assert not known.holds("what") and not known.holds("stop that")


def test_every_sentence_is_one_of_the_grammar_and_has_its_articles_right() -> None:
    sentences = known_sentences()
    assert 15_000 < len(sentences) < 60_000
    pattern = sentence_pattern()
    for sentence in list(sentences)[::97]:
        assert pattern.fullmatch(f"{sentence} "), sentence
    assert {"stop", "go to page one", "is there an orange", "where are my keys"} <= set(sentences)
    assert not {"is there a orange", "is there an bottle"} & set(sentences)
    assert sentences["where are my keys"] == sentences["where are my coats"] != "where are my keys"
