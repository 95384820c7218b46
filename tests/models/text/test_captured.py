"""A captured step against the ordinary one: the same tokens, and nothing in it that changes."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from models.errors import CheckpointError
from models.generate import greedy_tokens
from models.greedy import pick
from models.text.captured import (
    CAPTURE_VARIABLE,
    MOST_KEPT,
    CapturedStep,
    CudaGraphs,
    lent_step,
    wanted_recorder,
)
from models.text.reading import STEP, reader_of
from models.text.rooms import FIRST_ROOM, Rooms
from models.text.rotary_step import RotaryStep
from tests.models.text.test_rotary_step import FAMILIES, made
from tests.pretend_gpu.guard import load_guard
from tests.pretend_gpu.replaying import Replaying

HOST = torch.device("cpu")


class Failing(Replaying):
    """Breaks off in the middle of the capture that comes after some."""

    def __init__(self, good: int = 0) -> None:
        super().__init__()
        self.good = good

    def record(self, action: Callable[[], None], device: torch.device) -> Callable[[], None]:
        replay = super().record(action, device)
        if self.recorded > self.good:
            raise RuntimeError("operation not permitted when stream is capturing")
        return replay


def prompt(length: int, seed: int = 1) -> Tensor:
    return torch.randint(20, 300, (1, length), generator=torch.Generator().manual_seed(seed))


def ordinary(model: Any, ids: Tensor, more: int) -> tuple[list[int], list[Tensor]]:
    """Greedy tokens behind ids by the ordinary step, and the logits before each."""
    step = reader_of(model)
    held, tokens, logits = step.begin(), [], []
    for _ in range(more):
        read = step.read(ids, held)
        logits.append(read[-1].float())
        tokens.append(int(logits[-1].argmax()))
        ids = torch.tensor([[tokens[-1]]])
    return tokens, logits


@pytest.mark.parametrize("kind", ["bfloat16", "int4"])
@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_tokens_are_those_of_the_ordinary_step_across_a_larger_room(
    architecture: str, kind: str
) -> None:
    model, graphs = made(architecture, kind, stepping=True), Replaying()
    ids = prompt(FIRST_ROOM - 3)
    tokens, logits = ordinary(model, ids, 8)
    assert list(greedy_tokens(model, ids, 8, recorder=graphs)) == tokens
    # Room for 3 of the 7 tokens that are fed, then twice the room.
    assert (graphs.recorded, graphs.replayed) == (2, 7)
    step = reader_of(model)
    with torch.inference_mode(), lent_step(step, graphs) as captured:
        assert captured is not None
        picked = pick(step.read(ids, captured.rooms)[-1])
        for expected in logits[1:]:
            picked = captured.next(picked)
            assert captured.logits is not None
            # bfloat16 has 8 bits: two steps of a logit, as sums come in another order.
            size = float(expected.abs().max())
            assert torch.allclose(captured.logits[0].float(), expected, atol=size / 64)
    assert graphs.recorded == 2  # the larger room is there already


def test_in_float32_logits_are_as_near_as_rounding() -> None:
    model, ids = made("qwen3", "float32", stepping=True), prompt(9)
    tokens, logits = ordinary(model, ids, 5)
    step = reader_of(model)
    with torch.inference_mode(), lent_step(step, Replaying()) as captured:
        assert captured is not None
        picked = pick(step.read(ids, captured.rooms)[-1])
        for number, expected in enumerate(logits[1:], 1):
            assert picked.id == tokens[number - 1]
            picked = captured.next(picked)
            assert captured.logits is not None
            assert torch.allclose(captured.logits[0], expected, atol=1e-4)


def traced(model: Any, at: int, longest: int) -> tuple[torch.fx.GraphModule, RotaryStep]:
    """The step as operators, written down while it reads a token at one position."""
    step = reader_of(model)
    assert isinstance(step, RotaryStep)
    held = step.begin(cleared=True)
    held.make_room(longest)
    step.ready_for(held.room)  # outside, as before a capture

    def once(token: Tensor, position: Tensor, *layers: Tensor) -> Tensor:
        rooms = Rooms(0, 1, 1, dtype=torch.float32, device=HOST)
        rooms.layers = list(layers)
        return step.read_at(token, position, rooms)

    with torch.no_grad():
        graph = make_fx(once)(torch.tensor([[33]]), torch.tensor([at]), *held.layers)
    return graph, step


@pytest.mark.parametrize("kind", ["float32", "int4"])
def test_what_is_traced_at_one_position_is_right_at_others(kind: str) -> None:
    """No number on the host and no shape depends on the position, so a graph may be replayed."""
    model = made("qwen3", kind, stepping=True)
    graph, step = traced(model, 5, FIRST_ROOM)
    names = {str(node.target) for node in graph.graph.nodes if node.op == "call_function"}
    assert not [
        name
        for name in names
        for waiting in ("_local_scalar_dense", "nonzero", ".item", "masked_select", "unique")
        if waiting in name
    ]
    assert any("int4pack_mm" in name for name in names) == (kind == "int4")
    for length in (1, 130, FIRST_ROOM - 3):
        ids = prompt(length, seed=length)
        held, other = step.begin(cleared=True), step.begin()
        held.make_room(FIRST_ROOM)  # here, as what is made in inference mode stays bound to it
        step.read(ids, held), step.read(ids, other)
        for number in (0, 1, 2):
            token = torch.tensor([[40 + 90 * number]])
            with torch.no_grad():
                found = graph(token, torch.tensor([length + number]), *held.layers)
            expected = step.read(token, other)
            scale = 1e-4 if kind == "float32" else float(expected.abs().max()) / 64
            assert torch.allclose(found.float(), expected.float(), atol=scale)


def test_the_trace_of_a_step_that_looks_at_the_position_would_be_found_out() -> None:
    """The test above fails for an ordinary step, which cuts the room at the length it knows."""
    model = made("llama", "float32", stepping=True)
    step = reader_of(model)
    held = step.begin()
    held.make_room(FIRST_ROOM)
    step.read(prompt(5), held)

    def once(token: Tensor) -> Tensor:
        held.length = 5
        return step.read(token, held)

    with torch.no_grad():
        graph = make_fx(once)(torch.tensor([[33]]))
    step.read(prompt(1, seed=7), held)
    with torch.no_grad():
        found = graph(torch.tensor([[40]]))
    expected = step.read(torch.tensor([[40]]), held)
    assert not torch.allclose(found, expected, atol=1e-2)


@pytest.mark.parametrize("good", [0, 1])
def test_what_cannot_be_captured_is_read_as_usual_with_one_warning(
    good: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where only the second room's capture fails, in the middle of an answer."""
    model, ids, graphs = made("llama", "int4", stepping=True), prompt(FIRST_ROOM - 3), Failing(good)
    tokens, _ = ordinary(model, ids, 8)
    for _ in range(3):
        assert list(greedy_tokens(model, ids, 8, recorder=graphs)) == tokens
    assert (graphs.recorded, graphs.replayed) == (good + 1, 3 * good)
    assert caplog.text.count("could not be captured") == 1 and "not permitted" in caplog.text
    assert reader_of(model).aside[0].rooms.room == 0  # type: ignore[attr-defined]  # of a RotaryStep


