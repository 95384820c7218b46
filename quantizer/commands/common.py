"""What several commands share: the device option, the progress bar, result files."""

import argparse
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from models.cards import Why, find_cards
from models.files.bounded import MOST_DATA_BYTES, read_json
from quantizer.calibration.marking import BOS_CHOICES, DOCUMENT_CHOICES
from quantizer.errors import OutputError, SettingsError

log = logging.getLogger(__name__)


def option_of(setting: str) -> str:
    """What the command line calls a setting."""
    return f"--{setting.replace('_', '-')}"


def add_text_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare how text is read. default: what --documents stands for unless it is given."""
    parser.add_argument(
        "--bos",
        choices=BOS_CHOICES,
        default="auto",
        help="where BOS stands in text: before each document, before each sequence, or nowhere; "
        "auto, the default: where the tokenizer puts it by itself",
    )
    parser.add_argument(
        "--documents",
        choices=DOCUMENT_CHOICES,
        default="auto",
        help="what a document of plain text is where no <|endoftext|> parts them: the whole file, "
        f"or what blank lines part; auto, the default: {default}",
    )


def device_of(name: str) -> torch.device:
    """Turn ``--device`` into a device that is present; ``auto`` prefers a GPU.

    Where ``auto`` takes the CPU beside a GPU, a warning says why and what helps.

    Raises:
        SettingsError: the name is unknown or no such device is present.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        _, missing = find_cards()
        if missing is not None and missing.why is not Why.NO_CARD:
            log.warning("the CPU computes: %s; %s", missing.cause, missing.way_out)
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(
            f"--device {name} is unknown; give auto, cpu, cuda or cuda:N"
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise SettingsError(f"--device {name} is not supported; give auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(f"--device {name} is not present; give --device cpu")
    return device


def check_result_file(path: Path) -> None:
    """Refuse to overwrite anything but an earlier result, before hours are spent.

    Raises:
        OutputError: the file is not ours, or its folder is missing.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent}: no such folder; create it, or give another --json")
    if not path.exists():
        return
    try:
        ours = "interval_95" in read_json(path, MOST_DATA_BYTES)
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise OutputError(f"{path}: exists and is no result of ours; give another --json")


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar with the time left on a terminal, and nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text, done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def show(text: str, done: int, total: int) -> None:
            bars.update(task, description=text, completed=done, total=total)

        yield show
