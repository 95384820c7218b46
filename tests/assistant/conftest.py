"""Fixtures of the assistant's tests: speech to recognize, and a world without network."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from assistant.text import languages

Speak = Callable[[str, str], Path]
UseKeyring = Callable[[KeyringBackend], None]


@pytest.fixture(scope="session", autouse=True)
def languages_are_loaded() -> None:
    """No test shall time how long the model of languages takes to load."""
    languages.load()


@pytest.fixture
def speak(tmp_path: Path) -> Speak:
    """A person who says a sentence: (text, voice) to a 16 kHz WAV file."""
    if shutil.which("flite") is None:
        pytest.skip("flite, which speaks the questions, is not installed")

    def say(text: str, voice: str = "slt") -> Path:
        path = tmp_path / f"{voice}-{'-'.join(text.split())}.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        return path

    return say


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail every connection that leaves this machine, as `offline` is meant here."""
    real_connect = socket.socket.connect
    real_lookup = socket.getaddrinfo

    def is_local(host: object) -> bool:
        return isinstance(host, str) and host in ("127.0.0.1", "::1", "localhost")

    def connect(self: socket.socket, address: object) -> None:
        local = self.family == getattr(socket, "AF_UNIX", None)
        if not local and not (isinstance(address, tuple) and is_local(address[0])):
            raise AssertionError(f"something connects to {address}")
        real_connect(self, address)

    def lookup(host: object, *rest: object, **more: object) -> object:
        if not is_local(host):
            raise AssertionError(f"something looks up {host!r}")
        return real_lookup(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def use_keyring() -> Iterator[UseKeyring]:
    """Puts a keyring in place of the system's, until the test ends."""
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)
