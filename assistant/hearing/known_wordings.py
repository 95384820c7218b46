"""The sentences of the grammar by their sound: which of them may a freely read text be?

A small model that writes what it hears takes words for others that sound like them: "red the
letter", "count the hurts". Here the known sentences that sound like a text are found; whether one
of them was said, the sound itself must show (`whisper_recognizer`).
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from assistant.hearing.grammar import PHONES, rules
from assistant.skills.wording import expand
from assistant.text.words import bare_words

Spell = Callable[[str], str | None]
"""The phones of a word, with spaces between them; None for one that no dictionary holds."""

MOST_NEAR, MOST_OF_ONE = 8, 2
"""Sentences that are looked at, and how many of them may differ in nothing but a slot."""

MOST_ALIKE = 6
"""Sentences of the best one's wording, with other words in its slots, that are looked at then."""

_LOOKED_THROUGH = 80

_LETTER_OF = {phone: chr(ord("A") + number) for number, phone in enumerate(PHONES)}
"""One letter for each phone: texts of phones are compared letter by letter."""

_WRONG_ARTICLE = re.compile(r"\ban [^aeiou]|\ba [aeiou]")
"""The grammar's slots do not know their article."""


def known_sentences() -> dict[str, str]:
    """Every sentence of the grammar, some 20,000, with the wording whose slots it fills."""
    known = rules()
    public = re.findall(r"<(\w+)>", known["heard"])
    return {
        sentence: wording
        for name in public
        for wording in expand(known[name])
        for sentence in _filled(wording)
        if not _WRONG_ARTICLE.search(sentence)
    }


def _filled(sentence: str) -> Iterator[str]:
    slot = re.search(r"<(\w+)>", sentence)
    if slot is None:
        yield sentence
        return
    for word in _words_of(slot[1]):
        yield from _filled(sentence[: slot.start()] + word + sentence[slot.end() :])


@functools.cache
def _words_of(rule: str) -> list[str]:
    return expand(rules()[rule])


class KnownWordings:
    """Sentences, each by its sound and by its letters."""

    def __init__(self, sentences: Mapping[str, str], spell: Spell) -> None:
        """Spell every sentence.

        sentences: each with its wording, which several share; see `known_sentences`.
        spell:     how words sound.
        """
        self._spell = spell
        self._sounds: dict[str, str | None] = {}
        self._wordings = dict(sentences)
        self._bare = frozenset(map(bare_words, sentences))
        self._sentences = list(self._wordings)
        self._of_wording: dict[str, list[str]] = {}
        for sentence, wording in self._wordings.items():
            self._of_wording.setdefault(wording, []).append(sentence)
        # A sentence with a word that no dictionary holds is compared by its letters alone.
        self._spelled = [self._sound(sentence) or "" for sentence in self._sentences]

    def holds(self, words: str) -> bool:
        """True for a known sentence, word for word; contractions are as good as their words."""
        return bare_words(words) in self._bare

    def near(self, words: str, most_different: float) -> list[str]:
        """The known sentences that sound most like bare words, the nearest first, of many wordings.

        Words that no dictionary holds are compared by their letters.

        most_different: share of the sounds, or letters, in which they may differ, 0 to 1
                        (Levenshtein 1966, on phones).
        """
        seen: Counter[str] = Counter()
        found = []
        among = self._sentences
        wanted, choices = self._comparable(words, among)
        for sentence in _nearest(wanted, choices, among, most_different, _LOOKED_THROUGH):
            wording = self._wordings[sentence]
            seen[wording] += 1
            if seen[wording] <= MOST_OF_ONE:
                found.append(sentence)
        return found[:MOST_NEAR]

    def alike(self, sentence: str, words: str) -> list[str]:
        """The sentences of the same wording, without itself, that sound most like bare words."""
        same = [each for each in self._of_wording[self._wordings[sentence]] if each != sentence]
        return _nearest(*self._comparable(words, same), same, 1.0, MOST_ALIKE)

    def _comparable(self, words: str, among: list[str]) -> tuple[str, list[str]]:
        """A text and sentences as their sounds, or as they are where a sound is not known."""
        sound = self._sound(words)
        if sound is None:
            return words, among
        if among is self._sentences:
            return sound, self._spelled
        return sound, [self._sound(each) or "" for each in among]

    def _sound(self, sentence: str) -> str | None:
        """The phones of a sentence as one text, without ends of words; None if one is unknown."""
        spelled = [self._sound_of_word(word) for word in sentence.split()]
        return None if None in spelled else "".join(word or "" for word in spelled)

    def _sound_of_word(self, word: str) -> str | None:
        if word not in self._sounds:
            phones = self._spell(word)
            self._sounds[word] = (
                None if phones is None else "".join(_LETTER_OF[phone] for phone in phones.split())
            )
        return self._sounds[word]


def _nearest(
    wanted: str, choices: list[str], among: list[str], most_different: float, limit: int
) -> list[str]:
    found = process.extract(
        wanted,
        choices,
        scorer=Levenshtein.normalized_distance,
        score_cutoff=most_different,
        limit=limit,
    )
    return [among[place] for _, _, place in found]
