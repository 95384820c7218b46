"""Which server may be asked, and how that is named aloud."""

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import SettingsError
from assistant.inference import server_opening
from assistant.inference.server_address import is_server_address, parse_address
from assistant.inference.server_link import ServerThreads
from assistant.inference.server_model import Server
from assistant.inference.server_opening import may_ask, own_server
from assistant.session.phrases import SERVER_OFF, setting_words
from assistant.settings.file import load_settings
from assistant.settings.settings import Settings
from tests.assistant.inference.asking_servers import text
from tests.assistant.inference.fake_model_server import serving

# Which address, and how it is named


@pytest.mark.parametrize(
    ("typed", "named", "here"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        (" http://localhost:11434/ ", "localhost:11434", True),
        ("http://[::1]:8000/v1", "[::1]:8000", True),
        ("http://127.9.9.9", "127.9.9.9:80", True),
        ("https://box.example/api/v1", "box.example:443", False),
        ("http://192.168.1.5:8080", "192.168.1.5:8080", False),
        # What only looks like this computer, or may be another one to the system.
        ("http://localhost.example:80", "localhost.example:80", False),
        ("http://127.0.0.1.example:80", "127.0.0.1.example:80", False),
        ("http://127.1:80", "127.1:80", False),
        ("http://2130706433:80", "2130706433:80", False),
        ("http://0.0.0.0:80", "0.0.0.0:80", False),
    ],
)
def test_addresses(typed: str, named: str, here: bool) -> None:
    address = parse_address(typed)
    assert (address.named, address.is_here, is_server_address(typed)) == (named, here, True)


@pytest.mark.parametrize(
    "typed",
    [
        *("127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://a:0"),
        *("http://me:secret@127.0.0.1", "http://me@127.0.0.1", "http://127.0.0.1/v1?key=a"),
        *("http://127.0.0.1/#a", "http://a b", "http://a\x00b", "http://é", "http://-", "http://a/.."),
        *("http://a/%2e", "http://[127.0.0.1]", "http://a\\b", "http://" + "a" * 300, "file:///etc"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(typed: str) -> None:
    assert not is_server_address(typed)
    with pytest.raises(SettingsError, match="give an address such as http://127.0.0.1:8080"):
        parse_address(typed)


def test_localhost_is_never_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    lookup = socket.getaddrinfo

    def watched(host: Any, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        return lookup(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    with serving() as fake:
        typed = f"http://localhost:{fake.port}"
        assert text(Server(ServerThreads(parse_address(typed)), "tiny")) == "It is a cup."
    assert set(asked) <= {"127.0.0.1", "::1"}


# What the settings say


def test_without_a_server_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a process was started, or a socket opened")

    monkeypatch.setattr(subprocess, "Popen", never)
    monkeypatch.setattr(socket, "socketpair", never)
    assert Settings().server_address == "" and own_server(Settings()) is None
    other = Settings(server_address="http://192.0.2.1:80")
    with pytest.raises(SettingsError, match="is another computer and is not asked.*to true"):
        own_server(other)
    texts = Settings(server_address="http://127.0.0.1:9", server_answers="pictures")
    assert own_server(texts, for_pictures=False) is None


@pytest.mark.parametrize(
    ("changes", "notice", "pictures", "texts"),
    [
        ({}, "Answers about pictures and texts come from the server at 127.0.0.1:9.", True, True),
        ({"server_answers": "texts"}, "Answers about texts come from the server at 127.0.0.1:9.",
         False, True),
        (
            {"server_address": "http://192.0.2.1:8000", "server_elsewhere": True},
            "Answers about pictures and texts come from the server at 192.0.2.1:8000. It is "
            "another computer: your pictures and texts are sent there.", True, True,
        ),
        (
            {"server_answers": "pictures", "server_address": "https://box.example",
             "server_elsewhere": True},
            "Answers about pictures come from the server at box.example:443. It is another "
            "computer: your pictures are sent there.", True, False,
        ),
    ],
)  # fmt: skip
def test_what_is_said_aloud(
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    notice: str,
    pictures: bool,
    texts: bool,
) -> None:
    monkeypatch.setattr(
        server_opening.server_link, "keep", lambda address, typed: ServerThreads(address)
    )
    settings = Settings(**{"server_address": "http://127.0.0.1:9", **changes})
    server = own_server(settings)
    assert server is not None
    assert server.notice == notice
    assert (server.pictures is not None, server.texts is not None) == (pictures, texts)
    assert may_ask(settings) and not may_ask(Settings())
    alone = Settings(server_address=settings.server_address)
    assert may_ask(alone) is ("127.0.0.1" in settings.server_address)


def test_what_a_change_says() -> None:
    """Off is off at once; on is on at the next start, before which nobody may call it."""
    on = Settings(server_address="http://127.0.0.1:9")
    assert setting_words(on, "server.address") == (
        "server.address is http://127.0.0.1:9. It is used from the next start."
    )
    assert setting_words(Settings(), "server.address") == SERVER_OFF


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('address = "127.0.0.1:8080"', "it must be empty, or an address such as http://127.0.0.1"),
        ('address = "http://me:secret@127.0.0.1"', "without name and password"),
        ("address = 8080", "it must be empty, or an address"),
        ('answers = "all"', 'it must be "both", "pictures" or "texts"'),
        ("elsewhere = 1", "it must be true or false"),
    ],
)
def test_a_wrong_setting_switches_nothing_on(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(f"[server]\n{line}\n")
    settings, wrong = load_settings(path)
    assert settings == Settings() and own_server(settings) is None
    assert told in str(wrong[0])
