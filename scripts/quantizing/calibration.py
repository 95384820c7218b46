"""The data that one making calibrates with and judges by: chosen once, kept for the next start."""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import DownloadError
from assistant.models_store.downloads import Progress
from models.catalog import ModelKind
from models.families import OpenedModel
from quantizer.calibration.streams import PICTURE_SAMPLES, TEXT_SAMPLES
from quantizer.calibration.texts import sequence_length
from quantizing import photographs, texts
from quantizing.errors import NotDone
from quantizing.state import State
from quantizing.wanted import Wanted

PUBLIC, OURS = "public", "ours"
"""What --calibration may be besides a path."""

_DATA = "data-"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What goes to `quantizer run` and to `quantizer eval`.

    samples: sequences to draw.
    judging: None where nothing was kept out that could be measured.
    """

    fitting: Path
    judging: Path | None
    samples: int


def prepare(
    wanted: Wanted,
    opened: OpenedModel,
    state: State,
    choice: str,
    samples: int | None,
    tell: Tell,
    progress: Progress,
) -> Calibration:
    """Get the data, or take what an earlier start of the same command got.

    choice: a path, `PUBLIC`, `OURS`, or "" for the best that can be had.

    Raises:
        NotDone: another choice was made before, or nothing can be had.
        AssistantError, ModelsError, QuantizerError: the data cannot be read, copied or fetched.
    """
    sees = opened.layout.pictures is not None
    number = samples or (PICTURE_SAMPLES if sees else TEXT_SAMPLES)
    asked = str(Path(choice).expanduser().absolute()) if _is_path(choice) else choice
    kept = restored(state)
    if kept is not None:
        before = state.get("calibration")
        if (asked and asked != before["asked"]) or number != before["samples"]:
            raise NotDone(
                f"{wanted.name} was begun with --calibration {before['asked'] or 'as usual'} and "
                f"{before['samples']} samples",
                "give the same to go on, or add --restart to begin anew",
            )
        return kept
    if _is_path(asked) and not Path(asked).exists():
        raise _not_there(Path(asked))
    forget(wanted)
    # A name of its own, so that a report tells which data its run had.
    place = wanted.work / f"{_DATA}{secrets.token_hex(4)}"
    place.mkdir()
    if sees:
        chosen = _pictures(asked, place, number)
        for remark in chosen.remarks:
            tell(remark)
        made = Calibration(chosen.fitting, chosen.judging, number)
    else:
        made = _texts(wanted, opened, asked, place, number, tell, progress)
    state.put(
        "calibration",
        {
            "asked": asked,
            "samples": number,
            "fitting": str(made.fitting),
            "judging": None if made.judging is None else str(made.judging),
        },
    )
    return made


def check_choice(wanted: Wanted, choice: str) -> None:
    """Refuse what could not calibrate the model, before that is pulled.

    Raises:
        NotDone: what is given is not there, or holds nothing of the kind that is needed.
        DataError: it cannot be read.
    """
    if wanted.model is None:
        return
    sees = wanted.model.kind is ModelKind.VISION
    if sees and choice == PUBLIC:
        raise _no_public_pictures()
    if not _is_path(choice):
        return
    path = Path(choice).expanduser()
    if not path.exists():
        raise _not_there(path)
    if sees:
        photographs.find_pictures(path)
    else:
        texts.find_texts(path)


def _not_there(path: Path) -> NotDone:
    return NotDone(f"{path}: no such file or folder", "give another --calibration")


def _no_public_pictures() -> NotDone:
    return NotDone(
        "public sets of pictures with questions are archives of many gigabytes",
        "unpack one, such as CogVLM-SFT-311K, and give its folder to --calibration",
    )


def _is_path(choice: str) -> bool:
    return choice not in ("", PUBLIC, OURS)


def forget(wanted: Wanted) -> None:
    """Remove the data of earlier starts."""
    for place in wanted.work.glob(f"{_DATA}*"):
        shutil.rmtree(place)


def restored(state: State) -> Calibration | None:
    """What `prepare` chose at an earlier start, None if nothing of it is there."""
    before: dict[str, Any] | None = state.get("calibration")
    if before is None or not Path(before["fitting"]).exists():
        return None
    judging = before["judging"]
    return Calibration(
        Path(before["fitting"]), None if judging is None else Path(judging), before["samples"]
    )


def _pictures(asked: str, place: Path, samples: int) -> photographs.Chosen:
    if asked == PUBLIC:
        raise _no_public_pictures()
    if _is_path(asked):
        return photographs.own_pictures(Path(asked), place, samples)
    return photographs.drawn_pictures(place, samples)


def _texts(
    wanted: Wanted,
    opened: OpenedModel,
    asked: str,
    place: Path,
    samples: int,
    tell: Tell,
    progress: Progress,
) -> Calibration:
    tokens = sequence_length(opened.module, None)
    if _is_path(asked):
        documents = texts.own_documents(Path(asked), wanted.source)
    else:
        documents = _usual(wanted, asked, place.parent, tell, progress)
    fitting, judging = texts.split(documents)
    made = Calibration(place / "fitting.jsonl", place / "judging.jsonl", samples)
    assert made.judging is not None, "it was just named"
    texts.write(made.fitting, fitting, texts.CHARACTERS * tokens * samples)
    texts.write(made.judging, judging, texts.CHARACTERS * tokens * texts.WINDOWS)
    return made


def _usual(wanted: Wanted, asked: str, scratch: Path, tell: Tell, progress: Progress) -> list[str]:
    """The public set where it may be fetched and can be, else texts that are here."""
    # Who gives a folder did not ask for anything from elsewhere.
    if asked == PUBLIC or (not asked and wanted.model is not None):
        try:
            return texts.public_documents(scratch, tell, progress)
        except DownloadError as error:
            if asked == PUBLIC:
                raise
            tell(f"The public texts did not come: {error}")
    tell(
        "WARNING: the documents of this project and of Python calibrate. They are the weakest "
        "choice: give texts like those that you will ask about with --calibration PATH"
        + (", or --calibration public." if not asked else ".")
    )
    return texts.our_documents()
