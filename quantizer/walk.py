"""One pass over a model's blocks: statistics of each group of layers, solutions, next states.

One block's weights are in memory at a time. The states of all calibration sequences stay on the
host; the linear layers of a block are quantized in execution order, each group from inputs that
the already quantized part of the network computes.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.blocks import Block, Sample, State
from models.checkpoint import CheckpointReader
from models.families import OpenedModel
from models.int4.packing import QuantizedWeight, pack
from models.loading import load_tensors
from quantizer.calibration import CalibrationSet
from quantizer.errors import CalibrationError, QuantizerError, SettingsError
from quantizer.gptq import LayerProblem
from quantizer.hessian import HessianAccumulator
from quantizer.report import ModuleReport, report_module
from quantizer.solver import Settings, Solution, solve


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; ``done`` of ``total`` linear layers are quantized."""

    module: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FinishedBlock:
    """What one block became.

    tensors: everything the output stores of the block, by full name: packed layers, and the
        other tensors as the source has them.
    digests: of the dequantized weight of every quantized layer, by the layer's full name.
    """

    name: str
    tensors: dict[str, Tensor]
    modules: tuple[ModuleReport, ...]
    digests: dict[str, str]


class Walk:
    """One pass over the blocks; holds what every block needs."""

    def __init__(
        self,
        opened: OpenedModel,
        reader: CheckpointReader,
        settings: Settings,
        *,
        device: torch.device,
        allow_uncalibrated: bool = False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.opened, self.model = opened, opened.blockwise
        self.reader, self.settings = reader, settings
        self.device, self.allow_uncalibrated = device, allow_uncalibrated
        self.on_progress = on_progress
        self.total = sum(len(group) for block in self.model.blocks() for group in block.groups)
        self.done = 0

    def run(self, calibration: CalibrationSet | None) -> Iterator[FinishedBlock]:
        """Quantize every block in order; the sequences are taken out of ``calibration``.

        Raises:
            CalibrationError: a layer saw no token, or its Hessian cannot be factorized.
            WeightError: a weight cannot be represented.
            ModelsError: the source cannot be read.
        """
        fitting: list[State] = []
        held_out: list[State] = []
        if calibration is not None:
            self._load_outer()
            fitting = self._start_all(calibration.fitting)
            held_out = self._start_all(calibration.held_out)
        for block in self.model.blocks():
            names = self._load(f"{block.name}.", block.module)
            tensors: dict[str, Tensor] = {}
            modules: list[ModuleReport] = []
            digests: dict[str, str] = {}
            for group in block.groups:
                for solved in self._quantize_group(block, group, fitting, held_out):
                    tensors |= solved.tensors
                    modules.append(solved.report)
                    digests[solved.report.name] = solved.digest
            for states in (fitting, held_out):
                # In place, so that only one sequence is held before and after the block.
                for index in range(len(states)):
                    states[index] = self._step(block, states[index])
            replaced = {f"{name}.weight" for name in digests}
            tensors |= {name: self.reader.read(name) for name in names if name not in replaced}
            block.module.to_empty(device="meta")
            yield FinishedBlock(block.name, tensors, tuple(modules), digests)

    def _start_all(self, samples: list[Sample]) -> list[State]:
        """Turn samples into states; each sample leaves the list, so that its memory is freed."""
        samples.reverse()
        states = []
        while samples:
            states.append(self._start(samples.pop()))
        return states

    def _start(self, sample: Sample) -> State:
        return _on(torch.device("cpu"), self.model.start(_on(self.device, sample)))

    def _step(self, block: Block, state: State) -> State:
        return _on(torch.device("cpu"), self.model.step(block, _on(self.device, state)))

    def _load_outer(self) -> None:
        """Read what lies outside all blocks; only calibration runs need it."""
        # The head is the largest of them and computes nothing that a block needs.
        names = [
            name
            for name in self.model.outer_names()
            if name in self.reader and not name.startswith("lm_head.")
        ]
        load_tensors(
            self.opened.module, self.reader, names, device=self.device, dtype=torch.float32
        )
        self.opened.family.complete(self.opened.module, self.device)

    def _load(self, prefix: str, module: nn.Module) -> list[str]:
        """Read a module's tensors as float32; return the names of all tensors at the prefix."""
        names = [name for name in self.reader.names() if name.startswith(prefix)]
        own = set(module.state_dict())
        load_tensors(
            module,
            self.reader,
            [name for name in names if name.removeprefix(prefix) in own],
            prefix=prefix,
            device=self.device,
            dtype=torch.float32,
        )
        module.to(self.device)  # computed buffers, which no checkpoint holds
        return names

    def _quantize_group(
        self, block: Block, group: Sequence[str], fitting: list[State], held_out: list[State]
    ) -> Iterator["_SolvedLayer"]:
        """Quantize the linear layers that share one input, and put the result in their place."""
        first = linear_of(block, group[0])
        fit = HessianAccumulator(first.in_features, self.device)
        judge = HessianAccumulator(first.in_features, self.device)
        started = time.monotonic()
        for states, accumulator in ((fitting, fit), (held_out, judge)):
            with _watching(first, accumulator):
                for state in states:
                    self.model.step(block, _on(self.device, state))
        statistics_seconds = (time.monotonic() - started) / len(group)
        for name in group:
            started = time.monotonic()
            full_name = f"{block.name}.{name}"
            linear = linear_of(block, name)
            solution = self._solve(full_name, linear, fit, judge)
            weight = solution.chosen.weight
            linear.weight.copy_(weight.dequantize())
            packed = pack(weight)
            report = report_module(
                full_name,
                solution,
                tokens=(fit.tokens, judge.tokens),
                grid=self.settings.grid,
                seconds=statistics_seconds + time.monotonic() - started,
                size_bytes=(
                    size_in_file(self.reader, f"{full_name}.weight"),
                    sum(part.numel() * part.element_size() for part in packed.values()),
                ),
            )
            self.done += 1
            self.on_progress(Progress(full_name, self.done, self.total))
            yield _SolvedLayer(
                {f"{full_name}.{part}": packed[part].cpu() for part in packed},
                report,
                digest_of(weight),
            )

    def _solve(
        self, name: str, linear: nn.Linear, fit: HessianAccumulator, judge: HessianAccumulator
    ) -> Solution:
        if fit.tokens == 0 and self.settings.method != "rtn" and not self.allow_uncalibrated:
            raise CalibrationError(
                f"{name}: no calibration token reached it; give calibration data that does "
                "(pictures for a vision expert), or --allow-uncalibrated to round it to nearest"
            )
        problem = LayerProblem(linear.weight.detach(), fit.mean(), fit.tokens)
        held_out = judge.mean() if judge.tokens else None
        try:
            return solve(problem, held_out, self.settings)
        except QuantizerError as error:
            raise type(error)(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class _SolvedLayer:
    tensors: dict[str, Tensor]
    report: ModuleReport
    digest: str


@contextmanager
def _watching(linear: nn.Module, accumulator: HessianAccumulator) -> Iterator[None]:
    """Feed every input of a layer to an accumulator while the body runs."""

    def observe(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        accumulator.add(inputs[0])

    handle = linear.register_forward_pre_hook(observe)
    try:
        yield
    finally:
        handle.remove()


def linear_of(block: Block, name: str) -> nn.Linear:
    """Find a linear layer of a block by its name.

    Raises:
        SettingsError: it is something else.
    """
    linear = block.module.get_submodule(name)
    if not isinstance(linear, nn.Linear):
        raise SettingsError(
            f"{block.name}.{name} is a {type(linear).__name__}, not a linear layer: "
            "this model family cannot be quantized"
        )
    return linear


def _on(device: torch.device, values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.to(device) if isinstance(value, Tensor) else value
        for name, value in values.items()
    }


def digest_of(weight: QuantizedWeight) -> str:
    """Hash a dequantized weight, to recognize it when it is read back."""
    return hashlib.sha256(weight.dequantize().cpu().numpy().tobytes()).hexdigest()


def size_in_file(reader: CheckpointReader, name: str) -> int:
    """Bytes of a tensor in its file."""
    count = 1
    for size in reader.shape(name):
        count *= size
    return count * reader.dtype(name).itemsize
