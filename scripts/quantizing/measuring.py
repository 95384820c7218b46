"""How good the small model is, on data that fitted nothing."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from assistant.machine import size_text
from models.files.bounded import MOST_DATA_BYTES, read_json
from models.footprint import card_bytes, host_bytes
from quantizer.evaluate.paired import FEWEST
from quantizing.calibration import Calibration
from quantizing.errors import NotDone
from quantizing.look import Look
from quantizing.programs import Programs, run
from quantizing.texts import WINDOWS
from quantizing.wanted import Wanted

FLOAT_SHARE = 2
"""Texts are measured in float32 on a processor, which takes twice the bytes of the files."""

SPARE_BYTES = 10**9
"""Of memory, for what is computed on the way."""

Tell = Callable[[str], None]


def inspect(programs: Programs, wanted: Wanted, tell: Tell) -> None:
    """Look the result over, tensor by tensor.

    What the run itself found and reported, such as groups that other programs do not load, is
    no reason against it here.

    Raises:
        NotDone: something in it is suspicious that was not when it was written.
    """
    command = (*programs.quantizer, "inspect", str(wanted.out), "--json")
    found = json.loads(run(command, tell, accepted=(0, 1), keep=True).out)
    known = set(_report(wanted)["notes"])
    new = [text for text in found["findings"] if text not in known]
    if new:
        raise NotDone(
            f"{wanted.out}: {new[0]}",
            f"the assistant is not set to use it; quantizer inspect {wanted.out} says all, and "
            "--restart makes it anew",
        )
    count = len(found["findings"])
    remarks = f"; remarks in its report.md: {count}" if count else ""
    tell(f"Checked: {len(found['layers'])} layers in 4 bits read back as they should{remarks}.")


def errors_of_layers(wanted: Wanted) -> str:
    """What the run's report says of the layers' outputs on sequences that fitted nothing.

    Raises:
        NotDone: the report cannot be read.
    """
    try:
        ratios = [
            module["j_val"] / module["stages"][0]["j_val"]
            for module in _report(wanted)["modules"]
            if module["j_val"] is not None and module["stages"][0]["j_val"]
        ]
    except (KeyError, TypeError, IndexError) as error:
        raise _unreadable(wanted, error) from error
    if not ratios:
        return "No layer was judged by data that fitted nothing."
    return (
        f"On sequences kept apart, the squared error of a layer's outputs is "
        f"{sum(ratios) / len(ratios):.2f} of plain rounding's, the mean over {len(ratios)} layers."
    )


def _report(wanted: Wanted) -> dict[str, Any]:
    try:
        report: dict[str, Any] = read_json(wanted.out / "report.json", MOST_DATA_BYTES)
        report["notes"], report["modules"]  # noqa: B018  which is asked here for all
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(wanted, error) from error
    return report


def _unreadable(wanted: Wanted, error: Exception) -> NotDone:
    return NotDone(
        f"{wanted.out}: its report.json cannot be read ({error})", "--restart makes it anew"
    )


def measure(
    programs: Programs, wanted: Wanted, data: Calibration, seen: Look, *, sees: bool, tell: Tell
) -> Mapping[str, Any] | None:
    """Measure the small model, and the full one where it fits; what it says is told.

    Perplexity for texts, right answers for pictures. Returns the result of `quantizer eval`, None
    where nothing was kept apart.

    Raises:
        NotDone: it failed.
    """
    if data.judging is None:
        return None
    result = wanted.work / "measured.json"
    device = ("--device", seen.device)
    command = [*programs.quantizer, "eval", str(wanted.out), *device, "--json", str(result)]
    task = "pictures" if sees else "perplexity"
    command += ["--data", str(data.judging), "--task", task]
    if not sees:
        command += ["--limit", str(WINDOWS)]
    lacking = _lacking(wanted.source, seen, sees=sees)
    if lacking:
        tell(f"The full model is not measured beside it: {lacking}.")
    else:
        command += ["--against", str(wanted.source)]
    result.unlink(missing_ok=True)
    tell("Measuring on what was kept apart.")
    # What it prints are the figures of the file.
    run(command, lambda line: tell(line) if line.startswith("WARNING") else None)
    measured: dict[str, Any] = read_json(result, MOST_DATA_BYTES)
    for line in in_words(measured, sees=sees):
        tell(line)
    return measured


def in_words(measured: Mapping[str, Any], *, sees: bool) -> list[str]:
    """A result of `quantizer eval` in sentences; its verdict where there is a comparison."""
    full = measured.get("against")
    if sees:
        first = (
            f"Of {measured['items']} questions about pictures kept apart, the small model answers "
            f"{measured['value']:.0%} right"
        )
        first += "." if full is None else f", the full model {full['value']:.0%}."
    else:
        first = (
            f"Perplexity of {measured['items']} sequences kept apart, less is better: "
            f"{measured['value']:.3f} for the small model"
        )
        first += "." if full is None else f", {full['value']:.3f} for the full one."
    comparison = measured.get("comparison")
    if comparison is None:
        return [first]
    if comparison["items"] < FEWEST:
        return [first, "They are too few to tell a difference from chance."]
    if not comparison["excludes_zero"]:
        return [first, "The two cannot be told apart by them."]
    # Of answers the difference is told already; perplexity is told as a share.
    gap = -comparison["difference"] if sees else comparison["ratio"] - 1
    by = "" if sees else f" by {abs(gap):.1%}"
    return [first, f"The small model is {'worse' if gap > 0 else 'better'}{by}, beyond chance."]


def _lacking(source: Path, seen: Look, *, sees: bool) -> str:
    """Why the full model cannot be measured here, or ""."""
    if seen.card_bytes is not None:
        needed, free = card_bytes(source), seen.card_bytes
        where = "of the card"
    else:
        share = 1 if sees else FLOAT_SHARE
        needed, where = share * host_bytes(source) + SPARE_BYTES, "of memory"
        if seen.host_bytes is None:
            return ""
        free = seen.host_bytes
    if needed <= free:
        return ""
    return f"it takes {size_text(needed)} {where}, and {size_text(free)} are free"
