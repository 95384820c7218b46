"""What is offered at a first start, once the user has chosen how to be spoken to."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from assistant.models_store.installed import installed_picture_model, is_half_pulled
from assistant.models_store.offer import (
    WITHOUT_PICTURES,
    Offered,
    offer_of_this_machine,
    offers,
)
from assistant.models_store.puller import Puller
from assistant.session.fetching import Offer, Pulling
from assistant.settings.settings import Settings
from models.catalog import known_models

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

    def offer(self, offers: Sequence[Offer], puller: Pulling) -> None:
        """Offer models, which are pulled after a yes."""
        ...


def may_offer(settings: Settings) -> bool:
    """True at a first start, and where a pull was begun, unless the user wants no offers."""
    begun = any(is_half_pulled(model.name) for model in known_models())
    return settings.models_offer == "ask" and (settings.speech_mode == "ask" or begun)


def instead_of_an_offer() -> str:
    """What is said where no key can pull anything: a command, or what works without a model."""
    offered = offer_of_this_machine()
    if offered:
        return f"{offered[0].upper()}{offered[1:]}"
    return WITHOUT_PICTURES if installed_picture_model() is None else ""


def offer_models(
    session: Choosing,
    puller: Puller,
    *,
    pictures: bool = True,
    texts: bool = True,
    only_begun: bool = False,
    find: Callable[..., Sequence[Offered]] = offers,
    instead: Callable[[], str] = instead_of_an_offer,
    wait: Callable[[float], None] = time.sleep,
) -> threading.Thread:
    """Offer what could be pulled, behind the answer to the first question.

    Beside the conversation: the driver of a card may take seconds. Nothing is pulled without a yes;
    where nothing is offered, nobody may go online any longer.

    pictures, texts: False where another model was chosen for them.
    only_begun:      True at a later start, where only what has half come is offered again.
    find:            gives what can be offered; see `offer.offers`.
    instead:         gives what is said where no picture model can be, or "".
    """

    def offer() -> None:
        found = find(pictures=pictures, texts=texts)
        if only_begun:
            found = [each for each in found if is_half_pulled(each.key)]
        text = instead() if pictures and not only_begun and not found else ""
        if not found:
            puller.close()
        while session.running and session.choosing:
            wait(LOOK_S)
        if not session.running:
            return
        if found:
            session.offer(found, puller)
        elif text:
            session.report(text)

    thread = threading.Thread(target=offer, name="offer", daemon=True)
    thread.start()
    return thread
