"""Several methods on one model from one set of statistics, each measured on the same text.

One walk quantizes the network's prefix by the driving method; every other method solves every
layer from the very same Hessians, at every width unless each is given a walk of its own. What a
method makes of the whole model is kept as a folder of dequantized weights, so that any width can
be measured and one model is in memory at a time.
"""

import hashlib
import logging
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from models.files.checkpoint import ShardWriter, write_json
from models.loading import load_model
from quantizer.compare.comparison import CompareJob, Comparison, Measured
from quantizer.compare.costs import CostMeter
from quantizer.compare.methods import (
    PAPER,
    Attempt,
    ComparedMethod,
    Variant,
    compared_methods,
)
from quantizer.errors import DataError, OutputError, QuantizerError, SettingsError
from quantizer.evaluate.paired import FEWEST
from quantizer.evaluate.perplexity import perplexity
from quantizer.plan.machine import exact_float32
from quantizer.plan.plan import megabytes
from quantizer.run.job import judge_weights
from quantizer.run.output import atomic_folder, copy_small_files
from quantizer.run.pipeline import Job, Prepared, prepare
from quantizer.run.walk import Walk
from quantizer.run.walked import Observed
from quantizer.run.warnings import with_warnings

logger = logging.getLogger(__name__)

MODELS_FOLDER = "models"
_SHARD_BYTES = 128 * 2**20  # of each variant's unwritten tensors, which are all in memory at once
_DRIVING_BITS = (4, 8)  # widths whose shapes can be checked against a file format


def compare(
    job: CompareJob, on_progress: Callable[[str, int, int], None] = lambda text, done, total: None
) -> Comparison:
    """Run a comparison and let ``job.out`` appear whole, with reports and plots.

    The full-precision model is measured first, so that unusable data stops the run at once.

    Raises:
        SettingsError: a method is unknown, or a number is out of range.
        OutputError: the output folder is not ours, or the disk has too little room.
        QuantizerError, ModelsError: see ``quantizer.run.pipeline.prepare``, ``Walk.run`` and
            ``perplexity``; the output folder is then as it was before.
    """
    # Imported here because matplotlib takes a second to import.
    from quantizer.compare.report import write_report

    methods = compared_methods(
        job.methods, job.bits, group_size=job.group_size, paper_rounds=job.paper_rounds
    )
    if job.token_importance and not any(one.settings.reads_statistics for one in methods):
        named = ",".join(job.methods)
        raise SettingsError(
            lambda name: (
                f"{name('token_importance')} changes nothing with {name('methods')} {named}, which "
                "rounds without looking at tokens: name another method beside it, or leave "
                f"{name('token_importance')} out"
            )
        )
    if job.limit is not None and job.limit < 1:
        raise SettingsError(
            lambda name: f"{name('limit')} {job.limit} leaves nothing to measure; give 1 or more"
        )
    if job.data.is_dir():
        raise DataError(f"{job.data}: is a folder; give a text file to measure perplexity on")
    prepared = _prepare(job, job.bits[0])
    judge_weights(prepared)
    exact = _measure(job, job.model, "full precision", on_progress)
    with atomic_folder(job.out) as folder:
        models = folder / MODELS_FOLDER
        variants = [variant for method in methods for variant in method.variants()]
        _check_room(folder, prepared, len(variants))
        notes = [*prepared.notes, *_doubts(job, exact)]
        for note in notes:
            if note not in prepared.opened.notes:  # what loading the model to measure it has told
                logger.warning("%s", note)
        comparison = Comparison(job, prepared.facts, notes, {v: [] for v in variants}, exact)
        digests: dict[Variant, str] = {}
        for widths in job.walks():
            mine = [method for method in methods if method.settings.bits in widths]
            if digests:
                prepared = _prepare(job, widths[0])  # a walk uses its calibration up
            digests |= _solve(comparison, prepared, mine, models, on_progress)
        comparison.notes = list(dict.fromkeys(comparison.notes))
        _measure_all(comparison, digests, models, on_progress)
        if not job.keep:
            shutil.rmtree(models)
        write_report(comparison, folder)
    return comparison


def _prepare(job: CompareJob, bits: int) -> Prepared:
    """Open and check everything that a run of the driving method would."""
    driving = job.driving(bits)
    if driving.bits not in _DRIVING_BITS:
        driving = replace(driving, bits=_DRIVING_BITS[0])
    return prepare(
        Job(
            model=job.model,
            out=job.out,
            settings=driving,
            calibration=job.calibration,
            samples=job.samples,
            seq_len=job.seq_len,
            seed=job.seed,
            bos=job.bos,
            documents=job.documents,
            device=job.device,
            allow_uncalibrated=job.allow_uncalibrated,
        )
    )


def _doubts(job: CompareJob, exact: Measured) -> list[str]:
    """What keeps the figures of this comparison from telling methods apart."""
    doubts = []
    if job.data.samefile(job.calibration):
        doubts.append(
            f"{job.data} is measured on and was calibrated on: methods that fit calibration more "
            "closely look better here than on other text"
        )
    if job.token_importance:
        doubts.append(
            f"tokens weigh by the gradient of the loss with share {job.token_importance:g}, in "
            "every Hessian and every error below: only perplexities compare with those of a report "
            "without it"
        )
    items = int(exact.result["items"])
    if items < FEWEST:
        doubts.append(
            f"{items} windows are too few to tell methods apart, whatever the intervals say; give "
            "more text, or a larger limit"
        )
    return doubts


