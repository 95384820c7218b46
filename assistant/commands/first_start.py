"""What is offered at a first start, once the user has chosen how to be spoken to."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from assistant.models_store.offer import offer_of_this_machine

LOOK_S = 0.3
"""How often it is looked whether the user has chosen."""


class Choosing(Protocol):
    """The session, as far as an offer needs it."""

    @property
    def running(self) -> bool:
        """False once it ends."""
        ...

    @property
    def choosing(self) -> bool:
        """True while the first question has no answer."""
        ...

    def report(self, text: str) -> None:
        """Say something about the program, the first time only."""
        ...


def offer_pictures(
    session: Choosing,
    find: Callable[[], str] = offer_of_this_machine,
    wait: Callable[[float], None] = time.sleep,
) -> threading.Thread:
    """Tell which picture model could be pulled, behind the answer to the first question.

    Beside the conversation: the driver of a card may take seconds. Nothing is pulled.

    find: gives the offer, "" for none.
    """

    def offer() -> None:
        offered = find()
        while offered and session.running and session.choosing:
            wait(LOOK_S)
        if offered and session.running:
            session.report(f"{offered[0].upper()}{offered[1:]}")

    thread = threading.Thread(target=offer, name="offer", daemon=True)
    thread.start()
    return thread
