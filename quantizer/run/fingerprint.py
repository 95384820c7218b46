"""Everything that decides the bytes of a result, so that no run continues another's work."""

import hashlib
import json
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from models.blocks import Sample
from quantizer.calibration.streams import CalibrationSet
from quantizer.run.job import Job, Prepared

ARITHMETIC = 3
"""Raised with every change that gives other codes for the same data, in models of any size."""


def fingerprint(job: Job, prepared: Prepared) -> dict[str, Any]:
    """Everything that decides the bytes of a result, by the names that people know it by.

    The names lie in the files of unfinished runs, and stay as they are.
    Threads and processor are in it, because the order of a sum depends on them; the number of
    ranks is not, see ``quantizer.run.shares``.
    """
    settings = {
        f"--{name.replace('_', '-')}": value for name, value in asdict(job.settings).items()
    }
    for name in ("--token-importance", "--residual-target"):
        if not settings[name]:  # runs from before it was known go on
            del settings[name]
    asked = {"--samples": job.samples, "--seq-len": job.seq_len, "--seed": job.seed}
    recipe = {} if job.recipe is None else {"the rules of --recipe": job.recipe.to_dict()}
    calibration = prepared.calibration
    return {
        "the model's config.json": _hash(json.dumps(prepared.opened.config, sort_keys=True)),
        "the model's weights": prepared.reader.digest(),
        **settings,
        "--recipe": None if job.recipe is None else job.recipe.name,
        **recipe,
        "--format": job.form,
        # Not where it is not given, so that runs from before it was known go on.
        **({} if job.head_bits is None else {"--head-bits": job.head_bits}),
        "--allow-uncalibrated": job.allow_uncalibrated,
        "--calibration": "not given" if calibration is None else "given",
        **({} if calibration is None else asked),
        "the calibration data": None if calibration is None else _digest_of_samples(calibration),
        "--device": job.device.type,  # which of several cards makes no difference
        "processor": _processor(job.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "quantizer": f"{_version()}, arithmetic {ARITHMETIC}",
    }


def _digest_of_samples(calibration: CalibrationSet) -> str:
    hashed = hashlib.sha256()
    for samples in (calibration.fitting, calibration.held_out):
        hashed.update(f"{len(samples)} samples\n".encode())
        for sample in samples:
            _hash_sample(hashed, sample)
    return hashed.hexdigest()


def _hash_sample(hashed: "hashlib._Hash", sample: Sample) -> None:
    for name in sorted(sample):
        value = sample[name]
        if isinstance(value, Tensor):
            hashed.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            hashed.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:
            hashed.update(f"{name} {value!r}\n".encode())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} with {torch.backends.cpu.get_cpu_capability()}"


def _version() -> str:
    try:
        return version("sightline")
    except PackageNotFoundError:
        return "of a checkout"
