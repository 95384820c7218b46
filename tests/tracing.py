"""What a program and all its processes ask of the kernel: addresses it calls, files it writes.

strace sees every thread and every process, also native code that Python knows nothing of. Counted
is what is tried, whether or not it succeeds.
"""

import functools
import ipaddress
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OWN_NETWORK = Path(__file__).with_name("own_network.py")
UNHELD = Path(__file__).with_name("unheld.py")

# The calls that name an address or open a socket, and the one that could do both unseen.
_NETWORK = "connect,bind,sendto,sendmsg,sendmmsg,io_uring_setup,socket"
_NOT_FILES = (*_NETWORK.split(","), "seccomp")
# Those that one machine lacks (open, on arm64) are left out there.
_FILES = "?open,openat,?openat2,?creat,?mkdir,mkdirat,?rename,?renameat,renameat2,symlinkat,?mknod"

_CALL = re.compile(r"^\d+ +(?P<name>\w+)\(")
_ADDRESS = re.compile(
    r"sa_family=AF_INET6?, sin6?_port=htons\((?P<port>\d+)\)"
    r"(?:, sin_addr=inet_addr\(\"(?P<four>[^\"]+)\"\)"
    r"|.*?inet_pton\(AF_INET6, \"(?P<six>[^\"]+)\")"
)
_REFUSED = re.compile(r"\bsocket\((?P<what>AF_(?!UNIX|NETLINK)\w+, .*)\) += -1 E(?:ACCES|PERM)\b")
_FILTERED = re.compile(r"\bseccomp\(SECCOMP_SET_MODE_FILTER, .*\) += 0$")
# What asks for a socket without wanting one: the filter's own test, and urllib3 when it is
# imported, which looks whether this machine has IPv6.
_HARMLESS = (
    "AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_UDP",
    "AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_UDP",
    "AF_INET6, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP",
)
_UNIX = re.compile(r"sa_family=AF_UNIX, sun_path=@?\"(?P<path>[^\"]*)\"")
_PLACE = re.compile(r"(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?\"(?P<path>[^\"]*)\"")
_WRITES = re.compile(r"\bO_(?:CREAT|WRONLY|RDWR|TMPFILE)\b")
# The system's own services that look names up, or call out of the machine, for a program.
# Not nscd: it is asked for the user's own name, too, and where none runs, glibc tries it first.
_RESOLVERS = ("/resolve/", "/avahi-daemon/")
_NAME_SERVICE_PORTS = (53, 853)


@dataclass(frozen=True, slots=True)
class Call:
    """An address that a system call named.

    address: of the internet, or the path of a Unix socket.
    port:    0 for a Unix socket.
    """

    name: str
    address: str
    port: int

    def leaves(self) -> bool:
        """True for an address other than loopback, and for a question to a name service."""
        if self.name == "io_uring_setup":
            return True  # what is sent through such a ring is seen by nobody
        if self.address.startswith("/"):
            return any(part in self.address for part in _RESOLVERS)
        if self.port in _NAME_SERVICE_PORTS:
            return True  # a resolver on this machine sends the name on
        address = ipaddress.ip_address(self.address)
        four = getattr(address, "ipv4_mapped", None)
        return not (four or address).is_loopback


@dataclass(frozen=True, slots=True)
class Traced:
    """How a traced program ended, what it printed, and what it asked of the kernel.

    written: absolute paths that were opened for writing, made, or renamed.
    refused: sockets that the kernel did not give, as strace writes them.
    filters: how often a process gave the right to internet sockets up.
    packets: addresses to which the kernel would have sent a packet; None if none were counted.
    """

    code: int
    out: str
    error: str
    calls: tuple[Call, ...]
    written: frozenset[Path]
    refused: tuple[str, ...]
    filters: int
    packets: tuple[str, ...] | None

    def leaving(self) -> list[Call]:
        """The calls that leave this machine."""
        return [call for call in self.calls if call.leaves()]

    def tried(self) -> list[str]:
        """Sockets that a library wanted and did not get: it would have left this machine."""
        return [what for what in self.refused if what not in _HARMLESS]


