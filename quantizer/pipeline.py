"""Quantize a model folder block by block and write it as a GPTQ v1 checkpoint.

One block's weights are in memory at a time. The states of all calibration sequences stay on the
host; the linear layers of a block are quantized in execution order, each group from inputs that
the already quantized part of the network computes.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.blocks import Block, Sample, State
from models.checkpoint import CheckpointReader, QuantizationConfig, ShardWriter, write_json
from models.errors import CheckpointError
from models.families import OpenedModel, open_blockwise
from models.int4.packing import TENSOR_NAMES, QuantizedWeight, pack, require_word_multiple, unpack
from models.loading import check_shapes, load_tensors
from quantizer.calibration import CalibrationSet, draw_calibration
from quantizer.errors import CalibrationError, OutputError, QuantizerError, SettingsError
from quantizer.gptq import LayerProblem
from quantizer.hessian import HessianAccumulator
from quantizer.output import appearing_folder, check_output, copy_small_files
from quantizer.report import REPORT_FILE, ModuleReport, RunReport, report_module
from quantizer.solver import Settings, Solution, solve

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One run of ``quantizer run``.

    calibration: a text file, or a folder with pictures and ``questions.jsonl`` for CogVLM2;
        None only for plain rounding.
    samples, seq_len: how many sequences to draw, and the tokens of each where they are text; None
        for the model's context, at most 2048.
    """

    model: Path
    out: Path
    settings: Settings
    calibration: Path | None = None
    samples: int = 128
    seq_len: int | None = None
    seed: int = 0
    device: torch.device = torch.device("cpu")
    allow_uncalibrated: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; ``done`` of ``total`` linear layers are quantized."""

    module: str
    done: int
    total: int


def run(job: Job, on_progress: Callable[[Progress], None] = lambda progress: None) -> RunReport:
    """Open a model, draw its calibration data, quantize it, and let ``job.out`` appear whole.

    Raises:
        QuantizerError, ModelsError: see ``quantize_folder``, ``draw_calibration`` and
            ``appearing_folder``; the output folder is then as it was before.
    """
    check_output(job.out)
    opened = open_blockwise(job.model)
    # Before calibration data is read, because pictures and their tokens may take minutes.
    _check(
        opened,
        CheckpointReader(opened.folder),
        job.settings,
        calibrated=job.calibration is not None,
    )
    calibration = None
    facts: dict[str, Any] = {}
    if job.calibration is not None:
        calibration = draw_calibration(
            opened, job.calibration, samples=job.samples, seq_len=job.seq_len, seed=job.seed
        )
        facts = {
            "path": str(job.calibration),
            "seed": job.seed,
            "tokens": sum(
                s["input_ids"].numel() for s in (*calibration.fitting, *calibration.held_out)
            ),
            "samples": len(calibration),
            "held_out": len(calibration.held_out),
            "asked": {"samples": job.samples, "seq_len": job.seq_len},
            "seq_len": max(
                s["input_ids"].numel() for s in (*calibration.fitting, *calibration.held_out)
            ),
        }
        if len(calibration) < job.samples:
            logger.warning(
                "%s: holds %d sequences, fewer than the %d asked for",
                job.calibration,
                len(calibration),
                job.samples,
            )
    with appearing_folder(job.out) as folder:
        return quantize_folder(
            opened,
            folder,
            job.settings,
            calibration,
            device=job.device,
            allow_uncalibrated=job.allow_uncalibrated,
            on_progress=on_progress,
            calibration_facts=facts,
        )


def quantize_folder(
    opened: OpenedModel,
    target: Path,
    settings: Settings,
    calibration: CalibrationSet | None,
    *,
    device: torch.device,
    allow_uncalibrated: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    calibration_facts: dict[str, Any] | None = None,
) -> RunReport:
    """Quantize a model into the empty folder ``target`` and read the result back.

    Without ``calibration`` only rounding is possible; its sequences are taken out of it as they
    are used. ``calibration_facts`` go into the report.

    Raises:
        SettingsError: a layer's shape cannot be stored, or the method needs calibration.
        CalibrationError: a layer saw no token, or its Hessian cannot be factorized.
        OutputError: what was written does not read back.
        ModelsError: the source cannot be read.
    """
    started = time.monotonic()
    reader = CheckpointReader(opened.folder)
    _check(opened, reader, settings, calibrated=calibration is not None)
    report = RunReport(
        source=str(opened.folder),
        settings=asdict(settings)
        | {"allow_uncalibrated": allow_uncalibrated, "device": str(device)},
        calibration=calibration_facts or {},
    )
    with torch.no_grad(), _exact_float32(), ShardWriter(target) as writer:
        walk = _Walk(
            opened, reader, writer, settings, report, device, allow_uncalibrated, on_progress
        )
        digests = walk.run(calibration)
        walk.write_rest()
    _write_configs(opened, target, settings)
    copy_small_files(opened.folder, target)
    verify(reader, target, digests, settings)

    report.bytes_before = sum(_size_bytes(reader, name) for name in reader.names())
    report.bytes = sum(path.stat().st_size for path in target.glob("*.safetensors"))
    report.seconds = time.monotonic() - started
    report.files = tuple(path.name for path in target.iterdir())
    write_json(target / REPORT_FILE, report.to_dict())
    return report


class _Walk:
    """One pass over the blocks; holds what every block needs."""

    def __init__(
        self,
        opened: OpenedModel,
        reader: CheckpointReader,
        writer: ShardWriter,
        settings: Settings,
        report: RunReport,
        device: torch.device,
        allow_uncalibrated: bool,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.opened, self.model = opened, opened.blockwise
        self.reader, self.writer = reader, writer
        self.settings, self.report = settings, report
        self.device, self.allow_uncalibrated = device, allow_uncalibrated
        self.on_progress = on_progress
        self.total = sum(len(group) for block in self.model.blocks() for group in block.groups)
        self.written: set[str] = set()

    def run(self, calibration: CalibrationSet | None) -> dict[str, str]:
        """Quantize every block; return the digest of every quantized weight by name."""
        fitting: list[State] = []
        held_out: list[State] = []
        if calibration is not None:
            self._load_outer()
            fitting = self._start_all(calibration.fitting)
            held_out = self._start_all(calibration.held_out)
        digests: dict[str, str] = {}
        for block in self.model.blocks():
            names = self._load(f"{block.name}.", block.module)
            for group in block.groups:
                digests |= self._quantize_group(block, group, fitting, held_out)
            for states in (fitting, held_out):
                # In place, so that only one sequence is held before and after the block.
                for index in range(len(states)):
                    states[index] = self._step(block, states[index])
            self._write(names)
            block.module.to_empty(device="meta")
        return digests

    def write_rest(self) -> None:
        """Copy every tensor that no block wrote, as it is in the source."""
        self._write(self.reader.names())

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
    ) -> dict[str, str]:
        """Quantize the linear layers that share one input, and put the result in their place."""
        first = _linear(block, group[0])
        fit = HessianAccumulator(first.in_features, self.device)
        judge = HessianAccumulator(first.in_features, self.device)
        started = time.monotonic()
        for states, accumulator in ((fitting, fit), (held_out, judge)):
            with _watching(first, accumulator):
                for state in states:
                    self.model.step(block, _on(self.device, state))
        statistics_seconds = (time.monotonic() - started) / len(group)
        digests = {}
        for name in group:
            started = time.monotonic()
            full_name = f"{block.name}.{name}"
            linear = _linear(block, name)
            solution = self._solve(full_name, linear, fit, judge)
            weight = solution.chosen.weight
            linear.weight.copy_(weight.dequantize())
            packed = pack(weight)
            for part in TENSOR_NAMES:
                self.writer.add(f"{full_name}.{part}", packed[part])
            self.written.add(f"{full_name}.weight")
            digests[full_name] = _digest(weight)
            module = report_module(
                full_name,
                solution,
                tokens=(fit.tokens, judge.tokens),
                grid=self.settings.grid,
                seconds=statistics_seconds + time.monotonic() - started,
                size_bytes=(
                    _size_bytes(self.reader, f"{full_name}.weight"),
                    sum(part.numel() * part.element_size() for part in packed.values()),
                ),
            )
            self._finished(module)
        return digests

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

    def _finished(self, module: ModuleReport) -> None:
        for warning in module.warnings:
            logger.warning("%s: %s", module.name, warning)
        self.report.modules.append(module)
        self.on_progress(Progress(module.name, len(self.report.modules), self.total))

    def _write(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.written:
                self.writer.add(name, self.reader.read(name))
                self.written.add(name)


@contextmanager
def _exact_float32() -> Iterator[None]:
    """Keep a GPU from shortening float32 to TF32, whose 10 bits would blur every Hessian."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        matmul.allow_tf32 = before


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


