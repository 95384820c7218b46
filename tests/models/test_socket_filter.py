"""The right to internet sockets is gone for good, for native code and all threads, and only that.

The filter cannot be lifted, so every test that installs it does so in a process of its own.
"""

import errno
import os
import platform
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from models import socket_filter
from models.socket_filter import MACHINES, Offline, give_up_internet, program

REFUSED_EACCES, REFUSED_EPERM, ALLOWED = 0x50000 | 13, 0x50000 | 1, 0x7FFF0000

# Numbers of calls, from the tables of Linux for each machine (arch/x86/entry/syscalls and
# include/uapi/asm-generic/unistd.h), not from the code that is tested.
X86_64 = {"audit": 0xC000003E, "read": 0, "connect": 42, "socket": 41, "socketpair": 53}
AARCH64 = {"audit": 0xC00000B7, "read": 63, "connect": 203, "socket": 198, "socketpair": 199}
I386_AUDIT, I386_SOCKET, I386_SOCKETCALL = 0x40000003, 359, 102
ARM_AUDIT = 0x40000028


def judge(instructions: bytes, audit: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel would: a plain interpreter of the four instructions it has."""
    padded = [argument % 2**64 for argument in (*arguments, 0, 0, 0, 0, 0, 0)][:6]
    data = struct.pack("<IIQ6Q", number % 2**32, audit, 0, *padded)
    code = list(struct.iter_unpack("<HBBI", instructions))
    accumulator, at = 0, 0
    for _ in range(len(code)):
        operation, if_true, if_false, value = code[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x15:
            at += if_true if accumulator == value else if_false
        elif operation == 0x35:
            at += if_true if accumulator >= value else if_false
        else:
            assert operation == 0x06
            return int(value)
    raise AssertionError("the filter does not end")


@pytest.mark.parametrize(("machine", "numbers"), [("x86_64", X86_64), ("aarch64", AARCH64)])
def test_what_the_filter_says(machine: str, numbers: dict[str, int]) -> None:
    code, audit = program(MACHINES[machine]), numbers["audit"]
    for family in range(-1, 60):
        expected = ALLOWED if family in (socket.AF_UNIX, 16) else REFUSED_EACCES
        assert judge(code, audit, numbers["socket"], family, 1, 0) == expected, family
    # The kernel takes an int: what stands in the upper half changes nothing.
    assert judge(code, audit, numbers["socket"], (5 << 32) | 2) == REFUSED_EACCES
    assert judge(code, audit, numbers["socket"], (2 << 32) | 1) == ALLOWED
    for name in ("read", "connect", "socketpair"):
        assert judge(code, audit, numbers[name], 2, 1, 0) == ALLOWED
    for ring in (425, 426, 427):
        assert judge(code, audit, ring, 8) == REFUSED_EPERM
    assert judge(code, audit, 424) == judge(code, audit, 428) == ALLOWED
    # The second numbers of x86_64, and the calls of 32-bit programs.
    for number in (numbers["socket"], numbers["read"], numbers["socketpair"]):
        assert judge(code, audit, 0x40000000 + number, 1) == REFUSED_EPERM
    for foreign in (I386_AUDIT, ARM_AUDIT, 0):
        for number in (I386_SOCKET, I386_SOCKETCALL, numbers["socket"], numbers["read"]):
            assert judge(code, foreign, number, 1) == REFUSED_EPERM


def test_one_machines_calls_are_foreign_to_the_other() -> None:
    for code, other in (("x86_64", AARCH64), ("aarch64", X86_64)):
        assert judge(program(MACHINES[code]), other["audit"], other["read"]) == REFUSED_EPERM


@pytest.fixture(scope="module")
def permitted() -> None:
    """A machine on which the filter can be installed; without, the test is skipped."""
    done = run("print(give_up_internet().why_not)")
    if done.strip():
        pytest.skip(f"not possible here: {done.strip()}")


START = """
import ctypes, errno, os, socket, struct, subprocess, sys, threading
from pathlib import Path
from models.socket_filter import Offline, give_up_internet
libc = ctypes.CDLL(None, use_errno=True)

def native(family, kind=1):
    number = libc.socket(family, kind, 0)
    return errno.errorcode[ctypes.get_errno()] if number < 0 else "open"
"""


def run(script: str, *arguments: str, pass_fds: tuple[int, ...] = (), **options: object) -> str:
    """Run a script in a process of its own; fails if it does, returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", START + script, *arguments],
        capture_output=True,
        text=True,
        pass_fds=pass_fds,
        timeout=60,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_native_code_gets_no_internet_socket_and_unix_sockets_go_on(permitted: None) -> None:
    said = run("""
assert native(2) == native(10) == "open"
assert give_up_internet() == Offline(True)
for family in (2, 10):
    for kind in (1, 2, 3):
        assert native(family, kind) == "EACCES", (family, kind)
for family in (0, 17, 31, 38, 40, 44):  # raw packets, Bluetooth, ciphers, hypervisors, XDP
    assert native(family, 3) == "EACCES", family
assert native(1) == native(16, 3) == "open"  # Unix, netlink
one, other = socket.socketpair()
one.send(b"pair")
assert other.recv(9) == b"pair"
try:
    socket.create_connection(("127.0.0.1", 9))
except PermissionError:
    print("loopback too")
""")
    assert said == "loopback too\n"


def test_every_thread_is_held_also_those_of_native_libraries(permitted: None) -> None:
    said = run("""
# Whoever runs the tests may have asked for one thread.
os.environ.pop("OMP_NUM_THREADS", None)
from assistant.seeing.ocr import RapidOcrReader
import vosk
go, found = threading.Event(), []

def late():
    go.wait()
    found.append(native(2))

thread = threading.Thread(target=late)
thread.start()
reader = RapidOcrReader(threads=2)
reader.load()
before = len(os.listdir("/proc/self/task"))
assert give_up_internet() == Offline(True)
go.set()
thread.join()
assert found == ["EACCES"]
for task in Path("/proc/self/task").iterdir():
    try:
        status = (task / "status").read_text()
    except FileNotFoundError:
        continue  # a thread that has just ended
    assert "Seccomp:\\t2" in status and "NoNewPrivs:\\t1" in status, status
print(before)
""")
    assert int(said) >= 4, "no native threads were there to be held"


CALLER = """
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
int call_home(void) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(443)};
    inet_pton(AF_INET, "127.0.0.1", &there.sin_addr);
    int number = socket(AF_INET, SOCK_STREAM, 0);
    if (number < 0) return errno;
    return connect(number, (struct sockaddr *)&there, sizeof there) ? errno : 0;
}
"""


def test_a_librarys_own_call_is_refused(permitted: None, tmp_path: Path) -> None:
    """A library in C that calls home when it is asked to, loaded before and after."""
    compiled = subprocess.run(
        ["sh", "-c", f"cc -shared -fPIC -x c -o {tmp_path}/home.so -"],
        input=CALLER.encode(),
        capture_output=True,
    )
    if compiled.returncode:
        pytest.skip("there is no C compiler")
    said = run(
        """
library = ctypes.CDLL(sys.argv[1])
before = library.call_home()
give_up_internet()
print(errno.errorcode[before], errno.errorcode[library.call_home()])
""",
        f"{tmp_path}/home.so",
    )
    assert said == "ECONNREFUSED EACCES\n"


def test_programs_that_it_starts_are_held_too(permitted: None) -> None:
    said = run("""
give_up_internet()
child = "import socket; socket.socket()"
grandchild = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', '{child}']))"
done = subprocess.run([sys.executable, "-c", grandchild], capture_output=True, text=True)
print(done.returncode, done.stderr.strip().splitlines()[-1])
""")
    assert said == "1 PermissionError: [Errno 13] Permission denied\n"


def test_rings_and_foreign_calls_are_refused(permitted: None) -> None:
    said = run("""
give_up_internet()
def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    return errno.errorcode[ctypes.get_errno()] if result < 0 else result
print(*(call(number, 8, ctypes.create_string_buffer(256)) for number in (425, 426, 427)))
print(call(0x40000000 + 41, 2, 1, 0))
""")
    assert said == "EPERM EPERM EPERM\nEPERM\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs an x86_64 processor")
