"""PortAudio, as the microphone and the player need it: one library, found again after changes,
and kept from writing over the terminal.
"""

import contextlib
import ctypes
import errno
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assistant.errors import AssistantError, MicrophoneError, PlayerError

_lock = threading.RLock()
"""PortAudio's calls that open, close or list devices are not safe from two threads at once."""


INPUT_LATENCY_S = 0.3
"""Sound that the device may keep while other programs compute. Blocks still come as they are full:
this delays nothing, and keeps words whole."""


BUSY_S = 0.02
"""How long an opening of another device is waited for; a device in order opens in less."""


HALT_S = 0.05
"""How long a stream is given to end by itself; it does so when it calls back for the next block."""

_HALT_STEP_S = 0.002


def keep_libraries_quiet() -> None:
    """Let only Python write to standard error, until the process ends.

    PortAudio and ALSA write what goes wrong straight to file descriptor 2. A screen reader would
    read that aloud, and a full screen be spoiled by it. Python's own messages, and a front end
    that draws through `sys.__stderr__`, go where they went before.
    """
    try:
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        return  # there is no standard error to protect
    os.dup2(nowhere, 2)
    os.close(nowhere)
    before = sys.stderr
    stream = open(kept, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    sys.stderr = stream
    sys.__stderr__ = stream  # type: ignore[misc]
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(stream)


_CREATOR = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
_start_no_thread = _CREATOR(lambda thread, attributes, body, argument: errno.EAGAIN)
"""What JACK is given in place of pthread_create; it must outlive the library."""


def keep_out_of_jack(servers: Path = Path("/dev/shm")) -> None:
    """Let JACK start no thread in this process while no JACK server runs.

    On Linux, PortAudio and ALSA ask for a JACK server whenever they list devices. JACK's client
    library gives its own thread one second to begin, and then frees what that thread still works
    with (`JackPosixThread::StartSync`): on a busy machine the process dies by it. Without a server
    there is nothing to lose.

    servers: the folder of the servers' sockets.
    """
    if sys.platform != "linux":
        return
    runs = any(path.is_socket() for path in servers.glob(f"jack_*_{os.getuid()}_0"))
    with contextlib.suppress(OSError, AttributeError):  # there is no JACK, or another one
        # Without a creator, JACK goes back to its own.
        ctypes.CDLL("libjack.so.0").jack_set_thread_creator(None if runs else _start_no_thread)


class Stream:
    """One open input or output stream; closing it twice does nothing."""

    def __init__(self, library: "PortAudio", stream: Any, ending: threading.Event) -> None:
        """ending: once it is set, the stream's callback ends the stream from within."""
        self._library = library
        self._stream: Any = stream
        self._ending = ending

    @property
    def is_open(self) -> bool:
        """False after `close`, also where PortAudio itself was started anew since."""
        return self._stream is not None and not self._stream.closed

    @property
    def is_active(self) -> bool:
        """False when the device stopped the stream by itself."""
        try:
            return self.is_open and bool(self._stream.active)
        except self._library.errors:
            return False

    @property
    def latency_s(self) -> float:
        """PortAudio's own figure for the time between this program and the air, in seconds."""
        stream = self._stream
        return 0.0 if stream is None else float(stream.latency)

    def start_again(self, order: Callable[[], object] = lambda: None) -> None:
        """Drop what the device still holds, and go on at once.

        order: called in between, so that the first block holds what it orders, whole.

        Where another device hangs while it is opened, nothing is dropped: what was held is a few
        hundredths of a second, and silence must not wait for a microphone.

        Raises:
            PlayerError: the device was lost.
        """
        if not _lock.acquire(timeout=BUSY_S):
            order()
            return
        try:
            try:
                self._halt()
            finally:
                order()
            self._stream.start()
        except self._library.errors as error:
            raise PlayerError(f"no sound: the output device failed ({error})") from error
        finally:
            _lock.release()

    def close(self) -> None:
        """Stop at once and give the device back."""
        with _lock:
            if self._stream is not None:
                # A device that is gone cannot be closed in order; it is gone anyway.
                with contextlib.suppress(*self._library.errors):
                    self._halt()
                with contextlib.suppress(*self._library.errors):
                    self._stream.close()
                self._stream = None
                self._library.streams.discard(self)

    def _halt(self) -> None:
        """End the callbacks and drop what the device holds.

        To abort a stream, PortAudio's ALSA part cancels the thread that calls back, wherever that
        stands (`PaUnixThread_Terminate`). Cancelled while it waits for a lock of PulseAudio or of
        Python, it leaves that lock taken: the stream is never asked for sound again, or nothing
        goes on at all. So the thread first gets the chance to end by itself.
        """
        self._ending.set()
        until = time.monotonic() + HALT_S
        while self.is_active and time.monotonic() < until:
            time.sleep(_HALT_STEP_S)
        try:
            self._stream.abort()
        finally:
            self._ending.clear()


class PortAudio:
    """The library, loaded on first use; one instance serves the whole process.

    PortAudio lists the devices once, when it starts: a device plugged in later is found only
    after `refresh`.
    """

    def __init__(self, error: type[AssistantError]) -> None:
        """Load PortAudio.

        error: what to raise, so that the message's kind tells which device is meant.

        Raises:
            PlayerError, MicrophoneError: no PortAudio library.
        """
        try:
            with _lock:
                keep_out_of_jack()
                import sounddevice
        except (ImportError, OSError) as trouble:
            kind = "sound" if error is PlayerError else "microphone"
            raise error(
                f"no {kind}: the PortAudio library is missing; install it (Debian: apt install "
                "libportaudio2)"
            ) from trouble
        self._sounddevice: Any = sounddevice
        # Also ValueError: sounddevice raises it for a device that is not in the list.
        self.errors: tuple[type[Exception], ...] = (sounddevice.PortAudioError, ValueError)
        self.streams = _streams

    def default_device(self, kind: str) -> dict[str, Any]:
        """The default "input" or "output" device, as sounddevice describes it.

        Raises:
            PlayerError, MicrophoneError: there is none.
        """
        try:
            with _lock:
                return dict(self._sounddevice.query_devices(kind=kind))
        except self.errors as error:
            if kind == "input":
                raise MicrophoneError(
                    "no microphone was found", "plug one in, or type the question"
                ) from error
            raise PlayerError(
                "no sound: no loudspeaker or headphones were found", "plug some in"
            ) from error

    def open_output(
        self, rate_hz: int, latency_s: float, callback: Callable[[Any, int, Any, Any], None]
    ) -> Stream:
        """Open and start a mono int16 output stream.

        Raises:
            PlayerError: the device is gone, or used by another program alone.
        """
        return self._open(
            self._sounddevice.OutputStream,
            lambda error: PlayerError(f"no sound: the output device failed ({error})"),
            samplerate=rate_hz,
            channels=1,
            dtype="int16",
            latency=latency_s,
            callback=callback,
        )

    def open_input(
        self,
        rate_hz: int,
        channels: int,
        block: int,
        callback: Callable[[Any, int, Any, Any], None],
    ) -> Stream:
        """Open and start an int16 input stream that gives blocks of `block` samples.

        Raises:
            MicrophoneError: the device is gone, or used by another program alone.
        """
        return self._open(
            self._sounddevice.InputStream,
            lambda error: MicrophoneError(
                f"the microphone cannot be opened ({error})", "plug it in, or close other programs"
            ),
            samplerate=rate_hz,
            channels=channels,
            dtype="int16",
            blocksize=block,
            latency=INPUT_LATENCY_S,
            callback=callback,
        )

    def refresh(self) -> bool:
        """List the devices anew; False if a stream is open, which this would end."""
        with _lock:
            if any(stream.is_open for stream in self.streams):
                return False
            keep_out_of_jack()
            # Private, and the way that sounddevice's maintainer names (its issue 125).
            with contextlib.suppress(*self.errors):
                self._sounddevice._terminate()
            with contextlib.suppress(*self.errors):
                self._sounddevice._initialize()
            return True

    def _open(
        self,
        kind: Callable[..., Any],
        trouble: Callable[[Exception], AssistantError],
        *,
        callback: Callable[[Any, int, Any, Any], None],
        **form: Any,
    ) -> Stream:
        ending = threading.Event()
        end = self._sounddevice.CallbackAbort

        def call(block: Any, frames: int, when: Any, status: Any) -> None:
            if ending.is_set():
                raise end
            callback(block, frames, when, status)

        try:
            with _lock:
                raw = kind(callback=call, **form)
                try:
                    raw.start()
                except self.errors:
                    raw.close()
                    raise
                stream = Stream(self, raw, ending)
                self.streams.add(stream)
                return stream
        except self.errors as error:
            raise trouble(error) from error


_streams: set[Stream] = set()
"""Open streams of the microphone and the player, under `_lock`: PortAudio is one per process."""
