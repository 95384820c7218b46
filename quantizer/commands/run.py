"""``quantizer run``: quantize a model folder."""

import argparse
import json
import math
from pathlib import Path

from models.formats import FORMATS
from quantizer.commands.common import device_of, progress_bar
from quantizer.errors import SettingsError
from quantizer.machine import return_freed_memory
from quantizer.pipeline import Job, plan_job, prepare, run
from quantizer.plan_text import plan_text
from quantizer.progress import count_finished
from quantizer.report import RunReport
from quantizer.solver import Settings, with_default_grid

_ROUNDS = {"rpiq-paper": 5}  # as published; 4 elsewhere


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Quantize a model folder block by block. An interrupted run goes on where it stopped when "
        "the same command is given again."
    )
    parser.set_defaults(action=_run, if_stopped="the output folder is as it was before")
    parser.add_argument("model", type=Path, metavar="MODEL", help="full-precision model folder")
    parser.add_argument(
        "--out", type=Path, required=True, help="new or empty folder, or one to replace"
    )
    parser.add_argument(
        "--method",
        choices=("rtn", "gptq", "rpiq", "rpiq-paper"),
        default="rpiq",
        help="rounding to nearest, GPTQ, GPTQ refined on the grid, or RPIQ as published; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="gptq",
        help="form of the written layers; default: %(default)s",
    )
    parser.add_argument(
        "--bits", type=int, choices=(4, 8), default=4, help="of a weight; default: %(default)s"
    )
    parser.add_argument(
        "--group-size",
        type=int,
        default=128,
        help="inputs that share a scale; default: %(default)s",
    )
    parser.add_argument("--sym", action="store_true", help="fix every zero point in the middle")
    parser.add_argument(
        "--damp-percent",
        type=float,
        help="share of the Hessian's mean diagonal; default: 0.05 for rpiq, else 0.01",
    )
    parser.add_argument(
        "--rounds", type=int, help="most refinement rounds; default: 4 for rpiq, 5 for rpiq-paper"
    )
    parser.add_argument(
        "--rpiq-hessian",
        choices=("last", "global"),
        default="last",
        help="rpiq-paper: block Hessians of the last sequence, or of all as equation 12 reads; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--asymmetric-target",
        choices=("auto", "0", "0.5", "1"),
        default="auto",
        help="rpiq: how far layers make up for errors before them; auto, the default: chosen on "
        "held-out text",
    )
    parser.add_argument(
        "--grid", choices=("minmax", "hessian"), help="default: hessian for rpiq, else minmax"
    )
    parser.add_argument(
        "--act-order",
        action=argparse.BooleanOptionalAction,
        help="quantize columns in order of importance; default: yes, except for rpiq-paper",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="PATH",
        help="text file, or for CogVLM2 a folder with pictures and questions.jsonl",
    )
    parser.add_argument(
        "--samples", type=int, default=128, help="calibration sequences; default: %(default)s"
    )
    parser.add_argument(
        "--seq-len", type=int, help="tokens of a text sequence; default: the context, at most 2048"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N; default: %(default)s"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="draws the calibration sequences; default: %(default)s"
    )
    parser.add_argument(
        "--allow-uncalibrated",
        action="store_true",
        help="round layers that no calibration token reaches, instead of stopping",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what the run would do and need, then stop"
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="throw away what an interrupted run left, instead of continuing it",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the totals, or the plan, as JSON"
    )


def _run(options: argparse.Namespace) -> int:
    settings = Settings(
        method=options.method,
        bits=options.bits,
        group_size=options.group_size,
        sym=options.sym,
        act_order=_act_order(options),
        damp_percent=_damping(options.damp_percent),
        rounds=_ROUNDS.get(options.method, 4) if options.rounds is None else options.rounds,
        rpiq_hessian=options.rpiq_hessian,
        asymmetric_target=options.asymmetric_target,
    )
    job = Job(
        model=options.model,
        out=options.out,
        settings=with_default_grid(settings, options.grid),
        form=options.format,
        calibration=options.calibration,
        samples=options.samples,
        seq_len=options.seq_len,
        seed=options.seed,
        device=device_of(options.device),
        allow_uncalibrated=options.allow_uncalibrated,
        restart=options.restart,
    )
    return_freed_memory()
    if options.dry_run:
        return _dry_run(job, as_json=options.json)
    try:
        with progress_bar() as show:
            report = run(job, lambda p: show(p.module, p.done, p.total))
    except KeyboardInterrupt:
        if finished := count_finished(job.out):
            options.if_stopped = (
                f"{finished} blocks are finished; run the same command again to continue"
            )
        raise
    print(json.dumps(report.totals()) if options.json else _summary(options.out, report))
    return 0


def _damping(asked: float | None) -> float:
    """What `Settings` takes: NaN for the method's own default, which nobody can ask for."""
    if asked is None:
        return math.nan
    if math.isnan(asked):
        raise SettingsError("--damp-percent nan is out of range; give a share such as 0.01")
    return asked


def _act_order(options: argparse.Namespace) -> bool:
    """As asked for; unless asked, the published RPIQ alone leaves columns in their own order."""
    if options.act_order is None:
        return bool(options.method != "rpiq-paper")
    return bool(options.act_order)


def _dry_run(job: Job, *, as_json: bool) -> int:
    """Print the plan; what cannot fit is an error after it."""
    prepared = prepare(job)
    plan = plan_job(job, prepared, speed=True)
    notes = [*prepared.notes, *plan.warnings()]
    if as_json:
        print(json.dumps(plan.to_dict() | {"warnings": notes}))
    else:
        print(plan_text(plan, notes))
    plan.check()
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
