"""The weights of tokens, by the formula written out in plain numbers."""

import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from models.sequences import TextLayout
from quantizer.errors import SettingsError
from quantizer.importance.gradients import ROUND_BYTES, round_sizes
from quantizer.importance.importance import Importance
from quantizer.importance.weights import Scales
from quantizer.run.ranks import ALONE
from quantizer.solvers.methods import Settings


def sequences(seed: int = 0) -> list[tuple[int, Tensor, Tensor]]:
    """Three sequences of two kinds of tokens, whose gradients differ by orders of magnitude."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number, length in enumerate((7, 12, 9)):
        kinds = (torch.arange(length) % 3 == 0).long()
        norms = torch.rand(length, generator=generator).mul(9).sub(4).exp() * (1 + 999 * kinds)
        made.append((number, norms, kinds))
    return made


def by_hand(kind: int, rho: float) -> list[float]:
    """The weights of all tokens of a kind, in their order."""
    norms = [
        float(n) for _, ns, ks in sequences() for n, k in zip(ns, ks, strict=True) if k == kind
    ]
    mean = sum(norms) / len(norms)
    clipped = [min(max(norm / mean, 0.1), 10.0) for norm in norms]
    mean = sum(clipped) / len(clipped)
    return [(1 - rho) + rho * c / mean for c in clipped]


@pytest.mark.parametrize("rho", [0.25, 1.0])
@pytest.mark.parametrize("kind", [0, 1])
def test_weights_follow_the_formula_and_have_mean_one(rho: float, kind: int) -> None:
    scales = Scales.of(sequences(), ALONE)
    found = torch.cat([scales.weights(n, k, rho)[k == kind] for _, n, k in sequences()])
    assert found.tolist() == pytest.approx(by_hand(kind, rho), rel=1e-5)
    assert float(found.double().mean()) == pytest.approx(1.0, rel=1e-6)
    assert len(set(found.tolist())) > 5


def test_no_gradient_counts_all_alike() -> None:
    kinds = torch.zeros(4, dtype=torch.int64)
    scales = Scales.of([(0, torch.zeros(4), kinds)], ALONE)
    assert scales.weights(torch.zeros(4), kinds, 1.0).tolist() == [1.0] * 4


class Meeting:
    """One of two ranks that are threads of one process."""

    size = 2

    def __init__(self, rank: int, said: dict[int, Any], barrier: threading.Barrier) -> None:
        self.rank, self.said, self.barrier = rank, said, barrier

    def gather(self, value: Any) -> list[Any]:
        self.said[self.rank] = value
        self.barrier.wait()
        heard = [self.said[0], self.said[1]]
        self.barrier.wait()
        return heard


def test_two_ranks_take_the_very_means_of_one() -> None:
    every, found = sequences(), {}
    said: dict[int, Any] = {}
    barrier = threading.Barrier(2, timeout=20)

    def work(rank: int) -> None:
        own = [one for one in every if one[0] % 2 == rank]
        found[rank] = Scales.of(own, Meeting(rank, said, barrier))  # type: ignore[arg-type]  # all that Scales asks of ranks

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == Scales.of(every, ALONE)


def test_rounds_hold_what_fits_and_never_less_than_one() -> None:
    # With one block there are two states of a sequence, three of which fit.
    state = ROUND_BYTES / 6
    assert round_sizes(1, []) == []
    assert [part for part, _ in round_sizes(1, [state] * 7)] == [range(3), range(3, 6), range(6, 7)]
    found = round_sizes(1, [9 * state, state, state])
    assert found == [(range(1), 18 * state), (range(1, 3), 4 * state)]


def test_a_layer_of_unknown_tokens_is_refused() -> None:
    layout = TextLayout(torch.nn.Module())
    norms, kinds = torch.rand(6, generator=torch.Generator().manual_seed(0)), torch.zeros(6).long()
    scales = {"block": Scales.of([(0, norms, kinds)], ALONE)}
    weighing = Importance(layout, [{"block": norms}], [kinds], 1, scales).weighing
    assert weighing("block", "layer", 0.0) is None
    weighted = weighing("block", "layer", 1.0)
    assert weighted is not None
    found = weighted(torch.ones(6, 2), 0, False)
    expected = scales["block"].weights(norms, kinds, 1.0)
    torch.testing.assert_close(found.square(), expected[:, None].expand(6, 2))
    with pytest.raises(SettingsError, match="block.layer computes 4 of 6 tokens"):
        weighted(torch.ones(4, 2), 0, False)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_shares_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(SettingsError, match="token_importance"):
        Settings("gptq", token_importance=share)
