"""Seconds of a run in one process and in several, which take turns: what sharing the work saves.

The model is the first blocks of a LLaMA or Qwen folder, with its own weights. Every rank has one
thread and, where there are enough, a processor of its own. Measured is the part that ranks share,
from the first calibration sequence to the last layer, in three ways:

wall_s       the clock's; other programs on the machine lengthen it.
processor_s  of each rank.
critical_s   between any two exchanges the most processor seconds that a rank took, summed up: what
             the clock would show with a free processor for each rank, so other programs disturb it
             little. Waiting for others is not in it.

``speed_up`` is the median over the turns of one process's ``critical_s`` by that of several.
``equal_codes`` is the least share of codes, over the turns, that several ranks write as one does.
``planned`` is what ``quantizer run --dry-run`` expects, for more ranks as well.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_BEFORE = 3  # exchanges in which ranks agree on what they see, before they share work
PLANNED = (1, 2, 3, 4, 8)


class Timed:
    """A rank that notes its processor seconds between exchanges, and where the clock stands."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.stages: list[float] = []
        self.clock: list[float] = []
        self._since = time.process_time()

    @property
    def rank(self) -> int:
        return int(self.inner.rank)

    @property
    def size(self) -> int:
        return int(self.inner.size)

    def gather(self, value: T) -> list[T]:
        self._note()
        return list(self.inner.gather(value))

    def share(self, value: T | None, source: int) -> T:
        self._note()
        shared: T = self.inner.share(value, source)
        return shared

    def carry(
        self, tensor: Any, shape: tuple[int, int], source: int, to: Collection[int], device: Any
    ) -> Any:
        return self.inner.carry(tensor, shape, source, to, device)

    def _note(self) -> None:
        now = time.process_time()
        self.stages.append(now - self._since)
        self.clock.append(time.monotonic())
        self._since = now


def cut(source: Path, target: Path, layers: int) -> None:
    """Copy a model folder with its first layers alone."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    target.mkdir()
    config = json.loads((source / "config.json").read_text())
    layers = min(layers, config["num_hidden_layers"])
    kept = tuple(f"model.layers.{index}." for index in range(layers))
    tensors = {}
    for file in sorted(source.glob("*.safetensors")):
        with safe_open(file, "pt") as read:
            for name in read.keys():  # noqa: SIM118  it is no mapping
                if not name.startswith("model.layers.") or name.startswith(kept):
                    tensors[name] = read.get_tensor(name)
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    config["num_hidden_layers"] = layers
    if "layer_types" in config:
        config["layer_types"] = config["layer_types"][:layers]
    (target / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        if (source / name).exists():
            (target / name).write_bytes((source / name).read_bytes())


def job_of(options: argparse.Namespace, out: Path) -> Any:
    from quantizer.run.job import Job
    from quantizer.solvers.methods import Settings

    return Job(
        options.model,
        out,
        Settings(options.method, group_size=options.group_size),
        calibration=options.calibration,
        samples=options.samples,
        seq_len=options.seq_len,
        restart=True,
    )


def one_rank(options: argparse.Namespace) -> None:
    """What one process of a measured run does; its figures go into a file of its own."""
    from quantizer.run import pipeline, torchrun
    from quantizer.run.ranks import ALONE

    number = int(os.environ.get("RANK", "0"))
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})
    inner: Any = torchrun.connect() if torchrun.launched() else ALONE
    ranks = Timed(inner)
    job = job_of(options, options.scratch / "out")
    if ranks.rank:
        pipeline.assist(job, ranks)
    else:
        pipeline.run(job, ranks=ranks)
    # The first stage of those that follow the agreement begins with its last exchange.
    told = {
        "stages": ranks.stages[_BEFORE:],
        "wall_s": ranks.clock[-1] - ranks.clock[_BEFORE - 1],
    }
    (options.scratch / f"rank-{number}.json").write_text(json.dumps(told))
    if inner is not ALONE:
        inner.leave(0)


def turn(ranks: int, options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure one run; its figures, and the codes of every layer by its name."""
    with tempfile.TemporaryDirectory() as scratch:
        argv = [sys.executable]
        if ranks > 1:
            argv += ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
        argv += [str(Path(__file__).resolve()), str(options.model), str(options.calibration)]
        for name in ("method", "group_size", "samples", "seq_len"):
            argv += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([*argv, "--scratch", scratch], env=environment, check=True)
        told = [
            json.loads((Path(scratch) / f"rank-{rank}.json").read_text()) for rank in range(ranks)
        ]
        codes = codes_of(Path(scratch) / "out")
    stages = [one["stages"] for one in told]
    figures = {
        "wall_s": round(told[0]["wall_s"], 2),
        "processor_s": [round(sum(own), 2) for own in stages],
        "critical_s": round(sum(max(at) for at in zip(*stages, strict=True)), 2),
        "load_average": os.getloadavg()[0],
    }
    return figures, codes


