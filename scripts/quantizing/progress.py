"""How far a run is and how long it still takes, in lines that are read aloud."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from quantizer.run.progress import count_finished
from quantizing.needs import duration

FIRST_S, NEXT_S = 10.0, 60.0
"""When a run is first spoken of, and how often then."""


MOST_WARNINGS = 3
"""That are told; all of them stand in the report."""


class Warnings:
    """Passes the first warnings of a run on, and counts the others."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._count = 0

    def __call__(self, line: str) -> None:
        """Take one line."""
        self._count += 1
        if self._count <= MOST_WARNINGS:
            self._tell(line)

    def say_rest(self, report: Path) -> None:
        """Say how many more there were."""
        if self._count > MOST_WARNINGS:
            self._tell(f"{self._count - MOST_WARNINGS} more warnings stand in {report}.")


class Watch:
    """Tells of a run that another process does, by what that leaves on the disk."""

    def __init__(
        self,
        out: Path,
        plan: Mapping[str, Any],
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """plan: as `quantizer run --dry-run --json` prints it."""
        self._out, self._tell, self._clock = out, tell, clock
        self._weights = [block_weight(block["groups"]) for block in plan["blocks"]]
        self._expected_s = float(plan["seconds"])
        self._began_s = clock()
        self._at_first = self._seen = self._finished()
        self._next_s = self._began_s + FIRST_S
        if self._at_first:
            tell(f"{self._at_first} of {len(self._weights)} blocks were finished before.")

    def look(self) -> None:
        """Say how far it is, if it is time to."""
        now = self._clock()
        if now < self._next_s:
            return
        self._next_s = now + NEXT_S
        done, whole = self._finished(), len(self._weights)
        if done < whole:
            left = duration(self._left_s(done, now))
            self._tell(f"{done} of {whole} blocks are finished, {left} left.")

    def _left_s(self, done: int, now: float) -> float:
        """By the pace of the blocks of this start; by the plan before there is one."""
        left = sum(self._weights[done:])
        worked = sum(self._weights[self._at_first : done])
        elapsed = now - self._began_s
        if worked:
            return elapsed / worked * left
        return max(self._expected_s * left / sum(self._weights) - elapsed, 0.0)

    def _finished(self) -> int:
        # The file may still hold blocks of a run that is begun anew.
        return min(count_finished(self._out), len(self._weights))


def block_weight(groups: Sequence[Mapping[str, Any]]) -> float:
    """How much there is to do in a block: products of its tokens, and walks over its columns."""
    total = 0.0
    for group in groups:
        tokens = max(int(group["tokens"]), 1)
        columns = int(group["shapes"][0][1])
        rows = sum(int(shape[0]) for shape in group["shapes"])
        total += tokens * columns * (columns + rows) + float(columns) ** 2 * rows
    return total
