"""A server of the user's own that stalls, lies or breaks off: each fault is one sentence."""

import itertools
import os
import random
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from typing import Any

import pytest

from assistant.errors import VisionError
from assistant.inference.server_address import parse_address
from assistant.inference.server_link import ServerThreads
from assistant.inference.server_model import Server, ServerTextModel
from assistant.inference.server_wire import Limits
from tests.assistant.inference.asking_servers import (
    PATIENT,
    QUICK,
    QUICK_NEXT,
    failure,
    text,
    threads,
)
from tests.assistant.inference.fake_model_server import (
    DONE,
    PING,
    STREAM,
    Caller,
    Manner,
    event,
    plain,
    sends,
    serving,
    stalls,
)
from tests.faults.mutations import damage

# A server that stalls, lies, breaks off


def chunked(*pieces: bytes) -> bytes:
    head = STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


FAULTY = "what answers at HERE is no server for models, or a faulty one"
BROKE_OFF = "the server at HERE broke off; look whether it still runs, and ask again"
NO_END = "the answer of the server at HERE comes to no end, so I stopped it"
JUNK = 'data: {"choices": [%s]}\n\n'


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        # It lies: no HTTP, no stream, no JSON, other types.
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], f"{FAULTY}: its answer is no HTTP"),
        ([b"\x00\xff" * 50_000], f"{FAULTY}: its answer is no HTTP"),
        ([b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"], f"{FAULTY}: its answer is no H"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000], f"{FAULTY}: its answer is no HTTP"),
        ([plain("200 OK", b"{}")], f"{FAULTY}: it sends its answer in another form"),
        ([b"HTTP/1.1 200 OK\r\n\r\nhello"], f"{FAULTY}: it sends its answer in another form"),
        ([STREAM.replace(b"Conn", b"Content-Encoding: gzip\r\nConn")], f"{FAULTY}: it packs its"),
        ([STREAM, b"data: {'a'}\n\n"], f"{FAULTY}: a part of its answer is no JSON"),
        ([STREAM, b"data: " + b"[" * 50_000 + b"\n\n"], f"{FAULTY}: a part of its answer is no J"),
        ([STREAM, b'data: {"a": 1e999}\n\n'], f"{FAULTY}: a part of its answer is no JSON"),
        ([STREAM, b"data: \xff\xfe\n\n"], f"{FAULTY}: a part of its answer is no JSON"),
        ([STREAM, b"data: [1]\n\n"], f"{FAULTY}: a part of its answer is a list or a value"),
        ([STREAM, b"data: {}\n\n"], f"{FAULTY}: a part of its answer has another form"),
        *(
            ([STREAM, (JUNK % wrong).encode()], f"{FAULTY}: a part of its answer has another form")
            for wrong in (
                *("5", "{}", "null", '{"delta": []}', '{"delta": {"content": 5}}'),
                *('{"delta": {"content": ["a"]}}', '{"delta": {}, "finish_reason": 1}'),
            )
        ),
        ([STREAM, b"data: " + b"x" * 400_000], f"{FAULTY}: a line of its answer has no end"),
        ([STREAM, b'data: {"error": {"message": "out of\\n memory"}}\n\n'],
         "the server at HERE refuses the question (out of memory); look at what it prints"),
        # It ends in the middle: of its head, of a line, of a chunk, of what it announced.
        ([b""], BROKE_OFF),
        ([b"HTTP/1.1 200 OK\r\nContent-Ty"], f"{FAULTY}: it sends its answer in another form"),
        ([STREAM], BROKE_OFF),
        ([STREAM, event("Half "), b'data: {"choices": [{"del'], BROKE_OFF),
        ([STREAM, event("Half ")], BROKE_OFF),
        ([chunked(event("Half "))], BROKE_OFF),
        ([chunked(event("Half ")) + b"ffffff\r\ndata: "], BROKE_OFF),
        ([chunked() + b"xyz\r\n"], BROKE_OFF),
        ([STREAM.replace(b"Conn", b"Content-Length: 99999\r\nConn"), event("Half ")], BROKE_OFF),
        # It says much more than was asked for.
        ([STREAM, *itertools.repeat(event("word " * 10), 1000)], NO_END),
        ([STREAM, event("x" * 5000)], NO_END),
        # It refuses, in words of its own or in none.
        ([plain("401 Unauthorized", b"{}")], "the server at HERE wants a key, and I have none; st"),
        ([plain("403 Forbidden", b"{}")], "the server at HERE wants a key, and I have none"),
        ([plain("404 Not Found", b"<html>")], "the server at HERE refuses the question (404); l"),
        ([plain("500 Oh", b'{"error": {"message": "\\u001b[2Jno\\n\\nimage"}}')],
         "the server at HERE refuses the question (500, \\x1b[2Jno image); look at what it"),
        ([plain("422 Oh", b'{"detail": [{"loc": 1}]}')], "refuses the question (422); look at"),
        ([plain("400 Oh", b'{"error": "' + b"long " * 100 + b'"}')], "long …); look at"),
        ([plain("503 Busy", b'{"error": {"message": "Loading model"}}')],
         "the server at HERE has no time now (503, Loading model); ask again in a moment"),
        ([plain("429 Slow", b"")], "the server at HERE has no time now (429); ask again in a mo"),
        ([plain("204 None", b"")], "the server at HERE refuses the question (204)"),
        ([b"HTTP/1.1 999 X\r\n\r\n"], "the server at HERE refuses the question (999)"),
    ],
)  # fmt: skip
def test_a_faulty_server_gets_one_sentence_with_the_way_out(sent: list[bytes], said: str) -> None:
    words = failure(sends(*sent))
    assert said in words
    assert "; " in words and "\n" not in words and words.isprintable()
    assert len(words) < 500 and "Traceback" not in words


