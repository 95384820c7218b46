"""Compare what llama.cpp computes from an exported file with what we compute from the folder.

    .venv/bin/python scripts/bench_llama_cpp.py FOLDER... --text FILE --json FILE

Each quantized FOLDER is exported, and llama.cpp (scripts/build_llama_server) and we read the same
ids. Three questions are kept apart:

- Is the file what the folder is? ``control``: the weights that the file holds, written as F16, in
  llama.cpp against ours in float32. There llama.cpp rounds activations to float16 alone.
- What does llama.cpp's arithmetic cost? It rounds the input of each quantized layer to 8 bits in
  blocks of 32. ``rounding`` is ours with inputs rounded so, against ours without.
- Do both agree within that? ``llama_cpp`` is llama.cpp against ours, which should be about as far
  away as ``rounding``. Rounding is not continuous, so a last bit that differs early ends in other
  rounded values: ``llama_cpp_to_rounded`` is less than the sum of both, and no zero.

``embedding_bits`` is llama.cpp with the embedding and head in 8 and 4 bits against 16.

Seconds a token, with --seconds, alternate between llama.cpp and our int4 kernel on one thread, as
a ratio; on a busy machine they say little.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.generate import greedy_tokens
from models.int4 import Int4Linear
from models.loading import LoadedModel, load_model
from quantizer.exporting.blocks import BLOCK
from quantizer.exporting.export import export_gguf
from quantizer.importing.folder import import_gguf

PYTHON = Path("runs/llama-server/env/bin/python")
READS = Path(__file__).with_name("llama_cpp_reads.py")
PROMPTS = (
    "The history of the steam engine begins",
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
    "To make a cup of tea, first",
)
TEXTS = (
    *PROMPTS,
    "It's 8:05 on 21 March 2024,  isn't it?\n\n\tWE'LL see: café, Größe, 日本語, 🙂 x=3.14e-10",
    "def f(x):\n    return {'a': [1, 22, 333]}\n\n\n  # don't",
)


def asked_of_llama_cpp(path: Path, asked: Mapping[str, Any], room: Path) -> dict[str, Any]:
    """Let llama.cpp read a file in its own environment; returns arrays by name.

    Raises:
        subprocess.CalledProcessError: it cannot.
    """
    request, answers = room / "asked.json", room / "answers.npz"
    usual = {"texts": [], "windows": [], "prompts": [], "new_tokens": 0}
    usual |= {"seconds_of": 0, "threads": 1}
    request.write_text(json.dumps(usual | dict(asked)))
    command = [str(PYTHON), str(READS), str(path), str(request), str(answers)]
    # Nothing of ours may stand in the way of what that environment imports.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, check=True, env=clean, capture_output=True)
    with np.load(answers) as found:
        return {name: found[name] for name in found.files}


def as_llama_cpp_rounds(x: Tensor) -> Tensor:
    """Round (..., in) to 8 bits in blocks of 32, as its products with Q4 and Q8 blocks do.

    Source: quantize_row_q8_0 and quantize_row_q8_1 of ggml/src/ggml-quants.c.
    """
    blocks = x.float().reshape(-1, BLOCK)
    scale = blocks.abs().amax(dim=1, keepdim=True) / 127
    codes = torch.where(scale > 0, blocks / scale, torch.zeros_like(blocks)).round()
    return (codes * scale.half().float()).reshape(x.shape).to(x.dtype)


@contextmanager
def rounded_inputs(model: nn.Module, of: type[nn.Module] = Int4Linear) -> Iterator[None]:
    """Round what every layer of a class reads, for as long as the body runs."""
    hooks = [
        layer.register_forward_pre_hook(lambda _, args: (as_llama_cpp_rounds(args[0]),))
        for layer in model.modules()
        if isinstance(layer, of)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.inference_mode()
def our_logits(model: Any, windows: Sequence[Sequence[int]]) -> list[Tensor]:
    """Logits (tokens, vocabulary) of every window."""
    return [model(input_ids=torch.tensor([list(w)])).logits[0].float() for w in windows]


def compared(
    first: Sequence[Tensor], second: Sequence[Tensor], windows: Sequence[Sequence[int]]
) -> dict[str, float]:
    """How far the second distributions are from the first ones, over all tokens."""
    one, other = (torch.cat(list(each)).double().log_softmax(-1) for each in (first, second))
    divergence = (one.exp() * (one - other)).sum(-1).clamp_min(0)
    return {
        "kl_mean": float(divergence.mean()),
        "kl_99": float(divergence.quantile(0.99)),
        "top1_equal": float((one.argmax(-1) == other.argmax(-1)).double().mean()),
        "perplexity_first": _perplexity(first, windows),
        "perplexity_second": _perplexity(second, windows),
    }


def _perplexity(logits: Sequence[Tensor], windows: Sequence[Sequence[int]]) -> float:
    losses = [
        nn.functional.cross_entropy(each[:-1].double(), torch.tensor(list(window[1:])))
        for each, window in zip(logits, windows, strict=True)
    ]
    return math.exp(float(torch.stack(losses).mean()))


def greedy(model: Any, prompt: Sequence[int], theirs: Sequence[int]) -> dict[str, Any]:
    """How many tokens both choose alike, and how near a tie we are where they part.

    gap: our logit of our choice less ours of theirs; None where all are equal.
    """
    ours = list(greedy_tokens(model, torch.tensor([list(prompt)]), len(theirs)))
    pairs = zip(ours, theirs, strict=True)
    equal = next((n for n, (a, b) in enumerate(pairs) if a != b), len(theirs))
    found: dict[str, Any] = {"tokens": len(theirs), "equal": equal, "gap": None}
    if equal < len(theirs):
        (logits,) = our_logits(model, [[*prompt, *ours[:equal]]])
        found["gap"] = float(logits[-1, ours[equal]] - logits[-1, theirs[equal]])
    return found


def decode_seconds(folder: Path, path: Path, rounds: int, room: Path) -> dict[str, Any]:
    """Seconds a token of both, one thread each, round by round in turn; medians and ratio."""
    torch.set_num_threads(1)
    model: Any = load_model(folder).model
    theirs, ours = [], []
    for _ in range(rounds):
        asked = {"seconds_of": 24, "threads": 1}
        theirs.append(float(np.median(asked_of_llama_cpp(path, asked, room)["token_s"])))
        timed, past_s = [], time.perf_counter()
        for _ in greedy_tokens(model, torch.tensor([[1]]), 24):
            timed.append(time.perf_counter() - past_s)
            past_s = time.perf_counter()
        ours.append(statistics.median(timed[1:]))
    ratios = sorted(own / other for own, other in zip(ours, theirs, strict=True))
    return {
        "rounds": rounds,
        "llama_cpp_token_s": statistics.median(theirs),
        "ours_token_s": statistics.median(ours),
        "ours_to_llama_cpp": statistics.median(ratios),
        "ratios": ratios,
        "load": os.getloadavg()[0],
    }


def measure(
    folder: Path,
    text: str,
    *,
    windows: int,
    length: int,
    new_tokens: int,
    control: bool,
    embedding: bool,
    room: Path,
) -> dict[str, Any]:
    """Export a folder and compare; see the module's docstring."""
    path = room / f"{folder.name}.gguf"
    exported = export_gguf(folder, path)
    loaded: LoadedModel = load_model(folder, dtype=torch.float32)
    tokenizer, model = loaded.tokenizer, loaded.model
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    cut = [ids[n * length : (n + 1) * length] for n in range(windows)]
    prompts = [tokenizer.encode(prompt).ids for prompt in PROMPTS]
    asked = {"texts": TEXTS, "windows": cut, "prompts": prompts, "new_tokens": new_tokens}
    theirs = asked_of_llama_cpp(path, asked, room)
    logits = [torch.from_numpy(theirs[f"logits_{n}"]) for n in range(windows)]
    ours = our_logits(model, cut)
    with rounded_inputs(model):
        rounded = our_logits(model, cut)
    found = {
        "kinds": exported.kinds,
        "size_bytes": exported.size_bytes,
        "part_bytes": exported.part_bytes,
        "tokens": windows * length,
        "texts_split_alike": sum(
            tokenizer.encode(each).ids == theirs[f"texts_{n}"].tolist()
            for n, each in enumerate(TEXTS)
        ),
        "texts": len(TEXTS),
        "llama_cpp": compared(ours, logits, cut),
        "rounding": compared(ours, rounded, cut),
        "llama_cpp_to_rounded": compared(rounded, logits, cut),
        "greedy": [
            greedy(model, prompt, theirs[f"greedy_{n}"].tolist())
            for n, prompt in enumerate(prompts)
        ],
    }
    found["embedding_bits"] = {}
    for bits in (8, 4) if embedding else ():
        small = room / f"{bits}.gguf"
        made = export_gguf(folder, small, outer_bits=bits)
        read = asked_of_llama_cpp(small, {"windows": cut}, room)
        fewer = [torch.from_numpy(read[f"logits_{n}"]) for n in range(windows)]
        sizes = {"size_bytes": made.size_bytes, "part_bytes": made.part_bytes}
        found["embedding_bits"][bits] = sizes | compared(logits, fewer, cut)
    if control:
        import_gguf(path, room / "wide", dtype=torch.float32)
        export_gguf(room / "wide", room / "wide.gguf")
        wide = asked_of_llama_cpp(room / "wide.gguf", {"windows": cut}, room)
        plain = [torch.from_numpy(wide[f"logits_{n}"]) for n in range(windows)]
        found["control"] = compared(ours, plain, cut)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every folder and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--text", type=Path, required=True, help="plain text, of which windows are")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--length", type=int, default=128, help="tokens of a window")
    parser.add_argument("--new-tokens", type=int, default=32, help="of each greedy answer")
    parser.add_argument("--control", action="store_true", help="compare the weights as F16, too")
    parser.add_argument("--embedding", action="store_true", help="try 8 and 4 bits for it, too")
    parser.add_argument("--seconds", type=int, default=0, metavar="ROUNDS", help="time decoding")
    options = parser.parse_args(argv)
    if not PYTHON.is_file():
        print(f"error: {PYTHON} is missing; run scripts/build_llama_server", file=sys.stderr)
        return 2
    text = options.text.read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    if options.json.is_file():
        found = json.loads(options.json.read_text())
    for folder in options.folders:
        with tempfile.TemporaryDirectory(prefix="bench-llama-cpp-", dir="runs") as room:
            found[folder.name] = measure(
                folder,
                text,
                windows=options.windows,
                length=options.length,
                new_tokens=options.new_tokens,
                control=options.control,
                embedding=options.embedding,
                room=Path(room),
            )
            if options.seconds:
                path = Path(room) / f"{folder.name}.gguf"
                found[folder.name]["seconds"] = decode_seconds(
                    folder, path, options.seconds, Path(room)
                )
        # After each folder, so that one that fails costs none of the others.
        options.json.write_text(json.dumps(found, indent=2) + "\n")
        print(folder.name, json.dumps(found[folder.name]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