def _solve(
    comparison: Comparison,
    prepared: Prepared,
    methods: Sequence[ComparedMethod],
    models: Path,
    on_progress: Callable[[str, int, int], None],
) -> dict[Variant, str]:
    """Walk the model once; write every variant, and return a digest of its weights."""
    job, bits = comparison.job, methods[0].settings.bits
    digests = {variant: hashlib.sha256() for method in methods for variant in method.variants()}
    meter = CostMeter(job.device)
    gammas = comparison.gammas.setdefault(bits, {})
    with _writers(models, digests) as writers, torch.no_grad(), exact_float32():

        def observe(observed: Observed) -> None:
            meter.book(walk_name(bits))
            for method in methods:
                attempts = _attempts(method, observed)
                meter.book(method.name)
                for attempt in attempts:
                    weight = attempt.weight.cpu()
                    comparison.layers[attempt.variant].append(attempt.row)
                    digests[attempt.variant].update(_bytes_of(weight))
                    writers[attempt.variant].add(f"{observed.name}.weight", weight)
                meter.book(f"writing models of the walk, {bits} bits")

        walk = Walk(
            prepared.opened,
            prepared.reader,
            job.driving(bits),
            device=job.device,
            allow_uncalibrated=job.allow_uncalibrated,
            keep_last_inputs=PAPER in job.methods,
            on_progress=lambda step: on_progress(step.module, step.done, step.total),
            observer=observe,
        )
        written: set[str] = set()
        for block in walk.run(prepared.calibration):
            for module in block.modules:
                gammas[module.name] = module.gamma
                module = with_warnings(module, block.layers[module.name], walk.settings)
                comparison.notes += [f"{module.name}: {text}" for text in module.warnings]
            written.update(block.others, (f"{name}.weight" for name in block.layers))
            for name, tensor in block.others.items():
                for writer in writers.values():
                    writer.add(name, tensor)
        for name in prepared.reader.names():
            if name not in written:
                tensor = prepared.reader.read(name)
                for writer in writers.values():
                    writer.add(name, tensor)
        meter.book(walk_name(bits))
    for variant in digests:
        target = models / variant.folder
        write_json(target / "config.json", prepared.opened.config)
        copy_small_files(prepared.opened.folder, target)
    comparison.costs |= meter.costs
    return {variant: digest.hexdigest() for variant, digest in digests.items()}


def walk_name(bits: int) -> str:
    """Whose cost the statistics are booked to."""
    return f"statistics and driving walk, {bits} bits"


def _attempts(method: ComparedMethod, observed: Observed) -> list[Attempt]:
    try:
        return method.solve(observed)
    except QuantizerError as error:
        raise error.at(f"{observed.name}, {method.name}") from error


@contextmanager
def _writers(models: Path, variants: Iterable[Variant]) -> Iterator[dict[Variant, ShardWriter]]:
    with ExitStack() as stack:
        yield {
            variant: stack.enter_context(ShardWriter(models / variant.folder, _SHARD_BYTES))
            for variant in variants
        }


def _measure_all(
    comparison: Comparison,
    digests: Mapping[Variant, str],
    models: Path,
    on_progress: Callable[[str, int, int], None],
) -> None:
    """Measure every variant, one model in memory at a time; equal weights only once."""
    known: dict[str, Variant] = {}
    for variant in comparison.variants():
        twin = known.setdefault(digests[variant], variant)
        if twin == variant:
            comparison.measured[variant] = _measure(
                comparison.job, models / variant.folder, variant.name, on_progress
            )
        else:
            comparison.measured[variant] = Measured(comparison.measured[twin].result, twin.name)


def _measure(
    job: CompareJob, folder: Path, label: str, on_progress: Callable[[str, int, int], None]
) -> Measured:
    loaded = load_model(folder, device=job.device, dtype=job.dtype)
    result = perplexity(
        loaded,
        job.data,
        limit=job.limit,
        seq_len=job.eval_seq_len,
        bos=job.bos,
        documents=job.documents,
        on_progress=lambda done, total: on_progress(f"measuring {label}", done, total),
    )
    return Measured(result | {"model": label})


def _check_room(folder: Path, prepared: Prepared, variants: int) -> None:
    """Refuse before hours are spent where the dequantized models cannot fit on the disk."""
    reader = prepared.reader
    floats = sum(math.prod(reader.shape(name)) for name in reader.names()) * 4
    needed, free = variants * floats, shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            lambda name: (
                f"{folder.parent}: has {megabytes(free)} MB free but {variants} dequantized "
                f"models take {megabytes(needed)} MB; give {name('out')} on a larger disk, or "
                "fewer methods or bits"
            )
        )


def _bytes_of(weight: Tensor) -> bytes:
    return weight.contiguous().numpy().tobytes()