def test_the_32_bit_door_is_shut(permitted: None) -> None:
    """`int 0x80` reaches the calls of i386 from a 64-bit program, among them `socket`."""
    said = run("""
import mmap
code = bytes.fromhex("53 b867010000 bb02000000 b901000000 31d2 cd80 5b c3")  # socket(2, 1, 0)
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
place = ctypes.addressof(ctypes.c_char.from_buffer(page))
door = ctypes.CFUNCTYPE(ctypes.c_int)(place)
before = door()
give_up_internet()
print(before, door(), flush=True)
os._exit(0)
""")
    before, after = map(int, said.split())
    if before < 0:
        pytest.skip("this kernel runs no 32-bit programs")
    assert after == -errno.EPERM


def test_connections_within_the_machine_stay_if_asked(permitted: None) -> None:
    said = run("""
server = socket.create_server(("127.0.0.1", 0))
near = socket.create_connection(server.getsockname())
there, _ = server.accept()
mapped = socket.socket(socket.AF_INET6)
mapped.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
mapped.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
unasked = socket.create_connection(server.getsockname())
wide = socket.create_server(("0.0.0.0", 0))
keep = {each.fileno() for each in (near, there, mapped, wide)}
assert give_up_internet(keep=keep) == Offline(True)
near.send(b"x")
assert there.recv(1) == b"x"
for each in (near, there, mapped, unasked, wide, server):
    print(os.readlink(f"/proc/self/fd/{each.fileno()}").partition(":")[0], end=" ")
print(native(socket.AF_INET))
""")
    assert said == "socket socket socket /dev/null /dev/null /dev/null EACCES\n"


