"""Several processes of one run, started by ``torchrun --nproc-per-node N -m quantizer run …``.

They reach each other over loopback, through torch.distributed's Gloo and the store that torchrun
keeps, and connect before the process gives up internet sockets: those that are open by then stay,
and no other can be opened. Matrices on a card go through the host's memory.

A rank that waits for others looks around several times a second, so that no wait outlives a rank
that failed, was killed, or hangs stopped. Who fails says so in the store before it ends.
"""

import io
import os
import pickle
import queue
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from models.errors import ModelsError
from quantizer.errors import OutputError, QuantizerError, RankError, SettingsError
from quantizer.run.ranks import MOST_RANKS, WRITER

T = TypeVar("T")

_LOOK_S = 0.2
_COME_S = 900.0
_LONGEST_S = 4 * 3600.0
"""What one layer may take at most; longer than any does, for a rank that hangs unseen."""

_STOPPED_S = 60.0
_PIECE_BYTES = 2**28
_OF_INPUT = "of the input"
_AGAIN = "run the same command again to go on behind the last finished block"


def launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether torchrun started this process beside others."""
    return "TORCHELASTIC_RUN_ID" in environment and int(environment.get("WORLD_SIZE", "1")) > 1


def connect(environment: Mapping[str, str] = os.environ) -> "Connected":
    """Meet the other processes that torchrun started.

    Raises:
        SettingsError: there are too many, or some on other machines; on rank 0 alone.
        RankError: another rank said so, ended, or did not come.
    """
    rank, size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    refusal = _refusal(size, environment)
    if refusal and rank == WRITER:
        raise SettingsError(refusal)
    if refusal:
        raise RankError(refusal, said=True)
    # Gloo would take the interface of the machine's name.
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    return Connected(
        rank, size, int(environment["MASTER_PORT"]), environment["TORCHELASTIC_RESTART_COUNT"]
    )


def refuse(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse what one process does alone.

    Raises:
        SettingsError: on rank 0. RankError: on the others.
    """
    text = "only quantizer run works in several processes; give this command without torchrun"
    if int(environment["RANK"]) == WRITER:
        raise SettingsError(text)
    raise RankError(text, said=True)


def _refusal(size: int, environment: Mapping[str, str]) -> str:
    """Why these processes cannot work together; empty where they can."""
    if size > MOST_RANKS:
        return f"{size} processes are more than can share a run; give --nproc-per-node {MOST_RANKS}"
    if environment.get("LOCAL_WORLD_SIZE") != str(size):
        return "the processes of a run share one machine; give --nproc-per-node without --nnodes"
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return "torchrun keeps no store for its processes; start them with torchrun of PyTorch 2"
    return ""


