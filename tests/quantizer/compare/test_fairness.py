"""A comparison says whose Hessians a figure rests on, and measures against GPTQ at its best."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantizer.compare.comparison import CompareJob, Comparison, Measured
from quantizer.compare.methods import GPTQ, GPTQ_HESSIAN, MEANINGS, PAPER, RPIQ, RTN, Variant
from quantizer.compare.text import markdown

VALUES = {RTN: 5.0, GPTQ: 4.0, GPTQ_HESSIAN: 3.0, RPIQ: 2.5}


def variant(method: str, bits: int = 4) -> Variant:
    return Variant(bits, list(MEANINGS).index(method), 0, True, method)


def measured(value: float) -> Measured:
    losses = [value / 10] * 8
    result = {
        "task": "perplexity", "protocol": "standard", "model": "m", "value": value, "items": 8,
        "losses": losses, "interval_95": [value, value], "seq_len": 64, "bos": "none",
        "items_sha256": "x",
    }  # fmt: skip
    return Measured(result)


def comparison(methods: tuple[str, ...], **job: object) -> Comparison:
    asked = CompareJob(
        Path("m"),
        Path("o"),
        Path("c"),
        Path("d"),
        methods=methods,
        **job,  # type: ignore[arg-type]
    )
    variants = [variant(method, bits) for bits in asked.bits for method in methods]
    found = Comparison(
        asked,
        {"samples": 1, "tokens": 1, "path": "c", "seed": 0, "held_out": 0},
        [],
        {one: [] for one in variants},
        measured(2.0),
    )
    found.measured = {one: measured(VALUES[one.method]) for one in variants}
    return found


@pytest.mark.parametrize(
    ("method", "bits", "per_width", "said"),
    [
        (RPIQ, 4, False, "its own walk"),
        (RPIQ, 3, False, "shared, from the walk of rpiq at 4 bits"),
        (RPIQ, 3, True, "its own walk"),
        (GPTQ_HESSIAN, 4, False, "shared, from the walk of rpiq at 4 bits"),
        (GPTQ, 3, True, "shared, from the walk of rpiq at 3 bits"),
        (PAPER, 4, False, "shared, from the walk of rpiq at 4 bits"),
        (RTN, 3, False, "none needed"),
    ],
)
def test_every_figure_says_whose_walk_it_rests_on(
    method: str, bits: int, per_width: bool, said: str
) -> None:
    found = comparison((RPIQ,), bits=(4, 3), walk_per_width=per_width)
    assert found.statistics_of(variant(method, bits)) == said


def test_weights_of_tokens_are_those_of_the_walk_that_all_share() -> None:
    plain, weighing = (comparison((RPIQ,), token_importance=share) for share in (None, 0.5))
    assert weighing.job.driving(3) == replace(plain.job.driving(3), token_importance=0.5)
    assert plain.job.driving(3).token_importance == 0.0


def test_the_row_to_beat_is_gptq_at_its_best() -> None:
    found = comparison((RTN, GPTQ, GPTQ_HESSIAN, RPIQ))
    assert found.gap_share(variant(RPIQ)) == pytest.approx(0.25)
    assert found.gap_share(variant(RPIQ), GPTQ_HESSIAN) == pytest.approx(0.5)
    assert found.gap_share(variant(GPTQ), GPTQ_HESSIAN) == pytest.approx(2.0)
    assert found.against_reference(variant(GPTQ_HESSIAN), GPTQ_HESSIAN) is None
    text = markdown(found, [])
    (header,) = (line for line in text.splitlines() if line.startswith("| Method | On a grid"))
    columns = [cell.strip() for cell in header.strip("|").split("|")]
    (row,) = (line for line in text.splitlines() if line.startswith("| rpiq | yes"))
    cells = dict(zip(columns, (cell.strip() for cell in row.strip("|").split("|")), strict=True))
    assert cells["Hessians"] == "its own walk"
    assert cells["Gap, share of gptq+hessian's"] == "0.500"
    assert cells["Gap, share of gptq's"] == "0.250"
    assert columns.index("Gap, share of gptq+hessian's") < columns.index("Gap, share of gptq's")


def test_without_it_the_plain_row_is_what_is_left() -> None:
    text = markdown(comparison((GPTQ, RPIQ)), [])
    assert "Gap, share of gptq's" in text and "share of gptq+hessian" not in text
