"""The benchmark of cost by tokens and width: its sums by hand, going on, and a tiny walk."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
MODULES = "bench_quantizer_cost", "bench_quantizer_timings", "bench_quantizer_seconds"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import bench_quantizer

    yield bench_quantizer
    for name in ("bench_quantizer", *MODULES):
        del sys.modules[name]


@pytest.fixture
def cost(bench: Any) -> Any:
    return sys.modules["bench_quantizer_cost"]


def test_blocks_that_try_every_share_weigh_as_often_as_a_model_has_them(cost: Any) -> None:
    timings = {
        "tokens": {
            "16": {
                "gptq": [[9.0, 4.0, 4.0], [9.0, 5.0, 4.0], [9.0, 4.0, 6.0]],
                "rpiq": [[9.0, 14.0, 10.0], [9.0, 20.0, 10.0], [9.0, 12.0, 10.0]],
            },
            "64": {"gptq": [[9.0, 4.0, 4.0]]},
        },
        "width": {"64": {"gptq": [[2.0]], "rpiq": [[3.0]]}},
    }
    # Of 30 blocks 0, 1, 4, 8 … 28 try: nine.
    found = cost.added_up(timings, 30)
    assert found["share of blocks that try every γ"] == 0.3
    assert found["tokens"] == {"16": {"gptq": 4.0, "rpiq": 11.2, "ratio": 2.8, "turns": 3}}
    assert found["width"] == {"64": {"gptq": 2.0, "rpiq": 3.0, "ratio": 1.5, "turns": 1}}


def test_a_stopped_measurement_goes_on_where_it_was(
    cost: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def timed(*given: Any) -> list[float]:
        asked.append((given[-2], given[-1].method))
        return [1.0, 2.0, 3.0]

    monkeypatch.setattr(cost, "of_a_model", timed)
    monkeypatch.setattr(cost, "of_a_layer", timed)
    saved: list[Any] = []
    result: dict[str, Any] = {"blocks": 30, "tokens": {"4": {"gptq": [[1.0, 1.0, 1.0]]}}}
    cost.cost(tmp_path, tmp_path / "text", [4], [64], 2, 1.0, result, saved.append)
    # In turn, and each turn the other way round.
    assert asked == [
        (4, "rpiq"),
        (64, "gptq"),
        (64, "rpiq"),
        (4, "rpiq"),
        (4, "gptq"),
        (64, "rpiq"),
        (64, "gptq"),
    ]
    assert len(saved) == 7
    assert [len(taken) for taken in result["tokens"]["4"].values()] == [2, 2]


@pytest.mark.slow
def test_a_walk_over_random_weights_takes_time_by_both_methods(
    cost: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "NARROW", replace(cost.NARROW, sequences=4, tokens_each=16))
    for settings in cost.FIXED.values():
        (seconds,) = cost.of_a_layer(192, settings)
        assert seconds > 0


def test_options_are_held_against_rpiq_without_them(bench: Any) -> None:
    runs = [
        {"bits": 3, "draw": draw, "method": name, "cpu_seconds": 1.0, "perplexity": 5 + gap}
        | {"j_by_kind": {"q_proj": 1.0}}
        for draw in (0, 1)
        for name, gap in zip(bench.options_of_rpiq(3), (2.0, 1.0, 2.0, 2.0, 3.0), strict=True)
    ]
    table = bench.summary(runs, 5.0, bench.options_of_rpiq)["3 bits"]
    means = {name: row["gap_ratio"]["mean"] for name, row in table.items()}
    assert means == {
        "rpiq": 1.0,
        "--residual-target": 0.5,
        "--token-importance 0.25": 1.0,
        "--token-importance 0.5": 1.0,
        "--token-importance 1": 1.5,
    }
    assert all(row["j_ratio_mean"] is None for row in table.values())
