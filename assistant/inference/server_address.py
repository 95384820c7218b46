"""The address of a model server of the user's own: what it may be, and how it is named aloud."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from assistant.errors import SettingsError

LONGEST = 200
USUAL_PATH = "/v1"
"""Where such servers answer, if the address says nothing else."""

EXAMPLE = "http://127.0.0.1:8080"
ADDRESS_WORDS = f"an address such as {EXAMPLE}, without name and password"

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server answers.

    host: a name, or a number as the network takes it, without brackets.
    path: begins with a slash and does not end with one; what is asked for is joined to it.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_here(self) -> bool:
        """True if it can only be this computer: no name is looked up for it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def numbers(self) -> tuple[str, ...]:
        """What to connect to, in order; of another computer, its name as it stands."""
        return ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,)

    @property
    def named(self) -> str:
        """Host and port, as they are spoken and printed."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> ServerAddress:
    """Read an address as the user typed it.

    Raises:
        SettingsError: it is no address of a server, or holds what does not belong there.
    """
    stripped = text.strip()
    wrong = SettingsError("the address of the server is none", f"give {ADDRESS_WORDS}")
    if len(stripped) > LONGEST or not stripped.isascii() or not stripped.isprintable():
        raise wrong
    try:
        parts = urlsplit(stripped)
        port = parts.port
    except ValueError as error:
        raise wrong from error
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or port == 0 or not (_is_number(host) or _HOST.fullmatch(host)):
        raise wrong
    path = parts.path.rstrip("/")
    if "@" in parts.netloc or parts.query or parts.fragment or not _PATH.fullmatch(path):
        raise wrong
    return ServerAddress(parts.scheme, host, port or _PORTS[parts.scheme], path or USUAL_PATH)


def is_server_address(value: object) -> bool:
    """True for an address, and for "", which means that there is no server."""
    if not isinstance(value, str):
        return False
    try:
        return not value.strip() or parse_address(value) is not None
    except SettingsError:
        return False


def _is_number(host: str) -> bool:
    try:
        return ipaddress.ip_address(host) is not None
    except ValueError:
        return False
