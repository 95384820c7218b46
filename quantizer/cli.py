"""The ``quantizer`` command: ``run`` writes a quantized folder, ``eval`` measures one."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from safetensors import SafetensorError

from models.errors import ModelsError
from models.loading import load_model
from quantizer.errors import OutputError, QuantizerError, SettingsError
from quantizer.evaluate.perplexity import perplexity
from quantizer.evaluate.pictures import pictures
from quantizer.pipeline import Job, run
from quantizer.report import RunReport
from quantizer.solver import Settings, with_default_grid

_EXPECTED = (QuantizerError, ModelsError, OSError, SafetensorError, torch.OutOfMemoryError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; an expected error is one line on stderr and exit code 2."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        options = _parser().parse_args(argv)
        try:
            return int(options.action(options))
        except KeyboardInterrupt:
            print(f"stopped; {options.if_stopped}", file=sys.stderr)
            return 130
    except _EXPECTED as error:
        print(f"error: {' '.join(_describe(error).split())}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option like every other expected error, in one line."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="quantizer", description="Quantize models to 4 bits and measure them.")
    commands = parser.add_subparsers(required=True, metavar="{run,eval}")
    _add_run(commands.add_parser("run", help="quantize a model folder"))
    _add_eval(commands.add_parser("eval", help="measure a model folder, full precision or int4"))
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_run, if_stopped="the output folder is as it was before")
    parser.add_argument("model", type=Path, metavar="MODEL", help="full-precision model folder")
    parser.add_argument("--out", type=Path, required=True, help="new or empty folder")
    parser.add_argument("--method", choices=("rtn", "gptq", "rpiq"), default="rpiq")
    parser.add_argument("--bits", type=int, choices=(4, 8), default=4)
    parser.add_argument("--group-size", type=int, default=128, help="inputs that share a scale")
    parser.add_argument("--sym", action="store_true", help="fix every zero point in the middle")
    parser.add_argument(
        "--damp-percent", type=float, default=0.01, help="share of the Hessian's mean diagonal"
    )
    parser.add_argument("--rounds", type=int, default=4, help="most refinement rounds of rpiq")
    parser.add_argument(
        "--grid", choices=("minmax", "hessian"), help="default: hessian for rpiq, else minmax"
    )
    parser.add_argument(
        "--act-order",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="quantize columns in order of importance",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="PATH",
        help="text file, or for CogVLM2 a folder with pictures and questions.jsonl",
    )
    parser.add_argument("--samples", type=int, default=128, help="calibration sequences")
    parser.add_argument(
        "--seq-len", type=int, help="tokens of a text sequence; default: the context, at most 2048"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--seed", type=int, default=0, help="draws the calibration sequences")
    parser.add_argument(
        "--allow-uncalibrated",
        action="store_true",
        help="round layers that no calibration token reaches, instead of stopping",
    )
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=_eval, if_stopped="no result was written")
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder")
    parser.add_argument("--task", choices=("perplexity", "pictures"), required=True)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="PATH",
        help="text file, or folder with pictures and questions.jsonl",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here")
    parser.add_argument("--limit", type=int, help="only the first windows or questions")
    parser.add_argument(
        "--seq-len", type=int, help="tokens of a window; default: the context, at most 2048"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: float32 for perplexity on a CPU, bfloat16 otherwise",
    )


def _run(options: argparse.Namespace) -> int:
    settings = Settings(
        method=options.method,
        bits=options.bits,
        group_size=options.group_size,
        sym=options.sym,
        act_order=options.act_order,
        damp_percent=options.damp_percent,
        rounds=options.rounds,
    )
    job = Job(
        model=options.model,
        out=options.out,
        settings=with_default_grid(settings, options.grid),
        calibration=options.calibration,
        samples=options.samples,
        seq_len=options.seq_len,
        seed=options.seed,
        device=_device(options.device),
        allow_uncalibrated=options.allow_uncalibrated,
    )
    with _bar() as show:
        report = run(job, lambda p: show(p.module, p.done, p.total))
    print(json.dumps(report.totals()) if options.json else _summary(options.out, report))
    return 0


def _eval(options: argparse.Namespace) -> int:
    if options.limit is not None and options.limit < 1:
        raise SettingsError(f"--limit {options.limit} leaves nothing to measure; give 1 or more")
    if options.json is not None:
        _check_result_file(options.json)
    device = _device(options.device)
    loaded = load_model(options.model, device=device, dtype=_dtype(options, device))
    with _bar() as show:

        def on_progress(done: int, total: int) -> None:
            show(options.task, done, total)

        if options.task == "perplexity":
            result = perplexity(
                loaded,
                options.data,
                limit=options.limit,
                seq_len=options.seq_len,
                on_progress=on_progress,
            )
        else:
            result = pictures(loaded, options.data, limit=options.limit, on_progress=on_progress)
    result["dtype"] = str(_dtype(options, device)).removeprefix("torch.")
    if options.json is not None:
        text = json.dumps(result, indent=2, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    low, high = result["interval_95"]
    print(
        f"{options.task} {result['value']:.4f} (95 % {low:.4f} to {high:.4f}), "
        f"{result['items']} items, {result['seconds']:.1f} s: {options.model}"
    )
    for skill, part in result.get("skills", {}).items():
        print(f"  {skill}: {part['value']:.3f} of {part['items']}")
    return 0


def _summary(out: Path, report: RunReport) -> str:
    totals = report.totals()
    ratio = totals["mean_j_ratio"]
    kept = ", ".join(f"{count} {name}" for name, count in totals["kept"].items())
    error = "" if ratio is None else f", output error {ratio:.3f} of plain rounding's"
    return (
        f"{out}: {totals['modules']} layers ({kept}), "
        f"{_megabytes(totals['bytes_before'])} to {_megabytes(totals['bytes'])} MB, "
        f"{totals['seconds']:.1f} s{error}"
    )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f}"


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(
            f"--device {name} is unknown; give auto, cpu, cuda or cuda:N"
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise SettingsError(f"--device {name} is not supported; give auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(f"--device {name} is not present; give --device cpu")
    return device


def _dtype(options: argparse.Namespace, device: torch.device) -> torch.dtype:
    if options.dtype != "auto":
        return torch.float32 if options.dtype == "float32" else torch.bfloat16
    # Differences between methods are smaller than bfloat16's rounding, so text is measured in
    # float32 where memory allows; answers about pictures are given as the assistant gives them.
    exact = options.task == "perplexity" and device.type == "cpu"
    return torch.float32 if exact else torch.bfloat16


def _check_result_file(path: Path) -> None:
    """Refuse to overwrite anything but an earlier result, before hours are spent."""
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent}: no such folder; create it, or give another --json")
    if not path.exists():
        return
    try:
        ours = "interval_95" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise OutputError(f"{path}: exists and is no result of ours; give another --json")


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar with the time left on a terminal, and nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text, done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def show(text: str, done: int, total: int) -> None:
            bars.update(task, description=text, completed=done, total=total)

        yield show


def _describe(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; check the path and its permissions"
    return str(error) or type(error).__name__
