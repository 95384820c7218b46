"""One pass over a model's blocks: statistics of each group of layers, solutions, next states.

One block's weights are in memory at a time. The states of all calibration sequences stay on the
host; the linear layers of a block are quantized in execution order, each group from inputs that
the already quantized part of the network computes.
"""

import copy
import hashlib
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from models.blocks import Block, BlockwiseModel, Sample, State
from models.checkpoint import CheckpointReader
from models.families import OpenedModel
from models.int4.packing import QuantizedWeight
from models.loading import load_tensors
from quantizer.calibration import CalibrationSet
from quantizer.errors import CalibrationError, QuantizerError, SettingsError
from quantizer.gptq import LayerProblem
from quantizer.hessian import CrossAccumulator, HessianAccumulator
from quantizer.outer import load_word_table, word_tables
from quantizer.parts import kind_of
from quantizer.recipe import Recipe, Stream, feeds, stream_of, uniform
from quantizer.report import ModuleReport, report_module
from quantizer.solver import Settings, Solution, propose, solve, too_few
from quantizer.target import GAMMAS, LayerStatistics, choose

_FOLLOWED_PER_COLUMN = 8
_FOLLOWED_AT_LEAST = 16384
"""Tokens that the full-precision path follows, where there are more: so many per column of the
widest layer, on whose columns the correction is a regression, and so many at least. On small
models perplexity gains from following more than 8 per column; on large ones following every
token would cost more than the whole of GPTQ."""

JUDGING_TOKENS = 4096
"""Held-out tokens whose block output chooses γ."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; ``done`` of ``total`` linear layers are quantized."""

    module: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FinishedBlock:
    """What one block became.

    layers: quantized weights by the layer's full name.
    others: every other tensor of the block, as the source has it, by full name.
    states: checksum of all calibration states behind the block.
    """

    name: str
    layers: dict[str, QuantizedWeight]
    others: dict[str, Tensor]
    modules: tuple[ModuleReport, ...]
    states: str


class EarlierRun(Protocol):
    """What an interrupted run left, for a walk that continues it."""

    def layers(self, block: str) -> dict[str, QuantizedWeight] | None:
        """The quantized layers of a block by full name, None where it is not finished."""
        ...

    def replayed(self, block: str, states: str) -> None:
        """Hear the checksum of the states that were computed again behind a finished block."""
        ...


@dataclass(frozen=True, slots=True)
class Observed:
    """One layer as the solver met it, for those who compare methods on the same statistics.

    held_out:    Hessian (in, in) of the held-out sequences, None where they sent no token.
    last_inputs: (tokens, in) on the last fitting sequence, None unless the walk keeps them.
    solution:    what the walk goes on with.
    """

    name: str
    problem: LayerProblem
    held_out: Tensor | None
    last_inputs: Tensor | None
    solution: Solution


@dataclass(slots=True)
class _Paths:
    """States of all sequences where they enter a block, on the host.

    fitting, held_out: as the already quantized part of the network computes them.
    exact_fitting, exact_held_out: the first of both as the full-precision network computes
        them; empty unless the asymmetric target needs them.
    fitting_streams, held_out_streams: which layers each sequence calibrates.
    """

    fitting: list[State] = field(default_factory=list)
    held_out: list[State] = field(default_factory=list)
    exact_fitting: list[State] = field(default_factory=list)
    exact_held_out: list[State] = field(default_factory=list)
    fitting_streams: tuple[Stream, ...] = ()
    held_out_streams: tuple[Stream, ...] = ()


