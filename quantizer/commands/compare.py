"""``quantizer compare``: several methods on one model from one set of statistics."""

import argparse
from pathlib import Path

import torch

from quantizer.commands.common import add_text_options, device_of, progress_bar
from quantizer.compare.compare import compare
from quantizer.compare.comparison import DRIVING, CompareJob, Comparison
from quantizer.compare.methods import MEANINGS
from quantizer.errors import SettingsError
from quantizer.solvers.methods import DEFAULTS


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Quantize one model by several methods from the same statistics, measure each, and write "
        "report.md, report.json and plots."
    )
    parser.set_defaults(action=_compare, if_stopped="the output folder is as it was before")
    parser.add_argument("model", type=Path, metavar="MODEL", help="full-precision model folder")
    parser.add_argument(
        "--out", type=Path, required=True, help="new or empty folder, or one to replace"
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        required=True,
        metavar="PATH",
        help="text: plain, .jsonl with text or messages, or .csv with text; or for models that see "
        "pictures a folder with questions.jsonl",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="text to measure perplexity on"
    )
    parser.add_argument(
        "--methods", default=",".join(MEANINGS), metavar="LIST", help="default: %(default)s"
    )
    parser.add_argument(
        "--bits",
        default=str(DEFAULTS[DRIVING].bits),
        metavar="LIST",
        help="widths from 2 to 8, such as 4,3,2; the walk over the model uses the first; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--walk-per-width",
        action="store_true",
        help="walk the model once for every width, so that each has statistics of its own",
    )
    parser.add_argument(
        "--paper-rounds",
        default=str(DEFAULTS["rpiq-paper"].rounds),
        metavar="LIST",
        help="rounds of rpiq-paper, such as 5,20; default: %(default)s",
    )
    parser.add_argument(
        "--group-size",
        type=int,
        default=DEFAULTS[DRIVING].group_size,
        help="inputs that share a scale; default: %(default)s",
    )
    parser.add_argument(
        "--token-importance",
        type=float,
        metavar="RHO",
        help="share, 0 to 1, of a token's weight that follows the gradient of the model's loss, in "
        f"the Hessians that all methods solve from; default: {DEFAULTS[DRIVING].token_importance}",
    )
    parser.add_argument(
        "--samples", type=int, default=128, help="calibration sequences; default: %(default)s"
    )
    parser.add_argument(
        "--seq-len",
        type=int,
        help="tokens of a calibration sequence, not of the windows that are measured; default: the "
        "context, at most 2048",
    )
    parser.add_argument(
        "--eval-seq-len",
        type=int,
        help="tokens of a window that is measured; default: the context, at most 2048",
    )
    add_text_options(parser, "blank lines in --calibration, the whole file of --data")
    parser.add_argument(
        "--seed", type=int, default=0, help="draws the calibration sequences; default: %(default)s"
    )
    parser.add_argument("--limit", type=int, help="measure only the first windows of --data")
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N; default: %(default)s"
    )
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="of measured models; auto: float32 on a CPU, bfloat16 otherwise",
    )
    parser.add_argument(
        "--allow-uncalibrated",
        action="store_true",
        help="round layers that no calibration token reaches, instead of stopping",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the dequantized models in OUT/models"
    )


def _compare(options: argparse.Namespace) -> int:
    device = device_of(options.device)
    job = CompareJob(
        model=options.model,
        out=options.out,
        calibration=options.calibration,
        data=options.data,
        methods=_parts(options.methods),
        bits=_numbers("--bits", options.bits),
        group_size=options.group_size,
        samples=options.samples,
        seq_len=options.seq_len,
        seed=options.seed,
        limit=options.limit,
        eval_seq_len=options.eval_seq_len,
        bos=options.bos,
        documents=options.documents,
        paper_rounds=_numbers("--paper-rounds", options.paper_rounds),
        device=device,
        dtype=_dtype(options.dtype, device),
        allow_uncalibrated=options.allow_uncalibrated,
        token_importance=options.token_importance,
        walk_per_width=options.walk_per_width,
        keep=options.keep,
    )
    with progress_bar() as show:
        comparison = compare(job, show)
    print(_summary(comparison))
    return 0


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in _parts(text))
    except ValueError as error:
        raise SettingsError(f"{option} {text} is no list of numbers; give 4 or 4,3,2") from error


def _dtype(name: str, device: torch.device) -> torch.dtype:
    exact = device.type == "cpu" if name == "auto" else name == "float32"
    return torch.float32 if exact else torch.bfloat16


def _summary(comparison: Comparison) -> str:
    lines = [f"full precision: perplexity {comparison.exact.value:.4f}"]
    for variant in comparison.variants():
        note = "" if variant.on_grid else f", not {variant.bits}-bit"
        value = comparison.measured[variant].value
        shared = comparison.statistics_of(variant)
        shared = f", Hessians {shared}" if shared.startswith("shared") else ""
        lines.append(f"{variant.bits} bits, {variant.label}: perplexity {value:.4f}{note}{shared}")
    lines.append(f"report: {comparison.job.out / 'report.md'}")
    return "\n".join(lines)
