"""Fixtures of the tests on a real sound server."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sound.sound_server import Ear, SoundServer

Say = Callable[..., Path]


@pytest.fixture(scope="session")
def sound_server() -> Iterator[SoundServer]:
    """The server; this process's PortAudio speaks to it until the session ends."""
    missing = [name for name in ("pulseaudio", "pactl", "parec") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed (Debian: pulseaudio, pulseaudio-utils)")
    pytest.importorskip("sounddevice", exc_type=OSError, reason="PortAudio is not installed")
    # A short path: the name of a socket may have 107 characters, and pytest's folders are long.
    with tempfile.TemporaryDirectory(prefix="sound-") as folder, pytest.MonkeyPatch.context() as m:
        server = SoundServer(Path(folder))
        for name, value in server.environment.items():
            m.setenv(name, value)
        import sounddevice

        # Another test may have started PortAudio before there was a server.
        sounddevice._terminate()
        sounddevice._initialize()
        try:
            yield server
        finally:
            server.close()


@pytest.fixture
def ear(sound_server: SoundServer) -> Iterator[Ear]:
    """A person who listens."""
    with sound_server.listener() as ear:
        yield ear


@pytest.fixture
def record(tmp_path: Path) -> Say:
    """A person's sentence as a file: (text, voice) to a WAV file."""
    if shutil.which("flite") is None:
        pytest.skip("flite, which speaks the questions, is not installed")

    def speak(text: str, voice: str = "slt") -> Path:
        path = tmp_path / f"{voice}-{'-'.join(text.split())}.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        return path

    return speak
