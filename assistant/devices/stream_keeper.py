"""The process that keeps the right to call the camera's address; `streams` starts it.

In: through the Unix socket that is its standard input, one end of another such socket for every
opening of the stream; it becomes the standard input of a new reader. The end of its input ends it.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence

READER = (sys.executable, "-m", "assistant.devices.stream_reader")


def serve(channel: socket.socket, command: Sequence[str] = READER) -> None:
    """Start a reader for every socket that comes; command: what to run, in tests another."""
    readers: list[subprocess.Popen[bytes]] = []
    while True:
        word, ends, _, _ = socket.recv_fds(channel, 1, 1)
        if not word:
            return
        # Those that have ended are asked, or the system would keep them as dead.
        readers = [reader for reader in readers if reader.poll() is None]
        for end in ends:
            try:
                reader = subprocess.Popen(
                    command,
                    stdin=end,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                readers.append(reader)
            except OSError:
                pass  # whoever asked sees its socket closed, and says so
            finally:
                os.close(end)


if __name__ == "__main__":
    serve(socket.socket(fileno=os.dup(0)))
