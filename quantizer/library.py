"""The quantizer for programs: one layer on tensors, or a whole model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import torch
from torch import Tensor, nn

from models.blocks import Sample
from models.int4 import Int4Linear, QuantizedWeight
from quantizer.errors import SettingsError
from quantizer.plan.machine import exact_float32
from quantizer.recipes.recipe import Recipe
from quantizer.report.report import Report
from quantizer.run.in_memory import quantize_in_memory
from quantizer.run.pipeline import Job, run
from quantizer.run.walked import Progress
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.hessian import HessianAccumulator
from quantizer.solvers.methods import Settings
from quantizer.solvers.solver import Solution, solve


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One quantized layer.

    weight:   what a file would hold, and `models.int4.Int4Linear` multiplies by.
    bias:     (out,) of the linear layer that was given, else None.
    j_before: J of plain rounding to nearest, see `quantize_layer`.
    j_after:  J of ``weight``.
    solution: every stage that was tried, which one was chosen, and what to be warned of.
    """

    weight: QuantizedWeight
    bias: Tensor | None
    j_before: float
    j_after: float
    solution: Solution

    def module(self) -> Int4Linear:
        """A layer that multiplies (..., in) by the weight, and adds the bias if there is one.

        Raises:
            CheckpointError: the weight has none of 3, 4 and 8 bits, or does not fill whole words;
                ``weight.dequantize()`` gives the values of such weights.
        """
        return Int4Linear.from_quantized(self.weight, self.bias)


@torch.no_grad()
def quantize_layer(
    layer: Tensor | nn.Linear,
    inputs: Tensor,
    settings: Settings | None = None,
    *,
    held_out: Tensor | None = None,
) -> LayerResult:
    """Quantize one layer so that its outputs on some inputs change as little as possible.

    layer:    a weight W (out, in), or a linear layer; either is left as it is.
    inputs:   X, (..., in); every leading position is a token. ``rpiq-paper`` refines on the last
        of the first dimension where there are three or more.
    settings: `Settings()` unless given. Its asymmetric target needs a whole model, without which
        it is left out; so does its importance of tokens, which is refused.
    held_out: further inputs (..., in), which fit nothing; by their error ``rpiq`` chooses among
        its stages. Without them it keeps the last stage.

    What is minimized is ``J = tr((Q − W) H (Q − W)ᵀ)`` with ``H = XᵀX / tokens``, the squared
    change of the outputs per token.

    Raises:
        SettingsError: shapes do not fit, there is no token, or their importance is asked for.
        CalibrationError: inputs are not finite, or the Hessian cannot be factorized.
        WeightError: the weight cannot be represented.
        CheckpointError: at 4 or 8 bits, in and out do not fill whole 32-bit words.
    """
    if settings is not None and settings.token_importance:
        raise SettingsError(
            "token_importance needs the loss of a whole model: use quantize_model, or leave it out"
        )
    weight = (layer.weight if isinstance(layer, nn.Linear) else layer).detach().float()
    if weight.dim() != 2:
        raise SettingsError(f"the weight is {tuple(weight.shape)}; give a matrix (out, in)")
    with exact_float32():
        fitting = _moments(inputs, weight)
        judging = None if held_out is None else _moments(held_out, weight)
        solution = solve(
            LayerProblem(weight, fitting.mean(), fitting.tokens),
            None if judging is None else judging.mean(),
            settings or Settings(),
            last_inputs=(inputs[-1] if inputs.dim() > 2 else inputs)
            .detach()
            .reshape(-1, weight.shape[1])
            .to(weight),
        )
    before, after = solution.stages[0].error, solution.chosen.error
    assert before is not None and after is not None, "there are tokens"
    bias = layer.bias if isinstance(layer, nn.Linear) else None
    return LayerResult(
        weight=solution.weight,
        bias=None if bias is None else bias.detach().clone(),
        j_before=before,
        j_after=after,
        solution=solution,
    )


