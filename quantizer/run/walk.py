"""One pass over a model's blocks: statistics of each group of layers, solutions, next states.

One block's weights are in memory at a time. The states of all calibration sequences stay on the
host; the linear layers of a block are quantized in execution order, each group from inputs that
the already quantized part of the network computes.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.blocks import Block, State
from models.families import OpenedModel
from models.int4.weight import QuantizedWeight
from models.loading import load_tensors
from quantizer.calibration.streams import CalibrationSet, uncalibrated
from quantizer.errors import CalibrationError, QuantizerError
from quantizer.importance.gradients import Gradients
from quantizer.importance.importance import Importance
from quantizer.plan.dealing import Dealt, deal_group
from quantizer.plan.workload import LinearShape, is_asymmetric, packed_size
from quantizer.recipes.recipe import Recipe, stream_of, uniform
from quantizer.report.report import ModuleReport, report_module
from quantizer.run.following import JUDGING_TOKENS, followed_tokens, sequences_for, widest_layer
from quantizer.run.gathering import gather
from quantizer.run.heads import spread_shared_heads
from quantizer.run.judging import judged_error
from quantizer.run.lm_head import LM_HEAD, Head, quantize_head
from quantizer.run.outer import load_outer
from quantizer.run.passes import FITTING, HELD_OUT, Passes, Paths, linear_of
from quantizer.run.ranks import ALONE, WRITER, Ranks
from quantizer.run.resuming import PIECE_BYTES, Pages, Shelf
from quantizer.run.shares import Share, slots_of
from quantizer.run.trials import Kind, Trials
from quantizer.run.walked import EarlierRun, FinishedBlock, Observed, Progress, WeightSource
from quantizer.solvers.gptq import GptqResult
from quantizer.solvers.methods import Settings
from quantizer.solvers.solver import Solution, propose, solve
from quantizer.solvers.target import GAMMAS, LayerStatistics, choose


class Walk:
    """One pass over the blocks; holds what every block needs.

    head:           quantized behind the last block; None where it stays as it is.
    followed:       tokens that the full-precision path follows, by the widest layer's inputs.
    judging_tokens: held-out tokens whose block output chooses γ; None for 2,048.
    states_on_card: whether states stay on the device between blocks; else they lie on the host.
    rooms: bytes on the device for what passes of a block may keep for later ones, by the block,
        see ``quantizer.run.resuming``; none elsewhere. The result does not depend on them.
    ranks:          the processes that walk together; each calls ``run`` with all sequences. Which
        are followed, held out or judged is decided before they are dealt, so that it does not
        depend on the number of ranks.
    """

    def __init__(
        self,
        opened: OpenedModel,
        reader: WeightSource,
        settings: Settings | Recipe,
        *,
        device: torch.device,
        state_dtype: torch.dtype = torch.float32,
        allow_uncalibrated: bool = False,
        keep_last_inputs: bool = False,
        head: Head | None = None,
        followed: Callable[[int], int] = followed_tokens,
        judging_tokens: int | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        observer: Callable[[Observed], None] | None = None,
        ranks: Ranks = ALONE,
        states_on_card: bool = False,
        rooms: Mapping[str, float] | None = None,
    ) -> None:
        self.opened, self.model = opened, opened.blockwise
        self.recipe = uniform(settings) if isinstance(settings, Settings) else settings
        self.reader, self.settings = reader, self.recipe.base
        self.device, self.allow_uncalibrated = device, allow_uncalibrated
        self.passes = Passes(self.model, device, state_dtype, device if states_on_card else None)
        self.rooms = rooms or {}
        self.pages, self.twin_stays = Pages(Shelf(0.0)), False
        self.keep_last_inputs = keep_last_inputs
        self.followed = followed
        self.judging_tokens = JUDGING_TOKENS if judging_tokens is None else judging_tokens
        self.on_progress, self.observer = on_progress, observer
        self.ranks, self.head = ranks, head
        if device.type == "cuda":
            spread_shared_heads(opened.module)
        self.recipe.check(self.model)
        self.parts = opened.layout.parts
        self.widest = widest_layer(opened, self.recipe)
        self.trials = Trials()
        self.importance: Importance | None = None
        blocks = list(self.recipe.blocks(self.model))
        self.total, self.done = sum(len(g) for block in blocks for g in block.groups), 0
        self.total += head is not None

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
                self._recall(block, earlier.gammas(block.name))
                earlier.replayed(block.name, self._checksum(paths))
                continue
            names = self._load(f"{block.name}.", block.module)
            # The full-precision block, for the path that stays exact.
            exact = replace(block, module=copy.deepcopy(block.module)) if self.asymmetric else None
            self._make_room(block, exact)
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
                self.passes.advance(exact, paths.exact_fitting)
            for path, states in ((FITTING, paths.fitting), (HELD_OUT, paths.held_out)):
                pages = [self.pages.of(path, place) for place in range(len(states))]
                self.passes.advance(block, states, pages)
            self.pages.clear()
            if exact is not None:
                paths.exact_held_out = goal
                exact.module.to_empty(device="meta")
            replaced = {f"{name}.weight" for name in layers}
            others = {
                name: self.reader.read(name)
                for name in names
                if name not in replaced and self.ranks.rank == WRITER
            }
            block.module.to_empty(device="meta")
            checksum = self._checksum(paths)
            yield FinishedBlock(block.name, layers, others, tuple(modules), checksum)
            # The next block is loaded before these names are bound again.
            del layers, others
        if self.head is not None and (earlier is None or earlier.layers(LM_HEAD) is None):
            paths.exact_fitting, paths.exact_held_out = [], []
            yield self._quantize_head(self.head, paths)

    def _quantize_head(self, head: Head, paths: Paths) -> FinishedBlock:
        finished = quantize_head(
            head,
            self.model,
            self.reader,
            self.passes,
            paths,
            self.ranks,
            allow_uncalibrated=self.allow_uncalibrated,
        )
        self.done += 1
        self.on_progress(Progress(finished.name, self.done, self.total))
        return finished

    @property
    def asymmetric(self) -> bool:
        """Whether the full-precision path is walked beside the quantized one."""
        return any(rule.settings and is_asymmetric(rule.settings) for rule in self.recipe.rules)

    def _moves_exact(self, block: Block, groups: Sequence[Sequence[str]]) -> bool:
        """Whether the statistics of a block's last group carry the full-precision path on."""
        return any(is_asymmetric(self._settings(block, group[0])) for group in groups)

    def _settings(self, block: Block, name: str) -> Settings:
        return self.recipe.settings_of(f"{block.name}.{name}")

    def _replay(self, block: Block, known: dict[str, QuantizedWeight], paths: Paths) -> None:
        """Run a finished block over all states, as the run that finished it did."""
        if paths.fitting or paths.held_out:
            self._load(f"{block.name}.", block.module)
            if self.asymmetric:
                self.passes.advance(block, paths.exact_fitting)
                self.passes.advance(block, paths.exact_held_out)
            for name, weight in known.items():
                linear = linear_of(block, name.removeprefix(f"{block.name}."))
                linear.weight.copy_(weight.to(self.device).dequantize())
            self.passes.advance(block, paths.fitting)
            self.passes.advance(block, paths.held_out)
            block.module.to_empty(device="meta")
        self.done += len(known)
        self.on_progress(Progress(block.name, self.done, self.total))

    def _recall(self, block: Block, gammas: Mapping[str, float | None]) -> None:
        """Take the shares that a finished block chose, for those behind it."""
        for group in block.groups:
            settings, gamma = self._settings(block, group[0]), gammas[f"{block.name}.{group[0]}"]
            if gamma is not None:
                self.trials.took(self._kind(block, group), settings, gamma)

    def _kind(self, block: Block, group: Sequence[str]) -> Kind:
        """What a group has in common with the same layers of other blocks."""
        return self.parts.of(f"{block.name}.{group[0]}").title, *group

    def _start_all(self, calibration: CalibrationSet | None) -> Paths:
        if calibration is None:
            return Paths()
        load_outer(self.opened, self.reader, self.device)
        fit_lengths, judge_lengths = (
            [int(sample["input_ids"].numel()) for sample in samples]
            for samples in (calibration.fitting, calibration.held_out)
        )
        follow = judge = 0
        if self.asymmetric:
            follow = sequences_for(fit_lengths, self.followed(self.widest))
            judge = sequences_for(judge_lengths, self.judging_tokens)
        slots = slots_of(self.ranks.rank, self.ranks.size)
        fit_share = Share.of(len(fit_lengths), follow, slots)
        judge_share = Share.of(len(judge_lengths), 0, slots)
        judge = sum(number < judge for number in judge_share.numbers)
        for samples, share in (
            (calibration.fitting, fit_share),
            (calibration.held_out, judge_share),
        ):
            samples[:] = [samples[number] for number in share.numbers]
        if self.recipe.weighs_tokens:
            gradients = Gradients(self.opened, self.reader, self.passes, self._loaded_copy)
            numbers = fit_share.numbers, judge_share.numbers
            self.importance = Importance.of(gradients, calibration, numbers, self.ranks)
        fit_streams, judge_streams = (
            tuple(stream_of(sample) for sample in samples)
            for samples in (calibration.fitting, calibration.held_out)
        )
        fitting, held_out = (
            self.passes.start_all(samples)
            for samples in (calibration.fitting, calibration.held_out)
        )
        return Paths(
            fitting,
            held_out,
            fitting[: fit_share.first],
            held_out[:judge],
            fit_streams,
            judge_streams,
            fit_share,
            judge_share,
        )

    def _goal(self, exact: Block, paths: Paths) -> list[State]:
        """What the full-precision network makes of the held-out sequences in this block."""
        return [self.passes.step(exact, state) for state in paths.exact_held_out]

    def _checksum(self, paths: Paths) -> str:
        self.passes.settle()
        return paths.checksum(self.ranks)

    def _make_room(self, block: Block, exact: Block | None) -> None:
        """Begin to keep what passes of a block compute, and the full-precision block beside it."""
        on_card = self.device.type == "cuda"
        shelf = Shelf(self.rooms.get(block.name, 0.0), PIECE_BYTES if on_card else 1)
        self.pages = Pages(shelf)
        # It comes first: carrying it to and fro for every group takes longer than most passes.
        self.twin_stays = on_card and exact is not None and shelf.take(_held(exact.module))

    def _park(self, exact: Block | None) -> None:
        """Keep the full-precision block on the host while it computes nothing, or leave it."""
        if exact is not None and not self.twin_stays:
            exact.module.to("cpu")

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

    def _loaded_copy(self, block: Block) -> Block:
        """A copy of a block with its tensors; the block itself keeps what no checkpoint holds."""
        twin = replace(block, module=copy.deepcopy(block.module))
        self._load(f"{block.name}.", twin.module)
        return twin

    def _quantize_group(
        self,
        block: Block,
        exact: Block | None,
        group: Sequence[str],
        paths: Paths,
        goal: list[State],
    ) -> Iterator["_SolvedLayer"]:
        """Quantize the linear layers that share one input, and put the result in their place."""
        started = time.monotonic()
        settings = self._settings(block, group[0])
        if not is_asymmetric(settings):
            exact = None
        if exact is not None:
            exact.module.to(self.device)
        try:
            statistics = self._statistics(block, exact, group[0], paths)
            self._park(exact)
        except CalibrationError as error:
            raise error.at(f"{block.name}.{group[0]}") from error
        seconds = (time.monotonic() - started) / len(group)
        started = time.monotonic()
        weights = {name: linear_of(block, name).weight.detach().clone() for name in group}
        gamma, proposed = self._choose_gamma(block, group, weights, statistics, paths, goal)
        owners = self._dealt(block, group).layers
        solutions = {
            name: self._solve(
                f"{block.name}.{name}", weights[name], statistics, gamma, proposed.get(name)
            )
            for name, owner in owners.items()
            if owner == self.ranks.rank
        }
        seconds += (time.monotonic() - started) / len(group)
        for name, owner in owners.items():
            full_name = f"{block.name}.{name}"
            solution, own = solutions.get(name), None
            if solution is not None:
                own = self._solved(full_name, solution, statistics, gamma)
                if self.observer is not None:
                    problem = statistics.problem(weights[name], gamma)
                    seen = (statistics.held_out, statistics.last_inputs, solution)
                    self.observer(Observed(full_name, problem, *seen))
            solved = self.ranks.share(own, owner)
            linear_of(block, name).weight.copy_(solved.weight.dequantize())
            self.done += 1
            self.on_progress(Progress(full_name, self.done, self.total))
            report = replace(solved.report, seconds=round(seconds, 4))
            yield _SolvedLayer(solved.weight.to("cpu"), report)
        if is_asymmetric(settings):
            self.trials.took(self._kind(block, group), settings, gamma)

    def _solved(
        self, name: str, solution: Solution, statistics: LayerStatistics, gamma: float
    ) -> "_SolvedLayer":
        """What a solution leaves; the seconds are not known yet."""
        settings, weight = self.recipe.settings_of(name), solution.weight
        report = report_module(
            name,
            solution,
            part=self.parts.of(name).title,
            tokens=(statistics.tokens, statistics.held_out_tokens),
            grid=settings.grid,
            gamma=gamma if is_asymmetric(settings) else None,
            dead_columns=statistics.dead_columns,
            seconds=0.0,
            size_bytes=(
                self.reader.size(f"{name}.weight"),
                packed_size(LinearShape(name, *weight.codes.shape), settings),
            ),
        )
        return _SolvedLayer(weight, report)

    def _dealt(self, block: Block, group: Sequence[str]) -> Dealt:
        """Which rank solves what of a group."""
        shapes = [LinearShape(name, *linear_of(block, name).weight.shape) for name in group]
        settings = self._settings(block, group[0])
        chooses = self.trials.tries_all(self._kind(block, group), settings)
        return deal_group(shapes, settings, self.ranks.size, chooses=chooses)

    def _statistics(
        self, block: Block, exact: Block | None, name: str, paths: Paths
    ) -> LayerStatistics:
        """Second moments of the input of one group, as the quantized part computes it."""
        settings = self._settings(block, name)
        group = next(group for group in block.groups if name in group)
        return gather(
            self.passes,
            block,
            exact,
            name,
            paths,
            self.pages,
            self.recipe.rule(f"{block.name}.{name}"),
            settings,
            keep_last=self.keep_last_inputs or settings.method == "rpiq-paper",
            ranks=self.ranks,
            solvers=self._dealt(block, group).solvers,
            weighing=None
            if self.importance is None
            else self.importance.weighing(block.name, name, settings.token_importance),
        )

    def _choose_gamma(
        self,
        block: Block,
        group: Sequence[str],
        weights: dict[str, Tensor],
        statistics: LayerStatistics,
        paths: Paths,
        goal: list[State],
    ) -> tuple[float, dict[str, GptqResult]]:
        """The share γ whose GPTQ solution brings the block's held-out output nearest its goal.

        With it come those solutions by the layers' names; none where there was no choice.
        """
        settings = self._settings(block, group[0])
        gammas = self.trials.worth_trying(
            self._kind(block, group), settings, _gammas(settings, statistics)
        )
        if len(gammas) == 1:
            return gammas[0], {}
        # Refining and measuring every candidate would take far longer and choose the same.
        owners = self._dealt(block, group).proposals
        own: dict[tuple[float, str], GptqResult] = {}
        for (gamma, name), owner in owners.items():
            if owner == self.ranks.rank:
                try:
                    candidate = propose(statistics.problem(weights[name], gamma), settings)
                except QuantizerError as error:
                    raise error.at(f"{block.name}.{name}") from error
                own[gamma, name] = candidate
        errors: dict[float, float] = {}
        proposed: dict[float, dict[str, GptqResult]] = {}
        for gamma in gammas:
            proposed[gamma] = {}
            for name in group:
                candidate = self.ranks.share(own.pop((gamma, name), None), owners[gamma, name])
                proposed[gamma][name] = candidate
                linear_of(block, name).weight.copy_(candidate.weight.dequantize())
            errors[gamma] = judged_error(self.passes, block, paths, goal, self.pages, self.ranks)
        gamma = choose(errors)
        return gamma, proposed[gamma]

    def _solve(
        self,
        name: str,
        weight: Tensor,
        statistics: LayerStatistics,
        gamma: float,
        proposed: GptqResult | None,
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
                proposed=proposed,
            )
        except QuantizerError as error:
            raise error.at(name) from error


@dataclass(frozen=True, slots=True)
class _SolvedLayer:
    weight: QuantizedWeight
    report: ModuleReport


def _held(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _gammas(settings: Settings, statistics: LayerStatistics) -> tuple[float, ...]:
    if not is_asymmetric(settings) or statistics.paired is None:
        return (0.0,)
    if settings.asymmetric_target == "auto":
        return GAMMAS if statistics.judged_tokens else (0.0,)
    return (float(settings.asymmetric_target),)
