"""Texts as vectors, by the letters they share.

No model that embeds the meaning of sentences comes with the program, and one would be larger than
all the rest of it. Letters do what words cannot: text that was read from pictures has wrong
letters ("lbuprofen" for "ibuprofen"), and SQLite's word search finds only whole words. Hashed
n-grams need no vocabulary and give the same vector on every machine (FastText's subwords, hashed
with signs as in Weinberger et al. 2009, https://arxiv.org/abs/0902.2206).
"""

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 256
SHORTEST, LONGEST = 3, 4
"""Letters in an n-gram; the edges of a word count as letters."""


def embed_text(text: str) -> NDArray[np.float32]:
    """Return the unit vector of a text, (256,) float32; zero for a text without letters."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    for word in re.findall(r"\w+", text.casefold()):
        grams = _grams(f"<{word}>")
        for gram in grams:
            place, sign = _place(gram)
            # Each word counts once, however long it is.
            vector[place] += sign / np.sqrt(len(grams))
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector


def _grams(word: str) -> list[str]:
    return [
        word[start : start + size]
        for size in range(SHORTEST, LONGEST + 1)
        for start in range(len(word) - size + 1)
    ]


def _place(gram: str) -> tuple[int, float]:
    """Dimension and sign of an n-gram; Python's own hash differs from run to run."""
    number = int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "big")
    return number % DIMENSIONS, 1.0 if number >> 63 else -1.0


def windows(text: str) -> list[str]:
    """Split one line into its overlapping pairs of words; a lone word stands for itself.

    A search for one word is near a pair that holds it, and far from a long line that does.
    """
    words = re.findall(r"\w+", text)
    if len(words) < 2:
        return words
    return [" ".join(words[start : start + 2]) for start in range(len(words) - 1)]


def embed_bytes(text: str) -> bytes:
    """The vector of a text in 256 bytes, signed 8-bit, as sqlite-vec reads them."""
    return np.round(embed_text(text) * 127).astype(np.int8).tobytes()
