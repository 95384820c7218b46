"""Hold quantizations of the pocket model against each other on the synthetic twin of OCR-VQA.

The paper's Table 2 (arXiv 2601.02888), in its five categories and with honest rows: bf16; rounding;
the cross-modal recipe with GPTQ and with this project's RPIQ; and with RPIQ as published, after 5
and 20 rounds, both off the grid, where the paper measures it, and put back on the grid, which is
what a 4-bit file holds. The categories have 9 to 20 titles each that training never saw, printed on
many covers, and "overall" is these five together, where the paper's is the whole benchmark.

All are computed in bf16 from dense weights. The published method refines the layers that the walk
of GPTQ meets; its own off-grid outputs never feed later layers.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from make_ocrvqa_twin import COLUMNS, GENRES, write_twin
from torch import Tensor

from models.errors import ModelsError
from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from models.loading import LoadedModel, load_model
from models.pocket import pocket_bf16_folder
from models.pocket.training.pictures import Split, write_dataset
from quantizer.calibration.streams import draw_calibration
from quantizer.compare.methods import PAPER, RTN, ComparedMethod
from quantizer.errors import QuantizerError
from quantizer.evaluate.ocrvqa import ocrvqa
from quantizer.evaluate.paired import paired_accuracy
from quantizer.plan.machine import exact_float32
from quantizer.recipes.recipe import Recipe, read_recipe
from quantizer.run.walk import Walk
from quantizer.run.walked import Observed
from quantizer.solvers.methods import Settings

RESULT = Path(__file__).parent / "results" / "ocrvqa_twin.json"
CALIBRATION_SEED = 100_000_000
EXACT, GPTQ, RPIQ = "bf16", "CMDQ with GPTQ", "CMDQ with RPIQ"

Weights = dict[str, Tensor]


def gptq_recipe(recipe: Recipe) -> Recipe:
    """The same parts and streams, each by plain GPTQ as published."""
    rules = tuple(
        rule
        if rule.settings is None
        else replace(
            rule,
            settings=Settings(
                "gptq", rule.settings.bits, rule.settings.group_size, act_order=False
            ),
        )
        for rule in recipe.rules
    )
    return Recipe(f"{recipe.name}-gptq", rules)


def walk(
    folder: Path,
    calibration: Path,
    recipe: Recipe,
    samples: int,
    observe: Callable[[Observed], None],
    *,
    last_inputs: bool = False,
) -> None:
    """Quantize a model in memory and show every layer to ``observe``."""
    opened = open_blockwise(folder)
    drawn = draw_calibration(opened, calibration, samples=samples, seq_len=None, seed=0)
    steps = Walk(
        opened,
        CheckpointReader(folder),
        recipe,
        device=torch.device("cpu"),
        keep_last_inputs=last_inputs,
        observer=observe,
    )
    with torch.no_grad(), exact_float32():
        for _ in steps.run(drawn):
            pass


def quantize(
    folder: Path, calibration: Path, samples: int, rounds: Sequence[int]
) -> tuple[dict[str, Weights], dict[str, Any]]:
    """Every variant's dense weights by layer, and what the published method changed."""
    cmdq = read_recipe("cmdq")
    variants: dict[str, Weights] = {RTN: {}, GPTQ: {}, RPIQ: {}}
    changed: dict[str, list[float]] = {}

    def compare(observed: Observed) -> None:
        variants[GPTQ][observed.name] = observed.solution.chosen.weight.dequantize()
        width = Settings("rtn", cmdq.base.bits, cmdq.base.group_size)
        (rounded,) = ComparedMethod(RTN, width).solve(observed)
        variants[RTN][observed.name] = rounded.weight
        settings = gptq_recipe(cmdq).settings_of(observed.name)
        for count in rounds:
            for attempt in ComparedMethod(PAPER, settings, count).solve(observed):
                place = "on the grid" if attempt.variant.on_grid else "off the grid"
                name = f"CMDQ with rpiq-paper, {count} rounds, {place}"
                variants.setdefault(name, {})[observed.name] = attempt.weight
                if attempt.row.codes_changed is not None:
                    changed.setdefault(name, []).append(attempt.row.codes_changed)

    def keep(observed: Observed) -> None:
        variants[RPIQ][observed.name] = observed.solution.chosen.weight.dequantize()

    walk(folder, calibration, gptq_recipe(cmdq), samples, compare, last_inputs=True)
    walk(folder, calibration, cmdq, samples, keep)
    facts = {name: {"codes_changed": sum(x) / len(x)} for name, x in changed.items()}
    return variants, facts


