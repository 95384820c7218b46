"""``quantizer run``: quantize a model folder."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import torch

from models.files.formats import FORMATS
from models.int4.packing import STORED_WIDTHS
from quantizer.commands.common import add_text_options, device_of, option_of, progress_bar
from quantizer.errors import SettingsError
from quantizer.exporting.export import GGUF
from quantizer.plan.machine import return_freed_memory
from quantizer.plan.text import plan_text
from quantizer.recipes.recipe import Recipe, read_recipe, shipped
from quantizer.report.report import Report
from quantizer.run.lm_head import HEAD_BITS
from quantizer.run.pipeline import Job, assist, plan_job, prepare, run
from quantizer.run.progress import count_finished
from quantizer.run.ranks import ALONE, WRITER, Ranks, in_step
from quantizer.solvers.methods import (
    DEFAULT_METHOD,
    DEFAULTS,
    AsymmetricTarget,
    GridChoice,
    HessianChoice,
    Settings,
)

_IN_RECIPES = tuple(field.name for field in fields(Settings))


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Quantize a model folder block by block. An interrupted run goes on where it stopped when "
        "the same command is given again. Several processes share the work with "
        "torchrun --nproc-per-node N -m quantizer run ..."
    )
    parser.set_defaults(
        action=_run, if_stopped="the output folder is as it was before", in_ranks=True
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="full-precision model folder")
    parser.add_argument(
        "--out", type=Path, required=True, help="new or empty folder, or one to replace"
    )
    parser.add_argument(
        "--method",
        choices=tuple(DEFAULTS),
        help="rounding to nearest, GPTQ, GPTQ refined on the grid, or RPIQ as published; "
        f"default: {DEFAULT_METHOD}",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help=f"quantize layers by the rules of a recipe: {', '.join(shipped())}, or a .toml file",
    )
    parser.add_argument(
        "--format",
        choices=(*FORMATS, GGUF),
        default="gptq",
        help="form of the written layers; gguf: as gptq, and beside it a GGUF file for llama.cpp; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--bits",
        type=int,
        help=f"of a weight: {STORED_WIDTHS}, which files store (compressed-tensors 4 or 8); "
        f"{_default('bits')}; quantizer compare measures 2 to 8",
    )
    parser.add_argument(
        "--group-size",
        type=int,
        help=f"inputs that share a scale; {_default('group_size')}",
    )
    parser.add_argument(
        "--head-bits",
        type=int,
        choices=HEAD_BITS,
        help="quantize the head, too; one that is the embedding becomes a layer of its own, and "
        "the embedding stays; default: it stays as it is",
    )
    parser.add_argument(
        "--sym", action="store_true", default=None, help="fix every zero point in the middle"
    )
    parser.add_argument(
        "--damp-percent",
        type=float,
        help=f"share of the Hessian's mean diagonal; {_default('damp_percent')}",
    )
    parser.add_argument("--rounds", type=int, help=f"most refinement rounds; {_default('rounds')}")
    parser.add_argument(
        "--rpiq-hessian",
        choices=get_args(HessianChoice),
        help="rpiq-paper: block Hessians of the last sequence, or of all as equation 12 reads; "
        f"{_default('rpiq_hessian')}",
    )
    parser.add_argument(
        "--asymmetric-target",
        choices=get_args(AsymmetricTarget),
        help="rpiq: how far layers make up for errors before them; auto: chosen on held-out text; "
        f"{_default('asymmetric_target')}",
    )
    parser.add_argument(
        "--residual-target",
        action=argparse.BooleanOptionalAction,
        help="rpiq: layers also make up for errors in what their output is added to; "
        f"{_default('residual_target')}",
    )
    parser.add_argument(
        "--token-importance",
        type=float,
        metavar="RHO",
        help="share, 0 to 1, of a token's weight that follows the gradient of the model's loss; "
        f"{_default('token_importance')}",
    )
    parser.add_argument("--grid", choices=get_args(GridChoice), help=_default("grid"))
    parser.add_argument(
        "--act-order",
        action=argparse.BooleanOptionalAction,
        help=f"quantize columns in order of importance; {_default('act_order')}",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="PATH",
        help="text: plain, .jsonl with text or messages, or .csv with text; or for models that see "
        "pictures with questions: a folder with questions.jsonl, CogVLM-SFT-311K's folders, or "
        "LLaVA's .json",
    )
    parser.add_argument(
        "--text-calibration",
        type=Path,
        metavar="FILE",
        help="further text beside pictures, for layers whose recipe reads it",
    )
    parser.add_argument(
        "--samples",
        type=int,
        help="calibration sequences; default: 64 with pictures, 128 of text",
    )
    parser.add_argument(
        "--seq-len", type=int, help="tokens of a text sequence; default: the context, at most 2048"
    )
    add_text_options(parser, "blank lines")
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
    ranks: Ranks = options.ranks or ALONE
    recipe = _recipe(options)
    job = Job(
        model=options.model,
        out=options.out,
        settings=_settings(options) if recipe is None else recipe.base,
        form=options.format,
        recipe=recipe,
        calibration=options.calibration,
        text_calibration=options.text_calibration,
        samples=options.samples,
        seq_len=options.seq_len,
        seed=options.seed,
        bos=options.bos,
        documents=options.documents,
        device=_device(options.device, ranks),
        head_bits=options.head_bits,
        allow_uncalibrated=options.allow_uncalibrated,
        restart=options.restart,
    )
    return_freed_memory()
    if options.dry_run:
        return _dry_run(job, ranks, as_json=options.json)
    if ranks.rank != WRITER:
        assist(job, ranks)
        return 0
    try:
        with progress_bar() as show:
            report = run(job, lambda p: show(p.module, p.done, p.total), ranks)
    except KeyboardInterrupt:
        if finished := count_finished(job.out):
            options.if_stopped = (
                f"{finished} blocks are finished; run the same command again to continue"
            )
        raise
    print(json.dumps(report.totals()) if options.json else _summary(options.out, report))
    return 0


def _device(name: str, ranks: Ranks) -> torch.device:
    """The device of this rank: each has a card of its own, unless all are told to share one.

    Raises:
        SettingsError: see ``device_of``, or there are more ranks than cards.
    """
    device = device_of(name)
    if ranks.size == 1 or device.type != "cuda":
        return device
    if str(device) == "cuda":
        cards = torch.cuda.device_count()
        if cards < ranks.size:
            raise SettingsError(
                f"{ranks.size} ranks and {cards} cards: give --nproc-per-node {cards}, or "
                "--device cuda:0 for all to share one"
            )
        device = torch.device("cuda", ranks.rank)
    torch.cuda.set_device(device)  # where what other ranks share comes to
    return device


def _recipe(options: argparse.Namespace) -> Recipe | None:
    """The recipe asked for, which leaves nothing to options of single layers."""
    if options.recipe is None:
        return None
    for name in _IN_RECIPES:
        if getattr(options, name) is not None:
            raise SettingsError(
                f"{option_of(name)} and --recipe {options.recipe} exclude each other; "
                "say it in a recipe of your own"
            )
    return read_recipe(options.recipe)


def _settings(options: argparse.Namespace) -> Settings:
    """The settings of all layers alike; what was not asked for is the method's own."""
    return Settings(**{name: getattr(options, name) for name in _IN_RECIPES})


