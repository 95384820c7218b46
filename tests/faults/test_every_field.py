"""Every field that any family knows, with every value that none expects, in every config."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from models.errors import ModelsError
from models.families import family_of
from tests.faults.folders import PLAIN, make_folders
from tests.faults.mutations import HOSTILE

MORE: tuple[Any, ...] = (
    2**31 - 1, 2**32, 10**5, 1e-45, 1e38, 1e39, 1e308, 0.5, 100, 1000, "gelu", "float16", [0, 1, 2],
    {"rope_type": "x"}, float("inf"), "full_attention", ["full_attention"] * 2, -7, 10**400,
)  # fmt: skip
UNWRITTEN = (
    "rope_scaling", "rope_parameters", "layer_types", "sliding_window", "use_sliding_window",
    "max_window_layers", "attention_bias", "mlp_bias", "head_dim", "partial_rotary_factor",
    "num_key_value_heads", "text_config", "per_layer_config", "num_experts", "base_model_tp_plan",
)  # fmt: skip
"""Fields that the libraries know and no folder here needs."""

COUNTED_BY_FILES = "num_hidden_layers"
"""A million layers are refused by the files that would hold them, before anything is built."""


def fields(config: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in config.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from fields(value, (*above, name))


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    made = make_folders(tmp_path_factory.mktemp("bases"))
    return {name: json.loads((made[name] / "config.json").read_text()) for name in PLAIN}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", PLAIN)
def test_a_config_is_used_or_refused(name: str, configs: dict[str, dict[str, Any]]) -> None:
    known = {path for config in configs.values() for path in fields(config)}
    tried = 0
    for path in sorted(known | {(field,) for field in UNWRITTEN}):
        for value in (*HOSTILE, *MORE):
            if path[-1] == COUNTED_BY_FILES and isinstance(value, int) and value > 1000:
                continue
            config = json.loads(json.dumps(configs[name]))
            place = config
            for step in path[:-1]:
                place = place.get(step, {})
            place[path[-1]] = value
            tried += 1
            try:
                family_of(config).build(config)
            except ModelsError as error:
                assert "\n" not in str(error), (path, value)
    assert tried > 2000
