"""``quantizer eval``: measure a model folder."""

import argparse
import json
from pathlib import Path

import torch

from models.loading import load_model
from quantizer.commands.common import check_result_file, device_of, progress_bar
from quantizer.errors import SettingsError
from quantizer.evaluate.perplexity import perplexity
from quantizer.evaluate.pictures import pictures


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
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


def _eval(options: argparse.Namespace) -> int:
    if options.limit is not None and options.limit < 1:
        raise SettingsError(f"--limit {options.limit} leaves nothing to measure; give 1 or more")
    if options.json is not None:
        check_result_file(options.json)
    device = device_of(options.device)
    loaded = load_model(options.model, device=device, dtype=_dtype(options, device))
    with progress_bar() as show:

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


def _dtype(options: argparse.Namespace, device: torch.device) -> torch.dtype:
    if options.dtype != "auto":
        return torch.float32 if options.dtype == "float32" else torch.bfloat16
    # Differences between methods are smaller than bfloat16's rounding, so text is measured in
    # float32 where memory allows; answers about pictures are given as the assistant gives them.
    exact = options.task == "perplexity" and device.type == "cpu"
    return torch.float32 if exact else torch.bfloat16
