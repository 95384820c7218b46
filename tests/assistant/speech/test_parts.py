"""Parts of sentences: what is in another language, and values of a kind."""

import random

from assistant.answers import Said
from assistant.speech.parts import Parts
from assistant.speech.speaker import SpeechPriority, Utterance
from assistant.speech.utterance_queue import SpeechQueue
from assistant.text.printable import printable
from assistant.text.sentences import sentences
from assistant.text.tokens import Kind

TOTAL = (
    Said("Read: "),
    Said("The total is "),
    Said("20,70 €", "fr", Kind.MONEY, quoted=True),
    Said(". I read it here: "),
    Said("Total TTC 20,70 €", "fr", quoted=True),
    Said("."),
)


def test_each_sentence_gets_its_own_parts() -> None:
    text = "".join(part.text for part in TOTAL)
    parts = Parts(TOTAL)
    first, second = (parts.of(sentence) for sentence in sentences(text))
    assert first == (
        Said("Read: "),
        Said("The total is "),
        Said("20,70 €", "fr", Kind.MONEY, quoted=True),
        Said("."),
    )
    assert second == (
        Said("I read it here: "),
        Said("Total TTC 20,70 €", "fr", quoted=True),
        Said("."),
    )


def test_plain_words_have_no_parts() -> None:
    assert Parts(()).of("Hello there.") == ()
    assert Parts((Said("Hello there."),)).of("Hello there.") == ()
    assert Parts((Said("Guten Tag", "de"),)).of("Hello") == (), "these words were not told of"


def test_half_of_a_value_is_no_value() -> None:
    parts = Parts((Said("1 234", None, Kind.NUMBER),))
    assert parts.of("1") == ()


def test_parts_are_whole_texts_in_several_languages_cut_at_any_place() -> None:
    chance = random.Random(3)
    for _ in range(200):
        said = tuple(
            Said(
                "".join(chance.choice("ab .\n\t!ü█") for _ in range(chance.randint(1, 30))),
                chance.choice(["de", "fr"]),
            )
            for _ in range(chance.randint(1, 6))
        )
        text = printable("".join(part.text for part in said))
        parts = Parts(said)
        owner = [(letter, part.language) for part in said for letter in part.text]
        for sentence in sentences(text):
            given = parts.of(sentence)
            assert "".join(part.text for part in given) == sentence
            for part in given:
                for letter in part.text:
                    assert letter.isspace() or (letter, part.language) in owner


def test_a_sentence_that_was_broken_into_comes_again_with_its_parts() -> None:
    queue = SpeechQueue()
    queue.add(
        Utterance("Guten Tag. Auf Wiedersehen.", said=(Said("Guten Tag. Auf Wiedersehen.", "de"),))
    )
    taken = queue.take()
    assert taken is not None and taken.said == (Said("Guten Tag.", "de"),)
    queue.add(Utterance("Stop.", SpeechPriority.NOW))
    queue.put_back(taken)
    said = []
    while (sentence := queue.take()) is not None:
        said.append((sentence.text, [part.language for part in sentence.said]))
    assert said == [("Stop.", []), ("Guten Tag.", ["de"]), ("Auf Wiedersehen.", ["de"])]
