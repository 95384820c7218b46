"""PocketSphinx in a process of its own: it holds Python's lock while it decodes.

In the assistant's process that would stop everything else for up to a second on a busy machine:
the sound card's callbacks, and so the rest of a question, and the keys.

Run as a module it is that process: four bytes with a length in bytes and 16 kHz samples in, one
line of JSON out. The end of its input ends it.
"""

import contextlib
import json
import os
import struct
import subprocess
import sys
import threading
from typing import TextIO

import numpy as np

from assistant.audio import QUESTION_RATE_HZ, AudioClip
from assistant.errors import RecognizerError
from assistant.hearing.recognizer import AudioChunk, Transcript
from assistant.hearing.whole_question import WholeQuestion


class RecognizerProcess:
    """A `Recognizer` whose work is done by another process; one that died is replaced."""

    name = "pocketsphinx"

    def __init__(self) -> None:
        """Start the process and wait until its model is loaded.

        Raises:
            RecognizerError: it cannot start, or pocketsphinx or its model is missing or damaged.
        """
        self._process: subprocess.Popen[bytes] | None = None
        self._question = WholeQuestion(lambda clip: self.recognize(clip))
        self._lock = threading.Lock()
        self._start()

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return the question in a 16 kHz clip, or None if it is none of the grammar's.

        Raises:
            RecognizerError: the process died; the next question gets a new one.
        """
        if self._process is None:
            self._start()
        content = clip.samples.astype("<i2").tobytes()
        reply = self._ask(struct.pack("<I", len(content)) + content)
        if reply.get("text") is None:
            return None
        return Transcript(str(reply["text"]), float(str(reply["confidence"])), self.name)

    def begin(self) -> None:
        """Begin to hear a question."""
        self._question.begin()

    def accept(self, chunk: AudioChunk, *, voiced: bool = True) -> str:
        """Keep the next piece; words are known only at the end."""
        return self._question.accept(chunk, voiced=voiced)

    def prepare(self) -> None:
        """Decode what there is: if only silence follows, the result is ready at the end."""
        self._question.prepare()

    def finish(self) -> Transcript | None:
        """Return the question, or None if it is none of the grammar's."""
        return self._question.finish()

    def close(self) -> None:
        """End the process; may be called from another thread, which frees one that waits."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "assistant.hearing.recognizer_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Ctrl+C is for the assistant; this process ends with its input.
                start_new_session=True,
            )
        except OSError as error:
            raise RecognizerError(
                f"speech recognition cannot start ({error}); close other programs"
            ) from error
        ready = self._ask(b"")
        if ready.get("error"):
            self.close()
            raise RecognizerError(str(ready["error"]))

    def _ask(self, content: bytes) -> dict[str, object]:
        process = self._process
        try:
            assert process is not None and process.stdin is not None and process.stdout is not None
            process.stdin.write(content)
            process.stdin.flush()
            reply = json.loads(process.stdout.readline())
        except (OSError, ValueError) as error:
            self.close()
            raise RecognizerError("speech recognition stopped; ask again") from error
        return reply if isinstance(reply, dict) else {}


def main() -> int:
    """Serve clips until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    from assistant.hearing.pocketsphinx_recognizer import PocketSphinxRecognizer

    try:
        recognizer = PocketSphinxRecognizer()
    except RecognizerError as error:
        _reply(replies, {"error": str(error)})
        return 1
    _reply(replies, {"ready": True})
    source = sys.stdin.buffer
    while len(header := source.read(4)) == 4:
        content = source.read(struct.unpack("<I", header)[0])
        samples = np.frombuffer(content, "<i2").astype(np.int16)
        heard = recognizer.recognize(AudioClip(samples, QUESTION_RATE_HZ))
        text, confidence = (None, 0.0) if heard is None else (heard.text, heard.confidence)
        _reply(replies, {"text": text, "confidence": confidence})
    return 0


def _reply(replies: TextIO, answer: dict[str, object]) -> None:
    replies.write(json.dumps(answer) + "\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(main())
