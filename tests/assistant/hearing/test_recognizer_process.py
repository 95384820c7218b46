"""The recognizer's own process: sound goes in as it comes, and a question can be given up."""

import io
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.audio import AudioClip, read_question
from assistant.errors import RecognizerError
from assistant.hearing.pocketsphinx_recognizer import PocketSphinxRecognizer
from assistant.hearing.recognizer import AudioChunk, Transcript, Word
from assistant.hearing.recognizer_process import RecognizerProcess
from assistant.hearing.recognizer_worker import HEADER, Kind, Worker
from tests.assistant.fakes_sound import wait_until

BLOCK = AudioChunk(np.zeros(512, np.int16), 0.0)


class SlowDecoder:
    """Counts blocks; a block of ones takes until the test or a cancel ends it."""

    def __init__(self) -> None:
        self.blocks = 0
        self.busy = threading.Event()
        self._cancelled = threading.Event()

    def begin(self, *, stop_only: bool = False) -> None:
        self.stop_only = stop_only
        self.blocks = 0
        self._cancelled.clear()

    def accept(self, chunk: AudioChunk) -> str:
        if chunk.samples[0]:
            self.busy.set()
            assert self._cancelled.wait(5), "nobody gave the question up"
        self.blocks += 1
        return "word " * (self.blocks // 2)

    def finish(self) -> Transcript | None:
        if self.stop_only:
            word = Word("stop", 0.75)
            return Transcript("stop", 0.5, "slow", (word,), is_command=True, doubt="Stop?")
        return Transcript(f"{self.blocks} blocks", 0.5, "slow")

    def cancel(self) -> None:
        self._cancelled.set()


class Pipes:
    """A worker in a thread, its decoder, and what it replies."""

    def __init__(self) -> None:
        reading, self._writing = os.pipe()
        self.decoder, self.replies = SlowDecoder(), io.StringIO()
        self.worker = Worker(self.decoder, self.replies)
        self._source = os.fdopen(reading, "rb")
        serve = self.worker.serve
        self.thread = threading.Thread(target=serve, args=(self._source,), daemon=True)
        self.thread.start()

    def send(self, kind: Kind, question: int, *levels: int) -> None:
        content = np.array(levels, "<i2").tobytes()
        os.write(self._writing, HEADER.pack(kind, question, len(content)) + content)

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.replies.getvalue().splitlines()]

    def close(self) -> None:
        os.close(self._writing)
        self.thread.join(5)
        assert not self.thread.is_alive(), "the end of its input ends it"
        self._source.close()


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    pipes = Pipes()
    yield pipes
    pipes.close()


def test_words_are_told_as_they_change_and_the_question_at_its_end(pipes: Pipes) -> None:
    pipes.send(Kind.SOUND, 6, 0)
    pipes.send(Kind.BEGIN, 7)
    for _ in range(4):
        pipes.send(Kind.SOUND, 7, 0)
    pipes.send(Kind.FINISH, 7)
    wait_until(lambda: len(pipes.said()) == 3)
    assert pipes.said() == [
        {"question": 7, "words": "word "},
        {"question": 7, "words": "word word "},
        {"question": 7, "text": "4 blocks", "confidence": 0.5},
    ]


def test_a_stop_is_listened_for_when_that_is_asked(pipes: Pipes) -> None:
    for question, kind in ((3, Kind.BEGIN_STOP), (4, Kind.BEGIN)):
        pipes.send(kind, question)
        pipes.send(Kind.FINISH, question)
        wait_until(lambda question=question: len(pipes.said()) == question - 2)
        assert pipes.decoder.stop_only is (kind is Kind.BEGIN_STOP)
    told = {"each": [["stop", 0.75]], "is_command": True, "doubt": "Stop?"}
    assert pipes.said()[0] == {"question": 3, "text": "stop", "confidence": 0.5, **told}


@pytest.mark.parametrize("by", [Kind.CANCEL, Kind.BEGIN])
def test_a_question_that_is_given_up_stops_at_once_and_its_rest_is_dropped(
    pipes: Pipes, by: Kind
) -> None:
    pipes.send(Kind.BEGIN, 1)
    pipes.send(Kind.SOUND, 1, 1)
    for _ in range(50):
        pipes.send(Kind.SOUND, 1, 0)
    pipes.send(Kind.FINISH, 1)
    assert pipes.decoder.busy.wait(5)
    if by is Kind.CANCEL:
        pipes.send(Kind.CANCEL, 1)
    pipes.send(Kind.BEGIN, 2)
    pipes.send(Kind.SOUND, 2, 0)
    pipes.send(Kind.FINISH, 2)
    wait_until(lambda: pipes.said())
    assert pipes.said() == [{"question": 2, "text": "1 blocks", "confidence": 0.5}]


