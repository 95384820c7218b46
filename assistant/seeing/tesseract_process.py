"""One call of another program: what goes in, what comes out, both bounded, and ended in time."""

import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

from assistant.errors import OcrError

MOST_BYTES = 4_000_000
"""Of output; a page of small print takes a tenth of it."""

CHUNK_BYTES = 65_536


def output_of(
    command: Sequence[str], given: bytes, *, limit_s: float, environment: Mapping[str, str]
) -> bytes:
    """Run a command with bytes as its input, and return what it prints.

    limit_s: seconds after which it is ended.

    Raises:
        OcrError: it cannot be started, fails, says more than `MOST_BYTES`, or takes too long.
    """
    name = os.path.basename(command[0])
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            cwd="/",
            # Ctrl+C is for the assistant.
            start_new_session=True,
        )
    except OSError as error:
        raise OcrError(f"{name} cannot be started ({error.strerror})") from error
    feeder = threading.Thread(target=_feed, args=(process, given), daemon=True)
    try:
        feeder.start()
        output = _read(process, time.monotonic() + limit_s)
        if output is None:
            raise OcrError(f"{name} takes longer than {limit_s:.0f} seconds")
        if len(output) > MOST_BYTES:
            raise OcrError(f"{name} says more than a page holds")
        try:
            code = process.wait(1.0)
        except subprocess.TimeoutExpired as error:
            raise OcrError(f"{name} does not end") from error
        if code:
            raise OcrError(f"{name} failed (code {code})")
        return output
    finally:
        process.kill()
        process.wait()
        feeder.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _feed(process: "subprocess.Popen[bytes]", given: bytes) -> None:
    assert process.stdin is not None
    # A program that ends early says so by its code.
    with contextlib.suppress(OSError):
        process.stdin.write(given)
        process.stdin.close()


def _read(process: "subprocess.Popen[bytes]", until: float) -> bytes | None:
    """What is printed until its end, or until it is too much; None where the time runs out."""
    assert process.stdout is not None
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(output) <= MOST_BYTES:
            left = until - time.monotonic()
            if left <= 0 or not selector.select(left):
                return None
            part = os.read(process.stdout.fileno(), CHUNK_BYTES)
            if not part:
                break
            output += part
    return bytes(output)
