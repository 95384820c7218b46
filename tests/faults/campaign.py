"""Counting: so many damaged inputs of every kind, each used in a process of its own.

    scripts/fuzz [--minutes N | --counts bars|quick | --only KIND=COUNT ...] [--seed N]
                 [--out FILE] [--keep FOLDER]

Every input is drawn from its kind's name and its number alone: the same number is the same input
again, whatever ran before. What ends badly is kept in ``--keep``, a folder each.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from tests.faults import commands, files, folders, servers
from tests.faults.forked import BAD, KINDS, Outcome, forked

BARS: Mapping[str, int] = {
    "folders": 10_000, "pictures": 5_000, "sound": 2_000, "settings": 2_000, "servers": 2_000,
    "progress": 1_000, "questions": 500, "labelled": 500, "orders": 500, "catalog": 500,
    "recipe": 500, "results": 500, "memory": 500, "command-folders": 200, "command-results": 200,
    "command-pictures": 200,
}  # fmt: skip
QUICK: Mapping[str, int] = {
    "folders": 25, "pictures": 25, "sound": 20, "settings": 20, "servers": 5, "progress": 12,
    "questions": 10, "labelled": 10, "orders": 10, "catalog": 10, "recipe": 10, "results": 10,
    "memory": 6, "command-folders": 4, "command-results": 4, "command-pictures": 3,
}  # fmt: skip

_RUNS_EVERY = 6  # a plain folder is quantized, not only planned
_KEPT_EACH = 25  # bad ends of one kind; more of them say nothing new


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of input.

    bases:  folders with sound inputs; a number picks one.
    damage: spoils a copy of one.
    use:    what the program does with it; gets the copy, the base's name and the number.
    """

    bases: tuple[Path, ...]
    damage: Callable[[random.Random, Path], None]
    use: Callable[[Path, str, int], object]


@dataclass(slots=True)
class Count:
    """How the inputs of one kind ended."""

    ends: Counter[str] = field(default_factory=Counter)
    bad: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """For the JSON file."""
        named = {kind: self.ends[kind] for kind in KINDS}
        return {"inputs": self.ends.total(), **named, "seconds": round(self.seconds, 1)}


def kinds(root: Path, wanted: Mapping[str, int]) -> dict[str, Kind]:
    """Make the sound inputs below a folder, and use each once, so that everything is imported."""
    made: dict[str, Kind] = {}
    if {"folders", "command-folders", "command-results"} & set(wanted):
        sound = folders.make_folders(root / "folders")
        bases = tuple(sound.values())
        text = commands.make_text(root)
        if "folders" in wanted:
            made["folders"] = Kind(bases, folders.damage_folder, _use_folder)
        if "command-folders" in wanted:
            use_folder = partial(commands.use_folder, text)
            made["command-folders"] = Kind(bases, folders.damage_folder, use_folder)
        if "command-results" in wanted:
            (root / "command-results").mkdir()
            commands.make_result(sound["gptq"], text, root / "command-results")
            made["command-results"] = Kind(
                (root / "command-results",),
                files.MAKERS["results"][1],
                partial(commands.use_result, sound["gptq"], text),
            )
    for name, (make, damage, use) in files.MAKERS.items():
        if name in wanted:
            (root / name).mkdir()
            make(root / name)
            made[name] = Kind((root / name,), damage, partial(_use_file, use))
    if "command-pictures" in wanted:
        (root / "command-pictures").mkdir()
        files.make_pictures(root / "command-pictures")
        made["command-pictures"] = Kind(
            (root / "command-pictures",), files.damage_one, commands.use_picture
        )
    if "servers" in wanted:
        (root / "servers").mkdir()
        servers.make(root / "servers")
        made["servers"] = Kind(
            (root / "servers",), servers.damage_answer, partial(_use_file, servers.use)
        )
    for name, kind in made.items():
        if name not in ("pictures", "sound", "servers", "command-pictures"):
            _warm_up(kind, root / "warm")
    return made


def _warm_up(kind: Kind, copy: Path) -> None:
    for base in kind.bases:
        shutil.copytree(base, copy / base.name)
        kind.use(copy / base.name, base.name, 0)
        shutil.rmtree(copy)


def _use_folder(folder: Path, base: str, number: int) -> None:
    if base in folders.QUANTIZED:
        folders.use_quantized(folder)
    else:
        folders.use_plain(folder, runs=number % _RUNS_EVERY == 0)


def _use_file(use: Callable[[Path], object], folder: Path, base: str, number: int) -> None:
    use(folder)


def damaged(kind: Kind, name: str, number: int, target: Path) -> Path:
    """Write the damaged input of a number; returns the base that it comes from."""
    rng = random.Random(f"{name} {number}")
    base = kind.bases[number % len(kind.bases)]
    shutil.copytree(base, target)
    kind.damage(rng, target)
    return base


