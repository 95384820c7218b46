"""The right to open internet sockets, given up for good: a filter in the Linux kernel.

The switches of `models.offline` ask libraries to stay quiet; this does not ask. From then on the
kernel refuses internet sockets to every thread of the process and to every process that it starts,
whatever language the code is written in. Nothing can lift it again.

A filter of this kind (seccomp) sees the numbers of a call and no memory, so it cannot tell one
address from another: loopback is refused with the rest. Unix sockets go on: the sound server, the
keyring, and X11 or Wayland are reached through them. What such a service sends on at a program's
request is that service's own doing; tests/test_nothing_leaves.py watches for that.

Source: https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
"""

import contextlib
import ctypes
import errno
import ipaddress
import logging
import os
import platform
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_ALL_THREADS = 1 << 0
# Without it, kernels before 5.16 slow the whole process down (speculative store bypass).
_AS_FAST_AS_BEFORE = 1 << 2

_LOAD, _EQUALS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
# Offsets in `struct seccomp_data`: the call's number, the architecture, and the lower half of the
# first argument, which is an int and whose upper half the kernel ignores.
_NUMBER, _ARCHITECTURE, _DOMAIN = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000

_X32 = 0x40000000
"""Numbers from here on are x86_64's second set of calls; other machines have none so high."""

_IO_URING = (425, 426, 427)
"""Setting up, entering and registering a ring, on every machine: a ring opens sockets unseen."""

_AF_UNIX, _AF_NETLINK = 1, 16
_SO_DOMAIN = 39


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of processor.

    audit:          its number in `struct seccomp_data`.
    socket, filter: the numbers of its calls `socket` and `seccomp`.
    """

    audit: int
    socket: int
    filter: int


MACHINES = {
    "x86_64": Machine(audit=0xC000003E, socket=41, filter=317),
    "aarch64": Machine(audit=0xC00000B7, socket=198, filter=277),
}


@dataclass(frozen=True, slots=True)
class Offline:
    """What came of giving the right up.

    enforced: True if the kernel refuses internet sockets from now on.
    why_not:  why it does not, or not wholly: a clause that can be spoken. Empty otherwise.
    """

    enforced: bool
    why_not: str = ""


class _NotPossible(Exception):
    """Why the kernel enforces nothing."""


def give_up_internet(keep: Collection[int] = ()) -> Offline:
    """Give up the right to open internet sockets, for all threads and all later processes.

    Sockets that the process already has, other than its standard streams, are replaced by nothing.
    keep: numbers of those that stay if they are on loopback, where they lead to other processes
        of the same work on this machine.

    It fails on systems other than Linux and where the kernel does not permit it; what it returns
    says so, and nothing has changed then.
    """
    _wake_graphics_card()
    try:
        _install(program(_this_machine()))
    except _NotPossible as reason:
        logging.getLogger(__name__).info("not offline by the kernel: %s", reason)
        return Offline(False, str(reason))
    if not _is_refused():
        return Offline(False, "the kernel took the filter and does not apply it")
    kept = _close_internet_sockets(keep)
    if kept:
        streams = " and ".join(("input", "output", "errors")[number] for number in kept)
        return Offline(
            True, f"{streams} of this program, as it was started, is a network connection"
        )
    return Offline(True)


def program(machine: Machine) -> bytes:
    """The filter, as the kernel's array of `struct sock_filter`."""
    calls = [
        (_LOAD, "", "", _ARCHITECTURE),
        (_EQUALS, "", "foreign", machine.audit),
        (_LOAD, "", "", _NUMBER),
        (_AT_LEAST, "foreign", "", _X32),
        *((_EQUALS, "foreign", "", number) for number in _IO_URING),
        (_EQUALS, "", "allowed", machine.socket),
        (_LOAD, "", "", _DOMAIN),
        (_EQUALS, "allowed", "", _AF_UNIX),
        (_EQUALS, "allowed", "", _AF_NETLINK),
        (_RETURN, "", "", _ERROR | errno.EACCES),
        (_RETURN, "", "", _ALLOW),
        (_RETURN, "", "", _ERROR | errno.EPERM),
    ]
    places = {"foreign": len(calls) - 1, "allowed": len(calls) - 2}
    return b"".join(
        # A jump counts from the instruction after it; "" goes on there.
        struct.pack("=HBBI", code, *(places[to] - at - 1 if to else 0 for to in (yes, no)), value)
        for at, (code, yes, no, value) in enumerate(calls)
    )


