"""What people say: counted sentences behind a general model, against counts made by hand."""

import math

import pytest

from assistant.hearing.known_wordings import known_sentences
from assistant.hearing.likely_words import General, LikelyWords
from assistant.hearing.pocketsphinx_recognizer import general_english


def fixed(word: str, before: tuple[str, ...]) -> float:
    return 0.01


def test_counts_and_the_general_model_are_mixed_by_how_much_was_counted() -> None:
    likely = LikelyWords({"read it": "one", "read that": "two"}, fixed)

    def mixed(*counts: tuple[int, int, float]) -> float:
        found = 0.01
        for count, total, trust in counts:
            found = (count + trust * found) / (total + trust)
        return found

    # "read", "it" and the end, each alone, behind one word and behind two.
    read = mixed((2, 6, 600), (2, 2, 30), (2, 2, 6))
    it = mixed((1, 6, 600), (1, 2, 30), (1, 2, 6))
    end = mixed((2, 6, 600), (1, 1, 30), (1, 1, 6))
    assert likely.logprob("Read it!") == pytest.approx(math.log(read * it * end))
    unseen = mixed((0, 6, 600), (0, 2, 30), (0, 2, 6))
    after_unseen = mixed((2, 6, 600))
    assert likely.logprob("read aloud") == pytest.approx(math.log(read * unseen * after_unseen))


def test_sentences_of_one_wording_count_as_one_together() -> None:
    many = LikelyWords({"find a": "find", "find b": "find"}, fixed)
    one = LikelyWords({"find a": "find"}, fixed)
    assert many.logprob("find zz") == pytest.approx(one.logprob("find zz"))
    assert many.logprob("find a") < one.logprob("find a")


def test_numbers_are_heard_as_words() -> None:
    likely = LikelyWords({"page two": "page"}, fixed)
    assert likely.logprob("Page 2.") == likely.logprob("page two")
    assert likely.logprob("page 21") < likely.logprob("page two")
    assert likely.logprob("page 50") == likely.logprob("page twenty"), "as likely as another"


@pytest.fixture(scope="module")
def english() -> General:
    return general_english()


def test_the_general_model_gives_the_probability_of_a_word_behind_others(english: General) -> None:
    assert english("you", ("thank",)) > 0.3 > 30 * english("thank", ("you",))
    assert english("of", ("a", "cup")) > 0.3 > 30 * english("of", ("cup", "a"))
    assert english("zzqx", ("the",)) == pytest.approx(2e-7)
    assert 0 < english("the", ("<s>",)) < 1


@pytest.fixture(scope="module")
def asked(english: General) -> LikelyWords:
    return LikelyWords(known_sentences(), english)


@pytest.mark.parametrize(
    ("said", "sounds_alike"),
    [
        ("how long do i cook the rice", "how long do i cut the rice"),
        ("what is the name of my doctor", "what is the meme of my doctor"),
        ("who sent me this letter", "you sent me this letter"),
        ("is this milk still good", "is this milk still glued"),
        ("louder", "lao dirt"),
    ],
)
def test_what_people_ask_is_likelier_than_what_sounds_alike(
    asked: LikelyWords, said: str, sounds_alike: str
) -> None:
    assert asked.logprob(said) > asked.logprob(sounds_alike) + 1
