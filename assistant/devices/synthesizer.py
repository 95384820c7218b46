"""Text in, sound out: pyttsx3 in a worker process that can hang, crash and be restarted."""

import contextlib
import difflib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assistant.audio import AudioClip, read_clip
from assistant.errors import AudioFileError, SettingsError, SynthesizerError
from assistant.machine import is_running
from assistant.settings.paths import HOME_VARIABLE, make_private_folder, runtime_folder
from assistant.speech.speaker import FASTEST_WPM, SLOWEST_WPM
from models.files.bounded import parse_json
from models.system_errors import FULL

WORKER = Path(__file__).with_name("synthesis_worker.py")

MOST_REPLIES = 4
"""Replies that may wait to be read; more than one never do while the worker is in order."""

_WAY_OUT = "install eSpeak NG (Debian: apt install espeak-ng)"
_FOLDER_PREFIX = "sightline-speech-"


class Pyttsx3Synthesizer:
    """pyttsx3's `save_to_file` behind a pipe; the worker lives across sentences.

    Only synthesis happens there. pyttsx3's own playback cannot be stopped, so it is never used.
    Temporary files are 0600 in a folder of mode 0700 and are gone when `synthesize` returns.
    """

    def __init__(
        self,
        *,
        rate_wpm: int = 175,
        voice: str | None = None,
        timeout_s: float = 10.0,
        worker: Path = WORKER,
    ) -> None:
        """Set the voice (an id of the engine, or None for its own choice) and the speed.

        Raises:
            SynthesizerError: the rate is outside 80 to 600 words per minute.
        """
        self.set_rate(rate_wpm)
        self._voice = voice
        self._timeout_s = timeout_s
        self._worker_file = worker
        self._worker: _Worker | None = None
        self._count = 0

    def set_rate(self, wpm: int) -> None:
        """Set the speed of the next sentences.

        Raises:
            SynthesizerError: outside 80 to 600 words per minute.
        """
        if not SLOWEST_WPM <= wpm <= FASTEST_WPM:
            raise SynthesizerError(
                f"{wpm} words per minute cannot be spoken", f"give {SLOWEST_WPM} to {FASTEST_WPM}"
            )
        self._rate_wpm = wpm

    def set_voice(self, name: str | None) -> None:
        """Set the voice of the next sentences: an id of the engine, or None for its own choice."""
        self._voice = name

    def start(self) -> None:
        """Start the worker without waiting for it, so that the first sentence comes sooner.

        Raises:
            SynthesizerError: its folder or its process cannot be created.
        """
        if self._worker is None or not self._worker.alive:
            self.close()
            self._worker = _Worker(self._worker_file)

    def languages(self) -> frozenset[str]:
        """The languages of the engine's voices, two or three letters each.

        Raises:
            SynthesizerError: no engine, or no answer in time.
        """
        self.start()
        worker = self._worker
        assert worker is not None
        try:
            worker.wait_until_ready(self._timeout_s)
            if worker.languages is None:
                reply = worker.ask({"languages": True}, self._timeout_s)
                # An engine that cannot name its voices still speaks with its usual one.
                worker.languages = frozenset(map(str, reply.get("languages") or ()))
            return worker.languages
        except SynthesizerError:
            self.close()
            raise

    def synthesize(self, text: str, language: str | None = None) -> AudioClip:
        """Return the sound of one sentence; a worker that hangs or died is replaced.

        language: one of `languages`, whose voice speaks it; None for the usual voice.

        Raises:
            SynthesizerError: no text, no engine, no such voice, or no answer in time.
        """
        if not text.strip():
            raise SynthesizerError("there is nothing to say", "give a sentence")
        # On a busy machine pyttsx3 now and then cancels the very sentence that it began.
        for _ in range(2):
            clip = self._made(text, language)
            if len(clip.samples):
                return clip
            self.close()
        raise SynthesizerError("the speech engine wrote an empty sound", _WAY_OUT)

    def _made(self, text: str, language: str | None) -> AudioClip:
        """The sound of one sentence, which may hold no sample."""
        self.start()
        worker = self._worker
        assert worker is not None
        self._count += 1
        path = worker.folder / f"{self._count}.wav"
        try:
            worker.wait_until_ready(self._timeout_s)
            reply = worker.ask(self._request(text, path, language), self._timeout_s)
            self._check(reply)
            return read_clip(path)
        except SynthesizerError:
            # Its state is unknown: the next sentence gets a fresh one.
            self.close()
            raise
        except AudioFileError as error:
            self.close()
            raise SynthesizerError(f"speech was not made ({error})", _WAY_OUT) from error
        finally:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the worker and remove its folder."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def __enter__(self) -> "Pyttsx3Synthesizer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, text: str, path: Path, language: str | None) -> dict[str, Any]:
        return {
            "text": text,
            "path": str(path),
            "rate_wpm": self._rate_wpm,
            "voice": self._voice,
            "language": language,
        }

    def _check(self, reply: dict[str, Any]) -> None:
        if reply.get("missing_voice"):
            raise SynthesizerError(_missing_voice(self._voice or "", reply.get("known", [])))
        if reply.get("error"):
            raise SynthesizerError(f"speech was not made ({reply['error']})", _WAY_OUT)
        if not reply.get("done"):
            raise SynthesizerError("the speech engine wrote no sound", _WAY_OUT)


