"""The server of the settings: whether it may be asked, for what, and how that is said."""

from dataclasses import dataclass

from assistant.errors import SettingsError
from assistant.inference import server_link
from assistant.inference.server_address import ServerAddress, parse_address
from assistant.inference.server_link import Link
from assistant.inference.server_model import FINDING, Server, ServerTextModel, ServerVisionModel
from assistant.inference.server_wire import Limits
from assistant.settings.settings import Settings

DOCTOR_LIMITS = Limits(connect_s=1.5, first_s=2.5)
"""Less than a probe may take."""


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server that answers instead of the models of this machine.

    pictures, texts: what answers about them; None where the models of this machine do.
    notice:          that it is on, as it is said aloud at every start.
    """

    pictures: ServerVisionModel | None
    texts: ServerTextModel | None
    notice: str
    _server: Server
    _link: Link

    def find(self, limits: Limits = FINDING) -> str:
        """Call it; return the name of its model, as far as that is known.

        Raises:
            VisionError: it does not answer as it should.
        """
        self._server.find(limits)
        return self._server.name

    def close(self) -> None:
        """Call it no more."""
        self._link.close()


def may_ask(settings: Settings) -> bool:
    """True if the settings name a server, and it is this computer or may be another one."""
    typed = settings.server_address.strip()
    return bool(typed) and (settings.server_elsewhere or parse_address(typed).is_here)


def own_server(settings: Settings, *, for_pictures: bool = True) -> OwnServer | None:
    """The server of the settings, or None where there is none or nothing to ask it.

    To be asked for before internet sockets are given up: it starts what may still call.

    for_pictures: False where another model was chosen for them.

    Raises:
        SettingsError: it is on another computer, and the settings do not allow that.
    """
    if not settings.server_address.strip():
        return None
    address = parse_address(settings.server_address)
    if not may_ask(settings):
        raise SettingsError(
            f"the server at {address.named} is another computer and is not asked: models of this "
            "one answer",
            "to send your pictures and texts there, set server.elsewhere to true",
        )
    asked = settings.server_answers
    pictures, texts = asked != "texts" and for_pictures, asked != "pictures"
    if not pictures and not texts:
        return None
    link = server_link.keep(address, settings.server_address.strip())
    server = Server(link, settings.server_model.strip())
    return OwnServer(
        ServerVisionModel(server) if pictures else None,
        ServerTextModel(server) if texts else None,
        notice(address, pictures=pictures, texts=texts),
        server,
        link,
    )


def notice(address: ServerAddress, *, pictures: bool, texts: bool) -> str:
    """That a server answers, and what is sent where."""
    about = "pictures and texts" if pictures and texts else "pictures" if pictures else "texts"
    said = f"Answers about {about} come from the server at {address.named}."
    if address.is_here:
        return said
    return f"{said} It is another computer: your {about} are sent there."