class Walk:
    """One pass over the blocks; holds what every block needs."""

    def __init__(
        self,
        opened: OpenedModel,
        reader: CheckpointReader,
        settings: Settings | Recipe,
        *,
        device: torch.device,
        state_dtype: torch.dtype = torch.float32,
        allow_uncalibrated: bool = False,
        keep_last_inputs: bool = False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        observer: Callable[[Observed], None] | None = None,
    ) -> None:
        self.opened, self.model = opened, opened.blockwise
        self.recipe = uniform(settings) if isinstance(settings, Settings) else settings
        self.reader, self.settings = reader, self.recipe.base
        self.device, self.allow_uncalibrated = device, allow_uncalibrated
        self.state_dtype = state_dtype
        self.keep_last_inputs = keep_last_inputs
        self.on_progress, self.observer = on_progress, observer
        self.recipe.check(self.model)
        self.widest = widest_layer(self.model, self.recipe)
        blocks = list(self.recipe.blocks(self.model))
        self.total, self.done = sum(len(g) for block in blocks for g in block.groups), 0

    def run(
        self, calibration: CalibrationSet | None, earlier: EarlierRun | None = None
    ) -> Iterator[FinishedBlock]:
        """Quantize every block in order; the sequences are taken out of ``calibration``.

        Blocks that an ``earlier`` run finished only carry the states on and are not given back.

        Raises:
            CalibrationError: a layer saw no token, or its Hessian cannot be factorized.
            WeightError: a weight cannot be represented.
            ModelsError: the source cannot be read.
        """
        paths = self._start_all(calibration)
        for block in self.recipe.blocks(self.model):
            known = None if earlier is None else earlier.layers(block.name)
            if earlier is not None and known is not None:
                self._replay(block, known, paths)
                earlier.replayed(block.name, checksum(paths))
                continue
            names = self._load(f"{block.name}.", block.module)
            # The full-precision block, for the path that stays exact.
            exact = replace(block, module=copy.deepcopy(block.module)) if self.asymmetric else None
            goal = [] if exact is None else self._goal(exact, paths)
            self._park(exact)
            layers: dict[str, QuantizedWeight] = {}
            modules: list[ModuleReport] = []
            for group in block.groups:
                for solved in self._quantize_group(block, exact, group, paths, goal):
                    layers[solved.report.name] = solved.weight
                    modules.append(solved.report)
                    del solved
            if exact is not None and not self._moves_exact(block, block.groups[-1:]):
                exact.module.to(self.device)
                self._advance(exact, paths.exact_fitting)
            self._advance(block, paths.fitting)
            self._advance(block, paths.held_out)
            if exact is not None:
                paths.exact_held_out = goal
                exact.module.to_empty(device="meta")
            replaced = {f"{name}.weight" for name in layers}
            others = {name: self.reader.read(name) for name in names if name not in replaced}
            block.module.to_empty(device="meta")
            yield FinishedBlock(block.name, layers, others, tuple(modules), checksum(paths))
            # The next block is loaded before these names are bound again.
            del layers, others

    @property
    def asymmetric(self) -> bool:
        """Whether the full-precision path is walked beside the quantized one."""
        return any(rule.settings and _is_corrected(rule.settings) for rule in self.recipe.rules)

    def _moves_exact(self, block: Block, groups: Sequence[Sequence[str]]) -> bool:
        """Whether the statistics of a block's last group carry the full-precision path on."""
        return any(_is_corrected(self._settings(block, group[0])) for group in groups)

    def _settings(self, block: Block, name: str) -> Settings:
        return self.recipe.settings_of(f"{block.name}.{name}")

    def _replay(self, block: Block, known: dict[str, QuantizedWeight], paths: _Paths) -> None:
        """Run a finished block over all states, as the run that finished it did."""
        if paths.fitting or paths.held_out:
            self._load(f"{block.name}.", block.module)
            if self.asymmetric:
                self._advance(block, paths.exact_fitting)
                self._advance(block, paths.exact_held_out)
            for name, weight in known.items():
                linear = linear_of(block, name.removeprefix(f"{block.name}."))
                linear.weight.copy_(weight.to(self.device).dequantize())
            self._advance(block, paths.fitting)
            self._advance(block, paths.held_out)
            block.module.to_empty(device="meta")
        self.done += len(known)
        self.on_progress(Progress(block.name, self.done, self.total))

    def _start_all(self, calibration: CalibrationSet | None) -> _Paths:
        if calibration is None:
            return _Paths()
        self._load_outer()
        streams = [
            tuple(stream_of(sample) for sample in samples)
            for samples in (calibration.fitting, calibration.held_out)
        ]
        follow = sequences_for(calibration.fitting, followed_tokens(self.widest))
        judge = sequences_for(calibration.held_out, JUDGING_TOKENS)
        fitting, held_out = (
            self._start_list(samples) for samples in (calibration.fitting, calibration.held_out)
        )
        if not self.asymmetric:
            follow = judge = 0
        return _Paths(fitting, held_out, fitting[:follow], held_out[:judge], *streams)

    def _start_list(self, samples: list[Sample]) -> list[State]:
        """Turn samples into states; each sample leaves the list, so that its memory is freed."""
        samples.reverse()
        states = []
        while samples:
            states.append(self._start(samples.pop()))
        return states

    def _start(self, sample: Sample) -> State:
        return self._stored(self.model.start(_on(self.device, sample)))

    def _step(self, block: Block, state: State) -> State:
        return self._stored(self.model.step(block, self._loaded(state)))

    def _stored(self, state: State) -> State:
        """A state as it lies on the host between blocks."""
        return _on(torch.device("cpu"), state, self.state_dtype)

    def _loaded(self, state: State) -> State:
        """A state as a block computes with it."""
        return _on(self.device, state, torch.float32)

    def _advance(self, block: Block, states: list[State]) -> None:
        """Run a block over sequences in place, so that one is held before and after the block."""
        for index in range(len(states)):
            states[index] = self._step(block, states[index])

    def _goal(self, exact: Block, paths: _Paths) -> list[State]:
        """What the full-precision network makes of the held-out sequences in this block."""
        return [self._step(exact, state) for state in paths.exact_held_out]

    def _park(self, exact: Block | None) -> None:
        """Keep the full-precision block on the host while it computes nothing."""
        if exact is not None:
            exact.module.to("cpu")

    def _load_outer(self) -> None:
        """Read what lies outside all blocks; only calibration runs need it."""
        # The head is the largest of them and computes nothing that a block needs.
        names = [
            name
            for name in self.model.outer_names()
            if name in self.reader and not name.startswith("lm_head.")
        ]
        module, tables = self.opened.module, word_tables(self.opened.module)
        rest = [name for name in names if name not in tables]
        load_tensors(module, self.reader, rest, device=self.device, dtype=torch.float32)
        for name in set(names).intersection(tables):
            load_word_table(module, self.reader, name, device=self.device)
        self.opened.family.complete(self.opened.module, self.device)

    def _load(self, prefix: str, module: nn.Module) -> list[str]:
        """Read a module's tensors as float32; return the names of all tensors at the prefix."""
        names = [name for name in self.reader.names() if name.startswith(prefix)]
        own = set(module.state_dict())
        load_tensors(
            module,
            self.reader,
            [name for name in names if name.removeprefix(prefix) in own],
            prefix=prefix,
            device=self.device,
            dtype=torch.float32,
        )
        module.to(self.device)  # computed buffers, which no checkpoint holds
        return names

    def _quantize_group(
        self,
        block: Block,
        exact: Block | None,
        group: Sequence[str],
        paths: _Paths,
        goal: list[State],
    ) -> Iterator["_SolvedLayer"]:
        """Quantize the linear layers that share one input, and put the result in their place."""
        started = time.monotonic()
        settings = self._settings(block, group[0])
        if not _is_corrected(settings):
            exact = None
        if exact is not None:
            exact.module.to(self.device)
        try:
            statistics = self._statistics(block, exact, group[0], paths)
            self._park(exact)
        except CalibrationError as error:
            raise CalibrationError(f"{block.name}.{group[0]}: {error}") from error
        seconds = (time.monotonic() - started) / len(group)
        started = time.monotonic()
        weights = {name: linear_of(block, name).weight.detach().clone() for name in group}
        gamma, solutions = self._solve_group(block, group, weights, statistics, paths, goal)
        seconds += (time.monotonic() - started) / len(group)
        for name in group:
            full_name = f"{block.name}.{name}"
            solution = solutions[name]
            if self.observer is not None:
                self.observer(
                    Observed(
                        full_name,
                        statistics.problem(weights[name], gamma),
                        statistics.held_out,
                        statistics.last_inputs,
                        solution,
                    )
                )
            weight = solution.chosen.weight
            linear_of(block, name).weight.copy_(weight.dequantize())
            report = report_module(
                full_name,
                solution,
                tokens=(statistics.tokens, statistics.held_out_tokens),
                grid=settings.grid,
                gamma=gamma if _is_corrected(settings) else None,
                dead_columns=statistics.dead_columns,
                seconds=seconds,
                size_bytes=(
                    size_in_file(self.reader, f"{full_name}.weight"),
                    packed_bytes(weight),
                ),
            )
            self.done += 1
            self.on_progress(Progress(full_name, self.done, self.total))
            yield _SolvedLayer(weight.to("cpu"), report)

    def _statistics(
        self, block: Block, exact: Block | None, name: str, paths: _Paths
    ) -> LayerStatistics:
        """Second moments of the input of one group, as the quantized part computes it."""
        linear, settings = linear_of(block, name), self._settings(block, name)
        stream = self.recipe.rule(f"{block.name}.{name}").stream
        fit = HessianAccumulator(linear.in_features, self.device)
        judge = HessianAccumulator(linear.in_features, self.device)
        cross = CrossAccumulator(linear.in_features, self.device) if exact else None
        paired = last = None
        judged_tokens = 0
        for index, state in enumerate(paths.fitting):
            if cross and cross.tokens and index == len(paths.exact_fitting):
                paired = fit.mean()
            fed = feeds(paths.fitting_streams[index], stream)
            inputs = self._inputs(block, name, state) if fed else None
            wanted = None
            # The last group carries the full-precision path on, whoever reads the sequence.
            if exact and index < len(paths.exact_fitting) and (fed or name in exact.groups[-1]):
                wanted = self._exact_inputs(exact, name, paths.exact_fitting, index)
            if inputs is None:
                continue
            fit.add(inputs)
            if cross and wanted is not None:
                cross.add(wanted, inputs)
            last = inputs
        for index, state in enumerate(paths.held_out):
            fed = feeds(paths.held_out_streams[index], stream)
            inputs = self._inputs(block, name, state) if fed else None
            if inputs is not None:
                judge.add(inputs)
            if index < len(paths.exact_held_out):
                judged_tokens = judge.tokens
        hessian = fit.mean()
        if paired is None and cross and cross.tokens:  # every sequence was followed
            paired = hessian
        # What is rounded for want of tokens is rounded as it is: they do not say how to correct it.
        if cross and too_few(cross.tokens, linear.in_features):
            cross = paired = None
        return LayerStatistics(
            hessian=hessian,
            tokens=fit.tokens,
            held_out=judge.mean() if judge.tokens else None,
            held_out_tokens=judge.tokens,
            judged_tokens=judged_tokens,
            shift=cross.mean() if cross else None,
            paired=paired,
            damp_percent=settings.damp_percent,
            last_inputs=last if self._keeps_last(settings) else None,
        )

    def _keeps_last(self, settings: Settings) -> bool:
        return self.keep_last_inputs or settings.method == "rpiq-paper"

    def _inputs(self, block: Block, name: str, state: State) -> Tensor | None:
        """Run a block as far as one of its layers; return that layer's inputs (tokens, in).

        None where the sequence never reaches it, as text never reaches a vision expert.
        """
        linear = linear_of(block, name)
        handle = linear.register_forward_pre_hook(_stop_here)
        try:
            self.model.step(block, self._loaded(state))
        except _Reached as reached:
            inputs = reached.inputs.detach()
            return inputs.reshape(-1, inputs.shape[-1])
        finally:
            handle.remove()
        return None

    def _exact_inputs(
        self, exact: Block, name: str, states: list[State], index: int
    ) -> Tensor | None:
        """The inputs of a layer of the full-precision block on one sequence.

        At the block's last group the sequence runs on to the end and its state moves there, which
        saves a pass of its own.
        """
        if name not in exact.groups[-1]:
            return self._inputs(exact, name, states[index])
        found: list[Tensor] = []

        def keep(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            found.append(inputs[0].detach().reshape(-1, inputs[0].shape[-1]))

        handle = linear_of(exact, name).register_forward_pre_hook(keep)
        try:
            states[index] = self._step(exact, states[index])
        finally:
            handle.remove()
        return found[0] if found else None

    def _solve_group(
        self,
        block: Block,
        group: Sequence[str],
        weights: dict[str, Tensor],
        statistics: LayerStatistics,
        paths: _Paths,
        goal: list[State],
    ) -> tuple[float, dict[str, Solution]]:
        """Solve every layer of a group; with an asymmetric target, for the γ that serves best."""
        gamma = self._choose_gamma(block, group, weights, statistics, paths, goal)
        return gamma, {
            name: self._solve(f"{block.name}.{name}", weights[name], statistics, gamma)
            for name in group
        }

    def _choose_gamma(
        self,
        block: Block,
        group: Sequence[str],
        weights: dict[str, Tensor],
        statistics: LayerStatistics,
        paths: _Paths,
        goal: list[State],
    ) -> float:
        """The share γ whose GPTQ solution brings the block's held-out output nearest its goal."""
        settings = self._settings(block, group[0])
        gammas = _gammas(settings, statistics)
        if len(gammas) == 1:
            return gammas[0]
        # Refining and measuring every candidate would take far longer and choose the same.
        errors = {}
        for gamma in gammas:
            for name in group:
                problem = statistics.problem(weights[name], gamma)
                try:
                    candidate = propose(problem, settings)
                except QuantizerError as error:
                    raise type(error)(f"{block.name}.{name}: {error}") from error
                linear_of(block, name).weight.copy_(candidate)
            errors[gamma] = self._output_error(block, paths.held_out, goal)
        return choose(errors)

    def _output_error(self, block: Block, states: list[State], goal: list[State]) -> float:
        """Squared distance of a block's outputs from what the full-precision network gives."""
        total = 0.0
        for state, wanted in zip(states, goal, strict=False):  # only the first are judged
            result = self._step(block, state)
            for name, value in result.items():
                if value.is_floating_point() and value is not state.get(name):
                    total += float((value - wanted[name]).square().sum())
        return total

    def _solve(
        self,
        name: str,
        weight: Tensor,
        statistics: LayerStatistics,
        gamma: float,
    ) -> Solution:
        settings = self.recipe.settings_of(name)
        if not statistics.tokens and settings.method != "rtn" and not self.allow_uncalibrated:
            raise uncalibrated(name)
        try:
            return solve(
                statistics.problem(weight, gamma),
                statistics.held_out,
                settings,
                last_inputs=statistics.last_inputs,
            )
        except QuantizerError as error:
            raise type(error)(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class _SolvedLayer:
    weight: QuantizedWeight
    report: ModuleReport


class _Reached(Exception):
    """Ends a block's forward pass at the layer whose inputs were asked for."""

    def __init__(self, inputs: Tensor) -> None:
        super().__init__()
        self.inputs = inputs


def _stop_here(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    raise _Reached(inputs[0])


def widest_layer(model: BlockwiseModel, recipe: Recipe) -> int:
    """Most inputs of a quantized layer, on which the number of followed tokens depends.

    A picture's tower is left aside where there are other layers: it has four positions for each
    token of the picture, so that fewer sequences than the others need serve it too.
    """
    widths: dict[bool, int] = {}
    for block in recipe.blocks(model):
        for group in block.groups:
            tower = kind_of(f"{block.name}.{group[0]}") == "tower"
            columns = max(linear_of(block, name).in_features for name in group)
            widths[tower] = max(widths.get(tower, 0), columns)
    return widths.get(False, widths.get(True, 0))


def followed_tokens(columns: int) -> int:
    """Tokens that the full-precision path follows where the widest layer has ``columns`` inputs."""
    return max(_FOLLOWED_PER_COLUMN * columns, _FOLLOWED_AT_LEAST)


def sequences_for(samples: Sequence[Sample], tokens: int) -> int:
    """How many sequences, from the first, hold at least so many tokens together."""
    total = 0
    for count, sample in enumerate(samples):
        if total >= tokens:
            return count
        total += int(sample["input_ids"].numel())
    return len(samples)


def linear_of(block: Block, name: str) -> nn.Linear:
    """Find a linear layer of a block by its name.

    Raises:
        SettingsError: it is something else.
    """
    linear = block.module.get_submodule(name)
    if not isinstance(linear, nn.Linear):
        raise SettingsError(
            f"{block.name}.{name} is a {type(linear).__name__}, not a linear layer: "
            "this model family cannot be quantized"
        )
    return linear


def uncalibrated(name: str) -> CalibrationError:
    """What to say of a layer that no calibration token reaches."""
    return CalibrationError(
        f"{name}: no calibration token reached it; give calibration data that does "
        "(pictures for a vision expert), or --allow-uncalibrated to round it to nearest"
    )


def _is_corrected(settings: Settings) -> bool:
    """Whether a layer's target makes up for errors before it."""
    return settings.method == "rpiq" and settings.asymmetric_target != "0"


def _gammas(settings: Settings, statistics: LayerStatistics) -> tuple[float, ...]:
    if not _is_corrected(settings) or statistics.paired is None:
        return (0.0,)
    if settings.asymmetric_target == "auto":
        return GAMMAS if statistics.judged_tokens else (0.0,)
    return (float(settings.asymmetric_target),)


def _on(
    device: torch.device, values: dict[str, Any], dtype: torch.dtype | None = None
) -> dict[str, Any]:
    """Move tensors to a device; floating ones take on the dtype, if one is given."""
    return {
        name: value.to(device, dtype if value.is_floating_point() else None)
        if isinstance(value, Tensor)
        else value
        for name, value in values.items()
    }


def digest_of(weight: QuantizedWeight) -> str:
    """Hash a dequantized weight, to recognize it when it is read back."""
    return hashlib.sha256(weight.dequantize().cpu().numpy().tobytes()).hexdigest()


def checksum(paths: _Paths) -> str:
    """CRC-32 of all states, to notice that they were computed otherwise than the first time."""
    value = 0
    for states in (paths.fitting, paths.held_out, paths.exact_fitting, paths.exact_held_out):
        for state in states:
            for name in sorted(state):
                flat = state[name].contiguous().reshape(-1)
                value = zlib.crc32(flat.view(torch.uint8).numpy().data, value)
    return f"{value:08x}"


def size_in_file(reader: CheckpointReader, name: str) -> int:
    """Bytes of a tensor in its file."""
    count = 1
    for size in reader.shape(name):
        count *= size
    return count * reader.dtype(name).itemsize


def packed_bytes(weight: QuantizedWeight) -> int:
    """Bytes of a weight in its file: packed codes and zero-points, fp16 scales, int32 g_idx."""
    out_features, in_features = weight.codes.shape
    grids = weight.scale.numel()
    return (weight.bits * (out_features * in_features + grids)) // 8 + 2 * grids + 4 * in_features
