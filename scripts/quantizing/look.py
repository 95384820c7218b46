"""What this machine has to compute with, as JSON; a process of its own, as it loads PyTorch.

python look.py DEVICE FOLDER
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from models.cards import Why, find_cards
from quantizer.commands.common import device_of
from quantizer.errors import SettingsError
from quantizer.plan.machine import Speed, look_at_machine


@dataclass(frozen=True, slots=True)
class Look:
    """What a run could have.

    device:     as PyTorch calls it.
    name:       of the card, or "the processor".
    host_bytes: of memory that is free, None where the system does not say.
    card_bytes: of the card that are free, None without one.
    no_card:    why the processor computes though nobody asked for it; "" otherwise.
    """

    device: str
    name: str
    host_bytes: int | None
    card_bytes: int | None
    speed: Speed
    no_card: str


def look(wanted: str, folder: Path) -> Look:
    """Look at the device that `quantizer run --device` would take.

    Raises:
        SettingsError: there is no such device.
    """
    import torch

    device = device_of(wanted)
    machine = look_at_machine(device, folder, speed=True)
    assert machine.speed is not None, "it was asked for"
    on_card = device.type == "cuda"
    no_card = ""
    if wanted == "auto" and not on_card:
        _, missing = find_cards()
        found = missing is not None and missing.why is not Why.NO_CARD
        no_card = f"{missing.cause}; {missing.way_out}" if missing and found else "there is no card"
    return Look(
        str(device),
        torch.cuda.get_device_name(device) if on_card else "the processor",
        machine.free_host,
        machine.free_device,
        machine.speed,
        no_card,
    )


def main() -> int:
    """Print what was seen."""
    try:
        print(json.dumps(asdict(look(sys.argv[1], Path(sys.argv[2])))))
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
