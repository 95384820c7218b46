"""Whether PyTorch's int4 kernels compute on this device what a model's weights say.

The layouts that they read are no part of PyTorch's promises. One that reads other words than were
written gives answers that look like answers.
"""

import logging

import torch
from torch import nn

from models.int4.linear import Int4Linear

MOST_DIFFERENCE = 0.05
"""Rounding makes a tenth of it; two codes that changed places, or a zero-point of the other sign,
ten times as much."""

log = logging.getLogger(__name__)


def check_kernels(module: nn.Module) -> None:
    """Compare the kernel with dequantizing on one layer of each kind, where the module lies.

    A kind is a shape, a group size and a device. Where they differ, all layers of the kind
    dequantize from then on, and one warning says so.

    Raises:
        torch.OutOfMemoryError: the device has too little memory.
    """
    kinds: dict[tuple[int, int, int, str], list[Int4Linear]] = {}
    for layer in module.modules():
        if isinstance(layer, Int4Linear):
            device = str(layer.scales.device)
            kind = layer.in_features, layer.out_features, layer.group_size, device
            kinds.setdefault(kind, []).append(layer)
    faults = []
    for (inputs, outputs, group_size, _), layers in kinds.items():
        fault = _fault(layers[0])
        if fault:
            faults.append(f"{inputs} to {outputs}, group {group_size}: {fault}")
            for layer in layers:
                layer.distrust_kernel()
    if faults:
        log.warning(
            "the int4 kernel of PyTorch %s%s computes something else than the weights say, so "
            "layers of %d of %d kinds are dequantized, which is slower (%s)",
            torch.__version__,
            _card(),
            len(faults),
            len(kinds),
            faults[0],
        )


def _fault(layer: Int4Linear) -> str:
    """What is wrong with the kernel for a layer; "" where nothing is, or it is not used."""
    try:
        difference = layer.kernel_difference()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        first, *_ = str(error).splitlines() or [""]
        return f"it does not run: {first}"
    # Written so that NaN is a fault.
    if difference is None or difference <= MOST_DIFFERENCE:
        return ""
    return f"off by {100 * difference:.0f} %"


def _card() -> str:
    """The card and CUDA's version, where there is one."""
    if not torch.cuda.is_available():
        return ""
    return f" for CUDA {torch.version.cuda} on {torch.cuda.get_device_name()}"