def test_a_room_is_kept_for_the_next_text_and_not_a_large_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, graphs = made("qwen2", "bfloat16", stepping=True), Replaying()
    first, second = prompt(20, seed=2), prompt(9, seed=3)
    wanted = ordinary(model, second, 6)[0]
    started = greedy_tokens(model, first, 9, recorder=graphs)
    next(started), next(started)
    assert list(greedy_tokens(model, second, 6, recorder=graphs)) == wanted  # beside the first
    started.close()  # an answer that ends early
    assert graphs.recorded == 2
    assert list(greedy_tokens(model, second, 6, recorder=graphs)) == wanted
    assert graphs.recorded == 2
    model.float()
    wanted = ordinary(model, second, 6)[0]
    assert list(greedy_tokens(model, second, 6, recorder=graphs)) == wanted
    assert graphs.recorded == 3
    assert MOST_KEPT >= FIRST_ROOM
    monkeypatch.setattr("models.text.captured.MOST_KEPT", FIRST_ROOM - 1)
    list(greedy_tokens(model, second, 3, recorder=graphs))
    assert reader_of(model).aside == []  # type: ignore[attr-defined]  # of a RotaryStep


def test_numbers_that_are_none_are_refused_and_not_kept() -> None:
    model, graphs = made("llama", "float32", stepping=True), Replaying()
    tokens = greedy_tokens(model, prompt(5), 9, recorder=graphs)
    next(tokens), next(tokens)
    model.model.norm.weight[3] = float("nan")
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        next(tokens)
    assert reader_of(model).aside == []  # type: ignore[attr-defined]  # of a RotaryStep


