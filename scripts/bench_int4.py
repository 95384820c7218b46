"""Time the int4 kernel, dequantize-and-GEMM and a dense bfloat16 layer against one another.

The three ways take turns within every round of one run, so that a change of the machine's
load touches all of them; ratios to the dense layer are the figures to keep. The crossover is
the number of rows up to which the kernel beats dequantize-and-GEMM at every shape.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from models.int4 import Int4Linear, QuantizedWeight, kernels

SHAPES = ((128, 384), (1024, 4096), (4096, 4096), (4096, 14336))
ROWS = (1, 2, 4, 8, 16, 32, 64, 256)


def random_layer(in_features: int, out_features: int, group_size: int) -> Int4Linear:
    """Return a layer of random asymmetric 4-bit weights."""
    groups = in_features // group_size
    weight = QuantizedWeight(
        codes=torch.randint(0, 16, (out_features, in_features), dtype=torch.uint8),
        scale=torch.full((out_features, groups), 2.0**-7),
        zero=torch.randint(1, 16, (out_features, groups), dtype=torch.int32),
        group_size=group_size,
    )
    return Int4Linear.from_quantized(weight, None)


def seconds(action: Callable[[], Tensor], device: torch.device) -> float:
    """Return the time of one call, s, waiting for the device."""
    start_s = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start_s


def measure(
    in_features: int, out_features: int, rows: int, rounds: int, device: torch.device
) -> dict[str, float]:
    """Return the median time of each way in ms, and the median ratios to the dense layer."""
    int4 = random_layer(in_features, out_features, 128).to(device)
    dense = nn.Linear(in_features, out_features, bias=False, device=device, dtype=torch.bfloat16)
    packed = kernels.build_kernel_weight(int4.quantized())
    x = torch.randn(rows, in_features, device=device, dtype=torch.bfloat16)
    ways: dict[str, Callable[[], Tensor]] = {
        "dense": lambda: dense(x),
        "kernel": lambda: kernels.kernel_matmul(x, packed),
        "dequantize": lambda: int4.dequantize_matmul(x),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, action in ways.items():
            elapsed_s = seconds(action, device)
            if turn:  # the first round warms up
                times[name].append(elapsed_s)
    result = {f"{name}_ms": 1000 * statistics.median(values) for name, values in times.items()}
    for name in ("kernel", "dequantize"):
        ratios = [own / other for own, other in zip(times[name], times["dense"], strict=True)]
        result[f"{name}_to_dense"] = statistics.median(ratios)
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    options = parser.parse_args(argv)
    device = torch.device(options.device)
    torch.manual_seed(0)
    results = []
    with torch.inference_mode():
        for in_features, out_features in SHAPES:
            for rows in options.rows:
                figures = measure(in_features, out_features, rows, options.rounds, device)
                results.append({"in": in_features, "out": out_features, "rows": rows, **figures})
                print(json.dumps(results[-1]), file=sys.stderr)
    won = [
        rows
        for rows in options.rows
        if all(r["kernel_ms"] <= r["dequantize_ms"] for r in results if r["rows"] == rows)
    ]
    report = {
        "device": str(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "crossover_rows": max(won, default=0),
        "results": results,
    }
    text = json.dumps(report, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
