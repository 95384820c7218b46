"""The benchmark of seconds: its clock, its sums by hand, and every kind of timing at tiny sizes."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import quantizer.run.following as following

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import bench_quantizer_seconds

    with torch.no_grad():
        yield bench_quantizer_seconds
    for name in ("bench_quantizer_seconds", "bench_quantizer_timings"):
        del sys.modules[name]


@pytest.fixture
def timings(bench: Any) -> Any:
    return sys.modules["bench_quantizer_timings"]


def test_a_part_inside_another_counts_for_itself_alone(
    timings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = timings.Clock(torch.device("cpu"))
    times = iter((1.0, 3.0, 7.0, 15.0, 31.0, 63.0))
    monkeypatch.setattr(clock, "now", lambda: next(times))
    with clock.part("outer"):
        with clock.part("inner"):
            pass
        with clock.part("inner"):
            pass
    assert clock.spent == {"outer": 2.0 + 8.0 + 32.0, "inner": 4.0 + 16.0}
    assert clock.starts == {"outer": [1.0], "inner": [3.0, 15.0]}


def test_the_way_to_exact_inputs_is_part_of_them(timings: Any) -> None:
    clock = timings.Clock(torch.device("cpu"))
    with clock.part("exact inputs"), clock.part("inputs"):
        pass
    assert set(clock.spent) == {"exact inputs"}


def test_the_statistics_are_those_that_a_walk_gathers(timings: Any, bench: Any) -> None:
    given = timings.statistics(8, 2048, torch.device("cpu"))
    assert given.multiplied and given.shift.shape == (8, 2048)
    assert timings.statistics(2048, 2048, torch.device("cpu")).shift.shape == (2048, 2048)


def tiny(timings: Any) -> Any:
    return timings.Shapes(32, 48, 2, 1, 6, 32)


def test_every_timing_measures_both_methods(
    bench: Any, timings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu, shapes = torch.device("cpu"), tiny(timings)
    folder = timings.layer_folder(shapes, tmp_path)
    paths = timings.PathsTiming(shapes, folder, cpu, 2)()
    for group in shapes.groups():
        assert set(paths["per sequence"][group]["gptq"]) == {"inputs", "H"}
        assert set(paths["per sequence"][group]["rpiq"]) == {"inputs", "H", "exact inputs", "Δ"}
    solvers = {}
    for columns in (32, 48):
        given = timings.statistics(32, columns, cpu)
        assert given.paired is not given.hessian
        timing = solvers[columns] = timings.time_solvers(32, given, cpu, ("rpiq", "gptq"))
        assert {"factor", "GPTQ", "measuring"} <= set(timing["gptq"]["steps"])
        assert timing["gptq"]["kept"] == "gptq" and "rounds" not in timing["gptq"]
        steps = set(timings.SOLVER_PARTS.values()) - {"min/max grid", "rounding"}
        assert steps < set(timing["rpiq"]["steps"])
        assert 1 <= timing["rpiq"]["rounds"] <= 4
        for method in ("gptq", "rpiq"):
            spent = timing[method]
            assert spent["seconds"] == pytest.approx(sum(spent["steps"].values()))
        assert timing["rpiq"]["j_of_stages"]["rpiq"] < timing["rpiq"]["j_of_stages"]["gptq"]
    found = bench.add_up(shapes, paths, solvers)
    assert found["ratio"] > 1
    small = replace(shapes, smaller=2048)
    assert (small.followed_tokens(0), small.judging_tokens) == (8, 1)
    assert (following.followed_tokens(0), following.JUDGING_TOKENS) == (16384, 2048)
    for columns in (32, 2048, 4096, 14336):
        assert shapes.followed_tokens(columns) == following.followed_tokens(columns)


@pytest.mark.slow
def test_whole_walks_are_timed(timings: Any, tmp_path: Path) -> None:
    shapes = tiny(timings)
    whole = timings.time_whole_walks(
        shapes, timings.layer_folder(shapes, tmp_path), torch.device("cpu")
    )
    assert whole["rpiq"] > whole["gptq"] > 0


def test_the_sum_is_what_the_arithmetic_says(bench: Any, timings: Any) -> None:
    """128 sequences of 2048 tokens: 13 held out, 56 followed, 1 judged."""
    shapes = bench.LLAMA_8B
    assert (shapes.sequences, shapes.tokens_each, shapes.held_out) == (128, 2048, 13)
    own = {"exact inputs": 3.0, "Δ": 2.0}
    paths = {
        "per sequence": {
            g: {"gptq": {"inputs": 1.0, "H": 2.0}, "rpiq": {"inputs": 3.0, "H": 4.0} | own}
            for g in shapes.groups()
        },
        "gathering": {m: dict.fromkeys(shapes.groups(), n) for m, n in (("gptq", 1), ("rpiq", 2))},
        "advance": 5.0,
        "judge": 7.0,
    }
    solvers: dict[int, Any] = {
        columns: {
            "gptq": {"seconds": 11.0, "steps": {"factor": 1.0, "GPTQ": 10.0}},
            "rpiq": {
                "seconds": 43.0,
                "steps": {"factor": 1.0, "own factor": 2.0, "R and J": 40.0},
                "rounds": 2,
                "last_round": 6.0,
            },
        }
        for columns in (4096, 14336)
    }
    common = 128 * (5 + 4 * (1 + 2 + 3 + 4) / 2)
    rows = 6144 + 4096 + 28672 + 4096
    gptq = common + 4 * 1 + 4 * 1 + 10 * rows / 4096
    rpiq = common + 4 * 2 + 4 * 3 + 40 * rows / 4096
    rpiq += 56 * 4 * (3 + 2) + 5 + 4 * 3 * 7
    found = bench.add_up(shapes, paths, solvers)
    assert found["seconds"] == pytest.approx({"gptq": gptq, "rpiq": rpiq})
    assert found["ratio"] == pytest.approx(rpiq / gptq)
    four = bench.add_up(shapes, paths, solvers, rounds=4)["seconds"]
    assert four == pytest.approx({"gptq": gptq, "rpiq": rpiq + 12 * rows / 4096})
    measured: dict[str, list[Any]] = {"paths": [paths, paths | {"judge": 8.0}]}
    assert bench.missing(measured)
    measured |= {"solver 4096x4096": [solvers[4096]], "solver 4096x14336": [solvers[14336]]}
    assert not bench.missing(measured)
    whole = bench.summary(shapes, measured)
    assert whole["ratio"] == pytest.approx(rpiq / gptq)
    assert whole["ratio_range"] == pytest.approx([rpiq / gptq, (rpiq + 12) / gptq])
    assert (whole["combinations"], whole["rounds"]) == (2, {4096: 2, 14336: 2})
    half = {
        m: timing | {"seconds": (timing["seconds"] + 3) / 4} for m, timing in solvers[4096].items()
    }
    share = bench.rows_check(measured | {"solver 1024x4096": [half]})
    assert share["1024x4096"]["gptq"] == pytest.approx(((11 + 3) / 4 - 1) / (10 / 4))


def test_what_was_measured_is_saved_one_by_one_and_time_is_kept(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def timing(self: Any, part: str, number: int) -> dict[str, Any]:
        asked.append(part)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return {"number": number}

    monkeypatch.setattr(bench.Plan, "time", timing)
    saved: list[int] = []

    def keep(found: dict[str, Any]) -> None:
        saved.append(sum(map(len, found["timings"].values())))

    with pytest.raises(KeyboardInterrupt):
        bench.seconds(0.0, torch.device("cpu"), keep)
    assert saved == [1, 2]
    order = bench.Plan(Path(), torch.device("cpu")).order()
    assert asked == [part for part, needed in order if needed][:3]
    assert [part for part, _ in order[:3]] == ["paths", "solver 4096x4096", "solver 4096x14336"]