@functools.cache
def untraceable() -> str:
    """Why programs cannot be traced here; empty if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed; scripts/setup --test installs it on Debian and Ubuntu"
    done = subprocess.run([*_strace(), "-o", "/dev/null", "true"], capture_output=True, text=True)
    if done.returncode:
        return f"strace may not trace here: {done.stderr.strip()[-200:]}"
    return ""


def start_traced(
    command: Sequence[str | Path],
    folder: Path,
    *,
    environment: Mapping[str, str],
    work: Path,
    cut_off: bool,
    held: bool,
) -> subprocess.Popen[str]:
    """Start a program under strace, with a pipe for its input; `finish` ends it.

    folder:  where its calls and what it prints are written, as `calls`, `out`, `error`, and
        `packets` where they are counted.
    work:    the folder in which it starts.
    cut_off: in a network of its own, without any way out, where the kernel permits it; what fails
             a test is sent nowhere then. Servers of this machine cannot be reached either.
    held:    False for one that may not give internet sockets up: what its libraries do by
             themselves is seen then, and not what the kernel makes of it.
    """
    before: tuple[str, ...] = ()
    if cut_off and _own_network():
        before = (*_own_network(), sys.executable, str(OWN_NETWORK), str(folder / "packets"))
    # Calls that are refused by a filter are seen without the fast way only.
    strace = _strace() if held else _fast_strace() or _strace()
    if not held:
        command = (sys.executable, UNHELD, *command)
    with (folder / "out").open("w") as out, (folder / "error").open("w") as error:
        return subprocess.Popen(
            [*before, *strace, "-o", str(folder / "calls"), *map(str, command)],
            env=dict(environment),
            cwd=work,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=error,
            text=True,
            start_new_session=True,
        )


def finish(
    process: subprocess.Popen[str], folder: Path, *, work: Path, limit_s: float = 300.0
) -> Traced:
    """Close a program's input, wait for its end, and read what it did; folders as given before.

    Raises:
        subprocess.TimeoutExpired: it did not end; it is ended then.
    """
    try:
        process.communicate(timeout=limit_s)
    finally:
        if process.poll() is None:
            # strace alone could be ended, but what it watches would go on.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    calls: list[Call] = []
    written: set[Path] = set()
    refused: list[str] = []
    filters = 0
    for line in (folder / "calls").read_text(errors="surrogateescape").splitlines():
        calls += _calls(line)
        written |= _written(line, work)
        refused += [found["what"] for found in _REFUSED.finditer(line)]
        filters += bool(_FILTERED.search(line))
    out, error = ((folder / name).read_text(errors="replace") for name in ("out", "error"))
    return Traced(
        process.returncode, out, error, tuple(calls), frozenset(written), tuple(refused), filters,
        _packets(folder / "packets"),
    )  # fmt: skip


def _packets(report: Path) -> tuple[str, ...] | None:
    first, *addresses = report.read_text().split("\n") if report.exists() else [""]
    return tuple(filter(None, addresses)) if first == "counted" else None


def _strace() -> tuple[str, ...]:
    # Without abbreviations: of a list of messages only the first would be shown.
    return ("strace", "-f", "-y", "-s", "0", "-e", "abbrev=none", "-e", "signal=none",
            "-e", f"trace={_NETWORK},seccomp,{_FILES}")  # fmt: skip


@functools.cache
def _fast_strace() -> tuple[str, ...]:
    """Stops at the calls that count only; since strace 5.3, and empty before."""
    fast = (*_strace(), "--seccomp-bpf")
    done = subprocess.run([*fast, "-o", "/dev/null", "true"], capture_output=True)
    return () if done.returncode else fast


@functools.cache
def _own_network() -> tuple[str, ...]:
    for command in (("unshare", "--net"), ("unshare", "--net", "--map-root-user")):
        if (
            shutil.which("unshare")
            and not subprocess.run([*command, "true"], capture_output=True).returncode
        ):
            return command
    return ()


def _calls(line: str) -> list[Call]:
    called = _CALL.match(line)
    if called is None:
        return []
    name = called["name"]
    if name == "io_uring_setup":
        return [Call(name, "0.0.0.0", 0)]
    if name not in _NETWORK.split(","):
        return []
    found = [
        Call(name, found["four"] or found["six"], int(found["port"]))
        for found in _ADDRESS.finditer(line)
    ]
    return found + [Call(name, found["path"], 0) for found in _UNIX.finditer(line)]


def _written(line: str, folder: Path) -> set[Path]:
    called = _CALL.match(line)
    if called is None or called["name"] in _NOT_FILES or " = -1 " in line:
        return set()
    if called["name"].startswith("open") and not _WRITES.search(line):
        return set()
    return {
        # A path that climbs out of a folder must not look as if it lay inside.
        Path(os.path.normpath(Path(place["folder"] or folder) / place["path"]))
        for place in _PLACE.finditer(line, called.end())
    }
