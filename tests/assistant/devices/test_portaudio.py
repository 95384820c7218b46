"""PortAudio is started without the JACK client library's threads, seen from the kernel."""

import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from assistant.devices import portaudio
from tests.tracing import untraceable

STARTED = 5
BEGIN, END = "PortAudio starts", "PortAudio has started"

STARTS = f"""
import os
from assistant.devices import portaudio
from assistant.errors import PlayerError

if {{held}}:
    library = portaudio.PortAudio(PlayerError)
else:
    portaudio.keep_out_of_jack = lambda: None
    library = portaudio.PortAudio(PlayerError)
nowhere = os.open(os.devnull, os.O_WRONLY)
os.write(nowhere, b"{BEGIN}")
for _ in range({STARTED}):
    library.refresh()
os.write(nowhere, b"{END}")
"""


def threads_started(tmp_path: Path, held: bool) -> int:
    """Threads that begin while PortAudio is started so often."""
    calls = tmp_path / "calls"
    command = ["strace", "-f", "-o", str(calls), "-e", "trace=clone,clone3,write"]
    program = [sys.executable, "-c", STARTS.format(held=held)]
    done = subprocess.run([*command, *program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    text = calls.read_text()
    assert BEGIN in text, text[-2000:]
    assert END in text, text[-2000:]
    between = text.split(BEGIN)[1].split(END)[0].splitlines()
    return sum("CLONE_THREAD" in line and "resumed" not in line for line in between)


@pytest.mark.skipif(sys.platform != "linux", reason="JACK is asked for on Linux only")
def test_a_jack_server_that_runs_is_left_its_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    library = SimpleNamespace(jack_set_thread_creator=given.append)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    portaudio.keep_out_of_jack(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / f"jack_default_{os.getuid()}_0"))
        portaudio.keep_out_of_jack(tmp_path)
    assert given == [portaudio._start_no_thread, None]


def has_jack() -> bool:
    try:
        return hasattr(ctypes.CDLL("libjack.so.0"), "jack_set_thread_creator")
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="JACK is asked for on Linux only")
@pytest.mark.skipif(not has_jack(), reason="PortAudio is built without JACK here")
@pytest.mark.skipif(bool(untraceable()), reason=untraceable() or "traceable")
def test_starting_portaudio_starts_no_thread_of_jack(tmp_path: Path) -> None:
    # Such a thread, begun late on a busy machine, works with memory that is free by then.
    # What is left are threads of PulseAudio's part of ALSA.
    assert threads_started(tmp_path, held=True) <= threads_started(tmp_path, held=False) - STARTED
