"""The unfinished work of a run: what survives a kill, and who may continue it.

The folder ``.NAME.unfinished`` beside the output folder NAME holds

lock            locked while a run works; a lock ends with its process, so none goes stale
run.json        the fingerprint: everything that decides the bytes of the result
progress.jsonl  one line for every finished block, each with its checksum
parts/          the shards of finished blocks that will be joined into one file
output/         what becomes NAME: shards of finished blocks under their final names
placing         there while ``output`` is being renamed to NAME
replaced/       an earlier NAME, until the new one stands in its place

A block is finished when its shard is on the disk and its line is: in this order. A line that was
cut short or damaged is dropped, and so is a shard without a line; that block is quantized again,
and so are those behind it.
"""

import errno
import fcntl
import hashlib
import json
import logging
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from models.files.bounded import MOST_DATA_BYTES, parse_json, read_bytes, read_json
from models.files.checkpoint import INDEX_FILE, SINGLE_FILE, write_json
from models.files.tensor_files import sync_folder, write_whole
from models.plain_text import beginning
from quantizer.errors import Naming, OutputError
from quantizer.report.report import WRITTEN_BY, module_from_dict

_LOCK, _RUN, _PROGRESS = "lock", "run.json", "progress.jsonl"
_OUTPUT, _PARTS, _REPLACED, _PLACING = "output", "parts", "replaced", "placing"
_VERSION = "quantizer"  # its name in the fingerprint, see quantizer.fingerprint
_SHOWN = 3  # differences between two runs that a message names
_CHECKSUM = re.compile(rb', "checksum": "([0-9a-f]{64})"\}$')  # how a line ends since 0.5

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FinishedRecord:
    """One line of ``progress.jsonl``.

    block:   name of the block.
    digests: of the weight of every quantized layer, by the layer's full name.
    states:  checksum of all calibration states behind the block.
    modules: reports of its layers, as JSON.
    seconds: of the whole run until then, interruptions left out.
    """

    block: str
    digests: Mapping[str, str]
    states: str
    modules: Sequence[Mapping[str, Any]]
    seconds: float


@dataclass(frozen=True, slots=True)
class ShardLayout:
    """Which file holds what.

    A model of one shard at most becomes one file: its blocks are written as parts and joined at
    the end. A larger one keeps a file for every block, followed by ``outer`` files of the rest.
    """

    blocks: int
    outer: int
    single: bool

    def block(self, index: int) -> Path:
        """Where the shard of a block lies in the folder of the unfinished work."""
        if self.single:
            return Path(_PARTS) / f"{index:05d}.safetensors"
        return Path(_OUTPUT) / self._name(index)

    def rest(self, index: int) -> Path:
        """Where a shard of what lies outside all blocks is written."""
        if self.single:
            return Path(_PARTS) / f"rest-{index:05d}.safetensors"
        return Path(_OUTPUT) / self._name(self.blocks + index)

    def _name(self, index: int) -> str:
        return f"model-{index + 1:05d}-of-{self.blocks + self.outer:05d}.safetensors"

    def final_names(self) -> tuple[str, ...]:
        """The weight files of the result."""
        if self.single:
            return (SINGLE_FILE,)
        return tuple(self._name(index) for index in range(self.blocks + self.outer))


