"""One token's attention over shared heads, against sums written out."""

import math

import pytest
import torch

from models.grouped_attention import attend_once


@pytest.mark.parametrize(("heads", "shared"), [(4, 4), (6, 2), (5, 1)])
def test_each_head_sees_the_keys_and_values_that_it_shares(heads: int, shared: int) -> None:
    generator = torch.Generator().manual_seed(heads)
    query = torch.randn(2, heads, 1, 8, generator=generator)
    key, value = (torch.randn(2, shared, 7, 8, generator=generator) for _ in range(2))
    for scale in (None, 0.2):
        found = attend_once(query, key, value, scale=scale)
        assert found.shape == query.shape
        for row in range(2):
            for head in range(heads):
                own = head // (heads // shared)
                scores = [
                    float(query[row, head, 0] @ key[row, own, n]) * (scale or 8**-0.5)
                    for n in range(7)
                ]
                weights = [math.exp(score) for score in scores]
                wanted = sum(w * value[row, own, n] for n, w in enumerate(weights)) / sum(weights)
                assert torch.allclose(found[row, head, 0], wanted, atol=1e-5)
