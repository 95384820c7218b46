"""What to run first on a machine with an NVIDIA card: is every kernel right, and how fast is it?

    scripts/first_hour_on_a_gpu [--out FILE] [--models] [--pretend]

Compares the fused kernels of the quantizer and PyTorch's int4 kernels with plain arithmetic,
measures how long they take, quantizes a small layer, decodes with four layers of LLaMA-3.1-8B's
shape as usual and with a captured step (`models.text.captured`), and with --models quantizes the
complete shapes of LLaMA-3.1-8B and CogVLM2-19B with random weights in 24 GB (an hour and 51 GB of
disk), beside the figures of the paper. --out writes everything as one JSON file, which can be sent
back: it holds figures, and the names of the card and of the versions.

--pretend goes through the same steps on the pretend card of the tests, at tiny shapes; its times
mean nothing.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
# Before the packages are imported: whoever has a card may run this from a checkout alone.
sys.path.insert(0, str(ROOT))

from models.files.checkpoint import write_json  # noqa: E402
from models.generate import greedy_tokens  # noqa: E402
from models.greedy import pick  # noqa: E402
from models.int4 import Int4Linear, QuantizedWeight  # noqa: E402
from models.text.captured import CudaGraphs, Recorder, lent_step  # noqa: E402
from models.text.reading import reader_of  # noqa: E402
from quantizer.plan.cards import CARDS  # noqa: E402
from quantizer.plan.machine import exact_float32, look_at_machine  # noqa: E402
from quantizer.solvers.gptq import LayerProblem, feed_back  # noqa: E402
from quantizer.solvers.hessian import inverse_factor  # noqa: E402
from quantizer.solvers.methods import Settings  # noqa: E402
from quantizer.solvers.rpiq import BlockState, coordinate_step, refit_step  # noqa: E402
from quantizer.solvers.solver import solve  # noqa: E402

ROUNDS = (1, 4, 16, 32, 64, 128)  # rows of activations of which the int4 crossover is sought
COMPARED = 16  # tokens whose logits are compared
TINY = {
    "vocab_size": 256, "hidden_size": 256, "intermediate_size": 256, "head_dim": 64,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
Row = dict[str, Any]


def seconds(action: Callable[[], object], tries: int) -> float:
    """The best of several tries, each until the card is done."""
    best = float("inf")
    for _ in range(tries):
        torch.cuda.synchronize()
        started = time.perf_counter()
        action()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return best


def steps(rows: int, columns: int, tries: int) -> Iterator[Row]:
    """Every step over the columns of a block, on the card and by the reference on the processor."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(4 * columns, columns, generator=generator)
    H = inputs.T @ inputs / len(inputs)
    W = torch.randn(rows, columns, generator=generator)
    upper = inverse_factor(H, 0.01).upper
    scale, zero = torch.full_like(W, 0.375), torch.full_like(W, 8.0)
    codes = (torch.round(W / scale) + zero).clamp(0, 15)
    residual = ((codes - zero) * scale - W) @ H
    order = torch.arange(columns)

    def walk(W: Tensor, upper: Tensor, scale: Tensor, zero: Tensor, *_: Tensor) -> Tensor:
        return (feed_back(W, upper, scale, zero, 15)[0] - zero) * scale

    def coordinate(*given: Tensor) -> Tensor:
        state = BlockState(given[4], *given[2:4], *given[5:7], 15)
        coordinate_step(state, given[7])
        return state.value()

    def refit(*given: Tensor) -> Tensor:
        state = BlockState(given[4], *given[2:4], *given[5:7], 15)
        refit_step(state, columns)
        return state.value()

    here = (W, upper, scale, zero, codes, residual, H, order)
    there = tuple(part.to("cuda") for part in here)
    for name, action in (("walk", walk), ("coordinate", coordinate), ("refit", refit)):
        errors = []
        for given in (there, here):
            error = (action(*given).cpu() - W).double()
            errors.append(float((error @ H.double() * error).sum()))
        taken = seconds(lambda action=action: action(*there), tries)
        apart = abs(errors[0] - errors[1]) / errors[1]
        yield {
            "what": f"{name} {rows}x{columns}",
            "right": apart < 1e-4,
            "apart": apart,
            "seconds": taken,
        }


