"""Models that fit the machine, offered line by line where there is a terminal, as in the doctor."""

import queue
import sys
from collections.abc import Callable, Sequence

from assistant.pull_progress import STOPPED, Progress
from assistant.session.fetching import (
    DONE,
    FAILED,
    HAS_STOPPED,
    IMPORTING,
    KEYS,
    Offer,
    Pulling,
)

HOW = "Type 1 to get it, 2 to leave it and not to be asked again, then Enter."
BEGUN = "I get {0} now. Ctrl+C stops it; the next time it goes on where it stopped."
NEITHER = "Nothing is pulled. The next doctor asks again."

TOLD_EVERY = 0.1
"""Of a download; who looks on in a terminal hears of it more often than who talks."""

_YES, _NO = (KEYS[0], "y", "yes"), (KEYS[1], "n", "no")


def on_terminal() -> bool:
    """True where a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def offer_by_line(
    offers: Sequence[Offer],
    puller: Pulling,
    *,
    ask: Callable[[], str],
    say: Callable[[str], None],
    decline: Callable[[], None],
) -> None:
    """Offer one model after the other, and pull at once what is wanted.

    ask:     gives the next line that is typed; raises EOFError where no more come.
    say:     shows a sentence.
    decline: remembers that the user wants no offers.
    """
    for offer in offers:
        say(f"{offer.words()} {HOW}")
        try:
            typed = ask().strip().lower()
        except EOFError:
            return
        if typed in _YES:
            _pull(offer, puller, say)
        elif typed in _NO:
            decline()
            say(offer.without)
            return
        else:
            say(NEITHER)


def _pull(offer: Offer, puller: Pulling, say: Callable[[str], None]) -> None:
    told: queue.Queue[Progress] = queue.Queue()
    next_share = TOLD_EVERY
    say(BEGUN.format(offer.name))
    puller.pull(offer.key, told.put)
    while True:
        progress = told.get()
        if progress.is_done:
            say(DONE.format(offer.name))
            return
        if progress.failed:
            stopped = progress.failed == STOPPED
            why = progress.failed.rstrip(".")
            say((HAS_STOPPED if stopped else FAILED).format(offer.name, why))
            return
        if progress.importing:
            say(IMPORTING.format(offer.name))
        elif progress.remark:
            say(progress.remark)
        elif progress.share is not None and progress.share >= next_share:
            next_share = progress.share + TOLD_EVERY
            say(f"{offer.name}: {int(100 * progress.share)} percent are here.")
