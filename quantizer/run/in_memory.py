"""A model in memory, walked as a folder is: its own tensors are the source, it is the target."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.blocks import Sample
from models.errors import CheckpointError, ModelFolderError
from models.families import OpenedModel, family_of
from models.int4 import Int4Linear, replace_linear
from quantizer.calibration.streams import CalibrationSet, hold_out
from quantizer.errors import CalibrationError
from quantizer.plan.machine import exact_float32
from quantizer.recipes.recipe import Recipe
from quantizer.report.report import ModuleReport, Report
from quantizer.run.walk import Walk
from quantizer.run.walked import Progress
from quantizer.run.warnings import with_warnings
from quantizer.solvers.methods import Settings


class ModuleTensors:
    """The tensors of a module that a checkpoint would hold, as a `WeightSource`."""

    def __init__(self, module: nn.Module, expected: set[str]) -> None:
        self._tensors: dict[str, Tensor] = {
            name: tensor.detach()
            for name, tensor in module.state_dict().items()
            if name in expected
        }

    @property
    def folder(self) -> Path:
        """What messages call it."""
        return Path("the given module")

    def names(self) -> tuple[str, ...]:
        """Name every tensor."""
        return tuple(self._tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape."""
        return tuple(self._own(name).shape)

    def dtype(self, name: str) -> torch.dtype:
        """Return a tensor's dtype."""
        return self._own(name).dtype

    def read(self, name: str) -> Tensor:
        """Return a copy of a tensor, as a walk writes into the layers that it reads.

        Raises:
            CheckpointError: there is none of that name.
        """
        return self._own(name).clone()

    def size(self, name: str) -> int:
        """Return a tensor's bytes."""
        tensor = self._own(name)
        return tensor.numel() * tensor.element_size()

    def _own(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise CheckpointError(f"{self.folder} has no tensor {name}: give a whole model")
        return self._tensors[name]


def quantize_in_memory(
    module: nn.Module,
    calibration: Sequence[Tensor | Sample],
    settings: Settings | Recipe,
    *,
    device: torch.device,
    allow_uncalibrated: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Put an `Int4Linear` in the place of every linear layer that is quantized.

    module:      of a class that a family builds; it is changed only when all is computed.
    calibration: token ids (tokens,) or (1, tokens), or samples of the family's blocks; about the
        last tenth only judges.

    Raises:
        ModelFolderError: the module is of no known family.
        CalibrationError: there is no sequence, a layer saw no token, or its Hessian cannot be
            factorized.
        QuantizerError, ModelsError: see ``quantizer.run.walk.Walk``.
    """
    started = time.monotonic()
    opened = _opened(module)
    tensors = ModuleTensors(module, opened.family.expected_names(opened.module))
    walk = Walk(
        opened,
        tensors,
        settings,
        device=device,
        allow_uncalibrated=allow_uncalibrated,
        on_progress=on_progress,
    )
    drawn = _calibration(calibration, walk)
    reports: list[ModuleReport] = []
    layers: dict[str, Int4Linear] = {}
    with torch.no_grad(), exact_float32():
        for block in walk.run(drawn):
            for name, weight in block.layers.items():
                old = module.get_submodule(name)
                layers[name] = Int4Linear.from_quantized(weight, _bias(old)).to(_device(old))
            reports += [
                with_warnings(one, block.layers[one.name], walk.recipe.settings_of(one.name))
                for one in block.modules
            ]
    before = _bytes(module)
    for name, layer in layers.items():
        replace_linear(module, name, layer)
    return Report(
        source=type(module).__name__,
        settings=asdict(settings) if isinstance(settings, Settings) else settings.to_dict(),
        calibration={"samples": len(calibration)},
        modules=reports,
        seconds=time.monotonic() - started,
        bytes_before=before,
        bytes=_bytes(module),
    )


def _opened(module: nn.Module) -> OpenedModel:
    """A twin of the module on the meta device, to be walked."""
    config: Any = getattr(module, "config", None)
    if config is None:
        raise ModelFolderError(
            f"{type(module).__name__} has no config: give a model of a known family"
        )
    values: dict[str, Any] = config.to_dict()
    family = family_of(values)
    twin = family.build(values)
    if type(twin) is not type(module):
        raise ModelFolderError(
            f"a {family.name} model is a {type(twin).__name__} here, "
            f"not a {type(module).__name__}: give one of that class"
        )
    return OpenedModel(Path("the given module"), family, twin, family.blockwise(twin), values)


def _calibration(given: Sequence[Tensor | Sample], walk: Walk) -> CalibrationSet | None:
    rules = [rule.settings for rule in walk.recipe.rules if rule.settings is not None]
    if not given and any(one.reads_statistics for one in rules):
        raise CalibrationError("there is no calibration sequence; only rtn goes without")
    samples = [
        {"input_ids": one.reshape(1, -1)} if isinstance(one, Tensor) else one for one in given
    ]
    return hold_out(samples) if samples else None


def _bias(linear: nn.Module) -> Tensor | None:
    bias = getattr(linear, "bias", None)
    return bias.detach().clone() if isinstance(bias, Tensor) else None


def _device(linear: nn.Module) -> torch.device:
    return next(linear.parameters()).device


def _bytes(module: nn.Module) -> int:
    """Bytes of a module's tensors, those that are tied together once."""
    held = {
        tensor.data_ptr(): tensor.numel() * tensor.element_size()
        for tensor in module.state_dict().values()
    }
    return sum(held.values())
