"""The head's product in PyTorch's own kernel: right, and the switch is as it was."""

import pytest
import torch
from torch import nn

from models import one_row
from models.one_row import head_logits


@pytest.mark.parametrize("enabled", [True, False])
def test_one_row_is_right_and_leaves_the_switch_alone(
    monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    monkeypatch.setattr(one_row, "LARGE_BYTES", 1)
    head = nn.Linear(192, 1000, bias=False, dtype=torch.bfloat16)
    x = torch.randn(1, 192, generator=torch.Generator().manual_seed(0)).bfloat16()
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", enabled)
    with torch.inference_mode():
        found = head_logits(head, x)
        assert torch.backends.mkldnn.enabled is enabled
        exact = x.double() @ head.weight.double().T
        # Half of the last place of bfloat16, and a little for the order of sums.
        assert torch.allclose(found.double(), exact, rtol=2**-8, atol=1e-3)
        several = torch.cat((x, -x))
        assert torch.equal(head_logits(head, several), head(several))


def test_a_failed_product_leaves_the_switch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_row, "LARGE_BYTES", 1)
    before = torch.backends.mkldnn.enabled
    with pytest.raises(RuntimeError):
        head_logits(nn.Linear(64, 64, bias=False).bfloat16(), torch.zeros(1, 32).bfloat16())
    assert torch.backends.mkldnn.enabled is before
