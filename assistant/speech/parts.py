"""The parts of a sentence: which of its words are in another language, or a value of some kind.

An utterance is said sentence by sentence, and its parts are known of the whole. A sentence leaves
out line breaks and characters that nobody can hear, but changes nothing: so its letters are found
in the parts one after the other.
"""

from collections.abc import Iterator, Sequence

from assistant.answers import Said


class Parts:
    """Gives the parts of an utterance's sentences, which must be asked for in their order."""

    def __init__(self, said: Sequence[Said]) -> None:
        """said: the whole utterance; empty for one in plain words."""
        self._said = said
        self._letters: Iterator[tuple[int, str]] = (
            (number, letter)
            for number, part in enumerate(said)
            for letter in part.text
            if not letter.isspace()
        )

    def of(self, sentence: str) -> tuple[Said, ...]:
        """The parts of the next sentence; empty where it holds plain words only."""
        if not self._said:
            return ()
        owners: list[int] = []
        texts: list[str] = []
        gap = ""
        for letter in sentence:
            if letter.isspace():
                gap += letter
                continue
            owner = self._owner(letter)
            if owner is None:
                return ()  # these words were never told of: they are plain
            if owners and owners[-1] == owner:
                texts[-1] += gap + letter
            else:
                # A gap belongs to the words before it.
                if texts:
                    texts[-1] += gap
                owners.append(owner)
                texts.append(letter)
            gap = ""
        parts = tuple(map(self._part, owners, texts))
        return parts if any(part.language or part.kind for part in parts) else ()

    def _owner(self, letter: str) -> int | None:
        """The part in which a letter comes next."""
        return next((number for number, each in self._letters if each == letter), None)

    def _part(self, owner: int, text: str) -> Said:
        part = self._said[owner]
        # Half of a value is no such value.
        whole = "".join(text.split()) == "".join(part.text.split())
        return Said(text, part.language, part.kind if whole else None, part.quoted)