def verify(
    source: CheckpointReader, target: Path, digests: dict[str, str], settings: Settings
) -> None:
    """Read a written folder back and compare it with what was solved and with the source.

    digests: of the dequantized weight of every quantized layer, by name.

    Raises:
        OutputError: a tensor is missing or differs.
    """
    written = CheckpointReader(target)
    for name, digest in digests.items():
        tensors = {part: written.read(f"{name}.{part}") for part in TENSOR_NAMES}
        weight = unpack(tensors, bits=settings.bits, group_size=settings.group_size)
        if _digest(weight) != digest:
            raise OutputError(f"{name}: reads back differently from {target}; check the disk")
    for name in source.names():
        if name.removesuffix(".weight") in digests and name.endswith(".weight"):
            continue
        if name not in written or not _same(source.read(name), written.read(name)):
            raise OutputError(f"{name}: was not copied whole to {target}; check the disk")


def _check(
    opened: OpenedModel,
    reader: CheckpointReader,
    settings: Settings,
    *,
    calibrated: bool,
) -> None:
    """Find what would stop a run, from settings and headers alone."""
    expected = opened.family.expected_names(opened.module)
    missing = expected.difference(reader.names())
    if missing:
        raise CheckpointError(
            f"{opened.folder}: lacks {len(missing)} tensors of its config.json, such as "
            f"{min(missing)}; give a complete model folder"
        )
    check_shapes(opened.module, reader, sorted(expected))
    if not calibrated and settings.method != "rtn":
        raise SettingsError(f"method {settings.method} needs --calibration; only rtn goes without")
    if not calibrated and settings.grid == "hessian":
        raise SettingsError("--grid hessian needs --calibration; use --grid minmax without")
    for block in opened.blockwise.blocks():
        for group in block.groups:
            for name in group:
                linear = _linear(block, name)
                try:
                    require_word_multiple(linear.in_features, linear.out_features, settings.bits)
                except CheckpointError as error:
                    raise SettingsError(f"{block.name}.{name}: {error}") from error


