"""Cards whose speed is known without measuring it, as `Speed`s.

From their makers' data sheets, less what large products, copies and walks over columns reach of
the figures there: two thirds of the float32 operations, 85 % of the memory's bandwidth at 12 bytes
an element, half of the instructions that a walk's warps could issue. No run on such a card has
confirmed them; ``scripts/first_hour_on_a_gpu`` measures.
"""

from collections.abc import Mapping

from quantizer.plan.machine import Speed

_LAUNCH_S = 5e-6
_BYTES = 12.0  # two numbers read and one written
_GEMM, _MEMORY = 0.66, 0.85

PCIE_4, PCIE_5 = 22e9, 45e9
"""Bytes a second of 16 lanes, from pinned memory."""


def _card(operations: float, bandwidth: float, walks: float, link: float) -> Speed:
    """operations: float32 a second; bandwidth: bytes a second; both as the data sheet says."""
    return Speed(_GEMM * operations, walks, _MEMORY * bandwidth / _BYTES, _LAUNCH_S, link)


CARDS: Mapping[str, Speed] = {
    "RTX 3090": _card(35.6e12, 936e9, 0.3e12, PCIE_4),
    "RTX 4090": _card(82.6e12, 1008e9, 0.7e12, PCIE_4),
    "H100 SXM": _card(66.9e12, 3350e9, 0.5e12, PCIE_5),
}
