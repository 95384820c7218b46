"""What a making takes of disk, memory, card and hours, held against this machine.

Once before anything is pulled, by the catalog's figures; once by the plan of the very run.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from assistant.machine import SPARE_BYTES, size_text
from assistant.models_store.installed import PULLING, models_folder
from models.catalog import Quantizing
from quantizer.plan.machine import Speed
from quantizer.plan.time import Work
from quantizer.run.progress import size_of_work
from quantizing.errors import NotDone
from quantizing.look import Look
from quantizing.programs import Programs, run
from quantizing.wanted import Wanted

MOST_PROCESSOR_S = 24 * 3600.0
"""What the processor would need longer for is refused unless it was asked for by name."""

Tell = Callable[[str], None]


def look_around(programs: Programs, device: str, folder: Path, tell: Tell) -> Look:
    """What this machine has; asked by another process, as a card's memory is taken by asking.

    Raises:
        NotDone: there is no such device.
    """
    seen = json.loads(run((*programs.look, device, str(folder)), tell, keep=True).out)
    return Look(**{**seen, "speed": Speed(**seen["speed"])})


def check_before_pull(wanted: Wanted, seen: Look, device: str, tell: Tell) -> None:
    """Tell what a model of the catalog will take, and refuse what this machine lacks.

    device: as the user named it.

    Raises:
        NotDone: room on a disk, memory or card are too small, or days would pass.
    """
    if wanted.model is None:
        return
    figures = wanted.model.quantizing
    result = wanted.model.memory_bytes if figures is None else figures.result_bytes
    # What an unfinished run left is continued.
    rooms = {wanted.out.parent: max(result - size_of_work(wanted.out), 0)}
    if not wanted.is_here:
        left = wanted.model.download_bytes - _pulled_bytes(wanted.name)
        tell(f"On the disk: {size_text(left)} as it comes, {size_text(result)} in 4 bits.")
        rooms[models_folder()] = rooms.get(models_folder(), 0) + max(left, 0)
    check_disks(rooms)
    if figures is None:
        tell("What memory and time it takes is known when it is here.")
        return
    on_card = seen.card_bytes is not None
    memory = figures.host_bytes if on_card else figures.processor_bytes
    seconds = sum(work_of(figures).times(seen.speed).values())
    card = f"{size_text(figures.card_bytes)} of the card, " if on_card else ""
    tell(
        f"For making it small: {card}{size_text(memory)} of memory, and "
        f"{duration(seconds)} on {seen.name}."
    )
    _check_patience(seen, device, seconds, figures.card_bytes)
    if seen.card_bytes is not None and figures.card_bytes > seen.card_bytes:
        raise NotDone(
            f"{seen.name}: {size_text(figures.card_bytes)} are needed and "
            f"{size_text(seen.card_bytes)} are free",
            "end the programs that use the card, which nvidia-smi lists, or add --device cpu",
        )
    if seen.host_bytes is not None and memory > seen.host_bytes:
        raise NotDone(
            f"{size_text(memory)} of memory are needed and {size_text(seen.host_bytes)} are free",
            "close other programs, or use a computer with more",
        )


def check_plan(plan: Mapping[str, Any], seen: Look, device: str, tell: Tell) -> None:
    """Tell what the plan of the run says, which refuses by itself what cannot fit.

    Raises:
        NotDone: days would pass.
    """
    seconds = float(plan["seconds"])
    card = plan["device_peak_bytes"]
    beside = f"{size_text(card)} of the card, " if card else ""
    tell(
        f"The plan: {len(plan['blocks'])} blocks, {beside}{size_text(plan['host_peak_bytes'])} of "
        f"memory, {size_text(plan['output_bytes'])} of disk, {duration(seconds)} on "
        f"{seen.name}."
    )
    _check_patience(seen, device, seconds, 0)


def _check_patience(seen: Look, device: str, seconds: float, card_bytes: int) -> None:
    if seen.card_bytes is not None or device != "auto" or seconds <= MOST_PROCESSOR_S:
        return
    card = f"a card with {size_text(card_bytes)} free" if card_bytes else "an NVIDIA card"
    raise NotDone(
        f"the processor would take {duration(seconds)} ({seen.no_card})",
        f"use a computer with {card}, or add --device cpu to do it all the same",
    )


def work_of(figures: Quantizing) -> Work:
    """The catalog's counts as the plan has them."""
    named = {field.name for field in fields(figures)} & {field.name for field in fields(Work)}
    return Work(**{name: getattr(figures, name) for name in named})


def check_disks(rooms: Mapping[Path, int]) -> None:
    """Refuse what does not fit; folders on one disk share its room.

    rooms: bytes that will be written, by folder; the folders need not be there.

    Raises:
        NotDone: naming the disk by its first folder.
    """
    disks: dict[int, tuple[Path, int]] = {}
    for folder, needed in rooms.items():
        there = folder
        while not there.exists():
            there = there.parent
        first, before = disks.get(there.stat().st_dev, (there, 0))
        disks[there.stat().st_dev] = (first, before + needed)
    for folder, needed in disks.values():
        free = shutil.disk_usage(folder).free
        if needed + SPARE_BYTES > free:
            raise NotDone(
                f"{folder}: {size_text(needed)} of disk are needed and {size_text(free)} are free",
                f"free {size_text(needed + SPARE_BYTES - free)} more, set SIGHTLINE_HOME to a "
                "larger disk, or give another --out",
            )


def _pulled_bytes(name: str) -> int:
    """What an earlier pull that was cut has left."""
    place = models_folder() / PULLING / name
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def duration(seconds: float) -> str:
    """A time as it is spoken: "about 31 minutes"."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {unit}"
    if seconds >= 45:
        return f"about {seconds:.0f} seconds"
    return "half a minute" if seconds >= 15 else "some seconds"