class Work:
    """The folder of an unfinished run, locked by this process."""

    def __init__(self, out: Path, folder: Path) -> None:
        self.out, self.folder = out, folder
        self.output = folder / _OUTPUT
        self.records: list[FinishedRecord] = []
        self.layout = ShardLayout(0, 0, True)
        self.placed = False
        """Whether an earlier run was killed when its result had its name already."""
        self._begun = False

    def begin(
        self, fingerprint: Mapping[str, Any], layout: ShardLayout, *, restart: bool
    ) -> Sequence[FinishedRecord]:
        """Start anew, or take up the work that lies here; return the finished blocks.

        restart: throw away whatever lies here.

        Raises:
            OutputError: unfinished work of other settings, model or data lies here, or files
                that are none of ours.
        """
        self.layout = layout
        self._put_back()
        if self._present() and not restart:
            self._check_same(fingerprint)
            self.placed = (self.folder / _PLACING).exists() and not self.output.exists()
            self.records = self._read_records()
        else:
            self._empty()
            write_json(self.folder / _RUN, {"written_by": WRITTEN_BY, "run": dict(fingerprint)})
        self._begun = True
        if not self.placed:
            (self.folder / _PLACING).unlink(missing_ok=True)
            for name in (_OUTPUT, _PARTS):
                (self.folder / name).mkdir(exist_ok=True)
            self._keep_first(len(self.records))
        return self.records

    def shard(self, index: int) -> Path:
        """Where the shard of a block belongs."""
        return self.folder / self.layout.block(index)

    def rest(self, index: int) -> Path:
        """Where a shard of the tensors outside all blocks belongs."""
        return self.folder / self.layout.rest(index)

    def record(self, record: FinishedRecord) -> None:
        """Note that a block's shard is whole; on return the note is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        with (self.folder / _PROGRESS).open("ab") as file:
            file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())
        self.records.append(record)

    def forget_from(self, index: int) -> None:
        """Drop a block that turned out damaged, and all blocks behind it."""
        self._keep_first(index)

    def place(self) -> None:
        """Let ``output`` become the output folder, in place of an earlier result of ours.

        Raises:
            OSError: it cannot be renamed; the earlier result is then where it was.
        """
        replaced = self.folder / _REPLACED
        write_whole(self.folder / _PLACING, lambda file: None)
        if self.out.exists():
            self.out.rename(replaced)
        try:
            self.output.rename(self.out)
        except OSError:
            if replaced.exists():
                replaced.rename(self.out)
            raise
        sync_folder(self.out.parent)

    def discard(self) -> None:
        """Remove the work; the lock goes last, so that nobody else can begin before."""
        self._put_back()
        self._empty()
        self.records = []

    def _present(self) -> bool:
        """Whether anything but the lock and a file that was never finished lies here."""
        return any(path.name != _LOCK and path.suffix != ".part" for path in self.folder.iterdir())

    def _empty(self) -> None:
        for path in sorted(self.folder.iterdir()):
            if path.name == _LOCK:
                continue
            _remove(path)

    def _put_back(self) -> None:
        """Give an earlier result its name back, which a run was about to replace when killed."""
        replaced = self.folder / _REPLACED
        if replaced.exists() and not self.out.exists():
            replaced.rename(self.out)

    def _check_same(self, fingerprint: Mapping[str, Any]) -> None:
        try:
            raw = read_json(self.folder / _RUN)
        except (OSError, ValueError):
            raw = None
        if not isinstance(raw, dict) or raw.get("written_by") != WRITTEN_BY:
            raise OutputError(
                lambda name: (
                    f"{self.folder}: holds files, but no unfinished run of ours; move it away, or "
                    f"remove it with {name('restart')}"
                )
            )
        before = raw.get("run")
        now = json.loads(json.dumps(dict(fingerprint)))
        if before == now:
            return
        before = before if isinstance(before, dict) else {}
        begun_by, this = (str(run.get(_VERSION)).partition(",")[0] for run in (before, now))
        if _VERSION in before and begun_by != this:
            # Said alone: with the version anything else may differ, and no option brings it back.
            raise OutputError(
                lambda name: (
                    f"{self.folder}: holds an unfinished run of quantizer {begun_by}, which "
                    f"quantizer {this} does not continue; finish it with the version that began "
                    f"it, or give {name('restart')} to throw it away and begin anew"
                )
            )
        differences = differing(before, now)
        raise OutputError(
            lambda name: (
                f"{self.folder}: holds the unfinished work of another run "
                f"({'; '.join(differences)}); run it as before to continue it, or give "
                f"{name('restart')} to throw it away"
            )
        )

    def _read_records(self) -> list[FinishedRecord]:
        """Whole lines in order, as far as every one has its shard."""
        try:
            lines = read_bytes(self.folder / _PROGRESS, MOST_DATA_BYTES).split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        records: list[FinishedRecord] = []
        for number, line in enumerate(lines, start=1):
            record = _record(line)
            if record is None:
                logger.warning(
                    "%s: line %d is damaged; quantizing its block and what follows again",
                    self.folder / _PROGRESS,
                    number,
                )
                break
            if not self.placed and not self.shard(len(records)).is_file():
                break
            records.append(record)
        return records

    def _keep_first(self, count: int) -> None:
        """Make the folder hold the first ``count`` finished blocks and nothing else."""
        self.records = self.records[:count]
        lines = b"".join(_line(record) for record in self.records)
        write_whole(self.folder / _PROGRESS, lambda file: file.write(lines))
        kept = {self.shard(index) for index in range(count)}
        for name in (_OUTPUT, _PARTS):
            for path in (self.folder / name).iterdir():
                if path not in kept:
                    _remove(path)

    def leave(self) -> None:
        """Remove the folder unless it holds finished blocks that a later run can continue."""
        # A signal may have come when a block was noted on the disk and not yet here.
        if self._begun and not self.records and not count_finished(self.out):
            self.discard()
        if {path.name for path in self.folder.iterdir()} == {_LOCK}:
            (self.folder / _LOCK).unlink()
            self.folder.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _line(record: FinishedRecord) -> bytes:
    """A line of ``progress.jsonl``: the record, and at its end the SHA-256 of the record alone."""
    body = json.dumps(asdict(record), ensure_ascii=False).encode()
    return body[:-1] + f', "checksum": "{hashlib.sha256(body).hexdigest()}"}}\n'.encode()


def _record(line: bytes) -> FinishedRecord | None:
    """Read a line, or return None where it is damaged; lines of 0.4 and before have no checksum."""
    if found := _CHECKSUM.search(line):
        line = line[: found.start()] + b"}"
        if hashlib.sha256(line).hexdigest() != found[1].decode():
            return None
    try:
        record = FinishedRecord(**parse_json(line))
        for module in record.modules:
            module_from_dict(module)
        sound = (
            isinstance(record.block, str)
            and isinstance(record.states, str)
            and all(isinstance(digest, str) for digest in record.digests.values())
            and not isinstance(record.seconds, bool)
            and 0 <= record.seconds < math.inf
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    return record if sound else None


def work_folder(out: Path) -> Path:
    """Where the unfinished work of an output folder lies."""
    out = out.absolute()
    return out.parent / f".{out.name}.unfinished"


def count_finished(out: Path) -> int:
    """How many blocks of an interrupted run are finished."""
    try:
        return read_bytes(work_folder(out) / _PROGRESS, MOST_DATA_BYTES).count(b"\n")
    except (OSError, ValueError):
        return 0


def size_of_work(out: Path) -> int:
    """Bytes of the weights that an interrupted run left on the disk."""
    return sum(path.stat().st_size for path in work_folder(out).glob("*/*.safetensors"))


@contextmanager
def unfinished_work(out: Path) -> Iterator[Work]:
    """Hold the folder of unfinished work, alone; what it holds decides whether it stays.

    Raises:
        OutputError: another run holds it.
    """
    out = out.absolute()
    folder = work_folder(out)
    with _locked(folder, out):
        work = Work(out, folder)
        try:
            yield work
        finally:
            work.leave()


@contextmanager
def _locked(folder: Path, out: Path) -> Iterator[None]:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = (folder / _LOCK).open("a+")
        except FileNotFoundError:  # the folder was removed by its owner just now
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                raise OutputError(_held(out, _owner(file))) from error
            if not _is_named(file, folder / _LOCK):
                continue  # its owner removed it between opening and locking
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
            return


def _held(out: Path, owner: str) -> Callable[[Naming], str]:
    return lambda name: (
        f"{out}: another run{owner} is writing it; wait for that run, or give another {name('out')}"
    )


def _owner(file: IO[str]) -> str:
    file.seek(0)
    owner = file.read().strip()
    return f" (process {owner})" if owner.isdigit() else ""


def _is_named(file: IO[str], path: Path) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(file.fileno()))


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what differs between two fingerprints; at most three differences, and how many more.

    Names of options come with their values; anything else is a digest, which says nothing.
    """
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    told = []
    for name in names[:_SHOWN]:
        if name.startswith("the "):
            told.append(f"{name} changed")
        else:
            told.append(f"{name} was {_told(before.get(name))}, now {_told(now.get(name))}")
    if len(names) > _SHOWN:
        told.append(f"and {len(names) - _SHOWN} more")
    return told


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not given" if value is None else beginning(str(value))


def write_index(folder: Path, weight_map: Mapping[str, str], total_bytes: int) -> None:
    """Write ``model.safetensors.index.json``.

    Raises:
        OSError: it cannot be written.
    """
    metadata = {"total_size": total_bytes}
    write_json(folder / INDEX_FILE, {"metadata": metadata, "weight_map": dict(weight_map)})
