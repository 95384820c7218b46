"""Offline 4-bit compression of language and vision-language models.

A layer of random weights, quantized so that its outputs change little, and run:

>>> import torch
>>> from quantizer import Settings, quantize_layer
>>> generator = torch.Generator().manual_seed(0)
>>> weight = torch.randn(64, 256, generator=generator)
>>> mixing = torch.randn(256, 256, generator=generator) / 10
>>> inputs = torch.randn(2000, 256, generator=generator) @ mixing
>>> result = quantize_layer(weight, inputs, Settings("rpiq", bits=4, group_size=64))
>>> print(f"J {result.j_before:.0f} by rounding, {result.j_after:.0f} by rpiq")
J 349 by rounding, 139 by rpiq
>>> layer = result.module()
>>> layer(inputs).shape
torch.Size([2000, 64])

`quantize_model` makes a smaller model folder of another, or quantizes a model in memory.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from models.offline import stay_offline

if TYPE_CHECKING:
    from quantizer.library import LayerResult, quantize_layer, quantize_model
    from quantizer.report.report import Report
    from quantizer.solvers.methods import Settings

__all__ = ["LayerResult", "Report", "Settings", "quantize_layer", "quantize_model"]

# At import, against the house rule: libraries read these switches when they are imported.
stay_offline()

_HOMES = {
    "LayerResult": "quantizer.library",
    "Report": "quantizer.report.report",
    "Settings": "quantizer.solvers.methods",
    "quantize_layer": "quantizer.library",
    "quantize_model": "quantizer.library",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: torch takes a second to import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
