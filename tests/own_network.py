"""Run a program in a network of its own whose only way out is counted; Linux only.

    unshare --net python tests/own_network.py REPORT COMMAND...

All that the kernel would send to another machine goes into a tunnel whose other end is held here,
and nowhere else. Written to REPORT: a line "counted", and the address of every packet that came.
Where no tunnel can be made, the network has no way out at all and the report says "not counted".
IPv6 has none in either case; who tries it is seen by strace.
"""

import ctypes
import fcntl
import ipaddress
import os
import select
import socket
import struct
import subprocess
import sys
import threading

TUNSETIFF, TUN, WITHOUT_HEADER = 0x400454CA, 1, 0x1000
SIOCADDRT, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x890B, 0x8914, 0x8916, 0x891C
UP, ROUTE_UP = 0x1, 0x1
NAME = b"out"
ICMPV6, HOP_BY_HOP = 58, 0


def main() -> int:
    """Make the network, run the command in it, and report; its exit code is ours."""
    report, *command = sys.argv[1:]
    found: list[str] = []
    tunnel = make_network()
    ended, ends = os.pipe()
    watcher = threading.Thread(target=watch, args=(tunnel, ended, found))
    if tunnel is not None:
        watcher.start()
    process = subprocess.Popen(command)
    code = process.wait()
    os.write(ends, b"x")
    if tunnel is not None:
        watcher.join()
    with open(report, "w") as file:
        print("not counted" if tunnel is None else "counted", *found, sep="\n", file=file)
    return code if code >= 0 else 128 - code


def make_network() -> int | None:
    """Bring loopback up, and a tunnel with all routes; return its end, or None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four:
        fcntl.ioctl(four, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", UP))
        try:
            tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH22x", NAME, TUN | WITHOUT_HEADER))
        except OSError:
            return None
        for order, address in ((SIOCSIFADDR, "192.0.2.77"), (SIOCSIFNETMASK, "255.255.255.0")):
            fcntl.ioctl(four, order, struct.pack("16s16s8x", NAME, _address(address)))
        fcntl.ioctl(four, SIOCSIFFLAGS, struct.pack("16sh22x", NAME, UP))
        name = ctypes.create_string_buffer(NAME)
        route = struct.pack(
            "@L16s16s16sHhLPchPLLH", 0, _address("0.0.0.0"), bytes(16), _address("0.0.0.0"),
            ROUTE_UP, 0, 0, 0, b"\0", 0, ctypes.addressof(name), 0, 0, 0,
        )  # fmt: skip
        fcntl.ioctl(four, SIOCADDRT, route)
    return tunnel


def watch(tunnel: int | None, ended: int, found: list[str]) -> None:
    """Note where each packet was to go, until the program has ended and all are read."""
    assert tunnel is not None
    while True:
        ready, _, _ = select.select([tunnel, ended], [], [])
        if tunnel in ready:
            packet = os.read(tunnel, 65536)
            if packet[0] >> 4 == 4:
                found.append(str(ipaddress.ip_address(packet[16:20])))
            elif packet[6] not in (ICMPV6, HOP_BY_HOP):  # what the kernel itself says to routers
                found.append(str(ipaddress.ip_address(packet[24:40])))
        else:
            return


def _address(text: str) -> bytes:
    return struct.pack("=H", socket.AF_INET) + bytes(2) + socket.inet_aton(text) + bytes(8)


if __name__ == "__main__":
    sys.exit(main())
