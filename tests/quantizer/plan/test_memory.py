"""Planned memory is never below what torch's allocator records, and not far above it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from tokenizers import Tokenizer
from torch.profiler import ProfilerActivity, profile

from models.cogvlm2.config import CogVLM2Config, VisionConfig
from models.families import family_of
from models.files.checkpoint import ShardWriter
from quantizer.importance.gradients import Gradients
from quantizer.plan.buffers import PROCESS, Moment, peak
from quantizer.plan.importance import importance_moments, kept_states
from quantizer.plan.memory import block_bytes, outer_bytes
from quantizer.plan.plan import Plan
from quantizer.plan.solving import proposal_moments, solver_moments
from quantizer.plan.workload import CalibrationShape, LinearShape, block_shapes
from quantizer.run.outer import load_outer
from quantizer.run.pipeline import Job, plan_job, prepare, run
from quantizer.run.walk import Walk
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.methods import Method, Settings
from quantizer.solvers.solver import propose, solve
from tests.image_text_models import write_idefics3, write_qwen3_vl

METHODS: tuple[Method, ...] = ("rtn", "gptq", "rpiq", "rpiq-paper")


def allocated_peak(action: Callable[[], object]) -> int:
    """Most bytes that torch's allocator held at once while an action ran, beyond the start."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        action()
    sizes = [
        event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"
    ]
    held = peak = 0
    for event in sorted(sizes, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


class Layer(NamedTuple):
    """A layer to solve: outputs, inputs, columns of a group, tokens for each input."""

    outputs: int
    inputs: int
    group_size: int
    tokens_per_input: float = 2.0
    act_order: bool = True

    @property
    def tokens(self) -> int:
        return int(self.tokens_per_input * self.inputs)

    def problem(self) -> tuple[LayerProblem, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(self.tokens, self.inputs, generator=generator)
        weight = torch.randn(self.outputs, self.inputs, generator=generator)
        return LayerProblem(weight, inputs.T @ inputs / self.tokens, self.tokens), inputs

    def settings(self, method: Method) -> Settings:
        # Memory does not depend on the number of rounds.
        plain = Settings(method, group_size=self.group_size, rounds=1, act_order=self.act_order)
        return plain

    def planned(self, method: Method, inputs: torch.Tensor) -> Moment:
        scarce = self.tokens < self.inputs and method != "rpiq-paper"
        return peak(
            solver_moments(
                LinearShape("layer", self.outputs, self.inputs),
                self.settings(method),
                scarce=scarce,
                last_inputs=inputs.nbytes,
            )
        )


QUICK = (
    Layer(64, 256, 128),
    Layer(256, 128, 32),
    Layer(128, 64, 64, act_order=False),
    Layer(96, 192, 64, 0.5),
)
WIDE = (
    Layer(1024, 256, 32),
    Layer(512, 512, 128),
    Layer(256, 1024, 128),
    Layer(1024, 1024, 64),
    Layer(128, 2048, 128),
    Layer(2048, 512, 128),
    Layer(304, 320, 320),
    Layer(3072, 1024, 128),
    Layer(512, 512, 128, 0.6),
    Layer(512, 512, 64, 2.0, False),
    Layer(512, 1536, 128, 0.3),
    Layer(64, 64, 8),
)


def check_layer(method: Method, layer: Layer, most: float) -> None:
    problem, inputs = layer.problem()
    held_out = problem.hessian.clone()
    settings = layer.settings(method)
    allocated = allocated_peak(lambda: solve(problem, held_out, settings, last_inputs=inputs))
    planned = layer.planned(method, inputs)
    assert allocated <= planned.size <= most * allocated, planned


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", QUICK, ids=str)
def test_a_solver_allocates_at_most_what_is_planned(method: Method, layer: Layer) -> None:
    check_layer(method, layer, 1.25)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", WIDE, ids=str)
def test_a_wide_solvers_plan_is_close(method: Method, layer: Layer) -> None:
    # A group as wide as the layer, or a layer as small as its indices, is counted less closely.
    rough = layer.group_size == layer.inputs or layer.inputs < 128
    check_layer(method, layer, 1.25 if rough else 1.06)


@pytest.mark.parametrize("layer", QUICK[:2], ids=str)
def test_a_proposal_allocates_at_most_what_is_planned(layer: Layer) -> None:
    problem, _ = layer.problem()
    settings = layer.settings("rpiq")
    allocated = allocated_peak(lambda: propose(problem, settings))
    shape = LinearShape("layer", layer.outputs, layer.inputs)
    planned = peak(proposal_moments(shape, settings))
    assert allocated <= planned.size <= 1.25 * allocated, planned


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gptq", "rpiq"])
def test_float64_is_planned_where_float32_cannot_factorize(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = Layer(64, 512, 128)
    problem, _ = layer.problem()
    exact = torch.linalg.cholesky_ex

    def fails_in_float32(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        lower, failed = exact(matrix)
        # Only of the whole Hessian: the small factors of blocks are not what is wide.
        if matrix.dtype == torch.float32 and len(matrix) == layer.inputs:
            failed = torch.ones_like(failed)
        return lower, failed

    monkeypatch.setattr(torch.linalg, "cholesky_ex", fails_in_float32)
    allocated = allocated_peak(lambda: solve(problem, None, layer.settings(method)))
    shape = LinearShape("layer", layer.outputs, layer.inputs)
    planned = peak(solver_moments(shape, layer.settings(method), double=True))
    assert allocated <= planned.size <= 1.1 * allocated, planned


def planned_bytes(plan: Plan) -> float:
    """What torch itself will allocate: without the process and the libraries' own memory."""
    return sum(
        buffer.size
        for buffer in plan.host_at.buffers
        if buffer.part != PROCESS and "libraries" not in buffer.name
    )


def check_run(job: Job, most: float) -> None:
    plan = plan_job(job, prepare(job))
    allocated = allocated_peak(lambda: run(job))
    planned = planned_bytes(plan)
    assert allocated <= planned <= most * allocated, plan.host_at


@pytest.mark.parametrize("method", ["rtn", "gptq"])
def test_a_run_allocates_at_most_what_is_planned(
    method: Method, make_llama: Callable[..., Path], text_file: Path, tmp_path: Path
) -> None:
    model = make_llama(tmp_path / "model", 64, 96, 1)
    settings = Settings(method, group_size=32, rounds=1)
    job = Job(model, tmp_path / "out", settings, calibration=text_file, samples=4, seq_len=64)
    # Of half a megabyte the ends of pages are a tenth.
    check_run(job, 1.5)


@pytest.mark.parametrize(
    ("hidden", "wide", "seq_len"),
    [(64, 96, 64), pytest.param(128, 352, 256, marks=pytest.mark.slow)],
)
def test_passing_the_loss_back_allocates_at_most_what_is_planned(
    hidden: int,
    wide: int,
    seq_len: int,
    make_llama: Callable[..., Path],
    text_file: Path,
    tmp_path: Path,
) -> None:
    model = make_llama(tmp_path / "model", hidden, wide, 2)
    settings = Settings("gptq", group_size=32, token_importance=0.5)
    job = Job(model, tmp_path / "out", settings, calibration=text_file, samples=4, seq_len=seq_len)
    prepared = prepare(job)
    opened, reader, drawn = prepared.opened, prepared.reader, prepared.calibration
    assert drawn is not None
    walk = Walk(opened, reader, settings, device=torch.device("cpu"))
    load_outer(opened, reader, torch.device("cpu"))
    gradients = Gradients(opened, reader, walk.passes, walk._loaded_copy)
    with torch.no_grad():
        allocated = allocated_peak(lambda: gradients.of([*drawn.fitting, *drawn.held_out]))
    blocks = block_shapes(list(opened.blockwise.blocks()), reader, job.rules)
    shape = CalibrationShape.of(opened, drawn)
    weights = [block_bytes(block) for block in blocks]
    moments = importance_moments(
        blocks, shape, weights, outer_bytes(opened, reader).head, 4, on_gpu=False, threads=1
    )
    planned = peak(moments).beside([kept_states(len(blocks), shape, 4)]).size
    assert allocated <= planned <= 2 * allocated
    # What the plan of the whole run says is no less.
    assert planned_bytes(plan_job(job, prepare(job))) >= planned


@pytest.mark.slow
def test_a_run_that_makes_up_for_sums_allocates_at_most_what_is_planned(
    make_llama: Callable[..., Path], text_file: Path, tmp_path: Path
) -> None:
    model = make_llama(tmp_path / "model", 128, 192, 1)
    settings = Settings("rpiq", group_size=32, rounds=1, residual_target=True)
    job = Job(model, tmp_path / "out", settings, calibration=text_file, samples=6, seq_len=256)
    check_run(job, 1.2)


@pytest.mark.slow
def test_a_run_that_weighs_tokens_allocates_at_most_what_is_planned(
    make_llama: Callable[..., Path], text_file: Path, tmp_path: Path
) -> None:
    model = make_llama(tmp_path / "model", 128, 192, 3)
    settings = Settings("rpiq", group_size=32, rounds=1, token_importance=0.5)
    job = Job(model, tmp_path / "out", settings, calibration=text_file, samples=16, seq_len=256)
    # Of what a pass holds and what it records some is the same.
    check_run(job, 1.75)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "hidden", "wide", "samples", "seq_len", "group_size"),
    [
        ("rtn", 128, 352, 90, 64, 64),
        ("rtn", 256, 1024, 8, 256, 64),
        ("gptq", 128, 352, 90, 64, 64),
        ("gptq", 256, 1024, 24, 256, 128),
        ("rpiq", 128, 192, 6, 64, 64),
        ("rpiq", 128, 192, 60, 64, 64),
        ("rpiq", 128, 192, 6, 256, 32),
        ("rpiq-paper", 128, 352, 90, 64, 64),
        ("rpiq-paper", 256, 512, 6, 256, 128),
    ],
)
def test_a_larger_runs_plan_is_close(
    method: Method,
    hidden: int,
    wide: int,
    samples: int,
    seq_len: int,
    group_size: int,
    make_llama: Callable[..., Path],
    text_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So that the full-precision path follows all of 6 short sequences, but not of 60.
    monkeypatch.setattr("quantizer.run.following._FOLLOWED_AT_LEAST", 1024)
    model = make_llama(tmp_path / "model", hidden, wide, 1)
    settings = Settings(method, group_size=group_size, rounds=1)
    job = Job(
        model, tmp_path / "out", settings, calibration=text_file, samples=samples, seq_len=seq_len
    )
    check_run(job, 1.12)


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("method", "bits"), [("rtn", 4), ("gptq", 4), ("rpiq", 4), ("gptq", 8)])
def test_a_head_allocates_at_most_what_is_planned(
    method: Method,
    bits: int,
    tied: bool,
    make_llama: Callable[..., Path],
    text_file: Path,
    tmp_path: Path,
) -> None:
    model = make_llama(tmp_path / "model", 128, 128, 1, words=32768, tied=tied)
    settings = Settings(method, group_size=64)
    job = Job(model, tmp_path / "out", settings, calibration=text_file, samples=6, seq_len=64)
    check_run(replace(job, head_bits=bits), 2.0)


@pytest.fixture(scope="module")
def small_cogvlm2(tmp_path_factory: pytest.TempPathFactory, letter_tokenizer: Tokenizer) -> Path:
    """A CogVLM2 folder of random weights, wide enough that small change does not count."""
    folder = tmp_path_factory.mktemp("small-cogvlm2")
    config = CogVLM2Config(
        vocab_size=99,
        hidden_size=128,
        intermediate_size=320,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_multi_query_heads=2,
        max_position_embeddings=256,
        bos_token_id=1,
        eos_token_ids=(2,),
        pad_token_id=0,
        vision=VisionConfig(
            image_size=112,
            patch_size=14,
            hidden_size=96,
            num_heads=4,
            num_hidden_layers=1,
            intermediate_size=192,
        ),
    )
    module = family_of(config.to_dict()).build(config.to_dict())
    generator = torch.Generator().manual_seed(0)
    with ShardWriter(folder) as writer:
        for name, tensor in module.state_dict().items():
            if not name.endswith("inv_freq"):
                values = torch.randn(tensor.shape, generator=generator) * 0.1
                writer.add(name, values.to(torch.bfloat16))
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    letter_tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("samples", [4, 12])
def test_a_run_over_pictures_allocates_at_most_what_is_planned(
    method: Method,
    samples: int,
    small_cogvlm2: Path,
    picture_folder: Path,
    tmp_path: Path,
) -> None:
    settings = Settings(method, group_size=32, rounds=1)
    job = Job(
        small_cogvlm2, tmp_path / "out", settings, calibration=picture_folder, samples=samples
    )
    check_run(job, 1.25)


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_idefics3, write_qwen3_vl])
@pytest.mark.parametrize("method", ["gptq", "rpiq"])
def test_what_passes_a_tower_before_the_first_block_is_planned(
    method: Method, write: Callable[[Path], object], picture_folder: Path, tmp_path: Path
) -> None:
    write(tmp_path / "model")
    settings = Settings(method, group_size=32, rounds=1)
    job = Job(tmp_path / "model", tmp_path / "out", settings, calibration=picture_folder, samples=4)
    # Of a few megabytes, pictures are most, which NumPy has allocated and is not asked.
    check_run(job, 4.0)
