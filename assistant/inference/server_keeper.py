"""The process that keeps the right to call the user's own server; `server_link` starts it.

In: through the Unix socket that is its standard input, one end of another such socket for every
question; it is answered there, as `server_wire` says. The end of its input ends it. It calls the
one address that it was given; no request can name another.
"""

import contextlib
import json
import os
import socket
import threading

from assistant.inference.server_address import ServerAddress, parse_address
from assistant.inference.server_call import chat_words, model_names
from assistant.inference.server_wire import (
    ADDRESS_VARIABLE,
    ENDED,
    FAILED,
    NAMES,
    WORDS,
    Fault,
    receive_request,
    send_record,
)

MOST_AT_ONCE = 4
"""Calls; the program has one question at a time, and leaves at most one behind that is ending."""


def serve(channel: socket.socket, address: ServerAddress) -> None:
    """Answer every socket that comes in a thread of its own; more than it can are closed."""
    at_once = threading.BoundedSemaphore(MOST_AT_ONCE)

    def serve_one(asker: socket.socket) -> None:
        try:
            answer(asker, address)
        finally:
            at_once.release()

    while True:
        word, ends, _, _ = socket.recv_fds(channel, 1, 1)
        if not word:
            return
        for end in ends:
            asker = socket.socket(fileno=end)
            if at_once.acquire(blocking=False):
                threading.Thread(target=serve_one, args=(asker,), daemon=True).start()
            else:
                asker.close()


def answer(asker: socket.socket, address: ServerAddress) -> None:
    """Take one request, call the server, and hand on what comes; close the socket."""
    # Who asked may be gone at any moment: then nobody is left to hear of it.
    with asker, contextlib.suppress(OSError):
        try:
            request = receive_request(asker)
            if request.chat is None:
                names = model_names(address, request.limits, asker)
                send_record(asker, NAMES, json.dumps(names))
            else:
                for words in chat_words(address, request.chat, request.limits, asker):
                    send_record(asker, WORDS, words)
            send_record(asker, ENDED)
        except Fault as fault:
            send_record(asker, FAILED, f"{fault.kind.value}\n{fault.detail}")


if __name__ == "__main__":
    serve(socket.socket(fileno=os.dup(0)), parse_address(os.environ[ADDRESS_VARIABLE]))
