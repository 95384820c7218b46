#!/usr/bin/env python3
"""Train the pocket model; run again with the same arguments to go on where it stopped."""

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Train, write the learning curve, and export a bf16 model folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("tower", "answers"), help="what the run teaches")
    parser.add_argument("--tower", type=Path, help="finished tower run that answers start from")
    parser.add_argument("--out", type=Path, help="run folder; runs/STAGE by default")
    parser.add_argument("--pictures", type=int, default=120_000, help="pictures of the whole run")
    parser.add_argument("--easy", type=int, help="pictures over which they grow harder")
    parser.add_argument("--resting", type=int, default=0, help="pictures while the tower rests")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1.6e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads for training")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw pictures")
    arguments = parser.parse_args(argv)
    out: Path = arguments.out or Path("runs", arguments.stage)
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ and argv is None:
        # Without these glibc hands every large buffer back and half the time is page faults;
        # it reads them at process start only.
        os.environ["MALLOC_MMAP_THRESHOLD_"] = "4294967296"
        os.environ["MALLOC_TRIM_THRESHOLD_"] = "8589934592"
        os.execv(sys.executable, [sys.executable, *sys.argv])

    import torch
    from rich.progress import Progress as Bar

    from models.errors import ModelsError
    from models.pocket.training.export import export
    from models.pocket.training.loop import TOWER, Progress, Run, TrainingSettings

    torch.set_num_threads(arguments.threads)
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = TrainingSettings(
        stage=arguments.stage,
        pictures=arguments.pictures,
        resting_pictures=arguments.resting,
        easy_pictures=arguments.easy or (12_000 if arguments.stage == TOWER else 30_000),
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )
    try:
        run = Run(out, settings, device=device, workers=arguments.workers, tower=arguments.tower)
        out.mkdir(parents=True, exist_ok=True)
        curve = out / "curve.csv"
        is_new = not curve.exists()
        with Bar(disable=not sys.stderr.isatty()) as bar, curve.open("a", newline="") as stream:
            task = bar.add_task("training", total=settings.steps, completed=run.step)
            writer = csv.DictWriter(stream, list(Progress.__dataclass_fields__))
            if is_new:
                writer.writeheader()

            def report(progress: Progress) -> None:
                writer.writerow(asdict(progress))
                stream.flush()
                bar.update(task, completed=progress.step)
                print(
                    f"step {progress.step}/{settings.steps}"
                    f" answer {progress.answer_loss:.3f} dense {progress.dense_loss:.3f}"
                    f" cells {progress.cell_loss:.3f}"
                    f" tokens right {progress.token_accuracy:.1%}"
                    f" {progress.pictures / max(progress.seconds, 1e-9):.1f} pictures/s",
                    flush=True,
                )

            run.train(report)
        export(run.model.pocket, out / "bf16")
    except ModelsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        # A step may be half done, so the last checkpoint stands; it is two minutes old at most.
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    print(f"wrote {arguments.out / 'bf16'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
