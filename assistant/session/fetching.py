"""Models that are offered in a conversation, and pulled beside it after a yes, never before."""

import math
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from assistant.pull_progress import STOPPED, Progress
from assistant.session.port import Port

KEYS = ("1", "2")
"""Yes and no, by one key each."""

HOW = "Press 1 or say yes to get it, 2 or no to leave it."
STILL_OPEN = "One question is still open: shall I get {0}? Press 1 or say yes, 2 or no."
"""The offer in short, once behind what was asked before its answer."""

BEGUN = "I get {0} now; go on as usual. To stop it, press stop twice while nothing is said."
LATER = "{0} comes behind {1}."
OTHER_SOURCE = "{0}: one source does not bring it; I try the next."
IMPORTING = "{0} has come; I make it ready, which takes some minutes."
DONE = "{0} is here; I use it from now on."
FAILED = "{0} did not come: {1}. The command assistant doctor offers it again."
HAS_STOPPED = "{0} is not got any further; what has come is kept for the next time."
STILL = "{0} is still coming, {1} percent are here. To stop that, press stop again."

TOLD_AT = (0.25, 0.5, 0.75)
"""Shares of a download that are spoken of; more would only disturb."""

AGAIN_WITHIN_S = 20.0
"""How soon a second stop means the download; the first is answered by a sentence of half of it."""


class Offer(Protocol):
    """A model that can be pulled."""

    @property
    def key(self) -> str:
        """Its name in the catalog."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def without(self) -> str:
        """What can be done without it, in one or two sentences."""
        ...

    def words(self) -> str:
        """What for, size, licence and time, in one sentence."""
        ...


class Pulling(Protocol):
    """What pulls one model at a time."""

    def pull(self, name: str, told: Callable[[Progress], None]) -> None:
        """Begin; `told` is called from another thread, the last time with an end."""
        ...

    def stop(self) -> None:
        """End what is being pulled."""
        ...

    def close(self) -> None:
        """Nothing more is pulled; whoever may go online ends. May take a moment."""
        ...


class Fetching:
    """Owned by the session's thread."""

    def __init__(
        self,
        port: Port,
        *,
        decline: Callable[[], None],
        post: Callable[[Callable[[], None]], None],
        clock: Callable[[], float],
        is_at_rest: Callable[[], bool],
    ) -> None:
        """decline: remembers that the user wants no offers; post, clock: as in `Session`.

        is_at_rest: False while the user speaks or waits for something.
        """
        self._port, self._decline, self._post, self._clock = port, decline, post, clock
        self._is_at_rest = is_at_rest
        self._puller: Pulling | None = None
        self._open: Offer | None = None
        self._is_behind = self._is_reminded = False
        """Whether something was asked since the offer was said, and whether it was said again."""
        self._waiting: list[Offer] = []
        """What is offered next."""
        self._running: Offer | None = None
        self._wanted: list[Offer] = []
        """What is pulled next."""
        self._share = 0.0
        self._told_at: tuple[float, ...] = ()
        self._asked_to_stop_s = -math.inf

    def offer(self, offers: Sequence[Offer], puller: Pulling) -> None:
        """Offer models, one after the other."""
        self._puller, self._waiting = puller, list(offers)
        self._offer_next()

    @property
    def is_open(self) -> bool:
        """True while an offer waits for its answer."""
        return self._open is not None

    @property
    def is_last(self) -> bool:
        """True while the offer that is open is the last thing that was asked."""
        return self._open is not None and not self._is_behind

    def ask_again(self, *, in_short: bool = False) -> None:
        """Say the offer that is open once more."""
        if self._open is not None:
            self._is_behind = False
            said = STILL_OPEN.format(self._open.name)
            self._port.ask(said if in_short else f"{self._open.words()} {HOW}")

    def leave_open(self) -> None:
        """The user does something else first: that is no answer, and the offer waits for one."""
        self._is_behind = self._open is not None

    def remind(self) -> None:
        """Say once, in short, that the offer waits, if something else was done meanwhile."""
        if self._is_behind and not self._is_reminded:
            self._is_reminded = True
            self.ask_again(in_short=True)

    def yes(self) -> None:
        """Pull what is offered."""
        offer, self._open = self._open, None
        assert offer is not None, "asked only where `is_open`"
        self._wanted.append(offer)
        if self._running is None:
            self._pull_next()
        else:
            self._port.say(LATER.format(offer.name, self._running.name))
        self._offer_next()

    def no(self) -> None:
        """Leave what is offered and what would be offered next, and remember it."""
        offer, self._open, self._waiting = self._open, None, []
        assert offer is not None, "asked only where `is_open`"
        self._decline()
        self._port.say(offer.without)
        self._end_if_done()

    def stop_or_ask(self) -> None:
        """The user said stop while nothing else was there to be stopped."""
        if self._running is None or self._puller is None:
            return
        if self._clock() - self._asked_to_stop_s <= AGAIN_WITHIN_S:
            self._wanted.clear()
            self._puller.stop()
        else:
            self._asked_to_stop_s = self._clock()
            self._port.say(STILL.format(self._running.name, int(100 * self._share)))

    def _offer_next(self) -> None:
        if self._waiting:
            self._open = self._waiting.pop(0)
            self._is_reminded = False
            self.ask_again()
        self._end_if_done()

    def _end_if_done(self) -> None:
        """Keep nobody who may go online longer than there is something to pull."""
        puller = self._puller
        if puller is None or self._open or self._waiting or self._running or self._wanted:
            return
        self._puller = None
        threading.Thread(target=puller.close, name="puller's end", daemon=True).start()

    def _pull_next(self) -> None:
        if not self._wanted or self._puller is None:
            return
        self._running = offer = self._wanted.pop(0)
        self._share, self._told_at, self._asked_to_stop_s = 0.0, TOLD_AT, -math.inf
        self._port.say(BEGUN.format(offer.name))
        self._puller.pull(
            offer.key, lambda progress: self._post(lambda: self._told(offer, progress))
        )

    def _told(self, offer: Offer, progress: Progress) -> None:
        if progress.share is not None:
            self._tell_share(offer, progress.share)
        elif progress.remark:
            # Which source, and why it fails, is for who reads lines: it holds an address.
            self._port.say(OTHER_SOURCE.format(offer.name))
        elif progress.importing:
            self._port.say(IMPORTING.format(offer.name))
        else:
            self._running = None
            if progress.is_done:
                self._port.say(DONE.format(offer.name))
            elif progress.failed == STOPPED:
                self._port.say(HAS_STOPPED.format(offer.name))
            else:
                self._port.fail(FAILED.format(offer.name, progress.failed.rstrip(".")))
            self._pull_next()
            self._end_if_done()

    def _tell_share(self, offer: Offer, share: float) -> None:
        self._share = share
        if not self._is_at_rest():
            return  # the next line tells it
        passed = [each for each in self._told_at if each <= share]
        if passed and share < 1:
            self._port.say(f"{offer.name}: {int(100 * share)} percent are here.")
        self._told_at = self._told_at[len(passed) :]
