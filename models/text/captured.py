"""A further token as one launch: the step of a rotary decoder, captured as a CUDA graph.

A token of an 8B model starts about a thousand kernels, and starting them takes longer than reading
the weights. A graph is captured once and starts all of them together. What it computes must then
depend on nothing that the processor decides: token and position lie on the card, keys and values
in a room of fixed size, and a mask hides the part of it that is not read yet
(`RotaryStep.read_at`). A text that outgrows the room gets one of twice the size, and a new graph.

It is off unless `CAPTURE_VARIABLE` is set or a caller asks for it: no real card has run it.
"""

import contextlib
import logging
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from models.greedy import Picked, answered, asked, pick
from models.text.rooms import Rooms
from models.text.rotary_step import RotaryStep

_cuda: Any = torch.cuda  # PyTorch's own types leave streams out
_logger = logging.getLogger(__name__)

CAPTURE_VARIABLE = "SIGHTLINE_CUDA_GRAPHS"
"""Environment variable: 1 lets text models on a card be captured."""

WARM_UPS = 3
"""Times that the step is done before it is captured, as PyTorch asks for: libraries that set
something up at first use do it then."""

MOST_KEPT = 2048
"""Tokens of the largest room that is kept, with its graph, for the next text.

That is 256 MB for LLaMA-3.1-8B, less than `models.footprint` counts for what is computed on the
way. While a text is read, its keys and values are those that are counted there, in either way.
"""


class Recorder(Protocol):
    """Captures what is done on a device, to do it again."""

    def takes(self, device: torch.device) -> bool:
        """Whether this can capture what is done on a device."""
        ...

    def record(self, action: Callable[[], None], device: torch.device) -> Callable[[], None]:
        """Do an action a few times and capture it.

        Returns what does it again, with the same memory.

        Raises:
            RuntimeError: it cannot be captured.
        """
        ...


class CudaGraphs:
    """Captures CUDA graphs.

    https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """

    def takes(self, device: torch.device) -> bool:
        """Whether it is an NVIDIA card."""
        return device.type == "cuda"

    def record(self, action: Callable[[], None], device: torch.device) -> Callable[[], None]:
        """As `Recorder` says."""
        side = _cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        # Around the capture too: where that fails, its own block does not give the stream back.
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                action()
            graph = torch.cuda.CUDAGraph()
            # Other threads may go on using the card.
            with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
                action()
        torch.cuda.current_stream(device).wait_stream(side)
        return graph.replay


def wanted_recorder(environment: Mapping[str, str]) -> Recorder | None:
    """What captures steps where the environment asks for it; None where it does not."""
    return CudaGraphs() if environment.get(CAPTURE_VARIABLE) == "1" else None


