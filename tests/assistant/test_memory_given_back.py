"""Memory that was freed goes back to the system, but not while sound is waited for."""

import subprocess
import sys
import threading
from typing import Any

import pytest

from assistant import wiring
from assistant.session.events import State
from assistant.settings.settings import Settings
from tests.assistant.fakes_sound import wait_until

HOARD = """
import ctypes, sys
from pathlib import Path
from assistant.machine import give_memory_back
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
blocks = [libc.malloc(60_000) for _ in range(2000)]
for block in blocks:
    ctypes.memset(block, 1, 60_000)
for block in blocks[:-1]:  # the last one keeps glibc from giving the rest back by itself
    libc.free(ctypes.c_void_p(block))
before = resident()
give_memory_back()
print(before, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own way")
def test_what_was_freed_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOARD], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert before - after > 80, "of 114 MiB that were freed, too little went back"


@pytest.mark.parametrize(
    ("state", "gives"),
    [(State.IDLE, True), (State.THINKING, True), (State.LISTENING, False), (State.SPEAKING, False)],
)
def test_a_conversation_gives_it_back_when_no_sound_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, state: State, gives: bool
) -> None:
    given, looked = threading.Event(), threading.Semaphore(0)

    def state_of(session: Any) -> State:
        looked.release()
        return state

    monkeypatch.setattr(wiring, "TIDY_EVERY_S", 0.005)
    monkeypatch.setattr(wiring, "QUIET_LOOK_S", 0.005)
    monkeypatch.setattr(wiring, "give_memory_back", given.set)
    monkeypatch.setattr(wiring.Session, "state", property(state_of))
    monkeypatch.setattr(wiring.Live, "_open", lambda live: None)
    live = wiring.Live(Settings(camera_source="none"), speech=False, way_out="")
    live.start(ask_how_to_speak=False)
    for _ in range(3):
        assert looked.acquire(timeout=5)
    live.close()
    assert given.is_set() is gives
    wait_until(lambda: not any(each.name == "tidying" for each in threading.enumerate()))
