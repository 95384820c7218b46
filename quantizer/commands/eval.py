"""``quantizer eval``: measure a model folder, and compare it with another one."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from models.files.checkpoint import CheckpointReader
from models.loading import load_model
from models.plain_text import escaped
from quantizer.commands.common import add_text_options, check_result_file, device_of, progress_bar
from quantizer.errors import SettingsError
from quantizer.evaluate.ocrvqa import SUBSETS, ocrvqa, protocol_of
from quantizer.evaluate.paired import check_same_method, in_words, paired
from quantizer.evaluate.perplexity import PROTOCOLS, perplexity
from quantizer.evaluate.pictures import PROTOCOL as PICTURE_PROTOCOL
from quantizer.evaluate.pictures import pictures
from quantizer.evaluate.results import read_result, write_result
from quantizer.evaluate.sentiment import sentiment

_TASKS = ("perplexity", "sentiment", "pictures", "ocrvqa")
_ABOUT_PICTURES = ("pictures", "ocrvqa")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = "Measure a model folder, and compare it with another one item by item."
    parser.set_defaults(action=_eval, if_stopped="no result was written")
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder")
    parser.add_argument("--task", choices=_TASKS, required=True, help="what to measure")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="PATH",
        help="perplexity: text, plain, .jsonl with text or messages, or .csv with text; sentiment: "
        "folder with mapping.txt, val_text.txt and val_labels.txt, or .jsonl or .csv with text and "
        "label; pictures: folder with pictures and questions.jsonl; ocrvqa: folder with "
        "dataset.json and images/",
    )
    parser.add_argument(
        "--subset",
        choices=SUBSETS,
        help="ocrvqa: 96 questions of every genre, or all of the test split; default: testcore",
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="standard",
        help="standard, the default, or as AutoGPTQ's evaluation tasks measure (perplexity and "
        "sentiment)",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="OTHER",
        help="compare with this model folder, or with this earlier --json file, item by item",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here")
    parser.add_argument(
        "--limit", type=int, help="only the first windows (autogptq: documents) or questions"
    )
    parser.add_argument(
        "--seq-len",
        type=int,
        help="perplexity: tokens of a window; default: the context, at most 2048 (autogptq: "
        "tokens kept of a document, at most 1024)",
    )
    add_text_options(parser, "the whole file; for autogptq blank lines")
    parser.add_argument(
        "--batch-size",
        type=int,
        help="perplexity and sentiment: rows computed at once; default: up to 32, as memory allows",
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N; default: %(default)s"
    )
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: float32 for text on a CPU, bfloat16 otherwise",
    )


def _eval(options: argparse.Namespace) -> int:
    _check(options)
    device = device_of(options.device)
    earlier = None
    if options.against is not None and not options.against.is_dir():
        earlier = read_result(options.against)
        this = {"task": options.task, "protocol": _protocol(options), "model": str(options.model)}
        check_same_method(this, earlier)  # before hours are spent
    elif options.against is not None:
        CheckpointReader(options.against)  # likewise
    result = _measure(options, options.model, device)
    _print_result(result)
    if options.json is not None:
        write_result(options.json, result)
        options.if_stopped = f"{options.json} holds the result of {options.model} alone"
    if options.against is None:
        return 0
    other = _measure(options, options.against, device) if earlier is None else earlier
    _print_result(other)
    comparison = paired(result, other)
    print(in_words(comparison))
    if other.get("dtype") != result["dtype"]:
        print(f"note: {other['model']} was computed in {other.get('dtype')}, not {result['dtype']}")
    if options.json is not None:
        write_result(options.json, {**result, "comparison": comparison, "against": other})
    return 0


def _check(options: argparse.Namespace) -> None:
    if options.limit is not None and options.limit < 1:
        raise SettingsError(f"--limit {options.limit} leaves nothing to measure; give 1 or more")
    if options.batch_size is not None and options.batch_size < 1:
        raise SettingsError(f"--batch-size {options.batch_size} is no batch; give 1 or more")
    if options.seq_len is not None and options.task != "perplexity":
        raise SettingsError(f"--seq-len means nothing to {options.task}; leave it out")
    for name in ("bos", "documents"):
        if getattr(options, name) != "auto" and options.task != "perplexity":
            raise SettingsError(f"--{name} means nothing to {options.task}; leave it out")
    if options.task in _ABOUT_PICTURES and options.batch_size is not None:
        raise SettingsError(
            f"--batch-size means nothing to {options.task}, asked singly; leave it out"
        )
    if options.task in _ABOUT_PICTURES and options.protocol != "standard":
        raise SettingsError(
            f"--protocol {options.protocol} has no {options.task}; leave it out, or give another "
            "--task"
        )
    if options.task != "ocrvqa" and options.subset is not None:
        raise SettingsError(f"--subset means nothing to {options.task}; leave it out")
    if options.json is not None:
        check_result_file(options.json)
        if options.against is not None and options.json.resolve() == options.against.resolve():
            raise SettingsError(
                f"--json {options.json} would replace the result to compare with; give another"
            )


def _protocol(options: argparse.Namespace) -> str:
    """What the result will say about how it was measured."""
    if options.task == "pictures":
        return PICTURE_PROTOCOL
    if options.task == "ocrvqa":
        return protocol_of(options.subset or SUBSETS[0])
    return str(options.protocol)


def _measure(options: argparse.Namespace, folder: Path, device: torch.device) -> dict[str, Any]:
    dtype = _dtype(options, device)
    loaded = load_model(folder, device=device, dtype=dtype)
    with progress_bar() as show:

        def on_progress(done: int, total: int) -> None:
            show(options.task, done, total)

        if options.task == "perplexity":
            result = perplexity(
                loaded,
                options.data,
                protocol=options.protocol,
                limit=options.limit,
                seq_len=options.seq_len,
                batch_size=options.batch_size,
                bos=options.bos,
                documents=options.documents,
                on_progress=on_progress,
            )
        elif options.task == "sentiment":
            result = sentiment(
                loaded,
                options.data,
                protocol=options.protocol,
                limit=options.limit,
                batch_size=options.batch_size,
                on_progress=on_progress,
            )
        elif options.task == "ocrvqa":
            result = ocrvqa(
                loaded,
                options.data,
                subset=options.subset or SUBSETS[0],
                limit=options.limit,
                on_progress=on_progress,
            )
        else:
            result = pictures(loaded, options.data, limit=options.limit, on_progress=on_progress)
    return {**result, "dtype": str(dtype).removeprefix("torch.")}


def _print_result(result: Mapping[str, Any]) -> None:
    low, high = result["interval_95"]
    protocol = " by AutoGPTQ's protocol" if result["protocol"] == "autogptq" else ""
    bos = f", BOS: {escaped(str(result['bos']))}" if "bos" in result else ""
    print(
        f"{result['task']} {result['value']:.4f}{protocol} (95 % {low:.4f} to {high:.4f}), "
        f"{result['items']} items{bos}, {result['seconds']:.1f} s: {result['model']}"
    )
    for name, part in (*result.get("skills", {}).items(), *result.get("categories", {}).items()):
        print(f"  {name}: {part['value']:.3f} of {part['items']}")
    if result.get("missing_pictures"):
        print(f"  {result['missing_pictures']} covers have no picture and were left out")
    for label, part in result.get("labels", {}).items():
        given = result["given"][label]
        print(f"  {label}: {part['value']:.3f} of {part['items']}, answered {given} times")
    if "commonest" in result:
        print(f"  always giving the commonest label would reach {result['commonest']:.4f}")


def _dtype(options: argparse.Namespace, device: torch.device) -> torch.dtype:
    if options.dtype != "auto":
        return torch.float32 if options.dtype == "float32" else torch.bfloat16
    # Differences between methods are smaller than bfloat16's rounding, so text is measured in
    # float32 where memory allows; answers about pictures are given as the assistant gives them.
    exact = options.task not in _ABOUT_PICTURES and device.type == "cpu"
    return torch.float32 if exact else torch.bfloat16
