"""The bench on a real language model: which cells come when, and what its tables say."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import bench_real_lm

    yield bench_real_lm
    for name in ("bench_real_lm", "peers.tools", "peers"):
        del sys.modules[name]


def record(row: str, draw: int, wikitext: float, bits: int = 4, **others: Any) -> dict[str, Any]:
    """One measured cell."""
    return {
        "row": row,
        "bits": bits,
        "group_size": 64,
        "draw": draw,
        "cpu_seconds": 100.0 + draw,
        "peak_mb": 500.0,
        "wikitext": wikitext,
        "c4": 2 * wikitext,
        "sentiment": 0.5,
        **others,
    }


def test_every_cell_comes_once_and_those_that_tell_most_come_first(bench: Any) -> None:
    rows = bench.ROWS
    found = list(bench.cells(rows))
    assert len({cell.key for cell in found}) == len(found)
    assert len({cell.folder for cell in found}) == len(found)
    first = found[: 2 * len(rows)]
    assert {cell.draw for cell in first} == {0}
    assert [cell.bits for cell in first] == [4] * len(rows) + [3] * len(rows)
    for row in rows:
        for bits in (4, 3):
            draws = [c.draw for c in found if c.row == row and (c.bits, c.group_size) == (bits, 64)]
            assert draws == list(range(row.draws))
    assert {row.name for row in rows if row.draws == bench.DRAWS} >= {bench.OURS, bench.BEST_PEER}


def test_the_paired_difference_is_that_of_shared_draws_with_students_interval(bench: Any) -> None:
    ours, theirs = [30.0, 31.0, 30.5, 29.0], [31.0, 31.5, 32.5, 29.5]
    records = [record(bench.OURS, i, value) for i, value in enumerate(ours)]
    records += [record(bench.BEST_PEER, i, value) for i, value in enumerate(theirs)]
    records += [record(bench.BEST_PEER, 6, 1.0), record(bench.OURS, 0, 5.0, bits=3)]
    (line,) = bench.paired(records)
    gaps = np.array(ours) - np.array(theirs)
    half = 3.182446 * gaps.std(ddof=1) / 2  # t of 3 degrees of freedom, by the root of 4 draws
    assert line["less"] == bench.BEST_PEER
    assert line["draws"] == [0, 1, 2, 3]
    assert line["mean"] == pytest.approx(gaps.mean())
    assert line["interval_95"] == pytest.approx([gaps.mean() - half, gaps.mean() + half], abs=1e-3)


def test_one_draw_has_no_interval(bench: Any) -> None:
    (line,) = bench.paired([record(bench.OURS, 0, 30.0), record("gptq", 0, 33.0)])
    assert line["mean"] == -3.0
    assert line["interval_95"] is None


def test_students_t_grows_as_draws_get_fewer(bench: Any) -> None:
    assert sorted(bench.T_95) == list(range(1, bench.DRAWS))
    values = [bench.T_95[freedom] for freedom in sorted(bench.T_95)]
    assert values == sorted(values, reverse=True)
    # Beyond t, a Student's variable of one degree of freedom (Cauchy's) has atan's share.
    assert 2 * (0.5 - np.arctan(bench.T_95[1]) / np.pi) == pytest.approx(0.05, abs=1e-5)


def test_the_table_has_means_over_draws_and_leaves_out_what_is_not_measured(bench: Any) -> None:
    records = [record("gptq", 0, 30.0), record("gptq", 1, 32.0)]
    records += [record(bench.OURS, 0, 29.0, bits=3)]
    records += [record(bench.FULL, 0, 20.0, bits=16, group_size=0)]
    records += [{"row": "rtn", "bits": 4, "group_size": 64, "draw": 0}]
    lines = bench.table(records)
    assert [(line["row"], line["bits"], line["draws"]) for line in lines] == [
        (bench.FULL, 16, [0]),
        ("gptq", 4, [0, 1]),
        (bench.OURS, 3, [0]),
    ]
    assert lines[1]["wikitext"] == 31.0
    assert lines[1]["c4"] == 62.0
    text = bench.markdown(lines)
    assert "## 4 bits, groups of 64" in text
    assert "| gptq | 2 | 31.000 | 62.000 | 50.0% | 100 | 500 |" in text


def test_a_second_start_knows_what_is_there(bench: Any, tmp_path: Path) -> None:
    results = bench.Results(tmp_path / "real_lm.json")
    results.cells.append(record("gptq", 1, 30.0))
    results.write()
    again = bench.Results(tmp_path / "real_lm.json")
    assert again.find(("gptq", 4, 64, 1)) == record("gptq", 1, 30.0)
    assert again.find(("gptq", 4, 64, 0)) is None
    assert "| gptq | 1 | 30.000 |" in (tmp_path / "real_lm.md").read_text()
