"""A recognizer in a process of its own.

PocketSphinx holds Python's lock while it decodes: in the assistant's process that would stop
everything else for up to a second on a busy machine, the sound card's callbacks, and so the rest of
a question, and the keys. What native libraries write to the terminal is not seen there, and a
library that fails takes nothing else with it.
"""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assistant.audio import AudioClip
from assistant.errors import RecognizerError
from assistant.hearing.recognizer import AudioChunk, Transcript, Word
from assistant.hearing.recognizer_worker import HEADER, Kind
from assistant.hearing.speech_models import ENGLISH, POCKETSPHINX, library_of
from models.files.bounded import parse_json

WORKER = (sys.executable, "-m", "assistant.hearing.recognizer_worker")
_STOPPED = ("speech recognition stopped", "ask again")
"""Cause and way out."""


class RecognizerProcess:
    """A `Recognizer` whose work is done by another process; one that died is replaced.

    Sound is sent as it comes and decoded there meanwhile. Any thread may `cancel` and `close`; one
    does the rest.
    """

    def __init__(self, command: Sequence[str] = WORKER, name: str = POCKETSPHINX) -> None:
        """Start the process and wait until its model is loaded.

        command: what to run; tests run something faster.
        name:    of the recognizer.

        Raises:
            RecognizerError: it cannot start, or the recognizer or its model is missing or damaged.
        """
        self.name = name
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._sending = threading.Lock()
        # Guards what follows, and tells `finish` that it has changed.
        self._changed = threading.Condition()
        self._number = 0
        self._asked = False
        self._words = ""
        self._result: dict[str, Any] | None = None
        self._gone = False
        self._start()

    @classmethod
    def of_model(cls, folder: Path, language: str = "") -> "RecognizerProcess":
        """Start a process that hears with the model of a folder.

        language: what is spoken, in two letters; "" for English.

        Raises:
            RecognizerError: it cannot start, or the model is missing or damaged.
        """
        library = library_of(folder).value
        return cls((*WORKER, library, str(folder), language or ENGLISH), library)

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return the question in a 16 kHz clip, or None if it is none of the grammar's.

        Raises:
            RecognizerError: the process died; the next question gets a new one.
        """
        self.begin()
        self.accept(AudioChunk(clip.samples, 0.0))
        return self.finish()

    def begin(self, *, stop_only: bool = False) -> None:
        """Begin to hear a question, or only a stop, and forget an unfinished one.

        Raises:
            RecognizerError: the process died, and no other can be started.
        """
        if self._process is None or self._gone:
            self.close()
            self._start()
        with self._changed:
            self._number += 1
            self._asked, self._words, self._result = True, "", None
        self._send(Kind.BEGIN_STOP if stop_only else Kind.BEGIN, self._number)

    def accept(self, chunk: AudioChunk) -> str:
        """Send the next piece, and return the words that are known by now.

        Raises:
            RecognizerError: the process died; the next question gets a new one.
        """
        if not self._asked:
            return ""
        self._send(Kind.SOUND, self._number, chunk.samples.astype("<i2").tobytes())
        return self._words

    def finish(self) -> Transcript | None:
        """Wait for the question; None if it is none of the grammar's, or was given up meanwhile.

        Raises:
            RecognizerError: the process died; the next question gets a new one.
        """
        if not self._asked:
            return None
        self._send(Kind.FINISH, self._number)
        with self._changed:
            self._changed.wait_for(lambda: not self._asked or self._result or self._gone)
            result, given_up = self._result, not self._asked
            self._asked = False
        if given_up:
            return None
        if result is None:
            self.close()
            raise RecognizerError(*_STOPPED)
        if result["text"] is None:
            return None
        return Transcript(
            str(result["text"]),
            float(result["confidence"]),
            self.name,
            tuple(Word(str(text), float(sure)) for text, sure in result.get("each", ())),
            bool(result.get("is_command")),
            str(result.get("doubt", "")),
        )

    def cancel(self) -> None:
        """Forget the question; the process stops decoding it, and a `finish` that waits ends."""
        with self._changed:
            if not self._asked:
                return
            self._asked, number = False, self._number
            self._changed.notify_all()
        with contextlib.suppress(RecognizerError):
            self._send(Kind.CANCEL, number)

    def close(self) -> None:
        """End the process."""
        with self._changed:
            process, self._process = self._process, None
            reader, self._reader = self._reader, None
            self._gone = True
            self._changed.notify_all()
        if process is None:
            return
        process.kill()
        process.wait()
        if reader is not None:
            reader.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _start(self) -> None:
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Ctrl+C is for the assistant; this process ends with its input.
                start_new_session=True,
            )
        except OSError as error:
            raise RecognizerError(
                f"speech recognition cannot start ({error})", "close other programs"
            ) from error
        self._process, self._gone = process, False
        assert process.stdout is not None
        ready = _parse(process.stdout.readline())
        if "ready" not in ready:
            self.close()
            if "error" not in ready:
                raise RecognizerError(*_STOPPED)
            raise RecognizerError(str(ready["error"]), str(ready.get("way_out", "")))
        self._reader = threading.Thread(
            target=self._read, args=(process,), name="recognizer replies", daemon=True
        )
        self._reader.start()

    def _send(self, kind: Kind, number: int, content: bytes = b"") -> None:
        process = self._process
        try:
            if process is None or process.stdin is None:
                raise BrokenPipeError
            with self._sending:
                process.stdin.write(HEADER.pack(kind, number, len(content)) + content)
                process.stdin.flush()
        except (OSError, ValueError) as error:  # a closed pipe is a ValueError
            self.close()
            raise RecognizerError(*_STOPPED) from error

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Take replies until the process ends."""
        assert process.stdout is not None
        for line in process.stdout:
            reply = _parse(line)
            with self._changed:
                if reply.get("question") != self._number:
                    continue
                if "words" in reply:
                    self._words = str(reply["words"])
                else:
                    self._result = reply
                    self._changed.notify_all()
        with self._changed:
            if self._process is process:
                self._gone = True
                self._changed.notify_all()


def _parse(line: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        reply = parse_json(line)
        if isinstance(reply, dict):
            return reply
    return {}
