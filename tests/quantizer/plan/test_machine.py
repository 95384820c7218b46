"""Float32 stays float32 during a run, whichever of PyTorch's two kinds of switches was used."""

import subprocess
import sys

import pytest

# In a process of its own: PyTorch does not forget that both kinds were used.
PROGRAM = """
import torch
from quantizer.plan.machine import exact_float32
backends = torch.backends
cuda, cudnn = backends.cuda.matmul, backends.cudnn
{before}
def state():
    return [cuda.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision]
outside = state()
with exact_float32():
    print(state())
print(state() == outside, "tf32" in outside)
"""


@pytest.mark.parametrize(
    "before",
    [
        'backends.fp32_precision = "tf32"',
        pytest.param('cuda.fp32_precision = "tf32"', marks=pytest.mark.slow),
        pytest.param(
            'cuda.fp32_precision = "tf32"; cudnn.conv.fp32_precision = "ieee"',
            marks=pytest.mark.slow,
        ),
        pytest.param("cuda.allow_tf32 = True", marks=pytest.mark.slow),
        pytest.param('torch.set_float32_matmul_precision("high")', marks=pytest.mark.slow),
    ],
)
def test_nothing_is_shortened_and_all_is_as_before(before: str) -> None:
    command = [sys.executable, "-c", PROGRAM.format(before=before)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    inside, after = done.stdout.splitlines()
    assert "tf32" not in inside
    assert after == "True True"
