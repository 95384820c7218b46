"""Run a program that cannot give internet sockets up, so that what it does by itself is seen.

    python tests/unheld.py COMMAND...

The kernel denies it the call with which filters are installed. Linux only.
"""

import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
SECCOMP = {"x86_64": 317, "aarch64": 277}
"""The number of the call that is denied."""

LOAD, IS_EQUAL, RETURN, ALLOW, DENY = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050001


class Program(ctypes.Structure):
    """The kernel's `struct sock_fprog`."""

    _fields_ = (("count", ctypes.c_ushort), ("code", ctypes.c_char_p))


def main() -> None:
    """Deny the call, and become the command."""
    number = SECCOMP.get(platform.machine())
    if number is not None:
        lines = ((LOAD, 0, 0, 0), (IS_EQUAL, 0, 1, number), (RETURN, 0, 0, DENY),
                 (RETURN, 0, 0, ALLOW))  # fmt: skip
        code = b"".join(struct.pack("=HBBI", *line) for line in lines)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # Not by the call itself, which the tests count.
        whole = Program(len(lines), code)
        if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(whole)):
            sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
