"""What the quantizer's plan says of the complete 8B and 19B models on cards that it knows.

    python scripts/plan_full_size.py [--model llama-3.1-8b] [--card-gb 12] [--json FILE] [--catalog]

Nothing is computed: the models are headers in front of nothing, calibrated as in the paper (128
sequences of text; 64 with pictures). It prints the memory and the time that `--dry-run` would
tell, by kind of work, beside the paper's figures (arXiv 2601.02888, RTX 4090) and our bars. No run
on a card has confirmed the times yet.

With --catalog it prints what models/catalog.toml says under [models.quantizing] instead.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from bench_full_size import (
    CAP_BYTES,
    PAPER,
    cogvlm2,
    llama_8b,
    write_pictures,
    write_words,
)
from letters import letter_tokenizer

from models.families import family_of
from models.files.checkpoint import write_json
from quantizer.plan.cards import CARDS
from quantizer.plan.machine import Machine, Speed
from quantizer.plan.plan import Plan, make_plan
from quantizer.recipes.recipe import read_recipe
from quantizer.run.pipeline import Job, Prepared, prepare
from quantizer.solvers.methods import Settings

BARS_S = {"llama-3.1-8b": 420, "cogvlm2-19b": 1600}


def write_headers(folder: Path, config: Mapping[str, Any]) -> None:
    """Write a model folder whose weights are a hole in a file, which takes no room."""
    folder.mkdir(parents=True)
    module = family_of(config).build(config)
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in module.state_dict().items():
        if name.endswith("inv_freq"):
            continue
        size = 2 * tensor.numel()
        shape, place = list(tensor.shape), [end, end + size]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": place}
        end += size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    write_json(folder / "config.json", dict(config))
    letter_tokenizer().save(str(folder / "tokenizer.json"))


def prepared_job(scratch: Path, name: str) -> tuple[Job, Prepared]:
    """The run of one model, calibrated as in the paper, opened and with its data drawn."""
    model, data = scratch / "model", scratch / "data"
    write_headers(model, cogvlm2() if name == "cogvlm2-19b" else llama_8b())
    if name == "cogvlm2-19b":
        write_pictures(data, 64, 70)
        recipe = read_recipe("cmdq")
        job = Job(model, scratch / "out", recipe.base, recipe=recipe, calibration=data)
    else:
        data.write_text(write_words(0, 140 * 2048))
        job = Job(model, scratch / "out", Settings("rpiq"), calibration=data, samples=128)
    return job, prepare(job)


def planned(
    job: Job, prepared: Prepared, card_bytes: int | None, speed: Speed, ranks: int = 1
) -> Plan:
    """The plan of a run beside a card with so many free bytes, or without one."""
    machine = Machine(10**9, None, card_bytes, 10**13, speed)
    return make_plan(
        prepared.opened, prepared.reader, prepared.calibration, job.rules, machine, ranks
    )


def plans(scratch: Path, name: str, ranks: int, card_bytes: int) -> dict[str, Plan]:
    """The plan of one model for every card, or for as many as there are ranks.

    card_bytes: of its memory that are free.
    """
    job, prepared = prepared_job(scratch, name)
    return {card: planned(job, prepared, card_bytes, speed, ranks) for card, speed in CARDS.items()}


def catalog_figures(scratch: Path, name: str) -> dict[str, float]:
    """What the catalog says of a model, see `models.catalog.Quantizing`: bytes, and counts.

    The bytes are those of a card that only just suffices, beside which states lie on the host; the
    counts those of one with room for them.
    """
    job, prepared = prepared_job(scratch, name)
    # At one operation a second the seconds are the operations.
    one = Speed(1.0, 1.0, 1.0, 1.0, 1.0)
    narrow = planned(job, prepared, 0, one)
    alone = planned(job, prepared, None, one)
    counts = planned(job, prepared, CAP_BYTES, one).times or {}
    return {
        "result_bytes": narrow.output + narrow.work,
        "card_bytes": round(narrow.device_peak),
        "host_bytes": round(narrow.host_peak),
        "processor_bytes": round(alone.host_peak),
        "products": counts["matrix products"],
        "walks": counts["walks over columns"],
        "elements": counts["elementwise steps"],
        "launches": counts["starting kernels"],
        "copied": counts["copies to and from the card"],
    }


def main() -> None:
    """Plan, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=sorted(BARS_S), help="only this one")
    parser.add_argument("--ranks", type=int, default=1, help="processes, each with a card")
    parser.add_argument("--card-gb", type=float, default=CAP_BYTES / 1e9, help="of free memory")
    parser.add_argument("--json", type=Path, help="also write it there")
    parser.add_argument("--catalog", action="store_true", help="print the catalog's figures")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name in [options.model] if options.model else BARS_S:
        if options.catalog:
            with tempfile.TemporaryDirectory() as scratch:
                found[name] = catalog_figures(Path(scratch), name)
            print(name, *(f"{key} = {value:.4g}" for key, value in found[name].items()), sep="\n")
            continue
        with tempfile.TemporaryDirectory() as scratch:
            made = plans(Path(scratch), name, options.ranks, round(options.card_gb * 1e9))
        found[name] = {}
        for card, plan in made.items():
            times = plan.times or {}
            kinds = {kind: round(seconds, 1) for kind, seconds in times.items()}
            found[name][card] = {
                "device_gb": round(plan.device_peak / 1e9, 2),
                "host_gb": round(plan.host_peak / 1e9, 2),
                "seconds": round(plan.seconds or 0.0),
                "by": kinds,
            }
            print(f"{name} on {card}: {found[name][card]}")
        told = PAPER[name]
        print(f"  bar {BARS_S[name]} s; paper {told['seconds']} s, {told['peak_gb']} GB")
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
