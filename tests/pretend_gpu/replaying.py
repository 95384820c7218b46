"""What stands in for CUDA graphs where there are none: the same action, done again."""

from collections.abc import Callable

import torch


class Replaying:
    """Does an action several times, as before and while it is captured, and again at each replay.

    recorded, replayed: how often.
    """

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def takes(self, device: torch.device) -> bool:
        """Any device."""
        return True

    def record(self, action: Callable[[], None], device: torch.device) -> Callable[[], None]:
        """Give what does the action again."""
        self.recorded += 1
        for _ in range(4):
            action()

        def replay() -> None:
            self.replayed += 1
            action()

        return replay