def _moments(inputs: Tensor, weight: Tensor) -> HessianAccumulator:
    """Sum ``xᵀx`` over inputs (..., in) on the weight's device."""
    if inputs.dim() < 1 or inputs.shape[-1] != weight.shape[1] or not inputs.numel():
        raise SettingsError(
            f"inputs are {tuple(inputs.shape)} and the weight is {tuple(weight.shape)}; "
            f"give at least one token, (..., {weight.shape[1]})"
        )
    moments = HessianAccumulator(weight.shape[1], weight.device)
    moments.add(inputs.to(weight.device))
    return moments


@overload
def quantize_model(
    model: str | Path,
    calibration: str | Path | None,
    settings: Settings | Recipe | None = None,
    *,
    out: str | Path,
    samples: int | None = None,
    seq_len: int | None = None,
    seed: int = 0,
    form: str = "gptq",
    head_bits: int | None = None,
    device: torch.device | str = "cpu",
    allow_uncalibrated: bool = False,
    on_progress: Callable[[Progress], None] = ...,
) -> Report: ...


@overload
def quantize_model(
    model: nn.Module,
    calibration: Sequence[Tensor | Sample],
    settings: Settings | Recipe | None = None,
    *,
    device: torch.device | str = "cpu",
    allow_uncalibrated: bool = False,
    on_progress: Callable[[Progress], None] = ...,
) -> Report: ...


def quantize_model(
    model: str | Path | nn.Module,
    calibration: str | Path | Sequence[Tensor | Sample] | None,
    settings: Settings | Recipe | None = None,
    *,
    out: str | Path | None = None,
    samples: int | None = None,
    seq_len: int | None = None,
    seed: int = 0,
    form: str = "gptq",
    head_bits: int | None = None,
    device: torch.device | str = "cpu",
    allow_uncalibrated: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Quantize a model of a known family: a folder into another, or a module in place.

    A folder is read block by block and never held whole; an interrupted run goes on where it
    stopped when the same call is made again. In a module, whose class is the family's own
    (``transformers.LlamaForCausalLM`` and so on), every quantized ``nn.Linear`` gives its place to
    an `models.int4.Int4Linear`.

    calibration: for a folder a text file, or pictures with questions; None only for ``rtn``. For a
        module token ids, (tokens,) or (1, tokens) each, or what its family's blocks start with;
        about the last tenth of them judges and fits nothing.
    settings: of all layers, or a recipe (`quantizer.recipes.recipe.read_recipe`); `Settings()`
        unless given.
    out, samples, seq_len, seed, form, head_bits: for folders only, see `quantizer.run.job.Job`.
    device: where blocks are computed; a quantized layer lies where the layer before it did.
    allow_uncalibrated: round layers that no token reaches, instead of refusing them.

    Raises:
        SettingsError: a setting does not fit the model or the machine.
        QuantizerError, ModelsError: see `quantizer.run.pipeline.run`.
    """
    chosen = Settings() if settings is None else settings
    if isinstance(model, nn.Module):
        if calibration is None or isinstance(calibration, str | Path) or out is not None:
            raise SettingsError("a module is quantized in place: give token ids, and no out")
        if head_bits is not None:
            raise SettingsError("the head of a module stays as it is: leave out head_bits")
        return quantize_in_memory(
            model,
            calibration,
            chosen,
            device=torch.device(device),
            allow_uncalibrated=allow_uncalibrated,
            on_progress=on_progress,
        )
    if out is None or not (calibration is None or isinstance(calibration, str | Path)):
        raise SettingsError("a folder becomes another: give out, and calibration as a path")
    job = Job(
        model=Path(model),
        out=Path(out),
        settings=chosen.base if isinstance(chosen, Recipe) else chosen,
        form=form,
        recipe=chosen if isinstance(chosen, Recipe) else None,
        calibration=None if calibration is None else Path(calibration),
        samples=samples,
        seq_len=seq_len,
        seed=seed,
        device=torch.device(device),
        head_bits=head_bits,
        allow_uncalibrated=allow_uncalibrated,
    )
    return run(job, on_progress)