def _missing_voice(name: str, known: Sequence[str]) -> str:
    """What is said of a voice that is not installed, and which ones are called alike."""
    # eSpeak NG's names begin with a family of languages, which nobody types.
    alike = {voice.rpartition("/")[2].lower(): voice for voice in reversed(known)}
    near = difflib.get_close_matches(name.lower(), alike, n=3, cutoff=0.6)
    if not near:
        return f"no voice '{name}' here; leave speech.voice empty for the usual one"
    return (
        f"no voice '{name}' here; choose another, such as {', '.join(alike[each] for each in near)}"
    )


def _folder_way_out(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno not in FULL:
        return "set XDG_RUNTIME_DIR to a folder of your own"
    return "free space or set XDG_RUNTIME_DIR"


class _Worker:
    """One worker process, its folder, and a thread that waits for its replies."""

    def __init__(self, file: Path) -> None:
        try:
            base = _runtime_folder()
            _remove_left_overs(base)
            self.folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-", dir=base))
        except (OSError, SettingsError) as error:
            raise SynthesizerError(
                f"no private folder for speech ({error})", _folder_way_out(error)
            ) from error
        try:
            self._process = _start_process(file, self.folder)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise SynthesizerError(
                f"the speech process cannot be started ({error})", "close other programs"
            ) from error
        self._replies: queue.Queue[str] = queue.Queue(maxsize=MOST_REPLIES)
        self._ready = False
        self.languages: frozenset[str] | None = None
        """Those of the voices, once they were asked for."""
        threading.Thread(target=self._listen, name="speech replies", daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, timeout_s: float) -> None:
        if self._ready:
            return
        reply = self._next_reply(timeout_s)
        if not reply.get("ready"):
            raise SynthesizerError(f"no speech engine ({reply.get('error')})", _WAY_OUT)
        self._ready = True

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise SynthesizerError("the speech engine stopped", _WAY_OUT) from error
        return self._next_reply(timeout_s)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # A request that was never read makes closing the pipe fail; it is gone anyway.
                with contextlib.suppress(OSError):
                    pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._replies.put_nowait(line)
        except (ValueError, OSError):
            pass  # the pipe is closed under this thread when the worker is stopped
        except queue.Full:
            # One request waits for one reply at most: this worker speaks out of turn.
            self._process.kill()
        with contextlib.suppress(queue.Full):
            self._replies.put_nowait("")

    def _next_reply(self, timeout_s: float) -> dict[str, Any]:
        try:
            line = self._replies.get(timeout=timeout_s)
        except queue.Empty:
            raise SynthesizerError(
                f"the speech engine gave no sound within {timeout_s:g} s", "it is restarted"
            ) from None
        if not line:
            raise SynthesizerError("the speech engine stopped", _WAY_OUT)
        try:
            reply = parse_json(line)
        except ValueError as error:
            raise SynthesizerError("the speech engine gave a broken reply", _WAY_OUT) from error
        if not isinstance(reply, dict):
            raise SynthesizerError("the speech engine gave a broken reply", _WAY_OUT)
        return reply


def _start_process(file: Path, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        # -P keeps this package's folder off the worker's import path.
        [sys.executable, "-P", str(file), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        # Ctrl+C or a closed terminal ends the assistant; the worker stays to clean up.
        start_new_session=True,
    )


def _runtime_folder() -> str | None:
    """The assistant's own folder if one is set, else the user's in memory, else a temporary one."""
    if os.environ.get(HOME_VARIABLE):
        return str(make_private_folder(runtime_folder()))
    folder = os.environ.get("XDG_RUNTIME_DIR")
    return folder if folder and os.access(folder, os.W_OK | os.X_OK) else None


def _remove_left_overs(base: str | None) -> None:
    """Remove folders of assistants that were killed together with their worker."""
    for folder in Path(base or tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*"):
        owner = folder.name.removeprefix(_FOLDER_PREFIX).split("-")[0]
        if owner.isdigit() and not is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