class Connected:
    """One rank, see ``quantizer.run.ranks.Ranks``.

    sockets: numbers of the sockets through which it reaches the others.
    """

    def __init__(self, rank: int, size: int, port: int, attempt: str) -> None:
        self._rank, self._size = rank, size
        self._requests: queue.Queue[Callable[[], Any]] = queue.Queue(maxsize=1)
        self._results: queue.Queue[tuple[Any, Exception | None]] = queue.Queue(maxsize=1)
        self._processes: list[int] = []
        self._stopped_since: dict[int, float] = {}
        self._blamed: RankError | None = None
        before = _open_sockets()
        # Two connections: Gloo may wait at one while this rank looks around through the other.
        come = timedelta(seconds=_COME_S)
        library: Any = dist
        stores = [library.TCPStore("127.0.0.1", port, size, False, come) for _ in range(2)]
        self._notes, meeting = (library.PrefixStore(f"run/{attempt}", store) for store in stores)
        self._notes.set(f"process/{rank}", str(os.getpid()))
        # In a thread of its own, because a signal is handled only where Python code runs.
        threading.Thread(target=self._work, name="ranks", daemon=True).start()
        self._do(
            lambda: dist.init_process_group(
                "gloo",
                store=meeting,
                rank=rank,
                world_size=size,
                timeout=timedelta(seconds=_LONGEST_S),
            )
        )
        self._processes = [int(self._notes.get(f"process/{other}")) for other in range(size)]
        self.sockets = _open_sockets() - before

    @property
    def rank(self) -> int:
        """Its number."""
        return self._rank

    @property
    def size(self) -> int:
        """How many there are."""
        return self._size

    def gather(self, value: T) -> list[T]:
        """Give every rank what each says, in the order of ranks."""
        own = _packed(value)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        self._do(lambda: dist.all_gather(lengths, torch.tensor([len(own)])))
        said = []
        for source, length in enumerate(lengths):
            data = own if source == self.rank else torch.empty(int(length), dtype=torch.uint8)
            self._broadcast(data, source)
            said.append(cast(T, _unpacked(data)))
        return said

    def share(self, value: T | None, source: int) -> T:
        """Give every rank what ``source`` says."""
        own = _packed(value) if source == self.rank else None
        length = torch.tensor([0 if own is None else len(own)])
        self._broadcast(length, source)
        data = torch.empty(int(length), dtype=torch.uint8) if own is None else own
        self._broadcast(data, source)
        return cast(T, _unpacked(data))

    def carry(
        self,
        tensor: Tensor | None,
        shape: tuple[int, int],
        source: int,
        to: Collection[int],
        device: torch.device | None,
    ) -> Tensor | None:
        """Bring a float32 tensor from one rank to some."""
        if source == self.rank:
            assert tensor is not None
            host = tensor.cpu().contiguous()
            for other in sorted(to):
                if other != source:
                    self._in_pieces(host, partial(dist.send, dst=other))
            return tensor
        if self.rank not in to:
            return None
        room = torch.empty(shape, dtype=torch.float32)
        self._in_pieces(room, partial(dist.recv, src=source))
        return room.to(device)

    def blame(self) -> RankError | None:
        """Which other rank has ended before its part was done, if one has.

        Of all ranks that notice it the first says so.
        """
        if self._blamed is not None:
            return self._blamed
        try:
            failed = self._notes.check(["failed"])  # of which it has said why
            text = "another rank failed" if failed else self._missing()
            # Who fails leaves its note before it ends, and may have just done so.
            failed = failed or (bool(text) and self._notes.check(["failed"]))
            if failed:
                of_input = self._notes.get("failed") == _OF_INPUT.encode()
                self._blamed = RankError(text, said=True, of_input=of_input)
            elif text:
                self._blamed = RankError(text, said=self._notes.add("blamed", 1) > 1)
        except dist.DistError:
            said = self.rank != min(self._living())
            self._blamed = RankError(f"torchrun has ended; {_AGAIN}", said=said)
        return self._blamed

    def note(self, error: BaseException) -> None:
        """Let the others know why this rank is about to end."""
        if isinstance(error, RankError):
            return
        of_input = isinstance(error, QuantizerError | ModelsError) and not isinstance(
            error, OutputError
        )
        stopped = isinstance(error, KeyboardInterrupt)
        self._tell(f"stopped/{self.rank}" if stopped else "failed", _OF_INPUT if of_input else "")

    def leave(self, code: int) -> int:
        """End this rank's part with an exit code; after a failure the process ends here.

        What is still waiting for a rank that does not answer can be joined by nobody.
        """
        if code == 0:
            self._tell(f"done/{self.rank}", "")
            self._do(dist.destroy_process_group)
            return code
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)

    def _broadcast(self, data: Tensor, source: int) -> None:
        self._in_pieces(data, partial(dist.broadcast, src=source))

    def _in_pieces(self, tensor: Tensor, action: Callable[[Tensor], object]) -> None:
        """Send or receive the rows of a tensor, in pieces whose size any transport takes."""
        row = max(tensor.nbytes // max(len(tensor), 1), 1)
        rows = max(_PIECE_BYTES // row, 1)
        for first in range(0, len(tensor), rows):
            self._do(partial(action, tensor[first : first + rows]))

    def _do(self, action: Callable[[], Any]) -> None:
        """Do what waits for other ranks, and look meanwhile whether they are there."""
        self._requests.put(action)
        while True:
            try:
                _, error = self._results.get(timeout=_LOOK_S)
            except queue.Empty:
                self._look()
                continue
            if error is None:
                return
            self._explain(error)

    def _work(self) -> None:
        while True:
            action = self._requests.get()
            try:
                self._results.put((action(), None))
            except Exception as error:  # it is raised where the result is waited for
                self._results.put((None, error))

    def _look(self) -> None:
        blamed = self.blame()
        if blamed is not None:
            raise blamed

    def _explain(self, error: Exception) -> None:
        """Raise what broke a connection: that rank may need a moment until it has ended."""
        until = time.monotonic() + 10 * _LOOK_S
        while time.monotonic() < until:
            self._look()
            time.sleep(_LOOK_S / 10)
        text = str(error).partition("\n")[0]
        raise RankError(f"the ranks lost their connection ({text}); {_AGAIN}") from error

    def _tell(self, key: str, text: str) -> None:
        try:
            self._notes.set(key, text)
        except dist.DistError:  # torchrun has ended, and with it everybody who could read it
            return

    def _missing(self) -> str:
        """Say which rank has ended or hangs; empty where all are there or done."""
        living = self._living()
        for other, process in enumerate(self._processes):
            who = f"rank {other} (process {process})"
            if other not in living and not self._notes.check([f"done/{other}"]):
                if self._notes.check([f"stopped/{other}"]):
                    return f"{who} was stopped; {_AGAIN}"
                return f"{who} was killed, or found no memory left; {_AGAIN}"
            if self._hangs(other, process):
                return f"{who} is stopped and does not go on; end it, and {_AGAIN}"
        return ""

    def _living(self) -> set[int]:
        return {
            rank
            for rank, process in enumerate(self._processes)
            if rank == self.rank or _state(process) not in ("", "Z", "X")
        } | {self.rank}

    def _hangs(self, rank: int, process: int) -> bool:
        """Whether a process has been stopped, as by SIGSTOP, for too long."""
        if _state(process) != "T":
            self._stopped_since.pop(rank, None)
            return False
        since = self._stopped_since.setdefault(rank, time.monotonic())
        return time.monotonic() - since > _STOPPED_S


def _state(process: int) -> str:
    """One letter for what a process does, as ``ps`` has it; empty if there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        pass
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    return "R"


def _open_sockets() -> frozenset[int]:
    """Numbers of all sockets of this process; none where the system does not list them."""
    found = set()
    folder = Path("/proc/self/fd")
    for path in folder.iterdir() if folder.is_dir() else ():
        try:
            if os.readlink(path).startswith("socket:"):
                found.add(int(path.name))
        except FileNotFoundError:  # it was the listing's own
            continue
    return frozenset(found)


def _packed(value: object) -> Tensor:
    """A value as bytes for processes of the same run, which trust each other."""
    buffer = io.BytesIO()
    torch.save(value, buffer, pickle_module=pickle)
    return torch.frombuffer(bytearray(buffer.getbuffer()), dtype=torch.uint8)


def _unpacked(data: Tensor) -> Any:
    """What `_packed` was given; tensors of a card come to this rank's card."""

    def here(storage: Any, place: str) -> Any:
        return storage if place == "cpu" else storage.cuda()

    return torch.load(io.BytesIO(data.numpy().tobytes()), map_location=here, weights_only=False)
