"""Sentences of an answer that is still being written."""

import re

_END = re.compile(r"(?<=[a-z0-9)\"'][.!?])\s+(?=\S)|\n+")


class SentenceSplitter:
    """Takes pieces of any size, gives back whole sentences; the last one comes from `rest`."""

    def __init__(self) -> None:
        self.text = ""
        self._told = 0

    @property
    def has_told(self) -> bool:
        """True once a sentence was given."""
        return self._told > 0

    def add(self, piece: str) -> list[str]:
        """Return the sentences that a piece completes."""
        self.text += piece
        found = []
        for match in list(_END.finditer(self.text, self._told)):
            sentence = self.text[self._told : match.start()].strip()
            self._told = match.end()
            if sentence:
                found.append(sentence)
        return found

    def rest(self) -> str:
        """What follows the last whole sentence."""
        return self.text[self._told :].strip()
