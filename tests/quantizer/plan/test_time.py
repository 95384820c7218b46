"""Planned time stands on the operations that a solver really does, of every kind."""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from quantizer.plan.machine import Speed
from quantizer.plan.plan import make_plan
from quantizer.plan.work import Work, solver_work
from quantizer.plan.workload import LinearShape
from quantizer.run.job import Job, prepare
from quantizer.run.pipeline import plan_job, run
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.methods import Method, Settings
from quantizer.solvers.solver import solve


class Counted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what PyTorch is asked to do: operations in products of matrices, in products of a
    matrix and a vector, and values that any other operation reads or makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products = self.walks = self.elements = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.split("::")[1].rstrip("_")
        if name in ("mm", "addmm"):
            one, other = args[:2] if name == "mm" else args[1:3]
            operations = 2.0 * one.shape[0] * one.shape[1] * other.shape[1]
            if 1 in (one.shape[0], other.shape[1]):
                self.walks += operations
            else:
                self.products += operations
        elif name in ("mv", "addmv"):
            self.walks += 2.0 * args[-2].numel()
        elif name in ("bmm", "baddbmm"):
            self.products += 2.0 * out.numel() * args[-2].shape[-1]
        elif not (func.is_view or name.startswith(("linalg", "empty", "new_empty", "detach"))):
            tensors = [x for x in tree_leaves((args, out)) if isinstance(x, Tensor)]
            self.elements += max((x.numel() for x in tensors), default=0)
        return out


@pytest.mark.parametrize("method", ["rtn", "gptq", "rpiq", "rpiq-paper"])
@pytest.mark.parametrize("shape", [(128, 256, 64), (256, 128, 32)])
def test_a_solvers_work_is_counted_by_kind(method: Method, shape: tuple[int, int, int]) -> None:
    out_features, in_features, group_size = shape
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2 * in_features, in_features, generator=generator)
    weight = torch.randn(out_features, in_features, generator=generator)
    problem = LayerProblem(weight, inputs.T @ inputs / len(inputs), len(inputs))
    settings = Settings(method, group_size=group_size, rounds=2)
    with torch.no_grad(), Counted() as counted:
        solve(problem, problem.hessian.clone(), settings, last_inputs=inputs)
    planned = solver_work(LinearShape("layer", out_features, in_features), settings)
    # A processor multiplies by the noughts of a span as well, and gathers from others by products.
    assert 2 * planned.walks == pytest.approx(counted.walks, rel=0.1)
    assert 0.5 < (planned.products + planned.spans) / counted.products < 2
    assert 0.5 < planned.elements / counted.elements < 2


def test_what_is_brought_beside_products_takes_only_the_time_that_they_do_not() -> None:
    work = Work(copied=50.0)
    work.bring(100.0, 30.0, 2.0)  # 10 s on the link, 3 s of products
    work.bring(20.0, 80.0, 5.0)  # 2 s, 8 s
    twice = Work()
    twice.add(work, 2.0)
    speed = Speed(10.0, 1.0, 1.0, link=10.0)
    assert work.times(speed)["copies to and from the card"] == 5.0 + 2 * 7.0
    assert twice.times(speed)["copies to and from the card"] == 2 * 19.0
    assert twice.moved == 2 * (50.0 + 200.0 + 100.0)


@pytest.mark.parametrize("share", [0.0, pytest.param(0.5, marks=pytest.mark.slow)])
def test_a_plans_time_counts_every_kind_of_work(
    make_llama: Callable[..., Path], text_file: Path, tmp_path: Path, share: float
) -> None:
    model = make_llama(tmp_path / "model", 64, 128, 1)
    settings = Settings("gptq", group_size=32, token_importance=share)
    job = Job(model, tmp_path / "out", settings, calibration=text_file, samples=8, seq_len=64)
    prepared = prepare(job)
    machine = plan_job(job, prepared).machine

    def planned(matmul: float, vector: float, elementwise: float) -> float:
        at = replace(machine, speed=Speed(matmul, vector, elementwise))
        plan = make_plan(prepared.opened, prepared.reader, prepared.calibration, job.rules, at)
        assert plan.seconds is not None
        return plan.seconds

    products, walks, elements = (
        planned(1.0, inf, inf), planned(inf, 1.0, inf), planned(inf, inf, 1.0),
    )  # fmt: skip
    # What takes time is all of it, one after the other.
    assert planned(2.0, 3.0, 4.0) == pytest.approx(products / 2 + walks / 3 + elements / 4)
    with Counted() as counted:
        run(job)
    assert walks == pytest.approx(counted.walks, rel=0.1)
    # Passes through the block are counted as products only, and attention not at all.
    assert 0.5 < products / counted.products < 2
    assert 0.3 < elements / counted.elements < 2
