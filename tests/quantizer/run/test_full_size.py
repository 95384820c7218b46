"""The plan for CogVLM2-19B as published, from the names and shapes of its tensors alone."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch

from models.families import OpenedModel, family_of
from models.files.checkpoint import read_json
from models.loading import load_model
from quantizer.plan.machine import Machine
from quantizer.plan.memory import state_bytes, state_dtype
from quantizer.plan.plan import Plan, plan_shapes
from quantizer.plan.workload import CalibrationShape, sequence_shape
from quantizer.recipes.recipe import Recipe, read_recipe
from quantizer.run.following import widest_layer
from quantizer.run.job import Job
from quantizer.run.pipeline import run

TOKENS, SEQUENCES, HELD_OUT = 2400, 64, 6


@dataclass(frozen=True)
class Headers:
    """What a plan asks of a checkpoint; every tensor is bf16."""

    shapes: dict[str, tuple[int, ...]]

    def names(self) -> tuple[str, ...]:
        return tuple(self.shapes)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def shape(self, name: str) -> tuple[int, ...]:
        return self.shapes[name]

    def dtype(self, name: str) -> torch.dtype:
        return torch.bfloat16

    def size(self, name: str) -> int:
        return 2 * prod(self.shapes[name])


@pytest.fixture(scope="module")
def opened(data_dir: Path) -> OpenedModel:
    config = read_json(data_dir / "cogvlm2" / "config.json")
    family = family_of(config)
    module = family.build(config)
    return OpenedModel(data_dir / "cogvlm2", family, module, family.blockwise(module), config)


@pytest.fixture(scope="module")
def headers(data_dir: Path) -> Headers:
    lines = (data_dir / "cogvlm2" / "tensor_list.tsv").read_text().splitlines()[1:]
    fields = (line.split("\t") for line in lines)
    return Headers({f[0]: tuple(int(n) for n in f[1].strip("[]").split(",")) for f in fields})


@pytest.fixture(scope="module")
def calibration(opened: OpenedModel) -> CalibrationShape:
    types = torch.zeros(1, TOKENS, dtype=torch.int64)
    types[0, 1 : 1 + 2306] = 1
    sample: dict[str, Any] = {
        "input_ids": torch.zeros_like(types),
        "token_type_ids": types,
        "pixels": torch.empty(1, 3, 1344, 1344, device="meta"),
    }
    shape = sequence_shape(opened, sample)
    assert shape.tokens == {
        "all": 2400, "vision": 2305, "language": 95, "tower": 9217, "adapter": 2304,
    }  # fmt: skip
    return CalibrationShape((shape,) * (SEQUENCES - HELD_OUT), (shape,) * HELD_OUT)


@pytest.fixture(scope="module")
def plan_of(
    opened: OpenedModel, headers: Headers, calibration: CalibrationShape
) -> Callable[[Recipe], Plan]:
    drawn = sum(sequence.sample for sequence in calibration.all)

    def make(recipe: Recipe) -> Plan:
        machine = Machine(
            base=600_000_000 + drawn,  # Python and libraries, and what was drawn
            free_host=16 * 10**9,
            free_device=12 * 10**9,
            free_disk=10**12,
            speed=None,
        )
        reader: Any = headers
        return plan_shapes(opened, reader, calibration, recipe, machine)

    return make


@pytest.mark.weights
@pytest.mark.parametrize("name", ["cmdq", "language-only", "uniform"])
def test_the_19b_model_fits_12_gb_of_gpu_and_16_gb_of_host(
    name: str, plan_of: Callable[[Recipe], Plan]
) -> None:
    plan = plan_of(read_recipe(name))
    plan.check()
    assert plan.device_peak <= 12e9
    assert plan.host_peak <= 16e9
    assert plan.device_at is not None
    assert plan.device_at.name.startswith("model.layers.0.mlp.language_mlp.down_proj: ")
    # Should float32 not suffice to factorize, the card of the paper still does.
    assert plan.double_peak <= 24e9


@pytest.mark.weights
def test_every_layer_is_planned_and_the_result_is_the_papers_size(
    plan_of: Callable[[Recipe], Plan],
) -> None:
    plan = plan_of(read_recipe("cmdq"))
    layers = [layer for _, groups in plan.blocks for group in groups for layer in group.layers]
    assert len(layers) == 63 * 4 + 4 + 32 * 10
    assert plan.output == pytest.approx(11.3e9, rel=0.05)  # [paper] 11.3 GB
    methods = {g.layers[0].name.split(".", 3)[-1]: g.method for _, gs in plan.blocks for g in gs}
    assert methods["mlp.vision_mlp.down_proj"] == "rpiq"
    # 5,510 words for 14,336 columns.
    assert methods["mlp.language_mlp.down_proj"].endswith("tokens are few")


@pytest.mark.weights
def test_states_of_64_sequences_take_4_gb(
    opened: OpenedModel, calibration: CalibrationShape
) -> None:
    recipe = read_recipe("cmdq")
    followed = calibration.followed(recipe, widest_layer(opened, recipe))
    assert state_dtype(calibration, followed) == torch.bfloat16
    size = state_bytes(calibration, followed, 2, first=False)
    # 64 sequences and the followed ones beside them, two bytes for each of 9,217 x 1,792 values,
    # and one sequence in float32 while a block computes it.
    one = 9217 * 1792 * 2 + TOKENS * 8
    sequences = SEQUENCES + len(followed.fitting) + 2 * len(followed.held_out)
    assert size == pytest.approx(one * sequences + 2 * one, rel=1e-3)
    assert size <= 4e9
    assert state_bytes(calibration, followed, 2, first=True) <= 4e9


@pytest.mark.slow
def test_halved_states_quantize_as_well(
    tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "bits = 4\ngroup_size = 8\n[[rule]]\nmodules = '*'\nmethod = 'rpiq'\nrounds = 1\n"
    path = tmp_path / "small.toml"
    path.write_text(text)
    recipe = read_recipe(str(path))
    job = Job(
        tiny_cogvlm2, tmp_path / "out", recipe.base, recipe=recipe, calibration=picture_folder,
        samples=4,
    )  # fmt: skip
    exact = run(job)
    monkeypatch.setattr("quantizer.plan.memory.MOST_STATES", 0)
    halved = run(job)
    assert halved.mean_ratio() == pytest.approx(exact.mean_ratio(), rel=0.1)
    load_model(job.out)
