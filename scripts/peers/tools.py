"""What the comparisons with other quantizers share: their environments, and running them.

Every tool works in a virtual environment of its own, which is made where it is missing. A run is
one process on one thread; its cost is the processor time that it and its children used, so that
other load on the machine does not count. Checkpoints are read back from disk by our loader and
dequantized.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.int4 import Int4Linear
from models.loading import LoadedModel, load_model

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
TORCH = "torch==2.13.0+cpu"


@dataclass(frozen=True, slots=True)
class Tool:
    """A package with its environment.

    packages: what pip is told to install, after torch and with it as a constraint.
    imports:  what every run imports before it works; timed alone.
    """

    name: str
    packages: tuple[str, ...]
    worker: str
    imports: str


GPTQMODEL = Tool(
    "gptqmodel",
    ("gptqmodel==7.6.0", "transformers==5.23.0", "optimum==2.3.0"),
    "gptqmodel_worker.py",
    "import gptqmodel",
)
LLM_COMPRESSOR = Tool(
    "llm-compressor",
    ("llmcompressor==0.14.0.1",),
    "llm_compressor_worker.py",
    "import llmcompressor.modifiers.gptq, transformers, datasets",
)
AUTO_ROUND = Tool(
    "auto-round", ("auto-round==0.16.1",), "auto_round_worker.py", "import auto_round, transformers"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: a tool with settings; None for our own command line with options."""

    name: str
    tool: Tool | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process and its children took.

    cpu_seconds: user and system.
    peak_mb:     resident memory of the largest of them, 10^6 bytes.
    """

    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Request:
    """One quantization that a worker is asked for; see the workers beside this file.

    windows: token ids of the calibration, each of one length.
    """

    model: Path
    bits: int
    group_size: int
    settings: Mapping[str, Any]
    windows: list[list[int]]


def described(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """What result files say of the rows, by name."""
    return {
        row.name: {
            "packages": list(row.tool.packages) if row.tool else ["this repository"],
            "settings": dict(row.settings) or "default",
            "options": list(row.options),
        }
        for row in rows
    }


def write_whole(path: Path, value: Mapping[str, Any]) -> None:
    """Write a result file so that a stop leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(value, indent=1) + "\n")
    temporary.replace(path)


def measured_run(
    command: list[str], log: Path, environment: Mapping[str, str] | None = None
) -> Cost:
    """Run a command on one thread and without the network.

    Raises:
        RuntimeError: it failed; the message holds the end of its output.
    """
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=log.parent,  # some tools leave a folder of logs where they are started
            env={**os.environ, **one_thread, **offline, **(environment or {})},
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {log.read_text()[-1500:]}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def make_environment(tool: Tool, folder: Path) -> Path:
    """Return the Python of a tool's environment, made where it is missing."""
    python = folder / tool.name / "bin" / "python"
    if not python.is_file():
        print(f"making {python.parent.parent}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder / tool.name], check=True)
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, TORCH, "numpy", "setuptools", "wheel"], check=True)
        constraint = folder / "constraints.txt"
        constraint.write_text(TORCH + "\n")
        subprocess.run(
            [*pip, "-c", constraint, "--no-build-isolation", *tool.packages],
            check=True,
            env={**os.environ, "BUILD_CUDA_EXT": "0"},
        )
    return python


def run_tool(tool: Tool, request: Request, out: Path, envs: Path) -> Cost:
    """Let a tool quantize into ``out``.

    Raises:
        RuntimeError: it failed.
    """
    shutil.rmtree(out, ignore_errors=True)
    file = out.with_suffix(".request.json")
    file.write_text(
        json.dumps(
            {
                "model": str(request.model),
                "out": str(out),
                "bits": request.bits,
                "group_size": request.group_size,
                "settings": dict(request.settings),
                "windows": request.windows,
            }
        )
    )
    python = make_environment(tool, envs)
    return measured_run([str(python), str(HERE / tool.worker), str(file)], out.with_suffix(".log"))


def run_ours(model: Path, out: Path, options: list[str]) -> Cost:
    """Let our own command line quantize into ``out`` on the processor.

    Raises:
        RuntimeError: it failed.
    """
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "quantizer", "run", str(model), "--out", str(out)]
    command += ["--device", "cpu", *options]
    return measured_run(command, out.with_suffix(".log"), {"PYTHONPATH": str(REPOSITORY)})


def import_seconds(tool: Tool | None, envs: Path, log: Path) -> float:
    """Processor time of a process that only imports what every run of the tool imports."""
    if tool is None:
        command = [sys.executable, "-c", "import quantizer.cli, quantizer.run.pipeline"]
        return measured_run(command, log, {"PYTHONPATH": str(REPOSITORY)}).cpu_seconds
    return measured_run([str(make_environment(tool, envs)), "-c", tool.imports], log).cpu_seconds


def checkpoint_folder(out: Path) -> Path:
    """The folder with config.json: ``out``, or the one folder that a tool made inside it."""
    found = sorted(path.parent for path in out.rglob("config.json"))
    if not found:
        raise RuntimeError(f"{out}: the tool wrote no config.json; see {out.with_suffix('.log')}")
    return found[0]


def load_dense(folder: Path) -> LoadedModel:
    """Load a checkpoint in float32 with every packed layer as a plain one of the same values.

    The plain layer is only faster: Int4Linear multiplies by these very values.
    """
    loaded = load_model(folder, dtype=torch.float32)
    for name, layer in list(loaded.model.named_modules()):
        if isinstance(layer, Int4Linear):
            weight = layer.quantized().dequantize()
            plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
            plain.weight = nn.Parameter(weight, requires_grad=False)
            if layer.bias is not None:
                plain.bias = nn.Parameter(layer.bias.float(), requires_grad=False)
            loaded.model.set_submodule(name, plain)
    return loaded


def commit() -> str:
    """The commit that our own rows are measured at, marked where files differ from it."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=10"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