class CapturedStep:
    """Reads a text on, token by token, with a captured step; one text at a time.

    rooms:  keys and values, which `RotaryStep.read` fills with the prompt.
    failed: whether something could not be captured. From then on it reads as usual.
    logits: (1, vocabulary), those behind the last token that was read here; overwritten by the
            next.
    """

    def __init__(self, step: RotaryStep, recorder: Recorder) -> None:
        # It is held by the step: both go at once when a model is given up.
        self._step = weakref.ref(step)
        self.rooms: Rooms = step.begin(cleared=True)
        self.failed = False
        self.logits: Tensor | None = None
        self._recorder = recorder
        self._replay: Callable[[], None] | None = None
        self._made_of: tuple[object, ...] = ()
        with torch.inference_mode():
            device = self.rooms.layers[0].device
            self._token = torch.zeros(1, 1, dtype=torch.int64, device=device)
            self._position = torch.zeros(1, dtype=torch.int64, device=device)
            self._told = torch.zeros(3, device=device)

    def begin(self) -> None:
        """Hold nothing, for another text."""
        self.rooms.length = 0

    def fits(self, empty: Tensor) -> bool:
        """Whether a model still has keys and values like these, of which it gives empty ones."""
        own = self.rooms.layers[0]
        return own.device == empty.device and own.dtype == empty.dtype

    @torch.inference_mode()
    def next(self, last: Picked) -> Picked:
        """Read the token that was picked last, and pick the one behind it.

        The processor waits once. What is returned is overwritten when the next token is read.

        Raises:
            CheckpointError: the model computes no numbers.
        """
        step, fed = self._step(), last.fed
        assert step is not None, "whoever reads holds what it reads with"
        if not self.failed and not self._is_current(step):
            fed = fed.clone()  # capturing overwrites it
            self._record(step)
        if self.failed or self._replay is None:
            self.logits = step.read(fed, self.rooms)
            return pick(self.logits[-1])
        if fed is not self._token:
            self._stand_at(fed)
        self._replay()
        self.rooms.length += 1
        return answered(self._told, self._token)

    def _is_current(self, step: RotaryStep) -> bool:
        """Whether what was captured still computes with the memory that is computed with now."""
        now = (*step.made_of, *self.rooms.layers)
        return (
            self._replay is not None
            and self.rooms.length < self.rooms.room
            and len(now) == len(self._made_of)
            and all(one is other for one, other in zip(now, self._made_of, strict=True))
        )

    def _record(self, step: RotaryStep) -> None:
        # The old graph goes before there is a larger room.
        self._replay, self._made_of, self.logits = None, (), None
        self.rooms.make_room(self.rooms.length + 1)
        step.ready_for(self.rooms.room)
        self._stand_at(self._token)
        try:
            self._replay = self._recorder.record(lambda: self._once(step), self._token.device)
        except RuntimeError as error:
            self.failed = True
            _logger.warning(
                "a decoding step could not be captured as a CUDA graph, tokens are read as usual, "
                "which is slower: %s",
                error,
            )
            return
        self._made_of = (*step.made_of, *self.rooms.layers)

    def _stand_at(self, token: Tensor) -> None:
        """Let the next token be this one (1, 1), behind all that is held."""
        self._token.copy_(token)
        self._position.fill_(self.rooms.length)

    def _once(self, step: RotaryStep) -> None:
        """Read a token, pick the next, and stand behind it."""
        self.logits = step.read_at(self._token, self._position, self.rooms)
        self._told, best = asked(self.logits[-1])
        self._token.copy_(best)
        # Not out of the room, where it is done a few times before it counts.
        self._position.add_(1).clamp_(max=self.rooms.room - 1)


@contextlib.contextmanager
def lent_step(reader: object, recorder: Recorder | None) -> Iterator[CapturedStep | None]:
    """A captured step for one text, the last one's where it is still there.

    Yields None where nothing is to be captured, or cannot be: then the reader reads as usual.
    """
    if recorder is None or not isinstance(reader, RotaryStep):
        yield None
        return
    empty = reader.begin().layers[0]
    kept = _taken(reader.aside)
    if kept is not None and kept.failed:
        reader.aside.append(kept)
    if (kept is not None and kept.failed) or not recorder.takes(empty.device):
        yield None
        return
    if kept is None or not kept.fits(empty):
        kept = CapturedStep(reader, recorder)
    kept.begin()
    try:
        yield kept
    except Exception:
        # Whatever went wrong, and it goes on from here: the room may hold NaN, which a mask does
        # not hide from the next text.
        kept = None
        raise
    finally:
        if kept is not None:
            _put_aside(reader, kept)


def _put_aside(reader: RotaryStep, used: CapturedStep) -> None:
    """Keep a step for the next text, or that it failed."""
    if used.failed:
        used.rooms = reader.begin()
    if used.rooms.room <= MOST_KEPT and not reader.aside:
        reader.aside.append(used)


def _taken(aside: list[object]) -> CapturedStep | None:
    """Take what was put aside; another thread that comes meanwhile finds nothing."""
    try:
        kept = aside.pop()
    except IndexError:
        return None
    return kept if isinstance(kept, CapturedStep) else None
