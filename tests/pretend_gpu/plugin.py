"""Gives every test that needs a GPU a twin that runs on the pretend one.

A test marked ``gpu`` is left out where there is no card. Its twin, ``…_on_a_pretend_gpu``, has
every other mark of it and is collected beside it, so ``scripts/test`` runs it. ``gpu(twin="slow")``
marks the twin slow: a card takes a moment for it, a pretended one does not. ``gpu(twin="none")``
makes none, for what only a real card can show.
"""

import os
from collections.abc import Iterator

import pytest
import torch

from tests.pretend_gpu.counts import Counts
from tests.pretend_gpu.device import pretend_card
from tests.pretend_gpu.guard import load_guard

MARK = "pretend_gpu"

if torch.version.cuda is None:
    # Triton reads it when it is imported, by whichever test comes first.
    os.environ.setdefault("TRITON_INTERPRET", "1")


def twin_of(item: pytest.Item) -> pytest.Function | None:
    """The twin of a collected test, None where it needs no GPU or wants none."""
    marks = list(item.iter_markers("gpu"))
    wish = next((mark.kwargs["twin"] for mark in marks if "twin" in mark.kwargs), "quick")
    if not isinstance(item, pytest.Function) or not marks or wish == "none":
        return None
    name = f"{item.originalname}_on_a_pretend_gpu"
    twin = pytest.Function.from_parent(
        item.parent,
        name=item.name.replace(item.originalname, name, 1),
        callobj=item.obj,
        callspec=getattr(item, "callspec", None),
        fixtureinfo=item._fixtureinfo,
        originalname=name,
    )
    assert isinstance(twin, pytest.Function)
    twin.own_markers = [mark for mark in twin.own_markers if mark.name != "gpu"]
    if next(twin.iter_markers("gpu"), None) is not None:
        raise pytest.UsageError(f"{item.nodeid}: mark tests gpu one by one, not their module")
    twin.add_marker(MARK)
    if wish == "slow":
        twin.add_marker("slow")
    return twin


def with_twins(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """All tests, each followed by its twin."""
    for item in items:
        yield item
        twin = twin_of(item)
        if twin is not None:
            yield twin


@pytest.fixture(autouse=True)
def _card_of_a_twin(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker(MARK) is None:
        yield
    else:
        request.getfixturevalue("card")
        yield


@pytest.fixture
def card() -> Iterator[Counts]:
    """A pretend card for the time of the test, and what is counted on it."""
    problem = load_guard()
    if problem is not None:
        pytest.skip(problem)
    with pretend_card() as counts:
        yield counts
