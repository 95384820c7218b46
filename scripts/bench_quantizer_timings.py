"""Timings of the benchmark of seconds: a walk's paths, one layer's solvers, a small whole run.

Every timing does what gptq does and what rpiq does next to each other, so that a machine that slows
down slows both. Parts are timed inside a run's own code, each without the parts inside it: the
interpreter says when a function is entered and left, so that nothing of the product is replaced.
"""

import copy
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

import quantizer.solvers.gptq as gptq_module
import quantizer.solvers.grid as grid_module
import quantizer.solvers.rpiq as rpiq_module
import quantizer.solvers.solver as solver_module
import quantizer.solvers.target as target_module
from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from quantizer.calibration.streams import CalibrationSet
from quantizer.recipes.recipe import Stream
from quantizer.run.following import JUDGING_TOKENS, followed_tokens
from quantizer.run.judging import output_error
from quantizer.run.outer import load_outer
from quantizer.run.passes import Passes, Paths
from quantizer.run.shares import Share, slots_of
from quantizer.run.walk import Walk
from quantizer.solvers.hessian import CrossAccumulator, HessianAccumulator
from quantizer.solvers.methods import Settings
from quantizer.solvers.solver import propose, solve
from quantizer.solvers.target import GAMMAS, LayerStatistics

GROUP_SIZE = 128
WORDS = 1000
METHODS = {
    "gptq": Settings("gptq", 4, GROUP_SIZE),
    "rpiq": Settings("rpiq", 4, GROUP_SIZE),
}
SOLVER_PARTS: dict[Callable[..., Any], str] = {
    grid_module.minmax_grid: "min/max grid",
    grid_module.hessian_grid: "Hessian grid",
    grid_module.round_to_nearest: "rounding",
    gptq_module.gptq: "GPTQ",
    gptq_module.ordered_factor: "factor",
    target_module.own_factor: "own factor",
    target_module.pull: "correction",
    solver_module._Trail.add: "measuring",
    rpiq_module.rpiq: "R and J",
    rpiq_module.block_step: "block step",
    rpiq_module.coordinate_step: "coordinate step",
    rpiq_module.rescale_step: "rescale step",
    rpiq_module.refit_step: "refit step",
}
PATH_PARTS: dict[Callable[..., Any], str] = {
    Passes.inputs: "inputs",
    Passes.exact_inputs: "exact inputs",
    HessianAccumulator.add: "H",
    CrossAccumulator.add: "Δ",
}