def put(loaded: LoadedModel, weights: Weights) -> None:
    """Replace the layers' weights."""
    with torch.no_grad():
        for name, weight in weights.items():
            layer: Any = loaded.model.get_submodule(name)
            layer.weight.copy_(weight)


def compact(result: dict[str, Any]) -> dict[str, Any]:
    """What a table needs of a result."""
    return {key: result[key] for key in ("items", "value", "interval_95", "categories", "seconds")}


def title(genre: str) -> str:
    """What heads a genre's column: the paper's name, and ours where it is not a part of ours."""
    titles = {ours: theirs for theirs, ours in COLUMNS.items()}
    theirs = titles.get(genre, genre)
    return theirs if theirs in genre else f"{theirs} ({genre})"


def table(rows: Mapping[str, Any], genres: Sequence[str]) -> str:
    """Markdown as the paper's Table 2: percent right of each row of results, overall and by genre.

    rows: by name, each with ``value`` and ``categories``, shares of 1.
    """
    lines = [["", "overall", *map(title, genres)], ["---"] + ["---:"] * (len(genres) + 1)]
    for name, row in rows.items():
        shares = [row["value"], *(row["categories"][genre]["value"] for genre in genres)]
        lines.append([name, *(f"{100 * share:.2f}" for share in shares)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bench(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Draw the data, quantize, measure, and compare everything with bf16 and with GPTQ."""
    twin, calibration = scratch / "twin", scratch / "calibration"
    questions = write_twin(twin, options.covers, options.genres, options.first_seed)
    seeds = range(CALIBRATION_SEED, CALIBRATION_SEED + options.samples)
    write_dataset(calibration, seeds, Split.TRAIN)
    variants, facts = quantize(options.model, calibration, options.samples, options.rounds)
    loaded = load_model(options.model, dtype=torch.bfloat16)
    results = {}
    for name in (EXACT, *variants):
        put(loaded, variants.get(name, {}))
        results[name] = ocrvqa(loaded, twin, subset="test") | {"model": name}
        print(f"{name}: {results[name]['value']:.4f}", flush=True)
    rows = {name: compact(result) | facts.get(name, {}) for name, result in results.items()}
    for name, row in rows.items():
        for reference in (EXACT, GPTQ):
            if name == reference:
                continue
            pair = paired_accuracy(results[name], results[reference])
            keys = ("difference", "difference_95", "only_one_right", "excludes_zero")
            row[f"against {reference}"] = {key: pair[key] for key in keys}
    return {
        "task": "ocrvqa",
        "data": "synthetic twin, scripts/make_ocrvqa_twin.py",
        "covers_of_each_genre": options.covers,
        "first_seed": options.first_seed,
        "genres": options.genres,
        "questions": questions,
        "calibration": f"{options.samples} training pictures, seeds from {CALIBRATION_SEED}",
        "weights": CheckpointReader(options.model).digest(),
        "computed_in": "bfloat16, dense",
        "not_4_bit": [name for name in rows if "off the grid" in name],
        "table": table(rows, options.genres).splitlines(),
        "variants": rows,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=pocket_bf16_folder())
    parser.add_argument("--covers", type=int, default=96, help="of every genre")
    parser.add_argument("--genres", nargs="+", default=list(GENRES), metavar="GENRE")
    parser.add_argument("--first-seed", type=int, default=5_000_000)
    parser.add_argument("--samples", type=int, default=64, help="calibration pictures")
    parser.add_argument("--rounds", type=int, nargs="+", default=[5, 20], help="of rpiq-paper")
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args(argv)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = bench(options, Path(scratch))
    except (ModelsError, QuantizerError, OSError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    found["seconds"] = round(time.monotonic() - started, 1)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print("\n".join(found["table"]))
    print(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
