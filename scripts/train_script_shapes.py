#!/usr/bin/env python3
"""Train the small network that tells scripts by their shapes, on drawn words; minutes on a CPU.

    python scripts/train_script_shapes.py --epochs 10
    python scripts/train_script_shapes.py --lines 400 --epochs 5 --begin FILE

The second call goes on with other lines from what the first one wrote; so the weights were made.
It needs Debian's fonts for many scripts (`fonts-noto-core fonts-noto-cjk` and what
scripts/bench_scripts.py names). Only the first half of the words and of the fonts is used.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from twins.writing import LANGUAGES, RARE, seen_line  # noqa: E402

from assistant.seeing.script_shapes import HEIGHT, NAMES, OTHER, WEIGHTS, line_ink  # noqa: E402

WIDEST = 288
"""Pixels of a line in training."""

SEED = 11
BATCH = 64
CHANNELS = (8, 16, 32, 48)


class Net(nn.Module):
    """As `assistant.seeing.script_shapes.answers` works it out, for many lines at once."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = CHANNELS
        self.steps = nn.ModuleList(
            [
                nn.Conv2d(1, a, 5, 2, 2),
                nn.Conv2d(a, b, 3, 2, 1),
                nn.Conv2d(b, c, 3, 2, 1),
                nn.Conv2d(c, d, (4, 3), 1, (0, 1)),
            ]
        )
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(2 * d, len(NAMES))

    def forward(self, ink: torch.Tensor, widths: torch.Tensor) -> torch.Tensor:
        """Answers (N, scripts) for ink (N, 32, W) of which only the given widths are lines."""
        seen, lengths = ink[:, None], widths
        for number, step in enumerate(self.steps):
            seen = torch.relu(step(seen))
            if number < 3:
                lengths = (lengths + 1) // 2
            # What lies behind a line's end is no ground that it could be told by.
            inside = torch.arange(seen.shape[3])[None] < lengths[:, None]
            seen = seen * inside[:, None, None]
        along = seen[:, :, 0]
        mean = along.sum(2) / lengths[:, None]
        return self.out(self.drop(torch.cat([mean, along.amax(2)], 1)))


def drawn(half: int, count: int, rng: np.random.Generator) -> tuple[list[Any], list[int]]:
    """The ink of so many lines of each script, and the number of the script of each."""
    rare = [name for number, name in enumerate(RARE) if number % 2 == half]
    inks, labels = [], []
    for number, name in enumerate(NAMES):
        for turn in range(count * 2 if name in ("Latin", "Chinese") else count):
            script = rare[turn % len(rare)] if name == OTHER else name
            ink = line_ink(seen_line(script, half, rng))
            if ink is not None:
                inks.append((255 * ink[:, :WIDEST]).astype(np.uint8))
                labels.append(number)
    return inks, labels


def batch_of(inks: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Lines side by side, (N, 32, the widest), 0 to 1, and their widths."""
    widths = [ink.shape[1] for ink in inks]
    batch = np.zeros((len(inks), HEIGHT, max(widths)), np.float32)
    for number, ink in enumerate(inks):
        batch[number, :, : ink.shape[1]] = ink / np.float32(255)
    return torch.from_numpy(batch), torch.tensor(widths)


def _long(name: str) -> str:
    """How the module calls a weight of the file."""
    return name if name.startswith("out.") else f"steps.{name}"


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, train, and write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=450, help="drawn for each script")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--begin", type=Path, help="weights to go on from, with other lines")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args(argv)
    assert set(NAMES) == {*LANGUAGES, OTHER}
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED + (options.begin is not None))
    inks, labels = drawn(0, options.lines, rng)
    print(f"{len(inks)} lines", flush=True)
    net = Net()
    if options.begin is not None:
        known = load_file(options.begin)
        net.load_state_dict({_long(name): values.float() for name, values in known.items()})
    steps = options.epochs * (len(inks) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 6e-3 if options.begin is None else 3e-3, total_steps=steps, pct_start=0.15
    )
    targets = torch.tensor(labels)
    for epoch in range(options.epochs):
        order, losses, right = rng.permutation(len(inks)), [], 0
        # Lines of a like width share a batch, so that little of it is empty.
        order = sorted(order, key=lambda n: inks[n].shape[1] + rng.integers(60))
        starts = rng.permutation(len(inks) // BATCH) * BATCH
        for start in starts:
            chosen = order[start : start + BATCH]
            answer = net(*batch_of([inks[number] for number in chosen]))
            loss = nn.functional.cross_entropy(answer, targets[chosen], label_smoothing=0.02)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            right += int((answer.argmax(1) == targets[chosen]).sum())
        print(
            f"{epoch + 1}: loss {np.mean(losses):.3f}, right {right / len(starts) / BATCH:.3f}",
            flush=True,
        )
    state = {name.removeprefix("steps."): v.half() for name, v in net.state_dict().items()}
    save_file({name: values.contiguous() for name, values in state.items()}, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
