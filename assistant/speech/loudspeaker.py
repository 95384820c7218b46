"""A loudspeaker that may be missing, get lost and come back; each is reported once."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from assistant.audio import AudioClip
from assistant.errors import PlayerError
from assistant.speech.speaker import SpeechEvent, SpeechEventKind

LOOK_AGAIN_S = (1.0, 2.0, 3.0, 3.0, 3.0, 10.0, 30.0)
"""Pauses between attempts to find the device; the last is used from then on."""

_log = logging.getLogger(__name__)


class Player(Protocol):
    """What plays clips; see `assistant.devices.player`. Every method may raise PlayerError."""

    def start(self, clip: AudioClip, when_over: Callable[[], None] | None = None) -> None:
        """Play a clip and return at once; `when_over` is called on another thread."""
        ...

    def signal(self, clip: AudioClip) -> None:
        """Mix a short signal into whatever sounds."""
        ...

    def stop(self) -> None:
        """Fall silent at once, from any thread."""
        ...

    def pause(self) -> None:
        """Hold the speech."""
        ...

    def resume(self) -> None:
        """Let it go on."""
        ...

    def set_volume(self, percent: int) -> None:
        """Set the loudness of everything."""
        ...

    def check(self) -> None:
        """Raise PlayerError if the device was lost."""
        ...

    def find_again(self) -> None:
        """Look for a device after it was lost."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


class Loudspeaker:
    """Never raises: without a device its methods do nothing, and `plays` is False.

    One thread calls `tend`, `play` and `close`; any thread may call the others.
    """

    def __init__(
        self,
        open_player: Callable[[], Player],
        report: Callable[[SpeechEvent], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember how to open the device; `tend` opens it.

        open_player: makes a player, or raises PlayerError where there is no device now.
        report:      gets FAILED when sound is lost, and BACK when it works again.
        """
        self._open_player = open_player
        self._report = report
        self._clock = clock
        self._player: Player | None = None
        self._lost = False
        self._tries = 0
        self._look_at_s = clock()
        self._volume = 100

    @property
    def plays(self) -> bool:
        """True while there is a device."""
        return self._player is not None and not self._lost

    def tend(self) -> None:
        """Look after the device: is it still there, or back? Call it several times a second."""
        if self.plays:
            self._try(lambda player: player.check())
        elif self._clock() >= self._look_at_s:
            self._look()

    def play(self, clip: AudioClip, when_over: Callable[[], None]) -> bool:
        """Begin to play a clip; False if there is no sound."""
        return self._try(lambda player: player.start(clip, when_over))

    def signal(self, clip: AudioClip) -> None:
        """Mix a short signal into whatever sounds."""
        self._try(lambda player: player.signal(clip))

    def stop(self) -> None:
        """Fall silent at once."""
        self._try(lambda player: player.stop())

    def pause(self) -> None:
        """Hold the speech."""
        self._try(lambda player: player.pause())

    def resume(self) -> None:
        """Let it go on."""
        self._try(lambda player: player.resume())

    def set_volume(self, percent: int) -> None:
        """Set the loudness of everything, also of a device that comes later.

        Raises:
            PlayerError: outside 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise PlayerError(f"a volume of {percent} is not possible", "give 0 to 100")
        self._volume = percent
        self._try(lambda player: player.set_volume(percent))

    def close(self) -> None:
        """Give the device back."""
        if self._player is not None:
            self._player.close()

    def _look(self) -> None:
        try:
            if self._player is None:
                self._player = self._open_player()
            else:
                self._player.find_again()
            self._player.set_volume(self._volume)
        except PlayerError as error:
            self._miss(error)
            return
        if self._lost:
            self._lost = False
            self._report(SpeechEvent(SpeechEventKind.BACK, "Sound is back."))
        self._tries = 0

    def _try(self, action: Callable[[Player], None]) -> bool:
        player = self._player
        if player is None or self._lost:
            return False
        try:
            action(player)
        except PlayerError as error:
            self._miss(error)
            return False
        return True

    def _miss(self, error: PlayerError) -> None:
        pause_s = LOOK_AGAIN_S[min(self._tries, len(LOOK_AGAIN_S) - 1)]
        self._tries += 1
        self._look_at_s = self._clock() + pause_s
        if not self._lost:
            self._lost = True
            self._report(SpeechEvent(SpeechEventKind.FAILED, str(error)))
        else:
            _log.debug("still no loudspeaker: %s", error)