def int4(rows: int, columns: int, tries: int) -> Iterator[Row]:
    """The int4 layer against its dequantized weight, and from how many rows which is faster."""
    generator = torch.Generator().manual_seed(1)
    shape = (rows, columns // 64)
    weight = QuantizedWeight(
        torch.randint(0, 16, (rows, columns), generator=generator).byte(),
        (torch.rand(shape, generator=generator) * 0.05 + 0.005).half().float(),
        torch.randint(1, 16, shape, generator=generator).int(),
        64,
    )
    layer = Int4Linear.from_quantized(weight, None).to("cuda")
    dense = weight.dequantize().bfloat16().to("cuda")
    for count in ROUNDS:
        x = torch.randn(count, columns, generator=generator).bfloat16().to("cuda")
        with torch.no_grad():
            apart = (layer(x).float() - x.float() @ dense.float().T).cpu()
            size = float((x.float() @ dense.float().T).square().mean().sqrt())
            fast, plain = (
                seconds(lambda x=x: layer(x), tries),
                seconds(lambda x=x: x @ dense.T, tries),
            )
        relative = float(apart.square().mean().sqrt()) / size
        yield {
            "what": f"int4 {rows}x{columns}, {count} rows",
            "right": relative < 0.02,
            "apart": relative,
            "seconds": fast,
            "dense_seconds": plain,
        }


def layer(rows: int, columns: int) -> Row:
    """One layer by the default method; rpiq must be no worse than its start."""
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(2 * columns, columns, generator=generator).to("cuda")
    weight = torch.randn(rows, columns, generator=generator).to("cuda")
    hessian = inputs.T @ inputs / len(inputs)
    started = time.perf_counter()
    with torch.no_grad(), exact_float32():
        problem = LayerProblem(weight, hessian, len(inputs))
        solution = solve(problem, hessian, Settings("rpiq", group_size=64))
    torch.cuda.synchronize()
    errors = [stage.error or 0.0 for stage in solution.stages]
    return {
        "what": f"rpiq {rows}x{columns}",
        "right": errors[-1] <= errors[0],
        "apart": errors[-1] / errors[0],
        "seconds": time.perf_counter() - started,
        "peak_bytes": torch.cuda.max_memory_allocated(),
    }


def decoding(sizes: dict[str, int], recorder: Recorder, tokens: int) -> Iterator[Row]:
    """A token of a text model as usual and captured, and whether both compute the same.

    sizes: what differs from LLaMA-3.1-8B's configuration. tokens: so many are timed.
    """
    # It counts on the pretend card, which a checkout alone has too.
    from plan_decoding import llama_8b, tiny

    model = tiny(llama_8b() | sizes)
    ids = torch.arange(3, 43)[None].to("cuda")
    usual, plain = a_token(model, ids, tokens, None)
    fast, captured = a_token(model, ids, tokens, recorder)
    yield {"what": "token as usual", "right": True, "apart": 0.0, "seconds": usual}
    step = reader_of(model)
    held, errors = step.begin(), []
    with torch.inference_mode(), lent_step(step, recorder) as own:
        picked = pick(step.read(ids, held)[-1])
        if own is not None:
            step.read(ids, own.rooms)
        for _ in range(COMPARED if own is not None else 0):
            assert own is not None
            own.next(picked)
            expected = step.read(picked.fed, held).float()
            assert own.logits is not None
            apart = (own.logits.float() - expected).square().mean().sqrt()
            errors.append(float(apart / expected.square().mean().sqrt()))
            picked = pick(expected[-1])
    # Random weights decide between words that are nearly as likely: one token that differs is no
    # error, and all behind it differ too.
    same = sum(one == other for one, other in zip(plain, captured, strict=True))
    yield {
        "what": "token captured",
        "right": own is not None and not own.failed and max(errors) < 0.05,
        "apart": max(errors, default=float("nan")),
        "seconds": fast,
        "same_tokens": same,
        "tokens": len(plain),
    }


def a_token(
    model: nn.Module, ids: Tensor, tokens: int, recorder: Recorder | None
) -> tuple[float, list[int]]:
    """Seconds of a token behind some that are not counted, and all tokens."""
    stream = greedy_tokens(model, ids, tokens + 4, recorder=recorder)
    said = [next(stream) for _ in range(4)]
    torch.cuda.synchronize()
    started = time.perf_counter()
    said += stream
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / tokens, said


def complete_models(folder: Path) -> dict[str, Any]:
    """The two models of the paper at full size; see scripts/bench_full_size.py."""
    script = ROOT / "scripts/bench_full_size.py"
    result = folder / "full.json"
    command = [sys.executable, str(script), "--complete", "--device", "cuda", "--json", str(result)]
    done = subprocess.run(command, check=False)
    if done.returncode or not result.exists():
        return {"failed": f"bench_full_size.py ended with {done.returncode}"}
    found: dict[str, Any] = json.loads(result.read_text())
    return found


@contextlib.contextmanager
def a_card(pretend: bool) -> Iterator[Recorder]:
    """The card of this machine and what captures steps on it, or the pretend ones."""
    if pretend:
        from tests.pretend_gpu.device import pretend_card
        from tests.pretend_gpu.replaying import Replaying

        with pretend_card():
            yield Replaying()
        return
    if not torch.cuda.is_available():
        sys.exit("error: PyTorch finds no NVIDIA card here; scripts/setup installs it for one")
    yield CudaGraphs()


def main() -> int:
    """Go through the steps, print a table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write everything there as JSON")
    parser.add_argument("--models", action="store_true", help="also the complete 8B and 19B shapes")
    parser.add_argument("--pretend", action="store_true", help="on a pretend card, tiny")
    options = parser.parse_args()
    tries = 1 if options.pretend else 10
    found: dict[str, Any] = {"pretend": options.pretend, "torch": torch.__version__}
    with a_card(options.pretend) as recorder, tempfile.TemporaryDirectory() as scratch:
        found["card"] = torch.cuda.get_device_name()
        found["capability"] = list(torch.cuda.get_device_capability())
        found["memory_bytes"] = torch.cuda.mem_get_info()[1]
        wide = (8, 32) if options.pretend else (4096, 128)
        large = (16, 128) if options.pretend else (4096, 4096)
        rows = [*steps(*wide, tries), *int4(*large, tries), layer(*large)]
        sizes, most = (TINY, 4) if options.pretend else ({"num_hidden_layers": 4}, 200)
        rows += decoding(sizes, recorder, most)
        if not options.pretend:
            speed = look_at_machine(torch.device("cuda"), Path(scratch), speed=True).speed
            found["speed"] = asdict(speed) if speed else None
        found["known_speeds"] = {name: asdict(speed) for name, speed in CARDS.items()}
        if options.models and not options.pretend:
            found["models"] = complete_models(Path(scratch))
    found["rows"] = rows
    for row in rows:
        verdict = "right" if row["right"] else "WRONG"
        print(
            f"{row['what']:28} {verdict}  apart {row['apart']:.2e}  {row['seconds'] * 1e3:.3f} ms"
        )
    if options.out:
        write_json(options.out, found)
    return 0 if all(row["right"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
