"""How likely a text is as something that is said: words in general, and those of our wordings.

What sounds alike is told apart by what people say: "how long do I cut the rice" is a worse question
than "how long do I cook the rice". General English is the trigram model inside the pocketsphinx
wheel; what is asked of the assistant is counted here, from the sentences of the grammar.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from assistant.hearing.orders import in_words
from assistant.text.words import bare_words

General = Callable[[str, tuple[str, ...]], float]
"""The probability of a word behind up to two others, by English in general; never 0."""

TRUST = (600.0, 30.0, 6.0)
"""How many wordings with the same none, one or two words before it make what was counted behind
them weigh as much as what is known with one word less (Jelinek and Mercer 1980)."""

ANY_NUMBER = "twenty"
"""What a number above twenty counts as: fifty shall be no less likely than fifteen."""

_NUMBER = re.compile(r"\d+")
_START, _END = "<s>", "</s>"


class LikelyWords:
    """A trigram model: counted sentences, backed by a general model."""

    def __init__(self, sentences: Mapping[str, str], general: General) -> None:
        """Count sentences.

        sentences: each with its wording; all sentences of a wording count as one together, so that
                   one with many words in its slots does not weigh more. See `known_sentences`.
        """
        self._general = general
        of_wording = Counter(sentences.values())
        self._counts: list[dict[tuple[str, ...], dict[str, float]]] = [
            defaultdict(lambda: defaultdict(float)) for _ in TRUST
        ]
        for sentence, wording in sentences.items():
            words = [_START, _START, *sentence.split(), _END]
            for at in range(2, len(words)):
                for order, counts in enumerate(self._counts):
                    counts[tuple(words[at - order : at])][words[at]] += 1 / of_wording[wording]
        self._totals = [
            {before: sum(counted.values()) for before, counted in counts.items()}
            for counts in self._counts
        ]

    def logprob(self, text: str) -> float:
        """The natural logarithm of the probability of a text; a number in digits is a word."""
        words = _NUMBER.sub(ANY_NUMBER, in_words(bare_words(text))).split()
        before = (_START, _START)
        found = 0.0
        for word in [*words, _END]:
            found += math.log(self._probability(word, before))
            before = (before[1], word)
        return found

    def _probability(self, word: str, before: tuple[str, str]) -> float:
        spoken = before if before != (_START, _START) else before[1:]
        found = self._general(word, spoken)
        for order, trust in enumerate(TRUST):
            behind = before[2 - order :]
            total = self._totals[order].get(behind, 0.0)
            if total:
                share = total / (total + trust)
                found = (
                    share * self._counts[order][behind].get(word, 0.0) / total + (1 - share) * found
                )
        return found
