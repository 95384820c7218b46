"""The process in which a recognizer decodes; `recognizer_process` starts it and speaks with it.

What its native libraries write to the terminal goes nowhere: whoever starts it closes its errors.

In: messages, each a header and content. Out: one line of JSON for each change of the words so far
and for each question's end. The end of its input ends it.

One thread takes messages out of the pipe, so that whoever sends never waits, and a question that
is given up is known at once. The other decodes.
"""

import enum
import json
import os
import queue
import struct
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

import numpy as np

from assistant.errors import RecognizerError
from assistant.hearing.recognizer import AudioChunk, Transcript
from assistant.hearing.speech_models import ENGLISH, POCKETSPHINX, Library
from models.socket_filter import give_up_internet

HEADER = struct.Struct("<BII")
"""Kind of message, number of the question, length of the content in bytes."""

MOST_WAITING = 2000
"""Messages that may wait: a minute of sound in blocks of 32 ms, twice the longest question."""


class Kind(enum.IntEnum):
    """What a message is."""

    BEGIN = 0
    SOUND = 1
    """Its content is 16 kHz samples, 16 bits."""
    FINISH = 2
    CANCEL = 3
    BEGIN_STOP = 4
    """Begin to hear only whether somebody says stop."""


class Decoder(Protocol):
    """The part of a `Recognizer` that is used here."""

    def begin(self, *, stop_only: bool = False) -> None: ...
    def accept(self, chunk: AudioChunk) -> str: ...
    def finish(self) -> Transcript | None: ...
    def cancel(self) -> None: ...


class Worker:
    """Decodes one question at a time; a newer one, or none, ends the older one at once."""

    def __init__(self, recognizer: Decoder, replies: TextIO) -> None:
        """Use a recognizer; replies: one line of JSON each."""
        self._recognizer = recognizer
        self._replies = replies
        self._inbox: queue.Queue[tuple[Kind, int, bytes] | None] = queue.Queue(MOST_WAITING)
        self._wanted = -1
        self._told = ""

    def serve(self, source: BinaryIO) -> None:
        """Decode until the source ends."""
        threading.Thread(target=self._take, args=(source,), name="messages", daemon=True).start()
        while (message := self._inbox.get()) is not None:
            kind, question, content = message
            if question == self._wanted:
                self._follow(kind, question, content)

    def _take(self, source: BinaryIO) -> None:
        while len(header := source.read(HEADER.size)) == HEADER.size:
            kind, question, length = HEADER.unpack(header)
            content = source.read(length)
            if kind in (Kind.BEGIN, Kind.BEGIN_STOP, Kind.CANCEL):
                self._wanted = -1 if kind == Kind.CANCEL else question
                self._recognizer.cancel()
            self._inbox.put((Kind(kind), question, content))
        self._wanted = -1
        self._recognizer.cancel()
        self._inbox.put(None)

    def _follow(self, kind: Kind, question: int, content: bytes) -> None:
        if kind in (Kind.BEGIN, Kind.BEGIN_STOP):
            self._told = ""
            self._recognizer.begin(stop_only=kind is Kind.BEGIN_STOP)
        elif kind is Kind.SOUND:
            samples = np.frombuffer(content, "<i2").astype(np.int16)
            words = self._recognizer.accept(AudioChunk(samples, 0.0))
            if words != self._told:
                self._told = words
                self._reply({"question": question, "words": words})
        elif kind is Kind.FINISH:
            self._reply({"question": question, **_told(self._recognizer.finish())})

    def _reply(self, answer: dict[str, object]) -> None:
        reply(self._replies, answer)


def _told(heard: Transcript | None) -> dict[str, object]:
    """A transcript as a reply; what a question has not is left out."""
    if heard is None:
        return {"text": None, "confidence": 0.0}
    told: dict[str, object] = {"text": heard.text, "confidence": heard.confidence}
    if heard.words:
        told["each"] = [[word.text, word.confidence] for word in heard.words]
    if heard.is_command:
        told["is_command"] = True
    if heard.doubt:
        told["doubt"] = heard.doubt
    return told


def reply(replies: TextIO, answer: dict[str, object]) -> None:
    """Write one line."""
    replies.write(json.dumps(answer) + "\n")
    replies.flush()


def open_recognizer(
    library: str = POCKETSPHINX, folder: str = "", language: str = ENGLISH
) -> Decoder:
    """Load the recognizer that this process is for.

    library:  PocketSphinx, which needs no more, or one of `speech_models.Library`.
    folder:   of its model.
    language: what is spoken, in two letters.

    Raises:
        RecognizerError: it or its model is missing or damaged.
    """
    if library == Library.VOSK.value:
        from assistant.hearing.vosk_recognizer import VoskRecognizer

        return VoskRecognizer(Path(folder))
    if library == Library.WHISPER.value:
        from assistant.hearing.whisper_recognizer import WhisperRecognizer

        return WhisperRecognizer(Path(folder), language)
    from assistant.hearing.pocketsphinx_recognizer import PocketSphinxRecognizer

    return PocketSphinxRecognizer()


def main(arguments: Sequence[str]) -> int:
    """Load the model, say so, and serve; it never needs a network, whoever started it.

    arguments: those of `open_recognizer`; none for PocketSphinx.
    """
    give_up_internet()
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    try:
        recognizer = open_recognizer(*arguments)
    except RecognizerError as error:
        reply(replies, {"error": error.cause, "way_out": error.way_out})
        return 1
    reply(replies, {"ready": True})
    Worker(recognizer, replies).serve(sys.stdin.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