def run_one(kind: Kind, name: str, number: int, work: Path) -> Outcome:
    """Damage and use one input; the copy stays in ``work``."""
    target = work / "input"
    base = damaged(kind, name, number, target)
    # As damaged: a use may leave more behind.
    present = [path for path in target.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in present)
    return forked(partial(kind.use, target, base.name, number), file_bytes=size)


def run_campaign(
    wanted: Mapping[str, int],
    *,
    first: int = 0,
    until: float = float("inf"),
    keep: Path | None = None,
    on_change: Callable[[dict[str, Count]], None] = lambda counts: None,
) -> dict[str, Count]:
    """Use as many inputs of every kind as wanted, turn by turn, until a time at the latest.

    first: number of the first input.
    until: on the clock of ``time.monotonic``.
    keep:  where bad inputs go.
    """
    torch.set_num_threads(1)
    counts = {name: Count() for name in wanted}
    with tempfile.TemporaryDirectory(prefix="faults-") as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = Path(made)
        known = kinds(root, wanted)
        for name, number in _in_turn(wanted, first):
            if time.monotonic() > until:
                break
            work = root / "work"
            work.mkdir()
            started = time.monotonic()
            outcome = run_one(known[name], name, number, work)
            count = counts[name]
            count.seconds += time.monotonic() - started
            count.ends[outcome.kind] += 1
            if outcome.kind in BAD:
                seen = {"number": number, "kind": outcome.kind, "words": outcome.words}
                count.bad.append(seen)
                if keep is not None and len(count.bad) <= _KEPT_EACH:
                    _keep(keep / f"{name}-{number}", known[name], name, number, outcome)
            _remove(work)
            on_change(counts)
    return counts


def _keep(target: Path, kind: Kind, name: str, number: int, outcome: Outcome) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    base = damaged(kind, name, number, target)
    told = f"{name} {number} from {base.name}: {outcome.kind}\n{outcome.words}\n"
    target.with_suffix(".txt").write_text(told, encoding="utf-8", errors="backslashreplace")


def _remove(work: Path) -> None:
    for path in work.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(work)


def _in_turn(wanted: Mapping[str, int], first: int) -> Iterator[tuple[str, int]]:
    """Every kind again and again, each in proportion, so that a stop finds all of them begun."""
    most = max(wanted.values(), default=0)
    for turn in range(most):
        for name, count in wanted.items():
            done, after = turn * count // most, (turn + 1) * count // most
            yield from ((name, first + number) for number in range(done, after))


def report(counts: Mapping[str, Count], seconds: float) -> dict[str, Any]:
    """Counts for the JSON file."""
    ends = Counter[str]()
    for count in counts.values():
        ends.update(count.ends)
    return {
        "limits": {"seconds": 10, "growth_bytes": 2**30},
        "seconds": round(seconds, 1),
        "kinds": {name: count.to_dict() for name, count in counts.items()},
        "bad": {kind: ends[kind] for kind in BAD},
        "inputs": ends.total(),
        "found": {
            name: [{"number": one["number"], "kind": one["kind"]} for one in count.bad[:50]]
            for name, count in counts.items()
            if count.bad
        },
    }


def main(arguments: list[str]) -> int:
    """The command; exit code 1 where anything ended badly."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__.splitlines()[0])
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--minutes", type=float, help="as many as this time allows")
    amount.add_argument("--counts", choices=("bars", "quick"), default="bars")
    parser.add_argument("--only", nargs="+", metavar="KIND=COUNT", help="these kinds alone")
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--out", type=Path, help="write the counts here")
    parser.add_argument("--keep", type=Path, help="keep bad inputs here")
    options = parser.parse_args(arguments)
    wanted = dict(QUICK if options.counts == "quick" else BARS)
    if options.only:
        pairs = [text.partition("=") for text in options.only]
        wanted = {name: int(count or BARS[name]) for name, _, count in pairs}
    started = time.monotonic()
    until = started + 60 * options.minutes if options.minutes else float("inf")
    shown = started

    def write(counts: dict[str, Count]) -> None:
        nonlocal shown
        if options.out is not None and time.monotonic() > shown + 5:
            shown = time.monotonic()
            _write(options.out, report(counts, shown - started))

    counts = run_campaign(
        wanted, first=options.seed, until=until, keep=options.keep, on_change=write
    )
    found = report(counts, time.monotonic() - started)
    if options.out is not None:
        _write(options.out, found)
    for name, one in found["kinds"].items():
        print(name, ", ".join(f"{kind} {one[kind]}" for kind in KINDS if one[kind]))
    for count in counts.values():
        for one in count.bad[:10]:
            print(f"\n{one['number']}: {one['kind']}\n{one['words']}")
    return 1 if any(found["bad"].values()) else 0


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