def test_a_pipe_that_closes_ends_the_question_too(pipes: Pipes) -> None:
    pipes.send(Kind.BEGIN, 1)
    pipes.send(Kind.SOUND, 1, 1)
    assert pipes.decoder.busy.wait(5)


# A process that speaks as the worker does: "what" after each piece, and for each question that
# ends with a 1 in its last piece an answer; without one it computes for ever.
PLAYED = """
import json, sys
sys.path[:0] = {path!r}
from assistant.hearing.recognizer_worker import HEADER, Kind
say = lambda **reply: print(json.dumps(reply), flush=True)
say(ready=True)
last = b""
while len(header := sys.stdin.buffer.read(HEADER.size)) == HEADER.size:
    kind, question, length = HEADER.unpack(header)
    content = sys.stdin.buffer.read(length)
    if kind == Kind.SOUND:
        last = content
        say(question=question - 1, words="of an older question")
        say(question=question, words="what")
    elif kind == Kind.FINISH and last[:1] == b"\\x01":
        say(question=question, text="what is it", confidence=0.5)
    elif kind == Kind.FINISH and last[:1] == b"\\x02":
        sys.exit(1)
    elif kind == Kind.FINISH and last[:1] == b"\\x03":
        say(question=question, text="stop", confidence=0.5, each=[["stop", 0.75]],
            is_command=True, doubt="Stop?")
"""


@pytest.fixture
def played() -> Iterator[RecognizerProcess]:
    process = RecognizerProcess((sys.executable, "-c", PLAYED.format(path=sys.path)))
    yield process
    process.close()


def block(level: int) -> AudioChunk:
    return AudioChunk(np.full(512, level, np.int16), 0.0)


def test_words_and_questions_come_from_the_process(played: RecognizerProcess) -> None:
    assert played.finish() is None, "nothing was begun"
    assert played.accept(block(1)) == ""
    played.begin()
    played.accept(block(0))
    wait_until(lambda: played.accept(block(1)) == "what")
    assert played.finish() == Transcript("what is it", 0.5, "pocketsphinx")
    assert played.finish() is None, "the question is given once"


def test_a_transcript_is_the_same_on_this_side(played: RecognizerProcess) -> None:
    played.begin()
    played.accept(block(3))
    word = Word("stop", 0.75)
    assert played.finish() == Transcript("stop", 0.5, played.name, (word,), True, "Stop?")


def test_cancel_frees_whoever_waits_for_a_question(played: RecognizerProcess) -> None:
    results: queue.Queue[Transcript | None] = queue.Queue()
    played.begin()
    played.accept(block(0))
    waiting = threading.Thread(target=lambda: results.put(played.finish()))
    waiting.start()
    time.sleep(0.05)
    assert results.empty()
    played.cancel()
    assert results.get(timeout=5) is None
    waiting.join()
    assert played.accept(block(1)) == "" and played.finish() is None
    played.begin()
    played.accept(block(1))
    assert played.finish() is not None, "the same process hears the next question"


def test_a_process_that_dies_is_told_and_replaced(played: RecognizerProcess) -> None:
    played.begin()
    played.accept(block(2))
    with pytest.raises(RecognizerError, match="stopped; ask again"):
        played.finish()
    played.begin()
    played.accept(block(1))
    assert played.finish() is not None
    assert played._process is not None
    played._process.kill()
    wait_until(lambda: played._gone)
    assert played.recognize(AudioClip(np.ones(512, np.int16), 16000)) is not None


def test_a_process_that_cannot_start_is_named() -> None:
    with pytest.raises(RecognizerError, match="cannot start .*close other programs"):
        RecognizerProcess(("/no/such/program",))
    with pytest.raises(RecognizerError, match="no model; reinstall"):
        says = 'print(\'{"error": "no model; reinstall pocketsphinx"}\')'
        RecognizerProcess((sys.executable, "-c", says))


@pytest.mark.slow
def test_the_real_process_hears_the_same_while_it_is_spoken(
    speak: Callable[[str, str], Path],
) -> None:
    clip = read_question(speak("what is the total", "slt"))
    here, apart = PocketSphinxRecognizer(), RecognizerProcess()
    try:
        here.begin()
        apart.begin()
        for at in range(0, len(clip.samples), 512):
            chunk = AudioChunk(clip.samples[at : at + 512], 0.0)
            here.accept(chunk)
            apart.accept(chunk)
        nothing = AudioChunk(np.zeros(0, np.int16), 0.0)
        wait_until(lambda: apart.accept(nothing).startswith("what is"), timeout_s=30)
        assert apart.finish() == here.finish() is not None
        silence = AudioClip(np.zeros(3200, np.int16), 16000)
        assert apart.recognize(silence) is None
    finally:
        apart.close()