def codes_of(folder: Path) -> dict[str, Any]:
    """The codes of a quantized folder: tensors by the names of those that hold them."""
    from safetensors.torch import load_file

    from models.int4.packing import unpack_last
    from quantizer.solvers.methods import Settings

    bits = Settings().bits
    return {
        name: unpack_last(words, bits)
        for file in sorted(folder.glob("*.safetensors"))
        for name, words in load_file(file).items()
        if name.endswith(".qweight")
    }


def equal_share(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Share of codes, over all layers, that are the same in two runs."""
    equal = sum(int((codes == other[name]).sum()) for name, codes in one.items())
    return equal / sum(codes.numel() for codes in one.values())


def planned(options: argparse.Namespace) -> dict[str, Any]:
    """What the plan expects of several numbers of ranks."""
    from quantizer.plan.machine import look_at_machine
    from quantizer.plan.plan import make_plan
    from quantizer.run.job import prepare

    with tempfile.TemporaryDirectory() as scratch:
        job = job_of(options, Path(scratch) / "out")
        prepared = prepare(job)
        machine = look_at_machine(job.device, job.out, speed=True)  # one speed for all of them
        plans = {
            size: make_plan(
                prepared.opened, prepared.reader, prepared.calibration, job.rules, machine, size
            )
            for size in PLANNED
        }
    seconds = {size: plan.seconds or 0.0 for size, plan in plans.items()}
    return {
        str(size): {
            "seconds": round(seconds[size], 1),
            "speed_up": round(seconds[1] / seconds[size], 2),
            "carried_mb": round(plan.carried / 1e6, 1),
        }
        for size, plan in plans.items()
    }


def median_ratio(turns: list[dict[str, Any]]) -> float:
    """How many times as long one process takes as several, by what each would without others."""
    return statistics.median(
        each["one"]["critical_s"] / each["several"]["critical_s"] for each in turns
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("calibration", type=Path)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--method", default="rpiq")
    parser.add_argument("--group-size", type=int, default=64)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--seq-len", type=int, default=512)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scratch is not None:
        one_rank(options)
        return 0
    result: dict[str, Any] = {
        name: str(value)
        for name, value in vars(options).items()
        if name not in ("out", "scratch", "calibration")
    }
    result["calibration"] = options.calibration.name
    result["model"] = options.model.name
    with tempfile.TemporaryDirectory() as folder:
        cut(options.model, Path(folder) / "model", options.layers)
        options.model = Path(folder) / "model"
        result["planned"] = planned(options)
        turns: list[dict[str, Any]] = []
        shares: list[float] = []
        for _ in range(options.turns):
            (one, alone), (several, shared) = turn(1, options), turn(options.ranks, options)
            turns.append({"one": one, "several": several})
            shares.append(equal_share(alone, shared))
            print(json.dumps(turns[-1]), file=sys.stderr, flush=True)
            result["turns"] = turns
            result["speed_up"] = round(median_ratio(turns), 2)
            result["equal_codes"] = min(shares)
            if options.out is not None:
                options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