def test_a_step_that_is_given_up_goes_at_once_with_its_rooms() -> None:
    class Forgetting(Replaying):
        def record(self, action: Callable[[], None], device: torch.device) -> Callable[[], None]:
            super().record(action, device)
            return lambda: None  # as a graph, which knows nothing of what it was captured from

    model = made("llama", "bfloat16", stepping=True)
    assert len(list(greedy_tokens(model, prompt(5), 4, recorder=Forgetting()))) == 4
    step = reader_of(model)
    kept = weakref.ref(step.aside[0])  # type: ignore[attr-defined]  # of a RotaryStep
    assert kept() is not None
    delattr(model, STEP)
    del step
    assert kept() is None


def test_it_is_off_unless_asked_for_and_never_on_a_processor() -> None:
    assert wanted_recorder({}) is None and wanted_recorder({CAPTURE_VARIABLE: "0"}) is None
    recorder = wanted_recorder({CAPTURE_VARIABLE: "1"})
    assert isinstance(recorder, CudaGraphs)
    assert recorder.takes(torch.device("cuda:1")) and not recorder.takes(HOST)
    step = reader_of(made("llama", "float32", stepping=True))
    for reader, given in ((step, None), (step, recorder), (object(), Replaying())):
        with lent_step(reader, given) as captured:
            assert captured is None


def on_the_card(kind: str) -> Any:
    """A tiny LLaMA on the pretend card."""
    model = made("llama", kind, stepping=False).to("cuda:0")
    setattr(model, STEP, FAMILIES["llama"].reading_step(model))
    return model


@pytest.mark.skipif(load_guard() is not None, reason=str(load_guard()))
def test_on_a_card_a_token_waits_once_and_leaves_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from tests.pretend_gpu.device import pretend_card

    layers = 2
    with pretend_card() as counts:
        model, ids = on_the_card("bfloat16"), prompt(40).to("cuda:0")
        expected = list(greedy_tokens(model, ids, 8))
        # This PyTorch has no graphs, which is one way in which capturing can fail.
        assert list(greedy_tokens(model, ids, 8, recorder=CudaGraphs())) == expected
        assert caplog.text.count("could not be captured") == 1
        reader_of(model).aside.clear()  # type: ignore[attr-defined]  # of a RotaryStep

        step = reader_of(model)
        with torch.inference_mode(), lent_step(step, Replaying()) as captured:
            assert isinstance(captured, CapturedStep)
            picked = captured.next(captured.next(pick(step.read(ids, captured.rooms)[-1])))
            living = counts.living
            counts.clear()
            for _ in range(3):
                picked = captured.next(picked)
            # Three numbers of 4 bytes are all that is asked, and the one wait is for them.
            assert counts.waits.total() == 3 and counts.copied_in.total() == 0, counts.table()
            assert counts.copied_out.total() == counts.blocking.total() == 36, counts.table()
            assert counts.living == living, counts.table()
            assert counts.kernels == {"efficient"}, counts.table()
            assert sum(counts.attention.values()) == 3 * layers
            assert counts.by_name["repeat_interleave"] == 0


@pytest.mark.slow
@pytest.mark.skipif(load_guard() is not None, reason=str(load_guard()))
def test_on_a_card_logits_are_those_of_the_ordinary_step() -> None:
    from tests.pretend_gpu.device import pretend_card

    with pretend_card():
        model = on_the_card("int4")
        step, ids = reader_of(model), prompt(40).to("cuda:0")
        held = step.begin()
        with torch.inference_mode(), lent_step(step, Replaying()) as captured:
            assert captured is not None
            step.read(ids, captured.rooms)
            picked = pick(step.read(ids, held)[-1])
            for _ in range(5):
                captured.next(picked)
                expected = step.read(picked.fed, held)
                assert captured.logits is not None
                size = float(expected.abs().max())
                assert torch.allclose(captured.logits.cpu(), expected.cpu(), atol=size / 64)
                picked = pick(expected[-1])