def _this_machine() -> Machine:
    if sys.platform != "linux":
        raise _NotPossible("only Linux can do this")
    machine = MACHINES.get(platform.machine())
    if machine is None or struct.calcsize("P") != 8 or sys.byteorder != "little":
        raise _NotPossible(f"this is not known for {platform.machine()} processors")
    return machine


class _Program(ctypes.Structure):
    """`struct sock_fprog`: a count of instructions, and where they lie."""

    _fields_ = (("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _install(instructions: bytes) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    # What the kernel asks of a user without privileges: no program may regain them by being run.
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise _NotPossible(f"no_new_privs is refused here ({os.strerror(ctypes.get_errno())})")
    whole = _Program(len(instructions) // 8, instructions)
    call = ctypes.c_long(_this_machine().filter)
    failed = 0
    for flags in (_ALL_THREADS | _AS_FAST_AS_BEFORE, _ALL_THREADS):
        failed = library.syscall(
            call, ctypes.c_long(_SECCOMP_SET_MODE_FILTER), ctypes.c_long(flags), ctypes.byref(whole)
        )
        if not failed:
            return
    if failed > 0:
        raise _NotPossible("a thread of this program has a filter of its own")
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL):
        raise _NotPossible("this kernel has no seccomp filters")
    raise _NotPossible(f"a seccomp filter is not permitted here ({os.strerror(number)})")


def _is_refused() -> bool:
    """Try it: emulators of other processors take a filter and forget it."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_UDP).close()
        except PermissionError:
            continue
        except OSError:
            continue  # a kernel without this kind of network
        return False
    return True


def _close_internet_sockets(keep: Collection[int]) -> list[int]:
    """Put nothing in the place of sockets that reach out; return the standard streams among them.

    keep: those that stay if they are on loopback.

    Whoever started this program may have left it a connection by mistake. A standard stream was
    given on purpose, and without it there would be nobody to talk to.
    """
    kept: list[int] = []
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):
        if not _reaches_out(number) or (number in keep and _on_loopback(number)):
            continue
        if number <= 2:
            kept.append(number)
        else:
            # Not closed: the number would go to the next file, and its holder would write there.
            os.dup2(nothing, number, inheritable=False)
            logging.getLogger(__name__).info("an internet socket, %d, was taken away", number)
    os.close(nothing)
    return kept


def _reaches_out(number: int) -> bool:
    try:
        if not os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
            return False
        copy = os.dup(number)
    except OSError:
        return False  # it was the listing's own, and is gone
    with contextlib.closing(socket.socket(fileno=copy)) as found:
        domain = found.getsockopt(socket.SOL_SOCKET, _SO_DOMAIN)
    return domain not in (_AF_UNIX, _AF_NETLINK)


def _on_loopback(number: int) -> bool:
    """Whether a socket listens or is connected within this machine alone."""
    with contextlib.closing(socket.socket(fileno=os.dup(number))) as found:
        address = ipaddress.ip_address(found.getsockname()[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _wake_graphics_card() -> None:
    """Have NVIDIA's driver make its device file, if it has not yet.

    Its library does that at the first use, through a program that needs privileges, and the filter
    denies those for good: the card would not be found.
    """
    waker = shutil.which("nvidia-modprobe")
    if waker is not None and not Path("/dev/nvidia-uvm").exists():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run([waker, "-u", "-c=0"], capture_output=True, timeout=5.0)
