"""Quantize a model folder block by block and write it as a GPTQ v1 checkpoint."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import CheckpointReader, QuantizationConfig, ShardWriter, write_json
from models.errors import CheckpointError
from models.families import OpenedModel, open_blockwise
from models.int4.packing import TENSOR_NAMES, pack, require_word_multiple, unpack
from models.loading import check_shapes
from quantizer.calibration import CalibrationSet, draw_calibration
from quantizer.errors import OutputError, SettingsError
from quantizer.output import appearing_folder, check_output, copy_small_files
from quantizer.report import REPORT_FILE, RunReport
from quantizer.solver import Settings
from quantizer.walk import Progress, Walk, digest_of, linear_of, size_in_file

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
    walk = Walk(
        opened,
        reader,
        settings,
        device=device,
        allow_uncalibrated=allow_uncalibrated,
        on_progress=on_progress,
    )
    digests: dict[str, str] = {}
    with torch.no_grad(), _exact_float32(), ShardWriter(target) as writer:
        written: set[str] = set()
        for block in walk.run(calibration):
            for module in block.modules:
                for warning in module.warnings:
                    logger.warning("%s: %s", module.name, warning)
            report.modules.extend(block.modules)
            for name, weight in block.layers.items():
                digests[name] = digest_of(weight)
                for part, tensor in pack(weight).items():
                    writer.add(f"{name}.{part}", tensor)
            for name, tensor in block.others.items():
                writer.add(name, tensor)
                written.add(name)
        for name in reader.names():
            replaced = name.endswith(".weight") and name.removesuffix(".weight") in digests
            if name not in written and not replaced:
                writer.add(name, reader.read(name))
    _write_configs(opened, target, settings)
    copy_small_files(opened.folder, target)
    verify(reader, target, digests, settings)

    report.bytes_before = sum(size_in_file(reader, name) for name in reader.names())
    report.bytes = sum(path.stat().st_size for path in target.glob("*.safetensors"))
    report.seconds = time.monotonic() - started
    report.files = tuple(path.name for path in target.iterdir())
    write_json(target / REPORT_FILE, report.to_dict())
    return report


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
        if digest_of(weight) != digest:
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
                linear = linear_of(block, name)
                try:
                    require_word_multiple(linear.in_features, linear.out_features, settings.bits)
                except CheckpointError as error:
                    raise SettingsError(f"{block.name}.{name}: {error}") from error


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


def _same(one: Tensor, other: Tensor) -> bool:
    # Bytes rather than values: NaN in a source tensor is copied, not judged.
    return one.dtype == other.dtype and torch.equal(
        one.contiguous().view(-1).view(torch.uint8), other.contiguous().view(-1).view(torch.uint8)
    )
