"""A sound server without hardware: what is said into it is heard, what is spoken is recorded.

Two null sinks stand for the loudspeaker ("spk") and the room before the microphone ("mic").
"""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.audio import AudioClip

LISTEN_RATE_HZ = 16_000
AUDIBLE = 300
"""Samples above this are sound; the null sinks themselves are exactly silent."""

LOUDSPEAKER = ("module-null-sink", "sink_name=spk", "rate=48000", "channels=2")
ROOM = ("module-null-sink", "sink_name=mic", "rate=16000", "channels=1")
MICROPHONE = ("module-remap-source", "master=mic.monitor", "source_name=vmic")


class SoundServer:
    """A private PulseAudio daemon in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Start it and wait until it answers."""
        folder.chmod(0o700)
        self._socket = folder / "native"
        modules = [
            ("module-native-protocol-unix", "auth-anonymous=1", f"socket={self._socket}"),
            LOUDSPEAKER,
            ROOM,
            MICROPHONE,
        ]
        loads = [part for module in modules for part in ("-L", " ".join(module))]
        self._process = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"),
                *("--use-pid-file=no", "--realtime=no", "--high-priority=no"),
                *loads,
            ],
            env={**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.environment: Mapping[str, str] = {
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_COOKIE": str(folder / "cookie"),
            "PULSE_SINK": "spk",
            "PULSE_SOURCE": "vmic",
        }
        deadline = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], env=self._env(), capture_output=True).returncode:
            assert time.monotonic() < deadline, "the sound server does not answer"
            time.sleep(0.1)
        # A null sink that nobody listens to works in steps of two seconds; a room does not.
        self._air = self._keep_awake()

    def say(self, wav: Path) -> None:
        """A person speaks: play a file into the microphone, to its end."""
        subprocess.run(["paplay", "--device=mic", str(wav)], env=self._env(), check=True)

    @contextlib.contextmanager
    def listener(self) -> Iterator["Ear"]:
        """A person listens to the loudspeaker."""
        ear = Ear(self._env())
        try:
            yield ear
        finally:
            ear.close()

    def unplug(self) -> None:
        """Take all sinks away; with one left, the server would move the sound there."""
        for name in ("source_name=vmic", "sink_name=mic", "sink_name=spk"):
            listed = self._pactl("list", "short", "modules")
            for line in listed.splitlines():
                if name in line:
                    self._pactl("unload-module", line.split()[0])

    def plug_in(self) -> None:
        """Bring them back."""
        for module in (LOUDSPEAKER, ROOM, MICROPHONE):
            self._pactl("load-module", *module)
        self._air.kill()
        self._air.wait()
        self._air = self._keep_awake()

    def close(self) -> None:
        """End the daemon."""
        self._air.kill()
        self._air.wait()
        self._process.terminate()
        self._process.wait(10)

    def _keep_awake(self) -> "subprocess.Popen[bytes]":
        order = ["parec", "--device=vmic", "--latency-msec=20", "--rate=16000", "--channels=1"]
        return subprocess.Popen(
            order, env=self._env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _pactl(self, *order: str) -> str:
        done = subprocess.run(
            ["pactl", *order], env=self._env(), capture_output=True, text=True, check=True
        )
        return done.stdout

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.environment}


class Ear:
    """Records the loudspeaker, with the time at which each piece arrived."""

    def __init__(self, environment: dict[str, str]) -> None:
        form = (f"--rate={LISTEN_RATE_HZ}", "--channels=1", "--format=s16le", "--latency-msec=10")
        self._process = subprocess.Popen(
            ["parec", "--device=spk.monitor", *form], env=environment, stdout=subprocess.PIPE
        )
        self._pieces: list[tuple[float, NDArray[np.int16]]] = []
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._pieces:
            assert time.monotonic() < deadline, "nothing can be recorded"
            time.sleep(0.01)

    def heard(self, since: float = 0.0) -> AudioClip:
        """Everything that arrived after a time (s, time.monotonic)."""
        pieces = [samples for at, samples in list(self._pieces) if at >= since]
        return AudioClip(np.concatenate([*pieces, np.zeros(0, np.int16)]), LISTEN_RATE_HZ)

    def first_sound_s(self, since: float) -> float | None:
        """Seconds from a time until sound arrived; there must be silence before."""
        times = self._loud_times(since)
        return times[0] - since if times else None

    def last_sound_s(self, since: float) -> float | None:
        """Seconds from a time until the last sound arrived."""
        times = self._loud_times(since)
        return times[-1] - since if times else None

    def close(self) -> None:
        """Stop recording."""
        self._process.kill()
        self._process.wait()
        self._thread.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _loud_times(self, since: float) -> list[float]:
        """When pieces with audible samples arrived: never too early, up to a piece too late.

        Samples cannot be counted instead: the server renders ahead and renders again what changes,
        so the recording holds more samples than time has passed.
        """
        return [
            at
            for at, samples in list(self._pieces)
            if at >= since and np.abs(samples.astype(np.int32)).max(initial=0) > AUDIBLE
        ]

    def _record(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        rest = b""
        while piece := stream.read1(4096):  # type: ignore[attr-defined]
            at = time.monotonic()
            piece = rest + piece
            whole = len(piece) // 2 * 2
            rest = piece[whole:]
            self._pieces.append((at, np.frombuffer(piece[:whole], "<i2").astype(np.int16)))