def _default(setting: str) -> str:
    """Say what a setting is unless it is given: the same for most methods, or for all."""
    by_method = {method: getattr(row, setting) for method, row in DEFAULTS.items()}
    *others, usual = sorted(set(by_method.values()), key=list(by_method.values()).count)
    own = [f"{_word(by_method[m])} for {m}" for m in by_method if by_method[m] in others]
    return "default: " + ", ".join([*own, f"else {_word(usual)}" if own else _word(usual)])


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _dry_run(job: Job, ranks: Ranks, *, as_json: bool) -> int:
    """Print the plan; what cannot fit is an error after it."""
    prepared = in_step(ranks, lambda: prepare(job))
    plan = plan_job(job, prepared, speed=True, ranks=ranks.size)
    if ranks.rank != WRITER:
        return 0
    notes = [*prepared.notes, *plan.warnings()]
    if as_json:
        print(json.dumps(plan.to_dict() | {"warnings": notes}))
    else:
        print(plan_text(plan, notes))
    plan.check()
    return 0


def _summary(out: Path, report: Report) -> str:
    totals = report.totals()
    ratio = totals["mean_j_ratio"]
    kept = ", ".join(f"{count} {name}" for name, count in totals["kept"].items())
    error = "" if ratio is None else f", output error {ratio:.3f} of plain rounding's"
    parts = totals["parts"]
    lines = [_part(name, part) for name, part in parts.items()] if len(parts) > 1 else []
    first = (
        f"{out}: {totals['modules']} layers ({kept}), "
        f"{_megabytes(totals['bytes_before'])} to {_megabytes(totals['bytes'])} MB, "
        f"{totals['seconds']:.1f} s{error}"
    )
    return "\n".join((first, *lines, *_loading(report)))


def _loading(report: Report) -> list[str]:
    """Name the loaders that the output is for, and those that a switch would add."""
    able = [one["loader"] for one in report.loaders if one["verdict"] == "yes"]
    others = [one for one in report.loaders if one["verdict"] != "yes"]
    lines = [f"  loads in {', '.join(able)}"] if able else []
    for one in others:
        mend = f"; mended by {one['mend']}" if one["mend"] else ""
        lines.append(f"  not in {one['loader']}: {one['text']}{mend}")
    return lines


def _part(name: str, part: Mapping[str, Any]) -> str:
    """What calibration gave one part of the model: each of its layers saw so many tokens."""
    return (
        f"  {name}: {part['layers']} layers, {part['tokens']} tokens and "
        f"{part['held_out_tokens']} held out"
    )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f}"