@dataclass(frozen=True)
class Shapes:
    """One LLaMA layer's widths, and how long a calibration is asked for."""

    hidden: int
    intermediate: int
    heads: int
    key_heads: int
    sequences: int
    tokens_each: int
    smaller: int = 1
    """What the fixed numbers of tokens are divided by, as widths are."""

    def groups(self) -> dict[str, tuple[int, tuple[int, ...]]]:
        """Inputs, and outputs of each layer, of the groups that share an input."""
        keys = self.hidden // self.heads * self.key_heads
        return {
            "q, k, v": (self.hidden, (self.hidden, keys, keys)),
            "o": (self.hidden, (self.hidden,)),
            "gate, up": (self.hidden, (self.intermediate, self.intermediate)),
            "down": (self.intermediate, (self.hidden,)),
        }

    @property
    def held_out(self) -> int:
        """Sequences that only judge."""
        return round(0.1 * self.sequences)

    def followed_tokens(self, columns: int) -> int:
        """Tokens that the full-precision path follows, as ``quantizer.run.following`` has it."""
        return max(8 * columns, followed_tokens(0) // self.smaller)

    @property
    def judging_tokens(self) -> int:
        """Held-out tokens whose block output chooses γ."""
        return JUDGING_TOKENS // self.smaller


# https://huggingface.co/meta-llama/Llama-3.1-8B (config.json); 128 sequences of 2048 tokens
LLAMA_8B = Shapes(4096, 14336, 32, 8, 128, 2048)
EIGHTH = Shapes(512, 1792, 4, 1, 128, 256, smaller=8)
"""Every width and the tokens of a sequence divided by eight."""


class Clock:
    """Adds up seconds by part; what happens in a part inside another counts for it alone."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.spent: dict[str, float] = defaultdict(float)
        self.starts: dict[str, list[float]] = defaultdict(list)
        self._stack: list[str] = []
        self._since = self.now()

    def now(self) -> float:
        """Seconds of the processor; of the wall's clock, where a GPU has finished its work.

        Work of other programs beside this one then counts only by what it takes of caches and
        memory. With several threads, their seconds add up.
        """
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Book what happens inside to a part."""
        self._enter(name)
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def inside(self, parts: Mapping[Callable[..., Any], str]) -> Iterator[None]:
        """Book functions to parts wherever they are called inside.

        The interpreter also calls back for functions that are no part, which costs a fraction of
        a microsecond each: little beside products of matrices.
        """
        names = {function.__code__: part for function, part in parts.items()}
        sys.setprofile(self._watcher(names))
        try:
            yield
        finally:
            sys.setprofile(None)

    def _watcher(self, names: Mapping[CodeType, str]) -> Callable[[FrameType, str, Any], None]:
        def watch(frame: FrameType, event: str, _: Any) -> None:
            if event not in ("call", "return") or frame.f_code not in names:
                return
            if event == "call":
                self._enter(names[frame.f_code])
            else:  # also where an exception leaves the function
                self._leave()

        return watch

    def _enter(self, name: str) -> None:
        started = self._switch()
        if name == "inputs" and "exact inputs" in self._stack:
            name = "exact inputs"
        self.starts[name].append(started)
        self._stack.append(name)

    def _leave(self) -> None:
        self._switch()
        self._stack.pop()

    def _switch(self) -> float:
        now = self.now()
        if self._stack:
            self.spent[self._stack[-1]] += now - self._since
        self._since = now
        return now


def layer_folder(shapes: Shapes, folder: Path) -> Path:
    """Write a LLaMA folder with one layer, random weights and few words."""
    generator = torch.Generator().manual_seed(0)
    names = {
        "q, k, v": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "o": ("self_attn.o_proj",),
        "gate, up": ("mlp.gate_proj", "mlp.up_proj"),
        "down": ("mlp.down_proj",),
    }
    tensors: dict[str, Tensor] = {}
    for group, (columns, rows) in shapes.groups().items():
        for name, out_features in zip(names[group], rows, strict=True):
            weight = torch.randn(out_features, columns, generator=generator) * columns**-0.5
            tensors[f"layers.0.{name}"] = weight
    for name in ("layers.0.input_layernorm", "layers.0.post_attention_layernorm", "norm"):
        tensors[name] = torch.ones(shapes.hidden)
    tensors["embed_tokens"] = torch.randn(WORDS, shapes.hidden, generator=generator)
    stored = {f"model.{name}.weight": value.bfloat16() for name, value in tensors.items()}
    save_file(stored, folder / "model.safetensors")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": WORDS,
        "hidden_size": shapes.hidden,
        "intermediate_size": shapes.intermediate,
        "num_hidden_layers": 1,
        "num_attention_heads": shapes.heads,
        "num_key_value_heads": shapes.key_heads,
        "max_position_embeddings": shapes.tokens_each,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def sequences(shapes: Shapes, count: int) -> list[dict[str, Tensor]]:
    """Random words, the same ones every time."""
    generator = torch.Generator().manual_seed(1)
    return [
        {"input_ids": torch.randint(0, WORDS, (1, shapes.tokens_each), generator=generator)}
        for _ in range(count)
    ]


class PathsTiming:
    """Sequences through one layer, on the quantized and the full-precision path."""

    def __init__(self, shapes: Shapes, folder: Path, device: torch.device, count: int = 1) -> None:
        self.shapes, self.device, self.count = shapes, device, count
        opened, reader = open_blockwise(folder), CheckpointReader(folder)
        self.walks = {
            name: Walk(opened, reader, settings, device=device)
            for name, settings in METHODS.items()
        }
        walk = self.walks["rpiq"]
        load_outer(opened, reader, device)
        self.state = walk.passes.start(sequences(shapes, 1)[0])
        self.block = next(iter(walk.recipe.blocks(walk.model)))
        walk._load(f"{self.block.name}.", self.block.module)
        self.exact = replace(self.block, module=copy.deepcopy(self.block.module))

    def __call__(self) -> dict[str, Any]:
        """Seconds of one sequence by part and group; and of what no number of tokens changes."""
        found: dict[str, Any] = {"per sequence": {}, "gathering": {}}
        for group, layers in zip(self.shapes.groups(), self.block.groups, strict=True):
            for method, walk in self.walks.items():
                clock = Clock(self.device)
                states = [self.state] * self.count
                text: Stream = "text"
                share = Share.of(self.count, self.count, slots_of(0, 1))
                streams = (text,) * self.count
                paths = Paths(states, [], list(states), [], streams, (), share)
                exact = self.exact if method == "rpiq" else None
                with clock.inside(PATH_PARTS), clock.part("gathering"):
                    walk._statistics(self.block, exact, layers[0], paths)
                found["gathering"].setdefault(method, {})[group] = clock.spent.pop("gathering")
                each = {part: spent / self.count for part, spent in clock.spent.items()}
                found["per sequence"].setdefault(group, {})[method] = each
        walk, clock = self.walks["rpiq"], Clock(self.device)
        for _ in range(self.count):
            with clock.part("advance"):
                goal = walk.passes.step(self.block, self.state)
            with clock.part("judge"):
                output_error(walk.passes, self.block, [self.state], [goal])
        return found | {part: spent / self.count for part, spent in clock.spent.items()}


def statistics(rows: int, columns: int, device: torch.device) -> LayerStatistics:
    """What calibration might say about a layer's inputs: a few strong directions, and noise."""
    generator = torch.Generator().manual_seed(0)

    def strong() -> Tensor:
        return torch.randn(columns, 64, generator=generator) * 0.3

    def moments(directions: Tensor) -> Tensor:
        hessian = directions @ directions.T
        hessian.diagonal().add_(1 + 0.5 * torch.rand(columns, generator=generator))
        return hessian.to(device)

    directions = strong()
    fit, shift = moments(directions), moments(strong())
    shift = shift.sub_(fit).mul_(0.05)
    held_out = moments(directions)
    early = target_module.multiplies_early([rows], columns)
    if early:
        shift = shift[:rows].clone()
    # A Hessian of its own, as where not every sequence is followed.
    tokens = 64 * columns
    return LayerStatistics(
        fit, tokens, held_out, tokens, 1, shift, fit.clone(), damp_percent=0.05, multiplied=early
    )


def time_solvers(
    out_features: int, statistics: LayerStatistics, device: torch.device, order: tuple[str, ...]
) -> dict[str, Any]:
    """Seconds of both methods' steps on one layer: all that a walk does beside its passes."""
    columns = len(statistics.hessian)
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(out_features, columns, generator=generator) * columns**-0.5
    weight = weight.to(device)
    found: dict[str, Any] = {}
    for method in order:
        settings, clock = METHODS[method], Clock(device)
        # Nothing that an earlier timing computed is known.
        fresh = replace(statistics, damp_percent=settings.damp_percent)
        blocks = len(rpiq_module.column_blocks(columns, GROUP_SIZE))
        with clock.inside(SOLVER_PARTS), clock.part("targets and copies"):
            gamma, proposed = 0.0, None
            if method == "rpiq":
                for share in GAMMAS:
                    candidate = propose(fresh.problem(weight, share), settings)
                    candidate.weight.dequantize()
                    gamma, proposed = (share, candidate) if share == 0.5 else (gamma, proposed)
            solution = solve(
                fresh.problem(weight, gamma), fresh.held_out, settings, proposed=proposed
            )
            solution.chosen.weight.dequantize()
        ended = clock.now()
        stage = solution.stages[-1]
        found[method] = {
            "seconds": sum(clock.spent.values()),
            "steps": dict(clock.spent),
            "kept": solution.chosen.name,
            "j_of_stages": {s.name: s.error for s in solution.stages},
        }
        if stage.rounds is not None:
            visits = clock.starts["block step"]
            last = visits[(stage.rounds - 1) * blocks]
            measured = clock.spent["measuring"] / len(solution.stages)
            later = ended - last - measured if stage.rounds > 1 else None
            found[method] |= {"rounds": stage.rounds, "last_round": later}
    return found


def time_whole_walks(shapes: Shapes, folder: Path, device: torch.device) -> Mapping[str, float]:
    """Seconds of a whole walk by each method, every sequence and both paths included."""
    found = {}
    for method, settings in METHODS.items():
        opened = open_blockwise(folder)
        drawn = sequences(shapes, shapes.sequences)
        parts = CalibrationSet(drawn[shapes.held_out :], drawn[: shapes.held_out])
        walk = Walk(
            opened,
            CheckpointReader(folder),
            settings,
            device=device,
            followed=shapes.followed_tokens,
            judging_tokens=shapes.judging_tokens,
        )
        clock = Clock(device)
        started = clock.now()
        for _ in walk.run(parts):
            pass
        found[method] = clock.now() - started
    return found
