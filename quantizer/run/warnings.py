"""What a person must hear of a finished layer, besides what its solver warned of."""

from dataclasses import replace

import torch
from torch import Tensor

from models.int4.weight import QuantizedWeight
from quantizer.report.report import ModuleReport
from quantizer.solvers.few_tokens import dampings
from quantizer.solvers.methods import Settings

_ROUNDING = 1.001  # a damping share goes through float32


def with_warnings(
    report: ModuleReport, weight: QuantizedWeight, settings: Settings
) -> ModuleReport:
    """Add dead columns, raised damping and groups of one value to a layer's warnings."""
    found = (
        *_dead_columns(report),
        *_raised_damping(report, settings),
        *_flat_groups(weight),
    )
    return replace(report, warnings=(*report.warnings, *found))


def _dead_columns(report: ModuleReport) -> list[str]:
    if not report.dead_columns:
        return []
    return [
        f"{report.dead_columns} of {report.shape[1]} inputs were zero on every calibration token: "
        "their weights are rounded to nearest"
    ]


def _raised_damping(report: ModuleReport, settings: Settings) -> list[str]:
    """Name the largest damping, where a factorization needed more than was asked for."""
    asked = max(dampings(settings, report.tokens, report.shape[1]))
    used = max((stage.damp_percent or 0.0 for stage in report.stages), default=0.0)
    if used <= asked * _ROUNDING:
        return []
    return [f"damping was raised to {used:.3g} of the mean diagonal to factorize the Hessian"]


def _flat_groups(weight: QuantizedWeight) -> list[str]:
    """Count groups in which every weight of a row is stored as the same value."""
    groups = torch.split(weight.codes, weight.group_size, dim=1)
    count = sum(int(_flat_rows(codes).sum()) for codes in groups if codes.shape[1] > 1)
    if not count:
        return []
    return [f"{count} of {weight.scale.numel()} groups hold one value only"]


def _flat_rows(codes: Tensor) -> Tensor:
    return codes.amin(dim=1) == codes.amax(dim=1)
