"""The process that calls a server of the user's own, and what it may say."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from assistant.errors import VisionError
from assistant.inference import server_keeper, server_link
from assistant.inference.server_address import parse_address
from assistant.inference.server_link import ServerKeeper
from assistant.inference.server_model import Server, ServerTextModel
from assistant.inference.server_wire import HEADER, LENGTH, receive_request, send_request
from tests.assistant.inference.asking_servers import PATIENT, text
from tests.assistant.inference.fake_model_server import (
    STREAM,
    ModelServer,
    event,
    says,
    serving,
    stalls,
    until,
)


@pytest.fixture
def keeper() -> Iterator[tuple[ModelServer, ServerKeeper]]:
    with serving() as fake:
        keeper = ServerKeeper(parse_address(fake.address), fake.address)
        yield fake, keeper
        keeper.close()


# The keeper


def test_a_keeper_that_dies_is_told_and_one_that_never_lived(
    keeper: tuple[ModelServer, ServerKeeper],
) -> None:
    fake, link = keeper
    fake.manner = stalls(STREAM, event("It "))
    answer = filter(None, ServerTextModel(Server(link, "tiny")).answer("Text", "Why?"))
    assert next(answer) == "It "
    assert link._process is not None
    link._process.kill()
    link._process.wait()
    ended = "the process that may call the server has ended; end Sightline and start it again"
    with pytest.raises(VisionError, match=ended):
        list(answer)
    with pytest.raises(VisionError, match=ended):
        text(Server(link, "tiny"))
    unborn = ServerKeeper(parse_address(fake.address), fake.address, command=("/nowhere/keeper",))
    with pytest.raises(VisionError, match=ended):
        text(Server(unborn, "tiny"))
    unborn.close()


def test_a_keeper_ends_with_the_program_that_started_it() -> None:
    script = (
        "import sys, os\n"
        "from assistant.inference.server_link import keep\n"
        "from assistant.inference.server_address import parse_address\n"
        "link = keep(parse_address(sys.argv[1]), sys.argv[1])\n"
        "print(link._process.pid, flush=True)\n"
        "os._exit(1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "http://127.0.0.1:9"], capture_output=True, text=True
    )
    number = int(done.stdout)

    def has_ended() -> bool:
        try:
            with open(f"/proc/{number}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    until(has_ended, 20)


def test_a_keeper_serves_few_at_once_and_goes_on_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_keeper, "MOST_AT_ONCE", 1)
    ours, theirs = socket.socketpair()
    with serving(manner=stalls(STREAM)) as fake, ours:
        address = parse_address(fake.address)
        serving_thread = threading.Thread(target=server_keeper.serve, args=(theirs, address))
        serving_thread.start()

        def call() -> socket.socket:
            near, far = socket.socketpair()
            socket.send_fds(ours, [b"n"], [far.fileno()])
            far.close()
            near.settimeout(10)
            return near

        first = call()
        send_request(first, server_link.Request({"model": "tiny", "messages": []}, PATIENT))
        until(lambda: fake.questions())
        second = call()
        assert second.recv(1) == b"", "the second is not answered"
        first.close()
        until(fake.gone.is_set)
        fake.manner = says("Yes.")

        def answers() -> bool:
            third = call()
            with third:
                try:
                    wanted = server_link.Request({"model": "tiny", "messages": []}, PATIENT)
                    send_request(third, wanted)
                    return len(third.recv(HEADER.size)) == HEADER.size
                except OSError:
                    return False

        until(answers)
        second.close()
        ours.shutdown(socket.SHUT_RDWR)
        serving_thread.join(5)
        assert not serving_thread.is_alive()
    theirs.close()


@pytest.mark.parametrize("sent", [LENGTH.pack(2**31), LENGTH.pack(3) + b"{}"])
def test_a_request_that_is_none(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises((ValueError, OSError)):
            receive_request(ours)


@pytest.mark.parametrize(
    "sent", [b"", b"\x00", HEADER.pack(0, 2**31), HEADER.pack(3, 4) + b"what", HEADER.pack(0, 9)]
)
def test_a_keeper_that_says_nonsense(sent: bytes) -> None:
    class Nonsense:
        address = parse_address("http://127.0.0.1:9")

        def open(self) -> socket.socket:
            ours, theirs = socket.socketpair()
            theirs.sendall(sent)
            theirs.shutdown(socket.SHUT_WR)
            self.kept = theirs
            return ours

        def close(self) -> None: ...

    link = Nonsense()
    with pytest.raises(VisionError, match="the process that may call the server has ended"):
        text(Server(link, "tiny"))
    link.kept.close()
