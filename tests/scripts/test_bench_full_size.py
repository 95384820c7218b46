"""What the bench of full-size models runs on a CPU."""

import importlib.util
from pathlib import Path
from types import ModuleType

from models.blocks import Block
from models.families import family_of
from quantizer.recipes.recipe import parse_recipe
from quantizer.run.passes import linear_of
from quantizer.solvers.few_tokens import too_few

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_full_size.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_full_size", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def widths(*blocks: Block) -> set[int]:
    return {linear_of(b, name).in_features for b in blocks for group in b.groups for name in group}


def test_layers_of_every_width_are_measured() -> None:
    bench = script()
    config = bench.cogvlm2(num_hidden_layers=1, vision={"num_hidden_layers": 1})
    family = family_of(config)
    model = family.blockwise(family.build(config))
    recipe = parse_recipe("few-blocks", bench.cpu_recipe())
    recipe.check(model)
    measured = list(recipe.blocks(model))
    assert widths(*measured) == widths(*model.blocks()) == {1792, 4096, 14336, 15360}
    methods = {
        block.name: {recipe.settings_of(f"{block.name}.{g[0]}").method for g in block.groups}
        for block in measured
    }
    assert all("gptq" in used for used in methods.values()), methods


def test_a_small_picture_has_tokens_enough_to_solve_4096_columns() -> None:
    merged = (448 // 14 // 2) ** 2
    assert not too_few(merged + 1, 4096)  # with its begin mark
