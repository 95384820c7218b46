"""What is to be spoken, in order: a bounded queue of sentences with three priorities."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.answers import Said
from assistant.speech.parts import Parts
from assistant.speech.speaker import SpeechPriority, Utterance
from assistant.text.sentences import sentences

MOST_WAITING = 200
"""Utterances of one priority that may wait; beyond that the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence on its way to be spoken.

    said: its parts, where some are in another language or of a known kind.
    """

    text: str
    priority: SpeechPriority
    said: tuple[Said, ...] = ()


class SpeechQueue:
    """Gives sentences in the order of their priorities.

    Not safe between threads: its owner holds a lock.
    """

    def __init__(self) -> None:
        self._waiting: dict[SpeechPriority, deque[_Waiting]] = {
            priority: deque(maxlen=MOST_WAITING)
            for priority in sorted(SpeechPriority, reverse=True)
        }

    def add(self, utterance: Utterance) -> None:
        """Append an utterance behind those of its priority."""
        self._waiting[utterance.priority].append(_Waiting(utterance))

    def clear(self) -> None:
        """Forget what waits."""
        for waiting in self._waiting.values():
            waiting.clear()

    def peek(self) -> Sentence | None:
        """The sentence whose turn it is, or None."""
        for priority, waiting in self._waiting.items():
            while waiting:
                first = waiting[0].first()
                if first is not None:
                    return Sentence(first[0], priority, first[1])
                waiting.popleft()
        return None

    def take(self) -> Sentence | None:
        """Remove and return the sentence whose turn it is, or None."""
        sentence = self.peek()
        if sentence is not None:
            self._waiting[sentence.priority][0].drop_first()
        return sentence

    def put_back(self, sentence: Sentence) -> None:
        """Put an interrupted sentence back in front of its priority."""
        self.peek()  # removes the utterance whose last sentence this may have been
        waiting = self._waiting[sentence.priority]
        if len(waiting) < MOST_WAITING:
            again = Utterance(sentence.text, sentence.priority, sentence.said)
            waiting.appendleft(_Waiting(again))


class _Waiting:
    """An utterance's sentences, found one by one: a book costs nothing beforehand."""

    def __init__(self, utterance: Utterance) -> None:
        self._rest: Iterator[str] = sentences(utterance.text)
        self._parts = Parts(utterance.said)
        self._first: tuple[str, tuple[Said, ...]] | None = None

    def first(self) -> tuple[str, tuple[Said, ...]] | None:
        if self._first is None:
            text = next(self._rest, None)
            self._first = None if text is None else (text, self._parts.of(text))
        return self._first

    def drop_first(self) -> None:
        self._first = None