def test_a_connection_that_was_left_open_is_taken_away(permitted: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as left:
            number = left.fileno()
            there, _ = server.accept()
            said = run(
                """
number = int(sys.argv[1])
one, other = socket.socketpair()
assert give_up_internet() == Offline(True)
os.write(number, b"a secret")
print(os.readlink(f"/proc/self/fd/{number}"), os.get_inheritable(number))
one.send(b"x")
assert other.recv(1) == b"x"
""",
                str(number),
                pass_fds=(number,),
            )
        with there:
            assert there.recv(99) == b"", "what was written came through"
    assert said == "/dev/null False\n"


def test_a_standard_stream_stays_and_is_told(permitted: None) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
    ):
        done = subprocess.run(
            [sys.executable, "-c", START + "print(give_up_internet().why_not, flush=True)"],
            stdin=ours,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert done.stdout == "input of this program, as it was started, is a network connection\n"


def test_twice_is_as_good_as_once(permitted: None) -> None:
    assert run("give_up_internet(); print(give_up_internet())") == f"{Offline(True)}\n"


FORBID_FILTERS = """
import platform
from models import socket_filter
number = socket_filter.MACHINES[platform.machine()].filter
code = struct.pack("=HBBIHBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, number,
                   0x06, 0, 0, 0x50000 | int(sys.argv[1]), 0x06, 0, 0, 0x7fff0000)
socket_filter._install(code)
print(give_up_internet().why_not, native(2))
"""


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EPERM, "a seccomp filter is not permitted here (Operation not permitted)"),
        (errno.ENOSYS, "this kernel has no seccomp filters"),
        (errno.EINVAL, "this kernel has no seccomp filters"),
    ],
)
def test_where_it_is_forbidden_that_is_said_and_nothing_changes(
    permitted: None, number: int, why: str
) -> None:
    assert run(FORBID_FILTERS, str(number)) == f"{why} open\n"


def test_other_systems_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_filter, "_wake_graphics_card", lambda: None)
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert give_up_internet() == Offline(False, "this is not known for riscv64 processors")
    for system in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        assert give_up_internet() == Offline(False, "only Linux can do this")


def test_a_filter_that_is_taken_and_not_applied_is_not_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket_filter, "_wake_graphics_card", lambda: None)
    monkeypatch.setattr(socket_filter, "_this_machine", lambda: MACHINES["x86_64"])
    monkeypatch.setattr(socket_filter, "_install", lambda code: None)
    assert give_up_internet() == Offline(False, "the kernel took the filter and does not apply it")


def test_a_sleeping_graphics_card_is_woken_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waker = tmp_path / "nvidia-modprobe"
    waker.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/woken\n')
    waker.chmod(0o700)
    if Path("/dev/nvidia-uvm").exists():
        pytest.skip("the card of this machine is awake")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    socket_filter._wake_graphics_card()
    assert (tmp_path / "woken").read_text() == "-u -c=0\n"