@pytest.mark.parametrize(
    "where", ["http://127.0.0.1:{}/v1/chat/completions", "//127.0.0.1:{}", "/v1/other", ""]
)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_server_that_points_elsewhere_is_not_followed(status: str, where: str) -> None:
    with serving() as other:
        location = f"Location: {where.format(other.port)}"
        said = failure(sends(plain(status, b"", location)))
        assert said == (
            "the server at HERE points to another address, and I do not follow; "
            "put the right address into server.address"
        )
        assert other.connections == 0


def forever(*pieces: bytes) -> Manner:
    """Say something small again and again, and never what was asked for."""

    def answer(caller: Caller) -> None:
        caller.send(*pieces[:-1])
        while True:
            caller.send(pieces[-1])
            caller.wait(0.05)

    return answer


def byte_by_byte(caller: Caller) -> None:
    for byte in STREAM * 100:
        caller.send(bytes([byte]))
        caller.wait(0.05)


SLOW_FIRST = "the server at HERE does not begin to answer; ask again, or give it a smaller model"
SLOW_NEXT = "the server at HERE stopped in the middle of its answer; ask again"


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        (stalls(), SLOW_FIRST),
        (stalls(STREAM), SLOW_FIRST),
        (stalls(STREAM, event(role="assistant")), SLOW_FIRST),
        (byte_by_byte, SLOW_FIRST),
        (forever(STREAM, PING), SLOW_FIRST),
        (forever(b"HTTP/1.1 100 Continue\r\n\r\n"), SLOW_FIRST),
        (stalls(STREAM, event("It is")), SLOW_NEXT),
        (forever(STREAM, event("It is"), PING), SLOW_NEXT),
        (stalls(chunked(event("It is")), b"ff\r\nda"), SLOW_NEXT),
    ],
)
def test_a_server_that_stalls_is_left(manner: Manner, said: str) -> None:
    started = time.monotonic()
    assert failure(manner, QUICK if said == SLOW_FIRST else QUICK_NEXT) == said
    assert time.monotonic() - started < 8, "far less than the whole answer may take"


def test_a_server_that_thinks_without_end_is_left() -> None:
    quick = Limits(2.0, 5.0, 5.0, whole_s=0.8)
    assert failure(forever(STREAM, event(reasoning="Hm.")), quick).startswith(NO_END)


def test_nobody_is_there_or_takes_the_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    gone = Server(ServerThreads(parse_address(f"http://127.0.0.1:{port}")), "tiny", QUICK)
    with pytest.raises(VisionError, match=rf"nothing answers at 127.0.0.1:{port}; start the ser"):
        text(gone)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        limits = Limits(connect_s=0.3)
        deaf = Server(ServerThreads(parse_address(f"http://127.0.0.1:{port}")), "tiny", limits)
        with pytest.raises(VisionError, match="does not take the call; start it, or switch it"):
            text(deaf)
        for one in waiting:
            one.close()


def test_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for name in ("nowhere.invalid", "a" * 70):
        nowhere = ServerThreads(parse_address(f"http://{name}:80"))
        with pytest.raises(VisionError, match=f"there is no computer that is called {name}:80; "):
            text(Server(nowhere, "tiny", QUICK))


def test_a_server_that_speaks_no_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        address = parse_address(f"https://localhost:{listening.getsockname()[1]}")
        with pytest.raises(VisionError, match="cannot show that it is the right one: "):
            text(Server(ServerThreads(address), "tiny", PATIENT))
        thread.join(5)


def test_a_certificate_that_nobody_vouches_for(tmp_path: Any) -> None:
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", "key", "-out", "cert"],
        cwd=tmp_path,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("openssl makes no certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            try:
                context.wrap_socket(connection, server_side=True)
            except OSError as error:
                refused.append(type(error).__name__)

    refused: list[str] = []
    thread = threading.Thread(target=serve)
    thread.start()
    address = parse_address(f"https://localhost:{listening.getsockname()[1]}")
    with pytest.raises(VisionError, match="cannot show that it is the right one: self.signed"):
        text(Server(ServerThreads(address), "tiny", PATIENT))
    thread.join(10)
    listening.close()
    assert refused, "the picture would have been sent"
    assert os.listdir(tmp_path)


def damaged_answers(seeds: range) -> Counter[str]:
    """What comes of answers that are damaged somewhere: a count for each kind of end."""
    pieces = [
        event(role="assistant", content=None),
        event("A red "),
        event("cup."),
        event(ends="stop"),
    ]
    whole = (STREAM + b"".join(pieces) + DONE, chunked(*pieces, DONE) + b"0\r\n\r\n",
             plain("500 Oh", b'{"error": {"message": "no image"}}'))  # fmt: skip
    ends: Counter[str] = Counter()
    with serving() as fake:
        model = ServerTextModel(threads(fake, Limits(2.0, 2.0, 2.0, 5.0)))
        for seed in seeds:
            rng = random.Random(seed)
            fake.manner = sends(damage(rng, rng.choice(whole)))
            try:
                said = "".join(model.answer("Text", "Why?"))
                assert len(said) < 100 and all(c.isprintable() or c == "\n" for c in said), seed
                ends["answered"] += 1
            except VisionError as error:
                words = str(error)
                assert words.isprintable() and "; " in words and len(words) < 500, seed
                ends["told"] += 1
    return ends


def test_a_damaged_answer_is_an_answer_or_one_sentence() -> None:
    ends = damaged_answers(range(60))
    assert ends.total() == 60 and ends["told"] > 10


@pytest.mark.slow
def test_many_damaged_answers() -> None:
    assert damaged_answers(range(1000, 4000)).total() == 3000