def _linear(block: Block, name: str) -> nn.Linear:
    linear = block.module.get_submodule(name)
    if not isinstance(linear, nn.Linear):
        raise SettingsError(
            f"{block.name}.{name} is a {type(linear).__name__}, not a linear layer: "
            "this model family cannot be quantized"
        )
    return linear


def _write_configs(opened: OpenedModel, target: Path, settings: Settings) -> None:
    groups = (group for block in opened.blockwise.blocks() for group in block.groups)
    quantization = QuantizationConfig(
        bits=settings.bits,
        group_size=settings.group_size,
        sym=settings.sym,
        damp_percent=settings.damp_percent,
        method=settings.method,
        modules=tuple(dict.fromkeys(groups)),
    ).to_dict()
    write_json(target / "config.json", opened.config | {"quantization_config": quantization})
    write_json(target / "quantize_config.json", quantization)


def _on(device: torch.device, values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.to(device) if isinstance(value, Tensor) else value
        for name, value in values.items()
    }


def _digest(weight: QuantizedWeight) -> str:
    return hashlib.sha256(weight.dequantize().cpu().numpy().tobytes()).hexdigest()


def _same(one: Tensor, other: Tensor) -> bool:
    # Bytes rather than values: NaN in a source tensor is copied, not judged.
    return one.dtype == other.dtype and torch.equal(
        one.contiguous().view(-1).view(torch.uint8), other.contiguous().view(-1).view(torch.uint8)
    )


def _size_bytes(reader: CheckpointReader, name: str) -> int:
    count = 1
    for size in reader.shape(name):
        count *= size
    return count * reader.dtype(name).itemsize
