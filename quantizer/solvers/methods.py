"""The methods, and what each does unless told otherwise: the one table of defaults.

The command line, recipes, comparisons and the library all make `Settings`, and nothing else knows
a default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from quantizer.errors import SettingsError

Method = Literal["rtn", "gptq", "rpiq", "rpiq-paper"]
AsymmetricTarget = Literal["auto", "0", "0.5", "1"]
GridChoice = Literal["minmax", "hessian"]
HessianChoice = Literal["last", "global"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """One method's row of the table; the fields are those of `Settings`."""

    grid: GridChoice
    act_order: bool
    damp_percent: float
    rounds: int
    bits: int = 4
    group_size: int = 128
    sym: bool = False
    asymmetric_target: AsymmetricTarget = "auto"
    rpiq_hessian: HessianChoice = "last"
    token_importance: float = 0.0
    residual_target: bool = False


# rpiq also keeps the damping in what it minimizes, and does best with more of it. The published
# method takes columns in their own order, on the classic grid, for five rounds.
DEFAULTS: Mapping[Method, Defaults] = {
    "rtn": Defaults(grid="minmax", act_order=True, damp_percent=0.01, rounds=4),
    "gptq": Defaults(grid="minmax", act_order=True, damp_percent=0.01, rounds=4),
    "rpiq": Defaults(grid="hessian", act_order=True, damp_percent=0.05, rounds=3),
    "rpiq-paper": Defaults(grid="minmax", act_order=False, damp_percent=0.01, rounds=5),
}
DEFAULT_METHOD: Method = "rpiq"


@dataclass(frozen=True, slots=True, init=False)
class Settings:
    """How a layer, or every layer of a model, is quantized.

    What is not given, or given as None, is the method's default in `DEFAULTS`.

    method:       ``rtn`` rounds to nearest, ``gptq`` is GPTQ, ``rpiq`` refines GPTQ's result on
        the grid, ``rpiq-paper`` does what RPIQ's paper says.
    bits:         of a weight, 2 to 8; a file holds 3, 4 or 8.
    group_size:   inputs that share a scale.
    sym:          every zero-point is in the middle of the grid.
    grid:         from the smallest to the largest weight of a group (``minmax``), or shrunk to
        what costs the least output error (``hessian``).
    act_order:    columns are quantized in order of importance, which others call desc_act. The
        groups stay static, so that no permutation is stored and files say ``desc_act: false``.
    damp_percent: damping as a share of the Hessian's mean diagonal.
    rounds:       most rounds of the refinement.
    asymmetric_target: share γ of the correction of ``quantizer.solvers.target``, for ``rpiq`` in
        whole models only; auto chooses it by the held-out sequences' block output.
    rpiq_hessian: tokens behind the block Hessians of ``rpiq-paper``; see there.
    token_importance: share ρ, 0 to 1, of a calibration token's weight that follows how strongly
        the model's loss hangs on it, see ``quantizer.importance``; in whole models only.
    residual_target: the correction also makes up for how far what a layer's output is added to is
        off, where a family says what that is; see ``quantizer.solvers.target``.

    Raises:
        SettingsError: the method is unknown, a number is out of range, or a weighing or correction
            is asked for that the method would not read.
    """

    method: Method
    bits: int
    group_size: int
    sym: bool
    grid: GridChoice
    act_order: bool
    damp_percent: float
    rounds: int
    asymmetric_target: AsymmetricTarget
    rpiq_hessian: HessianChoice
    token_importance: float
    residual_target: bool

    def __init__(
        self,
        method: Method | None = None,
        bits: int | None = None,
        group_size: int | None = None,
        sym: bool | None = None,
        grid: GridChoice | None = None,
        act_order: bool | None = None,
        damp_percent: float | None = None,
        rounds: int | None = None,
        asymmetric_target: AsymmetricTarget | None = None,
        rpiq_hessian: HessianChoice | None = None,
        token_importance: float | None = None,
        residual_target: bool | None = None,
    ) -> None:
        chosen = DEFAULT_METHOD if method is None else method
        if chosen not in DEFAULTS:
            raise SettingsError(f"method {chosen!r} is unknown; give one of {', '.join(DEFAULTS)}")
        given = {
            "method": chosen,
            "bits": bits,
            "group_size": group_size,
            "sym": sym,
            "grid": grid,
            "act_order": act_order,
            "damp_percent": damp_percent,
            "rounds": rounds,
            "asymmetric_target": asymmetric_target,
            "rpiq_hessian": rpiq_hessian,
            "token_importance": token_importance,
            "residual_target": residual_target,
        }
        for field in fields(self):
            value = given[field.name]
            if value is None:
                value = getattr(DEFAULTS[chosen], field.name)
            object.__setattr__(self, field.name, value)
        self._check()
        if token_importance:
            self._check_importance()
        if residual_target:
            self._check_residual()

    @property
    def reads_statistics(self) -> bool:
        """Whether a layer's result depends on the Hessian of its inputs."""
        return self.method != "rtn" or self.grid != "minmax"

    def _check_importance(self) -> None:
        if not self.reads_statistics:
            raise SettingsError(
                lambda name: (
                    f"{name('token_importance')} changes nothing with {name('method')} "
                    f"{self.method}, which rounds without looking at tokens: give "
                    f"{name('method')} {DEFAULT_METHOD}, or leave {name('token_importance')} out"
                )
            )

    def _check_residual(self) -> None:
        if self.method != "rpiq":
            raise SettingsError(
                lambda name: (
                    f"{name('residual_target')} changes nothing with {name('method')} "
                    f"{self.method}, which corrects no target: give {name('method')} rpiq, or "
                    f"leave {name('residual_target')} out"
                )
            )
        if self.asymmetric_target == "0":
            raise SettingsError(
                lambda name: (
                    f"{name('residual_target')} changes nothing with {name('asymmetric_target')} "
                    "0, which is no correction: give another, or leave "
                    f"{name('residual_target')} out"
                )
            )

    def _check(self) -> None:
        if self.group_size < 1:
            raise SettingsError(
                lambda name: (
                    f"{name('group_size')} {self.group_size} is too small; give 32, 64 or 128"
                )
            )
        if not 0 <= self.damp_percent <= 1:  # NaN lies nowhere
            raise SettingsError(
                lambda name: (
                    f"{name('damp_percent')} {self.damp_percent} is out of range; "
                    "give a share such as 0.01"
                )
            )
        if self.rounds < 1:
            raise SettingsError(
                lambda name: f"{name('rounds')} {self.rounds} refines nothing; give 1 or more"
            )
        if not 0 <= self.token_importance <= 1:
            raise SettingsError(
                lambda name: (
                    f"{name('token_importance')} {self.token_importance} is out of range; give a "
                    "share from 0 to 1"
                )
            )
