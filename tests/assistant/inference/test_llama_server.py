"""A real llama.cpp server with a real model, on this machine: it streams, is left, refuses.

scripts/build_llama_server builds it, which takes half an hour; without it all is skipped.
"""

import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.errors import VisionError
from assistant.inference.server_opening import OwnServer, own_server
from assistant.settings.settings import Settings

PLACE = Path(__file__).parents[3] / "runs/llama-server"
PYTHON, MODEL = PLACE / "env/bin/python", PLACE / "smollm2-135m.gguf"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not ((PLACE / "built").is_file() and MODEL.is_file()),
        reason="there is no llama.cpp server; scripts/build_llama_server builds one",
    ),
]

LETTER = "Dear Mrs Miller, your parcel with the blue lamp will be delivered on Tuesday. Tom's Lamps"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        *(str(PYTHON), "-m", "llama_cpp.server", "--model", str(MODEL), "--model_alias", "smollm2"),
        *("--host", "127.0.0.1", "--port", str(port), "--n_ctx", "1024", "--n_threads", "2"),
    ]
    environment = {**os.environ, "PYTHONPATH": ""}
    with open(PLACE / "server.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        last_s = time.monotonic() + 180
        while True:
            assert process.poll() is None, (PLACE / "server.log").read_text()[-2000:]
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < last_s, "it does not start"
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def server(port: int) -> Iterator[OwnServer]:
    found = own_server(Settings(server_address=f"http://127.0.0.1:{port}"))
    assert found is not None
    yield found
    found.close()


def whole_answer(port: int, messages: list[dict[str, Any]], most: int) -> str:
    """What the server answers at once, asked by the standard library alone."""
    body = {"messages": messages, "max_tokens": most, "temperature": 0}
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
        said: str = json.load(answer)["choices"][0]["message"]["content"]
    return said


def test_it_is_found_with_its_model(server: OwnServer, port: int) -> None:
    assert server.find() == f"smollm2 on the server at 127.0.0.1:{port}"


def test_an_answer_streams_and_is_what_the_server_says_at_once(
    server: OwnServer, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert server.texts is not None
    list(server.texts.answer("A cup.", "What is it?"))  # what is slow at first is over
    started, first_s, pieces = time.monotonic(), 0.0, list[str]()
    for piece in server.texts.answer(LETTER, "When does the parcel come?"):
        first_s = first_s or time.monotonic() - started
        pieces.append(piece)
    whole_s = time.monotonic() - started
    with capsys.disabled():
        print(f"\n{first_s:.2f} s to the first words, {whole_s:.2f} s in all: {''.join(pieces)!r}")
    assert len(pieces) > 3 and "".join(pieces).strip()

    from assistant.inference.text_model import INSTRUCTION, MOST_NEW_TOKENS

    asked = f"Text:\n{LETTER}\n\nQuestion: When does the parcel come?"
    messages = [
        {"role": "system", "content": INSTRUCTION},
        {"role": "user", "content": asked},
    ]
    expected = whole_answer(port, messages, MOST_NEW_TOKENS)
    assert "".join(pieces).split() == expected.split()


def test_it_is_left_in_the_middle_and_answers_the_next(server: OwnServer) -> None:
    assert server.texts is not None
    unwanted = threading.Event()
    told: list[str] = []
    for piece in server.texts.answer(LETTER, "Tell it again in many words.", unwanted.is_set):
        told.append(piece)
        unwanted.set()
        left_s = time.monotonic()
    assert len(told) == 1 and time.monotonic() - left_s < 1.0
    assert "".join(server.texts.answer(LETTER, "Who writes?")).strip()


def test_a_text_beyond_its_context_is_shortened(server: OwnServer) -> None:
    assert server.texts is not None
    page = " ".join(f"Item {number} costs {number + 3} pounds." for number in range(600))
    assert "".join(server.texts.answer(page, "What is this?")).strip()


def test_a_model_of_text_is_not_asked_about_pictures(server: OwnServer) -> None:
    """It would take the question without its picture, and make something up."""
    assert server.pictures is not None
    scene = server.pictures.look(np.full((300, 400, 3), 128, np.uint8))
    with pytest.raises(VisionError, match="server.answers to texts"):
        list(server.pictures.answer(scene, "What is in front of me?"))
